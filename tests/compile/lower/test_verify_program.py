"""Programs with planted faults are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import symnet.tensor as T
from symnet import config, function, scan, shared
from symnet.compile import pipeline
from symnet.compile.lower import verify_program as checks
from symnet.compile.lower.program import (
    Buffer,
    KernelLaunch,
    Loop,
    Placement,
    Program,
    with_regions,
)
from symnet.compile.lower.verify_program import ProgramError, verify_program
from symnet.compile.pipeline import compile_graph, rewrite_graph
from symnet.graph.traverse import Graph
from symnet.ifelse import ifelse
from symnet.kernels.loopir.views import size
from symnet.rewriting.rewriter import Trace


def programs(outputs, inputs=(), updates=()):
    """The programs after every pass over that of a graph, by the passes' names."""
    values = [*outputs, *(new for _, new in updates)]
    trace = Trace()
    graph = rewrite_graph(Graph(list(inputs), values))
    compile_graph(graph, [old for old, _ in updates], trace=trace)
    return dict(trace.programs)


def product(stage="reuse"):
    """tanh(dot(x, w)): a product, and a loop that reads it."""
    x, w = T.dmatrix("x"), shared(np.eye(3), "w")
    return programs([T.tanh(T.dot(x, w)) * 2], [x])[stage]


def failing(program, what):
    with pytest.raises(ProgramError, match=what) as caught:
        verify_program(program)
    assert "report this" in str(caught.value)


def launch(program):
    """The first kernel, and a function that puts another in its place."""
    step = next(s for s in program.steps if isinstance(s, KernelLaunch))

    def put(**changes) -> Program:
        new = replace(step, **changes)
        return replace(program, steps=[new if s is step else s for s in program.steps])

    return step, put


@pytest.mark.parametrize("stage", ["lower", "hoist", "pack", "place", "reuse"])
def test_right_programs(stage):
    x, c, i = T.dmatrix("x"), T.bscalar("c"), T.lvector("i")
    w = shared(np.eye(3), "w")
    rows, _ = scan(lambda row, s: T.dot(row + s, w), x, x[0])
    outputs = [rows, ifelse(c, x[i], T.exp(x)), T.concatenate([x, rows[::-1]])]
    news = [(w, T.inc_subtensor(w[i], 1.0))]
    verify_program(programs(outputs, [x, c, i], news)[stage])


@pytest.mark.parametrize("length", [0, 1])
def test_a_loop_over_rows_that_are_known_to_be_none(length):
    x = T.tensor("float64", shape=(length,))
    rows, _ = scan(lambda a, w: a * w, T.exp(x), non_sequences=x.sum())
    f = function([x], [rows, T.grad(rows.sum() + x.sum(), x)])
    value = np.full(length, 0.5)
    np.testing.assert_allclose(f(value)[0], np.exp(value) * value.sum())
    assert f(value)[1].shape == (length,)


def test_a_loop_that_is_known_to_have_no_iteration():
    x, w = T.dscalar("x"), T.dscalar("w")
    (states, sines), _ = scan(
        lambda s, w: (T.tanh(s * w), T.sin(s)), None, [x, None], w, n_steps=0
    )
    cost = states.sum() + sines.sum() + x * w
    f = function([x, w], [states, sines, *T.grad(cost, [x, w])])
    states, sines, by_x, by_w = f(1.0, 2.0)
    assert states.shape == sines.shape == (0,) and (by_x, by_w) == (2.0, 1.0)


def test_a_use_before_its_definition():
    program = product()
    failing(replace(program, steps=program.steps[::-1]), "nobody has written")


def test_a_result_that_nobody_makes():
    program = product("lower")
    failing(replace(program, steps=program.steps[:-1]), "a result that nobody makes")


def test_two_writers_of_one_buffer():
    program = product("lower")
    first, *rest = program.steps
    failing(replace(program, steps=[first, first, *rest]), "written again before")


@pytest.mark.parametrize(
    "change, what",
    [
        (lambda s: {"inputs": [v.at(0, size(0)) for v in s.inputs]}, "another operand"),
        (lambda s: {"sizes": s.sizes[1:]}, "a size for each axis"),
        (lambda s: {"accesses": s.accesses[1:]}, "an array for each operand"),
        (
            lambda s: {"accesses": [replace(a, axes=a.axes[:1]) for a in s.accesses]},
            "another operand|fewer axes",
        ),
    ],
)
def test_operands_that_the_kernel_does_not_take(change, what):
    step, put = launch(product())
    failing(put(**change(step)), what)


def test_a_view_beyond_its_buffer():
    program = programs([T.exp(T.constant(np.arange(6.0)))[::2] * 2])["reuse"]
    x = T.TensorType("float64", (6,))("x")
    program = programs([T.exp(x[1:4])], [x])["reuse"]
    step, put = launch(program)
    (view,) = step.inputs
    for offset in (-8, 32):
        beyond = replace(view, offset=size(offset))
        accesses = [replace(step.accesses[0], view=beyond), *step.accesses[1:]]
        failing(put(inputs=[beyond], accesses=accesses), "beyond its buffer")
    as_bytes = replace(view, dtype="complex128")
    failing(put(inputs=[as_bytes]), "a view as complex128")


def test_a_shared_variable_that_is_written_too_soon():
    x, i, w = T.dvector("x"), T.lvector("i"), shared(np.zeros(3), "w")
    program = programs([x[i]], [x, i], [(w, w + 1)])["reuse"]
    verify_program(program)
    assert program.steps[0].fallible
    failing(replace(program, steps=program.steps[::-1]), "then something may fail")
    # A result of what may fail, laid over the variable itself.
    step = program.steps[0]
    places = {step.outputs[0].buffer: program.updates[0].target}
    failing(replace(program, placement=Placement(places)), "then something may fail")


def test_a_loop_that_hands_out_what_nobody_makes():
    x = T.dmatrix("x")
    program = programs([scan(lambda row, s: T.exp(row) * s, x, x[0])[0]], [x])["lower"]
    loop = next(s for s in program.steps if isinstance(s, Loop))
    nothing = with_regions(loop, [replace(loop.body, steps=[])])
    steps = [nothing if s is loop else s for s in program.steps]
    failing(replace(program, steps=steps), "hands out what nobody makes")


def test_a_pass_at_fault_is_found_where_it_is(monkeypatch):
    def forgetful(program):
        spare = Buffer("temporary", "float64").whole
        last = replace(program.results[0], value=spare)
        return replace(program, results=[last, *program.results[1:]])

    passes = (pipeline.ProgramPass("forgetful", forgetful), *pipeline.LOWERING)
    monkeypatch.setattr(pipeline, "LOWERING", passes)
    x = T.dvector("x")
    what = pytest.raises(ProgramError, match="a result that nobody makes")
    with config.change_flags(verify="on"), what:
        function([x], x * 2)


def test_an_instruction_is_looked_at_once_and_another_in_its_place_too(monkeypatch):
    program = product("lower")
    step, put = launch(program)
    seen, right = [], checks._verify_views
    monkeypatch.setattr(checks, "_verify_views", lambda s: (seen.append(s), right(s)))
    verify_program(program)
    assert seen == []  # when it was made
    other = put(inputs=list(step.inputs))
    verify_program(other)
    assert len(seen) == 1 and seen[0] in other.steps
    wrong = put(inputs=[v.at(0, size(0)) for v in step.inputs])
    for _ in range(2):
        failing(wrong, "another operand")
