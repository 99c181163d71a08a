"""Calls from Python: what is taken natively, what goes to the fallback, and that no
reference is lost or kept."""

from __future__ import annotations

import gc
import pickle
import sys
import threading
import weakref

import numpy as np
import pytest

from symnet.kernels.cpu.library.call_steps import python_step
from symnet.kernels.cpu.runtime import call_boundary, run_block, runner
from symnet.kernels.cpu.runtime.call_block import (
    RETURN_LIST,
    RETURN_NONE,
    RETURN_ONE,
    Argument,
    ResultSlot,
    call_block,
)
from symnet.kernels.cpu.runtime.call_boundary import make_builtin
from symnet.kernels.cpu.runtime.layouts import (
    BlockWords,
)
from symnet.kernels.cpu.runtime.run_block import execute
from symnet.kernels.cpu.runtime.tickets import with_ticket
from tests.kernels.cpu.runtime.copying_programs import Program, natively, refused

pytestmark = pytest.mark.skipif(
    bool(call_boundary.obstacle()), reason=call_boundary.obstacle()
)


DTYPES = ["bool", *"bBhHiIlLefdFD"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (4, 1, 2), (0,), (3, 0)])
def test_arrays_come_back(dtype, shape):
    program = Program([(dtype, shape, 0)])
    values = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)
    (result,) = natively(program, values)
    assert result is not values
    assert result.dtype == values.dtype
    assert np.array_equal(result, values)
    assert result.flags.owndata
    assert result.flags.carray


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_what_does_not_fit_goes_to_the_fallback():
    program = Program([("float32", (2, 3), 0)])
    good = np.ones((2, 3), np.float32)
    natively(program, good)
    refused(program, good.astype(np.float64))
    refused(program, good.view(np.int32))
    refused(program, good.astype(">f4"))
    refused(program, good[:, :2])
    refused(program, np.ones((3, 2), np.float32).T)
    refused(program, good[0])
    refused(program, good[None])
    refused(program, good.tolist())
    refused(program, 1.0)
    refused(program, None)
    refused(program, np.matrix(good))
    refused(
        program, np.frombuffer(b"\0" * 25, np.uint8)[1:].view(np.float32).reshape(2, 3)
    )
    refused(program)
    refused(program, good, good)
    refused(program, good, name=3)
    refused(program, x=good)
    natively(program, good)


def test_dtypes_that_are_equal_but_other_objects_are_taken():
    program = Program([("float64", (3,), 0)])
    copied = pickle.loads(pickle.dumps(np.arange(3.0)))
    assert natively(program, copied)[0].tolist() == [0, 1, 2]
    tagged = np.arange(3.0).astype(np.dtype("f8", metadata={"a": 1}))
    assert natively(program, tagged)[0].tolist() == [0, 1, 2]
    times = np.arange(3).astype("M8[s]")
    refused(program, times)
    refused(Program([("int64", (3,), 0)]), times)


def test_exact_strides():
    base = np.arange(12.0).reshape(3, 4)
    program = Program(
        [Argument("float64", (4, 3), 0, base.T.strides)], form=RETURN_NONE
    )
    assert natively(program, base.T) is None
    refused(program, np.ascontiguousarray(base.T))


NUMBERS = [
    (
        "float64",
        [1.5, -2, True, 2**53, float("inf"), np.float64(0.1)],
        [2**53 + 1, 2**70, 1j],
    ),
    ("float32", [0.1, 7, False, np.float32(0.1), 1e300], [2**24 + 1, np.float64(0.1)]),
    ("int64", [3, -(2**63), 2**63 - 1, True, np.int64(-5)], [2**63, 1.0, np.int32(1)]),
    ("int8", [127, -128, np.int8(-3)], [128, -129, 1.5]),
    ("uint8", [255, 0, np.uint8(200)], [256, -1]),
    ("uint32", [2**32 - 1, 0], [2**32, -1]),
    ("uint64", [2**63 - 1, np.uint64(2**64 - 1)], [2**63, -1]),
    ("int16", [-5, np.int16(-7)], ["3", None]),
    ("bool", [True, False, np.bool_(True)], [1, 0, 1.0]),
    ("complex128", [], [1.0, 1j, 3, np.complex128(1)]),
    ("float16", [], [1.0]),
]


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize(("dtype", "good", "bad"), NUMBERS, ids=[n[0] for n in NUMBERS])
def test_numbers(dtype, good, bad):
    program = Program([(dtype, (), 0)], form=RETURN_ONE)
    for number in good:
        result = natively(program, number)
        assert result.dtype == dtype
        assert result == np.asarray(number).astype(dtype)
        assert result.shape == ()
    for number in bad:
        refused(program, number)
    natively(program, np.zeros((), dtype))


def test_numbers_can_be_forbidden():
    program = Program([Argument("float32", (), 0, None, False)])
    refused(program, 0.1)
    refused(program, 1)
    natively(program, np.float32(0.1))
    natively(program, np.array(0.1, np.float32))


def test_numbers_only_for_scalars():
    refused(Program([("float64", (1,), 0)]), 1.0)


class FloatSubclass(float):
    pass


def test_subclasses_go_to_the_fallback():
    program = Program([("float64", (), 0)])
    refused(program, FloatSubclass(2))
    refused(program, np.ma.array(2.0))


@pytest.mark.parametrize(
    ("form", "kind"),
    [(RETURN_LIST, list), (RETURN_ONE, np.ndarray), (RETURN_NONE, type(None))],
)
def test_forms_of_results(form, kind):
    program = Program([("float64", (2,), 0)], form=form)
    assert type(natively(program, np.ones(2))) is kind


def test_a_form_must_fit_the_outputs():
    with pytest.raises(ValueError, match="0 outputs"):
        call_block(base_count=0, form=RETURN_ONE, fallback=print, failure=print)
    with pytest.raises(ValueError, match="1 outputs"):
        outputs = [ResultSlot("bool", (), 0)]
        call_block(
            outputs=outputs,
            base_count=1,
            form=RETURN_NONE,
            fallback=print,
            failure=print,
        )


def test_no_arguments_no_outputs():
    assert natively(Program([])) == []
    assert natively(Program([], form=RETURN_NONE)) is None


def test_many_arguments():
    program = Program([("float64", (k,), 0) for k in range(12)])
    arrays = [np.arange(float(k)) for k in range(12)]
    results = natively(program, *arrays)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, results, strict=True))


def test_references_are_neither_lost_nor_kept():
    program = Program([("float32", (2, 3), 0), ("float64", (), 0)])
    array, number, wrong = np.ones((2, 3), np.float32), 0.123, np.ones(2)
    dtype = np.dtype("float32")
    things = [array, number, wrong, dtype, program.block, program.call, None, True]

    def counts():
        gc.collect()  # what other tests left behind
        return [sys.getrefcount(thing) for thing in things]

    for _ in range(10):
        program.call(array, number)
    program.calls.clear()
    before = counts()
    for _ in range(5000):
        results = program.call(array, number)
    del results
    after = counts()
    # Other tests' threads may let a few go; one for each call would be thousands.
    assert [b - a for a, b in zip(before, after, strict=True) if abs(b - a) > 999] == []
    for _ in range(2000):
        program.call(array, wrong)
    program.calls.clear()
    assert [
        b - a for a, b in zip(before, counts(), strict=True) if abs(b - a) > 999
    ] == []
    result = program.call(array, number)[0]
    assert sys.getrefcount(result) == 2


def test_failed_runs_release_everything():
    def fail():
        raise ValueError("inside")

    step = python_step(fail)
    for form in (RETURN_LIST, RETURN_ONE, RETURN_NONE):
        program = Program([("float64", (), 0)], form=form, extra=[step.arrangement])
        dtype = np.dtype("float64")
        before = sys.getrefcount(dtype)
        for _ in range(1000):
            with pytest.raises(ArithmeticError, match=r"step \d"):
                program.call(1.0)
        assert abs(sys.getrefcount(dtype) - before) < 20
        assert set(program.failures) == {len(program.block.outputs)}
        assert program.block[BlockWords.busy] == 0
        assert isinstance(step.take_error(), ValueError)


def test_memory_does_not_grow():
    program = Program([("float64", (100_000,), 0)])
    values = np.ones(100_000)

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    for _ in range(50):
        program.call(values)
    before = resident()
    for _ in range(2000):
        program.call(values)
    assert resident() - before < 20e6


def test_too_large_an_output():
    program = Program([], form=RETURN_NONE)
    huge = call_block(
        outputs=[ResultSlot("float64", (2**40, 2**15), 0)],
        base_count=1,
        fallback=program.fallback,
        failure=program.failure,
    )
    for form in (RETURN_LIST, RETURN_ONE):
        huge[BlockWords.form] = form
        for _ in range(3):
            with pytest.raises((MemoryError, ValueError)):
                make_builtin(huge)()
        assert huge[BlockWords.busy] == 0


def test_errors_of_the_fallback_come_through():
    def fallback(*args):
        raise LookupError(len(args))

    block = call_block(base_count=0, fallback=fallback, failure=fallback)
    with pytest.raises(LookupError, match="2"):
        make_builtin(block)(1, 2)


def test_a_call_of_itself_goes_to_the_fallback():
    outcomes = []

    def inner():
        outcomes.append(program.call())
        outcomes.append(
            (run_block.idle(program.block), run_block.inside(program.block))
        )

    step = python_step(inner)
    program = Program([], extra=[step.arrangement])
    assert program.call() == []
    assert outcomes == ["fallback", (False, True)]
    assert run_block.idle(program.block)


def test_a_retired_block_is_not_entered():
    program = Program([("float64", (), 0)])
    assert natively(program, 1.0) == [1.0]
    run_block.retire(program.block)
    refused(program, 1.0)
    assert run_block.retired(program.block)


@pytest.mark.parametrize("release", [False, True])
def test_threads(release):
    """Calls of several threads all give right results, by whichever way."""
    program = Program([("float64", (2000,), 0)], form=RETURN_ONE, release=release)
    program.block.set_fallback(
        lambda array: with_ticket({}, program.queue, slowly(array))
    )
    wrong = []

    def slowly(array):
        def work(ticket):
            while not run_block.idle(program.block):
                ticket.wait()
            return execute(program.block, [array])[0]

        return work

    def use(seed):
        values = np.full(2000, float(seed))
        for _ in range(300):
            if not np.array_equal(program.call(values), values):
                wrong.append(seed)

    users = [threading.Thread(target=use, args=(seed,)) for seed in range(4)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert not wrong


def test_others_may_run_meanwhile():
    """With `release` a Python thread goes on while the steps run."""
    reached, go_on = threading.Event(), threading.Event()

    def wait():
        reached.set()
        assert go_on.wait(10)

    step = python_step(wait)
    program = Program([], extra=[step.arrangement], release=True)
    runner_thread = threading.Thread(target=program.call)
    runner_thread.start()
    assert reached.wait(10)
    assert program.call() == "fallback"
    go_on.set()
    runner_thread.join()
    assert natively(program) == []


def test_times():
    program = Program([("float64", (1000,), 0)])
    times = np.zeros(1, np.int64)
    program.block.set_times(times)
    for _ in range(10):
        natively(program, np.ones(1000))
    measured = int(times[0])
    assert 0 < measured < 10**9 or not runner.TIMED
    program.block.set_times(None)
    natively(program, np.ones(1000))
    assert times[0] == measured


def test_a_chain_of_plans():
    """The fallback of a builtin may be the builtin of another plan."""
    second = Program([("float64", (3,), 0)])
    first = Program([("float64", (2,), 0)])
    first.block.set_fallback(second.call)
    assert first.call(np.ones(2))[0].shape == (2,)
    assert first.call(np.ones(3))[0].shape == (3,)
    assert first.call(np.ones(4)) == "fallback"
    assert not first.calls


def test_the_builtin_as_a_class_attribute():
    program = Program([("float64", (), 0)], form=RETURN_ONE)
    kind = type("Function", (), {"__call__": program.call})
    assert kind()(2.0) == 2.0


def test_a_dropped_function_is_collected():
    program = Program([("float64", (), 0)])
    call, alive = program.call, weakref.ref(program)
    block_alive = weakref.ref(program.block)
    del program
    assert call(1.0) == [1.0]
    assert alive() is not None  # its method is the fallback
    del call
    gc.collect()
    assert alive() is None
    assert block_alive() is None


def test_collection_during_a_call():
    """A call in a finalizer that runs inside another call of the same function."""
    program = Program([("float64", (), 0)])

    class Noisy:
        def __del__(self):
            results.append(program.call(7.0))

    results = []
    old = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for k in range(200):
            noisy = Noisy()
            noisy.self = noisy
            del noisy
            assert program.call(float(k)) == [float(k)]
    finally:
        gc.set_threshold(*old)
    gc.collect()
    assert results == [[7.0]] * 200
    assert not program.calls


def test_without_a_builtin_calls_go_to_the_fallback(monkeypatch):
    program = Program([("float64", (), 0)])
    monkeypatch.setattr(call_boundary, "obstacle", lambda: "a test")
    assert make_builtin(program.block) == program.fallback
    assert "a test" in call_boundary.description()
    monkeypatch.undo()
    assert call_boundary.description() == "directly"


def test_a_block_can_be_read():
    program = Program([("float64", (2,), 0), ("int8", (), 1)])
    head, *records = program.block.show().splitlines()
    assert head.startswith("block: busy 0, argument_count 2, ")
    assert [r.partition(":")[0] for r in records] == [
        "argument 0", "argument 1", "output 0", "output 1",
    ]  # fmt: skip
    assert "low -128, high 127" in records[1]
    assert "base 3, " in records[3] and "rank 0, " in records[3]
