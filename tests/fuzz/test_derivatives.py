"""Graphs drawn at random, and what the judge of their derivatives would say of a fault."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet.autodiff.masks as masks
from symnet.ops.advanced import AdvancedIncSubtensor
from symnet.ops.arithmetic import mul
from symnet.ops.reduce import Reduce
from tests.fuzz.derivatives import Case

SEEDS = 60
MASKED = 251  # a graph in which the mask of rows that are picked twice matters


@pytest.mark.parametrize("seed", range(SEEDS))
def test_three_orders_beside_differences(seed: int) -> None:
    case = Case(seed)
    assert case.run() == [], case.names


def test_a_wrong_derivative_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Reduce.L_op

    def wrong(self: Any, inputs: Any, outputs: Any, gradients: Any) -> Any:
        return [
            g and mul(g, np.float64(1.001))
            for g in right(self, inputs, outputs, gradients)
        ]

    monkeypatch.setattr(Reduce, "L_op", wrong)
    assert any(Case(seed).run() for seed in range(8))


class SetRows(AdvancedIncSubtensor):
    """Of a row that is picked twice the last pick decides."""

    def __init__(self, axes: Any, place: int, set: bool = True) -> None:
        super().__init__(axes, place, True)


def test_a_wrong_mask_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Case(MASKED).run() == []
    monkeypatch.setattr(masks, "AdvancedIncSubtensor", SetRows)
    assert Case(MASKED).run()
