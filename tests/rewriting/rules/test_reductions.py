from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from symnet.graph.evaluate import evaluate
from symnet.graph.types import TensorType
from symnet.graph.variables import Variable
from symnet.ops.arithmetic import neg, true_div
from symnet.ops.functions import exp, sigmoid, tanh
from symnet.ops.joining import stack
from symnet.ops.nnet.activations import softmax
from symnet.ops.reduce import Reduce
from symnet.ops.reduce import max as max_over
from symnet.ops.reduce import min as min_over
from symnet.ops.reduce import prod as product_over
from symnet.ops.reduce import sum as sum_over
from symnet.ops.shape import dimshuffle
from tests.rewriting.rules.tools import (
    FLOATS,
    INTEGERS,
    check,
    compare,
    refuse,
    simplified,
)

FUNCTIONS = [sum_over, product_over, max_over, min_over]
CUBE = np.arange(1.0, 25).reshape(2, 3, 4) / 7


def cube(dtype: str = "float64", shape: Any = (None,) * 3) -> Any:
    return TensorType(dtype, shape)("x")


def values_stay(output: Variable, values: dict[Variable, Any]) -> Variable:
    (new,) = simplified(output)
    compare(evaluate([new], values)[0], evaluate([output], values)[0])
    return new


def test_product_of_rows_then_sum() -> None:
    a = TensorType("float64", (None, None))("a")
    output = sum_over(product_over(a, 1))
    new = values_stay(output, {a: np.array([[0.1, 0.2], [0.3, 0.5]])})
    refuse("reduction_of_reduction", output)
    assert (
        abs(evaluate([new], {a: np.array([[0.1, 0.2], [0.3, 0.5]])})[0] - 0.17) < 1e-12
    )


AXES = [axes for n in (1, 2) for axes in itertools.permutations(range(-3, 3), n)]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_reduction_of_reduction_over_every_pair_of_axes(function: Any) -> None:
    x = cube()
    for first in AXES:
        if len({axis % 3 for axis in first}) < len(first):
            continue
        inner = function(x, axis=list(first))
        for second in range(-inner.type.ndim, inner.type.ndim):
            output = function(inner, axis=second)
            check("reduction_of_reduction", output, {x: CUBE}, rtol=1e-13)
            check("reduction_of_reduction", output, {x: CUBE[:1, :, ::-2]}, rtol=1e-13)


def test_logical_reductions_and_empty_arrays() -> None:
    x = cube("bool")
    for kind in ("all", "any"):
        output = Reduce(kind, (0,), "bool")(Reduce(kind, (1,), "bool")(x))
        check("reduction_of_reduction", output, {x: CUBE > 1})
    y = cube()
    for array in (CUBE[:0], CUBE[:, :0], CUBE[:, :, :0]):
        check("reduction_of_reduction", sum_over(sum_over(y, 1), 1), {y: array})


def test_roundings_in_between_are_kept() -> None:
    x = cube("float16")
    refuse("reduction_of_reduction", sum_over(sum_over(x, 1), 0))
    narrow = cube("int32")
    refuse("reduction_of_reduction", sum_over(sum_over(narrow, 1, dtype="int32"), 0))
    refuse("reduction_of_reduction", max_over(sum_over(cube(), 1), 0))


def test_a_sum_that_is_needed_itself_is_not_computed_twice() -> None:
    x = cube()
    rows = sum_over(x, 1)
    both = simplified(sum_over(rows, 0), rows)
    assert both[0].owner.inputs == [both[1]]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_axes_of_size_one(function: Any) -> None:
    x = cube(shape=(None, 1, None))
    array = CUBE[:, :1]
    check("reduction_of_one_element", function(x, 1), {x: array})
    check("reduction_without_axes_of_one", function(x, (0, 1)), {x: array})
    check("reduction_without_axes_of_one", function(x), {x: array})
    refuse("reduction_of_one_element", function(x, 0))


def test_sum_of_one_element_converts() -> None:
    """The bits are not copied where the dtype of the sum is wider."""
    for dtype in (*INTEGERS, *FLOATS, "bool"):
        x = TensorType(dtype, (1,))("x")
        check("reduction_of_one_element", sum_over(x), {x: np.ones(1, dtype)})


ORDERS = [(1, 0, 2), (2, 1, 0), ("x", 1, 0, 2), (1, "x", 2, 0, "x"), (0, 1, 2, "x")]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_reduction_of_dimshuffle(function: Any, order: Any) -> None:
    x = cube()
    moved = dimshuffle(x, *order)
    for count in (1, 2, 3):
        for axes in itertools.combinations(range(len(order)), count):
            check(
                "reduction_of_dimshuffle", function(moved, axes), {x: CUBE}, rtol=1e-13
            )


def test_reduction_of_dropped_axes() -> None:
    x = cube(shape=(None, 1, None))
    moved = dimshuffle(x, 2, 0)
    check("reduction_of_dimshuffle", sum_over(moved, 0), {x: CUBE[:, :1]}, rtol=1e-13)


def test_sum_of_negative() -> None:
    for dtype in ("float16", "float32", "float64", "int64"):
        x = cube(dtype)
        array = (CUBE * 3).astype(dtype)
        check("sum_of_negative", sum_over(neg(x), 1), {x: array})
    refuse("sum_of_negative", sum_over(neg(cube("int8"))))  # -(-128) is -128
    refuse("sum_of_negative", sum_over(neg(cube("uint8"))))
    refuse("sum_of_negative", max_over(neg(cube())))


def test_sum_of_scaled() -> None:
    for dtype in ("float32", "float64", "int64", "uint64"):
        x = cube(dtype)
        array = np.round(CUBE * 9).astype(dtype)
        check("sum_of_scaled", sum_over(x * np.array(3, dtype), (0, 2)), {x: array})
        check("sum_of_scaled", sum_over(np.array(3, dtype) * x), {x: array[:, :0]})
    x = cube()
    refuse("sum_of_scaled", sum_over(x * 0.5))  # 1e308 + 1e308
    refuse("sum_of_scaled", sum_over(x * np.inf))
    refuse("sum_of_scaled", sum_over(x * np.nan))
    refuse("sum_of_scaled", sum_over(cube("float16") * 2))
    s = TensorType("float64", ())("s")
    refuse("sum_of_scaled", sum_over(x * s))


@pytest.mark.parametrize("axis", [0, 1, None])
def test_sum_of_a_quotient_by_a_row(axis: Any) -> None:
    a = TensorType("float64", (None, None))("a")
    for pattern in (("x", 0), (0, "x")):
        y = TensorType("float64", (None,))("y")
        output = sum_over(true_div(a, dimshuffle(y, *pattern)), axis)
        square = np.arange(1.0, 10).reshape(3, 3)
        values_stay(output, {a: square, y: np.array([2.0, 3, 5])})


def test_sum_of_stacked_rows() -> None:
    a = TensorType("float64", (None,))("a")
    output = sum_over(stack([a, a]), axis=1)
    new = values_stay(output, {a: np.arange(1.0, 6)})
    assert evaluate([new], {a: np.arange(1.0, 6)})[0].tolist() == [15, 15]


@pytest.mark.parametrize("function", [softmax, exp, tanh, sigmoid])
def test_no_maximum_is_taken_before_the_function(function: Any) -> None:
    a = TensorType("float64", (None, None))("a")
    values_stay(max_over(function(a)), {a: np.array([[1.0, 2], [3, -1]])})
    values_stay(min_over(function(a), 1), {a: np.array([[1.0, np.nan], [3, -1]])})
