"""Matrices that stay the same in a loop, brought into panels once.

Of a product inside a loop whose second matrix is made outside (the weights of a recurrent
network), the copy into the order in which machine code reads it (see
`kernels.library.PackedGemm`) stands before the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from symnet.compile.lower.licm import moves
from symnet.compile.lower.lower_scan import loop_inputs
from symnet.compile.lower.program import (
    Buffer,
    Instruction,
    LibraryCall,
    Loop,
    Program,
    change_loops,
    copy_launch,
)
from symnet.graph.variables import Apply
from symnet.kernels.library import panel_width
from symnet.kernels.loopir.views import (
    Size,
    View,
    add,
    combine,
    floor_divide,
    multiply,
    size,
)
from symnet.kernels.routines import MatrixProduct


def pack_weights(program: Program) -> Program:
    """The program with the products inside loops reading what no iteration changes from
    panels, which are made before the loop."""
    return replace(program, steps=change_loops(program.steps, _pack_loop))


def _pack_loop(loop: Loop, depth: int) -> tuple[Sequence[Instruction], Loop]:
    own = {view.buffer for step in loop.body.steps for view in step.outputs}
    panels: dict[View, View] = {}
    before: list[Instruction] = []
    steps: list[Instruction] = []
    for step in loop.body.steps:
        matrix = _packable(step)
        if matrix is not None and not moves(matrix, own, depth):
            assert isinstance(step, LibraryCall)
            if matrix not in panels:
                panels[matrix], copies = pack(matrix, step.nodes[0])
                before += copies
            step = _reading_panels(step, panels[matrix])
        steps.append(step)
    if not panels:
        return (), loop
    loop = replace(loop, body=replace(loop.body, steps=steps))
    return before, replace(loop, inputs=loop_inputs(loop, depth))


def _right(routine: MatrixProduct) -> int:
    """The number of the input that is a product's second matrix."""
    return 2 if routine.scaled else 1


def _packable(step: Instruction) -> View | None:
    """The second matrix of a product of two matrices that can be read from panels."""
    routine = step.routine if isinstance(step, LibraryCall) else None
    if not isinstance(routine, MatrixProduct) or routine.packed:
        return None
    position = _right(routine)
    left, right = step.inputs[position - 1 : position + 1]
    matrices = left.ndim == right.ndim == 2
    return right if matrices and right.dtype in ("float32", "float64") else None


def _reading_panels(step: LibraryCall, panels: View) -> LibraryCall:
    assert isinstance(step.routine, MatrixProduct)
    inputs, initial = list(step.inputs), step.initial
    inputs[_right(step.routine)] = panels
    if initial is not None and _rows_without_gaps(initial):
        # Read where it is instead of being copied to where the result will be.
        inputs.append(initial)
        initial = None
    routine = replace(step.routine, packed=True)
    return replace(step, inputs=inputs, initial=initial, routine=routine)


def _rows_without_gaps(view: View) -> bool:
    return view.strides[-1] is size(view.itemsize)


def pack(matrix: View, node: Apply) -> tuple[View, list[Instruction]]:
    """Memory for a matrix in panels: (panels, rows, width), the last one perhaps only
    filled in part; and the copies that fill it."""
    rows, columns = matrix.sizes
    width = panel_width(matrix.dtype)
    count = floor_divide(add(columns, size(width - 1)), size(width))
    sizes = (count, rows, size(width))
    panels = Buffer("temporary", matrix.dtype, sizes, name="panels").whole
    whole = floor_divide(columns, size(width))
    by_row, by_column = matrix.strides
    source = replace(
        matrix,
        sizes=(whole, rows, size(width)),
        strides=(multiply(by_column, size(width)), by_row, by_column),
    )
    target = replace(panels, sizes=(whole, rows, size(width)))
    copies: list[Instruction] = [copy_launch(source, target, [node])]
    rest = combine("mod", columns, size(width))
    if rest.op != "literal" or rest.value:
        part = matrix.sliced(1, multiply(whole, size(width)), size(1), rest)
        copies.append(copy_launch(part, _last(panels, whole, rest), [node]))
    return panels, copies


def _last(panels: View, whole: Size, rest: Size) -> View:
    """The columns of the last panel."""
    return panels.at(0, whole).sliced(1, size(0), size(1), rest)
