"""Shared variables: values that live between calls and that functions update."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np

from symnet.graph.types import TensorType, Type, as_kept, unmasked
from symnet.graph.variables import Variable

_layouts = count(1)

# What `shared` makes of values that are no arrays, by their class.
CONSTRUCTORS: dict[type, Callable[..., SharedVariable]] = {}


class Store:
    """A value, and where it is: all variables that stand for it have the same store.

    `cell` tells native code the array's address, and a number that changes whenever the
    array's shape or the device on which it lies do.
    """

    __slots__ = ("array", "cell")

    def __init__(self, array: Any) -> None:
        self.array: Any = None
        self.cell = np.zeros(2, np.int64)
        self.put(array)

    def put(self, array: Any) -> None:
        """Make `array` the value: itself where it lies in memory as native code needs it
        (from a pickle it may be a buffer that must not be written), else a copy."""
        if isinstance(array, np.ndarray):
            array = as_kept(array)
        old, self.array = self.array, array
        if isinstance(array, np.ndarray):
            self.cell[0] = array.ctypes.data
            if not isinstance(old, np.ndarray) or old.shape != array.shape:
                self.cell[1] = next(_layouts)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.array,)


def _restored(array: Any) -> Store:
    """A store from a pickle, with memory of its own: the buffers of a pickle belong to
    whoever loads it, and may serve him twice."""
    borrowed = isinstance(array, np.ndarray) and not array.flags.owndata
    return Store(array.copy() if borrowed else array)


class SharedVariable(Variable):
    """A leaf with a value of its own: a C-contiguous array that compiled functions read
    and write where it lies.

    value: used itself where it has the type's dtype and may lie where it is (see
    `Store.put`); or the store of another variable.
    default_update: the expression of its next value in functions that use it and do not
    update it otherwise.
    Raises: TypeError, ValueError where `value` does not fit the type.
    """

    __slots__ = ("store", "default_update", "strict", "allow_downcast")

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
        if isinstance(value, Store):
            if isinstance(type, TensorType):
                type.filter(value.array, strict=True)
            self.store = value
        else:
            self.store = Store(self._fit(value))

    @property
    def array(self) -> Any:
        """The array itself, not a copy.  Writing to it writes to the variable."""
        return self.store.array

    @property
    def cell(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        return self.store.cell

    def replace(self, array: Any) -> None:
        """Make `array` (of this type, C-contiguous, nobody else's) the value itself."""
        self.store.put(array)

    def get_value(
        self, borrow: bool = False, return_internal_type: bool = False
    ) -> Any:
        """The value; a copy unless `borrow`."""
        array = self.store.array
        return array if borrow or not isinstance(array, np.ndarray) else array.copy()

    def set_value(self, new_value: Any, borrow: bool = False) -> None:
        """Replace the value; the array is copied unless `borrow` (and it fits as it is).

        Raises: TypeError, ValueError where `new_value` does not fit the type.
        """
        array = self._fit(new_value)
        if isinstance(array, np.ndarray):
            kept = borrow and array.flags.carray
            if not kept and self.array.shape == array.shape:
                # In place: whoever holds the address goes on holding the right one.
                # A value that overlaps the old one is copied by NumPy first.
                self.array[...] = array
                return
            if not kept:
                array = np.array(array, order="C")
        self.store.put(array)

    def _fit(self, value: Any) -> Any:
        if not isinstance(self.type, TensorType):
            return value
        return self.type.filter(
            value, strict=self.strict, allow_downcast=self.allow_downcast
        )

    def zero(self, borrow: bool = False) -> None:
        """Set every element to zero."""
        self.set_value(np.zeros_like(self.array))

    def clone(self, name: str | None = None) -> Variable:
        """Another variable of the same type for the same value."""
        return SharedVariable(
            self.type, self.store, name or self.name, self.strict, self.allow_downcast
        )

    def __reduce__(self) -> tuple[Any, ...]:
        made = (self.type, self.store, self.name, self.strict, self.allow_downcast)
        # The default update mentions the variable itself: it comes after its making.
        return SharedVariable, made, (self._tag, self.default_update)

    def __setstate__(self, state: tuple[Any, Any]) -> None:
        self._tag, self.default_update = state


def set_values(values: Mapping[SharedVariable, Any]) -> None:
    """Replace the values of several shared variables: of all of them, or, where one does
    not fit, of none.  Raises: as `SharedVariable.set_value`."""
    fitting = [(variable, variable._fit(value)) for variable, value in values.items()]
    for variable, value in fitting:
        variable.set_value(value)


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
        raise TypeError(
            "shared() takes a value, not a symbolic variable: use value.eval()"
        )
    if type(value) in CONSTRUCTORS:
        return CONSTRUCTORS[type(value)](value, name, strict, allow_downcast, borrow)
    array = np.asarray(
        unmasked(value) if isinstance(value, np.ma.MaskedArray) else value
    )
    if dtype is not None:
        array = array.astype(dtype)
    elif isinstance(value, float) and not isinstance(value, np.generic):
        array = array.astype(TensorType("floatX").dtype)
    if array.dtype.kind not in "biufc":
        raise TypeError(
            f"shared() takes numbers, not {type(value).__name__}: {value!r:.60}"
        )
    pattern = shape if shape is not None else broadcastable
    kind = TensorType(array.dtype, (None,) * array.ndim if pattern is None else pattern)
    if not (borrow and array is value):
        array = np.array(array, dtype=kind.dtype, order="C")
    return SharedVariable(kind, array, name, strict, allow_downcast)
