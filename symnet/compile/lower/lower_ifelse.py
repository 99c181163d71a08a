"""From a condition with branches to a step that does one of two lists of steps."""

from __future__ import annotations

from symnet.compile.lower.context import Context, OpenRegion
from symnet.compile.lower.lower_scan import outside_reads
from symnet.compile.lower.program import (
    Access,
    If,
    KernelLaunch,
    Region,
    shared_kernel,
)
from symnet.graph.variables import Apply, Variable
from symnet.kernels.loopir import scalars
from symnet.kernels.loopir.scalars import Kernel, Output
from symnet.kernels.loopir.views import View


def lower_ifelse(context: Context, node: Apply) -> None:
    """Append the step of an IfElse.  Each branch writes its results to the same places."""
    op, depth = node.op, context.depth
    condition, yes, no = op.split_inputs(node.inputs)
    targets = [context.temporary(v) for v in node.outputs]
    flag = _as_byte(context, condition, node)
    graphs = context.inference.inner[node]
    step = If([node], [flag], targets, condition=flag)
    step.decided = context.inference.condition(condition)
    bodies: list[Region] = []
    for (leaves, wanted), given in zip(graphs, (yes, no), strict=True):
        views = [context.view_of(v) for v in given]
        child = context.inside(dict(zip(leaves, views, strict=True)), wanted, False)
        body = Region(child.steps, child.temporaries)
        results = [(v, t.buffer) for v, t in zip(wanted, targets, strict=True)]
        context.open_regions.append(OpenRegion(child, step, body, results))
        step.inputs = [*step.inputs, *outside_reads(child, depth)]
        step.fallible |= any(s.fallible for s in child.steps)
        bodies.append(body)
    step.bodies = bodies[0], bodies[1]
    context.steps.append(step)


def _as_byte(context: Context, condition: Variable, node: Apply) -> View:
    """The condition as a bool in memory."""
    view = context.view_of(condition)
    if view.dtype == "bool":
        return view
    flag = View(context.buffer("bool", (), "condition"), "bool", (), ())
    read, write = Access(view, ()), Access(flag, ())
    value = scalars.binary("ne", scalars.load(0, view.dtype), 0)
    kernel = Kernel(0, (), (read.operand(0),), (Output(write.operand(0), value),))
    kernel = shared_kernel(kernel)
    step = KernelLaunch([node], [view], [flag], kernel=kernel, accesses=[read, write])
    context.steps.append(step)
    return flag
