"""Sums, products and comparisons against SciPy and NumPy."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.sparse as sparse
import symnet.tensor as T
from symnet.errors import ShapeError
from tests.ops.sparse.matrices import (
    FORMATS,
    SIZES,
    check,
    check_gradient,
    matrix,
    twisted,
)

PAIRS = [
    ("float64", "float64"),
    ("float32", "int8"),
    ("uint8", "int32"),
    ("complex64", "float64"),
]


@pytest.mark.parametrize("dtypes", PAIRS)
@pytest.mark.parametrize("shape, density", SIZES)
@pytest.mark.parametrize("format", FORMATS)
def test_two_operands(format: str, shape: Any, density: float, dtypes: Any) -> None:
    left, right = dtypes
    x = matrix(format, shape, density, left)
    y = matrix("csr", shape, density, right, seed=1)
    d = np.arange(np.prod(shape)).reshape(shape).astype(right)
    fast = ("FAST_RUN",)
    wide = np.result_type(left, right)
    check(sparse.add, [x, y], x.astype(wide) + y.astype(wide), fast)
    check(sparse.sub, [x, y], x.astype(wide) - y.astype(wide), fast)
    check(sparse.mul, [x, y], x.astype(wide).multiply(y.astype(wide)), fast)
    check(sparse.add, [x, d], x.toarray() + d, fast)
    check(sparse.sub, [d, x], d.astype(wide) - x.toarray().astype(wide), fast)
    check(sparse.mul, [x, d], x.toarray() * d, fast)
    check(lambda v: v * 2, [x], x * 2, fast)


@pytest.mark.parametrize("format", FORMATS)
def test_entries_in_any_order_and_in_parts(format: str) -> None:
    x, y = twisted(matrix(format)), matrix("csr", seed=1)
    d = np.arange(35.0).reshape(5, 7)
    check(sparse.add, [x, y], x + y)
    check(sparse.mul, [x, y], x.multiply(y))
    check(sparse.add, [x, x], x + x)
    check(sparse.mul, [x, x], x.multiply(x))
    check(sparse.add, [d, x], d + x.toarray())
    check(sparse.mul, [d, x], d * x.toarray())


@pytest.mark.parametrize("name", ["lt", "le", "gt", "ge", "eq", "ne"])
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.filterwarnings("ignore:Comparing")
def test_comparisons(format: str, name: str) -> None:
    x, y = matrix(format, density=0.6), matrix("csc", density=0.6, seed=3)
    y = y + 0 * y
    compare, own = (
        getattr(operator, name),
        getattr(sparse, {"ne": "neq"}.get(name, name)),
    )
    want = compare(x.toarray(), y.toarray()).astype("uint8")
    for values in ([x, y], [x, y.toarray()], [x.toarray(), y]):
        check(own, values, want, ("FAST_RUN",))
    assert own(x, y).type == sparse.SparseType(format, "uint8")
    if name not in ("eq", "ne"):  # these ask whether variables are the same
        check(compare, [x, y], want, ("FAST_RUN",))


def test_operators() -> None:
    x, d = matrix("csr"), np.arange(35.0).reshape(5, 7)
    w = symnet.shared(d)
    v = sparse.csr_matrix()
    for made, want in [
        (v + w, x + d), (w + v, x + d), (w - v, d - x.toarray()), (v - w, x - d),
        (w * v, x.multiply(d)), (v * w, x.multiply(d)), (-v, -x), (2 * v, 2 * x),
        (v - v, x * 0), (w < v, (d < x.toarray()).astype("uint8")),
        (T.lt(w, 3) * v, x.multiply(d < 3)), (d * v, x.multiply(d)), (d + v, x + d),
        (v - d, x - d), (v * np.float64(2), 2 * x), (v + x, 2 * x), (x + v, 2 * x),
    ]:  # fmt: skip
        np.testing.assert_allclose(_dense(symnet.function([v], made)(x)), _dense(want))


def _dense(value: Any) -> Any:
    return value.toarray() if hasattr(value, "toarray") else np.asarray(value)


@pytest.mark.parametrize("format", FORMATS)
def test_gradients(format: str) -> None:
    x, y = matrix(format, (4, 5)), matrix("csr", (4, 5), seed=5)
    d = np.random.default_rng(0).normal(size=(4, 5))
    for function in (sparse.add, sparse.sub, sparse.mul):
        check_gradient(function, [x, y])
        check_gradient(function, [x, y], structured=False)
        check_gradient(function, [x, d])
        check_gradient(function, [d, x])
    check_gradient(sparse.mul, [x, np.array(1.5)])
    check_gradient(sparse.add_s_s_data, [x, x])
    check_gradient(lambda v, w: v * w + v, [x, y])


def test_the_gradient_of_a_sum_with_a_dense_matrix_has_the_entries() -> None:
    x, value = sparse.csr_matrix("x"), matrix("csr")
    cost = (x + np.ones((5, 7))).sum()
    got = symnet.grad(cost, x).eval({x: value})
    np.testing.assert_array_equal(got.toarray(), value.astype(bool).toarray())


@pytest.mark.parametrize("function", [sparse.add, sparse.mul, sparse.sub, sparse.lt])
def test_sizes_that_differ(function: Any) -> None:
    x, y, d = sparse.csr_matrix(), sparse.csr_matrix(), T.dmatrix()
    value = matrix("csr")
    for wrong in (matrix("csr", (7, 5)), matrix("csr", (5, 1)), matrix("csr", (1, 7))):
        with pytest.raises(ShapeError):
            symnet.function([x, y], function(x, y))(value, wrong)
        if function is not sparse.lt:
            with pytest.raises(ShapeError):
                symnet.function([x, d], function(x, d))(value, wrong.toarray())


def test_operands_that_are_refused() -> None:
    x, d = sparse.csr_matrix("x"), T.dmatrix()
    for function in (sparse.add, sparse.mul, sparse.lt):
        with pytest.raises(TypeError, match="one operand at least is sparse"):
            function(d, d)
        with pytest.raises(TypeError, match="rank 1"):
            function(x, T.dvector())
    with pytest.raises(TypeError, match="rank 0"):
        x + 1
    with pytest.raises(TypeError, match="one format and dtype"):
        sparse.add_s_s_data(x, sparse.csc_matrix())


def test_a_python_number_keeps_its_dtype_when_a_rewrite_makes_it_a_constant() -> None:
    """The operation is made again of its operands, as passes do: float32 times 2."""
    for dtype in ("float32", "int8", "complex64"):
        product = (sparse.csr_matrix("x", dtype=dtype) * 2).owner
        assert not product.inputs[1].weak
        assert product.op.make_node(*product.inputs).outputs[0].type == (
            product.outputs[0].type
        )
        assert product.outputs[0].type.dtype == dtype
