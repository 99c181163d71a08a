"""Kernels as machine code: compiled once, shared in the process, kept on disk."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import llvmlite.binding as llvm

from symnet.kernels import layout, loops, math
from symnet.kernels.layout import Variant
from symnet.kernels.llvm.emit import emit
from symnet.kernels.llvm.machine import machine
from symnet.kernels.llvm.objects import (
    load_objects,
    object_code,
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


def compile_kernels(requests: Sequence[tuple[Kernel, Variant]]) -> list[Code]:
    """The code of each kernel variant, in order, compiling what is not yet known.

    Raises: NotImplementedError for an operation that has no machine code.
    """
    missing = {}
    for kernel, variant in requests:
        key = (kernel.text, variant)
        if key not in _known:
            missing[key] = kernel
    if missing:
        load(missing)
    return [_known[kernel.text, variant] for kernel, variant in requests]


def load(missing: dict[tuple[str, Variant], Kernel]) -> None:
    """Make or read object code, then link all of it together."""
    start, compiling = perf_counter(), statistics.compile_ms
    objects, exports, needed = [], [], set[str]()
    for (kernel_text, variant), kernel in missing.items():
        key = f"{generator()}\n{variant.text}\n{kernel_text}"
        name = f"kernel_{sha256(key.encode()).hexdigest()[:32]}"
        packed = object_code(key, partial(build, kernel, variant, name))
        externals, _, code = packed.partition(b"\n")
        needed.update(externals.decode().split())
        objects.append(code)
        exports.append(
            [name, f"{name}_combine"] if variant.lanes == "parts" else [name]
        )
    imports = {
        external_symbol(function): external_address(function) for function in needed
    }
    addresses = iter(
        load_objects(objects, [name for names in exports for name in names], imports)
    )
    for request, names in zip(missing, exports, strict=True):
        _known[request] = Code(
            next(addresses), next(addresses) if len(names) > 1 else 0
        )
    compiled = statistics.compile_ms - compiling
    statistics.load_ms += (perf_counter() - start) * 1e3 - compiled


def build(kernel: Kernel, variant: Variant, name: str) -> bytes:
    """Object code, after a line with the names of the functions that it calls."""
    start = perf_counter()
    module_text = emit(kernel, variant, name)
    externals = sorted(set(re.findall(external_symbol(r"(\w+)"), module_text)))
    with llvm.parse_assembly(module_text, llvm.create_context()) as module:
        module.verify()  # 0.1 ms; LLVM would end the process over wrong code
        code = machine().object_code(module)
    statistics.compile_ms += (perf_counter() - start) * 1e3
    return " ".join(externals).encode() + b"\n" + code
