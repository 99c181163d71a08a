"""Derivatives of loops that are drawn at random, to the third order, beside differences.

The states read several earlier values of each other, costs read some rows only, and what
the loop starts from may be infinite at finite places, so that flags are carried beside the
gradients (see `symnet.autodiff.scan_choices`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.compile.modes import Mode
from symnet.scan_module import until

SEEDS = 40
WIDTH = 2
STEP = 1e-4
TAPS = ([-1], [-2], [-2, -1], [-3, -1])
SOURCES: list[Callable[[Any], Any]] = [T.exp, T.log, T.sqrt, lambda x: x]

VALUES: list[Callable[[Any, Any, Any], Any]] = [
    lambda a, b, c: a,
    lambda a, b, c: a * 0.5,
    lambda a, b, c: a * b,
    lambda a, b, c: a + b,
    lambda a, b, c: a * b + c * 0.3,
    lambda a, b, c: T.switch(a > 0.3, T.log(abs(a)), 0.0),
    lambda a, b, c: T.sqrt(a * a + 0.5),
]
COSTS: list[Callable[[Any, Any, Any], Any]] = [
    lambda a, b, w: (a[-1] ** 2 * w).sum(),
    lambda a, b, w: (a[0] * b[0] * w).sum(),
    lambda a, b, w: (a * b * w).sum(),
    lambda a, b, w: T.switch(T.gt(a[0], 0.0), a[-1], 0.0).sum() * (b * w).sum(),
    lambda a, b, w: (a[-2:] ** 3 * w).sum(),
    lambda a, b, w: (a[:1] ** 2 * w).sum() + a[-1, 0] * b[0, 1],
]


class Drawn:
    """A cost of a loop; `rows` rows of numbers are what it is made of."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.x = T.dmatrix("x")
        self.source = self.one_of(SOURCES)(self.x)
        self.rows = 0
        self.cost = self._cost(self._loop())

    def one_of(self, choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def take(self, count: int) -> Any:
        self.rows += count
        return self.source[self.rows - count : self.rows]

    def start(self) -> dict[str, Any]:
        taps = self.one_of(TAPS)
        depth = -taps[0]
        rows = self.take(depth)
        if self.rng.random() < 0.25:
            rows = T.as_tensor_variable(np.ones((depth, WIDTH)))
        return {"initial": rows if depth > 1 else rows[0], "taps": taps}

    def _loop(self) -> list[Any]:
        steps = int(self.rng.integers(1, 4))
        starts: list[Any] = [self.start() for _ in range(self.rng.integers(1, 4))]
        starts += [None] * int(self.rng.integers(2))
        walked = self.rng.random() < 0.5
        ends = self.rng.random() < 0.25

        def step(*read: Any) -> Any:
            new = [
                self.one_of(VALUES)(*(self.one_of(read) for _ in range(3)))
                for _ in starts
            ]
            return (new, until(new[0][0] > 1e9)) if ends else new

        found, _ = symnet.scan(
            step,
            sequences=[self.take(steps)] if walked else [],
            outputs_info=starts,
            n_steps=None if walked else steps,
            go_backwards=self.rng.random() < 0.5,
        )
        return found if isinstance(found, list) else [found]

    def _cost(self, found: list[Any]) -> Any:
        weights = np.cos(np.arange(WIDTH) + self.rng.integers(5))
        return sum(
            self.one_of(COSTS)(one, self.one_of(found), weights) for one in found
        )


@pytest.mark.parametrize("seed", range(SEEDS))
def test_three_orders_beside_differences(seed: int) -> None:
    """Of the loop's own numbers, and of what they are a function of."""
    rng = np.random.default_rng(seed)
    drawn = Drawn(rng)
    wrt = (drawn.source, drawn.x)[seed % 2]
    values = rng.uniform(0.4, 1.5, (drawn.rows, WIDTH))
    along = rng.normal(size=(3, drawn.rows, WIDTH))
    orders = [drawn.cost]
    for direction in along:
        slope = T.grad(orders[-1], wrt, disconnected_inputs="ignore")
        orders.append((slope * direction).sum())
    mode = Mode(optimizer=None) if seed % 3 else "FAST_RUN"
    f = symnet.function([wrt], orders, mode=mode, on_unused_input="ignore")
    got = f(values)
    for k, direction in enumerate(along):
        more, less = (f(values + side * STEP * direction)[k] for side in (1, -1))
        want = (more - less) / (2 * STEP)
        assert abs(got[k + 1] - want) <= 1e-5 * (1 + abs(want)), f"order {k + 1}"
