"""The reference device: programs run as on the CPU, with the same errors and updates."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.config import config
from symnet.kernels.devices import get_device
from symnet.kernels.interface import Place, Walk
from symnet.kernels.library import GemmCall, PackedGemm, Unwind
from symnet.kernels.reference.host_arrays import CallMemory, bytes_of, unwritten
from symnet.kernels.reference.numpy_library import run_call
from symnet.sandbox.rng_mrg import MRG_RandomStreams
from symnet.tensor.shared_randomstreams import RandomStreams
from tests.kernels.programs import PROGRAMS, X, history, on, x, y
from tests.kernels.sample_of_tests import passed_on

# ---- programs


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str):
    outputs = [PROGRAMS[name](), T.grad(T.sum(x**2 * y.T), x)]
    native, found = (on(d, [x, y], outputs)(X, X.T) for d in ("cpu", "reference"))
    for got, wanted in zip(found, native):
        assert got.dtype == wanted.dtype
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "streams",
    [
        symnet.random.RandomStream,
        MRG_RandomStreams,
        RandomStreams,
    ],
)
def test_random_numbers_and_their_states(streams: Any):
    drawn = []
    for device in ("cpu", "reference"):
        source = streams(3)
        numbers = [source.uniform((3, 4)), source.normal((2, 2))]
        f = on(device, [], numbers)
        drawn.append([*f(), *f()])
    for native, found in zip(*drawn):
        np.testing.assert_allclose(found, native, rtol=1e-6)


# ---- state and errors


def test_updates_are_from_the_old_values():
    for device in ("cpu", "reference"):
        a, b = symnet.shared(np.arange(3.0), borrow=True), symnet.shared(np.ones(3))
        seen = a.get_value(borrow=True)
        f = on(device, [], a.sum(), updates=[(a, b), (b, a[::-1] + b)])
        assert f() == 3.0
        np.testing.assert_array_equal(a.get_value(), [1, 1, 1])
        np.testing.assert_array_equal(b.get_value(), [3, 2, 1])
        np.testing.assert_array_equal(seen, [1, 1, 1])  # written where it lies


def test_an_update_may_change_the_size():
    a = symnet.shared(np.arange(3.0))
    f = on("reference", [], None, updates={a: T.concatenate([a, a[:1] + 3])})
    f()
    f()
    np.testing.assert_array_equal(a.get_value(), [0, 1, 2, 3, 3])


def test_a_failed_call_changes_nothing():
    k = T.lscalar("k")
    texts = []
    for device in ("cpu", "reference"):
        a = symnet.shared(np.arange(3.0), "a")
        f = on(device, [k], a[T.stack([k, k])], updates={a: a + 1}, name="f")
        with pytest.raises(IndexError) as error:
            f(7)
        texts.append(str(error.value))
        np.testing.assert_array_equal(a.get_value(), [0, 1, 2])
        np.testing.assert_array_equal(f(-1), [2, 2])
        np.testing.assert_array_equal(a.get_value(), [1, 2, 3])
    assert texts[0] == texts[1]


def test_a_failure_in_a_loop_names_the_turn():
    k = T.lvector("k")
    found, _ = symnet.scan(lambda i: x[T.stack([i, i]), 0], sequences=k)
    texts = []
    for device in ("cpu", "reference"):
        with pytest.raises(IndexError) as error:
            on(device, [x, k], T.exp(found))(X, [0, 1, 9])
        texts.append(str(error.value))
    assert texts[0] == texts[1]


def test_refused_parameters_of_a_draw():
    mean = T.vector("mean")
    source = symnet.random.RandomStream(1)
    f = on("reference", [mean], source.poisson(lam=mean))
    with pytest.raises(ValueError, match="poisson: a mean is negative"):
        f([1.0, -1.0])


def test_sizes_that_do_not_fit():
    f = on("reference", [x, y], x + y)
    with pytest.raises(ValueError, match="this call's shapes"):
        f(X, X[:2])


def test_a_minibatch_follows_its_index():
    k = T.lscalar("k")
    data = symnet.shared(np.arange(20.0).reshape(10, 2))
    f = on("reference", [k], x.sum(0), givens={x: data[k * 2 : k * 2 + 2]})
    for number in range(5):
        rows = np.arange(20.0).reshape(10, 2)[2 * number : 2 * number + 2]
        np.testing.assert_array_equal(f(number), rows.sum(0))
    np.testing.assert_array_equal(f(7), [0, 0])


def test_arguments_stay_and_results_are_the_callers():
    f = on("reference", [x], [x, x[1:]])
    first, second = f(X)
    first += 1
    second += 1
    assert f(X)[0] is not first
    np.testing.assert_array_equal(f(X)[0], X)


# ---- the device by name


def test_a_function_keeps_its_device():
    f = on("reference", [x], x * 2)
    assert f.device.name == f.copy().device.name == "reference"
    assert pickle.loads(pickle.dumps(f)).device.name == "reference"
    assert symnet.function([x], x).device.name == config.device
    with config.change_flags(device="reference"):
        assert symnet.function([x], x).device.name == "reference"


@pytest.mark.parametrize("name", ["tpu", "cuda01", "gpu:x"])
def test_devices_that_there_are(name: str):
    text = f"there is no device '{name}'; there are cpu, reference"
    with pytest.raises(ValueError, match=text):
        on(name, [x], x)
    with pytest.raises(ValueError, match=text):
        config.device = name
    assert get_device().name == config.device


def test_its_steps_are_timed():
    f = on("reference", [x], history(), profile=True)
    f(X)
    assert f.profile().rows


# ---- its memory and its library


def test_nothing_is_read_outside_of_the_memory():
    f = on("reference", [x], x + 1)
    f(X)
    loaded = next(iter(f.engine.native[0].plans.values())).loaded
    base = f.engine.native[0].planner.bases[f.maker.inputs[0].variable]
    with pytest.raises((TypeError, ValueError), match="strides|buffer"):
        arrays = {base: X[:2].copy(), base + 1: np.empty((3, 4))}
        loaded.run_all(loaded.memory(arrays))


def test_places():
    arena = np.arange(8.0)
    memory = CallMemory([bytes_of(arena)], bytes_of(arena), [], bytes_of(arena), [16])
    memory.iterations = [2, 3]
    assert memory.number(Place("arena", 8, 8), "float64") == 2
    assert memory.number(Place("base", 0, 8, 0), "float64") == 2  # follows an integer
    walked = Place("base", 0, 0, -1, (Walk(0, 8), Walk(1, 8, 2, 1)))
    assert memory.number(walked, "float64") == 2  # slot (3 + 1) % 2 of two
    with pytest.raises((TypeError, ValueError), match="strides|buffer"):
        memory.array(Place("base"), "float64", (9,))
    with pytest.raises((TypeError, ValueError), match="strides|buffer"):
        memory.array(Place("base"), "float64", (2,), (-8,))
    assert np.isnan(unwritten((2,), "float32")).all()


def call(one: Any, *arrays: Any) -> None:
    """Run a library call on arrays (None: not needed)."""
    held = [a if a is not None else np.empty(0) for a in arrays]
    nothing = bytes_of(np.empty(0))
    memory = CallMemory([bytes_of(a) for a in held], nothing, [], nothing, [])
    places = [Place("base", k) if a is not None else None for k, a in enumerate(arrays)]
    run_call(one, places, memory)


@pytest.mark.parametrize("batch", [(), (2,)])
def test_gemm(batch: tuple[int, ...]):
    random = np.random.default_rng(1)
    a, b, c = (random.normal(size=(*batch, *s)) for s in ((3, 4), (5, 4), (3, 5)))
    wanted = 2 * a @ b.swapaxes(-1, -2) + 3 * c
    loops = ((2, *(m.strides[0] for m in (a, b, c))),) if batch else ()
    strides = (a.strides[-2:], b.strides[-2:][::-1], c.strides[-2:])
    product = GemmCall("float64", (3, 5, 4), strides, None, 3.0, loops)
    call(product, np.array(2.0), a, b, None, c)
    np.testing.assert_allclose(c, wanted)


def test_gemm_does_not_read_what_beta_forgets():
    a, c = np.ones((2, 2)), np.full((2, 2), np.nan)
    call(GemmCall("float64", (2, 2, 2), ((16, 8),) * 3), None, a, a, None, c)
    np.testing.assert_array_equal(c, 2)


def test_packed_gemm():
    random = np.random.default_rng(2)
    a, b, d = (random.normal(size=s) for s in ((3, 4), (4, 9), (3, 9)))
    packed = unwritten((2, 4, 8), "float64")  # nine columns in panels of eight
    packed[0], packed[1, :, :1] = b[:, :8], b[:, 8:]
    c = unwritten((3, 9), "float64")
    strides = (a.strides, c.strides, d.strides)
    product = PackedGemm("float64", (3, 9, 4), strides, 1.0, 0.5)
    call(product, None, a, packed, None, d, c)
    np.testing.assert_allclose(c, a @ b + 0.5 * d)


@pytest.mark.parametrize(
    ("iterations", "wanted"), [(0, [0, 0, 10]), (1, [0, 10, 11]), (6, [14, 15, 16])]
)
def test_unwind(iterations: int, wanted: list[int]):
    ring, rows = np.zeros(4), unwritten(3, "float64")
    for row in range(iterations + 1):
        ring[row % 4] = 10 + row
    call(Unwind(8, 4, 1, 3), ring, np.array(iterations), rows)
    np.testing.assert_array_equal(rows, wanted)


def test_a_sample_of_the_tests():
    assert passed_on("reference") > 90
