"""Functions that tests write line by line, compiled and called."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from symnet.kernels.llvm.function_writer import FunctionWriter
from symnet.kernels.llvm.machine import machine
from symnet.kernels.llvm.object_code import load_objects
from symnet.kernels.llvm.text import Module

FUNCTION = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64
)
HEAD = "define i64 @written(ptr %words, i64 %begin, i64 %end)"


def writer() -> FunctionWriter:
    return FunctionWriter(Module(machine().target))


def call(
    write: Callable[[FunctionWriter], str],
    words: Any = (),
    begin: int = 0,
    end: int = 0,
) -> int:
    """What the function returns of which `write` gives the last value (an i64)."""
    return compiled(write)(words, begin, end)


def compiled(write: Callable[[FunctionWriter], str]) -> Callable[..., int]:
    own = writer()
    own.finish(HEAD, f"ret i64 {write(own)}")
    library = load_objects([machine().compile(own.module.text())], ["written"])

    def run(
        words: Any = (), begin: int = 0, end: int = 0, library: Any = library
    ) -> int:
        block = np.array([*words, 0], np.int64)
        return int(FUNCTION(library.addresses[0])(block.ctypes.data, begin, end))

    return run
