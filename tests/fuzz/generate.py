"""Draws programs: every step is tried on arrays while the program grows, so that most of
what is drawn means something.

Four kinds.  "memory": what reads and writes overlapping parts of arrays, in updates, loops
and conditions, in every dtype; every fifth program is a short one of them, whose updates
are made of parts of what they update.  "forms": textbook formulas at large arguments, with their
gradients.  "mixed": floats through everything, with gradients of both orders.  "pictures",
every fifth program: convolutions and pooling among what else is done to images.  "calls",
every fifth program: operations with settings (`call_table`), and graphs as operations.
"""

from __future__ import annotations

from typing import Any

from tests.fuzz.costs import costs
from tests.fuzz.draw_calls import (
    arrays,
    begin_calls,
    call,
    graph,
    layers,
    linalg,
    numbers_of_two_parts,
    sparse,
    users,
)
from tests.fuzz.draw_parts import Parts, ancestors
from tests.fuzz.draw_pictures import begin_pictures, bias, convolve, pool, rectify
from tests.fuzz.forms import ELEMENTWISE, PAIRS, ROWS
from tests.fuzz.program import Program, Step

FLOATS = ["float32", "float64"]
DTYPES = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64", "complex128",
]  # fmt: skip
SMOOTH = ["exp", "tanh", "sin", "cos", "square", "neg", "sigmoid", "softplus"]
ROUGH = ["absolute", "sign", "floor", "neg", "square"]


class Generator(Parts):
    """Grows one program."""

    def begin(self) -> None:
        if self.kind == "pictures":
            begin_pictures(self)
            return
        if self.kind == "calls":
            begin_calls(self)
            return
        names = ["k", "m", "n"]
        usual = [2, 3, 4, 5] if self.kind == "forms" else [2, 3, 3, 4, 5, 6]
        choices = [0, 1, *usual] if self.chance(0.3) else usual
        if self.kind != "memory":
            choices = [n for n in choices if n]
        first = {n: self.one_of(choices) for n in names}
        again = (
            first
            if self.chance(0.6)
            else {n: self.one_of([0, 1, *usual]) for n in names}
        )
        self.program["sizes"] = [first, again]
        dtypes = [self.one_of(FLOATS)]
        if self.kind == "memory":
            dtypes = [self.one_of(DTYPES)] + (
                [self.one_of(DTYPES)] if self.chance(0.3) else []
            )
        elif self.chance(0.1):
            dtypes = ["float16"]
        fill = {"memory": "quarters", "forms": "large", "mixed": "normal"}[self.kind]
        shapes: list[list[Any]] = [
            ["m"],
            ["m"],
            ["m", "n"],
            ["n"],
            ["k", "m"],
            ["m", "m"],
            [],
            ["k", "m", "n"],
        ]
        if (
            self.kind == "memory"
        ):  # few shapes, so that parts of one thing fit into another
            same: list[list[Any]] = self.one_of(
                [[["m"]], [["m", "m"]], [["m"], ["m", "m"]], [["m"], ["k", "m"]]]
            )
            shapes = [self.one_of(same) for _ in range(3 + self.below(3))] + [[]]
        for shape in shapes:
            self.leaf(self.one_of(dtypes), shape, fill, self.chance(0.5))
        if self.chance(0.3):
            self.leaf("int64", [], fill, False)

    def grow(self) -> Program:
        self.begin()
        steps = STEPS[self.kind]
        count = 1 + self.below(10)
        if self.overlaps:
            steps, count = OVERLAPS, 1 + self.below(4)
        for _ in range(count):
            self.one_of(steps)(self)
        self.finish()
        return self.program

    def finish(self) -> None:
        own = [s.get("id", s.get("ids")) for s in self.program["steps"]]
        made = [n for ids in own for n in (ids if isinstance(ids, list) else [ids])]
        made = made or list(self.values)
        self.program["outputs"] = sorted(
            {self.one_of(made) for _ in range(1 + self.below(3))}
        )
        shares = [x for x in self.program["leaves"] if x["shared"]]
        for leaf in shares:
            old = self.values[leaf["id"]]
            fits = [n for n in made if same_type(self.values[n], old)]
            fits = [n for n in fits if leaf["id"] in ancestors(self.program, n)] or fits
            new = (
                fits[-1]
                if fits and self.chance(0.5)
                else self.one_of(fits)
                if fits
                else None
            )
            if new is not None and new != leaf["id"] and self.chance(0.7):
                self.program["updates"].append([leaf["id"], new])
        if self.overlaps and self.program["updates"] and self.chance(0.6):
            self.program[
                "outputs"
            ] = []  # nothing else needs what the updates are made of
        if self.program["updates"]:
            self.program["functions"] = self.one_of([1, 1, 2])
        if self.kind != "memory" or self.chance(0.2):
            self.gradient()

    def gradient(self) -> None:
        """Of a weighted sum of something, by leaves and by what stands between."""
        start = self.pick_float()
        leaves = {x["id"] for x in self.program["leaves"]}
        candidates = [
            n
            for n in self.values
            if n not in leaves and self.values[n].dtype.kind == "f"
        ]
        if candidates:
            start = candidates[-1] if self.chance(0.6) else self.one_of(candidates)
        if start is None or self.values[start].size == 0:
            return
        cost = self.add("form", [start], name="weighted sum", seed=self.below(1000))
        floats = [
            n for n in self.values if self.values[n].dtype.kind == "f" and n != cost
        ]
        if cost is None or not floats:
            return
        above = ancestors(self.program, cost)
        wrt = [n for n in floats if n in above]
        if wrt:
            self.program["descends"] = self.kind == "pictures" and self.chance(0.4)
            chosen = sorted({self.one_of(wrt) for _ in range(1 + self.below(3))})
            order = 2 if self.chance(0.3) else 1
            way = "Rop" if order == 2 and leaves >= set(chosen) else "grad"
            self.program["gradients"].append(
                {"cost": cost, "wrt": chosen, "order": order, "way": way}
            )

    def apply(self) -> None:
        names = SMOOTH if self.kind in ("mixed", "pictures", "calls") else ROUGH
        self.add("apply", [self.pick_float()], name=self.one_of(names))

    def whole(self) -> None:
        x = self.pick(lambda a: a.dtype.kind in "biu")
        names = ["neg", "square", "absolute"]
        if x is not None and self.values[x].dtype.kind == "b":
            names = ["logical_not"]
        self.add("apply", [x], name=self.one_of(names))

    def combine(self) -> None:
        x = self.pick()
        if x is None:
            return
        old = self.values[x]
        y = self.pick(lambda a: a.shape in (old.shape, ()) and a.dtype == old.dtype)
        names = ["add", "sub", "mul", "maximum", "minimum"]
        if old.dtype.kind == "c":
            names = names[:3]
        if old.dtype.kind == "b":
            names = ["xor", "conjunction", "maximum"]
        self.add("apply", [x, y], name=self.one_of(names))

    def scale(self) -> None:
        x = self.pick(lambda a: a.dtype.kind in "fc")
        self.add(
            "scale",
            [x],
            by=self.one_of([2.0, -0.5, 0.25, 1.5]),
            plus=self.one_of([0.0, 1.0, -0.5]),
        )

    def switch(self) -> None:
        x = self.pick(lambda a: a.dtype.kind in "fiu")
        if x is None:
            return
        like = self.values[x]
        y, a, b = (
            self.pick(lambda v: v.shape == like.shape and v.dtype == like.dtype)
            for _ in range(3)
        )
        truth = self.add("apply", [x, y], name=self.one_of(["greater", "less"]))
        self.add("apply", [truth, a, b], name="switch")

    def cast(self) -> None:
        x = self.pick(lambda a: a.dtype.kind in "biuf")
        self.add("cast", [x], dtype=self.one_of(DTYPES[1:12]))

    def reduce(self) -> None:
        x = self.pick(lambda a: a.ndim >= 1 and a.dtype.kind != "b")
        if x is None:
            return
        array = self.values[x]
        axes = [k for k in range(array.ndim) if self.chance(0.6)] or [
            self.below(array.ndim)
        ]
        names = ["sum", "sum", "mean", "prod", "max", "min"]
        if array.dtype.kind == "c":
            names = names[:3]
        chosen: Any = None if self.chance(0.2) else axes
        self.add(
            "reduce",
            [x],
            name=self.one_of(names),
            axes=chosen,
            keepdims=self.chance(0.3),
        )

    def centred(self) -> None:
        x = self.pick_float(lambda a: a.ndim >= 1 and a.size > 0)
        if x is not None:
            axis = self.below(self.values[x].ndim)
            self.add(
                "centred", [x], name=self.one_of(["sum", "mean", "max"]), axis=axis
            )

    def shuffled(self, x: int, order: list[Any]) -> int | None:
        """Axes in another order; as they are, they are no new variable (to symnet they are
        the same one, and so is the gradient by it)."""
        same = order == list(range(self.values[x].ndim))
        return x if same else self.add("shuffle", [x], pattern=order)

    def shuffle(self) -> None:
        x = self.pick(lambda a: a.ndim >= 1)
        if x is not None:
            order: list[Any] = [
                int(k) for k in self.rng.permutation(self.values[x].ndim)
            ]
            if self.chance(0.2):
                order.insert(self.below(len(order) + 1), "x")
            self.shuffled(x, order)

    def flatten(self) -> None:
        self.add("flatten", [self.pick(lambda a: a.ndim != 1)])

    def along(self) -> None:
        x = self.pick(lambda a: a.ndim >= 1 and a.dtype.kind in "iuf")
        if x is not None:
            names = ["cumsum", "sort", "argsort"]
            self.add(
                "along",
                [x],
                name=self.one_of(names),
                axis=self.below(self.values[x].ndim),
            )

    def dot(self) -> None:
        x = self.pick(lambda a: a.ndim in (1, 2) and a.dtype.kind in "fc")
        if x is not None:
            old = self.values[x]
            y = self.pick(
                lambda a: (
                    a.ndim in (1, 2)
                    and a.dtype == old.dtype
                    and a.shape[0] == old.shape[-1]
                )
            )
            self.add("apply", [x, y], name="dot")

    def form(self) -> None:
        kind = self.one_of(["one", "two", "rows", "rows"])
        if kind == "one":
            self.add("form", [self.pick_float()], name=self.one_of(list(ELEMENTWISE)))
        elif kind == "two":
            x = self.pick_float()
            if x is None:
                return
            old = self.values[x]
            y = self.pick_float(lambda a: a.shape == old.shape and a.dtype == old.dtype)
            self.add("form", [x, y], name=self.one_of(list(PAIRS)))
        else:
            x = self.pick_float(lambda a: a.ndim >= 1 and a.size > 0)
            if x is not None:
                name, axis = self.one_of(list(ROWS)), self.below(self.values[x].ndim)
                keepdims, how = self.chance(0.5), self.one_of(["sum", "mean"])
                self.add("form", [x], name=name, axis=axis, keepdims=keepdims, how=how)

    def inside(
        self, given: dict[int, Any], symbols: dict[int, Any], count: int
    ) -> list[Step]:
        """Steps that see what is given and what stands outside."""
        kept = self.target, self.values, self.graph
        self.target, self.values, self.graph = (
            [],
            {**self.values, **given},
            {**self.graph, **symbols},
        )
        self.depth += 1
        for _ in range(count):
            self.one_of(INSIDE[self.kind])(self)
        steps, self.inner_values = self.target, self.values
        self.depth -= 1
        self.target, self.values, self.graph = kept
        return steps

    def choose(self) -> None:
        leaves = [self.values[x["id"]] for x in self.program["leaves"]]
        condition = self.pick(  # of forms no computed ones: zero may be a tiny number
            lambda a: (
                a.ndim == 0
                and a.dtype.kind in "iuf"
                and (self.kind != "forms" or any(a is b for b in leaves))
            )
        )
        if condition is None:
            return
        branches = []
        for _ in range(2):
            steps = self.inside({}, {}, 1 + self.below(3))
            branches.append((steps, self.inner_values))
        (yes, yes_values), (no, no_values) = branches
        pairs = [
            (a, b) for a, v in yes_values.items() for b, w in no_values.items()
            if v.shape == w.shape and v.dtype == w.dtype
        ]  # fmt: skip
        if pairs:
            a, b = pairs[-1] if self.chance(0.5) else self.one_of(pairs)
            self.add(
                "choose",
                [condition],
                above=0,
                yes={"steps": yes, "result": a},
                no={"steps": no, "result": b},
            )

    def loop(self) -> None:
        walked, states, given, symbols = [], [], {}, {}
        sequence = self.pick(lambda a: a.ndim >= 1 and a.shape[0] > 0)
        if sequence is not None and self.chance(0.7):
            row = self.new()
            walked.append({"of": sequence, "row": row})
            given[row] = self.values[sequence][0]
            symbols[row] = self.graph[sequence][0]
        for _ in range(1 + self.below(2)):
            start = self.pick(lambda a: a.size > 0)
            if start is None:
                return
            array = self.values[start]
            taps = (
                min(2, array.shape[0]) if array.ndim >= 1 and array.shape[0] == 2 else 1
            )
            reads = [self.new() for _ in range(taps)]
            for k, read in enumerate(reads):
                given[read] = array[k] if taps > 1 else array
                symbols[read] = self.graph[start][k] if taps > 1 else self.graph[start]
            states.append({"start": start, "taps": taps, "reads": reads})
        for number in given:
            self.dtypes[number] = given[number].dtype.name
        steps = self.inside(given, symbols, 1 + self.below(4))
        values = self.inner_values
        made = [s["id"] for s in steps if "id" in s]
        for state in states:
            like = given[state["reads"][-1]]
            fits = [
                n
                for n, v in values.items()
                if v.shape == like.shape and v.dtype == like.dtype
            ]
            late = [n for n in fits if n in made] or fits
            state["new"] = late[-1] if self.chance(0.6) else self.one_of(fits)
        collected = [self.one_of(made)] if made and self.chance(0.4) else []
        truths = [
            n for n in made if values[n].ndim == 0 and values[n].dtype.kind in "iuf"
        ]
        count = None if walked and self.chance(0.7) else 1 + self.below(4)
        if count is not None and walked:
            count = min(count, self.values[walked[0]["of"]].shape[0])
        step: Step = {
            "do": "loop", "args": [], "walked": walked, "states": states, "steps": steps,
            "collected": collected, "count": count, "backwards": self.chance(0.2),
            "done": self.one_of(truths) if truths and self.chance(0.3) else None,
            "above": 1, "ids": [self.new() for _ in [*states, *collected]],
        }  # fmt: skip
        if self.try_step(step) and self.chance(0.7):  # of which the last row is kept
            self.add("index", [self.one_of(step["ids"])], index=[["at", -1]])


def same_type(a: Any, b: Any) -> bool:
    return bool(a.shape == b.shape and a.dtype == b.dtype)


G = Generator
MEMORY = [G.write] * 6 + [G.loop] * 3 + [
    G.index, G.index, G.join, G.delay, G.move, G.move, G.shuffle, G.combine, G.combine,
    G.whole, G.scale, G.reduce, G.flatten, G.cast, G.choose, G.switch, G.along, G.dot,
]  # fmt: skip
OVERLAPS = [G.of_itself] * 6 + [G.delay, G.write, G.loop]
MIXED = [
    G.apply, G.apply, G.combine, G.combine, G.scale, G.switch, G.reduce, G.reduce, G.centred,
    G.shuffle, G.flatten, G.index, G.write, G.write, G.join, G.delay, G.move, G.along, G.dot,
    G.dot, G.form, G.loop, G.loop, G.choose,
]  # fmt: skip
FORM_STEPS = [G.form] * 4 + [costs] * 3 + [
    G.shuffle, G.flatten, G.index, G.scale, G.move, G.join, G.combine, G.loop, G.choose,
]  # fmt: skip
INSIDE = {
    "memory": [G.write] * 5 + [
        G.index, G.join, G.delay, G.delay, G.move, G.move, G.shuffle, G.combine, G.scale,
    ],
    "mixed": [
        G.apply, G.apply, G.combine, G.combine, G.scale, G.write, G.delay, G.move, G.dot,
        G.switch, G.reduce,
    ],
    "forms": [G.form, costs, G.scale, G.move, G.shuffle],
    "pictures": [
        convolve, convolve, convolve, pool, rectify, bias, G.apply, G.combine, G.scale, G.move,
        G.shuffle, G.write,
    ],
    "calls": [call, call, call, arrays, linalg, sparse, users, numbers_of_two_parts,
              layers, G.apply,
              G.combine, G.write, G.scale, G.reduce, G.move],
}  # fmt: skip
PICTURES = [convolve] * 8 + [pool] * 6 + [
    rectify, rectify, bias, bias, G.apply, G.combine, G.combine, G.scale, G.switch, G.reduce,
    G.centred, G.shuffle, G.shuffle, G.index, G.index, G.write, G.join, G.delay, G.move,
    G.move, G.loop, G.loop, G.loop, G.choose,
]  # fmt: skip
CALLED = [call] * 8 + [linalg] * 4 + [arrays] * 4 + [graph] * 3 + [sparse] * 2 + [users] * 2 + [
    numbers_of_two_parts, numbers_of_two_parts, layers, layers, layers, layers, G.apply,
    G.combine, G.combine, G.scale, G.reduce, G.shuffle, G.index, G.write, G.join,
    G.cast, G.move, G.switch, G.loop, G.loop, G.choose,
]  # fmt: skip
STEPS = {
    "memory": MEMORY, "forms": FORM_STEPS, "mixed": MIXED, "pictures": PICTURES,
    "calls": CALLED,
}  # fmt: skip


def generate(seed: int) -> Program:
    return Generator(seed).grow()
