from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symnet.compile.function import function
from symnet.errors import ShapeError
from symnet.graph.evaluate import evaluate
from symnet.graph.types import TensorType
from symnet.graph.variables import Constant, Variable
from symnet.ops.alloc import alloc, zeros, zeros_like
from symnet.ops.arithmetic import add, mul, neg, second
from symnet.ops.base import constant
from symnet.ops.functions import exp, tanh
from symnet.ops.linalg.products import dot
from symnet.ops.reduce import sum as sum_over
from symnet.ops.reshape import flatten, reshape
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import shape, shape_i, unbroadcast
from symnet.rewriting.rules.shapes import filled
from tests.rewriting.rules.tools import apply, check, compare, refuse, simplified


def tensor(name: str, *sizes: int | None, dtype: str = "float64") -> Any:
    return TensorType(dtype, sizes)(name)


X = np.arange(6.0).reshape(2, 3)


# ---- fills


def test_what_is_a_fill() -> None:
    x = tensor("x", None, None)
    for fill in (
        second(x, 2.0),
        zeros_like(x),
        alloc(2.0, 3, 4),
        constant(np.ones((2, 3))),
    ):
        assert filled(fill) is not None and filled(fill).type.ndim == 0
    column = tensor("c", None, 1)
    assert filled(second(x, column)) is column
    assert filled(second(x, x)) is x and filled(x) is None
    assert filled(constant(np.array([1.0, 2.0]))) is None
    assert filled(constant(np.full(3, np.nan))) is None


def test_fill_beside_what_has_its_shape() -> None:
    x, s = tensor("x", None, None), tensor("s")
    for output in (x * second(x, s), second(exp(x), s) + x, exp(x) - zeros_like(x)):
        new = check("fill_among_operands", output, {x: X, s: np.array(3.0)})
        assert all(filled(v) is None for v in new.owner.inputs)
    y = tensor("y", None, None)
    new, _ = apply("fill_among_operands", y * second(x, s))
    assert new[0].owner.inputs[0] is x  # it asks that the shapes agree


def test_constant_fill_beside_what_has_its_shape() -> None:
    x = tensor("x", 2, 3)
    check("fill_among_operands", x * np.full((2, 3), 5.0), {x: X})
    refuse("fill_among_operands", tensor("y", None, None) * np.full((2, 3), 5.0))


def test_sizes_that_an_operation_compares_may_be_taken_for_granted_behind_it() -> None:
    x, y, s = tensor("x", None, None), tensor("y", None, None), tensor("s")
    values = {x: X, y: X + 1, s: np.array(2.0)}
    for output in (second(x, s) * (exp(y) - x), second(y, s) * exp(exp(y) - x)):
        check("fill_among_operands", output, values)
    check("fill_with_same_shape", second(x, exp(y) * x), values)
    # The shape that is not known to agree is still compared.
    new = check("fill_among_operands", second(x, s) * exp(y), values)
    with pytest.raises(ValueError, match="sizes|shape"):
        evaluate([new], {**values, y: X[:1]})
    column = tensor("c", None, 1)
    v = tensor("v", None)
    outer = second(column, exp(column * v))
    check("fill_with_same_shape", outer, {column: X[:, :1], v: X[0]})


def test_fills_move_outwards() -> None:
    x, s = tensor("x", None, None), tensor("s")
    new = check("fill_among_operands", exp(second(x, s)), {x: X, s: np.array(0.5)})
    assert new.owner.op == second and new.owner.inputs[1].type.ndim == 0
    (new,) = simplified(tanh(exp(alloc(s, 4, 5)) * 2))
    assert new.owner.inputs[0].type.ndim == 0
    column = tensor("c", None, 1)
    output = exp(second(x, column)) * s
    check("fill_among_operands", output, {x: X, column: X[:, :1], s: np.array(2.0)})


def test_an_allocated_column_beside_a_row() -> None:
    n, v = TensorType("int64", ())("n"), tensor("v", None)
    values = {n: np.array(2), v: X[0]}
    check("fill_among_operands", tanh(alloc(3.0, n, 1)) * 2, values)
    (new,) = simplified(alloc(3.0, n, 1) - v)
    assert evaluate([new], values)[0].tolist() == [[3, 2, 1]] * 2
    for output in (alloc(v, n, 3) * 2, alloc(v, n, 3) * v, exp(alloc(v, 4, 3))):
        (new,) = simplified(output)
        compare(evaluate([new], values)[0], evaluate([output], values)[0])


def test_fill_with_same_shape() -> None:
    x = tensor("x", None, None)
    assert check("fill_with_same_shape", second(x, exp(x)), {x: X}).owner.op == exp
    one = tensor("one", 1)
    assert check("fill_with_same_shape", second(one, x), {x: X, one: np.ones(1)}) is x
    refuse("fill_with_same_shape", second(x, tensor("y", None, None)))
    refuse("fill_with_same_shape", second(x, tensor("y", None)))


def test_a_size_of_one_that_does_not_count_as_such() -> None:
    row, plain = tensor("row", 1, None), np.ones((1, 4))
    free = unbroadcast(row, 0)
    for output in (
        second(free, plain),
        second(free, plain) * row,
        second(free, 2.0) * plain,
    ):
        (new,) = simplified(output)
        assert new.type.shape == output.type.shape
        compare(*evaluate([new, output], {row: plain}))


def test_fill_takes_its_shape_from_as_far_below_as_it_can() -> None:
    x, s = tensor("x", None, None), tensor("s")
    new = check(
        "fill_like_source", second(tanh(exp(x) * s), s), {x: X, s: np.array(1.0)}
    )
    assert new.owner.inputs[0] is x
    for empty in (X[:0], X[:, :0]):
        check(
            "fill_like_source",
            second(tanh(exp(x) * s), s),
            {x: empty, s: np.array(1.0)},
        )


# ---- axes


def test_dimshuffle_of_dimshuffle() -> None:
    x = tensor("x", None, None)
    assert check("dimshuffle_of_dimshuffle", x.T.T, {x: X}) is x
    moved = dimshuffle(dimshuffle(x, 1, "x", 0), "x", 2, 0, 1)
    check("dimshuffle_of_dimshuffle", moved, {x: X})
    one = tensor("one", 1, None)
    dropped = dimshuffle(dimshuffle(one, 1, 0), 0)
    check("dimshuffle_of_dimshuffle", dropped, {one: X[:1]})
    check(
        "dimshuffle_of_dimshuffle",
        dimshuffle(dimshuffle(one, 1), "x", 0, "x"),
        {one: X[:1]},
    )


def test_dimshuffle_of_fill_and_sign() -> None:
    x, v = tensor("x", None, None), tensor("v", None)
    for value in (v, constant(2.0), tensor("c", None, 1)):
        values = {x: X, v: X[0]} | ({value: X[:, :1]} if value.type.ndim == 2 else {})
        for order in ((1, 0), (0, "x", 1), ("x", 1, 0, "x")):
            check("dimshuffle_of_fill", dimshuffle(second(x, value), *order), values)
    check("dimshuffle_of_negative", dimshuffle(neg(x), 1, 0), {x: X})


def test_leading_axes() -> None:
    x, v = tensor("x", None, None), tensor("v", None)
    new = check("leading_axes", x + dimshuffle(v, "x", 0), {x: X, v: X[0]})
    assert new.owner.inputs[1] is v
    refuse("leading_axes", x + dimshuffle(v, 0, "x"))
    column = dimshuffle(tensor("w", None), 0, "x")
    assert apply("leading_axes", dimshuffle(v, "x", 0) + column)[0][0].type.ndim == 2
    refuse("leading_axes", exp(dimshuffle(v, "x", 0)))


def test_reshapes() -> None:
    x = tensor("x", None, None)
    new = check("reshape_of_reshape", reshape(reshape(x, (3, 2)), (6,)), {x: X})
    assert new.owner.inputs[0] is x
    refuse(
        "reshape_of_reshape", reshape(reshape(x, (4, -1)), (6,))
    )  # 4 does not divide 6
    check("reshape_to_same_shape", reshape(x, (x.shape[0], x.shape[1])), {x: X})
    refuse("reshape_to_same_shape", reshape(x, (2, 3)))
    one = tensor("one", None, 1)
    flat = reshape(one, (one.shape[0], -1))
    assert check("reshape_to_same_shape", flat, {one: X[:, :1]}).type == flat.type
    y = tensor("y", None, None)
    refuse("reshape_to_same_shape", reshape(x, y.shape, ndim=2))
    flat = flatten(x)
    assert simplified(flat)[0].type.ndim == 1


# ---- sizes


def size(output: Variable) -> Variable:
    (new,) = simplified(output)
    return new


def test_sizes_come_from_the_leaves() -> None:
    x, y = tensor("x", None, None), tensor("y", 3, None)
    assert size(shape_i(sum_over(exp(x) * 2, 0), 0)).owner.inputs == [x]
    assert size(shape_i(tanh(x), 1)).owner.inputs == [x]
    known = tensor("known", None, 3)
    product = dot(exp(known), y).T
    assert size(shape_i(product, 0)).owner.inputs == [y]
    assert size(shape_i(product, 1)).owner.inputs == [known]
    check("size_of_result", shape_i(product, 0), {known: X, y: X.T[:, :1]})


def test_sizes_that_are_compared_go_on_being_compared() -> None:
    x, y = tensor("x", None, None), tensor("y", None, None)
    product = dot(exp(x), y)
    below = size(shape_i(tanh(product.T), 0)).owner.inputs[0]
    assert below.owner.op == product.owner.op
    total = x + y
    for output in (exp(total), total * x, sum_over(neg(total), 1)):
        assert size(shape_i(output, 0)).owner.inputs == [total]
    for output in (
        shape_i(exp(x) * total, 0), zeros_like(total), shape(x + y).sum(),
        second(second(x, y), exp(x)), second(total, 2.0) * x, x * 0 + second(y, x),
    ):  # fmt: skip
        (new,) = simplified(output)
        compare(evaluate([new], {x: X, y: X})[0], evaluate([output], {x: X, y: X})[0])
        with pytest.raises(ShapeError):
            evaluate([new], {x: X, y: X[:1]})
        with pytest.raises(ShapeError):
            function([x, y], output)(X[:, :1], X)


def test_shapes_are_vectors_of_sizes() -> None:
    x = tensor("x", None, 3)
    check("shape_as_vector", shape(exp(x)), {x: X})
    element = size(exp(x).shape[0])
    assert element.owner.inputs == [x]
    assert isinstance(size(exp(x).shape[1]), Constant)
    filled_ = zeros((x.shape[0] + 1, 2))
    assert size(shape_i(filled_, 0)).owner.op == add


def test_sizes_that_only_a_run_can_tell() -> None:
    x = tensor("x", None)
    output = mul(second(x[x > 1], 2.0), 3)
    (new,) = simplified(output)
    assert evaluate([new], {x: X[1]})[0].tolist() == [6, 6, 6]
