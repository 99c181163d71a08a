"""Many loops over numbers and rows, drawn at random: native code against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import symnet.tensor as T
from symnet import function, scan
from symnet.compile.lower.program import (
    KernelLaunch,
)
from symnet.ops.scan.loop import State
from tests.compile.lower.test_lower_scan import loop, rng, run_both

OPERATIONS = [
    lambda a, b: a * 0.5 + b,
    lambda a, b: a - b * 0.25,
    lambda a, b: T.tanh(a) + b,
    lambda a, b: T.switch(T.gt(a, b), a * 0.5, b),
    lambda a, b: T.maximum(a, b) * 0.75,
    lambda a, b: T.exp(-abs(a)) + T.floor(b),
]
ROW_OPERATIONS = [
    lambda a, b: a[::-1] + b * 0.5,
    lambda a, b: a * b.sum() / 4,
    lambda a, b: T.set_subtensor(a[1:], b[:2]),
    lambda a, b: T.inc_subtensor(a[:1], b[2]) / 2,
    lambda a, b: T.dot(a, T.outer(b, b)) / 8,
    lambda a, b: T.concatenate([a[1:], b[:1]]),
]


def draw_states(draw):
    """Some states, with all kinds of taps and of rows kept."""
    states = []
    for _ in range(draw(st.integers(1, 3))):
        taps = tuple(sorted(draw(st.sets(st.integers(-3, -1), min_size=1))))
        keep = draw(st.sampled_from([None, 0, 2]))
        states.append(State(taps, None if keep is None else keep - taps[0]))
    return states


def draw_body(draw, known, operations):
    """Values made of `known` ones, added to them; a strategy that picks one of all."""
    for _ in range(draw(st.integers(1, 6))):
        operation = draw(st.sampled_from(operations))
        pick = st.sampled_from(known)
        known.append(operation(draw(pick), draw(pick)))
    return st.sampled_from(known)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), st.integers(0, 1))
def test_random_loops(data, rank):
    """Random bodies against the reference: values used again, handed out twice, as they
    came, or as views."""
    draw = data.draw
    states, row = draw_states(draw), T.TensorType("float64", (3,) * rank)
    rows = T.TensorType("float64", (None, *(3,) * rank))
    x, c = row(), row()
    taps = [row() for s in states for _ in s.taps]
    operations = OPERATIONS + ROW_OPERATIONS * rank
    pick = draw_body(draw, [x, c, *taps], operations)
    new = [draw(pick) for _ in states]
    collected = [draw(pick) for _ in range(draw(st.integers(0, 2)))]
    until = draw(st.booleans())
    stop = [T.gt(draw(pick).sum(), 1.5)] if until else []
    xs, starts = rows(), [rows() for _ in states]
    outputs = loop(
        [x, *taps, c], [*new, *collected, *stop], [xs.shape[0], xs, *starts, c],
        states, 1, len(collected), until=until,
    )  # fmt: skip
    for k in range(len(outputs) - 1 if until else 0):  # what lies beyond is anything
        state = states[k] if k < len(states) else State((-1,))
        if state.keep is None:
            depth = state.depth if k < len(states) else 0
            outputs[k] = outputs[k][: depth + outputs[-1]]
    numbers = np.random.default_rng(draw(st.integers(0, 99)))
    shape = (3,) * rank
    values = {xs: numbers.standard_normal((draw(st.integers(0, 6)), *shape))}
    values[c] = numbers.standard_normal(shape)
    for v, s in zip(starts, states, strict=True):
        values[v] = numbers.standard_normal((s.depth, *shape))
    run_both(outputs, values)


def test_long_loops_over_numbers():
    h, a, b = T.dscalar(), T.dscalar(), T.dscalar()
    outer = [100_000, start := T.dvector(), a, b]
    (last,) = loop([h, a, b], [h * a + b], outer, [State((-1,), 1)])
    f = function([start, a, b], last)
    np.testing.assert_allclose(f(np.array([3.0]), 0.5, 1.0), [2.0])
    plan = next(reversed(f.engine.native[0].plans.values()))
    assert plan.loaded.arena_bytes < 1000
    assert len(plan.loaded.assembly.bodies) == 1  # the loop is inside one function


def test_profile_shows_the_steps_inside():
    xs, w = T.dtensor3(), T.dmatrix()
    hs, _ = scan(lambda x, h: T.tanh(T.dot(h, w) + x), xs, T.zeros((2, 3)))
    f = function([xs, w], hs)
    values = rng.random((9, 2, 3)), np.eye(3)
    profile = f.profile(*values, repeat=20)
    assert {row.kind for row in profile.rows} >= {"control", "library", "loop"}
    assert sum(row.seconds for row in profile.rows) == pytest.approx(profile.seconds)
    products = [row for row in profile.rows if row.kind == "library"]
    assert products[0].seconds > 0
    plan = next(reversed(f.engine.native[0].plans.values()))
    inner = [s for s in plan.owners if isinstance(s, KernelLaunch)]
    assert len(plan.owners) == len(plan.loaded.paths) > len(plan.steps)
    assert inner
