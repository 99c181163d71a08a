"""What a user says to `scan`, checked and brought into one form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from symnet.data_classes import dataclass
from symnet.errors import ShapeError, message
from symnet.graph.object_types import holds_objects
from symnet.graph.origin import Origin, capture
from symnet.graph.types import INTEGERS, TensorType
from symnet.graph.variables import Constant, Variable, operand_text
from symnet.ops.arithmetic import minimum, sub
from symnet.ops.base import as_tensor
from symnet.ops.elementwise import cast
from symnet.ops.indexing import getitem
from symnet.ops.shape import shape_padleft
from symnet.ops.sizes import shape_i, size_constant
from symnet.ops.sparse.sparse_type import (
    as_sparse_variable,
    is_sparse,
    is_sparse_value,
)


@dataclass(eq=False)
class Walked:
    """A sequence: the array, and which elements around the current one a step reads."""

    array: Variable
    taps: tuple[int, ...]
    label: str

    @property
    def before(self) -> int:
        """How many elements are read only as earlier ones."""
        return -min(0, *self.taps)

    @property
    def span(self) -> int:
        """By how many elements the taps shorten the walk."""
        return max(0, *self.taps) + self.before

    @property
    def steps(self) -> Variable:
        """How many steps the sequence allows, an int64 scalar."""
        length = shape_i(self.array, 0)
        if isinstance(length, Constant):
            return size_constant(int(length.data) - self.span)
        if not self.span:
            return length
        return sub(length, self.span)

    def cut(self, tap: int, backwards: bool) -> Variable:
        """The array whose row t is what step t reads at `tap`."""
        start, end = tap + self.before, tap + self.before - self.span
        rows = self.array
        if self.span:
            rows = getitem(rows, slice(start or None, end or None))
        return getitem(rows, slice(None, None, -1)) if backwards else rows


@dataclass(eq=False)
class StateArgument:
    """An output that feeds back: its first rows, oldest first, and its taps, in the order
    in which `fn` takes them.  given: what the user gave; weak: that is a bare number."""

    rows: Variable
    given: Variable
    taps: tuple[int, ...]
    label: str
    weak: bool

    @property
    def depth(self) -> int:
        return -min(self.taps)

    @property
    def row_type(self) -> TensorType:
        kind: TensorType = self.rows.type
        return TensorType(kind.dtype, kind.shape[1:])


def as_sequence(value: Any) -> list[Any]:
    """None, one thing, or several, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def complain(
    what: str, cure: str, *operands: Variable, kind: type[Exception] = ValueError
) -> Exception:
    """An error about the arguments of `scan`, with the line that calls it."""
    shown = [operand_text(v) for v in operands]
    return kind(message(f"scan: {what}", operands=shown, origin=capture(), cure=cure))


def read_array(value: Any, what: str) -> Variable:
    """Raises: TypeError for what is no number, array or tensor variable."""
    try:
        return as_tensor(value, truth=True)
    except TypeError as error:
        cure = "give symbolic variables, arrays or numbers"
        raise complain(f"{what}: {error}", cure, kind=TypeError) from None


def read_invariant(value: Any) -> Variable:
    """A value that stays the same; it may be a sparse matrix, or an object of Python.

    Raises: as `read_array`."""
    if isinstance(value, Variable) and holds_objects(value.type):
        return value
    sparse = isinstance(value, Variable) and is_sparse(value)
    if sparse or is_sparse_value(value):
        return as_sparse_variable(value)
    return read_array(value, "non_sequences")


# ---- sequences


def read_walked(sequences: Any) -> list[Walked]:
    """The sequences of a call.  Raises: TypeError, ValueError."""
    return [_walked(k, one) for k, one in enumerate(as_sequence(sequences))]


def _walked(k: int, given: Any) -> Walked:
    label = f"sequence {k}"
    taps: Any = None
    if isinstance(given, Mapping):
        given, taps = _entries(given, label, "input")
    if given is None:
        raise complain(f"{label} is None", "leave it out", kind=TypeError)
    array = read_array(given, label)
    label = _labelled(label, array)
    if array.type.ndim == 0:
        cure = "pass it in non_sequences: it is the same at every step"
        raise complain(
            f"{label} is a scalar: it has no elements to walk over", cure, array,
            kind=TypeError,
        )  # fmt: skip
    walked = Walked(array, _taps(taps, 0, label), label)
    length = array.type.shape[0]
    if length is not None and length < walked.span:
        raise complain(
            f"{label} has {length} elements, but its taps {list(walked.taps)} reach over "
            f"{walked.span + 1}",
            "give a longer sequence, or pad it; where only the taps' reach is there, the "
            "loop has no steps",
            array,
        )
    return walked


def _entries(given: Mapping[str, Any], label: str, name: str) -> tuple[Any, Any]:
    """The array and the taps in a dict."""
    known = (name, "taps", "inplace")
    wrong = [key for key in given if key not in known]
    if wrong:
        cure = f"the keys are {name!r} and 'taps'"
        raise complain(f"{label}: there is no key {wrong[0]!r}", cure)
    return given.get(name), given.get("taps")


def _taps(taps: Any, default: int, label: str) -> tuple[int, ...]:
    """Raises: TypeError for a tap that is no int, ValueError for one named twice."""
    listed = [default] if taps is None else as_sequence(taps)
    cure = "taps are ints, such as taps=[-2, -1]"
    for tap in listed:
        if isinstance(tap, bool) or not isinstance(tap, (int, np.integer)):
            raise complain(f"{label}: {tap!r:.40} is no tap", cure, kind=TypeError)
    if not listed:
        raise complain(f"{label}: the list of taps is empty", cure)
    if len(set(listed)) < len(listed):
        raise complain(f"{label}: a tap is named twice in {listed}", cure)
    return tuple(map(int, listed))


def _labelled(label: str, v: Variable) -> str:
    return f"{label} ({v.name})" if v.name else label


# ---- outputs


def read_carried(outputs_info: Any) -> list[StateArgument | None]:
    """For each output how it feeds back; None for one that does not."""
    return [_carried(k, one) for k, one in enumerate(as_sequence(outputs_info))]


def _carried(k: int, given: Any) -> StateArgument | None:
    label = f"output {k}"
    taps: Any = None
    if isinstance(given, Mapping):
        given, taps = _entries(given, label, "initial")
        if given is None and taps is not None:
            cure = "add initial=..., the values that stand before the first step"
            raise complain(f"{label} has taps, but no initial state", cure)
    if given is None:
        return None
    first = read_array(given, f"initial state of {label}")
    label = _labelled(label, first)
    read = _taps(taps, -1, label)
    if max(read) >= 0:
        raise complain(
            f"{label}: tap {max(read)} asks for a value that is not computed yet",
            "taps of an output are negative: -1 is its value after the step before",
            first,
        )
    weak = isinstance(first, Constant) and first.weak
    if read == (-1,):
        return StateArgument(shape_padleft(first), first, read, label, weak)
    rows = _first_rows(first, -min(read), read, label)
    return StateArgument(rows, first, read, label, weak)


def _first_rows(
    first: Variable, depth: int, taps: tuple[int, ...], label: str
) -> Variable:
    """The rows of an initial state that is deeper than one."""
    cure = f"give the {depth} values before the first step, oldest first, along axis 0"
    if first.type.ndim == 0:
        what = f"{label} has taps {list(taps)}, but its initial state is one number"
        raise complain(what, cure, first, kind=TypeError)
    length = first.type.shape[0]
    if length is not None and length < depth:
        raise complain(
            f"{label} has taps {list(taps)}, but its initial state only {length} rows",
            cure, first, kind=ShapeError,
        )  # fmt: skip
    return first if length == depth else getitem(first, slice(None, depth))


# ---- the number of steps


def read_steps(n_steps: Any, walked: list[Walked]) -> Variable:
    """The number of steps, an int64 scalar: `n_steps`, or as many as the shortest
    sequence allows.

    Raises: TypeError for what is no integer scalar; ValueError for a negative number, and
        where nothing says how many steps there are.
    """
    if n_steps is not None:
        return _given_steps(n_steps)
    if not walked:
        cure = "give n_steps=..., or a sequence to walk over"
        raise complain("nothing says how many steps there are", cure)
    least: Variable | None = None
    seen: set[tuple[Variable, int]] = set()
    for one in walked:
        if (one.array, one.span) not in seen:
            seen.add((one.array, one.span))
            steps = one.steps
            least = steps if least is None else _least(least, steps)
    assert least is not None
    return least


def _least(a: Variable, b: Variable) -> Variable:
    if isinstance(a, Constant) and isinstance(b, Constant):
        return size_constant(min(int(a.data), int(b.data)))
    least: Variable = minimum(a, b)
    return least


def _given_steps(n_steps: Any) -> Variable:
    cure = "give an int or an integer scalar; cast a float with .astype('int64')"
    if isinstance(n_steps, (float, np.floating)) and float(n_steps).is_integer():
        n_steps = int(n_steps)
    steps = read_array(n_steps, "n_steps")
    if steps.type.ndim != 0 or steps.type.dtype not in INTEGERS:
        what = f"n_steps is an integer, not {operand_text(steps)}"
        raise complain(what, cure, kind=TypeError)
    if isinstance(steps, Constant):
        if int(steps.data) < 0:
            cure = "to walk from the end to the start use go_backwards=True"
            raise complain(f"n_steps is negative: {int(steps.data)}", cure)
        return size_constant(int(steps.data))
    return cast(steps, "int64")


def line_of(fn: Callable[..., Any]) -> Origin | None:
    """Where a function is written."""
    code = getattr(fn, "__code__", None)
    if code is None:
        return None
    return Origin(code.co_filename, code.co_firstlineno, code.co_name)
