"""CuPy, the CUDA driver's library and cuBLAS with two GPUs, over the host's memory: they note,
and see to, what a driver for real GPUs asks of them.  No GPU computes anything here."""

from __future__ import annotations

import ctypes
import sys
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from symnet.kernels.cuda import cuda_graphs, cupy_driver
from symnet.kernels.cuda.cublas import CublasProduct
from symnet.kernels.cuda.cupy_driver import missing
from symnet.kernels.cuda.driver import GpuLaunch, Grid
from symnet.kernels.cuda.emulated_cublas import EmulatedCublas


class Pointer:
    """A `cupy.cuda.MemoryPointer` over memory of the host.  gpu: whose it would be."""

    def __init__(self, memory: np.ndarray, offset: int = 0, gpu: int = 0) -> None:
        self.memory, self.offset, self.gpu = memory, offset, gpu
        self.ptr = memory.ctypes.data + offset

    def __add__(self, offset: int) -> Pointer:
        return Pointer(self.memory, self.offset + offset, self.gpu)

    def copy_from_host(self, where: ctypes.c_void_p, size: int) -> None:
        assert runtime.getDevice() == self.gpu  # by whose null stream it goes
        ctypes.memmove(self.ptr, where, size)

    def copy_from_host_async(self, where: Any, size: int, stream: Any) -> None:
        assert stream == "null"
        self.copy_from_host(where, size)

    def copy_to_host(self, where: ctypes.c_void_p, size: int) -> None:
        assert runtime.getDevice() == self.gpu
        ctypes.memmove(where, self.ptr, size)

    def copy_from_device(self, source: Pointer, size: int) -> None:
        assert runtime.getDevice() == self.gpu == source.gpu
        ctypes.memmove(self.ptr, source.ptr, size)


class Module:
    """A `cupy.cuda.function.Module`."""

    text = b""

    def load(self, text: bytes) -> None:
        self.text, self.gpu = text, runtime.getDevice()

    def get_function(self, name: str) -> Any:
        assert f".entry {name}(".encode() in self.text
        # CuPy's functions, too, hold their modules.
        return SimpleNamespace(ptr=17 + self.gpu, name=name, module=self)

    def __del__(self) -> None:
        unloaded.append((self.gpu, runtime.getDevice()))


class StandInEvent:
    """A `cupy.cuda.Event`."""

    at, waited = 0.0, False

    def record(self) -> None:
        assert self.at == 0.0

    def synchronize(self) -> None:
        self.waited = True


class Runtime(threading.local):
    """Of `cupy.cuda.runtime`: two GPUs, of which each thread has a current one."""

    current = 0

    def getDevice(self) -> int:
        return self.current

    def setDevice(self, number: int) -> None:
        assert number in (0, 1)
        self.current = number

    def getDeviceCount(self) -> int:
        return 2

    def getDeviceProperties(self, number: int) -> dict[str, bytes]:
        return {"name": [b"Stand-in", b"Another"][number]}


runtime = Runtime()
launched: list[tuple[Any, ...]] = []
# Of modules that went: their GPU, and the current one of the thread.
unloaded: list[tuple[int, int]] = []


def launch_kernel(function: int, *rest: int) -> None:
    *grid, shared, stream, parameters, extra = rest
    assert shared == stream == extra == 0
    assert function == 17 + runtime.getDevice()  # its module is this GPU's
    launched.append((function, grid, *read_back(parameters)))


def read_back(parameters: int) -> tuple[Any, ...]:
    """The words, and the other numbers of a launch."""
    pointers = (ctypes.c_void_p * 4).from_address(parameters)
    words = list((ctypes.c_int64 * 4).from_address(pointers[0]))
    end = ctypes.c_int64.from_address(pointers[1]).value
    failed = ctypes.c_uint64.from_address(pointers[2]).value
    return words, end, failed, ctypes.c_uint64.from_address(pointers[3]).value


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> Any:
    def ndarray(shape: Any, dtype: Any, memptr: Pointer, strides: Any) -> np.ndarray:
        return np.ndarray(shape, dtype, memptr.memory, memptr.offset, strides)

    def alloc(size: int) -> Pointer:
        whole = np.zeros(size + 256, np.uint8)
        start = -whole.ctypes.data % 256
        return Pointer(whole[start : start + size], gpu=runtime.getDevice())

    stand_in = SimpleNamespace(
        is_available=lambda: True,
        ndarray=ndarray,
        asnumpy=np.asarray,
        cuda=SimpleNamespace(
            Device=lambda number: SimpleNamespace(
                compute_capability=("86", "90")[number]
            ),
            alloc=alloc,
            function=SimpleNamespace(Module=Module),
            driver=SimpleNamespace(launchKernel=launch_kernel),
            Event=StandInEvent,
            Stream=SimpleNamespace(null="null"),
            get_elapsed_time=lambda first, last: last.at - first.at,
            runtime=runtime,
        ),
    )
    monkeypatch.setitem(sys.modules, "cupy", stand_in)
    missing.cache_clear()
    yield stand_in
    missing.cache_clear()
    assert runtime.getDevice() == 0


# ---- the driver's library


class Library:
    """The functions of `libcuda` that graphs are made by, which note what they are given."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.gpus: list[int] = []  # the current one of each call
        self.refuses = ""

    def __getattr__(self, name: str) -> Any:
        def function(*given: Any) -> int:
            self.gpus.append(runtime.getDevice())
            note = vars(Library).get(f"note_{name}", lambda *_: ())
            self.calls.append((name, *note(self, *given)))
            return 1 if name == self.refuses else 0

        return function

    def note_cuGraphCreate(self, graph: Any, flags: int) -> tuple[Any, ...]:
        graph._obj.value = 5
        return (flags,)

    def note_cuStreamCreate(self, stream: Any, flags: int) -> tuple[Any, ...]:
        made = sum(name == "cuStreamCreate" for name, *_ in self.calls)
        stream._obj.value = 8 + made
        return (flags,)

    def note_cuStreamBeginCapture_v2(self, stream: Any, mode: int) -> tuple[Any, ...]:
        return stream.value, mode

    def note_cuStreamEndCapture(self, stream: Any, graph: Any) -> tuple[Any, ...]:
        graph._obj.value = 30 + len(self.calls)
        return (stream.value,)

    def note_cuGraphAddChildGraphNode(
        self, node: Any, graph: Any, before: Any, count: int, child: Any
    ) -> tuple[Any, ...]:
        node._obj.value = 200 + len(self.calls)
        return graph.value, [before[k] for k in range(count)], child.value

    def note_cuGraphDestroy(self, graph: Any) -> tuple[Any, ...]:
        return (graph.value,)

    def note_cuGraphAddKernelNode_v2(
        self, node: Any, graph: Any, before: Any, count: int, wanted: Any
    ) -> tuple[Any, ...]:
        node._obj.value = 100 + len(self.calls)
        earlier = [before[k] for k in range(count)]
        kernel = wanted._obj
        size = ctypes.sizeof(kernel)
        grid = (kernel.grid_x, kernel.grid_y, kernel.block_x, kernel.block_z)
        assert kernel.shared_bytes == 0 and not kernel.extra and not kernel.context
        numbers = read_back(kernel.parameters)
        return graph.value, earlier, kernel.function, grid, size, numbers

    def note_cuGraphInstantiateWithFlags(
        self, executable: Any, graph: Any, flags: int
    ) -> tuple[Any, ...]:
        executable._obj.value = 6
        return graph.value, flags

    def note_cuGraphLaunch(self, executable: Any, stream: Any) -> tuple[Any, ...]:
        return executable.value, stream

    def note_cuGetErrorName(self, code: int, text: Any) -> tuple[Any, ...]:
        text._obj.value = b"CUDA_ERROR_INVALID_VALUE"
        return (code,)


@pytest.fixture
def libcuda(monkeypatch: pytest.MonkeyPatch) -> Library:
    library = Library()
    monkeypatch.setattr(cuda_graphs, "library", lambda: library)
    return library


def two_launches() -> list[GpuLaunch]:
    function = SimpleNamespace(ptr=17)
    return [
        GpuLaunch(function, Grid(k + 1, 128), np.array([k, 6, 7, 8]), 200 + k, 40, 96)
        for k in range(2)
    ]


# ---- cuBLAS


class RecordedCublas(EmulatedCublas):
    """cuBLAS over the host's memory, which notes the streams that it works in."""

    def __init__(self) -> None:
        super().__init__(lambda where, size: True)
        self.streams: list[int] = []
        self.gpus: list[int] = []  # the current one where handles come and go
        self.fails = False

    def _cublasCreate_v2(self, handle: Any) -> None:
        self.gpus.append(runtime.getDevice())
        super()._cublasCreate_v2(handle)

    def _cublasDestroy_v2(self, handle: int) -> None:
        self.gpus.append(runtime.getDevice())
        super()._cublasDestroy_v2(handle)

    def _ready(self, handle: int) -> None:
        super()._ready(handle)
        self.streams.append(self.handles[handle]["cublasSetStream_v2"][0])
        if self.fails:
            raise ValueError("no such product")


@pytest.fixture
def libcublas(monkeypatch: pytest.MonkeyPatch) -> RecordedCublas:
    library = RecordedCublas()
    monkeypatch.setattr(cupy_driver, "library", lambda: library)
    monkeypatch.setattr(cupy_driver, "missing_products", lambda: "")
    return library


def a_product(memory: np.ndarray) -> CublasProduct:
    where = memory.ctypes.data
    return CublasProduct(
        "float64", "float64", (1, 1, 2), (False, False), 3.0, 0.0,
        (1, 2, 1), (0, 0, 0), 1, "", (where, where + 16, where + 32),
    )  # fmt: skip
