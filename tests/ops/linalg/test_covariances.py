"""Covariances, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T

RNG = np.random.default_rng(2)
X, Y = RNG.normal(size=(3, 7)), RNG.normal(size=(2, 7))
TIMES, WEIGHTS = RNG.integers(1, 4, 7), RNG.random(7)


@pytest.mark.parametrize(
    "options",
    [{}, {"bias": True}, {"ddof": 2}, {"rowvar": False}, {"y": Y}, {"fweights": TIMES},
     {"aweights": WEIGHTS}, {"fweights": TIMES, "aweights": WEIGHTS},
     {"fweights": TIMES, "aweights": WEIGHTS, "ddof": 0},
     {"y": Y, "bias": True, "aweights": WEIGHTS}],
    ids=str,
)  # fmt: skip
def test_as_numpy(options: dict[str, Any]) -> None:
    x = T.dmatrix()
    f = symnet.function([x], T.cov(x, **options))
    np.testing.assert_allclose(f(X), np.cov(X, **options), rtol=1e-12)


@pytest.mark.parametrize(
    "options", [{}, {"rowvar": False}, {"aweights": WEIGHTS}], ids=str
)
def test_of_complex_numbers(options: dict[str, Any]) -> None:
    value = X + 1j * RNG.normal(size=X.shape)
    z = T.zmatrix()
    f = symnet.function([z], T.cov(z, **options))
    np.testing.assert_allclose(f(value), np.cov(value, **options), atol=1e-12)


@pytest.mark.parametrize("rowvar", [True, False])
@pytest.mark.parametrize("value", [X[:1], X[:, :1], X], ids=["row", "column", "matrix"])
@pytest.mark.filterwarnings("ignore:Degrees of freedom", "ignore:divide by zero")
@pytest.mark.filterwarnings("ignore:invalid value")
def test_known_sizes_change_nothing(value: Any, rowvar: bool) -> None:
    """Of one row with `rowvar` false the columns are the variables, as in any matrix."""
    count = value.shape[0 if rowvar else 1]
    want = np.cov(value, rowvar=rowvar).reshape(count, count)
    for shape in (value.shape, (None, None)):
        x = T.TensorType("float64", shape)("x")
        found = symnet.function([x], T.cov(x, rowvar=rowvar))(value)
        np.testing.assert_allclose(found.reshape(count, count), want, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint16"])
def test_dtypes(dtype: str) -> None:
    value = (X * 3 + 5).astype(dtype)
    found = T.cov(T.constant(value)).eval()
    kept = dtype.startswith("float")
    assert found.dtype == dtype if kept else found.dtype.kind == "f"
    tolerance = 2e-2 if dtype == "float16" else 1e-4
    np.testing.assert_allclose(found, np.cov(value.astype("float64")), rtol=tolerance)


def test_one_variable_and_gradient() -> None:
    np.testing.assert_allclose(T.cov(X[0]).eval(), np.cov(X[0]))
    np.testing.assert_allclose(T.cov(X[:1]).eval(), np.cov(X[:1]))
    T.verify_grad(lambda v: T.cov(v), [X[:, :4]], rng=np.random.RandomState(0))
    with pytest.raises(TypeError, match="takes a matrix or a vector"):
        T.cov(T.dtensor3())
