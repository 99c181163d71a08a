"""The names of `theano.misc.pkl_utils`: pickles whose arrays lie beside them in a zip file.

NumPy reads the arrays of such a file without running anything:
`numpy.load("model.zip")["W"]`.  The object itself is a pickle, and to load a pickle runs the
code of whoever made it: load only your own (see `symnet.graph.pickling`).
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import Counter
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from symnet.graph.variables import Apply, Variable
from symnet.kernels.interface import Store
from symnet.shared import SharedVariable

DEFAULT_PROTOCOL = 2
OBJECT = "pkl"  # the entry that is the pickle


class PersistentNdarrayID:
    """Writes each array that a pickler meets as an entry of its own, `array_0` and so on.

    Called with an object, it gives the entry's name for an array, else None.
    """

    def __init__(self, zip_file: zipfile.ZipFile) -> None:
        self.zip_file = zip_file
        self.count = 0
        # The arrays themselves, too: an id is one object's only while that lives.
        self.seen: dict[int, tuple[str, Any]] = {}

    def entry(self, array: Any) -> str:
        """A name that no entry has."""
        name = f"array_{self.count}"
        self.count += 1
        return name

    def __call__(self, obj: Any) -> str | None:
        if type(obj) is not np.ndarray or obj.dtype.hasobject:
            return None
        if id(obj) not in self.seen:
            name = self.entry(obj)
            with self.zip_file.open(name, "w") as file:
                np.lib.format.write_array(file, obj, allow_pickle=False)
            self.seen[id(obj)] = (f"ndarray.{name}", obj)
        return self.seen[id(obj)][0]


class PersistentSharedVariableID(PersistentNdarrayID):
    """The same; the array of a shared variable has the variable's name, of several with one
    name `W`, `W_2`, `W_3`.

    allow_unnamed, allow_duplicates: whether variables may have no name, or one name.
    Raises: ValueError where they may not, and for one with the name "pkl".
    """

    def __init__(
        self,
        zip_file: zipfile.ZipFile,
        allow_unnamed: bool = True,
        allow_duplicates: bool = True,
    ) -> None:
        super().__init__(zip_file)
        # A store is written as a copy of its value, which a pickler meets right after it.
        self.names: dict[int, str] = {}
        self.next_name: str | None = None
        self.uses: Counter[str] = Counter()
        self.allow_unnamed, self.allow_duplicates = allow_unnamed, allow_duplicates

    def entry(self, array: Any) -> str:
        name, self.next_name = self.next_name, None
        if name is None:
            return super().entry(array)
        self.uses[name] += 1
        if self.uses[name] == 1:
            return name
        if not self.allow_duplicates:
            raise ValueError(f"several shared variables have the name {name!r}")
        return f"{name}_{self.uses[name]}"

    def __call__(self, obj: Any) -> str | None:
        if isinstance(obj, SharedVariable):
            if obj.name == OBJECT:
                raise ValueError(f"a shared variable cannot be kept as {OBJECT!r}")
            if obj.name:
                self.names[id(obj.store)] = obj.name
            elif not self.allow_unnamed:
                raise ValueError(f"a shared variable of type {obj.type} has no name")
        elif isinstance(obj, Store):
            self.next_name = self.names.get(id(obj))
        return super().__call__(obj)


class PersistentNdarrayLoad:
    """Reads the arrays that a pickle names from its zip file, each of them once."""

    def __init__(self, zip_file: zipfile.ZipFile) -> None:
        self.zip_file = zip_file
        self.cache: dict[str, Any] = {}

    def __call__(self, persid: str) -> Any:
        kind, _, name = persid.partition(".")
        if kind != "ndarray":
            raise pickle.UnpicklingError(
                f"{persid}: only arrays of the CPU are read, not those of a {kind}"
            )
        if name not in self.cache:
            with self.zip_file.open(name) as file:
                # Bounded by the entry: a header may claim any size.
                content = io.BytesIO(file.read())
            self.cache[name] = np.lib.format.read_array(content, allow_pickle=False)
        return self.cache[name]


def dump(
    obj: Any,
    file_handler: IO[bytes],
    protocol: int = DEFAULT_PROTOCOL,
    persistent_id: Callable[[zipfile.ZipFile], Any] = PersistentSharedVariableID,
) -> None:
    """Write an object to an open file: a zip file with the arrays in it, which NumPy reads
    by the names of the shared variables, and as `pkl` the pickle of all else.

    Raises: what pickling raises; ValueError as `persistent_id` does.
    """
    with zipfile.ZipFile(file_handler, "w", zipfile.ZIP_DEFLATED) as archive:
        content = io.BytesIO()
        pickler: Any = pickle.Pickler(content, protocol)
        pickler.persistent_id = persistent_id(archive)
        pickler.dump(obj)
        archive.writestr(OBJECT, content.getvalue())


def load(
    f: IO[bytes],
    persistent_load: Callable[[zipfile.ZipFile], Any] = PersistentNdarrayLoad,
) -> Any:
    """The object in a file that `dump` has written.  It runs the code of who wrote it."""
    with zipfile.ZipFile(f, "r") as archive:
        unpickler: Any = pickle.Unpickler(io.BytesIO(archive.read(OBJECT)))
        unpickler.persistent_load = persistent_load(archive)
        return unpickler.load()


class StripPickler(pickle.Pickler):
    """A pickler that leaves out what users attach to variables and operations: their test
    values, and further attributes of `tag` that are named."""

    def __init__(
        self,
        file: IO[bytes],
        protocol: int = 0,
        extra_tag_to_remove: list[str] | None = None,
    ) -> None:
        super().__init__(file, protocol)
        self.tag_to_remove = ["trace", "test_value", *(extra_tag_to_remove or [])]

    def persistent_id(self, obj: Any) -> None:
        if isinstance(obj, (Apply, Variable)) and obj._tag is not None:
            for name in self.tag_to_remove:
                vars(obj._tag).pop(name, None)


class CompatUnpickler(pickle.Unpickler):
    """An unpickler that reads pickles of Python 2: `CompatUnpickler(file).load()`."""

    def __init__(self, file: IO[bytes], *, encoding: str = "latin1") -> None:
        super().__init__(file, encoding=encoding)


__all__ = [
    "CompatUnpickler", "PersistentNdarrayID", "PersistentNdarrayLoad",
    "PersistentSharedVariableID", "StripPickler", "dump", "load",
]  # fmt: skip
