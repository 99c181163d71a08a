"""Reference evaluation: each operation computed by NumPy (or CuPy), one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symnet.errors import MissingInputError, ShapeError, message, without_own_frames
from symnet.graph.traverse import toposort
from symnet.graph.variables import Apply, Constant, Variable, operand_text


def evaluate(
    outputs: Sequence[Variable], values: Mapping[Variable, Any], xp: Any = np
) -> list[Any]:
    """The values of `outputs`, given those of the leaves (shared variables have theirs).

    Raises: MissingInputError for a leaf without value; whatever an operation raises,
    with the operation, its operands and the user's line added.
    """
    known: dict[Variable, Any] = dict(values)
    for node in toposort(outputs, blockers=tuple(known)):
        arrays = [value_of(v, known) for v in node.inputs]
        known.update(zip(node.outputs, compute(node, arrays, xp), strict=True))
    return [value_of(v, known) for v in outputs]


def value_of(variable: Variable, known: Mapping[Variable, Any]) -> Any:
    if variable in known:
        return known[variable]
    if isinstance(variable, Constant):
        return variable.data
    array = getattr(variable, "array", None)  # a shared variable
    if array is None:
        raise MissingInputError(f"no value for {operand_text(variable)}")
    return array


def compute(node: Apply, arrays: Sequence[Any], xp: Any = np) -> list[Any]:
    """One operation's outputs, its errors told with the user's line."""
    try:
        return list(node.op.compute(node, arrays, xp))
    except NotImplementedError:
        raise
    except Exception as error:
        shapes = [
            f"{operand_text(v)}, value {_shape(a)}" for v, a in zip(node.inputs, arrays)
        ]
        text = message(
            str(error), operation=node.op, operands=shapes, origin=node.origin
        )
        # Where in their own op it happened is for users to see; where in ours is not.
        ours = _plain(error) and type(node.op).__module__.startswith("symnet.")
        cause = error.__cause__ if ours else without_own_frames(error)
        raise retold(error, text) from cause


def retold(error: Exception, text: str) -> Exception:
    """An error of the same kind, if its class is made from one text, with another text."""
    return type(error)(text) if _plain(error) else RuntimeError(text)


def _plain(error: Exception) -> bool:
    """Whether the error's class is made from one text."""
    kinds = (
        ValueError,
        TypeError,
        IndexError,
        ZeroDivisionError,
        RuntimeError,
        ShapeError,
        np.linalg.LinAlgError,
    )
    return type(error) in kinds


def _shape(array: Any) -> str:
    return (
        f"{getattr(array, 'dtype', type(array).__name__)} {getattr(array, 'shape', '')}"
    )
