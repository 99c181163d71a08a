"""Kernels as machine code: compiled once, shared in the process, kept on disk."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from symnet.kernels import layout, loops, math
from symnet.kernels.layout import Variant
from symnet.kernels.llvm.emit import emit
from symnet.kernels.llvm.machine import in_threads, machine
from symnet.kernels.llvm.native import Native, compile_jobs
from symnet.kernels.llvm.objects import (
    Routine,
    cached_object,
    load_objects,
    made_object,
    source_digest,
    statistics,
)
from symnet.kernels.llvm.points import external_symbol
from symnet.kernels.loops import Kernel
from symnet.kernels.math import external_address

__all__ = ["Code", "compile_kernels", "statistics"]


class Code(NamedTuple):
    """Addresses of a kernel and, for lanes "parts", of its second function (or 0)."""

    address: int
    combine: int


_known: dict[tuple[str, Variant], Code] = {}


@cache
def generator() -> str:
    """A name for the code generator as it is now."""
    folders = [Path(__file__).parent, Path(math.__file__).parent]
    files = [path for folder in folders for path in sorted(folder.glob("*.py"))]
    return source_digest(layout.__file__, loops.__file__, *map(str, files))


def compile_kernels(
    requests: Sequence[tuple[Kernel, Variant]],
    others: Collection[Native[Any] | Routine] = (),
) -> list[Code]:
    """The code of each kernel variant, in order, compiling what is not yet known.

    others: functions that will be needed next; what is missing of them is compiled at the
    same time.
    Raises: NotImplementedError for an operation that has no machine code.
    """
    missing = {}
    for kernel, variant in requests:
        key = (kernel.text, variant)
        if key not in _known:
            missing[key] = kernel
    jobs = compile_jobs(others)
    if missing or jobs:
        load(missing, jobs)
    return [_known[kernel.text, variant] for kernel, variant in requests]


def load(
    missing: dict[tuple[str, Variant], Kernel], jobs: Sequence[Callable[[], None]]
) -> None:
    """Make or read object code, beside other jobs, then link all of it together."""
    start, before = perf_counter(), statistics.compiled
    # The long ones first, so that no thread has one left to do when the others are done.
    requests = sorted(missing, key=lambda request: -len(request[0]))
    parts = [Part(missing[request], request[1]) for request in requests]
    for part in parts:
        part.read()
    in_threads([*jobs, *(part.make for part in parts if not part.code)])
    made = perf_counter()
    needed = {name for part in parts for name in part.externals}
    imports = {external_symbol(name): external_address(name) for name in needed}
    exports = [name for part in parts for name in part.exports]
    addresses = iter(load_objects([part.code for part in parts], exports, imports))
    for request, part in zip(requests, parts, strict=True):
        _known[request] = Code(
            next(addresses), next(addresses) if len(part.exports) > 1 else 0
        )
    if statistics.compiled > before:
        statistics.compile_ms += (made - start) * 1e3
        start = made
    statistics.load_ms += (perf_counter() - start) * 1e3


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

    def make(self) -> None:
        self.take(made_object(self.key, self.build))

    def take(self, data: bytes) -> None:
        """The code lies behind a line with the names of the functions that it calls."""
        externals, _, self.code = data.partition(b"\n")
        self.externals = externals.decode().split()

    def build(self) -> bytes:
        text = emit(self.kernel, self.variant, self.name)
        externals = sorted(set(re.findall(external_symbol(r"(\w+)"), text)))
        return " ".join(externals).encode() + b"\n" + machine().compile(text)
