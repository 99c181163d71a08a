"""What the device for GPUs needs of whoever drives one.

Two do so: `cupy_driver` a GPU of NVIDIA's, `emulated_driver` this machine's processor in
the place of one.  Everything above (memory, planning, launches, library calls) is the same
for both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np

from symnet.data_classes import dataclass
from symnet.errors import message
from symnet.kernels.cuda.array_routines import ArrayLibrary
from symnet.kernels.cuda.cublas import CublasProduct
from symnet.kernels.llvm.thread_sources import ThreadSource

Words = np.ndarray[Any, np.dtype[np.int64]]

THREADS = 128  # of a block
MOST_POINTERS = 512  # of a launch, whose parameters have fewer words
# More blocks than the largest GPUs run at once; beyond, threads take several points.
MOST_BLOCKS = 4096


class Allocation(Protocol):
    """A piece of a device's memory, which goes back with its last reference."""

    address: int
    size: int


@dataclass(frozen=True, slots=True)
class Grid:
    """So many blocks of so many threads."""

    blocks: int
    threads: int


def grid_for(points: int) -> Grid:
    """Enough threads for so many points, or as many as are worth while.

    Example: `grid_for(1000)` has eight blocks of 128 threads.
    """
    if points <= THREADS:
        return Grid(1, max(points, 1))
    return Grid(min(-(-points // THREADS), MOST_BLOCKS), THREADS)


@dataclass(frozen=True, slots=True)
class GpuLaunch:
    """A kernel's function with all that it is given: see `kernels.llvm.thread_items`.

    failed: the address of an int32; block: that of the words which its pointers are moved by.
    """

    function: Any
    grid: Grid
    words: Words
    end: int
    failed: int
    block: int


@dataclass(frozen=True)
class ThreadCode:
    """A kernel or draw, ready to be launched: its function, or, for lanes "parts", all.
    Whoever uses them holds `owner`, and with it the code."""

    functions: tuple[Any, ...]
    owner: Any


def no_gpu(why: str) -> str:
    """The text of an error: what there is not."""
    return message(
        f"there is no GPU that could be used: {why}",
        cure="choose device='cpu'; symnet.show_config() lists what there is",
    )


class Driver(Protocol):
    """Memory, code and launches of one GPU.  What was launched runs in the order of the
    launches; only `read` waits for it.

    Of several GPUs one is the current one of a thread, at first that of number 0.  All of
    this but texts wants its own to be that: it is called within `with driver.use():`.
    """

    still: int  # the address of zeros, as many as a launch may have pointers

    @property
    def arrays(self) -> ArrayLibrary:
        """The library of arrays that works on its memory."""

    @property
    def graphless(self) -> str:
        """Why launches cannot be recorded; empty where they can."""

    def use(self) -> AbstractContextManager[Any]:
        """Makes its GPU the current one of this thread, until the end of the block; then it
        is the one that it was before."""

    def allocate(self, size: int) -> Allocation:
        """New memory, of at least one byte.  Raises: NoRoom."""

    def view(
        self,
        memory: Allocation,
        offset: int,
        dtype: str,
        shape: Sequence[int],
        strides: Sequence[int] | None,
    ) -> Any:
        """An array of `arrays.xp` that lies in a piece of memory."""

    def number(self, array: Any) -> Any:
        """The only number of such an array, as NumPy's, when all before is done."""

    def write(self, memory: Allocation, array: np.ndarray[Any, Any]) -> None:
        """Bring an array without gaps from the host; it may be changed afterwards."""

    def read(self, memory: Allocation, array: np.ndarray[Any, Any]) -> None:
        """Bring numbers into an array of the host, when all that was launched is done."""

    def copy(self, target: Allocation, source: Allocation) -> None:
        """Copy the whole of a piece of memory to another."""

    def compile(self, sources: Sequence[ThreadSource]) -> Sequence[ThreadCode]:
        """Code of kernels and routines, from the cache where it is known."""

    @property
    def productless(self) -> str:
        """Why it cannot do a `CublasProduct`; empty where it can."""

    def launch(self, launch: GpuLaunch) -> None:
        """Begin a kernel's function."""

    def multiply(self, product: CublasProduct) -> None:
        """Begin a product."""

    def record(self, launches: Sequence[GpuLaunch | CublasProduct]) -> Any:
        """Launches and products as a graph, each after the one before; their words are
        copied."""

    def replay(self, recording: Any) -> Iterator[Any]:
        """What begins all of a graph when it is gone through: in one piece, without any
        Python code, where that is a real one.  It gives an error's number where the driver
        refuses, and then nothing has begun."""

    def refused(self, code: int) -> None:
        """Raises: RuntimeError with the name of an error of that number."""

    def mark(self) -> Any:
        """A moment behind all that was launched so far."""

    def nanoseconds(self, first: Any, last: Any) -> int:
        """From one moment to a later one, when both have come."""

    def description(self) -> str:
        """What runs, in words."""

    def text(self, source: ThreadSource, form: str) -> str:
        """The code, by `form` as "llvm" or "asm"."""


__all__ = [
    "Allocation",
    "Driver",
    "Grid",
    "GpuLaunch",
    "ThreadCode",
    "Words",
    "grid_for",
    "no_gpu",
]
