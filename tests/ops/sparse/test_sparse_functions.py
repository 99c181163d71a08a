"""Functions of stored entries against NumPy's."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.special

import symnet.sparse as sparse
import symnet.tensor as T
from tests.ops.sparse.matrices import FORMATS, check, check_gradient, matrix, twisted

# Names, NumPy's functions, and by what the numbers of the tests are divided.
OWN: dict[str, tuple[Any, float]] = {
    "structured_sigmoid": (scipy.special.expit, 1), "structured_exp": (np.exp, 4),
    "structured_log": (lambda x: np.log(np.abs(x)), 1), "sin": (np.sin, 1), "tan": (np.tan, 9),
    "arcsin": (np.arcsin, 9), "arctan": (np.arctan, 1), "sinh": (np.sinh, 4),
    "tanh": (np.tanh, 1), "arcsinh": (np.arcsinh, 1), "arctanh": (np.arctanh, 9),
    "rint": (np.rint, 2), "sgn": (np.sign, 1), "ceil": (np.ceil, 3), "floor": (np.floor, 3),
    "trunc": (np.trunc, 3), "log1p": (np.log1p, 9), "expm1": (np.expm1, 4),
    "deg2rad": (np.deg2rad, 1), "rad2deg": (np.rad2deg, 1), "sqr": (np.square, 1),
    "sqrt": (lambda x: np.sqrt(np.abs(x)), 1), "conj": (np.conj, 1),
}  # fmt: skip
STEPS = ("rint", "sgn", "ceil", "floor", "trunc")


def of_entries(x: Any, function: Any) -> Any:
    found = x.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found.data = function(x.data)
    return found


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("format", FORMATS)
def test_values_and_gradients(format: str, dtype: str, name: str) -> None:
    function, scale = OWN[name]
    x = matrix(format, dtype=dtype) / np.dtype(dtype).type(scale)
    if name in ("structured_log", "sqrt"):
        x = abs(x)
    check(getattr(sparse, name), [x], of_entries(x, function), ("FAST_RUN",))
    check(
        getattr(sparse, name), [x * 0.0], of_entries(x * 0.0, function), ("FAST_RUN",)
    )
    if dtype == "float64" and name not in STEPS:
        check_gradient(getattr(sparse, name), [x * 0.9])


@pytest.mark.parametrize("format", FORMATS)
def test_with_a_number(format: str) -> None:
    x = abs(matrix(format))
    for name, function in [
        ("structured_pow", lambda v: v**2.5), ("structured_minimum", lambda v: np.minimum(v, 2.5)),
        ("structured_maximum", lambda v: np.maximum(v, 2.5)), ("structured_add", lambda v: v + 2.5),
    ]:  # fmt: skip
        own = getattr(sparse, name)
        check(lambda v, f=own: f(v, 2.5), [x], of_entries(x, function))
        check(lambda v, w, f=own: f(v, w), [x, np.array(2.5)], of_entries(x, function))
        check_gradient(lambda v, w, f=own: f(v, w), [x, np.array(2.5)])
        with pytest.raises(TypeError, match="numbers besides"):
            own(sparse.csr_matrix(), T.dvector())


def test_what_is_not_stored_stays_0() -> None:
    """Of an entry that is stored in parts it is the function of their sum."""
    x = matrix("csr")
    check(sparse.structured_exp, [twisted(x)], of_entries(x, np.exp))
    with pytest.raises(TypeError, match="sparse"):
        sparse.structured_exp(T.dmatrix())
