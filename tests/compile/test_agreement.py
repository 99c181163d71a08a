"""What counts as a difference: roundings, and the choices that they make; and what does not."""

from __future__ import annotations

import numpy as np
import pytest

import symnet.tensor as T
from symnet import scan
from symnet.compile.agreement import (
    agree,
    explained,
    first_difference,
    reach_of_each_rounding,
    reach_of_rounding,
)
from symnet.graph.evaluate import evaluate
from symnet.graph.types import FLOATS
from symnet.ifelse import ifelse
from symnet.scan_module import until


@pytest.mark.parametrize("dtype", FLOATS)
def test_agree(dtype):
    want = np.array([1.0, -2.0, np.nan, np.inf, 0.0], dtype)
    eps = np.finfo(dtype).eps
    assert agree(want, want, 2.0)
    assert agree((want * (1 + 2 * eps)).astype(dtype), want, 2.0)
    assert agree(want + np.array([0, 0, 0, 0, eps], dtype), want, 2.0)
    for position, value in [(0, 1.5), (2, 0.0), (3, 1.0), (3, -np.inf), (4, 0.5)]:
        got = want.copy()
        got[position] = value
        assert not agree(got, want, 2.0)
    assert not agree(want[:2], want, 2.0)
    assert not agree(want.astype("complex128"), want, 2.0)


def test_the_reach_of_rounding():
    x = T.dvector("x")
    given = {x: np.array([1.0, 40.0])}
    variables = [T.log(1 - T.nnet.sigmoid(x)), x * 3, T.gt(x * 1, 5)]
    wants = evaluate(variables, given)
    unsure, sure, exact = reach_of_rounding(variables, wants, given)
    assert 0 < unsure[0] < 1e-14 and unsure[1] > 1
    assert 0 < sure.max() < 3e-13 and not exact.any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_number_next_to_zero_may_be_any_other(dtype):
    """Whose logarithm has no digits: of -log(p) with p = 1, which is off or is not."""
    x = T.vector("x", dtype)
    cost = -T.log(1 / (1 + T.exp(-x)))
    guarded = T.switch(cost > 0, T.log(cost), np.asarray(0, dtype))
    given = {x: np.array([3.0, 30.0 if dtype == "float32" else 80.0], dtype)}
    wants = evaluate([guarded], given)
    (reach,) = reach_of_each_rounding([guarded], wants, given)
    assert reach[0] < 1e-3 and reach[1] > 80


def test_explained():
    none = np.zeros(2)
    want = np.array([1.0, np.inf])
    assert explained(want, want, none, False)
    assert not explained(np.array([1.0, 5.0]), want, none, False)
    assert explained(np.array([1.0, 5.0]), want, none, True)
    assert not explained(want, np.array([1.0, 5.0]), none, True)
    assert not explained(np.array([1.1, np.inf]), want, none, True)
    assert explained(np.array([1.1, np.inf]), want, np.array([0.06, 0.0]), True)
    assert not explained(np.array([1, 2]), np.array([1, 3]), none, True)
    assert explained(np.array([1, 2]), np.array([1, 3]), np.array([0.0, 1.0]), True)
    assert not explained(np.ones(3), np.ones(2), none, True)


def ties(x):
    """Two formulas of the same value, rounded differently."""
    return x * 3.3, x * 1.1 + x * 2.2


def steps_until(a, b):
    out, _ = scan(
        lambda n, a, b: (n + 1, until(T.gt(a[0] + 0 * n, b[0]))),
        outputs_info=T.zeros(()), non_sequences=[a, b], n_steps=3,
    )  # fmt: skip
    return out


CHOICES = {
    "maximum": lambda a, b: T.grad(T.maximum(a, b).sum(), a),
    "minimum": lambda a, b: T.grad((T.minimum(a, b) * T.arange(50)).sum(), b),
    "comparison": lambda a, b: T.gt(a, b),
    "equality": lambda a, b: T.eq(a, b),
    "switch": lambda a, b: T.switch(T.ge(a, b), a - 7, b + 7),
    "sum of choices": lambda a, b: T.switch(T.ge(a, b), 1.0, 3.0).sum(),
    "argmax": lambda a, b: T.argmax(T.stack([a, b]), axis=0),
    "max": lambda a, b: T.grad(T.stack([a, b]).max(axis=0).sum(), a),
    "argsort": lambda a, b: T.argsort(T.stack([a, b]), axis=0),
    "sign": lambda a, b: T.sgn(a - b),
    "floor": lambda a, b: T.floor(a / b),
    "cast": lambda a, b: T.cast(1000 * a / b, "int32"),
    "whole quotient": lambda a, b: T.int_div(a, b),
    "sign of a sum": lambda a, b: T.sgn(T.stack([a, -b]).sum(axis=0)),
    "position": lambda a, b: T.arange(5)[T.cast(T.gt(a, b), "int64")],
    "branch": lambda a, b: ifelse(T.gt(a[0], b[0]), a, -b),
    "steps": steps_until,
    "mask": lambda a, b: a[T.nonzero(T.gt(a, b))],
}


@pytest.mark.parametrize("what", list(CHOICES))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_choices_that_roundings_make(what, dtype):
    x = T.TensorType(dtype, (None,))("x")
    given = {x: np.random.default_rng(1).normal(size=50).astype(dtype)}
    a, b = ties(x)
    one, other = CHOICES[what](a, b), CHOICES[what](*ties(x)[::-1])
    want, got = evaluate([one], given), evaluate([other], given)
    assert first_difference([one], want, got, given) is None


@pytest.mark.parametrize("what", sorted({*CHOICES} - {"equality", "sign of a sum"}))
def test_choices_that_are_wrong(what):
    """Of values that are far apart (the two left out do not depend on their order)."""
    x, y = T.dvectors("x", "y")
    one, other = CHOICES[what](x * 3, y * 3), CHOICES[what](y * 3, x * 3)
    rng = np.random.default_rng(2)
    given = {x: rng.normal(size=50), y: rng.normal(size=50)}
    want, got = evaluate([one], given), evaluate([other], given)
    assert first_difference([one], want, got, given) == 0


def test_what_is_added_to_nothing_is_rounded():
    """1 + exp(-18) is 1 in float32: rounded, though 1 is there already."""
    x = T.fscalar("x")
    given = {x: np.float32(18)}
    one, other = -T.log(1 / (1 + T.exp(-x))), T.nnet.softplus(-x)
    want, got = evaluate([one], given), evaluate([other], given)
    assert want != got and first_difference([one], want, got, given) is None


def test_a_tie_without_roundings_is_exact():
    x, y = T.dvectors("x", "y")
    same = np.arange(4.0)
    for one, other in [
        (T.ge(x, y[::-1][::-1]), T.gt(x, y)),
        (T.grad(x.max(), x), T.grad((x * 2).max(), x)),
        (T.grad(T.maximum(x, y).sum(), x), 3 * T.grad(T.maximum(x, y).sum(), x)),
    ]:
        given = {x: same, y: same}
        want, got = evaluate([one], given), evaluate([other], given)
        assert first_difference([one], want, got, given) == 0


def test_what_comes_nearer_to_the_value_of_a_wider_dtype_is_explained():
    """A rewrite may save some of the digits that were lost, not all."""
    want, wide = np.array([0.0], "float32"), np.array([5.4e-8], "longdouble")
    none = np.zeros(1)
    for got, fine in ((4.5e-8, True), (5.4e-8, True), (1.2e-7, False), (-1e-9, False)):
        value = np.array([got], "float32")
        assert explained(value, want, none, True, wide) == fine
        assert not explained(value, want, none, True)
