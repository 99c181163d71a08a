"""Ranges, grids, triangles and identities, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symnet.compile.function import function
from symnet.config import config
from symnet.gradient import verify_grad
from symnet.graph.types import TensorType
from symnet.ops import creation as C
from symnet.ops import operators  # noqa: F401  (attaches + to variables)
from symnet.ops.base import constant
from tests.helpers import run


def variable(*shape, dtype="float64", name="x"):
    return TensorType(dtype, shape)(name)


def same(expression, expected, values=None):
    got = run(expression, values)
    assert got.shape == np.shape(expected)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    "arguments",
    [
        (5,), (0,), (-3,), (2, 7), (7, 2), (7, 2, -2), (0, 10, 3), (0, 1, 0.25), (2.5,),
        (1, 0, -0.1), (0.0, 1.0, 0.1), (np.int8(3),), (np.float32(2.5),), (0, 5, 2.0),
        (np.float32(0), np.float32(1), np.float32(0.1)),
    ],
    ids=str,
)  # fmt: skip
def test_arange_of_numbers(arguments):
    expected = np.arange(*arguments)
    result = C.arange(*arguments)
    if expected.dtype.kind == "i":
        expected = expected.astype("int64")
    assert result.type.shape == expected.shape
    assert result.type.dtype == expected.dtype
    same(result, expected)


def test_arange_dtypes():
    with config.change_flags(floatX="float32"):
        assert C.arange(2.5).type.dtype == "float32"
        assert C.arange(0, 1, 0.25, dtype="floatX").type.dtype == "float32"
        assert C.arange(variable(dtype="float32"), 5).type.dtype == "float32"
    assert C.arange(variable(dtype="int8")).type.dtype == "int64"
    assert C.arange(variable(dtype="uint64")).type.dtype == "uint64"
    assert C.arange(variable(dtype="float32"), 5).type.dtype == "float64"
    same(C.arange(3, dtype="int8"), np.arange(3, dtype="int8"))
    same(C.arange(0, 3, dtype="float32"), np.arange(3, dtype="float32"))
    for wrong in (variable(3), 1j):
        with pytest.raises(TypeError):
            C.arange(wrong)
    with pytest.raises(ValueError, match="step"):
        C.arange(0, 3, 0)


@pytest.fixture(scope="module")
def ranges():
    a, b, c = (variable(dtype="int64", name=name) for name in "abc")
    return function([a, b, c], [C.arange(a, b, c), C.arange(b), C.arange(a, b)])


@settings(max_examples=50, deadline=None)
@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(-4, 4).filter(bool))
def test_arange_of_variables(ranges, a, b, c):
    for got, want in zip(
        ranges(a, b, c),
        (np.arange(a, b, c), np.arange(b), np.arange(a, b)),
        strict=True,
    ):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_arange_counts_in_its_own_dtype(dtype):
    """0.3 / 0.1 is 3 in float32, and more of the same numbers in float64."""
    a, b, c = (variable(dtype=dtype) for _ in "abc")
    f = function([a, b, c], C.arange(a, b, c))
    for bounds in (
        (0, 0.3, 0.1),
        (0, 0.7, 0.1),
        (-1, 1, 0.2),
        (1, 0, -0.1),
        (0, 1e4, 1e3),
    ):
        numbers = [np.asarray(v, dtype)[()] for v in bounds]
        want = np.arange(*numbers)
        np.testing.assert_allclose(
            f(*numbers), want, atol=4 * np.finfo(dtype).eps, rtol=1e-3
        )
        constants = C.arange(*map(constant, numbers))
        assert constants.type.shape == want.shape
    assert f(*np.array([-6e4, 6e4, 1e4], dtype)).shape == (12,)
    with pytest.raises(ValueError, match="arange: from 0.* is no number of elements"):
        f(*np.array([0, 1, np.nan], dtype))


def test_arange_of_float_variables():
    a, b, c = (variable(name=name) for name in "abc")
    values = {a: 0.5, b: 2.0, c: 0.3}
    same(C.arange(a, b, c), np.arange(0.5, 2.0, 0.3), values)
    verify_grad(lambda x, y: C.arange(x, 3.05, y) ** 2, [np.array(0.5), np.array(0.3)])
    with pytest.raises(ValueError, match="step"):
        run(C.arange(a, b, c), {a: 0, b: 1, c: 0})


def test_size():
    x = variable(None, 3)
    same(x.size, 6, {x: np.zeros((2, 3))})
    same(C.size(variable()), 1)


def test_grids():
    for name in ("mgrid", "ogrid"):
        mine, theirs = getattr(C, name), getattr(np, name)
        key = (slice(0, 3), slice(1, 7, 2))
        for got, want in zip(mine[key], theirs[key], strict=True):
            same(got, want)
        same(mine[0:4], theirs[0:4])
        same(mine[0:1:5j], theirs[0:1:5j])
    n = variable(dtype="int64", name="n")
    same(C.mgrid[0:n, 0:2][0], np.mgrid[0:3, 0:2][0], {n: 3})
    with pytest.raises(TypeError):
        C.mgrid[3]


@pytest.mark.parametrize("indexing", ["xy", "ij"])
@pytest.mark.parametrize("sparse", [True, False])
def test_meshgrid(indexing, sparse):
    x, y, z = np.arange(2.0), np.arange(3.0), np.arange(4.0)
    theirs = np.meshgrid(x, y, z, indexing=indexing, sparse=sparse)
    mine = C.meshgrid(x, y, z, indexing=indexing, sparse=sparse)
    for got, want in zip(mine, theirs, strict=True):
        same(got, want)


@pytest.mark.parametrize("k", [-4, -1, 0, 2])
def test_triangles_and_identities(k):
    n, m = (variable(dtype="int64", name=name) for name in "nm")
    values = {n: 3, m: 4}
    same(C.eye(n, m, k), np.eye(3, 4, k), values)
    same(C.eye(n, dtype="int32"), np.eye(3, dtype="int32"), values)
    same(C.tri(n, m, k), np.tri(3, 4, k), values)
    x = variable(None, None, None)
    value = np.random.default_rng(0).standard_normal((2, 3, 4))
    value[0, 0, 3] = np.nan
    same(C.tril(x, k), np.tril(value, k), {x: value})
    same(C.triu(x, k), np.triu(value, k), {x: value})
    verify_grad(lambda v: C.tril(v, k) ** 2, [value[1]])
    with pytest.raises(ValueError):
        C.tril(variable(3))


def test_identity_like():
    x = variable(None, None, dtype="float32")
    same(C.identity_like(x), np.eye(2, 3, dtype="float32"), {x: np.zeros((2, 3))})


def test_fill_and_copy():
    x = variable(None, None)
    same(x.fill(3), np.full((2, 3), 3.0), {x: np.zeros((2, 3))})
    copied = x.copy(name="y")
    assert copied is not x and copied.name == "y"
    same(copied, np.ones((2, 3)), {x: np.ones((2, 3))})
