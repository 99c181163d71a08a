"""Convolutions by the windows of their input: filters that are not shared, and integers.

The windows are gathered into an array of their own; what follows are products of matrices.
The arithmetic is that of the dtype: integers wrap around.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.data_classes import dataclass
from symnet.graph.variables import Variable
from symnet.ops.alloc import zeros
from symnet.ops.arithmetic import add, mul
from symnet.ops.creation import arange
from symnet.ops.indexing import getitem, inc_subtensor, set_subtensor
from symnet.ops.linalg.products import batched_dot, size_product
from symnet.ops.nnet.filter_places import divided, times
from symnet.ops.reshape import reshape
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import size_scalar, sizes_of

__all__ = ["LocalWindows"]


@dataclass(frozen=True)
class LocalWindows:
    """Where the windows of an input lie, along each spatial axis.

    places, taps: their number, and that of the elements of each.
    borders: zeros before and after the input.  strides, dilations: from window to window,
    and from element to element.
    """

    places: tuple[Variable, ...]
    taps: tuple[Variable, ...]
    borders: tuple[tuple[Any, Any], ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return len(self.places)

    def gathered(self, x: Variable) -> Variable:
        """x (n, c, *spatial) -> (n, c, *places, *taps)."""
        padded = self._blank(x.type.dtype, sizes_of(x))
        inside = getitem(padded, self._inside(sizes_of(x)))
        return getitem(set_subtensor(inside, x), self._positions())

    def scattered(self, windows: Variable, shape: Sequence[Any]) -> Variable:
        """The transpose of `gathered`: each element added up where it came from."""
        padded = self._blank(windows.type.dtype, shape)
        summed = inc_subtensor(getitem(padded, self._positions()), windows)
        return getitem(summed, self._inside(shape))

    def _blank(self, dtype: str, shape: Sequence[Any]) -> Variable:
        """Zeros of that shape with its border."""
        padded = [
            add(size, below + above)
            for size, (below, above) in zip(shape[2:], self.borders, strict=True)
        ]
        return zeros([*shape[:2], *padded], dtype)

    def _inside(self, shape: Sequence[Any]) -> tuple[slice, ...]:
        """Which part lies inside the border."""
        every = slice(None)
        parts = [
            slice(below, add(below, size))
            for size, (below, _) in zip(shape[2:], self.borders, strict=True)
        ]
        return (every, every, *parts)

    def _positions(self) -> tuple[Any, ...]:
        """The indices of all elements of all windows, along each axis."""
        found: list[Any] = [slice(None), slice(None)]
        for axis in range(self.rank):
            places = mul(arange(self.places[axis]), self.strides[axis])
            taps = mul(arange(self.taps[axis]), self.dilations[axis])
            pattern: list[Any] = ["x"] * (2 * self.rank)
            pattern[axis], pattern[self.rank + axis] = 0, 1
            both = add(dimshuffle(places, 0, "x"), dimshuffle(taps, "x", 0))
            found.append(dimshuffle(both, *pattern))
        return tuple(found)

    # ---- filters for each place: w (o, *places, c, *taps), of `groups` groups

    def products(self, x: Variable, w: Variable, groups: int) -> Variable:
        """x (n, groups c, *spatial), w (groups o, ...) -> (n, groups o, *places)."""
        summed = batched_dot(
            self._rows(self.gathered(x), groups), self._filters(w, groups)
        )
        return self._outputs(summed, x, w, groups)

    def filter_gradient(self, x: Variable, g: Variable, groups: int) -> Variable:
        """The gradient for w of `products`, from that of the output."""
        rows = self._rows(self.gathered(x), groups)
        upper = dimshuffle(self._gradients(g, groups), 0, 2, 1)
        filters, channels = sizes_of(g)[1], sizes_of(x)[1]
        found = reshape(
            batched_dot(upper, rows),
            (
                groups,
                *self.places,
                divided(filters, groups),
                divided(channels, groups),
                *self.taps,
            ),
        )
        front = [1 + k for k in range(self.rank)]
        back = [2 + self.rank + k for k in range(1 + self.rank)]
        ordered = dimshuffle(found, 0, 1 + self.rank, *front, *back)
        shape = (filters, *self.places, divided(channels, groups), *self.taps)
        return reshape(ordered, shape)

    def input_gradient(
        self, w: Variable, g: Variable, groups: int, spatial: Sequence[Any]
    ) -> Variable:
        """The gradient for x of `products`; spatial: the sizes of x."""
        filters = dimshuffle(self._filters(w, groups), 0, 2, 1)
        rows = batched_dot(self._gradients(g, groups), filters)
        images, channels = sizes_of(g)[0], sizes_of(w)[1 + self.rank]
        whole = reshape(rows, (groups, *self.places, images, channels, *self.taps))
        front = [1 + k for k in range(self.rank)]
        back = [3 + self.rank + k for k in range(self.rank)]
        ordered = dimshuffle(whole, 1 + self.rank, 0, 2 + self.rank, *front, *back)
        shape = (images, times(channels, groups), *self.places, *self.taps)
        every = (images, times(channels, groups), *spatial)
        return self.scattered(reshape(ordered, shape), every)

    def _rows(self, windows: Variable, groups: int) -> Variable:
        """(n, groups c, *places, *taps) -> (groups places, n, c taps)."""
        images, channels, *rest = sizes_of(windows)
        split = reshape(windows, (images, groups, divided(channels, groups), *rest))
        front = [3 + k for k in range(self.rank)]
        back = [3 + self.rank + k for k in range(self.rank)]
        ordered = dimshuffle(split, 1, *front, 0, 2, *back)
        columns = size_product([divided(channels, groups), *self.taps])
        return reshape(ordered, (self._batch(groups), images, columns))

    def _filters(self, w: Variable, groups: int) -> Variable:
        """(groups o, *places, c, *taps) -> (groups places, c taps, o)."""
        filters, *rest = sizes_of(w)
        split = reshape(w, (groups, divided(filters, groups), *rest))
        ordered = dimshuffle(split, 0, *range(2, split.type.ndim), 1)
        columns = size_product(rest[self.rank :])
        return reshape(
            ordered, (self._batch(groups), columns, divided(filters, groups))
        )

    def _gradients(self, g: Variable, groups: int) -> Variable:
        """(n, groups o, *places) -> (groups places, n, o)."""
        images, filters = sizes_of(g)[:2]
        split = reshape(g, (images, groups, divided(filters, groups), *self.places))
        ordered = dimshuffle(split, 1, *range(3, split.type.ndim), 0, 2)
        return reshape(ordered, (self._batch(groups), images, divided(filters, groups)))

    def _outputs(self, y: Variable, x: Variable, w: Variable, groups: int) -> Variable:
        """(groups places, n, o) -> (n, groups o, *places)."""
        images, filters = sizes_of(x)[0], sizes_of(w)[0]
        split = reshape(y, (groups, *self.places, images, divided(filters, groups)))
        front = [1 + k for k in range(self.rank)]
        ordered = dimshuffle(split, 1 + self.rank, 0, 2 + self.rank, *front)
        return reshape(ordered, (images, filters, *self.places))

    def _batch(self, groups: int) -> Variable:
        return size_product([size_scalar(groups, "groups"), *self.places])

    # ---- filters for all places: w (groups o, c, *taps)

    def shared_products(self, x: Variable, w: Variable, groups: int) -> Variable:
        """x (n, groups c, *spatial), w (groups o, c, *taps) -> (n, groups o, *places)."""
        windows = self.gathered(x)
        images, channels, *rest = sizes_of(windows)
        split = reshape(windows, (images, groups, divided(channels, groups), *rest))
        front = [3 + k for k in range(self.rank)]
        back = [3 + self.rank + k for k in range(self.rank)]
        ordered = dimshuffle(split, 1, 0, *front, 2, *back)
        columns = size_product([divided(channels, groups), *self.taps])
        lines = size_product([images, *self.places])
        rows = reshape(ordered, (groups, lines, columns))
        filters = sizes_of(w)[0]
        flat = reshape(w, (groups, divided(filters, groups), columns))
        found = batched_dot(rows, dimshuffle(flat, 0, 2, 1))
        whole = reshape(found, (groups, images, *self.places, divided(filters, groups)))
        back = [2 + k for k in range(self.rank)]
        return reshape(
            dimshuffle(whole, 1, 0, 2 + self.rank, *back),
            (images, filters, *self.places),
        )
