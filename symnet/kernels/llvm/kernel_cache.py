"""Kernels as machine code: compiled once, shared in the process, kept on disk."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import field
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from symnet.data_classes import dataclass
from symnet.kernels import variants
from symnet.kernels.cpu.jit.native import Native, compile_jobs
from symnet.kernels.llvm.compiler_thread import on_compiler_thread
from symnet.kernels.llvm.emitted_function import EmittedFunction
from symnet.kernels.llvm.external_calls import external_symbol
from symnet.kernels.llvm.machine import in_threads, machine, thread_count
from symnet.kernels.llvm.object_code import (
    Library,
    cached_object,
    load_objects,
    made_object,
    source_digest,
    statistics,
)
from symnet.kernels.llvm.text import joined
from symnet.kernels.loopir import math, scalars
from symnet.kernels.loopir.math import external_address
from symnet.kernels.loopir.scalars import Kernel
from symnet.kernels.variants import Variant
from symnet.lazy import imported_when_called
from symnet.recent import Recent

if TYPE_CHECKING:
    from symnet.kernels.llvm.emit import emit
else:  # not needed for code that is on disk
    emit = imported_when_called("symnet.kernels.llvm.emit", "emit")

__all__ = ["Code", "compile_kernels", "statistics"]


@dataclass(frozen=True)
class Code:
    """Addresses of a kernel and, for lanes "parts", of its second function (or 0): who
    uses them holds this, and with it the library in which the code lies."""

    address: int
    combine: int
    library: Library = field(compare=False, repr=False)


KEPT = 256  # kernels that stay though no plan needs them any more
_known: WeakValueDictionary[tuple[str, Variant], Code] = WeakValueDictionary()
_recent: Recent[tuple[str, Variant], Code] = Recent(KEPT)


@cache
def generator() -> str:
    """A name for the code generator as it is now."""
    folders = [Path(__file__).parent, Path(math.__file__).parent]
    files = [path for folder in folders for path in sorted(folder.glob("*.py"))]
    return source_digest(variants.__file__, scalars.__file__, *map(str, files))


def compile_kernels(
    requests: Sequence[tuple[Kernel, Variant]],
    others: Collection[Native[Any] | EmittedFunction] = (),
) -> list[Code]:
    """The code of each kernel variant, in order, compiling what is not yet known.

    others: functions that will be needed next; what is missing of them is compiled at the
    same time.
    Raises: NotImplementedError for an operation that has no machine code.
    """
    keys = [(kernel.text, variant) for kernel, variant in requests]
    found = {key: _known.get(key) for key in keys}
    missing = {
        key: kernel for key, (kernel, _) in zip(keys, requests) if not found[key]
    }
    jobs = compile_jobs(others)
    if missing or jobs:
        found.update(load(missing, jobs))
    return [_recent.add(key, code) for key in keys if (code := found[key])]


@on_compiler_thread
def load(
    missing: dict[tuple[str, Variant], Kernel], jobs: Sequence[Callable[[], None]]
) -> dict[tuple[str, Variant], Code]:
    """Make or read object code, beside other jobs, then link all of it together."""
    start, before = perf_counter(), statistics.compiled
    # The long ones first, so that no thread has one left to do when the others are done.
    requests = sorted(missing, key=lambda request: -len(request[0]))
    parts = [Part(missing[request], request[1]) for request in requests]
    for part in parts:
        part.read()
    groups = dealt([part for part in parts if not part.code], thread_count())
    in_threads([*(partial(make, group) for group in groups), *jobs])
    made = perf_counter()
    try:
        library = link(parts)
    except (RuntimeError, KeyError):  # what was read from disk does not fit after all
        in_threads([partial(make, [part]) for part in parts])
        library = link(parts)
    addresses = iter(library.addresses)
    codes = {}
    for request, part in zip(requests, parts, strict=True):
        both = [next(addresses) for _ in part.exports]
        codes[request] = Code(both[0], both[1] if len(both) > 1 else 0, library)
    _known.update(codes)
    if statistics.compiled > before:
        statistics.compile_ms += (made - start) * 1e3
        start = made
    statistics.load_ms += (perf_counter() - start) * 1e3
    return codes


def link(parts: Sequence[Part]) -> Library:
    """The code of all parts, loaded, with their functions in order.

    Raises: RuntimeError, KeyError where one names what there is not."""
    needed = {name for part in parts for name in part.externals}
    imports = {external_symbol(name): external_address(name) for name in needed}
    exports = [name for part in parts for name in part.exports]
    objects = list(dict.fromkeys(part.code for part in parts))
    return load_objects(objects, exports, imports)


class Part:
    """One variant of a kernel on the way to object code."""

    def __init__(self, kernel: Kernel, variant: Variant) -> None:
        self.kernel, self.variant = kernel, variant
        self.key = f"{generator()}\n{variant.text}\n{kernel.text}"
        self.name = f"kernel_{sha256(self.key.encode()).hexdigest()[:32]}"
        combine = [f"{self.name}_combine"] if variant.lanes == "parts" else []
        self.exports = [self.name, *combine]
        self.externals: list[str] = []
        self.code = b""

    def read(self) -> None:
        data = cached_object(self.key)
        if data is not None:
            self.take(data)

    def take(self, data: bytes) -> None:
        """The code lies behind a line with the names of the functions that it calls."""
        externals, _, self.code = data.partition(b"\n")
        self.externals = externals.decode(errors="replace").split()

    def text(self) -> str:
        return emit(self.kernel, self.variant, machine().target, self.name)


def dealt(parts: Sequence[Part], count: int) -> list[list[Part]]:
    """The parts, the longest first, in so many groups (or fewer) of about equal length."""
    groups = [list[Part]() for _ in range(min(count, len(parts)))]
    lengths = [0] * len(groups)
    for part in parts:
        least = lengths.index(min(lengths))
        groups[least].append(part)
        lengths[least] += len(part.kernel.text)
    return groups


def make(parts: Sequence[Part]) -> None:
    """Compile parts as one module: to begin one takes LLVM as long as a quarter of a kernel.

    Its code is written under the key of each; who reads several of them links it once.
    """
    text = joined([part.text() for part in parts])
    externals = sorted(set(re.findall(external_symbol(r"(\w+)"), text)))
    data = " ".join(externals).encode() + b"\n" + machine().compile(text)
    for part in parts:
        part.take(made_object(part.key, lambda: data))
