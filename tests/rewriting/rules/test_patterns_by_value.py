"""Every rule that is written as a pattern, by name and by value, in all dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symnet.compile.pipeline import SIMPLIFY
from symnet.graph.evaluate import evaluate
from symnet.graph.traverse import leaves
from symnet.graph.types import TensorType
from symnet.graph.variables import Constant, Variable
from symnet.ops.base import constant
from symnet.rewriting.patterns import PatternVariable, Rule, instantiate
from tests.rewriting.rules.tools import (
    FLOATS,
    INTEGERS,
    apply,
    awkward,
    compare,
    layouts,
    same_type,
)

# These ask how a variable was made: see test_cancel and test_algebra.
PARTICULAR = ("sigmoid_against_target", "switch_known")
PATTERNS = [
    rule
    for rule in SIMPLIFY
    if isinstance(rule.pattern, Variable) and not rule.name.startswith(PARTICULAR)
]
STABLE = {
    rule.name
    for rule in PATTERNS
    if rule.name.startswith(("log_", "log1p_", "exp_", "gather_", "divide_by_one"))
} | {
    "root_of_square",
    "multiply_by_reciprocal",
}
# The left side cancels: its own error is that of 1, not of the result.
CANCELLING = {
    "log_of_one_plus", "log_of_one_minus", "exp_minus_one", "one_minus_exp",
    "one_minus_cosine", "cosine_minus_one", "cosh_minus_one", "one_minus_cosh",
    "one_minus_erf", "one_plus_erf", "one_minus_erfc",
    "log_of_one_minus_sigmoid", "difference_of_softplus", "softplus_of_minus_less",
    "difference_of_negatives",
    "log1p_of_minus_sigmoid", "log_of_exp", "log_of_sigmoid",
    "log_of_square", "log1p_of_exp",
}  # fmt: skip
NUMBERS = {"float": [(2, 3), (-1.5, 0.5), (0, -2), (np.inf, 1), (-1, -3)],
           "int": [(2, 3), (-1, 4), (0, -2), (-3, -5)], "uint": [(2, 3), (0, 7)]}  # fmt: skip


def expressions(rule: Rule, dtype: str) -> list[tuple[Variable, list[Variable]]]:
    """The rule's left side over vectors of `dtype`, with several constants."""
    assert isinstance(rule.pattern, Variable)
    variables = [v for v in leaves([rule.pattern]) if isinstance(v, PatternVariable)]
    found = []
    for numbers in NUMBERS[dtype.rstrip("0123456789")]:
        rest = iter(numbers)
        bound: dict[Variable, Variable] = {}
        for v in variables:
            kind = "bool" if v.type.dtype == "bool" else dtype
            if v.constant:
                bound[v] = constant(np.array(next(rest), dtype))
            else:
                bound[v] = TensorType(kind, (None,))(v.name)
        try:
            found.append((instantiate(rule.pattern, bound), list(bound.values())))
        except TypeError:  # not an operation of this dtype
            continue
        if not any(v.constant for v in variables):
            break
    return found


def arguments(inputs: list[Variable], dtype: str, seed: int) -> dict[Variable, Any]:
    rng = np.random.default_rng(seed)
    grid = np.repeat(awkward(dtype), 3)
    values: dict[Variable, Any] = {}
    for v in inputs:
        if isinstance(v, Constant):
            continue
        values[v] = (
            rng.permutation(grid)
            if v.type.dtype != "bool"
            else rng.random(len(grid)) < 0.5
        )
    return values


def test_the_names_are_unique() -> None:
    names = [rule.name for rule in SIMPLIFY]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("rule", PATTERNS, ids=lambda rule: rule.name)
def test_values_stay(rule: Rule) -> None:
    used = 0
    for dtype in (*FLOATS, *INTEGERS):
        for left, inputs in expressions(rule, dtype):
            (new,), count = apply(rule.name, left)
            used += count
            if not count:
                continue
            same_type(new, left)
            values = arguments(inputs, dtype, seed=used)
            for number, _ in enumerate(layouts(awkward(dtype))):
                given = {v: list(layouts(a))[number] for v, a in values.items()}
                (want,), (got,) = evaluate([left], given), evaluate([new], given)
                judge(rule.name, got, want)
    assert used, f"{rule.name} was never used"


def judge(name: str, got: Any, want: Any) -> None:
    better = name in STABLE or name in CANCELLING
    if name in CANCELLING:
        finite = np.isfinite(want)
        error = np.abs(got[finite] - want[finite])
        scale = 1 + np.abs(want[finite])
        assert np.all(error <= 30 * np.finfo(want.dtype).eps * scale)
        assert got.dtype == want.dtype and got.shape == want.shape
    else:
        compare(got, want, better=better)
