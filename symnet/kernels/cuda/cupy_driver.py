"""A GPU of NVIDIA's, by CuPy: memory, modules, copies, cuBLAS.

Written from CuPy's documentation and sources; it has not run on a GPU yet.  Everything goes
by the null stream of its GPU, in order.  CuPy is imported when a GPU is first needed.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from hashlib import sha256
from importlib import import_module
from typing import Any

import numpy as np

from symnet.data_classes import dataclass
from symnet.kernels.cuda.array_routines import ArrayLibrary
from symnet.kernels.cuda.cublas import (
    WORKSPACE,
    Cublas,
    CublasProduct,
    library,
    missing_products,
)
from symnet.kernels.cuda.cuda_graphs import (
    Captures,
    CudaGraph,
    KernelArguments,
    error_name,
    missing_graphs,
)
from symnet.kernels.cuda.driver import (
    MOST_POINTERS,
    Allocation,
    GpuLaunch,
    ThreadCode,
    no_gpu,
)
from symnet.kernels.llvm.kernel_cache import generator
from symnet.kernels.llvm.object_code import object_code
from symnet.kernels.llvm.ptx import ptx
from symnet.kernels.llvm.target import PTX_OF_ARCHITECTURE, Target, nvptx_target
from symnet.kernels.llvm.thread_sources import ThreadSource
from symnet.kernels.memory import NoRoom
from symnet.lazy import cached_property
from symnet.recent import Recent

INSTALL = "pip install symnet[gpu]"
# Bytes of pageable memory that the driver takes over before a copy returns, and that need not
# wait for what was launched before.  Source: "CUDA Driver API", API synchronization behavior.
STAGED = 64 << 10
# What CuPy loads libraries of NVIDIA's by.
LIBRARIES = {
    "linalg": ("cupyx.cusolver", "cupyx.scipy.linalg"),
    "fft": ("cupy.cuda.cufft",),
}
KEPT = 1024  # kernels that stay though no plan needs them any more


@cache
def missing(number: int = 0) -> str:
    """What there is not of all that the GPU of a number needs; empty where it can be used."""
    try:
        import cupy
    except ImportError as error:
        return f"CuPy cannot be imported ({error}); {INSTALL}"
    if not cupy.is_available():
        return (
            "CuPy finds no GPU of NVIDIA's, or no driver for one (for a driver of CUDA 12: "
            "pip install symnet[gpu12])"
        )
    try:
        nvptx_target(architecture(cupy.cuda.Device(number).compute_capability))
    except (ValueError, RuntimeError) as error:
        return str(error)
    return ""


def number_of_gpus() -> int:
    """How many GPUs CuPy sees; 0 where it is not there, or sees none."""
    try:
        import cupy
    except ImportError:
        return 0
    return int(cupy.cuda.runtime.getDeviceCount()) if cupy.is_available() else 0


def architecture(capability: str) -> str:
    """The newest architecture of which there is code and which a GPU of this compute
    capability runs.

    Raises: ValueError where the GPU is older than all of them.
    Example: `architecture("86")` is "sm_86".
    """
    known = {int(name[3:]): name for name in PTX_OF_ARCHITECTURE}
    fitting = [number for number in known if number <= int(capability)]
    if not fitting:
        raise ValueError(
            f"the GPU has compute capability {capability}; there is code for "
            f"{min(known)} and newer"
        )
    return known[max(fitting)]


class OnGpu:
    """Within the `with` block a GPU is the current one of this thread, afterwards the one that
    was it before.

    CuPy's own `Device` does so, too, but in some versions its objects note what was before
    in one list for all threads.
    """

    __slots__ = ("runtime", "number", "before")

    def __init__(self, runtime: Any, number: int) -> None:
        self.runtime, self.number = runtime, number

    def __enter__(self) -> None:
        self.before = self.runtime.getDevice()
        # Also where it is the same: the driver's own functions want a context, which a new
        # thread does not have.
        self.runtime.setDevice(self.number)

    def __exit__(self, *_: object) -> None:
        if self.before != self.number:
            self.runtime.setDevice(self.before)


class LoadedModule:
    """A module of CuPy's.  It goes on its own GPU, whichever the current one is then."""

    def __init__(self, module: Any, use: Callable[[], OnGpu]) -> None:
        self.module, self.use = module, use

    def __del__(self) -> None:
        if sys.is_finalizing():
            return  # all of the GPU's memory goes with the process
        with self.use():
            self.module = None


@dataclass(frozen=True, slots=True)
class LoadedFunction:
    """A function of a module by its address, for as long as this lives."""

    ptr: int
    name: str
    module: LoadedModule


class CupyAllocation:
    """Memory of CuPy's pool for one GPU; it goes back there from any thread."""

    def __init__(self, pointer: Any, size: int) -> None:
        self.pointer, self.size = pointer, size
        self.address = int(pointer.ptr)


@cache
def lacking(part: str) -> bool:
    """Whether "linalg" or "fft" cannot be used for want of a library of NVIDIA's: cuSOLVER,
    cuFFT."""
    try:
        for module in LIBRARIES[part]:
            import_module(module)
    except ImportError:
        return True
    return False


def strict() -> Any:
    """A context in which CuPy looks at what cuSOLVER says of a matrix."""
    import cupyx

    return cupyx.errstate(linalg="raise")


def solve_triangular(a: Any, b: Any, lower: bool) -> Any:
    from cupyx.scipy import linalg

    return linalg.solve_triangular(a, b, lower=lower)


class CupyDriver:
    """See `kernels.cuda.driver.Driver`.  ordinal: the GPU's number, as CuPy counts
    them.

    Raises: RuntimeError where there is no GPU, with what is missing.
    """

    def __init__(self, ordinal: int = 0) -> None:
        if why := missing(ordinal):
            raise RuntimeError(no_gpu(why))
        import cupy

        self.xp, self.ordinal = cupy, ordinal
        # Of the runtime, not of this: what goes last must not keep this alive.
        self.use = partial(OnGpu, cupy.cuda.runtime, ordinal)
        capability = cupy.cuda.Device(ordinal).compute_capability
        self.target: Target = nvptx_target(architecture(capability))
        self._known: Recent[str, ThreadCode] = Recent(KEPT)
        with self.use():
            self._zeros = self.allocate(8 * MOST_POINTERS)
            self.write(self._zeros, np.zeros(MOST_POINTERS, np.int64))
        self.still = self._zeros.address
        self.captures = Captures()

    def allocate(self, size: int) -> Allocation:
        try:
            # What CuPy's pool keeps for later has been given back before this fails.
            return CupyAllocation(self.xp.cuda.alloc(max(size, 1)), size)
        except self.xp.cuda.memory.OutOfMemoryError as error:
            raise NoRoom(f"there is no memory left on the GPU ({error})") from None

    def view(
        self,
        memory: Any,
        offset: int,
        dtype: str,
        shape: Sequence[int],
        strides: Sequence[int] | None,
    ) -> Any:
        where = memory.pointer + offset
        return self.xp.ndarray(tuple(shape), dtype, where, strides)

    def number(self, array: Any) -> Any:
        return self.xp.asnumpy(array)[()]

    def write(self, memory: Any, array: np.ndarray[Any, Any]) -> None:
        where = ctypes.c_void_p(array.ctypes.data)
        if array.nbytes <= STAGED:
            memory.pointer.copy_from_host_async(
                where, array.nbytes, self.xp.cuda.Stream.null
            )
        else:
            memory.pointer.copy_from_host(where, array.nbytes)

    def read(self, memory: Any, array: np.ndarray[Any, Any]) -> None:
        memory.pointer.copy_to_host(ctypes.c_void_p(array.ctypes.data), array.nbytes)

    def copy(self, target: Any, source: Any) -> None:
        target.pointer.copy_from_device(source.pointer, source.size)

    def compile(self, sources: Sequence[ThreadSource]) -> Sequence[ThreadCode]:
        """Raises: NotImplementedError for a function without code on a GPU."""
        return [self._code(source) for source in sources]

    def _code(self, source: ThreadSource) -> ThreadCode:
        known = self._known.get(source.text)
        return known or self._known.add(source.text, self._loaded(source))

    def _loaded(self, source: ThreadSource) -> ThreadCode:
        name, text = ptx_of(source, self.target)
        module = self.xp.cuda.function.Module()
        module.load(text)
        owner = LoadedModule(module, self.use)
        functions = (
            LoadedFunction(module.get_function(one).ptr, one, owner)
            for one in source.names(name)
        )
        return ThreadCode(tuple(functions), owner)

    def launch(self, launch: GpuLaunch) -> None:
        given, grid = KernelArguments(launch), launch.grid
        # The numbers are copied before this returns.
        self.xp.cuda.driver.launchKernel(
            launch.function.ptr, grid.blocks, 1, 1, grid.threads, 1, 1,
            0, 0, given.address, 0,
        )  # fmt: skip

    @cached_property
    def arrays(self) -> ArrayLibrary:
        return ArrayLibrary(self.xp, strict, solve_triangular, lacking)

    @property
    def graphless(self) -> str:
        return missing_graphs()

    def record(self, launches: Sequence[GpuLaunch | CublasProduct]) -> CudaGraph:
        return CudaGraph(
            [
                partial(self.cublas.multiply, one)
                if isinstance(one, CublasProduct)
                else (one.function.ptr, one)
                for one in launches
            ],
            self.captures,
            self.use,
        )

    def replay(self, recording: CudaGraph) -> Iterator[int]:
        return recording.launch()

    def refused(self, code: int) -> None:
        raise RuntimeError(f"the CUDA driver did not begin a graph: {error_name(code)}")

    @property
    def productless(self) -> str:
        return missing_products()

    @cached_property
    def cublas(self) -> Cublas:
        return Cublas(library(), self.allocate(WORKSPACE), self.use)

    def multiply(self, product: CublasProduct) -> None:
        self.cublas.multiply(product)

    def mark(self) -> Any:
        event = self.xp.cuda.Event()
        event.record()
        return event

    def nanoseconds(self, first: Any, last: Any) -> int:
        last.synchronize()
        return int(1e6 * self.xp.cuda.get_elapsed_time(first, last))

    def description(self) -> str:
        name = self.xp.cuda.runtime.getDeviceProperties(self.ordinal)["name"].decode()
        by = "CuPy" if self.productless else "cuBLAS"
        return f"{name}, code for {self.target.cpu}, products by {by}"

    def text(self, source: ThreadSource, form: str) -> str:
        module = source.emit(self.target)
        return module if form == "llvm" else ptx(module, self.target)


def ptx_of(source: ThreadSource, target: Target) -> tuple[str, bytes]:
    """The name of the first function and the PTX, from the cache on disk if it is there."""
    key = f"{target.cpu}\n{generator()}\n{source.text}"
    name = f"kernel_{sha256(key.encode()).hexdigest()[:32]}"

    def build() -> bytes:
        return ptx(source.emit(target, name), target).encode()

    return name, object_code(f"ptx {key}", build)


__all__ = [
    "INSTALL",
    "CupyDriver",
    "architecture",
    "missing",
    "number_of_gpus",
    "ptx_of",
]
