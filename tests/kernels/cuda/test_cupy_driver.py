"""What the driver for real GPUs asks of CuPy, by a stand-in with CuPy's functions over the
host's memory: sizes, addresses, parameters.  No GPU computes anything here."""

from __future__ import annotations

import ctypes
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from symnet.kernels.cuda import cuda_graphs, cupy_driver
from symnet.kernels.cuda.cublas import CublasProduct
from symnet.kernels.cuda.cupy_driver import CupyDriver, architecture, missing, ptx_of
from symnet.kernels.cuda.driver import MOST_BLOCKS, GpuLaunch, Grid, grid_for
from symnet.kernels.cuda.emulated_cublas import EmulatedCublas
from symnet.kernels.llvm.target import nvptx_target
from symnet.kernels.llvm.thread_sources import KernelSource
from tests.kernels.sample_kernels import SAMPLES


class Pointer:
    """A `cupy.cuda.MemoryPointer` over memory of the host."""

    def __init__(self, memory: np.ndarray, offset: int = 0) -> None:
        self.memory, self.offset = memory, offset
        self.ptr = memory.ctypes.data + offset

    def __add__(self, offset: int) -> Pointer:
        return Pointer(self.memory, self.offset + offset)

    def copy_from_host(self, where: ctypes.c_void_p, size: int) -> None:
        ctypes.memmove(self.ptr, where, size)

    def copy_from_host_async(self, where: Any, size: int, stream: Any) -> None:
        assert stream == "null"
        self.copy_from_host(where, size)

    def copy_to_host(self, where: ctypes.c_void_p, size: int) -> None:
        ctypes.memmove(where, self.ptr, size)

    def copy_from_device(self, source: Pointer, size: int) -> None:
        ctypes.memmove(self.ptr, source.ptr, size)


class Module:
    """A `cupy.cuda.function.Module`."""

    text = b""

    def load(self, text: bytes) -> None:
        self.text = text

    def get_function(self, name: str) -> Any:
        assert f".entry {name}(".encode() in self.text
        return SimpleNamespace(ptr=17, name=name)


class StandInEvent:
    """A `cupy.cuda.Event`."""

    at, waited = 0.0, False

    def record(self) -> None:
        assert self.at == 0.0

    def synchronize(self) -> None:
        self.waited = True


launched: list[tuple[Any, ...]] = []
used: list[int] = []  # devices that threads were given


def launch_kernel(function: int, *rest: int) -> None:
    *grid, shared, stream, parameters, extra = rest
    assert shared == stream == extra == 0
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
        return Pointer(whole[start : start + size])

    stand_in = SimpleNamespace(
        is_available=lambda: True,
        ndarray=ndarray,
        asnumpy=np.asarray,
        cuda=SimpleNamespace(
            Device=lambda number: SimpleNamespace(
                compute_capability="86", use=lambda: used.append(number)
            ),
            alloc=alloc,
            function=SimpleNamespace(Module=Module),
            driver=SimpleNamespace(launchKernel=launch_kernel),
            Event=StandInEvent,
            Stream=SimpleNamespace(null="null"),
            get_elapsed_time=lambda first, last: last.at - first.at,
            runtime=SimpleNamespace(
                getDeviceProperties=lambda n: {"name": b"Stand-in"}
            ),
        ),
    )
    monkeypatch.setitem(sys.modules, "cupy", stand_in)
    missing.cache_clear()
    yield stand_in
    missing.cache_clear()


def test_grids() -> None:
    assert grid_for(0) == grid_for(1) == Grid(1, 1)
    assert grid_for(1000) == Grid(8, 128)
    assert grid_for(10**9) == Grid(MOST_BLOCKS, 128)


def test_architectures() -> None:
    assert [architecture(c) for c in ("75", "86", "88", "90", "121")] == [
        "sm_75", "sm_86", "sm_87", "sm_90", "sm_120"
    ]  # fmt: skip
    with pytest.raises(ValueError, match="75 and newer"):
        architecture("61")


def test_memory(cupy: Any) -> None:
    driver = CupyDriver()
    one, other = driver.allocate(24), driver.allocate(24)
    driver.write(one, np.array([1.0, 2.0, 3.0]))
    driver.copy(other, one)
    found = np.zeros(3)
    driver.read(other, found)
    np.testing.assert_array_equal(found, [1, 2, 3])
    driver.use()
    assert used.pop() == 0
    view = driver.view(one, 16, "float64", (3,), (-8,))
    np.testing.assert_array_equal(view, [3, 2, 1])
    assert driver.number(driver.view(one, 8, "float64", (), None)) == 2
    assert driver.allocate(0).size == 0
    assert driver.description() == "Stand-in, code for sm_86, products by CuPy"


def test_times_are_those_of_events(cupy: Any) -> None:
    driver = CupyDriver()
    first, last = driver.mark(), driver.mark()
    first.at, last.at = 1.0, 1.5  # milliseconds
    assert driver.nanoseconds(first, last) == 500_000 and last.waited


def test_kernels_are_loaded_once_and_launched(cupy: Any) -> None:
    driver, sample = CupyDriver(), SAMPLES["whole_sum"]
    source = KernelSource(sample.kernel, sample.variant)
    (code,) = driver.compile([source])
    assert driver.compile([source])[0] is code
    first, second = (function.name for function in code.functions)
    assert second == f"{first}_combine"
    words = np.array([5, 6, 7, 8], np.int64)
    driver.launch(
        GpuLaunch(code.functions[0], Grid(2, 128), words, 200, 4096, driver.still)
    )
    numbers = ([5, 6, 7, 8], 200, 4096, driver.still)
    assert launched.pop() == (17, [2, 1, 1, 128, 1, 1], *numbers)
    assert list((ctypes.c_int64 * 500).from_address(driver.still)) == [0] * 500
    assert ".target sm_86" in driver.text(source, "asm")
    assert "ptx_kernel" in driver.text(source, "llvm")


def test_ptx_is_the_same_from_the_cache() -> None:
    sample, target = SAMPLES["softmax"], nvptx_target("sm_90")
    source = KernelSource(sample.kernel, sample.variant)
    name, text = ptx_of(source, target)
    assert ptx_of(source, target) == (name, text)
    other, _ = ptx_of(source, nvptx_target("sm_80"))
    assert f".entry {name}(".encode() in text and other != name


def test_what_is_missing(cupy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing() == ""
    for changed, text in (
        ({"is_available": lambda: False}, "finds no GPU"),
        ({"cuda": SimpleNamespace(Device=old_device)}, "compute capability 61"),
    ):
        for name, value in changed.items():
            monkeypatch.setattr(cupy, name, value)
        missing.cache_clear()
        assert text in missing()
        with pytest.raises(RuntimeError, match=text):
            CupyDriver()
        monkeypatch.undo()
        monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setitem(sys.modules, "cupy", None)
    missing.cache_clear()
    assert "CuPy cannot be imported" in missing() and cupy_driver.INSTALL in missing()


def old_device(number: int) -> Any:
    return SimpleNamespace(compute_capability="61")


# ---- graphs, by a stand-in for the driver's library


class Library:
    """The functions of `libcuda` that graphs are made by, which note what they are given."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.refuses = ""

    def __getattr__(self, name: str) -> Any:
        def function(*given: Any) -> int:
            note = vars(Library).get(f"note_{name}", lambda *_: ())
            self.calls.append((name, *note(self, *given)))
            return 1 if name == self.refuses else 0

        return function

    def note_cuGraphCreate(self, graph: Any, flags: int) -> tuple[Any, ...]:
        graph._obj.value = 5
        return (flags,)

    def note_cuStreamCreate(self, stream: Any, flags: int) -> tuple[Any, ...]:
        stream._obj.value = 8
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


def test_graphs_are_chains_of_kernels(cupy: Any, libcuda: Library) -> None:
    driver, launches = CupyDriver(), two_launches()
    assert driver.graphless == ""
    graph = driver.record(launches)
    names = [name for name, *_ in libcuda.calls]
    node = "cuGraphAddKernelNode_v2"
    assert names[0] == "cuCtxGetCurrent"
    assert names[1:] == ["cuGraphCreate", node, node, "cuGraphInstantiateWithFlags"]
    first, second = libcuda.calls[2:4]
    size = 72  # on 64-bit machines
    assert first[1:] == (5, [], 17, (1, 1, 128, 1), size, ([0, 6, 7, 8], 200, 40, 96))
    assert second[2] == [102] and second[6] == ([1, 6, 7, 8], 201, 40, 96)
    assert list(driver.replay(graph)) == [0, 0]
    assert [name for name, *_ in libcuda.calls[-2:]] == [
        "cuCtxSetCurrent",
        "cuGraphLaunch",
    ]
    assert libcuda.calls[-1] == ("cuGraphLaunch", 6, None)
    del graph
    assert [name for name, *_ in libcuda.calls[-2:]] == [
        "cuGraphExecDestroy",
        "cuGraphDestroy",
    ]


def test_a_graph_that_the_driver_refuses(libcuda: Library) -> None:
    libcuda.refuses = "cuGraphInstantiateWithFlags"
    with pytest.raises(RuntimeError, match="WithFlags .*CUDA_ERROR_INVALID_VALUE"):
        cuda_graphs.CudaGraph(
            [(17, one) for one in two_launches()], cuda_graphs.Capture
        )


# ---- products within graphs


class RecordedCublas(EmulatedCublas):
    """cuBLAS over the host's memory, which notes the streams that it works in."""

    def __init__(self) -> None:
        super().__init__(lambda where, size: True)
        self.streams: list[int] = []
        self.fails = False

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
        (1, 2, 1), (0, 0, 0), 1, False, (where, where + 16, where + 32),
    )  # fmt: skip


def test_products_are_children_of_graphs(
    cupy: Any, libcuda: Library, libcublas: RecordedCublas
) -> None:
    driver, memory = CupyDriver(), np.array([1.0, 2, 4, 8, 0])
    product, (first, second) = a_product(memory), two_launches()
    assert driver.description().endswith("products by cuBLAS")
    driver.multiply(product)
    assert memory[4] == 3 * (4 + 16) and libcublas.streams == [0]
    graph = driver.record([first, product, product, second])
    child, end = "cuGraphAddChildGraphNode", "cuStreamEndCapture"
    names = [name for name, *_ in libcuda.calls]
    capture = ["cuStreamBeginCapture_v2", end, child, "cuGraphDestroy"]
    node = "cuGraphAddKernelNode_v2"
    assert names == [
        "cuCtxGetCurrent", "cuGraphCreate", node, "cuStreamCreate", *capture, *capture,
        node, "cuGraphInstantiateWithFlags",
    ]  # fmt: skip
    one, other = (given for name, *given in libcuda.calls if name == child)
    assert one[:2] == [5, [102]] and other[1] == [206]  # each after the one before
    gone = [given for name, *given in libcuda.calls if name == "cuGraphDestroy"]
    assert gone == [[one[2]], [other[2]]] and one[2] != other[2]
    assert libcublas.streams == [0, 8, 8]  # captured in a stream of its own
    assert ("cuStreamCreate", 1) in libcuda.calls
    assert libcuda.calls[4] == ("cuStreamBeginCapture_v2", 8, 2)
    del graph


def test_a_capture_that_fails_is_ended(
    cupy: Any, libcuda: Library, libcublas: RecordedCublas
) -> None:
    driver = CupyDriver()
    libcublas.fails = True
    with pytest.raises(ValueError, match="no such product"):
        driver.record([a_product(np.zeros(5))])
    names = [name for name, *_ in libcuda.calls]
    assert names[-3:] == ["cuStreamEndCapture", "cuGraphDestroy", "cuGraphDestroy"]


def test_what_the_driver_did_not_begin(cupy: Any, libcuda: Library) -> None:
    driver = CupyDriver()
    libcuda.refuses = "cuGraphLaunch"
    (graph,) = [driver.record(two_launches())]
    codes = [code for code in driver.replay(graph) if code]
    with pytest.raises(RuntimeError, match="did not begin.*CUDA_ERROR_INVALID_VALUE"):
        driver.refused(codes[0])


def test_a_driver_without_graphs() -> None:
    if missing() == "":
        pytest.skip("there is a driver")
    assert "no CUDA graphs" in cuda_graphs.missing_graphs()
