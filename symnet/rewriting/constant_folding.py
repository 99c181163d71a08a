"""Constant folding: what needs constants only is computed when a function is compiled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symnet.graph.op import computed, is_users
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Constant, Variable
from symnet.ops.alloc import Alloc
from symnet.ops.arithmetic import second

# A program does not carry large arrays that it can make: a result is folded if it has at
# most so many elements, or no more than one of its inputs.
LARGEST = 256


def fold_constants(node: Apply) -> list[Variable] | None:
    """The outputs as constants, where all inputs are constants and the outputs small.

    None also where computing them raises: that error belongs to the run.  An op that
    must not be folded has `foldable = False`, or says so of a node in Theano's
    `do_constant_folding(node)`.
    """
    given: list[Any] = []
    for v in node.inputs:
        if not isinstance(v, Constant):
            return None
        given.append(v.data)
    if not given or not node.op.do_constant_folding(node):
        return None
    largest = max(np.size(data) for data in given)
    for output in node.outputs:
        count = _elements(output)
        if count is None and is_users(node.op):
            continue  # whose types tell no sizes
        if count is None or count > max(largest, LARGEST):
            return None
        if count > largest and (isinstance(node.op, Alloc) or node.op == second):
            return None  # one number fills it: cheaper to make than to read
    try:
        arrays = computed(node, given)
        if any(np.size(array) > max(largest, LARGEST) for array in arrays):
            return None
        return [_constant(a, v) for a, v in zip(arrays, node.outputs, strict=True)]
    except Exception:  # noqa: BLE001  whatever it is, it is raised again when the program runs
        return None


def _elements(variable: Variable) -> int | None:
    """How many elements a variable has, where that is known."""
    kind = variable.type
    if not isinstance(kind, TensorType) or None in kind.shape:
        return None
    return math.prod(n for n in kind.shape if n is not None)


def _constant(array: Any, old: Variable) -> Constant:
    data = np.asarray(array)
    kind = TensorType(data.dtype, data.shape)
    if not old.type.accepts(kind):
        raise TypeError(f"{old.owner} gave {kind}, not {old.type}")
    new = Constant(kind, data, old.name)
    new.tag.origin = old.origin
    return new
