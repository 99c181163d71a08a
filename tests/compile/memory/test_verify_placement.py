"""The proof that memory holds what is read finds faults that are put there on purpose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import config, function, scan, shared
from symnet.compile import pipeline
from symnet.compile.lower import licm, lower_scan
from symnet.compile.lower.context import Context
from symnet.compile.lower.program import KernelLaunch, Placement
from symnet.compile.memory import overwriting, placement
from symnet.compile.memory.arena import lifetimes, pack
from symnet.compile.memory.placer import Placer
from symnet.compile.memory.verify_placement import PlacementError
from symnet.compile.modes import Mode
from symnet.compile.plan import planner
from symnet.ifelse import ifelse
from symnet.kernels.loopir.views import add, size
from symnet.ops.subtensor import Subtensor

TWO = size(2), size(2)
ROWS, ROW = np.arange(24.0).reshape(4, 6), np.arange(6.0)


@pytest.fixture(autouse=True)
def verified(monkeypatch):
    """The proof alone: what is seen without numbers is not to be found before."""
    monkeypatch.setattr(pipeline, "verify_program", lambda _: None)
    with config.change_flags(verify="on"):
        yield


def update(new, start=ROW):
    """A function that updates one shared vector from a vector."""
    w, x = shared(start.copy(), "w"), T.vector("x")
    return function([x], [], updates=[(w, new(w, x))], on_unused_input="ignore")


def loop(step, **how):
    """The last row of a scan over a matrix that starts from a vector."""
    x, s = T.matrix("x"), T.vector("s")
    last = scan(step, sequences=x, outputs_info=s, **how)[0][-1]
    return function([x, s], last, on_unused_input="ignore")


def found(call, *words):
    with pytest.raises(PlacementError) as caught:
        call()
    for word in ("operation: ", "test_verify_placement.py", "report this", *words):
        assert word in str(caught.value), f"{word!r} is not in\n{caught.value}"


def old_rule(step, buffer, target, places):
    """Without a look at what a step starts from."""
    return not any(places.home(v.buffer) is target for v in step.inputs)


# ---- what is laid over what


@pytest.mark.parametrize("rule", [old_rule, lambda *_: True])
def test_a_start_that_is_turned_round(monkeypatch, rule):
    monkeypatch.setattr(overwriting, "overwrites_safely", rule)
    f = update(lambda w, x: T.set_subtensor(w[::-1][0], 9.0))
    found(lambda: f(ROW), "shared w", "float64 (6,)", "your line")


@pytest.mark.parametrize(
    "new",
    [
        lambda w, x: T.inc_subtensor(x[:], w),
        lambda w, x: T.inc_subtensor((x + w)[1:], w[:-1]),
        lambda w, x: T.set_subtensor(w[1:], w[:-1]),
        lambda w, x: w[::-1] + x,
        lambda w, x: w[::-1] * w,
        lambda w, x: T.dot(T.outer(x, x), w),
    ],
)
def test_updates_that_read_what_they_overwrite(monkeypatch, new):
    update(new)(ROW + 1)
    monkeypatch.setattr(overwriting, "overwrites_safely", lambda *_: True)
    found(lambda: update(new)(ROW + 1), "w")


def test_passes_that_read_what_an_earlier_pass_overwrites(monkeypatch):
    monkeypatch.setattr(overwriting, "overwrites_safely", lambda *_: True)
    w = shared(ROWS.copy(), "w")
    f = function([], [], updates=[(w, T.nnet.softmax(w))])
    found(f, "a step overwrites what it still reads", "shared w")


@pytest.mark.parametrize(
    "step",
    [
        lambda x, s: T.inc_subtensor(x[:], s),
        lambda x, s: T.set_subtensor(s[::-1][0], 9.0),
        lambda x, s: s[::-1] + x,
    ],
)
def test_states_that_read_what_they_overwrite(monkeypatch, step):
    loop(step)(ROWS, ROW)
    monkeypatch.setattr(overwriting, "overwrites_safely", lambda *_: True)
    found(lambda: loop(step)(ROWS, ROW))


def test_a_result_over_an_input_that_is_read_again(monkeypatch):
    x, w = T.matrix("x"), shared(np.eye(3))

    def build():
        product = T.dot(x, w)
        return function([x], T.dot(T.tanh(product), T.dot(product, product)))

    build()(np.eye(3))
    passes = (*pipeline.LOWERING[:-1], pipeline.ProgramPass("reuse", over_anything))
    monkeypatch.setattr(pipeline, "LOWERING", passes)
    found(lambda: build()(np.eye(3)), "temporary")


def over_anything(program):
    """Lay each elementwise result over an input, needed or not."""
    places = dict(program.placement.places)
    for step in program.steps:
        buffers = [v.buffer for v in (step.outputs[0], *step.inputs)]
        result, *inputs = (b for b in buffers if b.kind == "temporary")
        if isinstance(step, KernelLaunch) and inputs and result is buffers[0]:
            places.setdefault(result, Placement(places).home(inputs[0]))
    return replace(program, placement=Placement(places))


# ---- the order


def test_an_update_before_the_readers_of_the_old_value(monkeypatch):
    w, x = shared(np.eye(3), "w"), T.matrix("x")

    def build():
        return function([x], T.dot(x, w), updates=[(w, w * 2)])

    build()(np.eye(3))
    right = Placer.ordered
    monkeypatch.setattr(Placer, "ordered", lambda self: right(self)[::-1])
    found(lambda: build()(np.eye(3)), "shared w")


def test_a_write_before_a_step_that_may_fail(monkeypatch):
    w, x, i = shared(ROW.copy(), "w"), T.vector("x"), T.lvector("i")

    def build():
        return function([x, i], x[i] * 2, updates=[(w, w + x)])

    build()(ROW, [0, 1])
    right = Placer.ordered

    def late(self):
        steps = right(self)
        return sorted(steps, key=lambda step: step.fallible)

    monkeypatch.setattr(Placer, "ordered", late)
    found(lambda: build()(ROW, [0, 1]), "before a step that may fail", "shared w")


def test_a_write_that_may_fail_itself(monkeypatch):
    w, i = shared(ROW.copy(), "w"), T.lvector("i")

    def build():
        return function([i], [], updates=[(w, T.inc_subtensor(w[i], 1.0))])

    build()([0, 1])
    monkeypatch.setattr(
        Placer, "_check_before", lambda self, maker, target: self.layout.steps[0]
    )
    monkeypatch.setattr(Placer, "_may_write", lambda *_: True)
    found(lambda: build()([0, 1]), "a step that may fail writes a shared variable")


def test_a_start_without_its_copy(monkeypatch):
    x = T.vector("x")
    monkeypatch.setattr(Placer, "_copy_before", lambda *_: None)
    f = function([x], T.set_subtensor(x[0], 9.0))
    found(lambda: f(ROW), "does not begin as the copy")


def test_a_start_that_is_still_needed(monkeypatch):
    x = T.vector("x")

    def build():
        y = T.exp(x)
        return function([x], T.dot(T.set_subtensor(y[0], 9.0), y))

    build()(ROW)
    monkeypatch.setattr(Placer, "_last_use", lambda *_: True)
    found(lambda: build()(ROW))


# ---- what may be written


def test_an_argument_is_not_overwritten(monkeypatch):
    x = T.vector("x")
    monkeypatch.setattr(Placer, "_last_use", lambda *_: True)
    f = function([x], T.set_subtensor(x[0], 9.0).sum())
    found(lambda: f(ROW), "not the program's own is written", "input x")


def test_a_shared_variable_is_not_overwritten(monkeypatch):
    w = shared(ROW.copy(), "w")
    monkeypatch.setattr(Placer, "_last_use", lambda *_: True)
    f = function([], T.set_subtensor(w[0], 9.0).sum())
    found(f, "shared variable is written that is not updated", "shared w")


def test_results_have_memory_of_their_own(monkeypatch):
    x, right, first = T.vector("x"), Context._output, {}

    def once(self, number, variable):
        found = right(self, number, variable)
        return replace(found, target=first.setdefault(self, found.target))

    monkeypatch.setattr(Context, "_output", once)
    f = function([x], [x + 1, x * 2])
    with pytest.raises(PlacementError, match="two results lie in the same memory"):
        f(ROW)


def test_a_result_is_no_temporary(monkeypatch):
    x, right = T.vector("x"), Context._output

    def where_it_is_made(self, number, variable):
        found = right(self, number, variable)
        return replace(found, target=found.value.buffer)

    monkeypatch.setattr(Context, "_output", where_it_is_made)
    monkeypatch.setattr(Placer, "result", lambda *_: None)
    f = function([x], x + 1)
    with pytest.raises(PlacementError, match="a result lies in other memory"):
        f(ROW)


def test_a_result_holds_its_value_at_the_end(monkeypatch):
    monkeypatch.setattr(Placer, "result", lambda *_: None)
    x = T.vector("x")
    f = function([x], [T.dot(x, x), x[::-1]])
    found(lambda: f(ROW), "does not hold its value at the end", "output")


def test_an_update_is_written(monkeypatch):
    monkeypatch.setattr(Placer, "update", lambda *_: None)
    f = update(lambda w, x: w[::-1])
    found(lambda: f(ROW), "does not hold its value at the end", "shared w")


def test_a_view_beyond_its_buffer(monkeypatch):
    """Sizes that only a call knows: what is read ends where it begins too late."""
    right = Subtensor.view

    def late(self, node, source, sizes):
        view = right(self, node, source, sizes)
        return replace(view, offset=add(view.offset, view.strides[0]))

    monkeypatch.setattr(Subtensor, "view", late)
    x = T.vector("x")
    f = function([x], x[1:] * 2)
    found(lambda: f(ROW), "a view reaches beyond its buffer", "input x")


# ---- the arena


def test_arrays_that_overlap_in_the_arena(monkeypatch):
    x, w = T.matrix("x"), shared(np.eye(3))
    e = T.dot(x, w)

    def build():
        return function([x], T.dot(T.dot(e, e.T), T.dot(e, e)))

    build()(np.eye(3))

    def packed(lives, sizes, alignment):
        offsets, end = pack(lives, sizes, alignment)
        return {b: min(o, 64) for b, o in offsets.items()}, end

    monkeypatch.setattr(planner, "pack", packed)
    found(lambda: build()(np.eye(3)), "temporary")


def test_a_lifetime_that_ends_too_soon(monkeypatch):
    """What a loop reads in every turn lives until its end."""

    def short(steps, places):
        lives = lifetimes(steps, places)
        return {b: (first, first) for b, (first, _) in lives.items()}

    step = loop(lambda x, s: T.tanh(T.dot(T.outer(x, s), s) + T.dot(T.outer(s, x), x)))
    step(ROWS, ROW)
    monkeypatch.setattr(planner, "lifetimes", short)
    step = loop(lambda x, s: T.tanh(T.dot(T.outer(x, s), s) + T.dot(T.outer(s, x), x)))
    found(lambda: step(ROWS, ROW))


# ---- loops and choices


def test_a_ring_that_is_too_small(monkeypatch):
    x, s = T.matrix("x"), T.matrix("s")

    def build():
        how = {"initial": s, "taps": [-3, -1]}
        last = scan(lambda x, a, b: x + a * b, sequences=x, outputs_info=how)[0][-1]
        return function([x, s], last)

    build()(ROWS, ROWS[:3])
    right = lower_scan.ring_slots
    monkeypatch.setattr(lower_scan, "ring_slots", lambda state: right(state) // 2)
    found(lambda: build()(ROWS, ROWS[:3]))


def test_two_states_that_read_each_other(monkeypatch):
    x, s = T.matrix("x"), T.vector("s")

    def build():
        (a, b), _ = scan(
            lambda x, a, b: (b + x, a * x), sequences=x, outputs_info=[s, s]
        )
        return function([x, s], [a[-1], b[-1]])

    build()(ROWS, ROW)
    right = Placer._may_write

    def careless(self, buffer, target):
        self.reading = {}
        return right(self, buffer, target)

    monkeypatch.setattr(Placer, "_may_write", careless)
    monkeypatch.setattr(overwriting, "overwrites_safely", lambda *_: True)
    found(lambda: build()(ROWS, ROW))


def test_a_row_that_is_not_written(monkeypatch):
    right = Placer.result

    def forgotten(self, result):
        if result.target.row is None:
            right(self, result)

    monkeypatch.setattr(Placer, "result", forgotten)
    x = T.matrix("x")
    every = scan(lambda x: T.exp(x).sum() + x, sequences=x)[0]
    f = function([x], T.dot(every, every.T))
    found(lambda: f(ROWS))


@pytest.mark.parametrize("keep", [np.s_[-1], np.s_[:]])
def test_a_loop_that_moves_in_the_wrong_place(monkeypatch, keep):
    x, s = T.matrix("x"), T.vector("s")

    def build():
        (a, b), _ = scan(
            lambda x, s: (s * x, x[::-1] * 2), sequences=x, outputs_info=[s, None]
        )
        return function([x, s], [a[keep], b])

    build()(ROWS, ROW)
    right = lower_scan.LoopLowering._row
    for wrong in (
        lambda self, array, first: right(self, array, array.sizes[0]),
        lambda self, array, first: right(self, array.sliced(0, first, *TWO), first),
    ):
        monkeypatch.setattr(lower_scan.LoopLowering, "_row", wrong)
        found(lambda: build()(ROWS, ROW))


def test_what_changes_is_not_taken_out_of_a_loop(monkeypatch):
    monkeypatch.setattr(licm, "moves", lambda *_: False)
    f = loop(lambda x, s: T.dot(T.outer(x, x), s))
    with pytest.raises(PlacementError):
        f(ROWS, ROW)


def test_a_branch_that_does_not_write_its_result(monkeypatch):
    x, c = T.vector("x"), T.bscalar("c")

    def build():
        return function([x, c], ifelse(c, T.exp(x), x) * 2)

    build()(ROW, 1)
    monkeypatch.setattr(placement, "_placed", lambda region, _: region)
    found(lambda: build()(ROW, 0))


def test_arrays_of_one_element_hide_nothing(monkeypatch):
    monkeypatch.setattr(overwriting, "overwrites_safely", lambda *_: True)
    for start in (ROW[:0], ROW[:1], ROW):
        f = update(lambda w, x: T.set_subtensor(w[::-1][:1], 9.0), start)
        found(lambda f=f: f(ROW), "shared w")


# ---- right programs


def product_of(x, s):
    return scan(lambda a, b: a * b, sequences=x, outputs_info=s[0])[0][-1]


def test_nothing_is_found_where_all_is_right():
    x, s, i, c = T.matrix("x"), T.vector("s"), T.lvector("i"), T.bscalar("c")
    w = shared(ROW.copy(), "w")
    states, _ = scan(lambda x, s: s * product_of(x, s), sequences=x, outputs_info=s)
    delay, _ = scan(
        lambda x, s: T.concatenate([s[1:], x[:1]]), sequences=x, outputs_info=s
    )
    outputs = [states, delay[-1], ifelse(c, states[0] * 2, s[::-1]), w[i]]
    gradient = symnet.grad(delay[-1].sum() + states[-1].sum(), [x, s])
    f = function(
        [x, s, i, c], [*outputs, *gradient], updates=[(w, T.inc_subtensor(w[i], s[i]))]
    )
    for rows_, positions in ((ROWS, [0, 1]), (ROWS[:1], []), (ROWS[:2], [5])):
        f(rows_, ROW, positions, 1)
    # Complex numbers, empty arrays, and what is too large to be walked.
    z = T.zmatrix("z")
    g = function([z], T.tensordot(z * 2, z * 2, [[1, 0], [1, 0]]))
    g(ROWS * 1j)
    g(np.zeros((0, 0), complex))
    big = function([s], T.exp(s)[::-1] + 1)
    assert big(np.zeros(2_200_000)).shape == (2_200_000,)


def test_a_sequence_that_no_step_reads_may_be_overwritten():
    w, x = shared(ROWS.copy(), "w"), T.vector("x")
    fresh = T.cos(w)
    held, _ = scan(lambda row, s: s + 1, sequences=fresh, outputs_info=x)
    as_written = Mode(optimizer=None)  # the sequence is not left out
    f = function([x], held[-1], updates=[(w, fresh)], mode=as_written)
    np.testing.assert_allclose(f(ROW), ROW + 4)
    np.testing.assert_allclose(w.get_value(), np.cos(ROWS))
