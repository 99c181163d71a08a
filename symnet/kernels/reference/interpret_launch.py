"""A kernel over its whole index space at once: each scalar is an array with an axis for
each axis of the loops, of size 1 where it does not change along it.

Nothing is merged, cut, reordered or expanded, so that little is shared with the code that
is judged by this.  float16 is computed in float32, as everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.kernels.loopir.scalars import Kernel, Output, Scalar, walk
from symnet.kernels.reference.special_functions import function_of
from symnet.kernels.stepwise import Refused

Array = np.ndarray[Any, np.dtype[Any]]

REDUCE: dict[str, np.ufunc] = {
    "sum": np.add,
    "prod": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "all": np.logical_and,
    "any": np.logical_or,
}
# NumPy adds up one after another along some axes: long sums are to be exact.
WIDER = {"float32": np.float64}


class OutOfRange(Refused):
    """A computed position lies outside its array."""


def launch(kernel: Kernel, sizes: Sequence[int], operands: Sequence[Array]) -> None:
    """Run a kernel.

    operands: the arrays of the inputs, then of the outputs, which are written; each with
    its indexed axes, then one for each axis of the loops, of size 1 where it does not
    move.
    Raises: OutOfRange, before anything is written, unless positions are written to.
    """
    if not all(n or reduced for n, reduced in zip(sizes, kernel.reduced, strict=True)):
        return
    space = _Space(kernel, sizes, operands)
    inputs = len(kernel.inputs)
    with np.errstate(all="ignore"):
        # All values before the first is written: an output may be an input's memory.
        written = [space.written(out) for out in kernel.outputs]
        for out, target, (value, indices) in zip(
            kernel.outputs, operands[inputs:], written, strict=True
        ):
            if out.indices:
                space.scatter(out, target, value, indices)
            else:
                target[...] = value


class _Space:
    """The values of a kernel's scalars."""

    def __init__(
        self, kernel: Kernel, sizes: Sequence[int], operands: Sequence[Array]
    ) -> None:
        self.kernel, self.sizes, self.operands = kernel, tuple(sizes), operands
        self.reduced = tuple(k for k, one in enumerate(kernel.reduced) if one)
        self.values: dict[Scalar, Array] = {}
        roots = [r for out in kernel.outputs for r in (*out.indices, out.value)]
        with np.errstate(all="ignore"):
            for node in walk(roots):
                value = self._value(node, [self.values[a] for a in node.args])
                self.values[node] = np.asarray(value).astype(held(node.dtype))

    def written(self, out: Output) -> tuple[Array, list[Array]]:
        """A value as it is stored, and the positions to which."""
        value = self.values[out.value]
        if value.dtype != out.operand.dtype:
            value = function_of("cast")(value, out.operand.dtype)
        return value, [self.values[i] for i in out.indices]

    def _value(self, node: Scalar, args: list[Array]) -> Any:
        rank = len(self.sizes)
        if node.op == "literal":
            number = float(node.value) if isinstance(node.value, str) else node.value
            return np.full((1,) * rank, number)
        if node.op == "load":
            return self.operands[node.value]
        if node.op == "gather":
            return self._gather(self.operands[node.value], args)
        if node.op == "index":
            shape = [1] * rank
            shape[node.value] = -1
            return np.arange(self.sizes[node.value]).reshape(shape)
        if node.op == "reduce":
            return self._reduce(node, args[0])
        if node.op in ("cast", "bitcast"):
            return function_of(node.op)(args[0], node.dtype)
        return function_of(node.op)(*args)

    def _positions(self, array: Array, indices: Sequence[Array]) -> tuple[Array, ...]:
        """Positions along the indexed axes, from the end where negative, and the point's
        own along the others."""
        count, wrapped = len(indices), []
        for size, places in zip(array.shape, indices, strict=False):
            places = np.where(places < 0, places + size, places)
            if 0 not in self.sizes and np.any((places < 0) | (places >= size)):
                raise OutOfRange(f"a position is out of range for an axis of {size}")
            wrapped.append(places)
        own = np.ix_(*(range(n) for n in array.shape[count:]))
        return (*wrapped, *own)

    def _gather(self, array: Array, indices: Sequence[Array]) -> Array:
        if 0 in array.shape[: len(indices)]:  # and so nothing is read
            return np.zeros(self.sizes, array.dtype)
        return np.asarray(array[self._positions(array, indices)])

    def _reduce(self, node: Scalar, array: Array) -> Array:
        """Along all reduced axes, which stay as axes of size 1."""
        shape = [
            self.sizes[k] if k in self.reduced else n for k, n in enumerate(array.shape)
        ]
        array = np.broadcast_to(array, shape)
        if node.value in ("argmax", "argmin"):
            return self._position(node.value, array)
        if node.value in ("sum", "prod"):
            array = array.astype(held(node.dtype))
        kind = node.value, array.dtype
        wide = WIDER.get(str(array.dtype)) if node.value == "sum" else None
        return np.asarray(
            REDUCE[node.value].reduce(
                array, self.reduced, wide, keepdims=True, initial=neutral(*kind)
            )
        )

    def _position(self, kind: str, array: Array) -> Array:
        """The first of the best, counted along the flattened reduced axes; 0 of none."""
        kept = [k for k in range(array.ndim) if k not in self.reduced]
        flat = array.transpose(*kept, *self.reduced)
        flat = flat.reshape(*flat.shape[: len(kept)], -1)
        if not flat.shape[-1]:
            found = np.zeros(flat.shape[:-1], np.int64)
        else:
            found = (np.argmax if kind == "argmax" else np.argmin)(flat, axis=-1)
        return np.expand_dims(found, self.reduced)

    def scatter(
        self, out: Output, target: Array, value: Array, indices: Sequence[Array]
    ) -> None:
        """Write to computed positions, one after another in the order of the loops."""
        value, *indices = np.broadcast_arrays(
            value, *indices, np.empty(self.sizes, np.bool_)
        )[:-1]
        if not value.size:
            return
        where = self._positions(target, indices)
        if out.mode == "add":
            np.add.at(target, where, value)
        else:
            target[where] = value


def held(dtype: str) -> str:
    """The dtype in which values of a dtype are computed."""
    return "float32" if dtype == "float16" else dtype


def neutral(kind: str, dtype: np.dtype[Any]) -> Any:
    """What changes nothing in a reduction; the result of reducing nothing."""
    if kind in ("max", "min"):
        if dtype.kind == "f":
            return -np.inf if kind == "max" else np.inf
        if dtype.kind == "b":
            return kind == "min"
        limits = np.iinfo(dtype)
        return limits.min if kind == "max" else limits.max
    return kind in ("prod", "all")


__all__ = ["OutOfRange", "launch"]
