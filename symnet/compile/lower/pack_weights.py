"""Matrices that stay the same in a loop, brought into panels once.

Of a product inside a loop whose second matrix is made outside (the weights of a recurrent
network), the copy into the order in which machine code reads it (see
`kernels.cpu.library.packed_gemm_code`) stands before the loop.
"""

from __future__ import annotations

from dataclasses import replace

from symnet.compile.lower.context import Context
from symnet.compile.lower.licm import moves
from symnet.compile.lower.program import LibraryCall, copy_launch
from symnet.graph.variables import Apply
from symnet.kernels.cpu.library.packed_gemm_code import panel_width
from symnet.kernels.loopir.views import (
    Size,
    View,
    add,
    combine,
    contiguous_strides,
    floor_divide,
    multiply,
    size,
)
from symnet.kernels.routines import MatrixProduct


def pack_weights(context: Context, inner: Context) -> None:
    """Have the products inside a loop read the matrices from panels that do not change.

    inner: the lowered body of a loop in `context`, where the copies are made.
    """
    own = {view.buffer for step in inner.steps for view in step.outputs}
    known: dict[View, View] = {}
    for step in inner.steps:
        routine = step.routine if isinstance(step, LibraryCall) else None
        if not isinstance(routine, MatrixProduct) or routine.packed:
            continue
        assert isinstance(step, LibraryCall)
        position = 2 if routine.scaled else 1
        left, right = step.inputs[position - 1 : position + 1]
        matrices = left.ndim == right.ndim == 2 and right.dtype in (
            "float32",
            "float64",
        )
        if not matrices or moves(right, own, context.depth):
            continue
        if right not in known:
            known[right] = pack(context, right, step.nodes[0])
        inputs = list(step.inputs)
        inputs[position] = known[right]
        if step.initial is not None and _rows_without_gaps(step.initial):
            # Read where it is instead of being copied to where the result will be.
            inputs.append(step.initial)
            step.initial = None
        step.inputs, step.routine = inputs, replace(routine, packed=True)


def _rows_without_gaps(view: View) -> bool:
    return view.strides[-1] is size(view.itemsize)


def pack(context: Context, matrix: View, node: Apply) -> View:
    """A copy of a matrix in panels: (panels, rows, width), the last one perhaps only
    filled in part."""
    rows, columns = matrix.sizes
    width = panel_width(matrix.dtype)
    count = floor_divide(add(columns, size(width - 1)), size(width))
    sizes = (count, rows, size(width))
    buffer = context.buffer(matrix.dtype, sizes, "panels")
    strides = contiguous_strides(sizes, matrix.itemsize)
    panels = View(buffer, matrix.dtype, sizes, strides)
    whole = floor_divide(columns, size(width))
    by_row, by_column = matrix.strides
    source = replace(
        matrix,
        sizes=(whole, rows, size(width)),
        strides=(multiply(by_column, size(width)), by_row, by_column),
    )
    target = replace(panels, sizes=(whole, rows, size(width)))
    context.steps.append(copy_launch(source, target, [node]))
    rest = combine("mod", columns, size(width))
    if rest.op != "literal" or rest.value:
        part = matrix.sliced(1, multiply(whole, size(width)), size(1), rest)
        context.steps.append(copy_launch(part, _last(panels, whole, rest), [node]))
    return panels


def _last(panels: View, whole: Size, rest: Size) -> View:
    """The columns of the last panel."""
    return panels.at(0, whole).sliced(1, size(0), size(1), rest)
