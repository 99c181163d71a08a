"""What a plan launches is recorded at its second call and replayed: the same results, whatever
moves between calls; and nothing but what has changed goes to the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.config import config
from symnet.kernels.cuda import gpu_program
from symnet.kernels.cuda.recording import Stretch
from symnet.kernels.gpus import EMULATED
from symnet.kernels.memory import Moved
from tests.kernels.programs import PROGRAMS, X, on, x, y

NATIVE = [name for name in PROGRAMS if name != "sorted by NumPy"]


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many launches each replay begins."""
    found: list[int] = []
    ready = Stretch.ready

    def counted(self: Stretch, *given: Any) -> Any:
        found.append(len(self.pieces))
        return ready(self, *given)

    monkeypatch.setattr(Stretch, "ready", counted)
    yield found


def stretches_of(f: Any) -> list[Stretch]:
    (plan,) = f.engine.native[-1].plans.values()
    return list(plan.loaded.recorded.stretches)


@pytest.mark.parametrize("name", NATIVE)
def test_replays_give_what_the_first_call_gave(name: str, gpu: str) -> None:
    output = PROGRAMS[name]()
    outputs = [output, T.grad(T.sum(x**2 * y.T), x), T.exp(T.sum(abs(x), axis=0))]
    f = on(gpu, [x, y], outputs)
    others = [(X, X.T), (X[::-1], X.T + 1), (X, X.T)]
    first = [f(a, b) for a, b in others]
    again = [f(a, b) for a, b in others]
    assert f.engine.native[-1].plans_made == 1
    for one, two in zip(first, again, strict=True):
        for got, wanted in zip(two, one, strict=True):
            np.testing.assert_array_equal(got, wanted)
    for got, wanted in zip(first[0], first[2], strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_only_from_the_second_call_on(gpu: str, replays: list[int]) -> None:
    f = on(gpu, [x], [T.exp(x).sum(), T.exp(x).sum(1)])
    results = [f(X)[0] for _ in range(3)]
    assert len(replays) == 2 and len(set(map(float, results))) == 1


@pytest.mark.parametrize("flag", ["off", "auto", "on"])
def test_a_setting_says_whether(flag: str, gpu: str, replays: list[int]) -> None:
    f = on(gpu, [x], [T.exp(x).sum(), x.sum(1)])
    with config.change_flags(gpu_graphs=flag):
        for _ in range(3):
            np.testing.assert_allclose(f(X)[1], X.sum(1))
    assert bool(replays) == (flag != "off")


def test_without_graphs(monkeypatch: pytest.MonkeyPatch, replays: list[int]) -> None:
    monkeypatch.setattr(EMULATED.driver, "graphless", "the driver has none")
    f = on("emulated", [x], [T.exp(x).sum(), x.sum(1)])
    f(X)
    f(X)
    assert not replays
    with (
        config.change_flags(gpu_graphs="on"),
        pytest.raises(
            RuntimeError, match="gpu_graphs is 'on', and the driver has none"
        ),
    ):
        f(X)


def step_on(gpu: str, **options: Any) -> tuple[Any, Any]:
    """A train step on resident data by the number of the minibatch."""
    random = np.random.default_rng(0)
    data = symnet.shared(random.normal(size=(40, 6)).astype("float32"), target=gpu)
    classes = symnet.shared(random.integers(0, 3, 40), target=gpu)
    w = symnet.shared(np.zeros((6, 3), "float32"), target=gpu)
    b = symnet.shared(np.zeros(3, "float32"), target=gpu)
    k, a, labels = T.lscalar("k"), T.fmatrix("a"), T.lvector("labels")
    chances = T.nnet.softmax(T.dot(a, w) + b)
    cost = T.nnet.categorical_crossentropy(chances, labels).mean()
    updates = [(p, p - T.cast(0.3, "float32") * T.grad(cost, p)) for p in (w, b)]
    rows = slice(k * 8, (k + 1) * 8)
    givens = {a: data[rows], labels: classes[rows]}
    return on(gpu, [k], [], updates=updates, givens=givens, **options), w


def test_a_train_step_on_resident_data_moves_no_arrays(gpu: str) -> None:
    f, _ = step_on(gpu, profile=True)
    for k in range(5):
        f(k)
    moved = f.profile().transfers
    assert moved.to_device == Moved() and moved.to_host == Moved()
    assert 0 < moved.parameters.bytes < 4 * 4096
    assert "each call moved 0 arrays (0 bytes) to the device" in str(f.profile())
    f(1)
    with config.change_flags(gpu_graphs="off"):
        assert f.profile(2, repeat=3).transfers.to_device == Moved()


def test_transfers_by_direction(gpu: str) -> None:
    f = on(gpu, [x], [T.exp(x), x.sum()])
    moved = f.profile(X, repeat=4).transfers
    assert moved.to_device == Moved(4, 4 * X.nbytes)
    assert moved.to_host == Moved(8, 4 * (X.nbytes + 8))
    native = on("cpu", [x], T.exp(x))
    assert native.profile(X, repeat=2).transfers.to_device == Moved()


def test_a_minibatch_that_moves(gpu: str) -> None:
    """Replayed at every place, to the bits of the CPU."""
    found = []
    for device in (gpu, "cpu"):
        with config.change_flags(device=device):
            f, w = step_on(device)
            for k in (0, 1, 1, 4, 2, 0, 3):
                f(k)
            found.append(w.get_value())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def test_unchanged_addresses_are_not_sent_again(gpu: str) -> None:
    f = on(gpu, [x], [T.exp(x).sum(), x.sum(1)])
    for _ in range(2):
        f(X)
    (stretch,) = stretches_of(f)
    sent = stretch.transfers.traffic.parameters
    addresses = np.arange(20) * 64 + 4096
    for further, expected in ((0, 1), (0, 1), (8, 2), (8, 2)):
        stretch.ready(addresses + further, [])
        assert stretch.transfers.traffic.parameters.number == sent.number + expected


def test_loops_of_known_length_are_rolled_out(gpu: str, replays: list[int]) -> None:
    step: Callable[..., Any] = lambda row, old: T.tanh(row + 0.3 * old).sum() * row  # noqa: E731
    states, _ = symnet.scan(step, x, T.zeros_like(x[0]))
    f = on(gpu, [x], states)
    first = f(X)
    np.testing.assert_array_equal(f(X), first)
    native = on("cpu", [x], states)(X[::-1])
    np.testing.assert_allclose(f(X[::-1]), native, rtol=1e-12)
    assert replays and max(replays) >= 3 * len(X)


def test_what_fails_in_a_replay_is_named_and_changes_nothing(gpu: str) -> None:
    k = T.lvector("k")
    for device in ("cpu", gpu):
        with config.change_flags(device=device):
            w = symnet.shared(np.arange(4.0))
            rows = T.exp(w[k]) * 2
            f = on(device, [k], [rows, rows.sum()], updates=[(w, w + 1)], name="f")
            good = np.array([1, 2])
            for _ in range(3):
                f(good)
            with pytest.raises(IndexError, match="out of (range|bounds)") as error:
                f(np.array([0, 9]))
            assert "AdvancedSubtensor" in str(error.value)
            np.testing.assert_array_equal(w.get_value(), np.arange(4.0) + 3)
            np.testing.assert_allclose(f(good)[0], 2 * np.exp([4.0, 5.0]))


def test_an_interrupted_call_leaves_no_failure_behind(
    gpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    k = T.lvector("k")
    f = on(gpu, [x, k], T.exp(x[k]).sum(1))
    good, bad = np.array([0, 1]), np.array([0, 9])
    for _ in range(2):
        f(X, good)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(gpu_program.GpuProgram, "finish", interrupted)
        with pytest.raises(KeyboardInterrupt):
            f(X, bad)
    np.testing.assert_allclose(f(X, good), np.exp(X[:2]).sum(1))


def test_a_call_within_a_call_has_memory_of_its_own(
    gpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a signal's handler: between what is sent and what is replayed."""
    f = on(gpu, [x], [T.exp(x).sum(1), x.sum()])
    for _ in range(2):
        f(X)
    inner: list[Any] = []
    program = next(iter(f.engine.native[0].plans.values())).loaded
    replay = type(program)._replay

    def within(self: Any, *given: Any) -> Any:
        if not inner:
            inner.append(None)
            inner[0] = f(2 * X)
        return replay(self, *given)

    monkeypatch.setattr(type(program), "_replay", within)
    outer = f(X)
    np.testing.assert_allclose(outer[0], np.exp(X).sum(1))
    np.testing.assert_allclose(inner[0][0], np.exp(2 * X).sum(1))


def test_the_path_of_a_rolled_out_launch_is_that_of_its_task(gpu: str) -> None:
    k = T.lvector("k")
    found, _ = symnet.scan(lambda i: x[T.stack([i, i]), 0].sum(), sequences=k)
    f = on(gpu, [x, k], found)
    for _ in range(2):
        f(X, np.array([0, 1, 2]))
    texts = []
    for one in (f, on("cpu", [x, k], found)):
        with pytest.raises(IndexError) as error:
            one(X, np.array([0, 1, 7]))
        texts.append(str(error.value))
    assert texts[0] == texts[1]
