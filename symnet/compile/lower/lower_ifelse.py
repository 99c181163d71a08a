"""From a condition with branches to an instruction that does one of two regions."""

from __future__ import annotations

from symnet.compile.lower.context import Context
from symnet.compile.lower.lower_scan import outside_reads
from symnet.compile.lower.program import (
    Access,
    Buffer,
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
    op = node.op
    condition, yes, no = op.split_inputs(node.inputs)
    targets = [context.temporary(v) for v in node.outputs]
    flag = _as_byte(context, condition, node)
    graphs = context.inference.inner[node]
    bodies: list[Region] = []
    for (leaves, wanted), given in zip(graphs, (yes, no), strict=True):
        views = [context.view_of(v) for v in given]
        child = context.inside(dict(zip(leaves, views, strict=True)), wanted, False)
        pairs = zip(wanted, targets, strict=True)
        bodies.append(child.region([child.result(v, t.buffer) for v, t in pairs]))
    reads = [view for body in bodies for view in outside_reads(body, context.depth)]
    step = If(
        [node],
        [flag, *reads],
        targets,
        condition=flag,
        bodies=(bodies[0], bodies[1]),
        decided=context.inference.condition(condition),
        fallible=any(s.fallible for body in bodies for s in body.steps),
    )
    context.steps.append(step)


def _as_byte(context: Context, condition: Variable, node: Apply) -> View:
    """The condition as a bool in memory."""
    view = context.view_of(condition)
    if view.dtype == "bool":
        return view
    flag = Buffer("temporary", "bool", name="condition").whole
    read, write = Access(view, ()), Access(flag, ())
    value = scalars.binary("ne", scalars.load(0, view.dtype), 0)
    kernel = Kernel(0, (), (read.operand(0),), (Output(write.operand(0), value),))
    kernel = shared_kernel(kernel)
    step = KernelLaunch([node], [view], [flag], kernel=kernel, accesses=[read, write])
    context.steps.append(step)
    return flag
