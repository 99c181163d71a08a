"""The names of `theano.tensor.type`: types of arrays, and when values of them agree."""

from __future__ import annotations

from symnet.graph.equal_values import (
    values_eq_approx,
    values_eq_approx_always_true,
    values_eq_approx_remove_inf,
    values_eq_approx_remove_inf_nan,
    values_eq_approx_remove_nan,
)  # fmt: skip
from symnet.graph.types import TensorType

__all__ = [
    "TensorType", "values_eq_approx", "values_eq_approx_always_true",
    "values_eq_approx_remove_inf", "values_eq_approx_remove_inf_nan",
    "values_eq_approx_remove_nan",
]  # fmt: skip
