"""A GPU's own code, run without one: each of its threads is one of Python's, and what only a
GPU has (numbers of threads, exchanges within a warp) are functions of Python's.

Slow: for small grids.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.kernels.llvm.emit import emit
from symnet.kernels.llvm.machine import machine
from symnet.kernels.llvm.object_code import load_objects
from symnet.kernels.llvm.target import nvptx_target
from symnet.kernels.llvm.thread_sources import KernelSource
from symnet.kernels.loopir.scalars import Kernel
from symnet.kernels.schedule import Schedule
from symnet.kernels.variants import WARP

I32 = ctypes.c_int32
KERNEL = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p
)
STILL = np.zeros(500, np.int64)  # what pointers are moved by
EXCHANGE = ctypes.CFUNCTYPE(I32, I32, I32, I32, I32)
MEET = ctypes.CFUNCTYPE(None, I32)
NUMBER = ctypes.CFUNCTYPE(I32)


class Threads:
    """One block of so many warps."""

    def __init__(self, warps: int) -> None:
        self.count = warps * WARP
        self.mine = threading.local()
        self.barriers = [threading.Barrier(WARP) for _ in range(warps)]
        self.slots = [0] * self.count
        numbers = {"tid": self.number, "ntid": lambda: self.count}
        numbers |= {"ctaid": lambda: 0, "nctaid": lambda: 1}
        self.functions: dict[str, Any] = {
            f"gpu_sreg_{name}_x": NUMBER(value) for name, value in numbers.items()
        }
        self.functions["gpu_shfl"] = EXCHANGE(self.exchange)
        self.functions["gpu_take"] = EXCHANGE(self.take)
        self.functions["gpu_meet"] = MEET(self.meet)

    def number(self) -> int:
        return int(self.mine.number)

    def exchange(self, everybody: int, value: int, distance: int, last: int) -> int:
        return self.found(everybody, value, self.number() ^ distance, last)

    def take(self, everybody: int, value: int, lane: int, last: int) -> int:
        return self.found(everybody, value, self.number() // WARP * WARP + lane, last)

    def found(self, everybody: int, value: int, other: int, last: int) -> int:
        """The value that another thread of the warp gives at the same time."""
        assert everybody == -1 and last == WARP - 1
        self.slots[self.number()] = value
        self.meet(everybody)
        found = self.slots[other]
        self.meet(everybody)
        return found

    def meet(self, everybody: int) -> None:
        self.barriers[self.number() // WARP].wait(timeout=20)

    def run(self, address: int, words: Any, end: int, failed: Any, order: int) -> None:
        def one(number: int) -> None:
            self.mine.number = number
            KERNEL(address)(
                words.ctypes.data, end, failed.ctypes.data, STILL.ctypes.data
            )

        threads = [threading.Thread(target=one, args=(k,)) for k in range(self.count)]
        for thread in threads[::order]:
            thread.start()
        for thread in threads:
            thread.join()


def as_host_code(text: str) -> str:
    """A module for a GPU with functions in the place of its own instructions."""
    text = text.replace("define ptx_kernel void", "define void")
    for name in ("tid", "ctaid", "ntid", "nctaid"):
        text = text.replace(f"llvm.nvvm.read.ptx.sreg.{name}.x", f"gpu_sreg_{name}_x")
    text = text.replace("llvm.nvvm.shfl.sync.bfly.i32", "gpu_shfl")
    text = text.replace("llvm.nvvm.shfl.sync.idx.i32", "gpu_take")
    text = text.replace("llvm.nvvm.bar.warp.sync", "gpu_meet")
    start = text.find("ptr byval([")
    while start >= 0:  # the words are read where they lie
        end = text.index("align 8", start) + len("align 8")
        text = text[:start] + "ptr" + text[end:]
        start = text.find("ptr byval([")
    return text


def run_warps(
    kernel: Kernel, schedule: Schedule, arrays: Sequence[Any], order: int = 1
) -> None:
    """Run a kernel's code for a GPU on arrays, by two warps.

    Raises: IndexError where a computed position is outside its array."""
    names = KernelSource(kernel, schedule.variant).names("warps")
    text = as_host_code(emit(kernel, schedule.variant, nvptx_target("sm_90"), "warps"))
    threads = Threads(2)
    addresses = {
        name: ctypes.cast(function, ctypes.c_void_p).value or 0
        for name, function in threads.functions.items()
        if f"@{name}(" in text
    }
    library = load_objects([machine().compile(text)], names, addresses)
    words, failed = np.array(schedule.words, np.int64), np.zeros(1, np.int32)
    for slot, array in zip(schedule.pointer_slots, arrays, strict=True):
        words[slot] = array.ctypes.data
    scratch = np.full(schedule.scratch_bytes, 0xAB, np.uint8)
    if schedule.scratch_bytes:
        words[schedule.scratch_slot] = scratch.ctypes.data
    for address in library.addresses:
        threads.run(address, words, schedule.total, failed, order)
    if failed[0]:
        raise IndexError("a computed position is outside its array")
