"""Products of matrices, against NumPy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from symnet.errors import ShapeError
from symnet.gradient import grad, numeric_grad, verify_grad
from symnet.graph.evaluate import evaluate
from symnet.graph.types import TensorType
from symnet.ops.arithmetic import sqr
from symnet.ops.inputs import bscalar, matrix, scalar, tensor3, vector
from symnet.ops.linalg.products import (
    BatchedDot,
    Dot,
    batched_dot,
    batched_tensordot,
    dot,
    matmul,
    outer,
    tensordot,
)
from tests.helpers import run

RANDOM = np.random.default_rng(11)


def normal(*shape, dtype="float64"):
    return RANDOM.normal(size=shape).astype(dtype)


def check(function, reference, *arrays, gradient=True, static=False):
    """Value, dtype and shape as the reference's; gradient and second order right."""
    inputs = [
        TensorType(
            a.dtype, a.shape if static else [1 if n == 1 else None for n in a.shape]
        )()
        for a in arrays
    ]
    output = function(*inputs)
    want = np.asarray(reference(*arrays))
    got = run(output, dict(zip(inputs, arrays)))
    assert got.shape == want.shape and got.dtype == want.dtype
    assert output.type.ndim == want.ndim
    assert all(a in (None, b) for a, b in zip(output.type.shape, want.shape))
    np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)
    if gradient and arrays[0].dtype == np.float64:
        verify_grad(function, list(arrays))
        verify_grad(
            lambda *v: grad((function(*v) ** 2).sum(), list(v)), list(arrays), n_tests=1
        )


DOT = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((2, 5, 3), (3,)),
    ((2, 5, 3), (6, 3, 4)), ((), (3,)), ((3, 2), ()), ((3,), (2, 3, 4)), ((1, 3), (3, 1)),
    ((1, 1), (1, 1)), ((1,), (1, 4)), ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((0,), (0,)),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right"), DOT, ids=str)
def test_dot(left, right):
    check(dot, np.dot, normal(*left), normal(*right))
    check(dot, np.dot, normal(*left), normal(*right), gradient=False, static=True)


MATMUL = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 5, 3), (2, 3, 4)), ((5, 3), (2, 3, 4)),
    ((3,), (2, 3, 4)), ((2, 5, 3), (3,)), ((2, 5, 3), (3, 4)), ((1, 5, 3), (2, 3, 4)),
    ((6, 1, 5, 3), (2, 3, 4)), ((6, 2, 5, 3), (6, 2, 3, 4)), ((1, 5, 3), (1, 3, 2)),
    ((0, 5, 3), (0, 3, 2)), ((2, 5, 0), (2, 0, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right"), MATMUL, ids=str)
def test_matmul(left, right):
    check(matmul, np.matmul, normal(*left), normal(*right))
    check(matmul, np.matmul, normal(*left), normal(*right), gradient=False, static=True)


@pytest.mark.parametrize(
    "dtype", "bool int8 uint16 int32 int64 float16 float32 complex64 complex128".split()
)
def test_dtypes(dtype):
    x = (normal(2, 3) * 3).astype(dtype)
    y = (normal(3, 4) * 3).astype(dtype)
    v, w = TensorType(dtype, (None, None))(), TensorType(dtype, (None, None))()
    got = run(dot(v, w), {v: x, w: y})
    assert got.dtype == dtype
    rtol = {"float16": 1e-2, "float32": 1e-5, "complex64": 1e-5}.get(dtype, 1e-12)
    np.testing.assert_allclose(got, np.dot(x, y), rtol=rtol, atol=rtol)


def test_mixed_dtypes_and_numbers():
    x = TensorType("float32", (None, None))("x")
    assert dot(x, np.ones((3, 2), "float32")).type.dtype == "float32"
    assert dot(x, TensorType("float64", (None,))()).type.dtype == "float64"
    assert dot(x, 2.0).type.dtype == "float32"
    assert dot(bscalar(), x).type.dtype == "float32"
    assert dot([[1.0, 2.0]], matrix()).type.shape == (1, None)


@pytest.mark.parametrize("product", [dot, batched_dot], ids=["dot", "batched_dot"])
def test_complex_gradients(product):
    """The gradient of a real cost is its derivative by the real part plus i times that by
    the imaginary part."""
    shape = (2, 3) if product is dot else (2, 2, 3)
    arrays = [
        normal(*shape) + 1j * normal(*shape),
        normal(*shape).swapaxes(-1, -2) * (1 - 2j),
    ]
    inputs = [TensorType("complex128", (None,) * len(shape))() for _ in arrays]
    cost = sqr(abs(product(*inputs))).sum()
    gradients = run(grad(cost, inputs), dict(zip(inputs, arrays)))

    def of_parts(k):
        def value(re, im):
            point = [*arrays]
            point[k] = re + 1j * im
            return evaluate([cost], dict(zip(inputs, point)))[0]

        return value

    for k, found in enumerate(gradients):
        re, im = numeric_grad(of_parts(k), [arrays[k].real, arrays[k].imag]).gf
        np.testing.assert_allclose(found, re + 1j * im, rtol=1e-6)


def test_strides():
    x, y = matrix("x"), matrix("y")
    a, b = normal(4, 6), normal(8, 3)
    for p in (a, a.T[:4, :4].T, np.asfortranarray(a)):
        q = normal(2 * p.shape[1], 3)[::2]
        np.testing.assert_allclose(run(dot(x, y), {x: p, y: q}), p @ q)
    np.testing.assert_allclose(run(dot(x.T, y), {x: a, y: b[::2]}), a.T @ b[::2])
    np.testing.assert_allclose(run(dot(x[::-1], y.T), {x: a, y: normal(3, 6) * 0 + 1}),
                               a[::-1] @ np.ones((6, 3)))  # fmt: skip


TENSORDOT = [
    ((2, 3, 4), (3, 4, 5), 2),
    ((2, 3, 4), (4, 3, 5), [[1, 2], [1, 0]]),
    ((2, 3, 4), (4, 3, 5), ((2, 1), (0, 1))),
    ((2, 3), (4, 5), 0),
    ((2, 3, 4), (5, 4), [[2], [1]]),
    ((2, 3), (3, 2), [[0, 1], [1, 0]]),
    ((2, 3, 4), (4,), [[-1], [0]]),
    ((2, 3, 4), (3, 2), [1, 0]),
    ((2, 3, 4, 5), (4, 2, 6), [[0, 2], [1, 0]]),
    ((2, 3, 1), (1, 3), [[1], [1]]),
    ((2, 0), (0, 3), 1),
]


@pytest.mark.parametrize(("left", "right", "axes"), TENSORDOT, ids=str)
def test_tensordot(left, right, axes):
    check(
        lambda a, b: tensordot(a, b, axes),
        lambda a, b: np.tensordot(a, b, axes),
        normal(*left),
        normal(*right),
    )


BATCHED = [
    ((2, 3, 4), (2, 4, 5), "bij,bjk->bik"),
    ((2, 4), (2, 4, 5), "bj,bjk->bk"),
    ((2, 3, 4), (2, 4), "bij,bj->bi"),
    ((2, 4), (2, 4), "bj,bj->b"),
    ((2,), (2, 4), "b,bj->bj"),
    ((2, 3, 4), (2,), "bij,b->bij"),
    ((2, 6, 3, 4), (2, 4, 5), "bmij,bjk->bmik"),
    ((0, 3, 4), (0, 4, 5), "bij,bjk->bik"),
    ((1, 3, 4), (1, 4, 1), "bij,bjk->bik"),
]


@pytest.mark.parametrize(("left", "right", "formula"), BATCHED, ids=str)
def test_batched_dot(left, right, formula):
    check(
        batched_dot,
        lambda a, b: np.einsum(formula, a, b),
        normal(*left),
        normal(*right),
    )


def test_batched_tensordot():
    check(
        lambda a, b: batched_tensordot(a, b, 2),
        lambda a, b: np.einsum("bijk,bjkl->bil", a, b),
        normal(2, 3, 4, 5),
        normal(2, 4, 5, 6),
    )
    check(
        lambda a, b: batched_tensordot(a, b, [[1, 2], [2, 1]]),
        lambda a, b: np.einsum("bjki,bkj->bi", a, b),
        normal(2, 3, 4, 5),
        normal(2, 4, 3),
    )
    with pytest.raises(ValueError, match="pair up"):
        batched_tensordot(tensor3(), tensor3(), [[0], [1]])


def test_outer():
    check(outer, np.outer, normal(3), normal(4))
    check(outer, np.outer, normal(3, 2), normal())
    check(outer, np.outer, normal(0), normal(4))


def test_operators_and_methods():
    x, y = normal(2, 3), normal(3, 4)
    v = matrix("v")
    np.testing.assert_allclose(run(v @ y, {v: x}), x @ y)
    np.testing.assert_allclose(run(x @ v, {v: y}), x @ y)
    np.testing.assert_allclose(run(v.dot(y), {v: x}), x @ y)


def test_sizes_known_at_once():
    x = TensorType("float64", (3, 4))("x")
    for wrong in (
        lambda: dot(x, x),
        lambda: x @ x,
        lambda: dot(x, np.ones(3)),
        lambda: tensordot(x, x, 1),
        lambda: batched_dot(x, TensorType("float64", (4, 4))()),
        lambda: matmul(np.ones((2, 3, 3)), np.ones((3, 3, 3))),
    ):
        with pytest.raises(ShapeError) as caught:
            wrong()
        assert "operand 1" in str(caught.value)
    with pytest.raises(ShapeError, match="transposed"):
        dot(x, x)


def test_sizes_found_at_a_run():
    x, y = matrix("x"), matrix("y")
    with pytest.raises(ValueError, match="test_products.py"):
        run(dot(x, y), {x: np.ones((2, 3)), y: np.ones((2, 3))})
    u, v = tensor3("u"), tensor3("v")
    with pytest.raises(ValueError, match="test_products.py"):
        run(batched_dot(u, v), {u: np.ones((2, 3, 4)), v: np.ones((3, 4, 2))})


def test_wrong_arguments():
    with pytest.raises(ValueError, match="cannot sum over 3"):
        tensordot(matrix(), matrix(), 3)
    with pytest.raises(ValueError, match="one sequence for each"):
        tensordot(matrix(), matrix(), [1])
    with pytest.raises(ValueError, match="pair up"):
        tensordot(matrix(), matrix(), [[0, 1], [0]])
    with pytest.raises(ValueError, match="twice"):
        tensordot(matrix(), matrix(), [[0, 0], [0, 1]])
    with pytest.raises(ValueError, match="no axis"):
        tensordot(matrix(), matrix(), [[2], [0]])
    with pytest.raises(TypeError, match="no scalars"):
        matmul(scalar(), vector())
    with pytest.raises(TypeError, match="rank 1"):
        batched_dot(scalar(), matrix())
    with pytest.raises(TypeError, match="vectors and matrices"):
        Dot()(tensor3(), matrix())
    with pytest.raises(TypeError, match="rank 3"):
        BatchedDot()(tensor3(), matrix())


def test_ops_are_values():
    assert Dot() == Dot() and hash(Dot()) == hash(Dot())
    assert pickle.loads(pickle.dumps(BatchedDot())) == BatchedDot()


LONG_FORMS = {
    "vectors": (lambda a, b: dot(a[0], b[:, 0]), lambda a, b: a[0] @ b[:, 0]),
    "row and column": (lambda a, b: dot(a[:1], b[:, :1]), lambda a, b: a[:1] @ b[:, :1]),
    "matrix and vector": (lambda a, b: dot(a, b[:, 0]), lambda a, b: a @ b[:, 0]),
    "vector and matrix": (lambda a, b: dot(a[0], b), lambda a, b: a[0] @ b),
    "backwards": (lambda a, b: dot(a[0, ::-1], b[::-1, 0]), lambda a, b: a[0] @ b[:, 0]),
    "gaps": (lambda a, b: dot(a[1, ::3], b[::3, 1]), lambda a, b: a[1, ::3] @ b[::3, 1]),
    "matrices": (dot, np.matmul),
    "turned": (lambda a, b: dot(b.T, a.T), lambda a, b: (a @ b).T),
    "all axes": (lambda a, b: tensordot(a, b.T[:3], 2), lambda a, b: np.sum(a * b.T[:3])),
    "batch of vectors": (lambda a, b: batched_dot(a, b.T[:3]),
                         lambda a, b: np.einsum("bk,kb->b", a, b[:, :3])),
}  # fmt: skip


@pytest.mark.parametrize("form", LONG_FORMS)
@pytest.mark.parametrize("count", [600, 40_000])
def test_long_sums_in_float32(form, count):
    """As exact as sums in pairs, also where all roundings go one way."""
    function, reference = LONG_FORMS[form]
    rows = (RANDOM.integers(-16, 17, count) / 4) ** 2
    a, b = np.tile(rows, (3, 1)), np.tile(rows[:, None], (1, 4))
    left, right = matrix("a", dtype="float32"), matrix("b", dtype="float32")
    got = run(
        function(left, right),
        {left: a.astype("f4"), right: b.astype("f4")},
        rtol=4e-7,
    )
    np.testing.assert_allclose(got, reference(a, b), rtol=4e-7)
