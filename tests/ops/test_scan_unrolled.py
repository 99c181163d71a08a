"""Random loops against the same steps written out one after the other: values, gradients,
and gradients of gradients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import symnet
import symnet.tensor as T
from symnet.gradient import disconnected_grad
from symnet.graph.evaluate import evaluate
from symnet.ifelse import ifelse
from symnet.scan_module import until

TAPS = st.lists(st.integers(-2, 2), min_size=1, max_size=3, unique=True)
PAST = st.lists(st.sampled_from([-1, -2, -3]), min_size=1, max_size=2, unique=True)


@dataclass
class Plan:
    """A loop that was drawn."""

    sequence_taps: list
    lengths: list
    state_taps: list
    collected: int
    n_steps: int | None
    backwards: bool
    truncate: int
    threshold: float | None
    seed: int
    rank: int
    inside: str = ""  # what a step has inside: "", "loop" or "condition"

    @property
    def spans(self):
        return [max(0, *taps) - min(0, *taps) for taps in self.sequence_taps]

    @property
    def steps(self):
        allowed = [n - s for n, s in zip(self.lengths, self.spans)]
        return self.n_steps if self.n_steps is not None else min(allowed)


@st.composite
def plans(draw):
    count = draw(st.integers(0, 2))
    taps = [draw(TAPS) for _ in range(count)]
    spans = [max(0, *t) - min(0, *t) for t in taps]
    lengths = [s + draw(st.integers(0, 5)) for s in spans]
    states = [draw(PAST) for _ in range(draw(st.integers(0, 2)))]
    most = min([n - s for n, s in zip(lengths, spans)], default=5)
    given_steps = draw(st.booleans()) or not taps
    return Plan(
        taps,
        lengths,
        states,
        draw(st.integers(0 if states else 1, 2)),
        draw(st.integers(0, most)) if given_steps else None,
        draw(st.booleans()),
        draw(st.sampled_from([-1, -1, -1, 0, 1, 2, 4])),
        draw(st.sampled_from([None, None, -0.5, 0.3, 5.0])),
        draw(st.integers(0, 2**16)),
        draw(st.integers(0, 1)),
        draw(st.sampled_from(["", "", "loop", "condition"])),
    )


class Arrays:
    """The arrays of a loop, as variables and as values."""

    def __init__(self, plan):
        rng = np.random.default_rng(plan.seed)
        row = (2,) * plan.rank
        self.values = {}
        self.sequences = [self.leaf(rng, (n, *row)) for n in plan.lengths]
        depths = [-min(taps) for taps in plan.state_taps]
        self.initials = [
            self.leaf(rng, row if taps == [-1] else (depth, *row))
            for taps, depth in zip(plan.state_taps, depths)
        ]
        self.w = self.leaf(rng, row)
        self.rng = rng

    def leaf(self, rng, shape):
        variable = T.TensorType("float64", (None,) * len(shape))()
        self.values[variable] = rng.normal(size=shape)
        return variable


def step_of(plan, written_out):
    """What one step computes: every argument counts, each in a way of its own.

    written_out: without loops and conditions inside.
    """
    states, collected = len(plan.state_taps), plan.collected

    def step(*arguments):
        *read, w = arguments
        total = w * 0.4
        for k, v in enumerate(read):
            total = total + v * (0.3 + 0.2 * k)
        total = INSIDE[plan.inside, written_out](total, w)
        results = []
        for k in range(states + collected):
            mixed = T.sin(total * (k + 1)) + 0.3 * w
            results.append(mixed * read[-1] if read and k % 2 else mixed)
        stop = (
            None if plan.threshold is None else T.gt(T.sum(results[0]), plan.threshold)
        )
        return results, stop

    return step


def loop_inside(v, w):
    rows, _ = symnet.scan(
        lambda k, s, w: T.sin(s) * k + w, T.arange(1, 3), v, w, n_steps=2
    )
    return rows[-1] + 0.1 * rows[0]


def loop_written_out(v, w):
    first = T.sin(v) + w
    return T.sin(first) * 2 + w + 0.1 * first


INSIDE = {
    ("", False): lambda v, w: v,
    ("", True): lambda v, w: v,
    ("loop", False): loop_inside,
    ("loop", True): loop_written_out,
    ("condition", False): lambda v, w: ifelse(v.sum() > 0, T.tanh(v * w), v + w),
    ("condition", True): lambda v, w: T.switch(v.sum() > 0, T.tanh(v * w), v + w),
}


def looped(plan, arrays):
    step = step_of(plan, False)

    def fn(*arguments):
        results, stop = step(*arguments)
        return results if stop is None else (results, until(stop))

    info = [
        {"initial": first, "taps": taps} if taps != [-1] else first
        for first, taps in zip(arrays.initials, plan.state_taps)
    ]
    outputs, updates = symnet.scan(
        fn,
        [{"input": s, "taps": t} for s, t in zip(arrays.sequences, plan.sequence_taps)],
        info + [None] * plan.collected,
        arrays.w,
        plan.n_steps,
        plan.truncate,
        plan.backwards,
        return_list=True,
    )
    assert not updates
    return outputs


def unrolled(plan, arrays):
    """Lists of the rows of each output."""
    step = step_of(plan, True)
    pieces, known = steps_from(plan, arrays, step, plan.steps)
    done = plan.steps
    if plan.threshold is not None:
        conditions = evaluate([stop for _, stop in pieces], arrays.values)
        done = next((t + 1 for t, c in enumerate(conditions) if c), plan.steps)
    if plan.truncate >= 0:  # the steps before pass nothing back
        cut = max(done - plan.truncate, 0)
        pieces, known = steps_from(plan, arrays, step, done, cut)
    return [[results[k] for results, _ in pieces[:done]] for k in range(known)]


def steps_from(plan, arrays, step, steps, cut=0):
    histories = []
    for first, taps in zip(arrays.initials, plan.state_taps):
        depth = -min(taps)
        histories.append([first] if taps == [-1] else [first[k] for k in range(depth)])
    pieces = []
    for t in range(steps):
        read = []
        for s, n, taps in zip(arrays.sequences, plan.lengths, plan.sequence_taps):
            before = -min(0, *taps)
            span = max(0, *taps) + before
            for tap in taps:
                at = t if not plan.backwards else n - span - 1 - t
                read.append(s[at + before + tap])
        for history, taps in zip(histories, plan.state_taps):
            read += [history[tap] for tap in taps]
        results, stop = step(*read, arrays.w)
        if t < cut:
            results = [disconnected_grad(r) for r in results]
        for history, new in zip(histories, results):
            history.append(new)
        pieces.append((results, stop))
    return pieces, len(plan.state_taps) + plan.collected


def costs(plan, arrays, loop, rows):
    """One number from all outputs, twice: each row has a weight of its own, and of the
    first output only the last row counts in some plans."""
    last_only = plan.seed % 3 == 0
    first, second = T.constant(0.0), T.constant(0.0)
    for k, (array, listed) in enumerate(zip(loop, rows)):
        weights = arrays.rng.normal(size=(len(listed), *(2,) * plan.rank))
        if last_only and k == 0 and listed:
            first = first + (T.sqr(array[-1]) * weights[-1]).sum()
            second = second + (T.sqr(listed[-1]) * weights[-1]).sum()
            continue
        first = first + (T.sqr(array) * weights).sum()
        for weight, row in zip(weights, listed):
            second = second + (T.sqr(row) * weight).sum()
    return first, second


def compare(got, want):
    for a, b in zip(got, want, strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def both(plan):
    arrays = Arrays(plan)
    return arrays, looped(plan, arrays), unrolled(plan, arrays)


def derivatives(arrays, cost, order):
    wrt = list(arrays.values)
    found = [cost]
    for k in range(order):
        weights = np.random.default_rng(k)
        total = 0.0
        for one in found:
            total = total + (one * weights.normal()).sum()
        found = symnet.grad(total, wrt, disconnected_inputs="ignore")
    return found


@settings(max_examples=150)
@given(plans())
def test_values(plan):
    arrays, loop, rows = both(plan)
    got = evaluate(loop, arrays.values)
    for array, listed in zip(got, rows, strict=True):
        assert len(array) == len(listed)
        compare(list(array), evaluate(listed, arrays.values))


@settings(max_examples=120)
@given(plans())
def test_gradients(plan):
    arrays, loop, rows = both(plan)
    first, second = costs(plan, arrays, loop, rows)
    got = evaluate(derivatives(arrays, first, 1), arrays.values)
    compare(got, evaluate(derivatives(arrays, second, 1), arrays.values))


@settings(max_examples=40)
@given(plans())
def test_second_derivatives(plan):
    """The gradient stops only once, so those of truncated ones are not compared."""
    plan.truncate = -1
    arrays, loop, rows = both(plan)
    first, second = costs(plan, arrays, loop, rows)
    got = evaluate(derivatives(arrays, first, 2), arrays.values)
    compare(got, evaluate(derivatives(arrays, second, 2), arrays.values))


@settings(max_examples=25)
@given(plans())
def test_compiled(plan):
    """Native code: values and gradients."""
    arrays, loop, rows = both(plan)
    first, second = costs(plan, arrays, loop, rows)
    wanted = [*loop, *derivatives(arrays, first, 1)]
    f = symnet.function(list(arrays.values), wanted, on_unused_input="ignore")
    got = f(*arrays.values.values())
    for array, listed in zip(got, rows):
        compare(list(array), evaluate(listed, arrays.values))
    want = evaluate(derivatives(arrays, second, 1), arrays.values)
    compare(got[len(loop) :], want)
