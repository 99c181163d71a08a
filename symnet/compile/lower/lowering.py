"""From a graph to the steps of a program.

Every variable that is needed becomes a view of a buffer, or a scalar inside a kernel.
Which operations share a kernel is decided by `fuse`; where results lie, by `memory`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import assert_never

from symnet.compile.lower.context import Context
from symnet.compile.lower.fuse import MAXIMUM_NODES, AxisMap, Cluster, fuse
from symnet.compile.lower.kernel_builder import KernelBuilder, ScatterBuilder
from symnet.compile.lower.lower_ifelse import lower_ifelse
from symnet.compile.lower.lower_scan import lower_scan
from symnet.compile.lower.program import (
    Access,
    KernelLaunch,
    LibraryCall,
    as_pairs,
    copy_launch,
    shared_kernel,
)
from symnet.graph.traverse import toposort
from symnet.graph.types import COMPLEX
from symnet.graph.variables import Apply, Variable
from symnet.kernels.loopir import scalars
from symnet.kernels.loopir.scalars import Kernel, Output
from symnet.kernels.loopir.views import ONE, View, contiguous_strides, size
from symnet.kernels.routines import Convolve, MatrixProduct, Routine
from symnet.ops.base import lowering_of
from symnet.ops.lowerings import (
    Branches,
    CallOf,
    Concatenate,
    HostValue,
    Lowering,
    PointLoop,
    Reduction,
    Reference,
    ScanLoop,
    Scatter,
    ViewOf,
    WritePart,
)
from symnet.sizes.infer import Inference


def needed_nodes(
    wanted: Sequence[Variable], leaves: Sequence[Variable]
) -> dict[Apply, Lowering]:
    """The operations whose arrays `wanted` needs, in topological order, with how each is
    to be made.

    What serves only by its size, or is a host integer, is not computed.
    """
    needed = set(wanted)
    found: list[tuple[Apply, Lowering]] = []
    for node in reversed(toposort(wanted, blockers=leaves)):
        if any(v in needed for v in node.outputs):
            lowering = lowering_of(node)
            if not isinstance(lowering, HostValue):
                found.append((node, lowering))
                needed.update(node.inputs[k] for k in lowering.reads)
    return dict(reversed(found))


def lower(
    leaves: Sequence[Variable],
    wanted: Sequence[Variable],
    inference: Inference,
    fused: bool = True,
) -> Context:
    """The steps that compute `wanted` from `leaves`; fused: operations share loops."""
    inner = lower_graph if fused else partial(lower_graph, most=1)
    context = Context(leaves, wanted, inference, inner)
    inner(context)
    return context


def lower_graph(
    context: Context, columns: bool = True, most: int = MAXIMUM_NODES
) -> None:
    """Append the steps of a context's graph.  columns, most: see `fuse`."""
    nodes = needed_nodes(context.wanted, context.leaves)
    for cluster in fuse(nodes, context.wanted, context.inference, columns, most):
        _lower_cluster(context, cluster)


def _lower_cluster(context: Context, cluster: Cluster) -> None:
    if cluster.loop:
        step = KernelBuilder(context, cluster).step()
        if cluster.reduces_leading_axes:
            step = _with_apart(context, cluster, step)
        context.steps.append(step)
        return
    (node,) = cluster.nodes
    lower_alone(context, node, cluster.lowerings[node])


def lower_alone(context: Context, node: Apply, lowering: Lowering) -> None:
    """Append the steps of an operation that no loop has taken in."""
    match lowering:
        case ViewOf():
            _lower_view(context, node, lowering)
        case WritePart():
            _lower_write(context, node, lowering)
        case Scatter():
            context.steps.append(ScatterBuilder(context, node, lowering).step())
        case Concatenate():
            _lower_parts(context, node, lowering)
        case CallOf():
            _lower_call(context, node, lowering)
        case ScanLoop():
            lower_scan(context, node)
        case Branches():
            lower_ifelse(context, node)
        case PointLoop() | Reduction() | HostValue() | Reference():
            raise AssertionError(f"{node.op}: {lowering} is made elsewhere")
        case _:
            assert_never(lowering)


def _with_apart(context: Context, cluster: Cluster, step: KernelLaunch) -> KernelLaunch:
    """A kernel with its other form, which writes its results to the same places."""
    own = cluster.maps
    views = {v: context.view_of(v) for v in cluster.reads if v not in own}
    wanted = [v for v in own if v in cluster.stored]
    inner = context.nested(views, wanted)
    lower_graph(inner, columns=False)
    results = [inner.result(v, context.view_of(v).buffer) for v in wanted]
    return replace(step, split=inner.region(results))


def _lower_view(context: Context, node: Apply, lowering: ViewOf) -> None:
    variable = node.inputs[0]
    source = context.view_of(variable)
    context.inference.node = node
    views = lowering.rule(node, source, context.inference)
    if views is None:
        dense = context.dense(variable, source, node)
        views = lowering.rule(node, dense, context.inference)
        assert views is not None, f"{node.op} is no view of a contiguous array"
    for output, view in zip(node.outputs, views, strict=True):
        context.put(output, view)


def _lower_write(context: Context, node: Apply, lowering: WritePart) -> None:
    """A copy of the first input, with a part written: `part = y` or `part += y`."""
    x, y = context.view_of(node.inputs[0]), context.view_of(node.inputs[1])
    target = context.temporary(node.outputs[0])
    context.inference.node = node
    part = lowering.rule(node, target, context.inference)
    y = y.broadcast_to(part.sizes)
    if part.dtype in COMPLEX:
        y, part = as_pairs(y), as_pairs(part)
    rank = part.ndim
    every: AxisMap = tuple(range(rank))
    reads = [Access(y, every)]
    value = scalars.load(0, y.dtype)
    if lowering.adds:
        reads.append(Access(part, every))
        value = scalars.call("add", scalars.load(1, part.dtype), value)
        value = value if part.dtype != "bool" else scalars.call("or", *value.args)
    write = Access(part, every)
    kernel = Kernel(
        rank,
        (False,) * rank,
        tuple(a.operand(rank) for a in reads),
        (Output(write.operand(rank), value),),
    )
    step = KernelLaunch(
        [node],
        [a.view for a in reads],
        [part],
        initial=x,
        kernel=shared_kernel(kernel),
        sizes=part.sizes,
        accesses=[*reads, write],
    )
    context.steps.append(step)


def _lower_parts(context: Context, node: Apply, lowering: Concatenate) -> None:
    target = context.temporary(node.outputs[0])
    context.inference.node = node
    parts = lowering.rule(node, target, context.inference)
    for k, part in zip(lowering.reads, parts, strict=True):
        step = copy_launch(context.view_of(node.inputs[k]), part, [node])
        context.steps.append(step)


def _lower_call(context: Context, node: Apply, call: CallOf) -> None:
    operands = {k: context.view_of(node.inputs[k]) for k in call.reads}
    initial = operands.pop(call.initial) if call.initial is not None else None
    inputs = [
        _readable(context, node, k, view, call.routine) for k, view in operands.items()
    ]
    targets = [context.temporary(v) for v in node.outputs]
    context.steps.append(
        LibraryCall(
            [node],
            inputs,
            targets,
            initial=initial,
            fallible=bool(call.refusal),
            routine=call.routine,
            sizes=[
                context.inference.value(v)
                for k, v in enumerate(node.inputs)
                if k not in call.reads
            ],
        )
    )


def _readable(
    context: Context, node: Apply, place: int, view: View, routine: Routine
) -> View:
    """An operand of a routine: a matrix or vector as BLAS can read it, copied where it is
    not; filters with dense taps; for other routines without gaps."""
    if isinstance(routine, Convolve):
        # By its place: one variable may be the input and the filters.
        rank = len(routine.strides)
        outer = view.strides[:-rank]  # rows or columns of a product, for the BLAS
        fits = all(map(context.inference.never_negative, outer))
        fits = fits and (place == 0 or _taps_are_dense(view, rank))
    elif isinstance(routine, MatrixProduct):
        fits = view.ndim == 0 or _blas_takes(context, view)
    else:
        fits = view.contiguous
    return view if fits else context.dense(node.inputs[place], view, node)


def _taps_are_dense(view: View, rank: int) -> bool:
    """Whether the taps of each filter lie without gaps."""
    dense = contiguous_strides(view.sizes[-rank:], view.itemsize)
    return all(a is b for a, b in zip(view.strides[-rank:], dense, strict=True))


def _blas_takes(context: Context, view: View) -> bool:
    """Rows or columns without gaps, the other steps forward."""
    if not all(map(context.inference.never_negative, view.strides)):
        return False
    item = size(view.itemsize)
    if view.ndim == 1:
        return view.strides[0] is item
    rows, columns = view.sizes[-2:]
    by_row, by_column = view.strides[-2:]
    return by_column is item or columns is ONE or by_row is item or rows is ONE


__all__ = ["lower", "needed_nodes"]
