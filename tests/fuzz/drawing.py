"""A program that grows: choices, leaves, and steps that are kept where they mean something."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.fuzz.program import Meaning, Program, Step, value_of
from tests.fuzz.spaces import Arrays, Symbols, Unknown
from tests.fuzz.symbols import leaf_variable

MODES = ["FAST_RUN"] * 6 + ["DebugMode", "FAST_COMPILE", "no rewrites", "by reference"]
OTHER_MODES = [
    "users' rewrites", "on the reference device", "on the emulated device",
    "DebugMode, patient", "DebugMode without judge", "DebugMode of rewrites",
    "in less memory",
]  # fmt: skip
# Values, elements and axes beyond which a step is not kept.
LARGEST = 1e4
MOST = {"memory": 64, "forms": 64, "mixed": 64, "pictures": 200, "calls": 64}
RANK = {"memory": 4, "forms": 4, "mixed": 4, "pictures": 5, "calls": 4}


class Drawing:
    """A program, with the arrays and variables that its steps make of it so far."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.kind = self.one_of(["memory", "memory", "forms", "mixed", "mixed"])
        self.overlaps = seed % 5 == 4
        if self.overlaps:
            self.kind = "memory"
        if seed % 5 == 3:
            self.kind = "pictures"
        if seed % 5 == 2:
            self.kind = "calls"
        self.program: Program = {
            "seed": seed, "sizes": [], "leaves": [], "steps": [], "outputs": [],
            "updates": [], "gradients": [], "functions": 1, "claims": self.kind == "forms",
            "mode": self.one_of(MODES), "kind": self.kind, "descends": False,
        }  # fmt: skip
        # By numbers of its own, so that programs stay what they were before these modes.
        other = np.random.default_rng([seed, 1]).integers(4 * len(OTHER_MODES))
        if other < len(OTHER_MODES):
            self.program["mode"] = OTHER_MODES[other]
        self.dtypes: dict[int, str] = {}
        self.symbols, self.arrays = (
            Meaning(Symbols, self.dtypes),
            Meaning(Arrays, self.dtypes),
        )
        self.graph: dict[int, Any] = {}  # variables by id
        self.values: dict[int, Any] = {}  # arrays by id
        self.target: list[Step] = self.program["steps"]  # where new steps go
        self.number = 0
        self.most = MOST[self.kind]  # elements of an array
        self.depth = 0  # of conditions and graphs around new steps
        self.refused: list[str] = []

    def one_of(self, choices: Sequence[Any]) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def below(self, n: int) -> int:
        return int(self.rng.integers(n))

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def new(self) -> int:
        self.number += 1
        return self.number

    def pick(self, fits: Callable[[Any], bool] = lambda a: True) -> int | None:
        """An id whose value fits; late ones are likelier."""
        fitting = [n for n, a in self.values.items() if fits(a)]
        if not fitting:
            return None
        place = int(len(fitting) * self.rng.random() ** 0.6)
        return fitting[min(place, len(fitting) - 1)]

    def pick_float(self, fits: Callable[[Any], bool] = lambda a: True) -> int | None:
        return self.pick(lambda a: a.dtype.kind == "f" and fits(a))

    def leaf(self, dtype: str, shape: list[Any], fill: str, shared: bool) -> int:
        leaf = {
            "id": self.new(),
            "dtype": dtype,
            "shape": shape,
            "fill": fill,
            "shared": shared,
        }
        self.program["leaves"].append(leaf)
        self.values[leaf["id"]] = value_of(self.program, leaf, 0)
        self.graph[leaf["id"]] = leaf_variable(leaf, self.values[leaf["id"]])
        self.dtypes[leaf["id"]] = dtype
        return int(leaf["id"])

    def add(self, do: str, args: Sequence[int | None], **rest: Any) -> int | None:
        """Tries a step; its id, or None if it means nothing."""
        if any(a is None for a in args):
            return None
        step: Step = {"id": self.new(), "do": do, "args": list(args), **rest}
        return step["id"] if self.try_step(step) else None

    def try_step(self, step: Step) -> bool:
        try:
            found = self.symbols.results(step, self.graph)
            for number, value in found:
                self.symbols.typed(number, value)
        except Exception as error:
            self.refused.append(f"{step['do']}: {type(error).__name__}: {error}"[:300])
            return False
        try:
            with np.errstate(all="ignore"):
                made = [
                    (n, self.arrays.typed(n, v))
                    for n, v in self.arrays.results(step, self.values)
                ]
        except (ValueError, IndexError, TypeError, Unknown, ArithmeticError):
            return False
        limit = math.inf if self.program["claims"] else LARGEST
        for _, array in made:
            if array.size > self.most or array.ndim > RANK[self.kind]:
                return False
            if array.dtype.kind in "fc":
                size = np.abs(array)
                fits = (size <= limit) | (np.isnan(size) & (limit == math.inf))
                if not np.all(fits):
                    return False
        self.target.append(step)
        self.graph.update(found)
        self.values.update(made)
        return True
