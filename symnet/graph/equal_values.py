"""When two values of a type agree."""

from __future__ import annotations

from functools import partial
from typing import Any

from symnet.graph.types import TensorType

values_eq_approx = TensorType.values_eq_approx
values_eq_approx_remove_inf = partial(values_eq_approx, allow_remove_inf=True)
values_eq_approx_remove_nan = partial(values_eq_approx, allow_remove_nan=True)
values_eq_approx_remove_inf_nan = partial(
    values_eq_approx, allow_remove_inf=True, allow_remove_nan=True
)


def values_eq_approx_always_true(a: Any, b: Any) -> bool:
    """True: for results of which nothing is promised.

    >>> T.values_eq_approx_always_true(np.zeros(2), np.ones(3))
    True
    """
    return True


__all__ = [
    "values_eq_approx", "values_eq_approx_always_true",
    "values_eq_approx_remove_inf", "values_eq_approx_remove_inf_nan",
    "values_eq_approx_remove_nan",
]  # fmt: skip
