"""The second half of the compilation: from a graph to programs, each pass a step."""

from __future__ import annotations

import numpy as np

import symnet.tensor as T
from symnet import scan, shared
from symnet.compile import pipeline
from symnet.compile.lower.program import LibraryCall, Loop, every_instruction
from symnet.compile.partition import split
from symnet.compile.pipeline import (
    LOWERING,
    build_program,
    compile_graph,
    rewrite_graph,
)
from symnet.graph.traverse import Graph
from symnet.ifelse import ifelse
from symnet.kernels.devices import CPU
from symnet.kernels.reference.reference_device import REFERENCE, ReferenceDevice
from symnet.rewriting.rewriter import Trace
from symnet.sizes.infer import Inference


def test_a_program_by_itself():
    x, s = T.dvector("x"), shared(np.zeros(2))
    product, new = x * s, s + 1
    (segment,) = split(Graph([x], [product, new]), {s: new}, CPU)
    program = build_program(segment, {s: new}, [product])
    assert list(program.inputs) == [x] and list(program.shared) == [s]
    assert [b.kind for b in program.outputs] == ["output"] and not program.replaced
    (segment,) = split(Graph([x], [x]), {s: x}, CPU)
    program = build_program(segment, {s: x}, [])
    assert [v for v, _ in program.replaced] == [s]


def recurrent():
    """The last state of a network whose weights are an argument turned round."""
    xs, h, w = T.dtensor3("xs"), T.dmatrix("h"), T.dmatrix("w")
    step = lambda x, h, w: T.tanh(T.dot(h, w[:, ::2]) + x)  # noqa: E731
    hs, _ = scan(step, xs, [h], non_sequences=w)
    return rewrite_graph(Graph([xs, h, w], [hs[-1]]))


def test_each_pass_gives_a_new_program():
    trace = Trace()
    engine = compile_graph(recurrent(), trace=trace)
    names = [name for name, _ in trace.programs]
    assert names == ["lower", *(step.name for step in LOWERING)]
    programs = dict(trace.programs)
    assert engine.native[0].program is programs["reuse"]

    def body(name):
        (loop,) = (s for s in programs[name].steps if isinstance(s, Loop))
        return [type(s).__name__ for s in loop.body.steps]

    # The copy that BLAS can read, and the panels, are made before the loop.
    assert len(body("lower")) > len(body("hoist"))
    steps = every_instruction(programs["pack"].steps)
    calls = [s for s in steps if isinstance(s, LibraryCall)]
    assert [s.routine.packed for s in calls] == [True]
    for name in names[:-2]:
        assert not programs[name].placement.places
    assert programs["place"].placement.places
    found = engine.run([np.ones((3, 2, 2)), np.zeros((2, 2)), np.zeros((2, 4))])
    np.testing.assert_allclose(found[0], np.tanh(np.ones((2, 2))))


def test_passes_are_for_devices_that_offer_what_they_need():
    class Plain(ReferenceDevice):
        def offers(self, routine):
            return not getattr(routine, "packed", False)

    arrays = [np.ones((3, 2, 2)), np.zeros((2, 2)), np.ones((2, 4))]
    results = []
    for device, packs in [(Plain(), False), (REFERENCE, True), (CPU, True)]:
        trace = Trace()
        engine = compile_graph(recurrent(), device=device, trace=trace)
        assert ("pack" in dict(trace.programs)) == packs
        results.append(engine.run(arrays)[0])
    np.testing.assert_allclose(results[1:], [results[0]] * 2)


def test_sizes_are_inferred_once(monkeypatch):
    x, w = T.dmatrix("x"), shared(np.zeros((4, 3)))
    graph = rewrite_graph(Graph([x], [T.nnet.softmax(T.dot(x, w)), w + 1]))
    count: dict = {}
    right = Inference._infer_node

    def counted(self, node):
        count[node] = count.get(node, 0) + 1
        right(self, node)

    monkeypatch.setattr(Inference, "_infer_node", counted)
    compile_graph(graph, [w])
    assert set(count) >= set(graph.toposort()) and set(count.values()) == {1}


def nested(v, levels):
    """Loops and conditions in turn, each around the next."""
    if not levels:
        return T.tanh(v * 1.1) + v * 0.1
    if levels % 2:
        turn = lambda h: nested(h, levels - 1)  # noqa: E731
        return scan(turn, outputs_info=[v], n_steps=2)[0][-1]
    deeper, other = nested(v, levels - 1), nested(v * 0.5, levels - 1) * 2
    return ifelse(T.gt(v.sum(), 0.0), deeper, other)


def test_each_inner_graph_is_rewritten_once_however_deep_it_lies(monkeypatch):
    calls = []

    def counted(graph, *args, **keywords):
        calls.append(graph)
        return rewrite_graph(graph, *args, **keywords)

    monkeypatch.setattr(pipeline, "rewrite_graph", counted)
    x = T.dvector("x")
    counted(Graph([x], [nested(x, 7)]))
    # A level adds two branches, or the step of a loop; equal ones have one result.
    assert 8 <= len(calls) <= 2 * 7
