"""When values of a type agree."""

from __future__ import annotations

import numpy as np

from symnet.graph import equal_values
from symnet.tensor import TensorType

INF, NAN = np.inf, np.nan


def test_what_may_differ() -> None:
    plain, infinite = np.array([1.0, 2.0]), np.array([1.0, INF])
    undefined = np.array([1.0, NAN])
    for check, with_inf, with_nan in (
        (equal_values.values_eq_approx, False, False),
        (equal_values.values_eq_approx_remove_inf, True, False),
        (equal_values.values_eq_approx_remove_nan, False, True),
        (equal_values.values_eq_approx_remove_inf_nan, True, True),
        (equal_values.values_eq_approx_always_true, True, True),
    ):
        assert check(plain, plain + 1e-12)
        assert check(plain, infinite) is with_inf
        assert check(undefined, plain) is with_nan
    assert equal_values.values_eq_approx(undefined, undefined)
    assert not equal_values.values_eq_approx(plain, plain + 1e-3)
    assert equal_values.values_eq_approx(plain, plain + 1e-3, rtol=0, atol=1e-2)


def test_exactly() -> None:
    a = np.array([1, 2])
    assert TensorType.values_eq(a, a.copy())
    assert not TensorType.values_eq(a, a.astype("int32"))
    assert TensorType.values_eq(a, a.astype("int32"), force_same_dtype=False)
    assert TensorType.may_share_memory(a, a[1:])
    assert not TensorType.may_share_memory(a, a.copy())
    assert not TensorType.may_share_memory(a, 3)
