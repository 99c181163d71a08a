"""The same computation for each row of a matrix at once, instead of in a loop.

Given `outputs` made from a variable v and rows to put in the place of v, each operation
between them gets a new first axis: the number of the row.  What does not depend on v
stays as it is.  This is how a Jacobian is computed in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from symnet.errors import message
from symnet.graph.op import Op
from symnet.graph.origin import inherit
from symnet.graph.traverse import toposort
from symnet.graph.variables import Apply, Constant, Variable
from symnet.ops.advanced import AdvancedIncSubtensor, AdvancedSubtensor
from symnet.ops.alloc import Alloc, alloc
from symnet.ops.arithmetic import int_div, mul, switch
from symnet.ops.comparison import eq
from symnet.ops.composed import Composed, expanded
from symnet.ops.elementwise import Elementwise
from symnet.ops.joining import Join, Split
from symnet.ops.linalg.products import (
    BatchedDot,
    Dot,
    batched_dot,
    matmul,
    swapped,
    tensordot,
)
from symnet.ops.reduce import Reduce, Top
from symnet.ops.reshape import Reshape, reshape
from symnet.ops.shape import DimShuffle, dimshuffle
from symnet.ops.sizes import ShapeI, shape_i, sizes_of, vector_elements
from symnet.ops.subtensor import IncSubtensor, Subtensor


class NotBatched(NotImplementedError):
    """An operation has no rule here."""


class BatchedInputs:
    """The inputs of a node; some of them (`moved`) have the new first axis."""

    def __init__(
        self, node: Apply, new: Mapping[Variable, Variable], count: Variable
    ) -> None:
        self.op: Any = node.op
        self.rank: int = getattr(node.outputs[0].type, "ndim", 0)
        self.count = count
        self.old = node.inputs
        self.moved = [v in new for v in node.inputs]
        self.values = [new.get(v, v) for v in node.inputs]

    def aligned(self, k: int, rank: int) -> Variable:
        """Input k, ready to be broadcast to `rank` axes behind the first."""
        value, own = self.values[k], self.old[k].type.ndim
        if not self.moved[k] or own == rank:
            return value
        return dimshuffle(value, 0, *["x"] * (rank - own), *range(1, own + 1))

    def spread(self, k: int) -> Variable:
        """Input k with the first axis, repeated along it where it has none."""
        value = self.values[k]
        return value if self.moved[k] else alloc(value, self.count, *sizes_of(value))

    def only(self, *may_move: int) -> None:
        """Raises: NotBatched where another input than these has the new axis."""
        if any(moved and k not in may_move for k, moved in enumerate(self.moved)):
            raise NotBatched(f"{self.op} with positions that differ from row to row")


def _elementwise(i: BatchedInputs) -> Any:
    return i.op(*[i.aligned(k, i.rank) for k in range(len(i.values))])


def _reduce(i: BatchedInputs) -> Any:
    return i.op.over([a + 1 for a in i.op.axes])(i.values[0])


def _dimshuffle(i: BatchedInputs) -> Any:
    return dimshuffle(
        i.values[0], 0, *[p if p == "x" else p + 1 for p in i.op.new_order]
    )


def _reshape(i: BatchedInputs) -> Any:
    i.only(0)
    x, vector = i.values
    sizes = vector_elements(vector)
    if sizes is None:
        sizes = [Subtensor(["i"])(vector, k) for k in range(i.op.ndim)]
    # Of no rows nothing could say what -1 is, so one row says it.
    given = [_unless_free(one, 1) for one in sizes]
    left = int_div(mul(1, *sizes_of(x)[1:]), mul(1, *given))
    sizes = [_unless_free(one, left) for one in sizes]
    return reshape(x, [i.count, *sizes], ndim=i.op.ndim + 1)


def _unless_free(size: Variable, otherwise: Any) -> Any:
    """`size`, or `otherwise` where it is -1."""
    if isinstance(size, Constant):
        return otherwise if size.data == -1 else size
    if size.owner is not None and isinstance(size.owner.op, ShapeI):
        return size
    return switch(eq(size, -1), otherwise, size)


def _alloc(i: BatchedInputs) -> Any:
    i.only(0)
    return alloc(i.aligned(0, i.rank), i.count, *i.values[1:])


def _join(i: BatchedInputs) -> Any:
    return Join(i.op.axis + 1)(*[i.spread(k) for k in range(len(i.values))])


def _split(i: BatchedInputs) -> Any:
    i.only(0)
    return Split(i.op.axis + 1, i.op.count)(*i.values, return_list=True)


def _subtensor(i: BatchedInputs) -> Any:
    i.only(0)
    return Subtensor(["::", *i.op.pattern])(*i.values)


def _inc_subtensor(i: BatchedInputs) -> Any:
    i.only(0, 1)
    part = Subtensor(i.op.pattern)(i.old[0], *i.old[2:]).type.ndim
    x, y = i.spread(0), i.aligned(1, part)
    return IncSubtensor(["::", *i.op.pattern], i.op.set)(x, y, *i.values[2:])


def _advanced(i: BatchedInputs) -> Any:
    i.only(0)
    axes = [a + 1 for a in i.op.axes]
    return AdvancedSubtensor(axes, i.op.place + 1)(*i.values)


def _inc_advanced(i: BatchedInputs) -> Any:
    i.only(0, 1)
    part = AdvancedSubtensor(i.op.axes, i.op.place)(i.old[0], *i.old[2:]).type.ndim
    x, y = i.spread(0), i.aligned(1, part)
    op = AdvancedIncSubtensor([a + 1 for a in i.op.axes], i.op.place + 1, i.op.set)
    return op(x, y, *i.values[2:])


def _dot(i: BatchedInputs) -> Any:
    (x, y), (left, right) = i.values, i.moved
    ranks = [v.type.ndim for v in i.old]
    if left and right:
        return batched_dot(x, y)
    if left:
        return tensordot(x, y, [[ranks[0]], [0]])
    if ranks[0] == 1:
        return tensordot(y, x, [[1], [0]])
    product = tensordot(y, x, [[1], [1]])  # (rows, m) or (rows, n, m)
    return product if ranks[1] == 1 else swapped(product)


def _batched_dot(i: BatchedInputs) -> Any:
    return matmul(i.values[0], i.values[1])


RULES: dict[type[Op], Callable[[BatchedInputs], Any]] = {
    AdvancedIncSubtensor: _inc_advanced,
    AdvancedSubtensor: _advanced,
    Alloc: _alloc,
    BatchedDot: _batched_dot,
    DimShuffle: _dimshuffle,
    Dot: _dot,
    IncSubtensor: _inc_subtensor,
    Join: _join,
    Reduce: _reduce,
    Top: _reduce,
    Reshape: _reshape,
    Split: _split,
    Subtensor: _subtensor,
}


def for_each_row(
    outputs: Sequence[Variable], variable: Variable, rows: Variable
) -> list[Variable]:
    """`outputs` with each of `rows` in the place of `variable`.

    Shapes: rows (n, ...) -> outputs with n as their first axis.
    Raises: NotBatched, which names the operation, where one has no rule.
    """
    count = shape_i(rows, 0)
    new = for_all_rows(outputs, {variable: rows}, count)
    return [new[v] if v in new else alloc(v, count, *sizes_of(v)) for v in outputs]


def for_all_rows(
    outputs: Sequence[Variable], rows: Mapping[Variable, Variable], count: Variable
) -> dict[Variable, Variable]:
    """For several variables, arrays of `count` rows in their places: what stands for each
    variable between them and `outputs`, as an array of so many rows.

    Raises: NotBatched, as `for_each_row`.
    """
    new = dict(rows)
    _go_through(outputs, new, count)
    return new


def _go_through(
    outputs: Sequence[Variable], new: dict[Variable, Variable], count: Variable
) -> None:
    """Add to `new` every variable that `outputs` need and that depends on those in it."""
    for node in toposort(outputs, blockers=tuple(new)):
        if not any(v in new for v in node.inputs):
            continue
        with inherit(node.origin):
            results = _results(node, new, count)
        new.update(zip(node.outputs, results, strict=True))


def _results(
    node: Apply, new: dict[Variable, Variable], count: Variable
) -> Sequence[Variable]:
    definition = expanded(node)
    if isinstance(node.op, Composed) and definition is not None:
        _go_through(definition, new, count)
        return [new[v] for v in definition]
    rule = (
        _elementwise if isinstance(node.op, Elementwise) else RULES.get(type(node.op))
    )
    if rule is None:
        raise NotBatched(
            message(
                f"{node.op} cannot be computed for many rows at once",
                origin=node.origin,
            )
        )
    result = rule(BatchedInputs(node, new, count))
    return result if isinstance(result, list) else [result]
