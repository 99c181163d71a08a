"""Rules of shapes: arrays filled with one value, axes moved, sizes asked for.

A fill is `second(x, value)`, `alloc(value, *sizes)` or a constant with equal elements.
Fills vanish where another operand has their shape, and otherwise move outwards, where
they may yet meet one; what is computed inside them is computed once and not for every
element.  A fill that stays checks that sizes agree, and costs nothing in a loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from symnet.graph.variables import Constant, Variable
from symnet.ops.alloc import Alloc
from symnet.ops.arithmetic import mul, neg, second
from symnet.ops.base import constant
from symnet.ops.elementwise import Elementwise
from symnet.ops.reduce import Reduce
from symnet.ops.reshape import Reshape, reshape
from symnet.ops.shape import DimShuffle, dimshuffle
from symnet.ops.sizes import (
    ForgetShape,
    MakeVector,
    Shape,
    ShapeI,
    SpecifyShape,
    shape_i,
    vector_elements,
)
from symnet.rewriting.patterns import Match, Rule, pattern_vars
from symnet.rewriting.rewriter import lacks_shape

x, y = pattern_vars("x y")

# How far a rule follows a chain of operations, and how large a constant it looks through.
DEEPEST, LARGEST = 1000, 1024


# ---- fills


def filled(variable: Variable) -> Variable | None:
    """The value inside a fill; None for what is no fill."""
    if isinstance(variable, Constant):
        data = variable.data
        small = 0 < data.size <= LARGEST and data.ndim > 0
        equal = small and bool((data == data.flat[0]).all())
        return constant(data.flat[0]) if equal else None
    node = variable.owner
    if node is not None and node.op == second:
        return node.inputs[1]
    if node is not None and isinstance(node.op, Alloc):
        return node.inputs[0] if lacks_shape(node.inputs[0], variable) else None
    return None


def refill(like: Variable, value: Variable) -> Variable:
    """`value` filled to its shape together with that of the fill `like`."""
    node = like.owner
    assert node is not None
    same = like.type.ndim >= value.type.ndim and not lacks_shape(like, value)
    if is_alloc(like) and same and lacks_shape(value, like):
        return node.applied_to(value, *node.inputs[1:])
    return second(like if is_alloc(like) else node.inputs[0], value)


def shape_givers(fill: Variable) -> Sequence[Variable]:
    """What a fill has its shape from."""
    node = fill.owner
    if node is None:
        return ()
    return node.inputs[1:] if isinstance(node.op, Alloc) else node.inputs[:1]


def is_alloc(variable: Variable) -> bool:
    return variable.owner is not None and isinstance(variable.owner.op, Alloc)


def _fill_among_operands(match: Match) -> Variable | None:
    """f(fill(x, v), y) is f(v, y) where y has the shape anyway, and else fill(x, f(v, y))."""
    node = match.node
    inputs = list(node.inputs)
    outer: list[Variable] = []
    for k, operand in enumerate(node.inputs):
        value = filled(operand)
        if value is None:
            continue
        others = inputs[:k] + inputs[k + 1 :]
        givers = shape_givers(operand)
        covered = any(
            match.covers(other, operand) and match.still_checked(givers, other)
            for other in others
        )
        # A fill inside a fill would only change places with it.
        moves = not isinstance(operand, Constant) and node.op != second
        if covered or moves:
            inputs[k] = value
            outer += [] if covered else [operand]
    if all(a is b for a, b in zip(inputs, node.inputs)):
        return None
    # What is allocated is worth allocating later only if less is computed until then.
    if any(map(is_alloc, outer)) and not _lack_shape(inputs, match.out):
        return None
    new: Variable = node.op.make_node(*inputs).outputs[0]
    for operand in outer:
        new = refill(operand, new)
    return new


def _lack_shape(operands: Sequence[Variable], wanted: Variable) -> bool:
    """`lacks_shape` for what is made of operands element by element."""
    shapes = [v.type.shape for v in operands]
    rank = wanted.type.ndim
    if max(map(len, shapes)) < rank:
        return True
    return any(
        wanted.type.shape[axis] != 1
        and all(len(shape) < -axis or shape[axis] == 1 for shape in shapes)
        for axis in range(-rank, 0)
    )


def _fill_with_same_shape(match: Match) -> Variable | None:
    """second(x, y) is y where that has its shape already."""
    like, value = match.node.inputs
    covered = match.covers(value, like) and match.still_checked([like], value)
    return value if covered else None


def stands_for(match: Match, lower: Variable, upper: Variable) -> bool:
    """Whether the two have the same shape, and all checked for the upper one is for the
    lower one."""
    return match.same_shape(lower, upper) and match.still_checked([upper], lower)


def source(variable: Variable, match: Match) -> Variable:
    """The first variable below elementwise operations that can stand for the shape."""
    for _ in range(DEEPEST):
        node = variable.owner
        if node is None or not isinstance(node.op, Elementwise):
            break
        same = [v for v in node.inputs if stands_for(match, v, variable)]
        if not same:
            break
        variable = same[0]
    return variable


def _fill_like_source(match: Match) -> Variable | None:
    like, value = match.node.inputs
    origin = source(like, match)
    # A size that is not known must not become one that is: that is another type.
    if origin is like or origin.type.broadcastable != like.type.broadcastable:
        return None
    return second(origin, value)


FILLS = [
    Rule("fill_with_same_shape", second, _fill_with_same_shape),
    Rule("fill_like_source", second, _fill_like_source),
    Rule("fill_among_operands", Elementwise, _fill_among_operands,
         operands=(Constant, second, Alloc)),
]  # fmt: skip

# ---- axes


def _leading_axes(match: Match) -> Variable | None:
    """Axes of size 1 put in front of an operand, where another has as many axes."""
    node = match.node
    rank = match.out.type.ndim
    inputs = list(node.inputs)
    for k, operand in enumerate(node.inputs):
        below = operand.owner
        if below is None or not isinstance(below.op, DimShuffle):
            continue
        order, inner = below.op.new_order, below.inputs[0]
        added = len(order) - inner.type.ndim
        if added <= 0 or order != ("x",) * added + tuple(range(inner.type.ndim)):
            continue
        if any(v.type.ndim == rank for v in inputs[:k] + inputs[k + 1 :]):
            inputs[k] = inner
    if all(a is b for a, b in zip(inputs, node.inputs)):
        return None
    return node.applied_to(*inputs)


def _dimshuffle_of_dimshuffle(match: Match) -> Variable | None:
    inner = match.node.inputs[0].owner
    if inner is None or not isinstance(inner.op, DimShuffle):
        return None
    before = inner.op.new_order
    order = [
        axis if axis == "x" else before[int(axis)] for axis in match.node.op.new_order
    ]
    return dimshuffle(inner.inputs[0], *order)


def _dimshuffle_identity(match: Match) -> Variable | None:
    operand = match.node.inputs[0]
    same = match.node.op.new_order == tuple(range(operand.type.ndim))
    return operand if same else None


def _dimshuffle_of_fill(match: Match) -> Variable | None:
    """The axes of second(x, value) moved: those of x and of value are moved."""
    node = match.node.inputs[0].owner
    if (
        node is None
        or node.op != second
        or match.node.op.dropped(node.outputs[0].type.ndim)
    ):
        return None
    like, value = node.inputs
    rank = node.outputs[0].type.ndim
    if like.type.ndim != rank:
        return None
    order = match.node.op.new_order
    padded = dimshuffle(
        value, *["x"] * (rank - value.type.ndim), *range(value.type.ndim)
    )
    return second(dimshuffle(like, *order), dimshuffle(padded, *order))


def _dimshuffle_of_negative(match: Match) -> Variable | None:
    """A sign moves outwards, where it meets others."""
    node = match.node.inputs[0].owner
    if node is None or node.op != neg:
        return None
    return neg(match.node.op(node.inputs[0]))


def _reshape_of_reshape(match: Match) -> Variable | None:
    """Only the last shape counts, unless the first asks more of the size of the array:
    one to be worked out asks whether the division comes out even."""
    inner = match.node.inputs[0].owner
    if inner is None or not isinstance(inner.op, Reshape):
        return None
    elements = vector_elements(inner.inputs[1])
    if elements is None or any(_may_be_negative(e) for e in elements):
        return None
    new = reshape(inner.inputs[0], match.node.inputs[1], ndim=match.node.op.ndim)
    return new if match.still_checked(inner.outputs, new) else None


def _may_be_negative(size: Variable) -> bool:
    if isinstance(size, Constant):
        return bool(size.data < 0)
    if size.owner is not None and size.owner.op == mul:
        return any(map(_may_be_negative, size.owner.inputs))
    return size.owner is None or not isinstance(size.owner.op, ShapeI)


def _reshape_to_same_shape(match: Match) -> Variable | None:
    operand = match.node.inputs[0]
    return operand if match.same_shape(operand, match.out) else None


AXES = [
    Rule("dimshuffle_identity", DimShuffle, _dimshuffle_identity),
    Rule("dimshuffle_of_dimshuffle", DimShuffle, _dimshuffle_of_dimshuffle,
         operands=(DimShuffle,)),
    Rule("dimshuffle_of_fill", DimShuffle, _dimshuffle_of_fill, operands=(second,)),
    Rule("dimshuffle_of_negative", DimShuffle, _dimshuffle_of_negative, operands=(neg,)),
    Rule("leading_axes", Elementwise, _leading_axes, operands=(DimShuffle,)),
    Rule("reshape_of_reshape", Reshape, _reshape_of_reshape, operands=(Reshape,)),
    Rule("reshape_to_same_shape", Reshape, _reshape_to_same_shape),
]  # fmt: skip

# ---- sizes


def _size(match: Match) -> Variable | None:
    """The size of a result as a size of a leaf, or at least of what it is made from.

    Sizes that are compared on the way must go on being compared, also where nothing but
    a size is asked for.
    """
    axis, operand = match.node.op.i, match.node.inputs[0]
    found = _same_sizes(operand, axis, match)
    return next((v for v in found if match.still_checked([operand], v)), None)


def _same_sizes(operand: Variable, axis: int, match: Match) -> Iterator[Variable]:
    """What the size is known to be, the simplest first."""
    if operand.type.shape[axis] is not None:
        yield shape_i(operand, axis)
    leaf = match.known.leaf_size(match.known.sizes(operand)[axis])
    if leaf is not None and leaf != (operand, axis):
        yield shape_i(*leaf)
    below = _size_below(operand, axis, match)
    if below is not None:
        yield below


def _size_below(operand: Variable, axis: int, match: Match) -> Variable | None:
    """The size of an operation's result as one of its inputs, or as one of their sizes."""
    node = operand.owner
    if node is None:
        return None
    if isinstance(node.op, Elementwise):
        origin = source(operand, match)
        return None if origin is operand else shape_i(origin, axis)
    if isinstance(node.op, Alloc):
        return node.inputs[1 + axis]
    below: Any = node.inputs[0] if node.inputs else None
    if isinstance(node.op, DimShuffle):
        return shape_i(below, int(node.op.new_order[axis]))
    if isinstance(node.op, Reduce):
        return shape_i(below, node.op.kept(below.type.ndim)[axis])
    if isinstance(node.op, (ForgetShape, SpecifyShape)):
        return shape_i(below, axis)
    return None


def _shape(match: Match) -> Variable | None:
    """shape(x) as a vector of single sizes, so that equal sizes are one variable."""
    operand = match.node.inputs[0]
    if operand.type.ndim == 0:
        return None
    sizes = [shape_i(operand, axis) for axis in range(operand.type.ndim)]
    vector = MakeVector("int64")(*sizes)
    return vector if match.still_checked([operand], vector) else None


SIZES = [
    Rule("size_of_result", ShapeI, _size),
    Rule("shape_as_vector", Shape, _shape),
]

SHAPES: list[Rule] = [*AXES, *SIZES, *FILLS]
