"""Parameters in files: `symnet.save` and `symnet.load`.

    symnet.save("mlp.safetensors", {"w": w, "b": b})
    symnet.load("mlp.safetensors", {"w": w, "b": b})   # puts the values back
    arrays = symnet.load("mlp.safetensors")            # looks at them

Files hold arrays by name and nothing that could be run.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from symnet.errors import briefly, message
from symnet.graph.entering import as_plain
from symnet.graph.variables import Variable, operand_text
from symnet.kernels.interface import READS, Ticket, with_ticket
from symnet.models.weight_files import open_weights, read_weights, write_weights
from symnet.shared import SharedVariable, set_values

Path: TypeAlias = str | os.PathLike[str]
Arrays: TypeAlias = dict[str, NDArray[Any]]
SHOWN = 10  # differences that an error lists

__all__ = ["assign", "load", "names_of_variables", "save", "snapshot"]


@briefly
def save(path: Path, values: Mapping[str, Any] | Iterable[Any]) -> None:
    """Write shared variables or arrays to a file.

    path: ending in `.safetensors` (or in nothing) or in `.npz`: the ending is the format.
    values: a dict by name; or a list, whose entries are called by the names of the
        variables.  An entry without a name, or with one that another entry has too, is
        called by its place: "0.W", "1".
    The file is replaced in one step: who reads it finds the old content or the new.
    Shared variables are read together: no other thread's update comes between.
    Raises: TypeError for what is no number, and complex numbers as safetensors (`.npz` has
        them); ValueError for another ending; OSError.

    >>> import os, tempfile
    >>> import numpy as np, symnet
    >>> w = symnet.shared(np.ones((2, 3)), "w")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "w.safetensors")
    ...     symnet.save(path, [w])
    ...     w.set_value(np.zeros((2, 3)))
    ...     symnet.load(path, [w])
    >>> float(w.get_value().sum())
    6.0
    """
    write_weights(_as_path(path, "save"), snapshot(names_of_variables(values)))


@overload
def load(path: Path, into: None = None) -> Arrays: ...
@overload
def load(
    path: Path, into: Mapping[str, SharedVariable] | Iterable[SharedVariable]
) -> None: ...
@briefly
def load(path: Path, into: Any = None) -> Arrays | None:
    """Read what `save` wrote: into shared variables, or as arrays by name.

    path: a file of any kind that `symnet.models.open_weights` knows; its content says
        which.
    into: a dict or a list of shared variables, named as in `save`.
    Names, shapes and dtypes must be those of the variables.  Either all of them get their
    values, or none does.
    Raises: ValueError that lists what differs; TypeError for what is no shared variable;
        WeightFileError for a damaged or unknown file; FileNotFoundError.
    """
    path = _as_path(path, "load")
    if into is None:
        return read_weights(path)
    assign(path, names_of_variables(into))
    return None


def _as_path(path: Any, function: str) -> str:
    try:
        return os.fsdecode(path)
    except TypeError:
        raise TypeError(
            f"symnet.{function}() takes the file's path first, not "
            f"{type(path).__name__} {path!r:.60}"
        ) from None


def names_of_variables(values: Mapping[str, Any] | Iterable[Any]) -> dict[str, Any]:
    """Name -> variable or array, as `save` says.

    Raises: TypeError for what is neither a dict nor a list, or a name that is no text;
        ValueError for a variable named twice.
    """
    if isinstance(values, Mapping):
        odd = [name for name in values if not isinstance(name, str)]
        if odd:
            raise TypeError(f"names of values are texts, not {odd[0]!r:.60}")
        return dict(values)
    single = isinstance(values, (Variable, str)) or hasattr(values, "__array__")
    if single or not isinstance(values, Iterable):
        raise TypeError(
            message(
                f"a dict or a list of values, not {type(values).__name__}",
                cure="write [w] for a single variable w",
            )
        )
    entries = list(values)
    given = [getattr(one, "name", None) for one in entries]
    names = [
        name
        if isinstance(name, str) and name and given.count(name) == 1
        else f"{place}.{name}"
        if isinstance(name, str) and name
        else str(place)
        for place, name in enumerate(given)
    ]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two values are called {', '.join(twice)}: pass a dict")
    return dict(zip(names, entries))


def snapshot(values: Mapping[str, Any]) -> Arrays:
    """Copies of all values as they are at one moment.

    Raises: TypeError for symbolic variables and for what is no array of numbers.
    """
    shared = {n: v for n, v in values.items() if isinstance(v, SharedVariable)}
    stores = dict.fromkeys((v.store for v in shared.values()), READS)

    def copies(ticket: Ticket) -> Arrays:
        found = {n: ticket.array(v.store) for n, v in shared.items()}
        return {
            n: shared[n].store.memory.copy_out(array)
            for n, array in found.items()
            if shared[n].store.memory.holds(array)
        }

    taken = with_ticket(stores, None, copies) if stores else {}
    return {n: taken[n] if n in taken else _numbers(n, v) for n, v in values.items()}


def _numbers(name: str, value: Any) -> NDArray[Any]:
    if isinstance(value, Variable):
        raise TypeError(
            message(
                f"{name!r}: a file holds numbers",
                operands=[operand_text(value)],
                cure="save shared variables of arrays, or what a function returns",
            )
        )
    array = np.asarray(as_plain(value))
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{name!r}: a file holds numbers, not {value!r:.60}")
    return _native(array)


def _native(array: NDArray[Any]) -> NDArray[Any]:
    """In this machine's order of bytes."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def assign(path: str, variables: Mapping[str, Any], besides: str = "") -> Arrays:
    """Make the arrays of a file the values of shared variables: of all, or of none.

    besides: the name of an array that is there for something else.
    Raises: as `load`.  Returns what else was read.
    """
    for name, variable in variables.items():
        if not isinstance(variable, SharedVariable):
            raise TypeError(
                f"{name!r}: values are loaded into shared variables, not into "
                f"{type(variable).__name__} {variable!r:.60}"
            )
    file = open_weights(path)
    lines = _differences(file.arrays, variables, besides)
    if besides in file.arrays and file.arrays[besides].shape:
        lines.append(f"{besides}: an array, no number")
    if lines:
        more = len(lines) - SHOWN
        shown = lines[:SHOWN] + ([f"... and {more} more"] if more > 0 else [])
        what = f"{path} does not hold the values of these variables"
        text = "\n  ".join([what, *shown])
        raise ValueError(
            f"{text}\n  to do: look at symnet.load(path), which gives all arrays by name"
        )
    set_values({v: _native(file.arrays[n].read()) for n, v in variables.items()})
    return {besides: file.arrays[besides].read()} if besides else {}


def _differences(
    stored: Mapping[str, Any], variables: Mapping[str, SharedVariable], besides: str
) -> list[str]:
    """A line for each name that only one side has, and for other shapes and dtypes."""
    wanted = [*variables, besides] if besides else list(variables)
    lines = [f"missing: {name}" for name in wanted if name not in stored]
    lines += [f"unexpected: {name}" for name in stored if name not in wanted]
    for name, variable in variables.items():
        if name not in stored:
            continue
        kept, array = stored[name], variable.array
        found = (np.dtype(kept.dtype).newbyteorder("="), tuple(kept.shape))
        own = (np.dtype(array.dtype), tuple(array.shape))
        if found != own:
            lines.append(
                f"{name}: {found[0]} {found[1]} in the file, {own[0]} {own[1]} here"
            )
    return lines
