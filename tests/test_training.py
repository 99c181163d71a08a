"""Minibatches, early stopping, and checkpoints that go on to the same bits."""

from __future__ import annotations

import doctest
import os
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import optim, training
from symnet.sandbox.rng_mrg import MRG_RandomStreams
from symnet.tensor.shared_randomstreams import RandomStreams

ROOT = pathlib.Path(__file__).parent.parent


def test_examples() -> None:
    assert doctest.testmod(training).failed == 0


# Minibatches.


@pytest.mark.parametrize("rows, size", [(10, 3), (9, 3), (1, 1), (5, 100), (7, 1)])
@pytest.mark.parametrize("seed", [None, 0, [3, 4]])
def test_an_epoch_has_each_row_once(rows: int, size: int, seed: Any) -> None:
    images, classes = np.arange(rows * 2.0).reshape(rows, 2), np.arange(rows)
    batches = training.Minibatches((images, classes), size, seed)
    for epoch in (0, 1, 7):
        found = list(batches.epoch(epoch))
        assert len(found) == len(batches) == -(-rows // size)
        assert {len(x) for x, _ in found[:-1]} <= {size}
        assert sorted(np.concatenate([y for _, y in found])) == list(range(rows))
        for x, y in found:
            np.testing.assert_array_equal(x, images[y])


def test_the_last_batch_is_left_out() -> None:
    batches = training.Minibatches(np.arange(10), 4, seed=0, keep_last=False)
    found = [[len(b) for b in batches.epoch(k)] for k in range(3)]
    assert found == [[4, 4]] * 3 and len(batches) == 2
    seen = {int(n) for k in range(20) for b in batches.epoch(k) for n in b}
    assert seen == set(range(10))  # in each epoch others


def test_orders_follow_from_seed_and_epoch() -> None:
    orders = {
        tuple(training.Minibatches(np.arange(20), 5, seed=seed).order(epoch))
        for seed in (0, 1, [0, 1])
        for epoch in (0, 1, 2)
    }
    assert len(orders) == 9
    one, other = (training.Minibatches(np.arange(20), 5, seed=1) for _ in range(2))
    list(one.epoch(0))  # what was done before does not matter
    assert [b.tolist() for b in one.epoch(3)] == [b.tolist() for b in other.epoch(3)]


def test_unshuffled_batches_are_views() -> None:
    array = np.arange(6)
    batches = list(training.Minibatches(array, 4).epoch(5))
    assert [b.tolist() for b in batches] == [[0, 1, 2, 3], [4, 5]]
    assert all(np.shares_memory(b, array) for b in batches)


def test_steps_go_on_anywhere() -> None:
    batches = training.Minibatches(np.arange(7), 3, seed=2)
    whole = [(k, b.tolist()) for k, b in batches.steps(0, 8)]
    assert [k for k, _ in whole] == list(range(8))
    assert [b for _, b in whole[3:6]] == [b.tolist() for b in batches.epoch(1)]
    for begin in range(9):
        rest = [(k, b.tolist()) for k, b in batches.steps(begin, 8)]
        assert rest == whole[begin:]


def test_wrong_batches() -> None:
    def make(*args: Any, **kwargs: Any) -> None:
        training.Minibatches(*args, **kwargs)

    for error, text, args in [
        (ValueError, r"same number of rows, not \(3,\), \(2, 2\)", ((np.ones(3), np.eye(2)), 1)),
        (ValueError, "arrays with rows, not 3", (3, 1)),
        (ValueError, "same number of rows, not none", ((), 1)),
        (ValueError, "0 rows give no batch of 2", (np.zeros((0, 3)), 2)),
        (ValueError, "at least one row, not 0", (np.ones(3), 0)),
        (ValueError, "at least one row, not 1.5", (np.ones(3), 1.5)),
        (ValueError, "a seed is a non-negative integer", (np.ones(3), 1, -1)),
        (TypeError, r"pass w.get_value\(\)", (symnet.shared(np.ones(3)), 1)),
    ]:  # fmt: skip
        with pytest.raises(error, match=text):
            make(*args)
    with pytest.raises(ValueError, match="3 rows give no batch of 4"):
        make(np.ones(3), 4, keep_last=False)
    with pytest.raises(ValueError, match="counted from 0, not -1"):
        training.Minibatches(np.ones(3), 1).epoch(-1)


# Early stopping.


def stopped_at(values: list[float], **options: Any) -> tuple[int | None, float, float]:
    """Where it stops, the best value, and which parameters are put back."""
    w = symnet.shared(-1.0, "w")
    stopping = training.EarlyStopping([w], **options)
    stop = None
    for k, value in enumerate(values):
        w.set_value(k)
        if stopping(np.float32(value)):
            stop = k
            break
    stopping.restore()
    return stop, stopping.best, float(w.get_value())


def test_when_it_stops() -> None:
    assert stopped_at([4, 3, 3, 2, 5, 5], patience=2) == (5, 2, 3)
    assert stopped_at([4, 3, 3, 2, 5], patience=2) == (None, 2, 3)
    assert stopped_at([1, 2, 3, 2, 2], patience=2, larger_is_better=True) == (4, 3, 2)
    assert stopped_at([5, 4.5, 4.2, 4.1], patience=2, least_gain=1) == (2, 5, 0)
    nan = float("nan")
    assert stopped_at([nan, 3, nan, nan], patience=2) == (3, 3, 1)
    assert stopped_at([np.inf, 3, 2], patience=2) == (None, 2, 2)
    assert stopped_at([nan, np.inf, nan], patience=9) == (None, np.inf, 1)


def test_what_is_kept_is_a_copy() -> None:
    w = symnet.shared(np.zeros(3), "w")
    step = symnet.function([], updates=[(w, w + 1)])
    stopping = training.EarlyStopping({"w": w}, patience=3)
    step()
    stopping(1.0)
    step()
    stopping.restore()
    step()  # must not write into what is kept
    stopping.restore()
    np.testing.assert_array_equal(w.get_value(), np.ones(3))


def test_wrong_uses() -> None:
    w = symnet.shared(0.0, "w")
    stopping = training.EarlyStopping([w])
    with pytest.raises(ValueError, match="no value has come"):
        stopping.restore()
    assert not stopping(float("nan"))
    with pytest.raises(ValueError, match="no value has come"):
        stopping.restore()
    for value in ([1.0, 2.0], "low", None):
        with pytest.raises(TypeError, match="goes by one number"):
            stopping(value)
    with pytest.raises(ValueError, match="at least 1, not 0"):
        training.EarlyStopping([w], patience=0)
    with pytest.raises(TypeError, match="no shared variable"):
        training.EarlyStopping({"x": T.vector("x")})  # type: ignore[dict-item]


# Checkpoints.

X = np.random.default_rng(0).normal(size=(50, 4))


class Run:
    """A training with everything that has state, of two layers with parameters that bear
    the same names."""

    def __init__(self, path: pathlib.Path, dtype: str = "float64") -> None:
        x = T.matrix("x", dtype=dtype)
        values = [np.ones((4, 3)), np.zeros(3), np.full((3, 1), 0.3)]
        self.parameters = [
            symnet.shared(v.astype(dtype), name) for v, name in zip(values, "WbW")
        ]
        first, bias, second = self.parameters
        new, old = symnet.random.RandomStream(3), RandomStreams(4)
        hidden = T.tanh(T.dot(x, first) + bias)
        hidden = hidden * new.bernoulli(hidden.shape, p=0.5)
        hidden += old.normal(hidden.shape, std=0.1)
        cost = T.sqr(T.dot(hidden, second) - 1).mean()
        rate = optim.cosine_decay(optim.step_counter(), 0.1, 100)
        updates = optim.adam(cost, self.parameters, rate)
        self.step = symnet.function(
            [x], cost, updates=updates, allow_input_downcast=True
        )
        self.stopping = training.EarlyStopping(self.parameters, patience=30)
        self.batches = training.Minibatches(X, 8, seed=3)
        self.checkpoint = training.Checkpoint(path, self.step, self.stopping)

    def go(self, end: int, save_at: int = -1) -> None:
        for number, x in self.batches.steps(self.checkpoint.resume(), end):
            self.stopping(self.step(x))
            if number + 1 == save_at:
                self.checkpoint.save(save_at)

    def bits(self) -> list[bytes]:
        variables = [*self.step.updates, *self.stopping.state]
        return [np.asarray(v.array).tobytes() for v in variables]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("ending", ["safetensors", "npz"])
def test_a_resumed_run_has_the_same_bits(
    dtype: str, ending: str, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / f"run.{ending}"
    whole = Run(tmp_path / "nothing.npz", dtype)
    whole.go(40)
    interrupted = Run(path, dtype)
    interrupted.go(23, save_at=17)  # in the middle of an epoch; six steps are lost
    resumed = Run(path, dtype)
    resumed.go(40)
    assert resumed.bits() == whole.bits() != interrupted.bits()
    assert os.listdir(tmp_path) == [path.name]


PROGRAM = """
import pathlib, sys
from tests.test_training import Run
run = Run(pathlib.Path(sys.argv[1]))
run.go(int(sys.argv[2]), save_at=int(sys.argv[2]))
"""


def test_another_process_goes_on(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "run.safetensors"
    for end in ("13", "20"):
        command = [sys.executable, "-c", PROGRAM, str(path), end]
        subprocess.run(command, check=True, cwd=ROOT, timeout=100)
    whole, resumed = Run(tmp_path / "nothing.npz"), Run(path)
    whole.go(20)
    assert resumed.checkpoint.resume() == 20
    assert resumed.bits() == whole.bits()


def test_another_program_is_told_what_differs(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "run.npz"
    Run(path).go(2, save_at=2)
    w = symnet.shared(np.zeros(3), "b")
    other = training.Checkpoint(path, w)
    with pytest.raises(ValueError, match="unexpected: adam_count"):
        other.resume()
    symnet.save(path, {"b": np.ones(3)})
    with pytest.raises(ValueError, match="missing: checkpoint number"):
        other.resume()
    symnet.save(path, {"b": np.ones(3), "checkpoint number": np.ones(2)})
    with pytest.raises(ValueError, match="checkpoint number: an array, no number"):
        other.resume()
    assert not w.get_value().any()


def test_wrong_sources(tmp_path: pathlib.Path) -> None:
    x = T.vector("x")
    for source in (x, np.zeros(3), 3, "w"):
        with pytest.raises(TypeError, match="a checkpoint keeps shared variables"):
            training.Checkpoint(tmp_path / "a", source)
    with pytest.raises(ValueError, match="without shared variables"):
        training.Checkpoint(tmp_path / "a", symnet.function([x], x))


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE", "DebugMode"])
def test_states_of_all_kinds_in_all_modes(mode: str, tmp_path: pathlib.Path) -> None:
    """Theano's streams, and an input that is kept between calls."""
    x, total = T.dvector("x"), T.dscalar("total")
    streams = MRG_RandomStreams(seed=5)
    noise = streams.uniform((3,)).sum()

    def build() -> symnet.Function[Any]:
        state = symnet.In(total, value=0.0, update=total + x.sum() + noise)
        return symnet.function([x, state], total + noise, mode=mode)

    path, step = tmp_path / "a.npz", build()
    checkpoint = training.Checkpoint(path, step)
    step([1.0, 2.0])
    checkpoint.save(1)
    wanted = [float(step([k])) for k in range(3)]
    assert checkpoint.resume() == 1
    assert [float(step([k])) for k in range(3)] == wanted


@pytest.mark.parametrize("number", [1.5, "1", None])
def test_numbers_are_whole(number: Any, tmp_path: pathlib.Path) -> None:
    checkpoint = training.Checkpoint(tmp_path / "a", symnet.shared(0.0, "w"))
    with pytest.raises(TypeError, match="integer"):
        checkpoint.save(number)
    assert checkpoint.resume() == 0


def test_clones_and_repetitions_count_once(tmp_path: pathlib.Path) -> None:
    w = symnet.shared(np.zeros(3), "w")
    step = symnet.function([], updates=[(w, w + 1)])
    checkpoint = training.Checkpoint(tmp_path / "a.npz", step, [w], {"w": w.clone()})
    assert list(checkpoint.variables) == ["w"]
