"""The names of `theano.gof.op`: operations, and their test values."""

from __future__ import annotations

import warnings
from typing import Any

from symnet.config import config
from symnet.errors import MissingInputError
from symnet.graph.op import Op
from symnet.graph.op import Op as PureOp
from symnet.graph.testvalues import get_test_value
from symnet.graph.variables import Apply, Variable


def get_debug_values(*args: Any) -> list[Any]:
    """The test values of variables, in a list of one tuple (of one variable: in a list of
    its value); an empty list where `config.compute_test_value` is "off", or one of them
    has none:

        for x_value, y_value in get_debug_values(x, y):
            assert x_value.shape == y_value.shape

    Raises: AttributeError for a variable without one, where the setting is "raise".
    """
    if config.compute_test_value == "off":
        return []
    try:
        values = [get_test_value(v) if isinstance(v, Variable) else v for v in args]
        return values if len(values) == 1 else [tuple(values)]
    except MissingInputError as missing:
        if config.compute_test_value == "raise":
            raise AttributeError(str(missing)) from None
        if config.compute_test_value == "warn":
            warnings.warn(str(missing), stacklevel=2)
        return []


def debug_error_message(msg: str) -> None:
    """Say that something is wrong about test values, as `config.compute_test_value` says:
    "raise" raises, "warn" warns, "ignore" is silent.

    Raises: ValueError.
    """
    if config.compute_test_value == "raise":
        raise ValueError(f"compute_test_value: {msg}")
    if config.compute_test_value == "warn":
        warnings.warn(f"compute_test_value: {msg}", stacklevel=2)


def debug_assert(condition: Any, msg: str | None = None) -> None:
    """`debug_error_message` where the condition is false."""
    if not condition:
        debug_error_message(msg or "a condition on test values does not hold")


__all__ = [
    "Apply", "Op", "PureOp", "debug_assert", "debug_error_message", "get_debug_values",
    "get_test_value",
]  # fmt: skip
