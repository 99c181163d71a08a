"""Programs whose memory is placed, and what their steps write where."""

from __future__ import annotations

from symnet.compile.memory.arena import lifetimes
from symnet.compile.partition import split
from symnet.compile.pipeline import build_program, rewrite_graph
from symnet.graph.traverse import Graph
from symnet.kernels.cpu.cpu_device import CPU


def program_of(outputs, updates=None):
    """The program of outputs and updates after rewriting; it must be one segment."""
    updates = updates or {}
    found = rewrite_graph(Graph([], [*outputs, *updates.values()])).outputs
    outputs, news = found[: len(outputs)], found[len(outputs) :]
    updates = dict(zip(updates, news, strict=True))
    (segment,) = split(Graph([], [*outputs, *updates.values()]), updates, CPU)
    return build_program(segment, updates, outputs)


def written(program):
    """The kinds of memory that the steps write, one after another."""
    return [kind_of(view, program) for step in program.steps for view in step.outputs]


def kind_of(view, program):
    """The kind of the memory in which a view lies."""
    return program.placement.home(view.buffer).kind


def temporaries(program):
    """The temporaries that have memory of their own."""
    return list(lifetimes(program.steps, program.placement))


def check_contents(program):
    """Walk through the steps and look, at each read, at what was written last."""
    content = {}
    home_of = program.placement.home

    def holds(buffer):
        found = content.get(home_of(buffer))
        return found is buffer or (found is None and home_of(buffer) is buffer)

    failing = [k for k, step in enumerate(program.steps) if step.fallible]
    for number, step in enumerate(program.steps):
        own = {view.buffer for view in step.outputs}
        if step.initial is not None:
            (result,) = own
            start = step.initial.buffer
            in_place = home_of(result) is home_of(start) and holds(start)
            assert in_place or content.get(home_of(result)) is result, "no start value"
        for view in step.inputs:
            if view.buffer.kind not in ("constant", "parameters"):
                inside = step.initial is not None and view.buffer in own
                assert inside or holds(view.buffer), f"{view.buffer} is gone"
        for buffer in own:
            home = home_of(buffer)
            assert home.kind in ("temporary", "output", "shared")
            if home.kind == "shared":
                assert not failing or number >= failing[-1], "written before a failure"
            content[home] = buffer
    for output in program.outputs:
        assert home_of(content[output]) is output
    return content
