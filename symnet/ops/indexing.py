"""Indexing: x[...] in every form, writing to what was indexed, and picks by position.

An index is taken apart into basic indexing (`ops.subtensor`), then integer arrays
(`ops.advanced`), then new axes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.config import config
from symnet.errors import message
from symnet.graph.origin import capture
from symnet.graph.types import INTEGERS
from symnet.graph.variables import Constant, Variable, operand_text
from symnet.ops.advanced import (
    AdvancedIncSubtensor,
    AdvancedSubtensor,
    Nonzero,
    stretched,
)
from symnet.ops.alloc import zeros
from symnet.ops.arithmetic import clip, mod
from symnet.ops.base import as_tensor, constant, normalize_axis
from symnet.ops.elementwise import cast
from symnet.ops.joining import stack
from symnet.ops.methods import method
from symnet.ops.reshape import flatten
from symnet.ops.shape import DimShuffle, dimshuffle
from symnet.ops.sizes import (
    Shape,
    ShapeI,
    shape,
    shape_i,
    size_constant,
    size_scalar,
    sizes_of,
    specify_shape,
    vector_elements,
)
from symnet.ops.subtensor import IncSubtensor, Subtensor

__all__ = [
    "flatnonzero", "getitem", "inc_subtensor", "nonzero",
    "nonzero_values", "set_subtensor", "take", ]  # fmt: skip

# ---- x[key]


@method("__getitem__")
def getitem(x: Any, key: Any) -> Variable:
    """NumPy's `x[key]`: integers, slices, `...`, new axes (None), integer arrays, masks.

    Integers and bounds may be symbolic scalars; a mask's true places are found at a run,
    so the sizes of the result are known only then.
    A boolean scalar is a mask over no axis: it adds one, of size 1 or 0.
    Raises: IndexError for too many indices or a position known to be out of range;
    TypeError for floats.
    """
    variable = as_tensor(x)
    if type(key) is int:
        return _basic(variable, (key,))
    variable, entries = _expand(variable, key)
    axes = _of_axes(entries)
    new = _new_axes(entries)
    if any(_is_array(entry) for entry in axes):
        result = _advanced(variable, entries)
    else:
        result = _basic(variable, axes)
    if not new:
        return result
    order: list[int | str] = list(range(result.type.ndim))
    for place in new:
        order.insert(place, "x")
    return dimshuffle(result, *order)


def _expand(x: Variable, key: Any) -> tuple[Variable, list[Any]]:
    """x, and the key as one entry for each axis of it (slice, integer or integer array)
    and None for each new axis; masks have become integer arrays.  An ellipsis that stands
    for no axis stays: it parts index arrays as a slice does.

    A boolean scalar is a mask over no axis at all: x gets an axis of size 1 for it, of
    which the element is taken or not.
    """
    if isinstance(key, list) and any(isinstance(part, slice) for part in key):
        key = tuple(key)  # as in Theano, and in NumPy before 1.23
    parts = [_entry(part, x) for part in (key if isinstance(key, tuple) else (key,))]
    used = sum(_axes_used(part) for part in parts)
    dots = [k for k, part in enumerate(parts) if part is Ellipsis]
    if len(dots) > 1 or used > x.type.ndim:
        what = f"{used} indices for an array of rank {x.type.ndim}"
        what = "an index with two ellipses" if len(dots) > 1 else what
        raise IndexError(message(what, operands=[operand_text(x)]))
    place = dots[0] if dots else len(parts)
    full = [slice(None)] * (x.type.ndim - used)
    if config.newaxis == "theano" and _is_dimshuffle(parts):
        full = _unnamed_as_theano(x, used)
    if full or not dots:
        parts[place : place + len(dots)] = full
    entries: list[Any] = []
    order: list[int | str] = []
    for part in parts:
        axis = sum(o != "x" for o in order)
        order += range(axis, axis + _axes_used(part))
        if not _is_mask(part):
            entries.append(part)
        elif part.type.ndim:
            entries += _positions_of(part, x, axis)
        else:
            order.append("x")
            entries.append(zeros((cast(part, "int64"),), dtype="int64"))
    if "x" not in order:
        return x, entries
    order += range(sum(o != "x" for o in order), x.type.ndim)
    marked = TruthAxes(order)(x)
    return marked, entries


def _of_axes(entries: Sequence[Any]) -> list[Any]:
    """The entries for axes of the indexed array."""
    return [e for e in entries if e is not None and e is not Ellipsis]


def _is_dimshuffle(parts: Sequence[Any]) -> bool:
    """Whether Theano took an index for a dimshuffle and an index of its axes."""
    new = any(part is None for part in parts)
    return new and not any(part is Ellipsis or _is_array(part) for part in parts)


def _unnamed_as_theano(x: Variable, used: int) -> list[Any]:
    """The key's entries for the axes behind the first `used`, which it does not name.

    Theano took an index with a None for a dimshuffle of the named axes, which can leave out
    axes of size 1 and no others: programs write m[:, None] where m is a column.
    """
    unnamed = x.type.shape[used:]
    if not unnamed or any(size != 1 for size in unnamed):
        return [slice(None)] * len(unnamed)
    text = message(
        f"an index with a None leaves out the last {len(unnamed)} of {x.type.ndim} axes, "
        "which are of size 1, as Theano did; NumPy keeps them",
        operands=[operand_text(x)],
        origin=capture(),
        cure="name them: with ... they stay, with 0 they go",
    )
    warnings.warn(text, stacklevel=2)
    return [size_constant(0) for _ in unnamed]


class TruthAxes(DimShuffle):
    """x with an axis of size 1 for each boolean scalar in an index: where to the indexed
    part is written, they are taken out again."""


def _entry(part: Any, x: Variable) -> Any:
    """One part of a key: None, Ellipsis, a slice, or a variable."""
    if part is None or part is Ellipsis or isinstance(part, slice):
        return part
    if isinstance(part, (list, tuple)) and len(part) == 0:
        part = np.array([], dtype="int64")
    if type(part) is int:
        return size_constant(part)
    variable = as_tensor(part, truth=True)
    if variable.type.dtype in INTEGERS or variable.type.dtype == "bool":
        return variable
    raise TypeError(
        message(
            "an index is an integer, a slice or an array of integers or booleans, not "
            f"{operand_text(variable)}",
            operands=[operand_text(x)],
            cure="cast a float with .astype('int64'); to choose by a condition use "
            "T.switch(condition, a, b)",
        )
    )


def _is_array(entry: Any) -> bool:
    return isinstance(entry, Variable) and entry.type.ndim > 0


def _is_mask(part: Any) -> bool:
    return isinstance(part, Variable) and part.type.dtype == "bool"


def _axes_used(part: Any) -> int:
    if part is None or part is Ellipsis:
        return 0
    return int(part.type.ndim) if _is_mask(part) else 1


def _positions_of(mask: Variable, x: Variable, axis: int) -> list[Variable]:
    """The positions where a mask over some axes of x is true; its sizes must be theirs."""
    wanted = sizes_of(x)[axis : axis + mask.type.ndim]
    for k, (have, want) in enumerate(zip(mask.type.shape, wanted, strict=True)):
        if have is not None and isinstance(want, Constant) and have != int(want.data):
            raise IndexError(
                message(
                    f"a mask of size {have} for axis {axis + k} of size {int(want.data)}",
                    operands=[operand_text(x), operand_text(mask)],
                )
            )
    found: list[Variable] = nonzero(specify_shape(mask, wanted))
    return found


def _new_axes(entries: Sequence[Any]) -> list[int]:
    """The places in the result of the new axes, in order."""
    arrays = [k for k, entry in enumerate(entries) if _is_array(entry)]
    places: list[int] = []
    if not arrays:
        place = 0
        for entry in entries:
            if entry is None:
                places.append(place)
            place += entry is None or isinstance(entry, slice)
        return places
    block, first = _block(entries)
    place = 0
    for k, entry in enumerate(entries):
        if k == first:
            place += block
        if entry is None:
            places.append(place)
        place += entry is None or isinstance(entry, slice)
    return places


def _block(entries: Sequence[Any]) -> tuple[int, int]:
    """The rank of the block of index arrays, and before which entry of the key it comes.

    As in NumPy, integers count as arrays beside arrays; the block comes where they stand,
    or first of all where a slice, an ellipsis or a new axis stands between them.
    """
    indices = [k for k, entry in enumerate(entries) if isinstance(entry, Variable)]
    rank = max(int(entries[k].type.ndim) for k in indices)
    together = indices[-1] - indices[0] + 1 == len(indices)
    return rank, indices[0] if together else 0


def _basic(x: Variable, axes: Sequence[Any], through: bool = False) -> Variable:
    """x at integers and slices."""
    pattern, bounds = [], []
    for entry in axes:
        if isinstance(entry, slice):
            given = (entry.start, entry.stop, entry.step)
            letters = [
                letter if bound is not None else ""
                for letter, bound in zip("abc", given, strict=True)
            ]
            pattern.append(":".join(letters))
            bounds += [size_scalar(b, "a slice bound") for b in given if b is not None]
        else:
            pattern.append("i")
            bounds.append(size_scalar(entry, "an index"))
    while len(pattern) > 1 and pattern[-1] == "::":
        pattern.pop()
    if pattern == ["i"] and isinstance(bounds[0], Constant) and _of_shape(x):
        element = _element(x, int(bounds[0].data))
        if element is not None:
            return element
    return Subtensor(pattern)(x, *bounds)


def _of_shape(x: Variable) -> bool:
    """Whether x is a shape or a part of one: of its elements more is known than of those
    of other vectors."""
    while x.owner is not None and isinstance(x.owner.op, Subtensor):
        x = x.owner.inputs[0]
    return x.owner is not None and isinstance(x.owner.op, Shape)


def _element(x: Variable, position: int) -> Variable | None:
    elements = vector_elements(x)
    if elements is None or not -len(elements) <= position < len(elements):
        return None
    return elements[position]


def _advanced(x: Variable, entries: Sequence[Any]) -> Variable:
    """x at integer arrays (and integers beside them) and slices, without new axes."""
    rank, first = _block(entries)
    axes = _of_axes(entries)
    slices = [e if isinstance(e, slice) else slice(None) for e in axes]
    sliced = any(one != slice(None) for one in slices)
    base = _basic(x, slices) if sliced else x
    indexed = [k for k, entry in enumerate(axes) if isinstance(entry, Variable)]
    place = sum(isinstance(entry, slice) for entry in entries[:first])
    after = len(axes) - len(indexed) - place
    indices = [
        dimshuffle(axes[k], *range(axes[k].type.ndim), *["x"] * after) for k in indexed
    ]
    return AdvancedSubtensor(indexed, place, through=sliced)(base, *stretched(indices))


# ---- writing


def inc_subtensor(
    x: Any,
    y: Any,
    inplace: bool = False,
    set_instead_of_inc: bool = False,
    tolerate_inplace_aliasing: bool = False,
) -> Variable:
    """The array that x is an indexed part of, with y added to that part.

    x: the result of indexing, `a[...]`; the result has the shape of a.  Only the last
    indexing counts: of `a[i][j]` it is `a[i]` that gets another value.
    y: broadcast against x; where a position comes several times, all are added.
    inplace, tolerate_inplace_aliasing: Theano's flags, without effect: memory is reused
    wherever that is safe.
    Raises: TypeError where x is no indexed part, or the dtype of y does not fit a's;
    ShapeError where its sizes do not.

    >>> T.inc_subtensor(T.zeros(3)[[0, 0, 2]], 1).eval()
    array([2., 0., 1.])
    """
    return _write(x, y, set_instead_of_inc)


def set_subtensor(
    x: Any, y: Any, inplace: bool = False, tolerate_inplace_aliasing: bool = False
) -> Variable:
    """The array that x is an indexed part of, with that part replaced by y.

    As `inc_subtensor`; at a position that comes several times the last value stays.

    >>> T.set_subtensor(T.zeros(3)[1:], 5).eval()
    array([0., 5., 5.])
    """
    return _write(x, y, True)


def _write(x: Any, y: Any, replace: bool) -> Variable:
    node = x.owner if isinstance(x, Variable) else None
    result: Variable
    if node is not None and isinstance(node.op, Subtensor):
        base, *bounds = node.inputs
        result = IncSubtensor(node.op.pattern, set=replace)(base, y, *bounds)
        return _without_truth_axes(base, result)
    if node is not None and isinstance(node.op, AdvancedSubtensor):
        base, *indices = node.inputs
        write = AdvancedIncSubtensor(node.op.axes, node.op.place, set=replace)
        result = write(base, y, *indices)
        if node.op.through:
            return _write(base, result, True)
        return _without_truth_axes(base, result)
    if node is not None and isinstance(
        node.op, ShapeI
    ):  # x.shape[0], which is no vector
        result = IncSubtensor(("i",), set=replace)(shape(node.inputs[0]), y, node.op.i)
        return result
    if node is not None and isinstance(node.op, DimShuffle) and _only_adds(node.op):
        return _write(node.inputs[0], _without_new_axes(y, node.op), replace)
    raise TypeError(
        message(
            "set_subtensor and inc_subtensor write to an indexed part of an array",
            operands=[operand_text(x) if isinstance(x, Variable) else repr(x)],
            cure="index first: T.set_subtensor(a[1:3], value)",
        )
    )


def _without_truth_axes(base: Variable, result: Variable) -> Variable:
    if base.owner is None or not isinstance(base.owner.op, TruthAxes):
        return result
    order = base.owner.op.new_order
    return dimshuffle(result, *[k for k, axis in enumerate(order) if axis != "x"])


def _only_adds(op: DimShuffle) -> bool:
    """Whether it came from new axes in an index."""
    kept = [axis for axis in op.new_order if axis != "x"]
    return "x" in op.new_order and kept == list(range(len(kept)))


def _without_new_axes(y: Any, op: DimShuffle) -> Variable:
    """A value for a part with new axes, for the part without them."""
    value = as_tensor(y, truth=True)
    rank = len(op.new_order)
    missing = rank - value.type.ndim
    order = [
        k - missing for k in range(rank) if op.new_order[k] != "x" and k >= missing
    ]
    return dimshuffle(value, *order)


# ---- picks


def nonzero(a: Any, return_matrix: bool = False) -> Any:
    """The positions where `a` is not 0: a tuple of int64 vectors, one for each axis, as
    an index takes it.

    return_matrix: one matrix instead, with a row for each axis.

    >>> (places,) = T.nonzero([0, 5, 6])
    >>> places.eval()
    array([1, 2])
    """
    found = Nonzero()(as_tensor(a), return_list=True)
    return stack(found) if return_matrix else tuple(found)


def flatnonzero(a: Any) -> Variable:
    """The positions in the flattened `a` where it is not 0.

    Raises: ValueError for a scalar, which has no positions.

    >>> T.flatnonzero([0, 5, 6]).eval()
    array([1, 2])
    """
    variable = as_tensor(a)
    if variable.type.ndim == 0:
        what = "flatnonzero: a scalar has no positions"
        raise ValueError(message(what, operands=[operand_text(variable)]))
    found: Variable = nonzero(flatten(variable))[0]
    return found


def nonzero_values(a: Any) -> Variable:
    """The elements of `a` that are not 0, as a vector.

    >>> T.nonzero_values([0, 5, 6]).eval()
    array([5, 6])
    """
    flat = flatten(as_tensor(a))
    return getitem(flat, nonzero(flat))


def take(
    a: Any, indices: Any, axis: int | None = None, mode: str = "raise"
) -> Variable:
    """The elements of `a` at `indices` along `axis` (None: of the flattened array).

    mode: what a position out of range does: "raise" an IndexError, "wrap" around, or be
    "clip"ped to the nearest (a negative one to 0).

    >>> T.take([10, 20, 30], [2, 0]).eval()
    array([30, 10])
    """
    variable, where = as_tensor(a), as_tensor(indices)
    if axis is None:
        variable, axis = flatten(variable), 0
    axis = normalize_axis(axis, variable.type.ndim, "take")
    return getitem(
        variable, (slice(None),) * axis + (in_range(where, variable, axis, mode),)
    )


def in_range(where: Variable, x: Variable, axis: int, mode: str) -> Variable:
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"mode is 'raise', 'wrap' or 'clip', not {mode!r}")
    if mode == "raise" or where.type.dtype not in INTEGERS:
        return where
    length = shape_i(x, axis)
    positions = cast(where, "int64")
    result: Variable
    if mode == "wrap":
        result = mod(positions, length)
    else:
        result = clip(positions, constant(np.int64(0)), length - 1)
    return result


method("take")(take)
method("nonzero")(nonzero)
method("nonzero_values")(nonzero_values)
