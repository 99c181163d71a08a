"""A program is well formed: what memory and plans take for granted.

What depends on numbers is proven beside it, at the sizes of a call: see
`compile.memory.verify_placement`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NoReturn
from weakref import WeakSet

import numpy as np

from symnet.compile.lower.program import (
    Access,
    Buffer,
    Instruction,
    KernelLaunch,
    Linearise,
    Loop,
    Program,
    Result,
    every_instruction,
    regions_of,
    views_of,
)
from symnet.errors import message
from symnet.graph.variables import operand_text
from symnet.kernels.loopir.verify_kernel import verify_kernel
from symnet.kernels.loopir.views import View, known


class ProgramError(RuntimeError):
    """A program that is not well formed: a bug of symnet."""


_known: WeakSet[Instruction] = (
    WeakSet()
)  # instructions never change; most outlive a pass


def verify_program(program: Program) -> None:
    """Check the instructions of a program, with places or without.

    - memory is written before it is read;
    - what is written as a whole is written once, unless the second begins with it;
    - a kernel is well formed, and its operands are those that the instruction names;
    - no view reaches beyond its buffer, as far as sizes are known;
    - once a shared variable is written, nothing follows that may fail.

    Raises: ProgramError or KernelError.
    """
    _verify_steps(program.steps, set(program.given))
    for step in every_instruction(program.steps):
        if step not in _known:
            _verify_instruction(step)
            _known.add(step)
    written = _written(program.steps, set(program.given))
    for result in (*program.results, *program.updates):
        if root(result.value.buffer) not in written:
            _fail("a result that nobody makes", None, result.value.buffer)
    _verify_commits(program)


def root(buffer: Buffer) -> Buffer:
    """The memory in which a buffer lies by the program's meaning."""
    while buffer.within is not None or buffer.row is not None:
        if buffer.within is not None:
            buffer = buffer.within
        elif buffer.row is not None:
            buffer = buffer.row.origin.buffer
    return buffer


# ---- the order


def _written(steps: Iterable[Instruction], before: set[Buffer]) -> set[Buffer]:
    return before | {root(v.buffer) for step in steps for v in step.outputs}


def _verify_steps(steps: Sequence[Instruction], defined: set[Buffer]) -> None:
    """Definitions before uses, in a list of instructions and those inside them.

    defined: the memory that is written before."""
    whole: set[Buffer] = set()
    defined = set(defined)
    for step in steps:
        # What starts from a copy may read its own result.
        own = root(step.outputs[0].buffer) if step.initial is not None else None
        for view in step.reads:
            if root(view.buffer) not in defined and root(view.buffer) is not own:
                _fail("memory is read that nobody has written", step, view.buffer)
        for body in regions_of(step):
            _verify_region(body.steps, body.results, step, defined)
        for view in step.outputs:
            buffer = view.buffer
            # Parts that are all without elements are all of it, and overwrite nothing.
            is_whole = view == buffer.whole and 0 not in map(known, view.sizes)
            if buffer in whole and step.initial is None and is_whole:
                _fail("memory is written again before it is read", step, buffer)
            if is_whole and not isinstance(step, (Loop, Linearise)):
                whole.add(buffer)
            defined.add(root(buffer))
        whole -= {view.buffer for view in step.reads}


def _verify_region(
    steps: Sequence[Instruction],
    results: Sequence[Result],
    step: Instruction,
    defined: set[Buffer],
) -> None:
    # An iteration may read what another one wrote to a result of the loop.
    around = defined | {root(v.buffer) for v in step.outputs}
    _verify_steps(steps, around if isinstance(step, Loop) else defined)
    inside = _written(steps, around)
    for result in results:
        if root(result.value.buffer) not in inside:
            _fail(
                "a iteration or branch hands out what nobody makes", step, result.target
            )


def _verify_commits(program: Program) -> None:
    base = program.placement.base
    committed: Buffer | None = None
    for step in program.steps:
        inside = list(every_instruction([step]))
        shared = [b for one in inside for v in one.outputs
                  if (b := base(v.buffer)).kind == "shared"]  # fmt: skip
        fallible = any(one.fallible for one in inside)
        if fallible and (committed is not None or shared):
            what = "a shared variable is written, and then something may fail"
            _fail(what, step, committed or shared[0])
        if shared:
            committed = shared[0]


# ---- one instruction


def _verify_instruction(step: Instruction) -> None:
    """What an instruction says by itself, wherever it stands."""
    _verify_views(step)
    if isinstance(step, KernelLaunch):
        verify_kernel(step.kernel)
        _verify_operands(step)


def _verify_views(step: Instruction) -> None:
    for view in views_of(step):
        buffer = view.buffer
        if np.dtype(buffer.dtype).itemsize % np.dtype(view.dtype).itemsize:
            _fail(f"a view as {view.dtype}", step, buffer)
        if len(view.sizes) != len(view.strides):
            _fail("a view without a stride for each size", step, buffer)
        extent, room = _extent(view), _room(buffer)
        if room == 0 or (isinstance(step, Loop) and known(step.iterations) == 0):
            continue  # rows that no iteration reaches
        if (
            extent is not None
            and room is not None
            and not (extent[0] >= 0 and extent[1] <= room)
        ):
            _fail("a view reaches beyond its buffer", step, buffer)


def _extent(view: View) -> tuple[int, int] | None:
    """The first byte, and the one behind the last; None where only a call knows."""
    offset = known(view.offset)
    sizes, strides = [*map(known, view.sizes)], [*map(known, view.strides)]
    if 0 in sizes:
        return 0, 0
    if offset is None or None in sizes:
        return None
    low, high = offset, offset + view.itemsize
    for n, stride in zip(sizes, strides, strict=True):
        if n == 1:
            continue
        if n is None or stride is None:
            return None
        low, high = low + min(0, (n - 1) * stride), high + max(0, (n - 1) * stride)
    return low, high


def _room(buffer: Buffer) -> int | None:
    """The bytes of a buffer; None where only a call knows."""
    room = np.dtype(buffer.dtype).itemsize
    for one in buffer.sizes:
        n = known(one)
        if n is None:
            return None
        room *= n
    return None if buffer.kind == "parameters" else room


def _verify_operands(step: KernelLaunch) -> None:
    kernel, rank = step.kernel, step.kernel.rank
    operands = [*kernel.inputs, *(output.operand for output in kernel.outputs)]
    views = [*step.inputs, *step.outputs]
    if len(step.sizes) != rank or len(step.accesses) != len(operands):
        _fail(
            "a kernel without a size for each axis, or an array for each operand", step
        )
    for view, access, operand in zip(views, step.accesses, operands, strict=True):
        if access.view != view or access.operand(rank) != operand:
            _fail("a kernel is given another operand than it takes", step, view.buffer)
        if not access.indexed:
            _verify_axes(step, access)


def _verify_axes(step: KernelLaunch, access: Access) -> None:
    view = access.view
    if len(access.axes) != view.ndim:
        _fail("an array is walked with more or fewer axes", step, view.buffer)
    for axis, length in zip(access.axes, view.sizes, strict=True):
        if axis is None:
            continue
        if not 0 <= axis < step.kernel.rank:
            _fail(f"an array moves along i{axis}", step, view.buffer)
        have, want = known(length), known(step.sizes[axis])
        if have is not None and want is not None and have < want:
            _fail(f"an array is shorter than the loop i{axis}", step, view.buffer)


def _fail(
    what: str, step: Instruction | None, buffer: Buffer | None = None
) -> NoReturn:
    node = next(iter(step.nodes), None) if step is not None else None
    raise ProgramError(
        message(
            what if buffer is None else f"{what}: {buffer!r}, {buffer.dtype}",
            operation=node.op if node is not None else type(step).__name__,
            operands=[operand_text(v) for v in node.inputs] if node is not None else [],
            origin=node.origin if node is not None else None,
            cure="please report this as a bug of symnet, with the program",
        )
    )
