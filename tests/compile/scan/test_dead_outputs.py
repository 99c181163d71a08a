"""What nobody reads of a loop is left out; what is read is still checked."""

from __future__ import annotations

import numpy as np
import pytest

import symnet.tensor as T
from symnet import function, grad, scan, shared
from symnet.compile.lower.program import Loop, every_instruction
from symnet.compile.pipeline import simplified
from symnet.compile.scan.dead_outputs import keep_last_rows, trim_loops
from symnet.graph.traverse import Graph
from symnet.scan_module import until
from tests.compile.loop_tools import agree, loops, passed

rng = np.random.default_rng(4)
XS, YS = rng.standard_normal((2, 6, 3))


def trimmed(graph):
    return trim_loops(graph, simplified)


# ---- what nobody reads


def three():
    """A loop with two states, the second of which needs the first, and two outputs."""
    xs, ys, h = T.dmatrix("xs"), T.dmatrix("ys"), T.dvector("h")

    def step(x, y, a, b):
        return a + x, b * a, x * y, T.exp(x)

    found, _ = scan(step, [xs, ys], [h, h, None, None])
    return [xs, ys, h], found


@pytest.mark.parametrize(
    ("read", "states", "collected", "sequences"),
    [((0,), 1, 0, 1), ((1,), 2, 0, 1), ((2,), 0, 1, 2), ((3,), 0, 1, 1), ((0, 3), 1, 1, 1)],
)  # fmt: skip
def test_parts_that_nobody_reads(read, states, collected, sequences):
    inputs, found = three()
    results = [found[k] for k in read]
    (loop,) = loops(passed(trimmed, results, inputs))
    assert (len(loop.states), loop.collected) == (states, collected)
    assert loop.sequences == sequences
    agree(results, dict(zip(inputs, [XS, YS, np.ones(3)])))


def test_a_loop_of_which_all_is_read_stays():
    inputs, found = three()
    graph = Graph(inputs, found)
    assert trimmed(graph) is graph


def test_a_loop_of_which_only_sizes_are_read_is_not_run():
    inputs, found = three()
    f = function(inputs, found[0].shape.sum(), on_unused_input="ignore")
    steps = [s for n in f.engine.native for s in every_instruction(n.program.steps)]
    assert not any(isinstance(step, Loop) for step in steps)
    assert f(XS, YS, np.ones(3)) == XS.size // 3 + 3


def test_the_condition_to_stop_keeps_what_it_needs():
    xs, h = T.dmatrix("xs"), T.dvector("h")

    def step(x, a, b):
        return a + T.exp(x), b + 1, x * 2, until(b.sum() > 8)

    found, _ = scan(step, xs, [h, h, None])
    (loop,) = loops(passed(trimmed, [found[2]], [xs, h]))
    assert len(loop.states) == 1
    agree([found[2]], {xs: XS, h: np.ones(3)})


def test_one_loop_after_another():
    """What the second leaves out is left out of the first."""
    inputs, found = three()
    again, _ = scan(lambda a, b: (a * 2, b * 3), found[:2], n_steps=inputs[0].shape[0])
    graph = passed(trimmed, [again[0]], inputs)
    assert [loop.sequences for loop in loops(graph)] == [1, 1]
    assert [len(loop.states) for loop in loops(graph)] == [1, 0]
    agree([again[0]], dict(zip(inputs, [XS, YS, np.ones(3)])))


def test_updates_that_are_read_are_kept():
    s, other = shared(np.zeros(3), "s"), shared(np.zeros(3), "other")
    xs = T.dmatrix("xs")
    found, updates = scan(lambda x: (x * 2, {s: s + x, other: other - x}), xs)
    f = function([xs], found.sum(), updates={s: updates[s]})
    f(XS)
    np.testing.assert_allclose(s.get_value(), XS.sum(axis=0))
    np.testing.assert_allclose(other.get_value(), 0)


def test_unread_gradients_of_inputs_are_not_made():
    xs, h, W = T.dtensor3("xs"), T.dmatrix("h"), T.dmatrix("W")
    hs, _ = scan(lambda x, h: T.tanh(T.dot(x, W) + h), xs, [h])
    (g,) = grad((hs**2).sum(), [W])
    backwards = loops(passed(trimmed, [g], [xs, h, W]))[-1]
    assert backwards.collected == 0


# ---- last rows


READS = {
    "last": lambda hs: hs[-1],
    "one before": lambda hs: hs[-2] * 2,
    "two": lambda hs: hs[-1] + hs[-2],
    "slice": lambda hs: hs[-2:],
    "element": lambda hs: hs[-1, 1],
    "sizes": lambda hs: hs[-1] * hs.shape[1] + hs.shape[0],
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("taps", [[-1], [-2, -1], [-3]])
@pytest.mark.parametrize("steps", [2, 3, 6])
def test_last_rows(read, taps, steps):
    xs, n = T.dmatrix("xs"), T.lscalar("n")
    start = T.dvector("start") if taps == [-1] else T.dmatrix("start")
    info = {"initial": start, "taps": taps}
    hs, _ = scan(
        lambda x, *h: x + 2 * h[0] + h[-1], xs, [info], n_steps=n, return_list=True
    )
    result = READS[read](hs[0])
    (loop,) = loops(passed(keep_last_rows, [result], [xs, start, n]))
    rows = 2 if read in ("one before", "two", "slice") else 1
    assert loop.states[0].keep == max(rows, -taps[0])
    agree(
        [result], {xs: XS, start: YS[0 if taps == [-1] else slice(-taps[0])], n: steps}
    )


@pytest.mark.parametrize("steps", ["given", "constant", "of the sequence"])
@pytest.mark.parametrize("mode", ["FAST_COMPILE", "FAST_RUN", "DebugMode"])
def test_the_last_row_of_no_steps_is_missed(steps, mode):
    xs, h, n = T.dmatrix("xs"), T.dvector("h"), T.lscalar("n")
    given = {"given": n, "constant": 0, "of the sequence": None}[steps]
    with pytest.raises((IndexError, ValueError)):  # noqa: PT012  some of it at once
        hs, _ = scan(lambda x, h: x + h, xs, [h], n_steps=given)
        f = function([xs, h, n], hs[-1], mode=mode, on_unused_input="ignore")
        f(XS[:0] if steps == "of the sequence" else XS, np.ones(3), 0)


def test_a_row_before_the_first_is_missed():
    xs, h, n = T.dmatrix("xs"), T.dvector("h"), T.lscalar("n")
    hs, _ = scan(lambda x, h: x + h, xs, [h], n_steps=n)
    f = function([xs, h, n], hs[-3])
    np.testing.assert_allclose(f(XS, np.zeros(3), 3), XS[0])
    with pytest.raises(IndexError, match="test_dead_outputs"):
        f(XS, np.zeros(3), 2)
    np.testing.assert_allclose(f(XS, np.zeros(3), 5), XS[:3].sum(axis=0))


@pytest.mark.parametrize(
    "read",
    [
        lambda hs: hs,
        lambda hs: hs[0],
        lambda hs: hs[:-1],
        lambda hs: hs[1:],
        lambda hs: hs[::-1][0],
        lambda hs: hs[hs.shape[0] - 2],
        lambda hs: (hs[-1], hs.sum()),
        lambda hs: hs[-1:0:-2],
    ],
)
def test_histories_that_are_needed(read):
    xs, h = T.dmatrix("xs"), T.dvector("h")
    hs, _ = scan(lambda x, h: x + h, xs, [h])
    found = read(hs)
    results = list(found) if isinstance(found, tuple) else [found]
    (loop,) = loops(passed(keep_last_rows, results, [xs, h]))
    assert loop.states[0].keep is None
    agree(results, {xs: XS, h: np.ones(3)})


def test_a_history_that_the_gradient_needs():
    xs, h = T.dmatrix("xs"), T.dvector("h")
    hs, _ = scan(lambda x, h: T.tanh(x * h), xs, [h])
    results = [hs[-1], grad(hs[-1].sum(), h)]
    agree(results, {xs: XS, h: np.ones(3)})


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("taps", [[-1], [-2, -1], [-3]])
@pytest.mark.parametrize("stop", [2, 3, 6, 9])
def test_last_rows_of_a_loop_that_may_stop(read, taps, stop):
    xs, limit = T.dmatrix("xs"), T.dscalar("limit")
    start = T.dvector("start") if taps == [-1] else T.dmatrix("start")
    info = [{"initial": start, "taps": taps}, T.constant(0.0)]

    def step(x, *h):
        *h, count = h
        return x + 2 * h[0] + h[-1], count + 1, until(T.ge(count + 1, limit))

    (hs, _), _ = scan(step, xs, info)
    result = READS[read](hs)
    (loop,) = loops(passed(keep_last_rows, [result], [xs, start, limit]))
    rows = 2 if read in ("one before", "two", "slice") else 1
    assert loop.until
    assert loop.states[0].keep == max(rows, -taps[0])
    first = YS[0 if taps == [-1] else slice(-taps[0])]
    agree([result], {xs: XS, start: first, limit: float(stop)})
    rows = [*np.atleast_2d(first)]
    for x in XS[:stop]:
        rows.append(x + 2 * rows[taps[0]] + rows[taps[-1]])
    made = np.array(rows[-taps[0] :])
    f = function([xs, start, limit], result)
    np.testing.assert_allclose(f(XS, first, stop), READS[read](made), rtol=1e-13)


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "FAST_RUN", "DebugMode"])
@pytest.mark.parametrize("numbers", [True, False])
def test_the_memory_of_a_loop_that_stops_does_not_grow_with_its_steps(mode, numbers):
    """Else it would take terabytes."""
    h, n = (T.dscalar if numbers else T.dvector)("h"), T.lscalar("n")
    hs, _ = scan(lambda h: (h * 2, until(T.ge(h.sum(), 20))), outputs_info=h, n_steps=n)
    f = function([h, n], [hs[-1], hs.shape[0]], mode=mode)
    value = 1.0 if numbers else np.array([1.0, 0.5])
    most = 10**12 if mode == "FAST_RUN" else 9  # the others keep what is written
    last, count = f(value, most)
    np.testing.assert_array_equal(last, np.multiply(value, 2.0**count))
    assert count == (6 if numbers else 5)
    with pytest.raises(IndexError):
        f(value, 0)


@pytest.mark.parametrize(
    "read",
    [
        lambda hs: hs,
        lambda hs: hs[0],
        lambda hs: hs[1:],
        # Of rows behind the stop nobody says anything.
        lambda hs: hs.owner.inputs[0][2],
        lambda hs: (hs[-1], hs.owner.inputs[0][:2].sum()),
    ],
)
def test_histories_of_a_loop_that_may_stop(read):
    h = T.dvector("h")
    hs, _ = scan(lambda h: (h * 2, until(h.sum() > 20)), outputs_info=[h], n_steps=9)
    found = read(hs)
    results = list(found) if isinstance(found, tuple) else [found]
    (loop,) = loops(passed(keep_last_rows, results, [h]))
    assert loop.states[0].keep is None
    agree(results, {h: np.ones(3)})


def test_a_loop_that_stops_inside_another():
    xs = T.dmatrix("xs")

    def outer(row):
        hs, _ = scan(
            lambda h: (h * 2, until(h.sum() > 20)), outputs_info=row, n_steps=7
        )
        return hs[-1] + hs.shape[0]

    result, _ = scan(outer, abs(xs) + 1)
    wanted = []
    for row in abs(XS) + 1:
        count, h = 0, row
        while count < 7:
            stops, h, count = h.sum() > 20, h * 2, count + 1
            if stops:
                break
        wanted.append(h + count)
    for mode in ("FAST_COMPILE", "FAST_RUN", "DebugMode"):
        f = function([xs], result, mode=mode)
        np.testing.assert_allclose(f(XS), wanted, rtol=1e-14)


def test_a_loop_that_may_stop_and_its_gradient():
    h, limit = T.dvector("h"), T.dscalar("limit")
    hs, _ = scan(lambda h: (h**1.5, until(h.sum() > limit)), outputs_info=h, n_steps=9)
    results = [hs[-1], grad(hs[-1].sum(), h)]
    agree(results, {h: np.array([1.5, 2.0]), limit: 30.0})


def test_the_number_of_steps_that_another_loop_gives():
    """The steps of the second loop are those that the first, which is shortened too, did."""
    xs, h = T.dmatrix("xs"), T.dvector("h")
    first, _ = scan(lambda x, h: x + h, xs, [h])
    n = T.cast(T.floor(T.clip(abs(first[-1].sum()), 1, 5)), "int64")
    second, _ = scan(lambda h: h * 2, outputs_info=[h], n_steps=n)
    agree([second[-1]], {xs: XS, h: np.ones(3)})
