"""This machine's processor in the place of a GPU, to test all that is above drivers by.

Memory is the host's, filled with NaN where nothing was written; a launch runs the threads
of its grid one after another, in one order or the other: threads that depend on each other
give different results then.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from hashlib import sha256
from operator import call
from time import perf_counter_ns
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from symnet.kernels.cuda.array_routines import ArrayLibrary
from symnet.kernels.cuda.cublas import Cublas, CublasProduct
from symnet.kernels.cuda.device_array import ALIGNMENT
from symnet.kernels.cuda.driver import MOST_POINTERS, GpuLaunch, ThreadCode
from symnet.kernels.cuda.emulated_cublas import EmulatedCublas
from symnet.kernels.llvm.compiler_thread import on_compiler_thread
from symnet.kernels.llvm.kernel_cache import generator
from symnet.kernels.llvm.machine import in_threads, machine
from symnet.kernels.llvm.object_code import load_objects, made_object, object_code
from symnet.kernels.llvm.target import Target, threads_on
from symnet.kernels.llvm.thread_sources import ThreadSource
from symnet.kernels.memory import NoRoom
from symnet.recent import Recent

Recording = tuple[GpuLaunch | CublasProduct, ...]
WORKSPACE = 256  # bytes; NumPy needs none
NOTHING = 0xFF  # NaN in every float
EMULATED_GPUS = 2  # one more than one, so that what takes several can be tried
KEPT = 256  # kernels that stay though no plan needs them any more
FUNCTION = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p,
    ctypes.c_int64, ctypes.c_int64, ctypes.c_int64,
)  # fmt: skip

# Calls a kernel's function once for each thread: the first, then `step` further each time.
GRID = """
define void @{name}_grid(
    ptr %words, i64 %end, ptr %failed, ptr %block,
    i64 %threads, i64 %first, i64 %step) {{
entry:
  br label %next
next:
  %thread = phi i64 [ %first, %entry ], [ %following, %next ]
  %done = phi i64 [ 0, %entry ], [ %more, %next ]
  call void @{name}(
    ptr %words, i64 %end, ptr %failed, ptr %block, i64 %thread, i64 %threads)
  %following = add i64 %thread, %step
  %more = add i64 %done, 1
  %again = icmp slt i64 %more, %threads
  br i1 %again, label %next, label %over
over:
  ret void
}}
"""


class HostAllocation:
    """Memory of the host that stands for a GPU's."""

    def __init__(self, size: int) -> None:
        self.size = size
        whole = np.full(max(size, 1) + ALIGNMENT, NOTHING, np.uint8)
        start = -int(whole.ctypes.data) % ALIGNMENT
        self.bytes = whole[start : start + max(size, 1)]
        self.address = int(self.bytes.ctypes.data)

    def __del__(self, nothing: int = NOTHING) -> None:
        self.bytes[:] = nothing  # who reads what is gone shall see it


class CurrentGpu(threading.local):
    """The number of the emulated GPU that is the current one of each thread."""

    number = 0


_current = CurrentGpu()


class OnEmulatedGpu:
    """Makes an emulated GPU the current one of this thread within a `with` block."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __enter__(self) -> None:
        self.before, _current.number = _current.number, self.number

    def __exit__(self, *_: object) -> None:
        _current.number = self.before


def solve_triangular(
    a: np.ndarray[Any, Any], b: np.ndarray[Any, Any], lower: bool
) -> np.ndarray[Any, Any]:
    """SciPy's, for each of a batch."""
    import scipy.linalg  # slow to import, and only needed here

    x = np.zeros_like(b)
    for place in np.ndindex(*a.shape[:-2]):
        x[place] = scipy.linalg.solve_triangular(
            a[place], b[place], lower=lower, check_finite=False
        )
    return x


class EmulatedDriver:
    """See `kernels.cuda.driver.Driver`.  ordinal: the GPU's number; backwards: whether
    the last thread comes first; room: how many bytes there are, 0 for as many as the host has.

    Raises: RuntimeError, as CUDA does or ought to, where another GPU is the thread's current
    one, or memory is another GPU's.
    """

    arrays = ArrayLibrary(np, nullcontext, solve_triangular)
    graphless = productless = ""

    def __init__(self, ordinal: int = 0) -> None:
        self.ordinal, self.backwards, self.room = ordinal, False, 0
        self._pieces: WeakValueDictionary[int, HostAllocation] = WeakValueDictionary()
        self._zeros = HostAllocation(8 * MOST_POINTERS)
        self._zeros.bytes[:] = 0
        self.still = self._zeros.address
        self.cublas = Cublas(EmulatedCublas(self._holds), HostAllocation(WORKSPACE))
        self._known: Recent[str, ThreadCode] = Recent(KEPT)

    @property
    def target(self) -> Target:
        return threads_on(machine().target)

    def use(self) -> OnEmulatedGpu:
        return OnEmulatedGpu(self.ordinal)

    def _here(self, *memories: Any) -> None:
        """Sees to it that this GPU is the current one, and memories are its own."""
        if _current.number != self.ordinal:
            raise RuntimeError(
                f"the emulated GPU {self.ordinal} is asked for something by a thread whose "
                f"current one is {_current.number}"
            )
        for one in memories:
            if self._pieces.get(one.address) is not one:
                raise RuntimeError(
                    f"memory that is not the emulated GPU {self.ordinal}'s"
                )

    def allocate(self, size: int) -> HostAllocation:
        self._here()
        used = sum(one.size for one in self._pieces.values()) if self.room else 0
        if self.room and used + size > self.room:
            raise NoRoom(
                f"there is no memory left on the emulated GPU ({size} bytes are asked for, "
                f"{used} of {self.room} are used)"
            )
        made = HostAllocation(size)
        self._pieces[made.address] = made
        return made

    def _holds(self, where: int, size: int) -> bool:
        """Whether so many bytes from an address on lie in one allocation."""
        return any(
            one.address <= where and where + size <= one.address + one.size
            for one in (*self._pieces.values(), self.cublas.workspace)
        )

    def view(
        self,
        memory: Any,
        offset: int,
        dtype: str,
        shape: Sequence[int],
        strides: Sequence[int] | None,
    ) -> np.ndarray[Any, Any]:
        """Raises: ValueError or TypeError where it is not all in the memory."""
        self._here(memory)
        if 0 in shape:
            return np.empty(shape, dtype)
        return np.ndarray(shape, dtype, memory.bytes, offset, strides)

    def number(self, array: np.ndarray[Any, Any]) -> Any:
        return array[()]

    def write(self, memory: Any, array: np.ndarray[Any, Any]) -> None:
        self._here(memory)
        memory.bytes[: array.nbytes] = array.reshape(-1).view(np.uint8)

    def read(self, memory: Any, array: np.ndarray[Any, Any]) -> None:
        self._here(memory)
        array.reshape(-1).view(np.uint8)[:] = memory.bytes[: array.nbytes]

    def copy(self, target: Any, source: Any) -> None:
        self._here(target, source)
        target.bytes[:] = source.bytes

    def compile(self, sources: Sequence[ThreadSource]) -> Sequence[ThreadCode]:
        """Raises: NotImplementedError for a function without code on a GPU."""
        self._here()
        return self._compiled(sources)

    @on_compiler_thread
    def _compiled(self, sources: Sequence[ThreadSource]) -> Sequence[ThreadCode]:
        found: dict[str, ThreadCode] = {}

        def make(source: ThreadSource) -> None:
            key = source.text
            found[key] = self._known.get(key) or self._made(source)

        in_threads([partial(make, source) for source in sources])
        return [self._known.add(k, found[k]) for k in (one.text for one in sources)]

    def _made(self, source: ThreadSource) -> ThreadCode:
        key = f"threads\n{GRID}\n{generator()}\n{source.text}"
        name = f"threads_{sha256(key.encode()).hexdigest()[:32]}"
        functions = source.names(name)

        def build() -> bytes:
            text = source.emit(self.target, name)
            return machine().compile(
                text + "".join(GRID.format(name=f) for f in functions)
            )

        library = load_objects(
            [object_code(key, build)],
            [f"{one}_grid" for one in functions],
            again=lambda: [made_object(key, build)],
        )
        return ThreadCode(tuple(map(FUNCTION, library.addresses)), library)

    def launch(self, launch: GpuLaunch) -> None:
        self._started(launch)()

    def multiply(self, product: CublasProduct) -> None:
        self._here()
        self.cublas.multiply(product)

    def _started(self, launch: GpuLaunch) -> Callable[[], Any]:
        self._here()
        threads = launch.grid.blocks * launch.grid.threads
        first, step = (threads - 1, -1) if self.backwards else (0, 1)
        words = launch.words.ctypes.data
        return partial(
            launch.function,
            words, launch.end, launch.failed, launch.block, threads, first, step,
        )  # fmt: skip

    def record(self, launches: Sequence[GpuLaunch | CublasProduct]) -> Recording:
        self._here()
        return tuple(
            one
            if isinstance(one, CublasProduct)
            else replace(one, words=one.words.copy())
            for one in launches
        )

    def replay(self, recording: Recording) -> Iterator[Any]:
        self._here()
        return map(
            call,
            [
                partial(self.cublas.multiply, one)
                if isinstance(one, CublasProduct)
                else self._started(one)
                for one in recording
            ],
        )

    def refused(self, code: int) -> None:
        raise RuntimeError(f"the emulated GPU refuses: {code}")

    def mark(self) -> int:
        self._here()
        return perf_counter_ns()

    def nanoseconds(self, first: int, last: int) -> int:
        return last - first

    def description(self) -> str:
        return "threads of a GPU, one after another on this processor"

    def text(self, source: ThreadSource, form: str) -> str:
        module = source.emit(self.target)
        return module if form == "llvm" else machine().assembly(module)


__all__ = ["EMULATED_GPUS", "EmulatedDriver"]
