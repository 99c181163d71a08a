"""The number that every element of an expression is, where its making shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.errors import EmptyConstantError, NotScalarConstantError
from symnet.graph.evaluate import evaluate
from symnet.graph.variables import Constant, Variable, operand_text
from symnet.ops.alloc import Alloc
from symnet.ops.arithmetic import second
from symnet.ops.assertions import Assert
from symnet.ops.base import as_tensor, scalar_constant
from symnet.ops.elementwise import Elementwise
from symnet.ops.methods import method
from symnet.ops.reshape import Reshape
from symnet.ops.shape import DimShuffle
from symnet.ops.sizes import (
    ForgetShape,
    MakeVector,
    ShapeI,
    SpecifyShape,
    vector_elements,
)
from symnet.ops.subtensor import Subtensor, fill_pattern

__all__ = ["extract_constant", "get_scalar_constant_value"]

# Their first input has the elements of the output.
SAME_ELEMENTS = (Alloc, Assert, DimShuffle, ForgetShape, Reshape, SpecifyShape)


def get_scalar_constant_value(
    orig_v: Any,
    elemwise: bool = True,
    only_process_constants: bool = False,
    max_recur: int = 10,
) -> Any:
    """The number that `orig_v` is, or that all of its elements are: of a constant, of an
    array filled with one, of a known size, and of what is computed from such.

    elemwise: look through operations on each element, too.
    only_process_constants: look through nothing.
    max_recur: through how many operations, one upon the other.
    Raises: NotScalarConstantError where that is not to be seen; EmptyConstantError (which
        is one) of a constant without elements.

    >>> T.get_scalar_constant_value(T.zeros((T.iscalar(), 3)) + 2).item()
    2.0
    """
    if orig_v is None:
        raise NotScalarConstantError("None is no number")
    if not isinstance(orig_v, Variable):
        return scalar_constant(orig_v)
    if isinstance(orig_v, Constant):
        data = np.asarray(orig_v.data)
        if not data.size:
            raise EmptyConstantError(f"{operand_text(orig_v)} has no element")
        if data.dtype.kind in "biufc" and (data == data.flat[0]).all():
            return data.reshape(-1)[0]
        raise NotScalarConstantError(
            f"{operand_text(orig_v)} is not a constant of one value"
        )
    if not only_process_constants and max_recur > 0 and orig_v.owner is not None:
        found = _through(orig_v, elemwise, max_recur - 1)
        if found is not None:
            return np.asarray(found, orig_v.type.dtype)[()]
    raise NotScalarConstantError(f"the value of {operand_text(orig_v)} is not constant")


method("get_scalar_constant_value")(get_scalar_constant_value)


def _through(v: Variable, elemwise: bool, depth: int) -> Any:
    """The same of the result of an operation; None where it cannot be seen."""
    node = v.owner
    assert node is not None
    op = node.op
    if isinstance(op, Assert) and not _known_to_hold(node.inputs[1:], elemwise, depth):
        return None
    if isinstance(op, SAME_ELEMENTS):
        return get_scalar_constant_value(node.inputs[0], elemwise, False, depth)
    if op is second:
        return get_scalar_constant_value(node.inputs[1], elemwise, False, depth)
    if isinstance(op, ShapeI):
        return node.inputs[0].type.shape[op.i]
    if isinstance(op, Subtensor):
        return _element(v, elemwise, depth)
    if isinstance(op, MakeVector) or (isinstance(op, Elementwise) and elemwise):
        numbers = [
            get_scalar_constant_value(one, elemwise, False, depth)
            for one in node.inputs
        ]
        if isinstance(op, MakeVector):
            return numbers[0] if len(set(numbers)) == 1 else None
        constants = [
            Constant(one.type.clone(shape=()), np.asarray(number, one.type.dtype))
            for one, number in zip(node.inputs, numbers, strict=True)
        ]
        return evaluate([op.make_node(*constants).outputs[0]], {})[0]
    return None


def _known_to_hold(conditions: Sequence[Variable], elemwise: bool, depth: int) -> bool:
    """Whether all conditions are constant, and true."""
    return all(
        get_scalar_constant_value(one, elemwise, False, depth) for one in conditions
    )


def _element(v: Variable, elemwise: bool, depth: int) -> Any:
    """The same of a part of an array: of one element of a vector whose elements are known
    one by one, or of an array whose elements are all one number."""
    node = v.owner
    assert node is not None
    source, bounds = node.inputs[0], node.inputs[1:]
    parts = vector_elements(source) if source.type.ndim == 1 else None
    single = v.type.ndim == 0
    if single and (parts is not None or isinstance(source, Constant)):
        index = [get_scalar_constant_value(one, True, False, depth) for one in bounds]
        place = fill_pattern(node.op.pattern, index)
        if isinstance(source, Constant) and parts is None:
            return np.asarray(source.data)[tuple(map(int, place))]
        assert parts is not None
        position = place[0]
        return get_scalar_constant_value(parts[int(position)], elemwise, False, depth)
    return get_scalar_constant_value(source, elemwise, False, depth)


def extract_constant(
    x: Any, elemwise: bool = True, only_process_constants: bool = False
) -> Any:
    """The number that `get_scalar_constant_value` finds, or `x` as a variable.

    >>> T.extract_constant(T.constant(2) + 1), T.extract_constant(T.lscalar("n"))
    (np.int64(3), n)
    """
    try:
        return get_scalar_constant_value(x, elemwise, only_process_constants)
    except NotScalarConstantError:
        return as_tensor(x)
