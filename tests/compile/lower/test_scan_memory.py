"""Memory inside a turn of a loop, and what leaves the loop."""

from __future__ import annotations

import symnet.tensor as T
from symnet import scan
from symnet.compile.lower.program import (
    KernelLaunch,
    Loop,
)
from tests.compile.lower.test_lower_scan import native_steps, rng, run_both


def test_memory_is_used_again_inside_a_turn():
    x, w = T.dmatrix(), T.dmatrix()

    def step(h):
        for _ in range(12):
            h = T.tanh(T.dot(h, w))
        return h

    last = scan(step, outputs_info=x, n_steps=3)[0][-1]
    values = {x: rng.random((8, 16)), w: rng.random((16, 16)) / 4}
    f = run_both([last], values)
    plan = next(reversed(f.engine.native[0].plans.values()))
    one = 8 * 16 * 8
    history, panels = 4 * one, 16 * 16 * 8
    assert plan.loaded.arena_bytes <= history + panels + 3 * one


def test_a_copy_that_does_not_change_is_made_before_the_loop():
    xs, w, start = T.dtensor3(), T.dmatrix(), T.dmatrix()
    hs, _ = scan(lambda x, h: T.dot(x, w[::-1, ::-1]) + h, xs, start)
    values = {
        xs: rng.random((4, 2, 3)), w: rng.random((3, 3)), start: rng.random((2, 3)),
    }  # fmt: skip
    f = run_both([hs], values)
    for repeat in (s for s in native_steps(f) if isinstance(s, Loop)):
        copies = [
            s for s in repeat.body.steps
            if isinstance(s, KernelLaunch) and s.kernel.outputs[0].value.op == "load"
        ]  # fmt: skip
        assert not copies


def test_weights_of_an_inner_loop_are_brought_into_panels_outside_of_both():
    xs, w, start = T.dtensor4(), T.dmatrix(), T.dmatrix()

    def step(x, h):
        return scan(lambda row, s: T.tanh(T.dot(s, w) + row), x, h)[0][-1]

    hs, _ = scan(step, xs, start)
    values = {
        xs: rng.random((3, 4, 2, 5)), w: rng.random((5, 5)), start: rng.random((2, 5)),
    }  # fmt: skip
    f = run_both([hs], values)
    program = f.engine.native[0].program
    outside = [s for s in program.steps if s.outputs[0].buffer.name == "panels"]
    everywhere = [s for s in native_steps(f) if s.outputs[0].buffer.name == "panels"]
    assert outside
    assert len(outside) == len(everywhere)
