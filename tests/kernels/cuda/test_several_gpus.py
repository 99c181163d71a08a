"""Several GPUs in one process, each with memory, code and handles of its own: what is asked of
CuPy, by its stand-in, and whole functions on two emulated GPUs, which refuse what is done
while the other one is the current one of the thread."""

from __future__ import annotations

import gc
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.compile.refusals import HostFallback
from symnet.config import config, device_named
from symnet.environment import config_lines
from symnet.kernels import gpus
from symnet.kernels.cuda.cuda_graphs import Captures
from symnet.kernels.cuda.cupy_driver import CupyDriver, missing, number_of_gpus
from symnet.kernels.cuda.device_array import Transfers
from symnet.kernels.cuda.driver import GpuLaunch, Grid
from symnet.kernels.cuda.emulated_driver import EmulatedDriver, _current
from symnet.kernels.devices import get_device
from symnet.kernels.gpus import GPUS
from symnet.kernels.llvm.thread_sources import KernelSource
from symnet.kernels.memory import HOST
from tests.kernels.cuda.cupy_stand_in import (
    Library,
    RecordedCublas,
    Runtime,
    a_product,
    runtime,
    two_launches,
    unloaded,
)
from tests.kernels.programs import X, on, x
from tests.kernels.sample_kernels import SAMPLES


def in_a_thread(work: Callable[[], Any]) -> None:
    """Do it where the first GPU is the current one, as in every new thread."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


def test_a_gpu_is_the_current_one_only_within_its_block(cupy: Any) -> None:
    first, second = CupyDriver(0), CupyDriver(1)
    assert runtime.getDevice() == 0
    with second.use():
        assert runtime.getDevice() == 1
        with first.use(), second.use():
            assert runtime.getDevice() == 1
            in_a_thread(lambda: check(runtime.getDevice() == 0))
        assert runtime.getDevice() == 1
        with pytest.raises(ValueError), first.use():
            raise ValueError
        assert runtime.getDevice() == 1
    assert runtime.getDevice() == 0


def check(holds: bool) -> None:
    assert holds


def test_a_thread_without_a_context_gets_one(
    cupy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for the GPU that a new thread begins with: `setDevice` makes the context."""
    driver, asked = CupyDriver(), []
    monkeypatch.setattr(Runtime, "setDevice", lambda self, number: asked.append(number))
    with driver.use():
        assert asked == [0]
    assert asked == [0]


def test_each_gpu_has_code_of_its_own(cupy: Any) -> None:
    """Which goes when it is the current one, wherever the last of what holds it goes."""
    first, second = CupyDriver(0), CupyDriver(1)
    assert second.description() == "Another, code for sm_90, products by CuPy"
    source = KernelSource(SAMPLES["softmax"].kernel, SAMPLES["softmax"].variant)
    with second.use():
        (code,) = second.compile([source])
    with first.use():
        (other,) = first.compile([source])
    assert [one.functions[0].ptr for one in (other, code)] == [17, 18]
    launch = GpuLaunch(code.functions[0], Grid(1, 32), np.zeros(4, np.int64), 1, 0, 0)
    with second.use():
        second.launch(launch)
    with first.use(), pytest.raises(AssertionError):
        first.launch(launch)
    del launch
    assert ".target sm_90" in second.text(source, "asm")
    held = code.functions[0]
    unloaded.clear()
    del code, second
    gc.collect()
    assert unloaded == []
    del held
    gc.collect()
    assert unloaded == [(1, 1)]
    del other, first
    gc.collect()
    assert unloaded == [(1, 1), (0, 0)]


def test_each_gpu_has_memory_of_its_own(cupy: Any) -> None:
    drivers = [CupyDriver(0), CupyDriver(1)]

    def round_trip() -> None:
        for k, driver in enumerate(drivers):
            carrier = Transfers(lambda driver=driver: driver)  # type: ignore[misc]
            there = carrier.copied(carrier.send(np.arange(3.0) + k))
            carrier.write(there, carrier.fetch(there) * 2)
            assert there.allocation.pointer.gpu == k  # type: ignore[attr-defined]
            np.testing.assert_array_equal(
                carrier.fetch(there), 2 * (np.arange(3.0) + k)
            )

    round_trip()
    in_a_thread(round_trip)


def test_graphs_and_handles_belong_to_a_gpu(
    cupy: Any, libcuda: Library, libcublas: RecordedCublas
) -> None:
    driver, memory = CupyDriver(1), np.array([1.0, 2, 4, 8, 0])
    product, (first, second) = a_product(memory), two_launches()
    with driver.use():
        graph = driver.record([first, product, second])
        driver.multiply(product)
    assert set(libcuda.gpus) == {1} and set(libcublas.gpus) == {1}
    held = [graph]
    del graph
    in_a_thread(held.clear)
    del driver
    gc.collect()
    names = [name for name, *_ in libcuda.calls]
    assert names[-2:] == ["cuGraphExecDestroy", "cuGraphDestroy"]
    assert set(libcuda.gpus) == {1}
    # Two streams had handles, which have gone.
    assert libcublas.gpus == [1] * 4


def test_captures_at_once_are_of_different_streams(libcuda: Library) -> None:
    """Of another thread, or of a signal's handler, while one is going on."""
    captures, streams = Captures(), []

    def begin(stream: int) -> None:
        streams.append(stream)
        if len(streams) == 1:
            in_a_thread(lambda: captures.graph(streams.append))

    captures.graph(begin)
    made = [name for name, *_ in libcuda.calls].count("cuStreamCreate")
    assert made == 2 and len(set(streams)) == 2
    captures.graph(streams.append)
    with pytest.raises(ValueError):
        captures.graph(refuse)
    captures.graph(streams.append)
    assert [name for name, *_ in libcuda.calls].count("cuStreamCreate") == 2
    assert set(streams[2:]) <= set(streams[:2])


def refuse(stream: int) -> None:
    raise ValueError("no such product")


def test_gpus_that_are_missing(cupy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert number_of_gpus() == 2 and missing(1) == ""
    monkeypatch.setattr(
        cupy.cuda,
        "Device",
        lambda n: SimpleNamespace(compute_capability=("86", "61")[n]),
    )
    missing.cache_clear()
    assert missing(0) == "" and "compute capability 61" in missing(1)
    monkeypatch.setattr(cupy, "is_available", lambda: False)
    assert number_of_gpus() == 0
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert number_of_gpus() == 0


# ---- names


@pytest.mark.parametrize(
    ("given", "own"),
    [
        ("gpu", "cuda"), ("gpu0", "cuda"), ("cuda:0", "cuda"), ("gpu1", "cuda1"),
        ("cuda:12", "cuda12"), ("emulated0", "emulated"), ("emulated:1", "emulated1"),
    ],
)  # fmt: skip
def test_names_of_gpus(given: str, own: str) -> None:
    assert device_named(given) == own
    with config.change_flags(device=given):
        assert config.device == own
    assert x.transfer(given) is x


@pytest.mark.parametrize("name", ["gpu01", "cuda-1", "emulated-1", "cpu1", "gpux"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"there is no device '{name}'"):
        device_named(name)
    with pytest.raises(KeyError):
        GPUS[name]


def test_a_number_that_is_not_there() -> None:
    told = "none has the name 'emulated2'; there are emulated, emulated1"
    for ask in (
        lambda: get_device("emulated2"),
        lambda: on("emulated:2", [x], x),
        lambda: symnet.shared(X, target="emulated2"),
    ):
        with pytest.raises(RuntimeError, match=told):
            ask()
    with (
        config.change_flags(device="emulated2"),
        pytest.raises(RuntimeError, match="show_config"),
    ):
        symnet.shared(X)


def test_real_gpus_by_number(cupy: Any) -> None:
    assert get_device("gpu1") is GPUS["cuda1"]
    assert [*GPUS] == ["emulated", "emulated1", "cuda", "cuda1"]
    with pytest.raises(RuntimeError, match="'cuda2'; there are cuda, cuda1"):
        get_device("cuda2")
    cupy.is_available = lambda: False
    missing.cache_clear()
    assert [*GPUS] == ["emulated", "emulated1", "cuda"]
    with pytest.raises(RuntimeError, match="CuPy finds no GPU"):
        get_device("cuda1")


def test_all_are_listed() -> None:
    lines = [line.split(":")[0].strip() for line in config_lines()]
    first = lines.index("emulated")
    assert lines[first : first + 3] == ["emulated", "emulated1", "cuda"]


# ---- functions on two emulated GPUs


PAIRS = [
    pytest.param(("emulated", "emulated1"), marks=pytest.mark.emulated),
    pytest.param(("cuda", "cuda1"), marks=pytest.mark.gpu),
]


@pytest.fixture(params=PAIRS)
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Two GPUs of a kind.  Whatever a test calls, the thread's current one is the first."""
    for name in request.param:
        if why := GPUS[name].missing():
            pytest.skip(f"no {name}: {why}")
    yield request.param
    assert current_gpu(request.param) == 0


def current_gpu(pair: tuple[str, str]) -> int:
    driver: Any = GPUS[pair[0]].driver
    if isinstance(driver, EmulatedDriver):
        return _current.number
    return int(driver.xp.cuda.runtime.getDevice())


def trained(device: str, steps: int) -> tuple[Any, Any]:
    """A step with products, a minibatch by its index and updates; and its weights."""
    data = symnet.shared(np.arange(24.0).reshape(8, 3) / 24, "data", target=device)
    w = symnet.shared(np.full((3, 2), 0.5), "w", target=device)
    k = T.lscalar("k")
    cost = (T.tanh(T.dot(x, w)) ** 2).sum()
    step = on(
        device, [k], cost, updates=[(w, w - 0.1 * T.grad(cost, w))],
        givens={x: data[2 * k : 2 * k + 2]},
    )  # fmt: skip
    for number in range(steps):
        step(number % 4)
    return step, w


def reference(steps: int) -> np.ndarray:
    """The weights after so many steps, by NumPy."""
    data, w = np.arange(24.0).reshape(8, 3) / 24, np.full((3, 2), 0.5)
    for number in range(steps):
        rows = data[2 * (number % 4) : 2 * (number % 4) + 2]
        y = np.tanh(rows @ w)
        w = w - 0.1 * rows.T @ (2 * y * (1 - y**2))
    return w


def test_calls_by_turns_from_any_thread(pair: tuple[str, str]) -> None:
    """Begun step by step, recorded and replayed; values stay where they are."""
    programs = {device: trained(device, 0) for device in pair}
    for number in range(6):
        for device in pair[:: 1 if number % 2 else -1]:
            step, _ = programs[device]
            in_a_thread(lambda step=step, k=number % 4: step(k))  # type: ignore[misc]
    for device, (step, w) in programs.items():
        assert w.array.home is GPUS[device].transfers
        np.testing.assert_allclose(w.get_value(), reference(6), rtol=1e-13)
        assert step.device.name == device
        moved = step.profile(0, repeat=2).transfers
        assert moved.to_device.number == 0 and moved.to_host.bytes == 16


def test_threads_that_call_two_gpus_at_once(pair: tuple[str, str]) -> None:
    programs = [trained(device, 1) for device in pair]
    begin = threading.Barrier(2)

    def call(step: Any) -> None:
        begin.wait(timeout=60)
        for number in range(1, 9):
            step(number % 4)

    threads = [threading.Thread(target=call, args=(step,)) for step, _ in programs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _, w in programs:
        np.testing.assert_allclose(w.get_value(), reference(9), rtol=1e-13)


def test_each_has_its_own_memory_and_counts() -> None:
    first, second = (GPUS[name] for name in ("emulated", "emulated1"))
    driver: Any = second.driver
    values = np.arange(1000.0)
    before = first.transfers.traffic
    driver.room = 1
    try:
        kept = symnet.shared(values, target="emulated")
        with pytest.raises(MemoryError, match="no memory left"):
            symnet.shared(values, target="emulated1")
    finally:
        driver.room = 0
    assert (first.transfers.traffic - before).to_device.bytes == values.nbytes
    assert first.memory.holds(kept.array) and not second.memory.holds(kept.array)


def test_values_move_by_way_of_the_host(pair: tuple[str, str]) -> None:
    one, other = (symnet.shared(X * k, target=d) for k, d in enumerate(pair))
    one.set_value(other.get_value())
    np.testing.assert_array_equal(one.get_value(), X)
    assert one.array.home is GPUS[pair[0]].transfers
    with pytest.raises(TypeError, match="get_value"):
        one.set_value(other.get_value(borrow=True, return_internal_type=True))


@pytest.mark.parametrize("where", ["emulated", "emulated1", "cpu"])
@pytest.mark.parametrize("device", ["emulated", "emulated1", "cpu"])
@pytest.mark.parametrize("use", ["read", "written"])
def test_a_variable_that_lies_elsewhere(where: str, device: str, use: str) -> None:
    w = symnet.shared(X, "weights", target=where)

    def made() -> Any:
        if use == "read":
            return on(device, [x], T.dot(x, w.T))
        return on(device, [x], [], updates=[(w, T.exp(x) + 1)])

    if where == device:
        made()(X)
        return
    with pytest.raises(TypeError) as error:
        made()
    text = str(error.value)
    assert f"weights lies in the memory of another device, '{where}'" in text
    assert f"the function runs on '{device}'" in text and "test_several_gpus" in text
    assert f"device='{where}'" in text and f"target='{device}'" in text


def test_pickles_come_back_to_their_gpu_or_to_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step, w = trained("emulated1", 3)
    function, variable = pickle.dumps(step), pickle.dumps(w)
    again, other = pickle.loads(function), pickle.loads(variable)
    assert again.device.name == "emulated1"
    assert other.array.home is GPUS["emulated1"].transfers
    again(3)
    np.testing.assert_allclose(w.get_value(), reference(3), rtol=1e-13)
    monkeypatch.setattr(gpus, "EMULATED_GPUS", 1)
    other = pickle.loads(variable)
    assert other.store.memory is HOST
    np.testing.assert_allclose(other.get_value(), reference(3), rtol=1e-13)
    with pytest.warns(HostFallback, match="'emulated1'; there are emulated\n"):
        here = pickle.loads(function)
    assert here.device.name == "cpu"
    here(3)  # and updates its variable, which has come to the host
    (own,) = here.request.updates
    np.testing.assert_allclose(own.get_value(), reference(4), rtol=1e-13)


def test_a_call_that_fails_leaves_the_current_gpu(pair: tuple[str, str]) -> None:
    k = T.lscalar("k")
    f = on(pair[1], [x, k], x[T.stack([k, k])])
    for _ in range(3):
        with pytest.raises(IndexError):
            f(X, 9)
        assert current_gpu(pair) == 0
    np.testing.assert_array_equal(f(X, 1), X[[1, 1]])


def test_what_runs_elsewhere_within_a_block_of_the_other(pair: tuple[str, str]) -> None:
    step, w = trained(pair[0], 1)
    with GPUS[pair[1]].driver.use():
        step(1)
        np.testing.assert_allclose(w.get_value(), reference(2), rtol=1e-13)
        assert current_gpu(pair) == 1


def test_the_emulated_gpu_refuses_what_cuda_would() -> None:
    first, second = EmulatedDriver(0), EmulatedDriver(1)
    with second.use():
        there = second.allocate(8)
        with pytest.raises(RuntimeError, match="whose current one is 1"):
            first.allocate(8)
        with pytest.raises(RuntimeError, match="memory that is not"):
            second.copy(there, EmulatedDriver(1).allocate(8))
    here = first.allocate(8)
    for ask in (
        lambda: second.allocate(8),
        lambda: second.write(there, np.zeros(1)),
        lambda: second.read(there, np.zeros(1)),
        lambda: second.copy(there, there),
        lambda: second.view(there, 0, "float64", (), None),
        lambda: second.compile([]),
        lambda: second.record([]),
        lambda: second.replay(()),
        lambda: second.mark(),
    ):
        with pytest.raises(RuntimeError, match="whose current one is 0"):
            ask()
    with pytest.raises(RuntimeError, match="memory that is not"):
        first.write(there, np.zeros(1))
    first.write(here, np.zeros(1))


def test_one_driver_for_threads_that_ask_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What one of them brought there is then no other's."""
    found: list[Any] = []
    gpu = gpus.Gpu("emulated", lambda: EmulatedDriver())
    barrier = threading.Barrier(2)
    monkeypatch.setattr(
        gpu, "require", lambda: check(barrier.wait(timeout=30) in (0, 1))
    )
    threads = [
        threading.Thread(target=lambda: found.append(gpu.driver)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2 and found[0] is found[1]
