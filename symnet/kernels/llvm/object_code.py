"""Object code: made once, kept on disk by content, loaded into the process.

A file of the cache is named by the SHA-256 of everything that its code depends on, so
it is never out of date, only unused.  `disk` says what is taken from there.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from symnet.data_classes import dataclass
from symnet.kernels.llvm.compiler_thread import on_compiler_thread
from symnet.kernels.llvm.disk_cache import read_object, write_object
from symnet.kernels.llvm.half_conversions import conversions_text
from symnet.kernels.llvm.machine import Machine, machine
from symnet.lazy import imported_when_used

if TYPE_CHECKING:
    import llvmlite.binding as llvm
else:
    llvm = imported_when_used("llvmlite.binding")


@dataclass
class Statistics:
    """What this process did: objects compiled, loaded from disk, milliseconds of both."""

    compiled: int = 0
    loaded: int = 0
    compile_ms: float = 0.0
    load_ms: float = 0.0


statistics = Statistics()
_numbers = itertools.count()


def object_code(key: str, build: Callable[[], bytes]) -> bytes:
    """The object code of `key`: read from disk, or made by `build` and written there.

    `key` names all that the code depends on (source text, versions of the generator);
    the machine and LLVM's version are added here.
    """
    data = cached_object(key)
    return made_object(key, build) if data is None else data


def made_object(key: str, build: Callable[[], bytes]) -> bytes:
    """The object code of `key`, made by `build` and written to disk."""
    data = build()
    statistics.compiled += 1
    write_object(object_name(key), data)
    return data


def cached_object(key: str) -> bytes | None:
    """The object code of `key` if it is on disk."""
    data = read_object(object_name(key))
    if data is not None:
        statistics.loaded += 1
    return data


def object_name(key: str) -> str:
    """The name of a key's file: a SHA-256 in hexadecimal digits."""
    return hashlib.sha256(f"{machine().name}\n{key}".encode()).hexdigest()


# LLVM gives back the memory of code that is unloaded, but for some 9 kB, which go with
# their linker.  So each links only so many libraries.
LIBRARIES_OF_A_LINKER = 256
# JITLink lays out a library's code and constants in one piece.  LLVM's older linker asks for
# each section by itself; where arrays of some gigabytes lie between the places that it gets,
# an instruction does not reach its constants, and LLVM ends the process.  For Windows' object
# files only the older one is ready.
NEAR = sys.platform != "win32"
_linkers: list[llvm.LLJIT] = []  # the one in use; those before live in their libraries
_linking = threading.Lock()


def linker(number: int) -> llvm.LLJIT:
    """The linker for library `number`."""
    with _linking:
        if not _linkers or number % LIBRARIES_OF_A_LINKER == 0:
            _linkers[:] = [
                llvm.create_lljit_compiler(machine().new_generator(), use_jit_link=NEAR)
            ]
        return _linkers[0]


def half_conversions() -> list[bytes]:
    """What every library is linked with where there are no instructions for float16."""
    host = machine()
    return [] if host.target.half else [_compiled_conversions(host)]


@cache
def _compiled_conversions(host: Machine) -> bytes:
    return host.compile(conversions_text(host.target))  # 2 ms, once


class Library:
    """Loaded code, which lasts as long as this: with the addresses of what it exports."""

    def __init__(
        self,
        objects: Sequence[bytes],
        exports: Sequence[str],
        imports: Mapping[str, int],
    ) -> None:
        builder = llvm.JITLibraryBuilder().add_current_process()
        for data in [*objects, *half_conversions()]:
            builder.add_object_img(data)
        for name, address in imports.items():
            builder.import_symbol(name, address)
        for name in exports:
            builder.export_symbol(name)
        number = next(_numbers)
        self._loaded = builder.link(linker(number), f"symnet{number}")
        self.addresses = [int(self._loaded[name]) for name in exports]

    def __del__(self) -> None:
        # (At the end of the interpreter the module's names are gone.)
        if hasattr(self, "_loaded") and _unneeded is not None:
            _unneeded.append(self._loaded)


# Code to be unloaded, by the next that is loaded.  Not at once, on whatever thread the
# last reference has gone: a signal's handler may come between two steps of that.
_unneeded: list[llvm.ResourceTracker] = []


@on_compiler_thread
def load_objects(
    objects: Sequence[bytes],
    exports: Sequence[str],
    imports: Mapping[str, int] | None = None,
    again: Callable[[], Sequence[bytes]] | None = None,
) -> Library:
    """Link object files together; the code with the functions named in `exports`.

    `imports` gives addresses of functions that the code calls; what is in the process
    (libc, libm) is found by itself.  `again` makes the objects anew, where what was read
    from disk turns out not to fit.

    Raises: RuntimeError where a symbol is missing.
    """
    _unneeded.clear()
    try:
        return Library(objects, exports, imports or {})
    except RuntimeError:
        if again is None:
            raise
        return Library(again(), exports, imports or {})


@cache
def source_digest(*files: str) -> str:
    """A name for the present text of source files, for keys of what they generate."""
    text = hashlib.sha256()
    for file in files:
        text.update(Path(file).read_bytes())
    return text.hexdigest()
