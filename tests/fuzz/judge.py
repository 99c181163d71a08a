"""Runs a program and says what is wrong with it.

Results are compared with NumPy's of the same program, with symnet's own reference
evaluation, and with the formula in hundreds of digits; gradients with differences in
those digits, from both sides, so that a kink is no fault.  A refusal where NumPy has a
value is a fault too.
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import mpmath
import numpy as np

import symnet
import symnet.tensor as T
from symnet.compile.agreement import (
    ANY_SHAPE,
    SLACK,
    explained,
    reach_of_each_rounding,
    reach_of_rounding,
)
from symnet.compile.debugmode import DebugMode, Unstable
from symnet.compile.modes import Mode
from symnet.compile.refusals import NotOnDevice
from symnet.config import config
from symnet.graph.evaluate import evaluate
from symnet.graph.types import FLOATS
from symnet.kernels.memory import NoRoom
from tests.fuzz.calls_users import begin_streams
from tests.fuzz.doubts import DIGITS, Doubts
from tests.fuzz.forms import weighted_sum
from tests.fuzz.numbers import describe, largest, narrow, near, unstable
from tests.fuzz.program import Meaning, Program, all_steps, value_of
from tests.fuzz.spaces import Arrays, Symbols, Unknown, Wide, widened
from tests.fuzz.symbols import leaf_variable
from tests.fuzz.users_rewrites import users_mode

Array = np.ndarray[Any, Any]
MODES: dict[str, Any] = {
    "FAST_RUN": lambda: "FAST_RUN",
    "DebugMode": lambda: "DebugMode",
    "FAST_COMPILE": lambda: "FAST_COMPILE",
    "no rewrites": lambda: Mode(optimizer=None),
    "by reference": lambda: Mode(linker="py"),
    "users' rewrites": lambda: users_mode(),
    "DebugMode, patient": lambda: DebugMode(stability_patience=3),
    "DebugMode without judge": lambda: DebugMode(check_py_code=False),
    "DebugMode of rewrites": lambda: DebugMode(check_c_code=False),
    "in less memory": lambda: "FAST_RUN",
    "on the reference device": lambda: "FAST_RUN",
    "on the emulated device": lambda: "FAST_RUN",
}
DEVICES = {"on the reference device": "reference", "on the emulated device": "emulated"}
PLACES = 2  # elements of each variable whose derivative is taken, besides special ones
STEP = 60  # of differences: 10 to the power of minus that
LARGEST = 1200.0  # of what a stable form is made of: beyond, the digits do not suffice
BUDGET = 3.0  # seconds for the differences of one program


@dataclass
class Fault:
    """kind: what is compared and how it is wrong, the same for a smaller program."""

    kind: str
    text: str


@dataclass
class Verdict:
    faults: list[Fault] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def fault(self, kind: str, text: str) -> None:
        self.faults.append(Fault(kind, text[:2000]))


def judge(program: Program) -> Verdict:
    """Everything that is wrong with a program, and what it was made of."""
    verdict = Verdict()
    verdict.counts.update({"programs": 1, f"mode {program['mode']}": 1})
    verdict.counts["updates"] += len(program["updates"])
    verdict.counts.update(s["do"] for s in all_steps(program["steps"]))
    device = DEVICES.get(program["mode"], "cpu")
    with (
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
        config.change_flags(device=device),
    ):
        warnings.simplefilter("ignore")
        Case(program, verdict).run()
    return verdict


class InLessMemory:
    """A function whose calls take as little memory as they can be done in."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make, self.function = make, make(memory_limit=0)

    def __call__(self, *arguments: Any) -> Any:
        for _ in range(8):  # more than one where a graph is cut into several programs
            try:
                return self.function(*arguments)
            except NoRoom as error:
                self.function = self.make(memory_limit=error.least)
        return self.function(*arguments)


class Case:
    """One program: its graph, its functions, and what each call should give."""

    def __init__(self, program: Program, verdict: Verdict) -> None:
        self.program, self.verdict = program, verdict
        begin_streams()
        self.dtypes: dict[int, str] = {x["id"]: x["dtype"] for x in program["leaves"]}
        self.doubts = Doubts(program, self.dtypes, verdict.counts)
        self.values = {x["id"]: value_of(program, x, 0) for x in program["leaves"]}
        made = [*program["leaves"], *all_steps(program["steps"])]  # steps may cast
        floats = [one["dtype"] for one in made if one.get("dtype") in FLOATS]
        self.narrowest = max((float(np.finfo(d).eps) for d in floats), default=0.0)
        leaves = {
            x["id"]: leaf_variable(x, self.values[x["id"]]) for x in program["leaves"]
        }
        self.leaves = dict(leaves)
        self.graph = Meaning(Symbols, self.dtypes).run(program["steps"], leaves)
        self.calls_made = 0
        self.inputs = [x for x in program["leaves"] if not x["shared"]]
        self.shares = [x for x in program["leaves"] if x["shared"]]

    def run(self) -> None:
        try:
            self.gradients = [self.gradient(g) for g in self.program["gradients"]]
            functions = self.compile()
        except NotOnDevice:
            self.verdict.counts["not on the device"] += 1
            return
        except Exception as error:
            self.refused(error, "compile")
            return
        previous: list[tuple[Array, Array]] = []
        for call in range(len(self.program["sizes"])):
            for f in functions:
                if not self.call(f, call, previous):
                    return
        for old, copy in previous:
            if not np.array_equal(old, copy, equal_nan=copy.dtype.kind in "fc"):
                self.verdict.fault("alias", "a result was changed by a later call")

    def gradient(self, asked: Mapping[str, Any]) -> list[Any]:
        """The gradients, or those of a weighted sum of the gradients: by differentiating
        it, or as the product of the Hessian, which is symmetric, with the weights."""
        wrt = [self.graph[n] for n in asked["wrt"]]
        self.verdict.counts[f"gradients of order {asked['order']}"] += 1
        found = T.grad(self.graph[asked["cost"]], wrt, disconnected_inputs="ignore")
        if asked["order"] == 2 and asked.get("way") == "Rop":
            points = [weights_like(v) for v in wrt]
            found = T.Rop(found, wrt, points, disconnected_outputs="ignore")
        elif asked["order"] == 2:
            parts = [weighted_sum(Symbols, {"seed": 1}, g) for g in found]
            found = T.grad(sum(parts[1:], parts[0]), wrt, disconnected_inputs="ignore")
        return list(found)

    def compile(self) -> list[Any]:
        self.outputs = [self.graph[n] for n in self.program["outputs"]]
        self.outputs += [g for found in self.gradients for g in found]
        updates = [(self.leaves[a], self.graph[b]) for a, b in self.program["updates"]]
        if self.program.get("descends"):
            updates += self.descents({a for a, _ in self.program["updates"]})
        self.updates = updates
        mode = MODES[self.program["mode"]]()
        make = partial(
            symnet.function, [self.leaves[x["id"]] for x in self.inputs], self.outputs,
            updates=updates, mode=mode, on_unused_input="ignore",
        )  # fmt: skip
        if self.program["mode"] == "in less memory":
            return [InLessMemory(make) for _ in range(self.program["functions"])]
        return [make() for _ in range(self.program["functions"])]

    def descents(self, taken: set[int]) -> list[tuple[Any, Any]]:
        """Updates of shared leaves by a step down the gradients of first order."""
        found = {}
        for asked, gradients in zip(self.program["gradients"], self.gradients):
            for n, g in zip(asked["wrt"], gradients, strict=True):
                if asked["order"] == 1 and n in {x["id"] for x in self.shares} - taken:
                    found[n] = (self.leaves[n], self.leaves[n] - 0.125 * g)
        return list(found.values())

    def refused(self, error: Exception, when: str) -> None:
        text = str(error)
        self.verdict.fault(
            f"{when} {type(error).__name__} {text.splitlines()[0][:60] if text else ''}",
            text,
        )

    # ---- a call

    def call(self, f: Any, call: int, previous: list[tuple[Array, Array]]) -> bool:
        """One call beside NumPy; whether the next one makes sense."""
        given = {x["id"]: value_of(self.program, x, call) for x in self.inputs}
        for x in self.shares:
            variable, fresh = self.leaves[x["id"]], value_of(self.program, x, call)
            if variable.get_value(borrow=True).shape != fresh.shape:
                variable.set_value(fresh)
            given[x["id"]] = variable.get_value()
        arguments = [given[x["id"]] for x in self.inputs]
        copies = [a.copy() for a in arguments]
        values = dict(given)
        try:
            Meaning(Arrays, self.dtypes).run(self.program["steps"], values)
            known = {self.leaves[n]: np.array(a) for n, a in given.items()}
            wanted = [*self.outputs, *(new for _, new in self.updates)]
            reference = [np.array(a) for a in evaluate(wanted, known)]
        except (ValueError, IndexError, Unknown):
            self.verdict.counts["calls that mean nothing"] += 1
            return False
        self.verdict.counts["calls"] += 1
        self.wanted, self.reference, self.known = wanted, reference, known
        try:
            found = [np.asarray(a) for a in f(*arguments)]
        except Unstable as error:
            if self.doubts.own_fault(given, values):
                self.verdict.counts["unstable as written"] += 1
            else:
                self.refused(error, "call")
            return False
        except NotOnDevice:
            self.verdict.counts["not on the device"] += 1
            return False
        except Exception as error:
            self.refused(error, "call")
            return False
        previous += [(a, a.copy()) for a in found]
        found += [s.get_value() for s, _ in self.updates]
        for array, copy in zip(arguments, copies, strict=True):
            if not np.array_equal(array, copy, equal_nan=copy.dtype.kind in "fc"):
                self.verdict.fault("argument", "an argument was written")
        self.compare(values, given, known, wanted, reference, found)
        self.calls_made += 1
        if call == 0 and not self.verdict.faults:
            self.compare_wide(given, found)
        return not self.verdict.faults

    def compare(
        self, values: Mapping[int, Any], given: Mapping[int, Any], known: Any, wanted: Any,
        reference: Any, found: Any,
    ) -> None:  # fmt: skip
        scale = largest(values.values())
        count = len(self.program["outputs"])
        ids = [*self.program["outputs"], *[None] * (len(self.outputs) - count)]
        ids += [b for _, b in self.program["updates"]]
        ids += [None] * (len(found) - len(ids))
        doubtful = []
        for k, (n, got, ref) in enumerate(zip(ids, found, reference, strict=True)):
            if not near(got, ref, max(scale, largest([ref]))):
                doubtful.append((k, "reference", ref))
            elif self.program["claims"] and got.dtype.kind == "f":
                continue  # NumPy loses the digits that symnet promises to keep
            elif n is not None and not near(got, values[n], scale):
                doubtful.append((k, "NumPy", values[n]))
        if not doubtful:
            return
        reaches = reach_of_rounding(wanted, reference, known)
        for k, whom, want in doubtful:
            wrong = not explained(found[k], want, reaches[k], False)
            if wrong:  # all off together may hide what one of them alone does
                alone = reach_of_each_rounding(wanted, reference, known)[k]
                wrong = not explained(found[k], want, alone, False)
            if (
                wrong
                and (self.program["claims"] or unstable(values))
                and not np.all(np.isfinite(want))
            ):
                continue  # judged by many digits
            if wrong and (
                self.doubts.tied(given) or self.doubts.overflows(wanted, known)
            ):
                return
            if wrong and k >= count and self.doubts.divides_by_too_little(given):
                return
            if wrong and self.is_turned(k, found[k], wanted, reference, known):
                continue
            if wrong:
                what = (
                    "an output"
                    if k < count
                    else "a gradient"
                    if k < len(self.outputs)
                    else "an update"
                )
                self.verdict.fault(f"{what} beside {whom}", describe(k, found[k], want))

    def is_turned(
        self, k: int, got: Any, wanted: Any, reference: Any, known: Any
    ) -> bool:
        """Whether it is for the last bits of what an earlier call has made."""
        made = [variable for variable, _ in self.updates] if self.calls_made else []
        reach = self.doubts.turned(wanted, reference, known, made)[k]
        turned = bool(made) and explained(got, reference[k], reach, False)
        self.verdict.counts["turned by what a call made"] += turned
        return turned

    # ---- beside many digits

    def compare_wide(self, given: Mapping[int, Any], found: Sequence[Any]) -> None:
        self.until = time.monotonic() + BUDGET
        self.base: dict[tuple[int, ...], Any] = {}  # costs with nothing moved
        with mpmath.workdps(DIGITS):
            leaves = {n: widened(a) for n, a in given.items()}
            try:
                truth = self.doubts.meant(given)
            except Unknown:
                self.verdict.counts["without many digits"] += 1
                return
            floats = {n: narrow(a) for n, a in truth.items() if self.doubts.is_float(n)}
            if not all(
                np.all(np.isfinite(a)) for a in floats.values()
            ) or not self.within(floats):
                self.verdict.counts["infinite by meaning"] += 1
                return
            self.verdict.counts["beside many digits"] += 1
            scale = max(1.0, largest(floats.values()))
            if self.program["claims"] and scale > LARGEST:
                self.verdict.counts["too large for the digits"] += 1
                return
            for k, n in enumerate(self.program["outputs"]):
                if n in floats:
                    self.judge_wide("an output", k, found[k], floats[n], scale)
            k, wrong = len(self.program["outputs"]), len(self.verdict.faults)
            if self.doubts.divides_by_too_little(given):
                return
            for asked in self.program["gradients"]:
                for n in asked["wrt"]:
                    n = self.source(n)
                    self.differences(asked, n, leaves, found[k], scale, k)
                    k += 1
            if len(self.verdict.faults) > wrong and self.doubts.tied(given):
                del self.verdict.faults[
                    wrong:
                ]  # of gradients: whose is a matter of choice

    def source(self, n: int) -> int:
        """The first of the ids of one variable: some steps hand on what they get."""
        return next(m for m, v in self.graph.items() if v is self.graph[n])

    def within(self, floats: Mapping[int, Any]) -> bool:
        """Whether every step has a value that its dtype can hold."""
        return all(
            largest([a]) < np.finfo(self.dtypes[n]).max / 16 for n, a in floats.items()
        )

    def judge_wide(
        self, what: str, k: int, got: Any, want: Any, scale: float, place: Any = ...
    ) -> None:  # fmt: skip
        """`scale`: of what was added up on the way, by whose last bits results are off.
        place: of the result, where `got` is an element of it."""
        if not self.program["claims"] and not np.all(np.isfinite(got)):
            return
        eps = max(float(np.finfo(got.dtype).eps), self.narrowest)
        relative = 256 * eps if self.program["claims"] else 8 * eps ** (2 / 3)
        allowed = relative * np.abs(want) + 256 * eps * max(scale, largest([want]))
        if got.shape != want.shape or not np.all(np.abs(got - want) <= allowed):
            reach = reach_of_rounding(self.wanted, self.reference, self.known)[k]
            if reach is ANY_SHAPE and not self.program["claims"]:
                if got.shape == self.reference[k].shape:
                    self.verdict.counts["sizes by rounding"] += 1
                    return
            elif reach is not ANY_SHAPE:
                off = np.abs(got - want) - allowed if got.shape == want.shape else 1
                far = SLACK * reach[place]
                if self.program["claims"]:  # the last bits of what was added up before
                    far = np.minimum(far, 8 * eps**0.75 * np.abs(want))
                if np.all(off <= far):
                    return  # that of the formula as it is written
            self.verdict.fault(f"{what} beside many digits", describe(k, got, want))

    def differences(
        self, asked: Mapping[str, Any], n: int, leaves: Any, got: Any, scale: float, k: int
    ) -> None:  # fmt: skip
        """Some elements of a gradient beside differences from both sides."""
        if not self.program["claims"] and not np.all(np.isfinite(got)):
            return
        for place in self.places(got):
            if time.monotonic() > self.until:
                self.verdict.counts["out of time for differences"] += 1
                return
            try:
                right, left = (
                    self.slope(asked, n, place, leaves, side) for side in (1, -1)
                )
            except (Unknown, ArithmeticError, IndexError):
                return
            top = float(np.finfo(got.dtype).max) / 16
            smooth = abs(right - left) <= 1e-9 * (abs(right) + abs(left)) + 1e-30
            if not smooth or not abs(right) < top:
                continue
            self.verdict.counts["derivatives beside differences"] += 1
            what = f"a gradient of order {asked['order']}"
            self.judge_wide(what, k, got[place], np.asarray(right), scale, place)

    def places(self, got: Array) -> list[tuple[int, ...]]:
        """Which elements are looked at: what is no number, the largest, and a few others."""
        if not got.size:
            return []
        rng = np.random.default_rng(self.program["seed"])
        flat = [int(n) for n in np.flatnonzero(~np.isfinite(got))[:1]]
        flat += [
            int(np.argmax(np.abs(got))),
            *(int(n) for n in rng.integers(got.size, size=PLACES)),
        ]
        return [
            tuple(map(int, np.unravel_index(n, got.shape))) for n in dict.fromkeys(flat)
        ]

    def slope(self, asked: Any, n: int, place: Any, leaves: Any, side: int) -> float:
        step = side * mpmath.mpf(10) ** -STEP
        if asked["order"] == 1:
            return float(
                (
                    self.cost(asked, leaves, [(n, place, step)])
                    - self.unmoved(asked, leaves, [(n, place, 0 * step)])
                )
                / step
            )
        # d/dn sum over wrt of weights * gradient: a difference of differences along weights
        along = self.directions(asked, leaves)
        moved = [(n, place, step)]
        both, one = (
            self.cost(asked, leaves, [*moved, *along(step)]),
            self.cost(asked, leaves, moved),
        )
        other = self.cost(asked, leaves, along(step))
        none = self.unmoved(asked, leaves, [(n, place, 0 * step), *along(0 * step)])
        return float((both - one - other + none) / step / step)

    def directions(self, asked: Any, leaves: Any) -> Any:
        values = Meaning(Wide, self.dtypes, True).run(
            self.program["steps"], dict(leaves)
        )
        makers = set(asked["wrt"]) - set(leaves)
        if makers and len(asked["wrt"]) > 1:
            raise Unknown("steps whose gradients depend on each other")
        changes = []
        for n in asked["wrt"]:
            shape = np.shape(values[n])
            weights = Wide.weights(np.zeros(int(np.prod(shape))), 1).reshape(shape)
            changes += [(n, p, weights[p]) for p in np.ndindex(shape)]
        return lambda step: [(n, p, mpmath.mpf(float(w)) * step) for n, p, w in changes]

    def unmoved(self, asked: Any, leaves: Any, still: Sequence[Any]) -> Any:
        """still: changes by 0, so that floats made of integers have many digits here too."""
        key = asked["cost"], *sorted({n for n, _, _ in still})
        if key not in self.base:
            self.base[key] = self.cost(asked, leaves, still)
        return self.base[key]

    def cost(self, asked: Any, leaves: Any, changes: Sequence[Any]) -> Any:
        meaning = Moved(self.dtypes, changes)
        values = {n: meaning.moved(n, a) for n, a in leaves.items()}
        return np.asarray(meaning.run(self.program["steps"], values)[asked["cost"]])[()]


def weights_like(v: Any) -> Any:
    """The weights of `weighted_sum`, in the shape of a variable."""
    return Symbols.weights(v.flatten(), 1).reshape(v.shape, ndim=v.ndim)


class Moved(Meaning):
    """Many digits, with some elements moved a little, also those of steps' results."""

    def __init__(self, dtypes: dict[int, str], changes: Sequence[Any]) -> None:
        super().__init__(Wide, dtypes, True)
        self.changes = changes

    def typed(self, number: int, value: Any) -> Any:
        return self.moved(number, super().typed(number, value))

    def moved(self, number: int, value: Any) -> Any:
        changes = [c for c in self.changes if c[0] == number]
        if not changes:
            return value
        value = np.array(value, object)
        for _, place, step in changes:
            value[place] = value[place] + step
        return value
