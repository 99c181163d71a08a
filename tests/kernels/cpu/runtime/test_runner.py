"""The runner: order, failures, patches, windows, times, loops of steps."""

from __future__ import annotations

import numpy as np
import pytest

from symnet.kernels.cpu.jit.intrinsics import load, store
from symnet.kernels.cpu.jit.native import native
from symnet.kernels.cpu.library.call_steps import python_step
from symnet.kernels.cpu.runtime import runner
from symnet.kernels.cpu.runtime.layouts import (
    BlockWords,
    ChoiceWords,
    GateWords,
    LineariseWords,
    MoveWords,
    RepeatWords,
    RingWords,
    StepWords,
    WatchWords,
)
from symnet.kernels.cpu.runtime.runner import (
    choose,
    go_round,
    linearise,
    move,
    patch,
    repeat,
    rewind,
    run,
    run_timed,
)


@native
def note(arguments: int, begin: int, end: int) -> int:
    """Append (own number, begin, end) to a log; fail if told so: [log, number, fail]."""
    log = load(arguments, 0)
    count = load(log, 0)
    store(log, count * 3 + 1, load(arguments, 1))
    store(log, count * 3 + 2, begin)
    store(log, count * 3 + 3, end)
    store(log, 0, count + 1)
    return load(arguments, 2)


@native
def accumulate(arguments: int, begin: int, end: int) -> int:
    """*to = *to + *from: [to, from]."""
    store(
        load(arguments, 0), 0, load(load(arguments, 0), 0) + load(load(arguments, 1), 0)
    )
    return 0


class Log:
    """Steps of `note`, and what they noted."""

    def __init__(self, *steps):
        self.log = np.zeros(1 + 3 * 100, np.int64)
        self.blocks = [
            np.array([self.log.ctypes.data, k, fail])
            for k, (_, fail) in enumerate(steps)
        ]
        self.steps = np.array(
            [
                [note.address, block.ctypes.data, total, total]
                for block, (total, _) in zip(self.blocks, steps, strict=True)
            ]
        ).reshape(-1, StepWords.count)
        self.address, self.count = self.steps.ctypes.data, len(steps)

    def noted(self):
        return self.log[1 : 1 + 3 * self.log[0]].reshape(-1, 3).tolist()


def test_steps_run_in_order():
    log = Log((5, 0), (1, 0), (0, 0))
    assert run(log.address, log.count, 0) == 0
    assert log.noted() == [[0, 0, 5], [1, 0, 1], [2, 0, 0]]


class Watch:
    """A watch, and a call block of no shared variables for it."""

    def __init__(self, asked_ns: int = 0) -> None:
        self.words = np.zeros(WatchWords.count, np.int64)
        self.block = np.zeros(BlockWords.count, np.int64)
        self.address = self.words.ctypes.data
        runner.begin_watch(self.address, self.block.ctypes.data)
        self.words[WatchWords.asked] -= asked_ns


def test_the_watch_looks_at_the_clock_now_and_then():
    assert runner.tick.address
    watch = Watch()
    for _ in range(100_000):
        assert runner.tick(watch.address) == 0
    stride = int(watch.words[WatchWords.stride])
    assert stride > 10  # ticks are much shorter than the time from look to look
    assert runner.tick(0) == 0 == runner.glance(0)
    runner.glance(watch.address)
    assert watch.words[WatchWords.stride] == watch.words[WatchWords.left] == 1


def test_a_break_comes_through_loops_and_choices():
    """As from a signal: the number is not taken for that of a step."""
    log = Log((1, 0), (1, runner.CONFLICT), (1, 0))
    assert run(log.address, log.count, 0) == runner.CONFLICT
    assert run_timed(log.address, log.count, np.zeros(3, np.int64).ctypes.data, 0) == (
        runner.CONFLICT
    )
    words = np.zeros(RepeatWords.count, np.int64)
    words[RepeatWords.iterations], words[RepeatWords.steps] = 5, log.address
    words[RepeatWords.step_count] = log.count
    assert repeat(words.ctypes.data, 0, 1) == runner.CONFLICT
    assert words[RepeatWords.iterations_done] == 0
    flag = np.ones(1, np.int8)
    words = np.zeros(ChoiceWords.count, np.int64)
    words[ChoiceWords.condition] = flag.ctypes.data
    words[ChoiceWords.first : ChoiceWords.first + 2] = log.address, log.count
    assert choose(words.ctypes.data, 0, 1) == runner.CONFLICT


def test_steps_that_write_shared_variables_wait_for_a_fork():
    gate = int(runner.GATE)
    assert runner.enter_commit() == 0 and load(gate, GateWords.writing) == 1
    assert runner.leave_commit() == 0 and load(gate, GateWords.writing) == 0


def test_the_first_failure_ends_the_run():
    log = Log((1, 0), (1, -3), (1, 0))
    assert run(log.address, log.count, 0) == 2
    assert [number for number, _, _ in log.noted()] == [0, 1]


def test_no_steps():
    assert run(0, 0, 0) == 0
    assert run_timed(0, 0, 0, 0) == 0


@pytest.mark.skipif(not runner.TIMED, reason="no clock")
def test_times_add_up():
    log = Log((1, 0), (1, 0))
    times = np.zeros(2, np.int64)
    for _ in range(20):
        assert run_timed(log.address, log.count, times.ctypes.data, 0) == 0
    assert (times > 0).all()
    assert (times < 10**9).all()
    failing = Log((1, 0), (1, 1))
    times[:] = 0
    assert run_timed(failing.address, failing.count, times.ctypes.data, 0) == 2


def test_patches():
    bases = np.array([1000, 2000])
    places = np.zeros(3, np.int64)
    spots = places.ctypes.data + 8 * np.arange(3)
    records = np.array([[spots[0], 1, 0], [spots[1], 0, 24], [spots[2], 0, -8]])
    assert patch(records.ctypes.data, 3, bases.ctypes.data) == 0
    assert places.tolist() == [2000, 1024, 992]


def test_moves_and_rings():
    places = np.zeros(2, np.int64)
    spots = places.ctypes.data + 8 * np.arange(2)
    straight = np.array([spots[0], 100, 8])
    ring = np.array([spots[1], 100, 8, 3, 1, 0])
    assert (len(straight), len(ring)) == (MoveWords.count, RingWords.count)
    block = np.zeros(RepeatWords.count, np.int64)
    block[RepeatWords.moves : RepeatWords.ring_count + 1] = [
        straight.ctypes.data, 1, ring.ctypes.data, 1,
    ]  # fmt: skip
    for _ in range(2):  # a loop begins anew each time
        rewind(block.ctypes.data)
        seen = [places.tolist()]
        for _ in range(5):
            move(straight.ctypes.data, 1)
            go_round(ring.ctypes.data, 1)
            seen.append(places.tolist())
        assert [a for a, _ in seen] == [100, 108, 116, 124, 132, 140]
        assert [b for _, b in seen] == [108, 116, 100, 108, 116, 100]


class Loop:
    """A `repeat` step that sums a vector into a number, element by element."""

    def __init__(self, values, iterations, until=0):
        self.values, self.total = np.array(values), np.zeros(1, np.int64)
        self.inner = np.array([self.total.ctypes.data, self.values.ctypes.data])
        self.steps = np.array([accumulate.address, self.inner.ctypes.data, 1, 1])
        place = self.inner.ctypes.data + 8
        self.moves = np.array([place, self.values.ctypes.data, 8])
        self.done = np.full(1, -1)
        self.block = np.zeros(RepeatWords.count, np.int64)
        self.block[: RepeatWords.done + 1] = [
            iterations, self.steps.ctypes.data, 1, self.moves.ctypes.data, 1, 0, 0,
            until, self.done.ctypes.data,
        ]  # fmt: skip

    def run(self):
        return repeat(self.block.ctypes.data, 0, 1)


@pytest.mark.parametrize("iterations", [0, 1, 7])
def test_repeat(iterations):
    loop = Loop(range(1, 10), iterations)
    for again in (1, 2):
        assert loop.run() == 0
        assert loop.total == again * sum(range(1, iterations + 1))
        assert loop.block[RepeatWords.iterations_done] == loop.done == iterations


def test_repeat_until():
    stop = np.zeros(1, np.int8)
    calls = []

    def watch():
        calls.append(1)
        stop[0] = len(calls) == 3

    step = python_step(watch)
    loop = Loop(range(10), 100, stop.ctypes.data)
    loop.steps[0] = step.arrangement.address
    assert loop.run() == 0
    assert len(calls) == loop.block[RepeatWords.iterations_done] == 3


def test_repeat_reports_the_inner_step():
    def fail():
        raise KeyError("inner")

    step = python_step(fail)
    loop = Loop(range(10), 100)
    loop.steps[0] = step.arrangement.address
    assert loop.run() == 1
    assert loop.block[RepeatWords.failed_step] == 1
    assert loop.block[RepeatWords.iterations_done] == 0
    assert isinstance(step.take_error(), KeyError)
    loop = Loop(range(10), 2)
    assert loop.run() == 0
    assert loop.block[RepeatWords.failed_step] == 0


@pytest.mark.skipif(not runner.TIMED, reason="no clock")
def test_inner_steps_are_timed():
    loop, times = Loop(range(10), 5), np.zeros(1, np.int64)
    loop.block[RepeatWords.times] = times.ctypes.data
    assert loop.run() == 0
    assert times[0] > 0


@pytest.mark.parametrize("condition", [0, 1])
@pytest.mark.parametrize("fail", [0, 5])
def test_choose(condition, fail):
    logs = [Log((1, fail), (1, 0)), Log((1, 0))]
    byte = np.array([condition, 1], np.int8)
    block = np.zeros(ChoiceWords.count, np.int64)
    block[ChoiceWords.condition] = byte.ctypes.data
    for word, log in zip((ChoiceWords.first, ChoiceWords.second), logs, strict=True):
        block[word : word + 2] = log.address, log.count
    failed = int(condition and fail > 0)
    assert choose(block.ctypes.data, 0, 1) == failed
    assert block[ChoiceWords.failed_step] == failed
    assert block[ChoiceWords.taken] == 1 - condition
    assert len(logs[0].noted()) == (condition * (1 if fail else 2))
    assert len(logs[1].noted()) == 1 - condition


@pytest.mark.parametrize(
    ("slots", "depth", "kept", "iterations"),
    [(2, 1, 1, 0), (2, 1, 1, 5), (4, 3, 3, 7), (8, 2, 5, 1), (8, 2, 5, 100)],
)
def test_linearise(slots, depth, kept, iterations):
    ring, rows = np.zeros((slots, 3)), np.full((kept, 3), -1.0)
    for number in range(depth + iterations):
        ring[number % slots] = number + 1
    count = np.array([iterations])
    block = np.array([ring.ctypes.data, rows.ctypes.data, count.ctypes.data, 24,
                      slots, depth, kept])  # fmt: skip
    assert len(block) == LineariseWords.count
    assert linearise(block.ctypes.data, 0, 1) == 0
    last = np.maximum(np.arange(depth + iterations - kept, depth + iterations) + 1, 0)
    assert (rows == last[:, None]).all()
