"""Rules of arithmetic that are functions, and what no rule may do."""

from __future__ import annotations

import numpy as np
import pytest

from symnet.graph.evaluate import evaluate
from symnet.graph.types import DTYPES, TensorType
from symnet.ops.arithmetic import (
    identity,
    log,
    maximum,
    pow,
    reciprocal,
    sqr,
    sqrt,
    switch,
)
from symnet.ops.barriers import disconnected_grad, grad_clip, zero_grad
from symnet.ops.base import constant
from symnet.ops.elementwise import cast
from symnet.rewriting.rules.algebra import holds_all, power
from tests.rewriting.rules.tools import (
    FLOATS,
    INTEGERS,
    apply,
    awkward,
    check,
    compare,
    layouts,
    refuse,
    simplified,
)


def vector(dtype: str, name: str = "x") -> object:
    return TensorType(dtype, (None,))(name)


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
@pytest.mark.parametrize("exponent", [0, 0.5, 1, 2, 3, 4, -1, -2, -4])
def test_constant_power(dtype: str, exponent: float) -> None:
    if exponent % 1 and dtype not in FLOATS or exponent < 0 and dtype not in FLOATS:
        return
    x = vector(dtype)
    before = pow(x, exponent)
    values = awkward(dtype)
    if exponent % 1:  # the one difference: minus infinity, where NumPy's sqrt gives NaN
        values = values[~np.isneginf(values.astype(float))]
    for array in layouts(values):
        check("constant_power", before, {x: array}, rtol=40 * resolution(dtype))


def resolution(dtype: str) -> float:
    return float(np.finfo(dtype).eps) if dtype in FLOATS else 0


def test_power_leaves_the_rest() -> None:
    x = vector("float64")
    for exponent in (2.5, 5, 1 / 3, -0.5, -3.5, 1j):
        assert power(x, exponent) is None
    for dtype in INTEGERS[:4]:
        refuse("constant_power", pow(vector(dtype), -1))


def test_zero_swallows_integers_but_not_nan() -> None:
    for dtype in INTEGERS:
        x = vector(dtype)
        check("multiply_zero", x * np.array(0, dtype), {x: awkward(dtype)})
    refuse("multiply_zero", vector("float32") * 0)
    refuse("subtract_itself", (lambda x: x - x)(vector("float64")))
    x = vector("float64")
    for same in (x / x, x - x, x * 0, 0 / x):
        values = {x: awkward("float64")}
        compare(evaluate(simplified(same), values)[0], evaluate([same], values)[0])


def test_roots_and_squares() -> None:
    """sqrt(sqr(-2)) is 2, sqr(sqrt(-1)) is NaN."""
    x = vector("float64")
    values = {x: np.array([-2.0, -1, 0, 4])}
    np.testing.assert_array_equal(
        evaluate(simplified(sqrt(sqr(x))), values)[0], [2, 1, 0, 4]
    )
    (nan, *rest) = evaluate(simplified(sqr(sqrt(x))), {x: np.array([-1.0, 0, 4])})[0]
    assert np.isnan(nan) and list(rest) == [0, 4]
    assert np.isnan(
        evaluate(simplified(sqrt(x) * sqrt(x)), {x: np.array([-1.0])})[0][0]
    )


def test_logarithm_of_a_quotient_is_exact() -> None:
    k = vector("float64", "k")
    assert evaluate(simplified(log(k / 2)), {k: np.array([2.0])})[0][0] == 0


def test_switch() -> None:
    """switch(x > 0, 1, 1) has the shape of x."""
    x = vector("float64")
    for known in (constant(True), constant(False)):
        y = vector("float32", "y")
        check("switch_known", switch(known, x, y), {x: np.ones(3), y: np.zeros(3, "f")})
        narrow = TensorType("float64", (1,))("narrow")
        output = switch(known, x, narrow)
        check("switch_known", output, {x: np.ones(3), narrow: np.zeros(1)})
    same = switch(x > 0, 1, 1)
    new = check("switch_of_equals", same, {x: np.array([1.0, 2.0])})
    assert evaluate([new], {x: np.array([1.0, 2.0])})[0].tolist() == [1, 1]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
def test_a_choice_within_the_same_choice(dtype: str) -> None:
    x, y = vector(dtype, "x"), vector(dtype, "y")
    values = {x: np.array([-1, 0, 2], dtype), y: np.array([5, 6, 7], dtype)}
    other = np.array(9, dtype)
    first = check("switch_again", switch(x > 0, switch(x > 0, x, other), y), values)
    assert evaluate([first], values)[0].tolist() == [5, 6, 2]
    again = switch(x > 0, x, switch(x > 0, other, y))
    second = check("switch_again_otherwise", again, values)
    assert evaluate([second], values)[0].tolist() == [5, 6, 2]
    refuse("switch_again", switch(x > 0, switch(x > 1, x, other), y))
    refuse("switch_again", switch(x > 0, switch(x > 0, x, np.ones(3)), y))


def test_constants_that_would_overflow_do_not_meet() -> None:
    x = vector("float64")
    refuse("gather_factors", (x * 1e200) * 1e200)
    refuse("gather_factors", (x * 1e-200) * 1e-200)
    refuse("gather_terms", (x + 1e16) + -1e16)
    refuse("gather_factors", (vector("float16") * 300) * 300)
    for dtype in INTEGERS:
        big = np.array(100, dtype)
        x = vector(dtype)
        check("gather_factors", (x * big) * big, {x: awkward(dtype)})
        check(
            "gather_sum_and_difference",
            (x + big) - np.array(7, dtype),
            {x: awkward(dtype)},
        )


def test_the_least_integer_stays_what_it_is() -> None:
    for dtype in INTEGERS[:4]:
        x = vector(dtype)
        least = np.array(np.iinfo(dtype).min, dtype)
        for output in (x + least, x - least):
            (new,) = simplified(output)
            values = {x: awkward(dtype)}
            compare(evaluate([new], values)[0], evaluate([output], values)[0])


@pytest.mark.parametrize(
    "barrier", [identity, zero_grad, disconnected_grad, lambda x: grad_clip(x, 0, 1)]
)
def test_what_only_matters_to_gradients_goes(barrier: object) -> None:
    x = vector("float32")
    assert simplified(barrier(x)) == [x]


def test_reciprocal() -> None:
    for dtype in FLOATS:
        x = vector(dtype)
        check("reciprocal", reciprocal(x), {x: awkward(dtype)})


# ---- casts


def test_every_cast_of_a_cast() -> None:
    for first in DTYPES:
        for second in DTYPES:
            for third in DTYPES:
                if first[0] == "c" or second[0] == "c" or third[0] == "c":
                    continue
                x = vector(first)
                output = cast(cast(x, second), third)
                (new,), used = apply("cast_of_cast", output)
                if used:
                    with np.errstate(all="ignore"):
                        sample = safe_values(first, third)
                        values = {x: sample}
                        compare(
                            evaluate([new], values)[0], evaluate([output], values)[0]
                        )


def safe_values(first: str, third: str) -> np.ndarray:
    """Values whose conversion is defined: what is out of range of an integer is not."""
    values = awkward(first)
    if np.dtype(first).kind == "f" and np.dtype(third).kind in "iu":
        values = values[np.isfinite(values) & (abs(values) < 100) & (values >= 0)]
    return values


def test_which_dtypes_hold_which() -> None:
    assert holds_all("int32", "float64") and not holds_all("int64", "float64")
    assert not holds_all("int32", "float32") and holds_all("int16", "float32")
    assert holds_all("float32", "complex64") and not holds_all("float64", "complex64")
    assert holds_all("bool", "int8") and not holds_all("int8", "uint8")


def test_shape_of_a_wider_operand_is_kept() -> None:
    """x * ones(1, 3): the result has the shape of both together."""
    x = TensorType("float64", (None,))("x")
    wide = constant(np.ones((1, 1)))
    new = check("multiply_one", x * wide, {x: np.arange(3.0)})
    assert new.type.ndim == 2
    y = TensorType("float64", (1,))("y")
    new = check("maximum_itself", maximum(y, y), {y: np.ones(1)})
    assert new is y
