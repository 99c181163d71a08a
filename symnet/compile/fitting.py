"""Which variable may stand for another: in givens, in updates, for an input."""

from __future__ import annotations

from typing import Any

import numpy as np

from symnet.config import config
from symnet.errors import AsTensorError, message
from symnet.graph.origin import capture, inherit
from symnet.graph.traverse import ancestors, toposort
from symnet.graph.types import TensorType
from symnet.graph.variables import Constant, Variable, operand_text
from symnet.ops.base import as_tensor
from symnet.ops.elementwise import cast
from symnet.ops.sizes import specify_shape
from symnet.ops.sparse.sparse_type import (
    SparseType,
    as_sparse_variable,
    is_sparse_value,
)


def as_any(value: Any) -> Variable:
    """`value` as a variable, of whatever type."""
    if isinstance(value, Variable):
        return value
    if is_sparse_value(value):
        return as_sparse_variable(value)
    return as_tensor(value, truth=True)


def as_replacement(value: Any, target: Variable, what: str) -> Variable:
    """`value` as a variable.  Raises: AsTensorError, which says what it was meant for."""
    try:
        return as_any(value)
    except AsTensorError as error:
        text = f"{operand_text(target)} cannot be {what} what it got: {error}"
        raise AsTensorError(message(text, cure="give an expression")) from None


def fit(value: Any, target: Variable, what: str) -> Variable:
    """`value` as a variable that may stand for `target`.  Raises: TypeError."""
    new = as_replacement(value, target, what)
    old_type, new_type = target.type, new.type
    if not isinstance(old_type, TensorType) or not isinstance(new_type, TensorType):
        tensors = isinstance(old_type, TensorType) or isinstance(new_type, TensorType)
        if tensors or type(new_type) is not type(old_type):
            raise TypeError(_other_type(target, new, what))
        if isinstance(old_type, SparseType) and new_type != old_type:
            raise TypeError(_other_type(target, new, what))
        return new
    if new_type.ndim != old_type.ndim:
        raise TypeError(_misfit(target, new, what, "their ranks differ"))
    if new_type.dtype != old_type.dtype:
        if not _lossless(new, old_type.dtype):
            source = introduced(new, new_type.dtype)
            raise TypeError(
                _misfit(target, new, what, "it would lose precision", source)
            )
        new = cast(new, old_type.dtype)
    if not old_type.accepts(new.type):
        raise TypeError(_misfit(target, new, what, "their known sizes differ"))
    # What the target's type promises of sizes has been relied on: a call checks it.
    with inherit(new.origin or capture()):
        return specify_shape(new, old_type.shape)


def _other_type(target: Variable, new: Variable, what: str) -> str:
    """The text of an error where one of two is sparse, or both are otherwise stored."""
    text = f"{operand_text(target)} cannot be {what} {operand_text(new)}"
    cure = getattr(target.type, "from_others", "") or getattr(new.type, "to_tensor", "")
    return message(text, origin=new.origin, cure=cure)


def _lossless(new: Variable, dtype: str) -> bool:
    have = new.type.dtype
    if isinstance(new, Constant) and new.weak and new.data.dtype.kind in "biuf":
        return np.dtype(dtype).kind in ("f", "c") or new.data.dtype.kind in "biu"
    integer_to_float = np.dtype(have).kind in "biu" and dtype == config.floatX
    return integer_to_float or bool(np.can_cast(have, dtype, "safe"))


def _misfit(
    target: Variable, new: Variable, what: str, why: str, source: Variable | None = None
) -> str:
    operands = [operand_text(target), operand_text(new)]
    cure = f"cast it: .astype({target.type.dtype!r})"
    if new.type.ndim != target.type.ndim:
        cure = "give it the same rank, with reshape, dimshuffle or a reduction"
    note = ""
    if source is not None and source.owner is not None:
        note = f"\n  {source.type.dtype} comes from: {source.owner.op}, {source.origin}"
    text = f"{operand_text(target)} cannot be {what} {operand_text(new)}: {why}{note}"
    return message(text, operands=operands, origin=new.origin, cure=cure)


def introduced(variable: Variable, dtype: str) -> Variable | None:
    """The first variable of that dtype which no operand of the same dtype explains."""
    for node in toposort([variable]):
        inputs = [v.type.dtype for v in node.inputs if isinstance(v.type, TensorType)]
        outputs = [v for v in node.outputs if getattr(v.type, "dtype", None) == dtype]
        if outputs and dtype not in inputs:
            return outputs[0]
    return next((v for v in ancestors([variable]) if v.type.dtype == dtype), None)
