"""Elements picked by integer arrays, written to at such positions, and found by a mask.

`ops.indexing` brings every index into one form: some axes of x are indexed by integer
arrays, the others are kept whole.  The index arrays are broadcast against each other to
the *block* of axes that stands in the output at `place`, between the axes that are kept.
They have as many axes of size 1 at their end as kept axes follow the block, so that, read
at the output's own position, they are aligned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from symnet.errors import ShapeError, message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import INTEGERS, TensorType
from symnet.graph.variables import (
    Apply,
    Constant,
    Variable,
    make_variable,
    operand_text,
)
from symnet.kernels.loopir import scalars, views
from symnet.kernels.loopir.scalars import Scalar, literal
from symnet.kernels.loopir.views import ONE, Size, View
from symnet.ops.alloc import zeros_like
from symnet.ops.arithmetic import switch
from symnet.ops.base import (
    NoGradient,
    PointOp,
    TensorOp,
    ViewOp,
    as_tensor,
    broadcast_shapes,
    disconnected,
)
from symnet.ops.comparison import eq
from symnet.ops.creation import Arange, arange, size
from symnet.ops.elementwise import Elementwise
from symnet.ops.lowerings import (
    Lowering,
    Read,
    Reference,
    Shapes,
    Sizes,
    has_arrays,
    scatter,
)
from symnet.ops.reshape import reshape
from symnet.ops.shape import DimShuffle
from symnet.ops.sizes import ShapeI, sizes_of
from symnet.ops.subtensor import check_fits, fitting


class IndexedOp(TensorOp):
    """What reading from and writing to indexed positions have in common.

    axes: the axes of x that are indexed, in order.
    place: where in the output the block of broadcast index axes begins.
    """

    axes: tuple[int, ...]
    place: int

    def after(self, x: Variable) -> int:
        """How many kept axes follow the block."""
        return int(x.type.ndim) - len(self.axes) - self.place

    def kept(self, ndim: int) -> list[int]:
        return [axis for axis in range(ndim) if axis not in self.axes]

    def check_indices(self, x: Variable, indices: Sequence[Any]) -> list[Variable]:
        """The index arrays as variables.  Raises: TypeError for what is no integer."""
        variables = [as_tensor(v) for v in indices]
        if len(variables) != len(self.axes) or not all(
            a < x.type.ndim for a in self.axes
        ):
            raise TypeError(
                f"{self}: {len(variables)} index arrays for {operand_text(x)}"
            )
        for v in variables:
            if v.type.dtype not in INTEGERS:
                raise TypeError(
                    message("an index array holds integers", operands=[operand_text(v)])
                )
            if v.type.ndim < self.after(x):
                raise TypeError(
                    f"{self}: {operand_text(v)} lacks axes for what is kept"
                )
        return variables

    def block_rank(self, x: Variable, indices: Sequence[Variable]) -> int:
        return max(int(v.type.ndim) for v in indices) - self.after(x)

    def part_shape(self, x: Variable, indices: Sequence[Variable]) -> list[int | None]:
        """What is known at once of the sizes of the indexed part."""
        block = broadcast_shapes([v.type.shape for v in indices], self, [x, *indices])
        rank = self.block_rank(x, indices)
        kept = [x.type.shape[axis] for axis in self.kept(x.type.ndim)]
        return [*kept[: self.place], *block[:rank], *kept[self.place :]]

    def part_sizes(
        self,
        x: tuple[Variable, Sequence[Size]],
        indices: Sequence[tuple[Variable, Sequence[Size]]],
        sizes: Sizes,
    ) -> tuple[Size, ...]:
        """The sizes of the indexed part; each argument is a variable with its sizes."""
        variable, have = x
        after = self.after(variable)
        rank = max(len(lengths) for _, lengths in indices)
        block: list[Size] = []
        for axis in range(-rank, -after):
            found: Size | None = None
            for index, lengths in indices:
                if len(lengths) < -axis or index.type.shape[axis] == 1:
                    continue
                here = lengths[axis]
                what = "index arrays, which must be of one shape"
                found = here if found is None else sizes.equal(found, here, what)
            block.append(ONE if found is None else found)
        kept = [have[axis] for axis in self.kept(len(have))]
        return (*kept[: self.place], *block, *kept[self.place :])

    def positions(
        self, x: Variable, reads: Sequence[Read], index: Sequence[Scalar]
    ) -> list[Scalar]:
        """Where in x the point `index` of the part lies; negative counts from the end."""
        ndim, after = int(x.type.ndim), self.after(x)
        counters = [*index[: self.place], *index[len(index) - after :]]
        where = dict(zip(self.kept(ndim), counters, strict=True))
        for axis, read in zip(self.axes, reads, strict=True):
            where[axis] = scalars.cast(read.here(), "int64")
        return [where[axis] for axis in range(ndim)]

    def numpy_index(self, ndim: int, indices: Sequence[Any]) -> tuple[Any, ...]:
        """The index as NumPy takes it: the arrays without their last axes of size 1."""
        after = ndim - len(self.axes) - self.place
        arrays = [a.reshape(a.shape[: a.ndim - after]) for a in indices]
        where = dict(zip(self.axes, arrays, strict=True))
        return tuple(where.get(axis, slice(None)) for axis in range(ndim))

    def numpy_place(self) -> int:
        """Where NumPy puts the block for that index."""
        first, last = self.axes[0], self.axes[-1]
        return first if last - first + 1 == len(self.axes) else 0

    def check_block(self, variables: Sequence[Variable], arrays: Sequence[Any]) -> None:
        """Index arrays must be of one shape, save for sizes known to be 1.

        Raises: ShapeError.
        """
        for axis in range(-max(a.ndim for a in arrays), 0):
            found = {
                a.shape[axis]
                for a, v in zip(arrays, variables, strict=True)
                if a.ndim >= -axis and v.type.shape[axis] != 1
            }
            if len(found) > 1:
                shapes = [a.shape for a in arrays]
                raise ShapeError(f"index arrays must be of one shape, not of {shapes}")


class AdvancedSubtensor(IndexedOp, PointOp):
    """The elements of x at positions given by integer arrays: op(x, *indices).

    through: x is itself the part of another array that the same index begins with, as in
    `x[1:, indices]`: a write goes through to that other array.
    Shapes: see the module.  Raises: IndexError for a position out of range; ShapeError
    for index arrays whose sizes do not agree.

    >>> x = T.dvector("x")
    >>> x[[2, 0]].eval({x: [1.0, 2.0, 3.0]})
    array([3., 1.])
    >>> isinstance(x[[2, 0]].owner.op, T.AdvancedSubtensor)
    True
    """

    __props__ = ("axes", "place", "through")

    def __init__(self, axes: Sequence[int], place: int, through: bool = False) -> None:
        self.axes, self.place, self.through = tuple(axes), int(place), bool(through)

    def __str__(self) -> str:
        return f"AdvancedSubtensor{{axes={self.axes}, place={self.place}}}"

    def make_node(self, x: Any, *indices: Any) -> Apply:
        x = as_tensor(x)
        variables = self.check_indices(x, indices)
        kind = TensorType(x.type.dtype, self.part_shape(x, variables))
        return Apply(self, [x, *variables], [make_variable(kind)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        x, *indices = zip(node.inputs, inputs, strict=True)
        return [self.part_sizes(x, indices, sizes)]

    def point(
        self, node: Apply, reads: Sequence[Read], index: Sequence[Scalar]
    ) -> Scalar:
        return reads[0].at(self.positions(node.inputs[0], reads[1:], index))

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x, *indices = arrays
        self.check_block(node.inputs[1:], indices)
        part = xp.asarray(x[self.numpy_index(x.ndim, indices)])
        rank = self.block_rank(node.inputs[0], node.inputs[1:])
        have, want = self.numpy_place(), self.place
        return [xp.moveaxis(part, range(have, have + rank), range(want, want + rank))]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        x, *indices = inputs
        increment = AdvancedIncSubtensor(self.axes, self.place, set=False)
        gradient = increment(zeros_like(x), output_gradients[0], *indices)
        return [gradient, *[disconnected() for _ in indices]]


class AdvancedIncSubtensor(IndexedOp):
    """x with y written to (`set`) or added at positions given by integer arrays:
    op(x, y, *indices).

    At a position that comes several times, `set` leaves the value written last, in C
    order; otherwise all are added.
    Shapes: y is broadcast against the part (sizes known to be 1, missing axes in front).

    The compiler copies x, or takes its memory, and then goes in C order through the points
    of the part; at each one, `scatter` says where in x and what.

    >>> x = T.dvector("x")
    >>> z = T.inc_subtensor(x[[0, 0, 2]], [1.0, 2.0, 3.0])
    >>> z.eval({x: [0.0, 0.0, 0.0]})
    array([3., 0., 3.])
    >>> isinstance(z.owner.op, T.AdvancedIncSubtensor)
    True
    """

    __props__ = ("axes", "place", "set")
    inplace = False
    set_instead_of_inc = property(lambda self: self.set)  # by Theano's name

    def __init__(self, axes: Sequence[int], place: int, set: bool = False) -> None:
        self.axes, self.place, self.set = tuple(axes), int(place), bool(set)

    def __str__(self) -> str:
        how = "Set" if self.set else "Inc"
        return f"Advanced{how}Subtensor{{axes={self.axes}, place={self.place}}}"

    def make_node(self, x: Any, y: Any, *indices: Any) -> Apply:
        x = as_tensor(x)
        variables = self.check_indices(x, indices)
        y = fitting(self, x, as_tensor(y, truth=True), self.part_shape(x, variables))
        return Apply(self, [x, y, *variables], [make_variable(x.type)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        self.scatter_sizes(node, inputs, sizes)
        return [inputs[0]]

    def lowering(self, node: Apply) -> Lowering:
        if not has_arrays(node):
            return Reference()
        x, _, *indices = node.inputs
        rank = self.block_rank(x, indices) + x.type.ndim - len(self.axes)
        return scatter(self.scatter_sizes, self.scatter, not self.set, node, rank)

    def scatter_sizes(
        self, node: Apply, inputs: Sequence[tuple[Size, ...]], sizes: Sizes
    ) -> tuple[Size, ...]:
        """The sizes of the part that is written."""
        x, (y, have), *indices = zip(node.inputs, inputs, strict=True)
        part = self.part_sizes(x, indices, sizes)
        for axis in range(-y.type.ndim, 0):
            if y.type.shape[axis] != 1:
                sizes.equal(part[axis], have[axis], "the value written, and its place")
        return part

    def scatter(
        self, node: Apply, reads: Sequence[Read], index: Sequence[Scalar]
    ) -> tuple[list[Scalar], Scalar]:
        """At point `index` of the part: where in x to write, and what."""
        return self.positions(node.inputs[0], reads[2:], index), reads[1].here()

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x, y, *indices = arrays
        self.check_block(node.inputs[2:], indices)
        result = xp.array(x)
        where = self.numpy_index(x.ndim, [xp.ascontiguousarray(a) for a in indices])
        rank = self.block_rank(node.inputs[0], node.inputs[2:])
        have, want = self.numpy_place(), self.place
        there, here = range(have, have + rank), range(want, want + rank)
        shape = xp.moveaxis(result[where], there, here).shape
        check_fits(node.inputs[1], y, shape)
        value = xp.moveaxis(xp.broadcast_to(y, shape), here, there)
        if self.set:
            result[where] = value
        else:
            xp.add.at(result, where, value)
        return [result]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        """The gradient of y is at the part's shape: `gradient` undoes broadcasting."""
        x, _, *indices = inputs
        gradient = output_gradients[0]
        part: Any = AdvancedSubtensor(self.axes, self.place)(gradient, *indices)
        if self.set:
            if not _all_different(indices):
                part = switch(
                    self._last_written(x, indices, part), part, zeros_like(part)
                )
            gradient = self(gradient, 0, *indices)
        return [gradient, part, *[disconnected() for _ in indices]]

    def _last_written(
        self, x: Variable, indices: Sequence[Variable], part: Variable
    ) -> Variable:
        """Whether each element of the part is the last one written to its position."""
        numbers = reshape(arange(size(part)), sizes_of(part), ndim=part.type.ndim)
        written = self(zeros_like(x, dtype="int64"), numbers, *indices)
        last = AdvancedSubtensor(self.axes, self.place)(written, *indices)
        return eq(last, numbers)


def _all_different(indices: Sequence[Variable]) -> bool:
    """Whether the positions are known to be different from each other: vectors along one
    axis, among them `arange(n)` or all that `nonzero` gave."""
    sources, places = [], set()
    for v in indices:
        source, place = v, -1
        if v.owner is not None and isinstance(v.owner.op, DimShuffle):
            order = v.owner.op.new_order
            source = v.owner.inputs[0]
            place = order.index(0) - len(order) if 0 in order else 0
        if source.type.ndim > 1:
            return False
        if source.type.ndim == 1:
            places.add(place)
            sources.append(source)
    return len(places) == 1 and any(
        _counts(v) or _all_found(v, sources) for v in sources
    )


def _counts(v: Variable) -> bool:
    """Whether v is arange(n)."""
    if v.owner is None or not isinstance(v.owner.op, Arange):
        return False
    start, _, step = v.owner.inputs
    numbers = [w.data for w in (start, step) if isinstance(w, Constant)]
    return numbers == [0, 1]


def _all_found(v: Variable, sources: Sequence[Variable]) -> bool:
    """Whether v comes from `nonzero`, and all its other results are among the sources."""
    found = v.owner is not None and isinstance(v.owner.op, Nonzero)
    return found and v.owner is not None and all(w in sources for w in v.owner.outputs)


# ---- index arrays of sizes known at a run only


class Stretched(NoGradient, ViewOp):
    """An index array broadcast with others as NumPy does it, stretched along axes where it
    turns out to have size 1: op(index, *all), where `all` are the same for each of them.

    Arithmetic stretches only what is known to be of size 1, for its gradient must know;
    positions have none.
    Shapes: the result has the rank of `index`; aligned at the last axis.
    Raises: ShapeError where two sizes differ and neither is 1.
    """

    def make_node(self, index: Any, *indices: Any) -> Apply:
        index, *others = [as_tensor(v) for v in (index, *indices)]
        common = broadcast_shapes([v.type.shape for v in others], self, others)
        tail = common[len(common) - index.type.ndim :]
        pairs = zip(index.type.shape, tail, strict=True)
        shape = [1 if have == 1 else want for have, want in pairs]
        kind = TensorType(index.type.dtype, shape)
        return Apply(self, [index, *others], [make_variable(kind)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        own, *others = zip(node.inputs, inputs, strict=True)
        result = list(own[1])
        for axis in range(-len(result), 0):
            if own[0].type.shape[axis] != 1:
                result[axis] = _common_size(axis, others, sizes)
        return [tuple(result)]

    def view(self, node: Apply, view: View, sizes: Sizes) -> View:
        wanted = sizes.sizes_of(node.outputs[0])
        strides = [
            stride
            if have is want
            else views.choose(views.combine("eq", have, ONE), views.ZERO, stride)
            for have, want, stride in zip(view.sizes, wanted, view.strides, strict=True)
        ]
        return replace(view, sizes=tuple(wanted), strides=tuple(strides))

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        own, *others = arrays
        try:
            common = np.broadcast_shapes(*[a.shape for a in others])
        except ValueError:
            shapes = [a.shape for a in others]
            raise ShapeError(
                f"index arrays must be of one shape, not of {shapes}"
            ) from None
        known = node.inputs[0].type.shape
        tail = common[len(common) - own.ndim :]
        shape = [1 if n == 1 else want for n, want in zip(known, tail, strict=True)]
        return [xp.broadcast_to(own, shape)]


def _common_size(
    axis: int, arrays: Sequence[tuple[Variable, Sequence[Size]]], sizes: Sizes
) -> Size:
    """The size of several arrays along an axis, where sizes of 1 are stretched."""
    found: Size | None = None
    for variable, have in arrays:
        if len(have) < -axis or variable.type.shape[axis] == 1:
            continue
        one = have[axis]
        if found is None or sizes.same(found, one):
            found = one
            continue
        first = views.combine("eq", found, ONE)
        fits = views.choose(
            first,
            literal(True, "bool"),
            views.choose(
                views.combine("eq", one, ONE),
                literal(True, "bool"),
                views.combine("eq", found, one),
            ),
        )
        sizes.require(fits, "index arrays, which must be of one shape", ShapeError)
        found = views.choose(first, one, found)
    return ONE if found is None else found


def stretched(indices: Sequence[Variable]) -> list[Variable]:
    """Index arrays whose sizes of 1 may show only at a run, made to be of one shape."""
    rank = max(v.type.ndim for v in indices)
    for axis in range(-rank, 0):
        lengths = {length_of(v, axis) for v in indices if v.type.ndim >= -axis}
        if len(lengths - {1}) > 1:
            return [
                Stretched()(v, *indices) if None in v.type.shape else v for v in indices
            ]
    return list(indices)


def length_of(v: Variable, axis: int) -> Any:
    """What tells a size (axis counted from the end): those that are equal by their making,
    as of `arange(y.shape[0])` and y, are told by the same."""
    while v.type.shape[axis] is None and v.owner is not None:
        op, inputs = v.owner.op, v.owner.inputs
        if isinstance(op, Elementwise) and len(inputs) == 1:
            v = inputs[0]
        elif isinstance(op, DimShuffle):
            v, axis = inputs[0], int(op.new_order[axis]) - inputs[0].type.ndim
        elif isinstance(op, Nonzero):
            return v.owner
        elif _counts(v):
            stop = inputs[1]
            if stop.owner is None or not isinstance(stop.owner.op, ShapeI):
                return stop
            v = stop.owner.inputs[0]
            axis = stop.owner.op.i - v.type.ndim
        else:
            break
    known = v.type.shape[axis]
    return (v, axis) if known is None else known


# ---- masks


class Nonzero(NoGradient):
    """The positions where x is not 0 (NaN is not): one int64 vector for each axis, in C
    order.

    Shapes: the number of positions is known only when it has run.
    """

    device_arrays = True

    def make_node(self, x: Any) -> Apply:
        x = as_tensor(x)
        if x.type.ndim == 0:
            raise ValueError(f"nonzero takes arrays, not the scalar {operand_text(x)}")
        kind = TensorType("int64", (None,))
        return Apply(self, [x], [make_variable(kind) for _ in range(x.type.ndim)])

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return [positions.astype("int64") for positions in xp.nonzero(arrays[0])]
