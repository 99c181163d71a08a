"""Test values: samples that flow along while a graph is built.

Where `config.compute_test_value` is not "off", each new operation is computed from its
inputs' `tag.test_value` by NumPy, and its results get theirs: a mistake in a shape then
shows on the line that makes it.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from symnet.config import config
from symnet.errors import MissingInputError, message
from symnet.graph.op import computed, observers
from symnet.graph.variables import Apply, Variable


def get_test_value(variable: Variable) -> Any:
    """The sample of a variable: that of its tag, or the value of a constant or shared one.

    Raises: MissingInputError where there is none; TypeError, ValueError where it is not of
        the variable's type.
    """
    for name in ("data", "array"):
        if hasattr(variable, name):
            return getattr(variable, name)
    if not hasattr(variable.tag, "test_value"):
        raise MissingInputError(f"{variable} has no test value")
    return variable.type.filter(variable.tag.test_value, allow_downcast=True)


def compute_test_values(node: Apply) -> None:
    """Give the results of a new operation their samples.

    An input without one is ignored, warned of, or an error, as the setting says; ignored
    where the operation is part of a derivative.
    Raises: what the operation raises for the samples, with the user's line.
    """
    try:
        arrays = [get_test_value(v) for v in node.inputs]
    except MissingInputError as missing:
        if node.origin is not None and node.origin.role:
            return  # a derivative within a loop is made of leaves that no user has seen
        cure = "set its tag.test_value, or config.compute_test_value = 'off'"
        text = message(str(missing), operation=node.op, origin=node.origin, cure=cure)
        if config.compute_test_value == "raise":
            raise MissingInputError(text) from None
        if config.compute_test_value == "warn":
            warnings.warn(text, stacklevel=2)
        return
    try:
        values = computed(node, arrays)
    except (ValueError, TypeError, IndexError, ArithmeticError) as error:
        shapes = [
            f"{v}, {v.type}, test value of shape {np.shape(a)}"
            for v, a in zip(node.inputs, arrays)
        ]
        text = message(
            str(error), operation=node.op, operands=shapes, origin=node.origin
        )
        raise type(error)(text) from None
    for output, value in zip(node.outputs, values, strict=True):
        output.tag.test_value = value


def observe(node: Apply) -> None:
    """Compute samples where the setting asks for them."""
    if config.compute_test_value != "off":
        compute_test_values(node)


observers.append(observe)
