"""Shared variables: values that live between calls and that functions update."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from symnet.errors import message
from symnet.graph.entering import as_plain
from symnet.graph.object_types import generic, holds_objects, own_object
from symnet.graph.origin import Origin
from symnet.graph.traverse import Graph
from symnet.graph.types import TensorType, Type
from symnet.graph.variables import Variable, describe, operand_text
from symnet.kernels.devices import get_device
from symnet.kernels.interface import READS, REPLACES, Device, Store, Ticket, with_ticket

# What `shared` makes of values that are no arrays: which values, and by what.
CONSTRUCTORS: list[tuple[Callable[[Any], bool], Callable[..., SharedVariable]]] = []
# What users have `shared` try first, the last of them at once.
USERS_CONSTRUCTORS: list[Callable[..., SharedVariable]] = []


class SharedVariable(Variable):
    """A leaf with a value of its own: an array that compiled functions read and write where
    it lies, in the memory of `config.device`.

    value: used itself where it has the type's dtype and may lie where it is (see
    `Store.put`); or the store of another variable.
    default_update: the expression of its next value in functions that use it and do not
    update it otherwise.
    Raises: TypeError, ValueError where `value` does not fit the type.

    >>> w = symnet.shared(np.zeros(2), name="w")
    >>> isinstance(w, symnet.SharedVariable)
    True
    >>> w.set_value([1.0, 2.0])
    >>> w.get_value()
    array([1., 2.])
    >>> symnet.function([], w.sum(), updates=[(w, w * 10)])()
    array(3.)
    >>> w.get_value()
    array([10., 20.])
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
                type.filter(value.outline(), strict=True)
            self.store = value
        else:
            self.store = Store(self._fit(value), get_device().memory)

    @property
    def array(self) -> Any:
        """The array itself, not a copy.  Writing to it writes to the variable."""
        return self.store.array

    @property
    def container(self) -> Container:
        """Where the value is, as functions have it for their inputs."""
        return Container(self, self.name, self.store.box, self.set_value, self)

    def get_value(
        self, borrow: bool = False, return_internal_type: bool = False
    ) -> Any:
        """The value; a copy unless `borrow`, if it lies in the host's memory.

        Waits for a call in another thread that updates the variable; with `borrow` it
        does not, and what such calls write may be seen in the array.
        return_internal_type: the array as it lies in the device's memory.
        """
        store, array = self.store, self.store.array
        if not borrow and holds_objects(self.type):
            return own_object(self.type, array)
        if borrow or not store.memory.holds(array):
            return array if return_internal_type else store.seen(array)
        few = store.copy_of_few()
        if few is not None:
            return few
        copy = store.memory.copy if return_internal_type else store.memory.copy_out
        return with_ticket({store: READS}, None, lambda t: copy(t.array(store)))

    def set_value(self, new_value: Any, borrow: bool = False) -> None:
        """Replace the value; the array is copied unless `borrow` (and it fits as it is).

        Waits for a call in another thread that updates the variable.  Calls that read it
        go on with the old value.
        Raises: TypeError, ValueError where `new_value` does not fit the type.
        """
        array, store = self._fit(new_value), self.store
        if not isinstance(array, np.ndarray) or (borrow and store.memory.lends(array)):
            set_values({self: array})
        elif not store.write_few(array):
            with_ticket({store: REPLACES}, None, partial(self._copy_in, array))

    def _copy_in(self, array: np.ndarray[Any, Any], ticket: Ticket) -> None:
        """Make a copy of `array` the value: in its place, so that whoever has borrowed the
        value sees the new one, unless a call reads it there or the shape is another."""
        old, memory = ticket.array(self.store), self.store.memory
        if old.shape == array.shape and not ticket.is_read(self.store):
            memory.write(old, array)
        else:
            ticket.replace({self.store: memory.copy_in(array)})

    def _fit(self, value: Any) -> Any:
        if not isinstance(self.type, TensorType) and not holds_objects(self.type):
            return value
        return self.type.filter(
            value, strict=self.strict, allow_downcast=self.allow_downcast
        )

    def __dlpack__(self, **keywords: Any) -> Any:
        """A copy of the value, as other libraries take arrays over (DLPack)."""
        return self.get_value().__dlpack__(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        device: tuple[int, int] = np.empty(0).__dlpack_device__()
        return device  # the copy lies in the host's memory

    def __buffer__(self, flags: int) -> memoryview:
        """A copy of the value, as `memoryview(w)` takes it from Python 3.12 on."""
        return memoryview(self.get_value())

    def zero(self, borrow: bool = False) -> None:
        """Set every element to zero."""
        self.set_value(np.zeros(self.array.shape, self.array.dtype))

    def clone(self, name: str | None = None) -> Variable:
        """Another variable of the same type for the same value."""
        return SharedVariable(
            self.type, self.store, name or self.name, self.strict, self.allow_downcast
        )

    def __reduce__(self) -> tuple[Any, ...]:
        made = (self.type, self.store, self.name, self.strict, self.allow_downcast)
        # The default update mentions the variable itself: it comes after its making.
        return SharedVariable, made, self._attached()

    def _attached(self) -> tuple[Any, ...]:
        return self._tag, self.default_update, vars(self)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._tag, self.default_update, names = state
        vars(self).update(names)


class Container:
    """Where the value of one variable is between calls: of an input of a function, or of a
    shared variable.

    storage: a list whose only item is the value; functions that share a value share it.
    value, data: the value itself, to be read and written; assigned to, the next call finds
        the new one.
    Raises: TypeError, ValueError for a value that does not fit the variable's type.
    """

    def __init__(
        self,
        variable: Variable,
        name: str | None,
        storage: list[Any],
        put: Callable[[Any], None],
        state: SharedVariable | None = None,
    ) -> None:
        self.variable, self.name, self.storage = variable, name, storage
        self.state, self._put = state, put

    @property
    def type(self) -> Any:
        return self.variable.type

    @property
    def value(self) -> Any:
        return self.storage[0]

    @value.setter
    def value(self, new: Any) -> None:
        self._put(new)

    data = value

    def __repr__(self) -> str:
        return f"<container of {self.variable}: {self.storage[0]!r}>"


def set_values(
    values: Mapping[SharedVariable, Any], ticket: Ticket | None = None
) -> None:
    """Make arrays (nobody else's) the values of variables, all of them at once, or, where
    one does not fit, of none: a call in another thread sees the old ones or the new.

    ticket: of the call that does so.
    Raises: as `SharedVariable.set_value`; Conflict, with a ticket.
    """
    fitting = {v.store: v._fit(value) for v, value in values.items()}
    if ticket is not None:
        ticket.replace(fitting)
    else:
        uses = dict.fromkeys(fitting, REPLACES)
        with_ticket(uses, None, lambda ticket: ticket.replace(fitting))


def check_memory(
    graph: Graph, updates: Mapping[SharedVariable, Variable], device: Device
) -> None:
    """Raises: TypeError where a shared variable of which a graph is made, or which is
    updated, lies where programs of a device do not reach it."""
    read = [v for v in graph.leaves() if isinstance(v, SharedVariable)]
    for variable in dict.fromkeys([*read, *updates]):
        if variable.store.memory is not device.memory:
            where = variable.store.memory.name or "cpu"
            raise TypeError(
                message(
                    f"{describe(variable)} lies in the memory of another device, {where!r}; "
                    f"the function runs on {device.name!r}",
                    operands=[operand_text(variable)],
                    origin=_used_at(variable, graph, updates),
                    cure=f"choose device={where!r} for the function, or make a new shared "
                    f"variable of its get_value() with target={device.name!r}; set_value "
                    "leaves it where it is",
                )
            )


def _used_at(
    variable: SharedVariable,
    graph: Graph,
    updates: Mapping[SharedVariable, Variable],
) -> Origin | None:
    """The line of the first operation that reads a variable, or else of its new value."""
    for node in graph.toposort():
        if any(one is variable for one in node.inputs):
            return node.origin
    return updates[variable].origin if variable in updates else None


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
    target: the device in whose memory the value lies, as "cuda1"; None: `config.device`.
    A text, a dict or another single object is kept as it is, for users' own operations.
    Raises: TypeError for an array that is not numeric; ValueError, RuntimeError for a device
        that is not there.

    >>> w = symnet.shared(np.zeros(2), name="w")
    >>> w.set_value(w.get_value() + 1)
    >>> w.get_value()
    array([1., 1.])
    """
    if isinstance(value, Variable):
        raise TypeError(
            "shared() takes a value, not a symbolic variable: use value.eval()"
        )
    keywords = {"broadcastable": broadcastable, "shape": shape, "dtype": dtype}
    asked = {key: given for key, given in keywords.items() if given is not None}
    for constructor in reversed(USERS_CONSTRUCTORS):
        try:
            made: SharedVariable
            made = constructor(value, name, strict, allow_downcast, **asked)
            return made
        except TypeError:
            continue  # as Theano's: it does not make variables of such values
    for takes, constructor in CONSTRUCTORS:
        if takes(value):
            return constructor(value, name, strict, allow_downcast, borrow)
    array = np.asarray(as_plain(value))
    if dtype is not None:
        array = array.astype(dtype)
    elif isinstance(value, float) and not isinstance(value, np.generic):
        array = array.astype(TensorType("floatX").dtype)
    if array.ndim == 0 and array.dtype.kind in "OSU" and not _is_number(value):
        return SharedVariable(generic, value, name, strict, allow_downcast)
    if array.dtype.kind not in "biufc":
        raise _no_numbers(value)
    kind = TensorType(array.dtype, (None,) * array.ndim)
    kind = kind.clone(broadcastable=broadcastable, shape=shape)
    if not (borrow and array is value):
        array = np.array(array, dtype=kind.dtype, order="C")
    place = Store(array, get_device(target).memory)
    return SharedVariable(kind, place, name, strict, allow_downcast)


def _is_number(value: Any) -> bool:
    """Whether `value` is meant as a number: None is a slip, and NumPy has no dtype for an
    integer of more than 64 bits."""
    return value is None or isinstance(value, int)


def _no_numbers(value: Any) -> TypeError:
    if isinstance(value, int):
        text = f"shared() takes integers of at most 64 bits, not {value!r:.60}"
        return TypeError(message(text, cure="pass a float, as float(value)"))
    return TypeError(
        f"shared() takes numbers, not {type(value).__name__}: {value!r:.60}"
    )


def shared_constructor(
    ctor: Callable[..., SharedVariable], remove: bool = False
) -> Callable[..., SharedVariable]:
    """Have `shared` ask `ctor(value, name, strict, allow_downcast, **keywords)` first, which
    raises TypeError for values that it does not take; or, with `remove`, no longer.

    Raises: ValueError for a constructor to be removed that is none.
    """
    if remove:
        USERS_CONSTRUCTORS.remove(ctor)
    else:
        USERS_CONSTRUCTORS.append(ctor)
    return ctor
