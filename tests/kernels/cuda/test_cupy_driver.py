"""What the driver for real GPUs asks of CuPy, by a stand-in with CuPy's functions over the
host's memory: sizes, addresses, parameters.  No GPU computes anything here."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from symnet.kernels.cuda import cuda_graphs, cupy_driver
from symnet.kernels.cuda.cupy_driver import (
    CupyDriver,
    architecture,
    lacking,
    missing,
    ptx_of,
)
from symnet.kernels.cuda.driver import MOST_BLOCKS, GpuLaunch, Grid, grid_for
from symnet.kernels.llvm.target import nvptx_target
from symnet.kernels.llvm.thread_sources import KernelSource
from tests.kernels.cuda.cupy_stand_in import (
    Library,
    RecordedCublas,
    a_product,
    launched,
    two_launches,
)
from tests.kernels.sample_kernels import SAMPLES


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


# ---- graphs


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
            [(17, one) for one in two_launches()], cuda_graphs.Captures()
        )


# ---- products within graphs


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


def test_arrays(cupy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library of arrays: CuPy, with what cuSOLVER says of matrices looked at."""
    asked: list[Any] = []

    @contextmanager
    def errstate(**settings: Any) -> Iterator[None]:
        asked.append(settings)
        yield

    def solve(a: Any, b: Any, *, lower: bool) -> Any:
        return (a, b, lower)

    linalg = SimpleNamespace(solve_triangular=solve)
    scipy = SimpleNamespace(linalg=linalg)
    cupyx = SimpleNamespace(errstate=errstate, scipy=scipy)
    for name, module in (("cupyx", cupyx), ("cupyx.scipy", scipy)):
        monkeypatch.setitem(sys.modules, name, module)
    library = CupyDriver().arrays
    assert library.xp is cupy
    with library.strict():
        assert asked == [{"linalg": "raise"}]
    assert library.solve_triangular(1, 2, True) == (1, 2, True)


def test_libraries_that_are_not_there(
    cupy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a module of CuPy's cannot load its library, the routines are the host's."""
    there = {"cupyx.cusolver", "cupyx.scipy.linalg"}

    def load(name: str) -> None:
        if name not in there:
            raise ImportError(f"libcufft.so: cannot open ({name})")

    monkeypatch.setattr(cupy_driver, "import_module", load)
    lacking.cache_clear()
    library = CupyDriver().arrays
    assert library.lacks("fft") and not library.lacks("linalg")
    lacking.cache_clear()
    there.pop()
    assert library.lacks("linalg")
    lacking.cache_clear()
