"""Numbers that the making of an expression shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.errors import EmptyConstantError, NotScalarConstantError
from symnet.ops.known_values import extract_constant, get_scalar_constant_value

n, x = T.iscalar("n"), T.dmatrix("x")
SHOWN: list[tuple[Any, Any]] = [
    (3, 3), (np.float32(2.5), np.float32(2.5)), (T.constant(4), 4),
    (T.constant(np.full((2, 3), 7)), 7), (T.zeros((n, 3)), 0),
    (T.alloc(5.0, n), 5.0), (T.fill(x, 3), 3.0), (T.zeros((n, 3)) + 2, 2.0),
    (T.constant(2) * 3 + 1, 7), (T.ones((2, n)).T, 1.0), (T.ones((n,)).reshape((1, -1)), 1.0),
    (T.specify_shape(x, (2, 3)).shape[1], 3), (T.stack([n, T.constant(6)])[1], 6),
    (T.cast(T.constant(2.0), "int8"), 2), (T.opt.Assert("")(T.constant(1.5), T.constant(1)), 1.5),
    (T.unbroadcast(T.ones((1, n)), 0), 1.0), (T.zeros((n, 3))[0], 0.0),
]  # fmt: skip


@pytest.mark.parametrize(("variable", "number"), SHOWN)
def test_numbers_that_are_shown(variable: Any, number: Any) -> None:
    found = get_scalar_constant_value(variable)
    assert found == number
    assert np.ndim(found) == 0
    if hasattr(variable, "dtype"):
        assert np.asarray(found).dtype == variable.dtype
    assert extract_constant(variable) == number


@pytest.mark.parametrize(
    "variable",
    [n, x, T.constant([1, 2]), T.constant(np.zeros((0,))), T.arange(n), x + 1,
     T.zeros((n,)) + x[0], T.stack([n, T.constant(6)])[0], T.constant([1, 2])[0:1]],
)  # fmt: skip
def test_what_is_not_constant(variable: Any) -> None:
    with pytest.raises(NotScalarConstantError):
        get_scalar_constant_value(variable)
    assert extract_constant(variable) is variable


def test_how_far_to_look() -> None:
    filled = T.zeros((n,)) + 1
    with pytest.raises(NotScalarConstantError):
        get_scalar_constant_value(filled, elemwise=False)
    with pytest.raises(NotScalarConstantError):
        get_scalar_constant_value(filled, only_process_constants=True)
    with pytest.raises(NotScalarConstantError):
        get_scalar_constant_value(filled, max_recur=1)
    with pytest.raises(NotScalarConstantError):
        get_scalar_constant_value(None)
    assert filled.get_scalar_constant_value() == 1


def test_elements_of_constants_and_what_is_checked():
    table = T.constant(np.arange(6.0).reshape(2, 3))
    assert T.get_scalar_constant_value(table[1, 2]) == 5
    assert T.get_scalar_constant_value(table[-1, 0]) == 3
    with pytest.raises(EmptyConstantError):
        T.get_scalar_constant_value(np.array([]))
    checked = symnet.ops.assertions.Assert()
    assert T.get_scalar_constant_value(checked(T.constant(3), T.constant(1))) == 3
    with pytest.raises(NotScalarConstantError):
        T.get_scalar_constant_value(checked(T.constant(3), T.lscalar() > 0))
