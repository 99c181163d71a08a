"""Shared variables: values that live between calls and that functions update."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np

from symnet.graph.types import TensorType, Type
from symnet.graph.variables import Variable

_layouts = count(1)


class SharedVariable(Variable):
    """A leaf with a value of its own.

    The value is a C-contiguous array that compiled functions read and write where it
    lies; `cell` tells native code where: its address, and a number that changes whenever
    shape or place do.
    """

    __slots__ = ("_array", "cell", "default_update", "strict", "allow_downcast")

    def __init__(
        self,
        type: Type,
        value: Any,
        name: str | None = None,
        strict: bool = False,
        allow_downcast: bool | None = None,
    ) -> None:
        super().__init__(type, name=name)
        self.strict = strict
        self.allow_downcast = allow_downcast
        self.default_update: Variable | None = None
        self.cell = np.zeros(2, np.int64)
        self._place(value)

    @property
    def array(self) -> Any:
        """The array itself, not a copy.  Writing to it writes to the variable."""
        return self._array

    def _place(self, array: Any) -> None:
        """Make `array` (C-contiguous, owned by this variable) the value."""
        old = getattr(self, "_array", None)
        self._array = array
        if isinstance(array, np.ndarray):
            self.cell[0] = array.ctypes.data
            if not isinstance(old, np.ndarray) or old.shape != array.shape:
                self.cell[1] = next(_layouts)

    def replace(self, array: Any) -> None:
        """Make `array` (of this type, C-contiguous, nobody else's) the value itself."""
        self._place(array)

    def get_value(self, borrow: bool = False, return_internal_type: bool = False) -> Any:
        """The value; a copy unless `borrow`."""
        if borrow or not isinstance(self._array, np.ndarray):
            return self._array
        return self._array.copy()

    def set_value(self, new_value: Any, borrow: bool = False) -> None:
        """Replace the value; the array is copied unless `borrow` (and it fits as it is).

        Raises: TypeError, ValueError where `new_value` does not fit the type.
        """
        array = self.type.filter(new_value, strict=self.strict, allow_downcast=self.allow_downcast)
        if isinstance(array, np.ndarray):
            kept = borrow and array.flags.c_contiguous and array.flags.writeable
            if not kept and self._array.shape == array.shape:
                # In place: whoever holds the address goes on holding the right one.
                # A value that overlaps the old one is copied by NumPy first.
                self._array[...] = array
                return
            if not kept or not array.flags.aligned:
                array = np.array(array, order="C")
        self._place(array)

    def zero(self, borrow: bool = False) -> None:
        """Set every element to zero."""
        self.set_value(np.zeros_like(self._array))

    def clone(self, name: str | None = None) -> Variable:
        """Another variable of the same type over the same value."""
        twin = SharedVariable(self.type, self._array, name or self.name)
        twin.cell = self.cell
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (
            self.type, self._array, self.name, self.strict, self.allow_downcast,
        )  # fmt: skip


def _restore(type: Type, value: Any, name: str | None, strict: bool, down: Any) -> SharedVariable:
    return SharedVariable(type, value, name, strict, down)


def shared(
    value: Any,
    name: str | None = None,
    strict: bool = False,
    allow_downcast: bool | None = None,
    borrow: bool = False,
    broadcastable: Sequence[bool] | None = None,
    shape: Sequence[int | None] | None = None,
    dtype: str | None = None,
    target: str | None = None,
) -> SharedVariable:
    """A shared variable holding `value`.

    Shapes: sizes are not fixed, so a later value may have others; `broadcastable` (or
    `shape`) fixes sizes of 1 that are to be broadcast.
    Dtypes: the array's own; a Python float becomes floatX, an int int64.
    borrow: use the array itself where it can be used as it is, instead of a copy.
    Raises: TypeError for a value that is not numeric.
    """
    if isinstance(value, Variable):
        raise TypeError("shared() takes a value, not a symbolic variable: use value.eval()")
    array = np.asarray(value)
    if dtype is not None:
        array = array.astype(dtype)
    elif isinstance(value, float) and not isinstance(value, np.generic):
        array = array.astype(TensorType("floatX").dtype)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"shared() takes numbers, not {type(value).__name__}: {value!r:.60}")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    pattern = shape if shape is not None else broadcastable
    kind = TensorType(array.dtype, (None,) * array.ndim if pattern is None else pattern)
    kind.filter(array)
    fits = array.flags.c_contiguous and array.flags.aligned and array.flags.writeable
    if not (borrow and fits and array is value):
        array = np.array(array, order="C")
    return SharedVariable(kind, array, name, strict, allow_downcast)
