"""The device for GPUs, its threads run on this processor: the same numbers as on the CPU, to
the last bit where no sums are made; the same errors; values that stay where they are."""

from __future__ import annotations

import pickle
import re
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import symnet
import symnet.tensor as T
from symnet.compile import pipeline
from symnet.compile.profile import FALLBACK
from symnet.compile.refusals import HostFallback
from symnet.config import config
from symnet.graph.evaluate import evaluate
from symnet.kernels.cuda.cupy_driver import missing
from symnet.kernels.cuda.device_array import DeviceArray
from symnet.kernels.cuda.emulated_driver import EmulatedDriver
from symnet.kernels.devices import get_device
from symnet.kernels.gpus import GPUS
from symnet.kernels.memory import HOST, Moved
from symnet.printing.stages import Stages
from symnet.sandbox.rng_mrg import MRG_RandomStreams
from tests.kernels.programs import PROGRAMS, X, on, x, y
from tests.kernels.sample_of_tests import passed_on

NATIVE = list(PROGRAMS)


@pytest.fixture(params=["forwards", "backwards"])
def order(request: pytest.FixtureRequest, gpu: str) -> Iterator[None]:
    """Of an emulated GPU's threads; a real one has an order of its own."""
    driver = GPUS[gpu].driver
    if not isinstance(driver, EmulatedDriver):
        if request.param == "backwards":
            pytest.skip("a GPU's threads run in their own order")
        yield
        return
    driver.backwards = request.param == "backwards"
    yield
    driver.backwards = False


def build(name: str, device: str) -> Any:
    """A program with a gradient."""
    with config.change_flags(device=device):
        outputs = [PROGRAMS[name](), T.grad(T.sum(x**2 * y.T), x)]
        return on(device, [x, y], outputs)


@pytest.mark.parametrize("name", NATIVE)
def test_programs(gpu: str, name: str, order: None) -> None:
    found, native = (build(name, d)(X, X.T) for d in (gpu, "cpu"))
    for got, wanted in zip(found, native, strict=True):
        assert type(got) is np.ndarray and got.dtype == wanted.dtype
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-14)


FORMULAS = {
    "tanh": lambda a, b: T.tanh(a * b + 1) * T.exp(-a * a),
    "powers": lambda a, b: abs(a) ** b + T.sqrt(abs(b)),
    "sines": lambda a, b: T.sin(a * 1e4) + T.cos(b) / T.arctan2(a, b),
    "tails": lambda a, b: T.erf(a) * T.log1p(abs(b)) + T.erfc(b),
    "choices": lambda a, b: T.switch(a > b, T.nnet.sigmoid(a), T.nnet.softplus(b)),
    "remainders": lambda a, b: a % b + a // b,
}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_to_the_last_bit(gpu: str, name: str, dtype: str) -> None:
    a, b = T.matrix("a", dtype), T.matrix("b", dtype)
    random = np.random.default_rng(1)
    values = [random.normal(size=(37, 41)).astype(dtype) for _ in range(2)]
    values[0][0, :4] = [np.nan, np.inf, -np.inf, 0]
    formula = FORMULAS[name](a, b[::-1].T.T)
    with np.errstate(all="ignore"):
        found, native = (on(d, [a, b], formula)(*values) for d in (gpu, "cpu"))
    np.testing.assert_array_equal(found, native)
    number = ~np.isnan(native)
    np.testing.assert_array_equal(np.signbit(found)[number], np.signbit(native)[number])


def test_random_numbers_to_the_last_bit(gpu: str) -> None:
    drawn = []
    for device in ("cpu", gpu):
        with config.change_flags(device=device):
            source = symnet.random.RandomStream(3)
            numbers = [source.uniform((300, 5)), source.normal((70,), dtype="float32")]
            f = on(device, [], [*numbers, source.bernoulli((9, 9))])
            drawn.append([*f(), *f()])
    for native, found in zip(*drawn, strict=True):
        np.testing.assert_array_equal(found, native)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("size", [(1,), (7,), (50, 40), (0, 3)])
def test_theanos_random_numbers_to_the_last_bit(
    gpu: str, size: Any, dtype: str
) -> None:
    drawn = []
    for device in ("cpu", gpu):
        with config.change_flags(device=device):
            source = MRG_RandomStreams(11)
            numbers = [source.uniform(size, dtype=dtype, nstreams=5)]
            f = on(device, [], [*numbers, source.binomial(size, p=0.4)])
            drawn.append([*f(), *f()])
    for native, found in zip(*drawn, strict=True):
        np.testing.assert_array_equal(found, native)


@pytest.mark.parametrize("axis", [0, 1, 2, (0, 2), None])
@pytest.mark.parametrize("kind", ["sum", "prod", "max", "argmax", "any", "mean"])
def test_reductions(gpu: str, kind: str, axis: Any, order: None) -> None:
    if kind == "argmax" and isinstance(axis, tuple):
        pytest.skip("one axis or all")
    value = np.random.default_rng(2).normal(size=(7, 130, 9))
    a = T.tensor3("a", dtype="float64")
    got = on(gpu, [a], getattr(T, kind)(a, axis=axis))(value)
    wanted = getattr(np, kind)(value, axis=axis)
    np.testing.assert_allclose(got, wanted, rtol=1e-11)


@pytest.mark.parametrize("dtype", ["float16", "int8", "int64", "uint32"])
def test_products_of_every_dtype(gpu: str, dtype: str) -> None:
    """Integers wrap around; float16 is added up in float32."""
    a = T.matrix("a", dtype)
    value = np.random.default_rng(8).integers(0, 50, (30, 40)).astype(dtype)
    found = on(gpu, [a], T.dot(a, a.T))(value)
    wide = value.astype("float32" if dtype == "float16" else dtype)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, (wide @ wide.T).astype(dtype))


def test_sums_are_the_same_in_any_order_of_threads(gpu: str) -> None:
    value = np.random.default_rng(3).normal(size=(300, 1000)).astype("float32")
    a = T.fmatrix("a")
    outputs = [
        a.sum(),
        a.sum(0),
        a.sum(1),
        T.nnet.softmax(a),
        (a - a.mean(0)) / a.std(0),
    ]
    f = on(gpu, [a], outputs)
    driver = GPUS[gpu].driver
    first = f(value)
    driver.backwards = True
    try:
        second = f(value)
    finally:
        driver.backwards = False
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_sizes_of_nothing(gpu: str) -> None:
    a = T.matrix("a", "float64")
    f = on(gpu, [a], [T.exp(a), a.sum(0), a.sum(1), a.sum(), T.dot(a, a.T)])
    for shape in ((0, 3), (3, 0), (0, 0)):
        value = np.zeros(shape)
        found = f(value)
        wanted = [value, value.sum(0), value.sum(1), 0.0, value @ value.T]
        for got, want in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(got, want)


# ---- state


def test_updates_are_from_the_old_values(gpu: str) -> None:
    a, b = symnet.shared(np.arange(3.0)), symnet.shared(np.ones(3))
    assert isinstance(a.array, DeviceArray)
    f = on(gpu, [], a.sum(), updates=[(a, b), (b, a[::-1] + b)])
    assert f() == 3.0
    np.testing.assert_array_equal(a.get_value(), [1, 1, 1])
    np.testing.assert_array_equal(b.get_value(), [3, 2, 1])


def test_only_the_last_program_of_a_call_updates(gpu: str) -> None:
    """Where a loop stops is known when it has run, so its rows are read by another."""
    n = symnet.shared(np.int64(5))
    rows, updates = symnet.scan(
        lambda v: (v, {n: n + 1}, symnet.scan_module.until(T.gt(v, 3))), T.arange(9)
    )
    f = on(gpu, [], rows + n, updates=updates)
    np.testing.assert_array_equal(f(), np.arange(5) + 5)
    assert n.get_value() == 10 and len(f.engine.segments) > 1


def test_an_update_may_change_the_size(gpu: str) -> None:
    a = symnet.shared(np.arange(3.0))
    f = on(gpu, [], a, updates={a: T.concatenate([a, a[:1] + 3])})
    np.testing.assert_array_equal(f(), [0, 1, 2])
    f()
    np.testing.assert_array_equal(a.get_value(), [0, 1, 2, 3, 3])


def test_a_step_moves_what_is_given_and_asked_for(gpu: str) -> None:
    """The state, 80 kB, stays where it is."""
    w = symnet.shared(np.zeros((100, 100)))
    v = T.dvector("v")
    f = on(gpu, [v], w[0, 0], updates=[(w, w + T.outer(v, v))])
    f(np.ones(100))
    before = GPUS[gpu].transfers.traffic
    f(np.ones(100))
    moved = GPUS[gpu].transfers.traffic - before
    assert moved.to_device == Moved(1, 800) and moved.to_host == Moved(1, 8)
    np.testing.assert_array_equal(w.get_value(), np.full((100, 100), 2.0))


def test_a_minibatch_follows_its_index(gpu: str) -> None:
    k, data = T.lscalar("k"), symnet.shared(np.arange(20.0).reshape(10, 2))
    f = on(gpu, [k], x.sum(0), givens={x: data[k * 2 : k * 2 + 2]})
    for number in range(5):
        rows = np.arange(20.0).reshape(10, 2)[2 * number : 2 * number + 2]
        np.testing.assert_array_equal(f(number), rows.sum(0))


def test_integers_in_shared_variables_are_sizes(gpu: str) -> None:
    n = symnet.shared(np.int64(2))
    f = on(gpu, [x], x[:n], updates=[(n, n + 1)])
    np.testing.assert_array_equal(f(X), X[:2])
    np.testing.assert_array_equal(f(X), X[:3])


def test_values_come_and_go(gpu: str) -> None:
    w = symnet.shared(np.arange(6.0).reshape(2, 3), "w")
    inside = w.get_value(borrow=True, return_internal_type=True)
    assert isinstance(inside, DeviceArray) and inside.nbytes == 48
    with pytest.raises(TypeError, match="get_value"):
        np.asarray(inside)
    w.set_value(np.ones((2, 3))[:, ::-1])
    np.testing.assert_array_equal(w.get_value(), np.ones((2, 3)))
    w.set_value(np.zeros((4, 1)))
    assert w.get_value().shape == (4, 1)
    assert "DeviceArray(shape=(4, 1), dtype=float64)" in repr(w.array)


def test_a_target_says_where_a_value_lies(gpu: str) -> None:
    host, there = (symnet.shared(X, target=d) for d in ("cpu", gpu))
    assert host.store.memory is HOST and isinstance(there.array, DeviceArray)
    np.testing.assert_array_equal(on("cpu", [], host * 2)(), X * 2)
    for device, other in (("cpu", there), (gpu, host)):
        with pytest.raises(TypeError, match="memory of another device"):
            on(device, [], other * 2)
    with pytest.raises(ValueError, match="no device 'tpu'"):
        symnet.shared(X, target="tpu")


def test_pickles_come_back_to_their_memory(gpu: str) -> None:
    w = symnet.shared(X, "w")
    f = on(gpu, [], None, updates=[(w, w + 1)])
    again, other = pickle.loads(pickle.dumps((f, w)))
    again()
    assert isinstance(other.array, DeviceArray)
    np.testing.assert_array_equal(other.get_value(), X + 1)
    np.testing.assert_array_equal(w.get_value(), X)


def test_threads_lose_no_update(gpu: str) -> None:
    n = symnet.shared(np.zeros(3))
    f = on(gpu, [], None, updates=[(n, n + 1)])
    threads = [threading.Thread(target=lambda: [f() for _ in range(20)]) for _ in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(n.get_value(), np.full(3, 60.0))


# ---- errors


def test_a_failed_call_changes_nothing(gpu: str) -> None:
    k, texts = T.lscalar("k"), []
    for device in ("cpu", gpu):
        with config.change_flags(device=device):
            a = symnet.shared(np.arange(3.0), "a")
            f = on(device, [k], a[T.stack([k, k])], updates={a: a + 1}, name="f")
        with pytest.raises(IndexError) as error:
            f(7)
        texts.append(str(error.value))
        np.testing.assert_array_equal(a.get_value(), [0, 1, 2])
        np.testing.assert_array_equal(f(-1), [2, 2])
        np.testing.assert_array_equal(a.get_value(), [1, 2, 3])
    assert texts[0] == texts[1]


@pytest.mark.parametrize("length", [3, 2000])
def test_a_failure_in_a_loop_names_the_iteration(gpu: str, length: int) -> None:
    """The log of launches holds fewer than the long loop has."""
    k, where = T.lvector("k"), np.zeros(length, "int64")
    where[-2:] = 9
    found, _ = symnet.scan(lambda i: x[T.stack([i, i]), 0], sequences=k)
    texts = []
    for device in ("cpu", gpu):
        with pytest.raises(IndexError) as error:
            on(device, [x, k], T.exp(found))(X, where)
        texts.append(str(error.value))
    assert texts[0] == texts[1]


v, z = T.dvector("v"), T.zvector("z")
V = np.array([3.0, 1.5, 2.0])


class Doubled(symnet.Op):
    """A user's own, in Python."""

    def make_node(self, one: Any) -> Any:
        one = T.as_tensor_variable(one)
        return symnet.Apply(self, [one], [one.type()])

    def perform(self, node: Any, inputs: Any, outputs: Any, *_: Any) -> None:
        assert type(inputs[0]) is np.ndarray
        outputs[0][0] = 2 * inputs[0]


HOSTED: dict[str, Any] = {
    "Unique": lambda: T.exp(T.unique(v)),
    "jv": lambda: T.exp(-T.jv(2, v * 2)).sum(),
    "arccos": lambda: T.imag(T.arccos(T.complex(v, v * 2))) + 1,
    "permutation": lambda: symnet.random.RandomStream(1).permutation(3),
    "eig": lambda: abs(T.nlinalg.eig(T.outer(v, v) + T.eye(3))[0]).sum(),
    "Doubled": lambda: T.tanh(Doubled()(T.exp(v))) + v,
    "two by turns": lambda: T.unique(T.exp(Doubled()(T.unique(-v)))),
    "j0 in a loop": lambda: symnet.scan(
        lambda one, old: T.j0(one + 1) + old, v, T.constant(0.0)
    )[0],
    "a result as it is": lambda: T.unique(v),
}


@pytest.mark.parametrize("name", HOSTED)
def test_what_has_no_code_is_computed_on_the_host(name: str, gpu: str) -> None:
    """With a warning that names the line, counted as transfers, shown in the profile."""
    with config.change_flags(device="cpu"):
        native = on("cpu", [v], HOSTED[name](), on_unused_input="ignore")
    output = HOSTED[name]()
    with pytest.warns(HostFallback, match="has no code on the device") as told:
        f = on(gpu, [v], output, on_unused_input="ignore")
    assert any("test_gpu_device.py" in str(one.message) for one in told)
    for _ in range(3):
        np.testing.assert_allclose(f(V), native(V), rtol=1e-12)
    if name != "permutation":
        assert any(r.kind == FALLBACK for r in f.profile(V).rows)


def test_programs_are_built_once_more_for_all_that_has_no_code(
    gpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether loops share several such functions, or each has one, or a scan has."""
    names = (T.j0, T.j1, T.i0, T.i1)
    apart = [f(T.cumsum(v)) for f in names]
    together = sum(f(v) for f in names)
    inside, _ = symnet.scan(
        lambda s: T.i0(s + 2) + T.j0(s + 1), outputs_info=v[0], n_steps=2
    )
    outputs = [*apart, together, inside]
    with config.change_flags(device="cpu"):
        native = on("cpu", [v], outputs)
    built: list[int] = []
    build = pipeline.build_programs
    monkeypatch.setattr(
        pipeline, "build_programs", lambda *args: built.append(1) or build(*args)
    )
    with pytest.warns(HostFallback, match="has no code on the device"):
        f = on(gpu, [v], outputs)
    assert len(built) == 2
    value = np.array([0.1, 0.2, 0.3])
    for got, wanted in zip(f(value), native(value), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9)


def test_what_goes_to_the_host_is_counted(gpu: str) -> None:
    """And a state that only programs read stays there."""
    w = symnet.shared(np.arange(5000.0))
    output = T.exp(Doubled()(T.tanh(v))).sum() + w.sum()
    with pytest.warns(HostFallback, match="Doubled"):
        f = on(gpu, [v], output, updates=[(w, w + 1)])
    moved = f.profile(V, repeat=1).transfers
    # v goes there, tanh(v) comes here and its double goes back, the result comes here.
    assert moved.to_device == Moved(2, 2 * V.nbytes)
    assert moved.to_host == Moved(2, V.nbytes + 8)
    first = f(V)
    assert f(V) == first + 5000


def test_a_state_that_the_host_reads_and_changes(gpu: str) -> None:
    w = symnet.shared(np.array([3.0, 1.0, 2.0]))
    with pytest.warns(HostFallback, match="Unique"):
        f = on(gpu, [], T.unique(w), updates=[(w, T.unique(w) * 2)])
    np.testing.assert_array_equal(f(), [1, 2, 3])
    np.testing.assert_array_equal(f(), [2, 4, 6])
    assert isinstance(w.array, DeviceArray)
    np.testing.assert_array_equal(w.get_value(), [4, 8, 12])


def test_complex_and_sparse_numbers(gpu: str) -> None:
    f = on(gpu, [z], abs(T.exp(z) * 1j).sum())
    value = np.array([1 + 2j, 0.5 - 1j])
    np.testing.assert_allclose(f(value), abs(np.exp(value)).sum())
    s = symnet.sparse.csr_matrix("s", dtype="float64")
    with pytest.warns(HostFallback):
        g = on(gpu, [s, x], T.exp(symnet.sparse.dot(s, x)).sum(0))
    matrix = scipy.sparse.csr_matrix(np.eye(3) * 2)
    np.testing.assert_allclose(g(matrix, X), np.exp(2 * X).sum(0))


def test_nothing_is_said_where_all_has_code(
    gpu: str, recwarn: pytest.WarningsRecorder
) -> None:
    on(gpu, [v], T.sin(v * 1e20))(np.ones(3))  # no C function is asked
    assert not [one for one in recwarn if one.category is HostFallback]


def test_debug_mode_judges_its_programs(gpu: str) -> None:
    w = symnet.shared(np.ones(4), "w")
    outputs, updates = [T.exp(x) * w, x.sum(0)], [(w, w + x.sum(0))]
    f = on(gpu, [x], outputs, updates=updates, mode="DebugMode")
    np.testing.assert_allclose(f(X)[1], X.sum(0))
    np.testing.assert_allclose(w.get_value(), 1 + X.sum(0))
    assert isinstance(w.array, DeviceArray)


def test_reference_evaluation_reads_values_there(gpu: str) -> None:
    w = symnet.shared(X)
    f = on(gpu, [], w * 2, updates=[(w, w + 1)], mode="FAST_COMPILE")
    np.testing.assert_array_equal(f(), X * 2)
    np.testing.assert_array_equal(w.get_value(), X + 1)
    np.testing.assert_array_equal(evaluate([w * 3], {})[0], (X + 1) * 3)


def test_sizes_that_do_not_fit(gpu: str) -> None:
    f = on(gpu, [x, y], x + y)
    with pytest.raises(ValueError, match="this call's shapes"):
        f(X, X[:2])


def test_where_there_is_no_gpu(gpu: str) -> None:
    if not missing():
        pytest.skip("there is a GPU")
    for name in ("cuda", "gpu", "gpu0", "cuda:0"):
        with pytest.raises(RuntimeError, match="there is no GPU that could be used"):
            get_device(name)
    with config.change_flags(device="gpu0"):
        assert config.device == "cuda"
        with pytest.raises(RuntimeError, match="show_config"):
            symnet.shared(X)


def test_steps_are_timed_and_shown(gpu: str) -> None:
    f = on(gpu, [x], T.exp(T.dot(x, x.T)).sum(1), profile=True)
    f(X)
    assert f.profile().rows
    shown = on(gpu, [x], T.exp(T.dot(x, x.T)).sum(1))
    shown(X)
    stages = Stages(shown)
    plan = stages.text("plan")
    assert "threads for 3 points" in plan and "GemmCall" in plan
    assert re.search(r"define (ptx_kernel )?void @kernel", stages.text("llvm"))


def test_a_variable_is_transferred_nowhere() -> None:
    assert x.transfer("cpu") is x and x.transfer("gpu0") is x and x.transfer(None) is x
    with pytest.raises(ValueError, match="transfer: there is no device 'tpu'"):
        x.transfer("tpu")


def test_a_sample_of_the_tests(gpu: str) -> None:
    assert passed_on(gpu) > 90
