"""Fuzz programs: plain data, and what they mean in symbols, arrays and many digits.

A program is a dictionary that JSON can hold:

    sizes       names of sizes and how large they are, one dictionary for each call
    leaves      id, dtype, shape (names of sizes or numbers), shared or not, how to fill it
    steps       id, "do" (a name in `DOES`), "args" (ids), and what else the step needs;
                a loop, a condition or a graph has steps of its own inside
    outputs     ids
    updates     pairs of ids: a shared leaf, its new value
    gradients   cost, wrt (ids), order (1 or 2)
    descends    whether shared leaves without an update go down their gradients
    functions   how many functions have these updates, called in turn
    mode        a name in `judge.MODES`
    claims      whether the steps are forms that symnet promises to compute stably
    seed        of the values in the leaves

Ids are numbers that occur once in the whole program, so that a step can be taken away
and others go on naming what they named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import symnet.tensor as T
from symnet import OpFromGraph
from symnet.graph.traverse import leaves
from symnet.graph.types import FLOATS
from symnet.graph.variables import Variable
from tests.fuzz.call_table import CALLS
from tests.fuzz.forms import FORMS
from tests.fuzz.spaces import Symbols, widened

Program = dict[str, Any]
Step = dict[str, Any]


def index_of(step: Step, given: Sequence[Any]) -> tuple[Any, ...]:
    """What stands in brackets: whole numbers, slices, arrays of positions, masks, and
    values computed by the program (by their place among the arguments)."""
    made: list[Any] = []
    for kind, *rest in step["index"]:
        if kind == "at":
            made.append(rest[0])
        elif kind == "slice":
            made.append(slice(*rest))
        elif kind == "positions":
            made.append(np.array(rest[0], "int64"))
        elif kind == "mask":
            made.append(np.array(rest[0], bool))
        elif kind == "computed":
            made.append(given[rest[0]])
        elif kind == "from":
            made.append(slice(given[rest[0]], None))
        else:
            made.append(slice(None, given[rest[0]]))
    return tuple(made)


# What a step does: (namespace, step, arguments) -> value.
DOES: dict[str, Any] = {
    "apply": lambda m, s, *a: getattr(m, s["name"])(*a),
    "scale": lambda m, s, x: m.add(m.mul(x, s["by"]), s["plus"]),
    "form": lambda m, s, *a: FORMS[s["name"]](m, s, *a),
    "cast": lambda m, s, x: m.cast(x, s["dtype"]),
    "reduce": lambda m, s, x: m.reduce(s["name"], x, _axes(s["axes"]), s["keepdims"]),
    "centred": lambda m, s, x: _centred(m, s, x),
    "along": lambda m, s, x: getattr(m, s["name"])(x, axis=s["axis"]),
    "shuffle": lambda m, s, x: m.shuffle(x, s["pattern"]),
    "reshape": lambda m, s, x: m.reshape(x, s["sizes"]),
    "flatten": lambda m, s, x: m.reshape(x, [-1]),
    "index": lambda m, s, x, *a: m.at(x, index_of(s, (x, *a))),
    "set": lambda m, s, x, y, *a: m.set_at(x, index_of(s, (x, y, *a)), y),
    "add": lambda m, s, x, y, *a: m.add_at(x, index_of(s, (x, y, *a)), y),
    "join": lambda m, s, *a: m.concatenate(list(a), axis=s["axis"]),
    "stack": lambda m, s, *a: m.stack(list(a), axis=s["axis"]),
    "roll": lambda m, s, x: m.roll(x, s["by"], axis=s["axis"]),
    "flip": lambda m, s, x: m.flip(x, s["axis"]),
    "repeat": lambda m, s, x: m.repeat(x, s["by"], axis=s["axis"]),
    "convolve": lambda m, s, x, w: m.convolve(x, w, s),
    "pool": lambda m, s, x: m.pool(x, s),
    "bias": lambda m, s, x, b: _with_bias(m, x, b),
    "rectify": lambda m, s, x: m.maximum(x, 0.0),
    "size": lambda m, s, x: m.size(x, s["axis"]),
    "call": lambda m, s, *a: CALLS[s["name"]].value(m, s, *a),
}


def _axes(axes: Any) -> Any:
    return tuple(axes) if isinstance(axes, list) else axes


def _centred(m: Any, s: Step, x: Any) -> Any:
    """x less a reduction of it along an axis that is kept: x - max(x), x - mean(x)."""
    return m.sub(x, m.reduce(s["name"], x, s["axis"], True), spread=True)


def _with_bias(m: Any, x: Any, b: Any) -> Any:
    """Images (n, c, h, w) with a number (c,) added to each channel."""
    if m is not Symbols and np.shape(b) != np.shape(x)[1:2]:
        raise ValueError("a number for each channel")
    return m.add(x, m.shuffle(b, ["x", 0, "x", "x"]), spread=True)


def _wrapped(value: Any, dtype: np.dtype[Any]) -> Any:
    """Whole numbers as those of their dtype; others as they are."""
    if dtype.kind not in "iu":
        return value
    value = np.asarray(value)
    if value.dtype != object:
        return value.astype(dtype)
    bits = 8 * dtype.itemsize
    low = -(1 << bits - 1) if dtype.kind == "i" else 0
    wrap = np.frompyfunc(lambda v: (int(v) - low) % (1 << bits) + low, 1, 1)
    return np.asarray(wrap(value)).astype(dtype)


class Meaning:
    """A program computed in one namespace.

    dtypes: of every step, filled by the namespace of symbols and used by the others.
    """

    def __init__(self, space: Any, dtypes: dict[int, str], exact: bool = False) -> None:
        self.space, self.dtypes, self.exact = space, dtypes, exact

    def run(self, steps: Sequence[Step], values: dict[int, Any]) -> dict[int, Any]:
        """Adds every step's value to `values`."""
        for step in steps:
            for number, value in self.results(step, values):
                values[number] = self.typed(number, value)
        return values

    def results(self, step: Step, values: Mapping[int, Any]) -> list[tuple[int, Any]]:
        if step["do"] == "loop":
            return self._loop(step, values)
        if step["do"] == "choose":
            return [(step["id"], self._choose(step, values))]
        if step["do"] == "graph":
            return [(step["id"], self._graph(step, values))]
        given = [values[a] for a in step["args"]]
        return [(step["id"], DOES[step["do"]](self.space, step, *given))]

    def typed(self, number: int, value: Any) -> Any:
        if self.space is Symbols:
            self.dtypes[number] = value.type.dtype
            return value
        if self.exact:  # many digits: floats have no dtype, whole numbers have
            # A mean of whole numbers is NumPy's, and goes on in many digits.
            return _wrapped(widened(value), np.dtype(self.dtypes[number]))
        with np.errstate(all="ignore"):
            return np.asarray(value).astype(self.dtypes[number])

    def _choose(self, step: Step, values: Mapping[int, Any]) -> Any:
        condition = self.space.greater(values[step["args"][0]], step["above"])

        def branch(name: str) -> Any:
            part = step[name]
            inside = self.run(part["steps"], dict(values))
            return inside[part["result"]]

        return self.space.choose(condition, lambda: branch("yes"), lambda: branch("no"))

    def _graph(self, step: Step, values: Mapping[int, Any]) -> Any:
        """`inner`: the ids of its arguments within; `result`: one of an inner step;
        `override`: whether its gradient is given, and of what."""
        given = [values[a] for a in step["args"]]

        def inside(*arguments: Any) -> Any:
            pairs = zip(step["inner"], arguments, strict=True)
            own = {n: self.typed(n, value) for n, value in pairs}
            return self.run(step["steps"], own)[step["result"]]

        if self.space is not Symbols:
            return inside(*given)
        inputs = [x.type() for x in given]
        return OpFromGraph(
            inputs, [inside(*inputs)], step["inline"], **overrides(step, inside, inputs)
        )(*given)

    def _loop(self, step: Step, values: Mapping[int, Any]) -> list[tuple[int, Any]]:
        """`states`: start, taps (how many earlier rows are read), reads (their ids inside,
        oldest first), new; `walked`: of, row; `collected`: ids inside; `done`: id and bound;
        `ids`: the ids of what comes out, of the states and then of what is collected."""
        states, walked = step["states"], step["walked"]

        def body(
            rows: Sequence[Any], earlier: Sequence[Any], handed: Sequence[Any] = ()
        ) -> Any:
            inside = {**values, **dict(zip(body.handed, handed))}  # type: ignore[attr-defined]
            names = [w["row"] for w in walked]
            names += [r for s in states for r in s["reads"]]
            for name, value in zip(names, [*rows, *earlier], strict=True):
                inside[name] = self.typed(name, value)
            self.run(step["steps"], inside)
            done = None
            if step.get("done") is not None:
                done = self.space.greater(inside[step["done"]], step["above"])
            news = [inside[s["new"]] for s in states]
            return news, [inside[c] for c in step["collected"]], done

        body.collects = len(step["collected"])  # type: ignore[attr-defined]
        # Whatever was drawn outside, by id: what a step is not handed, it draws anew.
        body.handed = {n: v for n, v in values.items() if is_drawn(v)}  # type: ignore[attr-defined]
        found = self.space.loop(
            body, [values[w["of"]] for w in walked], [values[s["start"]] for s in states],
            [s["taps"] for s in states], step["count"], step["backwards"],
            step.get("done") is not None,
        )  # fmt: skip
        return list(zip(step["ids"], found, strict=True))


def is_drawn(value: Any) -> bool:
    """Whether a variable hangs on a random stream."""
    if not isinstance(value, Variable):
        return False
    return any(getattr(v, "default_update", None) is not None for v in leaves([value]))


def overrides(step: Step, inside: Any, inputs: Sequence[Any]) -> dict[str, Any]:
    """The graph's own gradient, written by hand in one of two forms."""
    if any(x.type.dtype not in FLOATS for x in (*inputs, inside(*inputs))):
        return {}

    def back(inputs: Sequence[Any], gradients: Sequence[Any]) -> Any:
        known = {inside(*inputs): gradients[0]}
        return T.grad(None, inputs, known_grads=known, disconnected_inputs="ignore")

    return {
        "none": {},
        "gradient": {"grad_overrides": back},
        "product": {"lop_overrides": lambda inputs, outputs, g: back(inputs, g)},
    }[step["override"]]


# ---- leaves


def shape_of(leaf: Mapping[str, Any], sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(sizes[n] if isinstance(n, str) else n for n in leaf["shape"])


def value_of(program: Program, leaf: Mapping[str, Any], call: int) -> Any:
    """What a leaf holds at a call, the same at every run."""
    rng = np.random.default_rng([program["seed"], call, leaf["id"]])
    shape = shape_of(leaf, program["sizes"][call])
    dtype, fill = np.dtype(leaf["dtype"]), leaf["fill"]
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "iu":
        low = 0 if dtype.kind == "u" else -5
        return rng.integers(low, 6, shape).astype(dtype)
    if dtype.kind == "c":
        parts = rng.integers(-8, 9, (2, *shape)) / 4
        return np.asarray(parts[0] + 1j * parts[1]).astype(dtype)
    if fill == "quarters":
        return np.asarray(rng.integers(-12, 13, shape) / 4).astype(dtype)
    if fill == "large":  # from ordinary to far beyond what exp can take
        most = 2.6 if dtype.itemsize > 2 else 1.3
        powers = 10.0 ** rng.uniform(-1, most, shape)
        return np.asarray(powers * rng.choice([-1, 1], shape)).astype(dtype)
    return np.asarray(rng.normal(size=shape)).astype(dtype)


def all_steps(steps: Sequence[Step]) -> list[Step]:
    """Steps and those inside of loops and conditions."""
    found = []
    for step in steps:
        found.append(step)
        if step["do"] in ("loop", "graph"):
            found += all_steps(step["steps"])
        if step["do"] == "choose":
            found += all_steps(step["yes"]["steps"]) + all_steps(step["no"]["steps"])
    return found
