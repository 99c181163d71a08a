"""Which derivatives may be infinite or NaN at a finite place: behind them a zero is lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.autodiff.masks import MOVES, SAME
from symnet.graph.inner import InnerGraph
from symnet.graph.traverse import toposort
from symnet.graph.variables import Apply, Constant, Variable
from symnet.ops.arithmetic import (
    absolute,
    add,
    maximum,
    mul,
    pow,
    second,
    sqr,
    sqrt,
    sub,
    true_div,
)
from symnet.ops.elementwise import REGISTRY, Cast, Elementwise
from symnet.ops.linalg.products import BatchedDot, Dot
from symnet.ops.nnet.softmax import AlongAxis
from symnet.ops.reduce import OtherProduct, Reduce
from symnet.ops.shape import DimShuffle
from symnet.ops.sizes import ShapeI

# What may stand where nothing was chosen: zero; what finite derivatives make of it (NaN
# where an operand is not finite); what infinite ones do.
CLEAN, FINITE, SINGULAR = range(3)

# Their derivatives are finite at every finite place.
SMOOTH = (
    "mul", "sqr", "tanh", "sigmoid", "softplus", "sin", "cos", "arctan", "erf", "erfc",
    "abs", "mod", "sub", "add",
)  # fmt: skip
# Theirs do not depend on the operands, or are choices.
LINEAR = (
    "add", "sub", "neg", "identity", "second", "cast", "switch", "maximum", "minimum",
)  # fmt: skip
# Theirs are where the operand of that number is certainly positive.
POSITIVE = {
    "true_div": 1,
    "sqrt": 0,
    "log": 0,
    "reciprocal": 0,
    "pow": 0,
    "log2": 0,
    "log10": 0,
}
DEEPEST = 20  # how far below an operation is looked for what makes it positive


def derivative_state(node: Apply) -> int:
    op = node.op
    if isinstance(op, (Dot, BatchedDot, AlongAxis, OtherProduct, *SAME)):
        return FINITE
    name = op.name if isinstance(op, Elementwise) else ""
    if name in SMOOTH or isinstance(op, Reduce):
        return FINITE
    exponent = node.inputs[1] if op == pow else None
    if isinstance(exponent, Constant) and bool((exponent.data >= 1).all()):
        return FINITE
    if name in POSITIVE and _is_positive(node.inputs[POSITIVE[name]], DEEPEST):
        return FINITE
    return SINGULAR


def loses_zeros(v: Variable, weak: bool) -> bool:
    """Whether a gradient of `v` may meet a derivative behind which its zeros must be put
    back: one that may be infinite; or, unless `weak`, any along elementwise operations."""
    near = () if weak else _elementwise_above(v)
    return any(map(_is_curved, near)) or _has_singular([v])


def _has_singular(outputs: Sequence[Variable]) -> bool:
    """Whether a derivative may be infinite in what makes `outputs`, graphs inside of its
    operations included."""
    for node in toposort(outputs):
        if _is_curved(node) and derivative_state(node) == SINGULAR:
            return True
        graphs = [g for g in vars(node.op).values() if isinstance(g, InnerGraph)]
        if any(_has_singular(g.outputs) for g in graphs):
            return True
    return False


def _is_curved(node: Apply) -> bool:
    op, out = node.op, node.outputs[0]
    if not isinstance(op, Elementwise) or isinstance(op, Cast) or op.name in LINEAR:
        return False
    return getattr(out.type, "dtype", "")[:1] in ("f", "c")


def _elementwise_above(v: Variable) -> set[Apply]:
    """The operations that `v` comes from without elements being mixed."""
    found: set[Apply] = set()
    stack = [v]
    while stack:
        node = stack.pop().owner
        if node is None or node in found:
            continue
        if isinstance(node.op, (Elementwise, DimShuffle, *SAME, *MOVES)):
            found.add(node)
            stack += node.inputs
    return found


def _is_positive(v: Variable, depth: int) -> bool:
    """Whether `v` is certainly greater than zero, as far as it shows."""
    if isinstance(v, Constant):
        return bool((v.data > 0).all())
    node = v.owner
    if node is None or depth == 0:
        return False
    given = node.inputs
    if node.op in (add, maximum):
        one = any(_is_positive(a, depth - 1) for a in given)
        return one and (
            node.op == maximum or all(_is_nonnegative(a, depth - 1) for a in given)
        )
    if node.op == second:
        return _is_positive(given[1], depth - 1)
    if node.op == mul:
        return all(_is_positive(a, depth - 1) for a in given)
    if node.op == sqrt or isinstance(node.op, (DimShuffle, Cast)):
        return _is_positive(given[0], depth - 1)
    if node.op == sub:
        return is_zero(given[1]) and _is_positive(given[0], depth - 1)
    return isinstance(node.op, ShapeI)  # of no elements nothing is asked


def _is_nonnegative(v: Variable, depth: int) -> bool:
    """Whether `v` is certainly not less than zero, as far as it shows."""
    if isinstance(v, Constant):
        return bool((v.data >= 0).all())
    node = v.owner
    if node is None or depth == 0:
        return False
    given, op = node.inputs, node.op
    if op in (sqr, sqrt, absolute, *_NOT_NEGATIVE):
        return True
    if op == mul and given[0] is given[1]:
        return True
    if op in (add, mul, true_div):
        return all(_is_nonnegative(a, depth - 1) for a in given)
    if op == pow:
        return isinstance(given[1], Constant) and bool((given[1].data % 2 == 0).all())
    if isinstance(op, (DimShuffle, Cast)) or _is_sum(op):
        unsigned = given[0].type.dtype[0] in "bu"
        return unsigned or _is_nonnegative(given[0], depth - 1)
    if isinstance(op, ShapeI):
        return True
    if op == sub:
        return is_zero(given[1]) and _is_nonnegative(given[0], depth - 1)
    return op == second and _is_nonnegative(given[1], depth - 1)


_NOT_NEGATIVE = [REGISTRY[name] for name in ("exp", "sigmoid", "softplus")]


def _is_sum(op: Any) -> bool:
    return isinstance(op, Reduce) and op.kind in ("sum", "max", "min")


def is_zero(variable: Variable) -> bool:
    return isinstance(variable, Constant) and not np.any(variable.data)


def is_finite(variable: Variable) -> bool:
    return isinstance(variable, Constant) and bool(np.isfinite(variable.data).all())
