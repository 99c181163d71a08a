"""Masks: where a gradient flows, and where it is zero because something else was chosen.

Here is what a mask is, and how it follows a gradient from an operation's result to its
operands; `symnet.guards` says which gradients carry one, and what it is good for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from symnet.graph.types import DisconnectedType, TensorType
from symnet.graph.variables import Apply, Constant, Variable
from symnet.ops.advanced import AdvancedIncSubtensor, AdvancedSubtensor
from symnet.ops.alloc import Alloc, zeros
from symnet.ops.arithmetic import second
from symnet.ops.barriers import Barrier, Passed
from symnet.ops.base import constant
from symnet.ops.checks import Checked
from symnet.ops.comparison import and_, invert, neq, or_
from symnet.ops.cumulative import Cumulative
from symnet.ops.diagonal import Diagonal, WriteDiagonal
from symnet.ops.elementwise import Elementwise, cast
from symnet.ops.joining import Join, Split
from symnet.ops.linalg.products import BatchedDot, Dot
from symnet.ops.nnet.classification import Pick
from symnet.ops.nnet.logsumexp import LogSumExp
from symnet.ops.nnet.softmax import AlongAxis
from symnet.ops.print_values import Print
from symnet.ops.reduce import OtherProduct, Reduce
from symnet.ops.reduce import any as any_over
from symnet.ops.reshape import Reshape
from symnet.ops.shape import DimShuffle, dimshuffle
from symnet.ops.sizes import ForgetShape, MakeVector, SpecifyShape, shape_i
from symnet.ops.sorting import Sort, TopK
from symnet.ops.subtensor import IncSubtensor, Subtensor


class Mask:
    """Where a gradient flows (True) and where nothing was chosen (False): a bool array
    that broadcasts to the gradient.  Its operations are made when it is first needed.

    ones: for each axis whether the mask is known to have size 1 there.
    weak: it came across other operations than elementwise ones; its zeros are put back
    only behind derivatives that are infinite at finite places.
    strong: what of it is not weak (None: nothing), whose zeros are put back behind others, too.
    """

    __slots__ = ("ones", "weak", "strong", "_make", "_variable")

    def __init__(
        self, ones: Sequence[bool], make: Callable[[], Variable], weak: bool = False
    ) -> None:
        self.ones = tuple(ones)
        self.weak = weak
        self.strong: Mask | None = None if weak else self
        self._make = make
        self._variable: Variable | None = None

    @property
    def variable(self) -> Variable:
        if self._variable is None:
            self._variable = self._make()
        return self._variable

    def like(self, ones: Sequence[bool], order: Sequence[int | str]) -> Mask:
        """The mask with its axes in another order; "x" is a new one."""
        if list(order) == list(range(len(self.ones))):
            return self
        return Mask(ones, lambda: dimshuffle(self.variable, *order), self.weak)


def where_true(condition: Variable, true: bool) -> Mask:
    """The mask of a condition, or of its contrary."""

    def make() -> Variable:
        found = cast(condition, "bool")
        return found if true else invert(found)

    return Mask(condition.type.broadcastable, make)


EVERYWHERE = Mask((), lambda: constant(True))


def both(a: Mask | None, b: Mask | None) -> Mask | None:
    """Where both masks are True; None is True everywhere."""
    if a is None or b is None or a is b:
        return b if a is None else a
    left, right = a, b
    found = Mask(
        _ones_together(a, b),
        lambda: and_(left.variable, right.variable),
        a.weak and b.weak,
    )
    if a.strong is not a or b.strong is not b:
        found.strong = both(a.strong, b.strong)
    return found


def either(a: Mask, b: Mask) -> Mask:
    """Where one of the masks is True."""
    return Mask(
        _ones_together(a, b),
        lambda: or_(a.variable, b.variable),
        a.weak or b.weak,
    )


def _ones_together(a: Mask, b: Mask) -> list[bool]:
    rank = max(len(a.ones), len(b.ones))
    return [x and y for x, y in zip(_padded(a.ones, rank), _padded(b.ones, rank))]


def _padded(ones: Sequence[bool], rank: int) -> list[bool]:
    return [True] * (rank - len(ones)) + list(ones)


def narrowed(mask: Mask, wide: Sequence[Any], narrow: Sequence[Any]) -> Mask:
    """The mask of a gradient that is summed from the shape `wide` to `narrow`, because
    that was stretched: True where any of the summed elements is."""
    rank = len(mask.ones)
    lost = max(rank - len(narrow), 0)
    sizes = {-k: n for k, n in enumerate(reversed(narrow), 1)}
    summed = [
        k for k in range(rank)
        if not mask.ones[k]
        and (k < lost or (sizes[k - rank] == 1 and wide[k - rank] != 1))
    ]  # fmt: skip
    if not summed and not lost:
        return mask
    ones = [one or k in summed for k, one in enumerate(mask.ones)][lost:]

    def make() -> Variable:
        found = mask.variable
        if summed:
            found = any_over(found, axis=summed, keepdims=True)
        return dimshuffle(found, *range(lost, rank)) if lost else found

    return Mask(ones, make, weak=mask.weak or bool(summed))


# ---- masks across operations

# The result is the first operand, with nothing mixed.
SAME = (Barrier, Passed, Checked, Print, SpecifyShape, ForgetShape)
# Each element of the result is one of an operand, or a sum of some: the mask goes back
# the way that the gradient goes.
MOVES = (
    Subtensor, AdvancedSubtensor, IncSubtensor, AdvancedIncSubtensor, Join, Reshape, Alloc,
    Diagonal, WriteDiagonal, MakeVector, Sort, Split, TopK, Pick,
)  # fmt: skip
# The result has only some of the first operand's elements.
INDEXING = (Subtensor, AdvancedSubtensor)
PICKS = (*INDEXING, Diagonal, Split, TopK, Pick)


def through(
    node: Apply, outputs: Sequence[Variable], k: int, mask: Mask
) -> Mask | None:
    """The mask of operand k from that which all results have; None: nothing is known."""
    op = node.op
    if isinstance(op, (Elementwise, *SAME)):
        return mask
    if all(mask.ones):  # one number for all of the gradient, whatever becomes of it
        return mask.like((), ())
    rank = outputs[0].type.ndim
    if isinstance(op, (Reduce, LogSumExp)):
        kept = [a for a in range(rank + len(op.axes)) if a not in op.axes]
        return _placed(mask, rank, kept, rank + len(op.axes))
    if isinstance(op, DimShuffle):
        below = node.inputs[0].type.ndim
        where = [int(a) if a != "x" else -1 for a in op.new_order]
        return _placed(mask, rank, where, below)
    if isinstance(op, (Dot, BatchedDot)):
        return _through_product(node, rank, k, mask)
    if isinstance(op, MOVES) or _is_running_sum(op):
        return moved(node, outputs, k, [mask] * len(outputs))
    if isinstance(op, (AlongAxis, OtherProduct)):
        return _anywhere(mask, [axis - rank for axis in op.axes])
    return None


def _anywhere(mask: Mask, axes: Sequence[int]) -> Mask:
    """Where the mask is True anywhere along `axes` (counted from the end), which it keeps."""
    rank = len(mask.ones)
    mixed = [rank + axis for axis in axes if rank + axis >= 0]
    mixed = [axis for axis in mixed if not mask.ones[axis]]
    if not mixed:
        return mask
    ones = [one or axis in mixed for axis, one in enumerate(mask.ones)]
    return Mask(
        ones, lambda: any_over(mask.variable, axis=mixed, keepdims=True), weak=True
    )


def _is_running_sum(op: Any) -> bool:
    return isinstance(op, Cumulative) and op.mode == "add"


def _placed(mask: Mask, rank: int, where: Sequence[int], below: int) -> Mask | None:
    """The mask with axis k of the result at axis `where[k]` (-1: nowhere) of `below`."""
    front = rank - len(mask.ones)
    source = {axis: k - front for k, axis in enumerate(where) if k >= front}
    if any(axis < 0 and not mask.ones[k] for axis, k in source.items()):
        return None
    order = [source.get(axis, "x") for axis in range(below)]
    ones = [o == "x" or mask.ones[int(o)] for o in order]
    return mask.like(ones, order)


def _through_product(node: Apply, rank: int, k: int, mask: Mask) -> Mask | None:
    """Rows of the left operand, columns of the right one, that only guarded results use."""
    vector = [v.type.ndim == 1 for v in node.inputs]
    if any(vector):
        if vector[k] or rank == 0:
            return None
        if k == 1:
            return mask
        return mask.like([*mask.ones, True], [*range(len(mask.ones)), "x"])
    return _anywhere(mask, [-1 - (k == 1)])


def moved(
    node: Apply, outputs: Sequence[Variable], k: int, masks: Sequence[Mask | None]
) -> Mask:
    """The mask of operand k of an operation that moves elements, from those of its
    results (None: not connected)."""
    v = node.inputs[k]
    if isinstance(node.op, INDEXING) and masks[0] is not None:
        along = _of_indexed_axes(node, outputs[0].type.ndim, masks[0])
        if along is not None:
            return along

    def make() -> Variable:
        handed = [
            DisconnectedType()()
            if mask is None
            else second(out, cast(mask.variable, out.type.dtype))
            for out, mask in zip(outputs, masks, strict=True)
        ]
        term: Any = node.op.L_op(node.inputs, outputs, handed)[k]
        flags = neq(term, 0)
        found = Mask(flags.type.broadcastable, lambda: flags)
        return narrowed(found, term.type.shape, v.type.shape).variable

    given = [mask for mask in masks if mask is not None]
    if isinstance(node.op, PICKS):
        weak = all(mask.weak for mask in given)
    else:
        weak = all(mask is not EVERYWHERE for mask in given)
    return Mask(v.type.broadcastable, make, weak)


def _of_indexed_axes(node: Apply, rank: int, mask: Mask) -> Mask | None:
    """The mask of an indexed operand where that of the result is the same all along the
    axes that are kept, so that it is the same along them, too."""
    x, *indices = node.inputs
    op = node.op
    if isinstance(op, Subtensor):
        indexed = list(range(len(op.pattern)))
        slices = sum(entry != "i" for entry in op.pattern)
        block = list(range(slices))
        write: Any = IncSubtensor(op.pattern, set=True)
    else:
        indexed, after = list(op.axes), op.after(x)
        block = list(range(op.place, op.place + op.block_rank(x, indices)))
        indices = [dimshuffle(v, *range(v.type.ndim - after)) for v in indices]
        write = AdvancedIncSubtensor(range(len(indexed)), 0)  # one may come twice
    ones = _padded(mask.ones, rank)
    if not all(ones[axis] for axis in range(rank) if axis not in block):
        return None

    def make() -> Variable:
        front = rank - len(mask.ones)
        chosen = mask.variable
        order = [axis - front if axis >= front else "x" for axis in block]
        if order != list(range(chosen.type.ndim)):
            chosen = dimshuffle(chosen, *order)
        nowhere = zeros([shape_i(x, axis) for axis in indexed], "bool")
        found: Variable = write(nowhere, chosen, *indices)
        if len(indexed) == x.type.ndim:
            return found
        where = [indexed.index(a) if a in indexed else "x" for a in range(x.type.ndim)]
        return dimshuffle(found, *where)

    wide = [a not in indexed or x.type.shape[a] == 1 for a in range(x.type.ndim)]
    return Mask(wide, make, mask.weak)


def picked(
    node: Apply, outputs: Sequence[Variable], handed: Sequence[Variable], k: int
) -> Mask | None:
    """Which elements of operand k are among the results that something flows to, where
    some may not be."""
    if k != 0 or not isinstance(node.op, PICKS) or _takes_all(node):
        return None
    flows = [isinstance(g.type, TensorType) for g in handed]
    if isinstance(node.op, Split) and all(flows):
        return None
    return moved(node, outputs, 0, [EVERYWHERE if f else None for f in flows])


def _takes_all(node: Apply) -> bool:
    """Whether an index is known to take every element: `x[:]`, `x[::-1]`."""
    if not isinstance(node.op, Subtensor):
        return False
    bounds = iter(node.inputs[1:])
    for entry in node.op.pattern:
        if entry == "i":
            return False
        first, last, step = (next(bounds) if b else None for b in entry.split(":"))
        if last is not None or not _is_number(first, (0,)):
            return False
        if not _is_number(step, (1, -1) if first is None else (1,)):
            return False
    return True


def _is_number(bound: Variable | None, wanted: Sequence[int]) -> bool:
    """Whether a bound is not given, or is one of these numbers."""
    known = isinstance(bound, Constant) and int(bound.data) in wanted
    return bound is None or known


def written_over(node: Apply, outputs: Sequence[Variable], k: int) -> Mask | None:
    """Where set_subtensor leaves its first operand as it is."""
    write = isinstance(node.op, (IncSubtensor, AdvancedIncSubtensor, WriteDiagonal))
    if not write or k != 0 or not node.op.set:
        return None
    return moved(node, outputs, 0, [EVERYWHERE])
