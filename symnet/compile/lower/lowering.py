"""From a graph to the steps of a program.

Every variable that is needed becomes a view of a buffer, or a scalar inside a kernel.
Which operations share a kernel is decided by `fuse`; where results lie, by `memory`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.compile.lower.context import Context, OpenRegion
from symnet.compile.lower.fuse import AxisMap, Cluster, fuse, is_loop
from symnet.compile.lower.kernel_builder import KernelBuilder, ScatterBuilder
from symnet.compile.lower.lower_ifelse import lower_ifelse
from symnet.compile.lower.lower_scan import lower_scan
from symnet.compile.lower.program import (
    Access,
    KernelLaunch,
    LibraryCall,
    Region,
    copy_launch,
    shared_kernel,
)
from symnet.compile.lower.reads import data_inputs
from symnet.graph.traverse import toposort
from symnet.graph.variables import Apply, Variable
from symnet.kernels.loopir import scalars
from symnet.kernels.loopir.scalars import Kernel, Output
from symnet.kernels.loopir.views import ONE, View, size
from symnet.ops.base import PointOp, ViewOp
from symnet.ops.elementwise import Elementwise
from symnet.ops.ifelse.conditional import IfElse
from symnet.ops.reduce import Reduce
from symnet.ops.scan.loop import Scan
from symnet.sizes.infer import Inference


def needed_nodes(wanted: Sequence[Variable], leaves: Sequence[Variable]) -> list[Apply]:
    """The operations whose arrays `wanted` needs, in topological order.

    What serves only by its size, or is a host integer, is not computed.
    """
    needed = set(wanted)
    found: list[Apply] = []
    for node in reversed(toposort(wanted, blockers=leaves)):
        if any(v in needed for v in node.outputs):
            if is_parameter(node):
                continue
            found.append(node)
            needed.update(node.inputs[k] for k in data_inputs(node))
    return found[::-1]


def is_parameter(node: Apply) -> bool:
    """Whether the operation only gives host integers (the shape of an array)."""
    op = node.op
    if isinstance(op, (Elementwise, Reduce, PointOp, ViewOp)):
        return False
    return hasattr(op, "host") and not hasattr(op, "library") and not _writes(op)


def _writes(op: Any) -> bool:
    return any(hasattr(op, face) for face in ("write_view", "scatter", "parts"))


def is_native(node: Apply) -> bool:
    """Whether the operation has a face from which a step can be made."""
    op = node.op
    if isinstance(op, Scan):
        return not op.python_loop and all(map(is_native, op.graph.order))
    if isinstance(op, IfElse):
        inner = (*op.then_graph.order, *op.else_graph.order)
        return all(map(is_native, inner)) and not has_complex(node)
    if has_complex(node):
        library = getattr(op, "library", None)
        return isinstance(op, ViewOp) or (library is not None and library_takes(node))
    if is_loop(node) or isinstance(op, ViewOp) or _writes(op) or is_parameter(node):
        return True
    if hasattr(op, "arrange"):
        return bool(op.native(node))
    return getattr(op, "library", None) is not None and library_takes(node)


def has_complex(node: Apply) -> bool:
    """Whether anything is complex, or no array."""
    tensors = [*node.inputs, *node.outputs]
    return any(getattr(v.type, "dtype", "complex")[0] == "c" for v in tensors)


def library_takes(node: Apply) -> bool:
    """BLAS knows these dtypes only."""
    dtypes = ("float32", "float64", "complex64", "complex128")
    return node.outputs[0].type.dtype in dtypes


def lower(
    leaves: Sequence[Variable], wanted: Sequence[Variable], inference: Inference
) -> Context:
    """The steps that compute `wanted` from `leaves`."""
    context = Context(leaves, wanted, inference, lower_graph)
    lower_graph(context)
    return context


def lower_graph(context: Context, columns: bool = True) -> None:
    """Append the steps of a context's graph.  columns: see `fuse`."""
    nodes = needed_nodes(context.wanted, context.leaves)
    for cluster in fuse(nodes, context.wanted, context.inference, columns):
        _lower_cluster(context, cluster)


def _lower_cluster(context: Context, cluster: Cluster) -> None:
    if cluster.loop:
        step = KernelBuilder(context, cluster).step()
        context.steps.append(step)
        if cluster.reduces_leading_axes:
            _lower_apart(context, cluster, step)
        return
    (node,) = cluster.nodes
    op = node.op
    if isinstance(op, ViewOp):
        _lower_view(context, node)
    elif isinstance(op, Scan):
        lower_scan(context, node)
    elif isinstance(op, IfElse):
        lower_ifelse(context, node)
    elif hasattr(op, "write_view"):
        _lower_write(context, node)
    elif hasattr(op, "scatter"):
        context.steps.append(ScatterBuilder(context, node).step())
    elif hasattr(op, "parts"):
        _lower_parts(context, node)
    else:
        _lower_call(context, node)


def _lower_apart(context: Context, cluster: Cluster, step: KernelLaunch) -> None:
    """Give a step its other form, which writes its results to the same places."""
    own = cluster.maps
    views = {v: context.view_of(v) for v in cluster.reads if v not in own}
    wanted = [v for v in own if v in cluster.stored]
    inner = context.nested(views, wanted)
    lower_graph(inner, columns=False)
    step.apart = Region(inner.steps, inner.temporaries)
    results = [(v, context.view_of(v).buffer) for v in wanted]
    context.open_regions.append(OpenRegion(inner, step, step.apart, results))


def _lower_view(context: Context, node: Apply) -> None:
    for k, output in enumerate(node.outputs):
        source = context.view_of(node.inputs[0])
        view = _as_view(context, node, source, k)
        if view is None:
            dense = context.dense(node.inputs[0], source, node)
            view = _as_view(context, node, dense, k)
            assert view is not None, f"{node.op} is no view of a contiguous array"
        context.put(output, view)


def _as_view(context: Context, node: Apply, source: View, output: int) -> View | None:
    context.inference.node = node
    rule = node.op.views if hasattr(node.op, "views") else None
    if rule is not None:
        many: Sequence[View] = rule(node, source, context.inference)
        return many[output]
    view: View | None = node.op.view(node, source, context.inference)
    return view


def _lower_write(context: Context, node: Apply) -> None:
    """A copy of the first input, with a part written: `part = y` or `part += y`."""
    x, y = context.view_of(node.inputs[0]), context.view_of(node.inputs[1])
    target = context.temporary(node.outputs[0])
    context.inference.node = node
    part = node.op.write_view(node, target, context.inference)
    rank = part.ndim
    every: AxisMap = tuple(range(rank))
    reads = [Access(y.broadcast_to(part.sizes), every)]
    value = scalars.load(0, y.dtype)
    if not node.op.set:
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


def _lower_parts(context: Context, node: Apply) -> None:
    target = context.temporary(node.outputs[0])
    context.inference.node = node
    parts = node.op.parts(node, target, context.inference)
    for k, part in zip(data_inputs(node), parts, strict=True):
        step = copy_launch(context.view_of(node.inputs[k]), part, [node])
        context.steps.append(step)


def _lower_call(context: Context, node: Apply) -> None:
    variables = [node.inputs[k] for k in data_inputs(node)]
    operands = [context.view_of(v) for v in variables]
    initial = node.op.initial_input(node) if hasattr(node.op, "initial_input") else None
    operands = [
        _readable(context, v, view, node) if k != initial else view
        for k, (v, view) in enumerate(zip(variables, operands, strict=True))
    ]
    targets = [context.temporary(v) for v in node.outputs]
    context.steps.append(
        LibraryCall(
            [node],
            [view for k, view in enumerate(operands) if k != initial],
            targets,
            initial=operands[initial] if initial is not None else None,
            fallible=hasattr(node.op, "refusal"),
            routine=node.op.library,
            settings=node.op.settings(node) if hasattr(node.op, "settings") else {},
        )
    )


def _readable(context: Context, variable: Variable, view: View, node: Apply) -> View:
    """A matrix or vector as BLAS can read it, copied where it is not; for routines of
    our own without gaps."""
    if hasattr(node.op, "arrange"):
        return view if view.contiguous else context.dense(variable, view, node)
    if view.ndim == 0 or _blas_takes(context, view):
        return view
    return context.dense(variable, view, node)


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


__all__ = ["is_native", "lower", "needed_nodes"]
