"""Calls by way of Python: what `call_boundary.enter` does natively, and who has a block.

A block that was forked while another thread ran it is made free again here.
"""

from __future__ import annotations

import ctypes
import gc
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import chain
from operator import call
from typing import Any

import numpy as np

from symnet.kernels.cpu.jit.intrinsics import load
from symnet.kernels.cpu.runtime.call_block import Argument, CallBlock, blocks
from symnet.kernels.cpu.runtime.layouts import (
    BlockWords,
    CellWords,
    StepWords,
    StoreWords,
)
from symnet.kernels.cpu.runtime.runner import (
    CONFLICT,
    CPYTHON,
    READS,
    patch,
    run_part,
    slide,
    start_unlocked,
)
from symnet.kernels.cpu.runtime.store import Store, putting
from symnet.kernels.cpu.runtime.threads import parallel_for
from symnet.kernels.cpu.runtime.tickets import (
    Conflict,
    await_fork,
    committing,
    not_committing,
)

RETIRED = -1  # in place of the thread that runs a block


def execute(
    block: CallBlock,
    arguments: Sequence[np.ndarray[Any, Any]],
    windows: bool = True,
    shared: Sequence[np.ndarray[Any, Any]] = (),
    replaced: Sequence[tuple[Store, int]] = (),
    moved: Iterable[bool] = (),
    copies: Sequence[np.ndarray[Any, Any]] | None = None,
) -> list[np.ndarray[Any, Any]]:
    """Run a block from Python, with arrays that are as it expects; the outputs.

    For the fallback, after it has converted arguments or chosen another plan.  Who calls
    this has a ticket for all that the block uses, and has found it `idle`.
    windows=False: they are set already.
    shared: the arrays of the cells; replaced: stores that get outputs as their values;
    moved: whether what the call updates has changed (`Ticket.moved`).
    copies: arrays of the cells that are read and written instead of those.

    Nothing comes between the steps that write shared variables and the exchange of those
    that are replaced: an exception of a signal's handler finds all of it done, or nothing.

    Raises: ValueError for an argument that does not fit; IndexError for an integer out
    of its window's range; Conflict; whatever `failure` or a signal's handler raises.
    """
    for number, (argument, array) in enumerate(
        zip(block.arguments, arguments, strict=True)
    ):
        _check(number, argument, array)
        block.bases[argument.base] = array.ctypes.data
    first = (int(block[BlockWords.cells]) - block.address) // 8
    used = shared if copies is None else copies
    for k, (cell, array) in enumerate(zip(block.cells, shared, strict=True)):
        block.bases[cell.base] = used[k].ctypes.data
        block[first + CellWords.count * k + CellWords.array] = id(array)
    results = [np.empty(o.shape, o.dtype) for o in block.outputs]
    for output, array in zip(block.outputs, results, strict=True):
        block.bases[output.base] = array.ctypes.data
    if windows and not slide(block.address):
        raise IndexError("an integer argument is out of its range")
    native = _native()
    steps = _native_steps(block) if native else _python_steps(block)
    conflict = map({True: CONFLICT}.get, moved)
    news = [results[number] for _, number in replaced]
    exchange = putting([store for store, _ in replaced], news)
    if native:
        status = _first(chain(conflict, steps, exchange))
    else:
        status = _uncollected(chain(conflict, committing(chain(steps, exchange))))
    if status == CONFLICT:
        await_fork()
        raise Conflict
    if status:
        not_committing()
        block.failure(status - 1)
        raise RuntimeError(f"step {status - 1} of a compiled function failed")
    return results


def _native() -> bool:
    """Whether `start_unlocked` can be called as native code."""
    return CPYTHON and start_unlocked.ready


@cache
def _starter() -> Callable[[int], int]:
    """`start_unlocked`, which handles Python's lock and its exceptions itself."""
    kind = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_int64)
    function: Callable[[int], int] = kind(start_unlocked.address)
    return function


def _native_steps(block: CallBlock) -> Iterator[int]:
    return map(_starter(), (block.address,))


STEP = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)


def _python_steps(block: CallBlock) -> Iterator[int]:
    """The same while there is no native runner yet: what comes before the first step
    that writes shared variables is done; the rest by an iterator without Python code."""
    address, commit = block.address, int(block[BlockWords.commit])
    patch(
        int(block[BlockWords.patches]),
        int(block[BlockWords.patch_count]),
        int(block[BlockWords.bases]),
    )
    status = run_part(address, 0, commit, 0)
    if status:
        return iter([status])
    steps: list[Callable[[], int]] = []
    for k in range(commit, int(block[BlockWords.step_count])):
        step = int(block[BlockWords.steps]) + 8 * StepWords.count * k
        code, words, total, grain = (load(step, w) for w in range(StepWords.count))
        shared_out = total > grain
        function = parallel_for._function if shared_out else STEP(code)
        given = (code, words, total, grain) if shared_out else (words, 0, total)
        steps.append(partial(function, *given))
    return map(call, steps)


def _first(commit: Iterator[Any]) -> Any:
    """The first result that is not false, of what has then been done in one piece."""
    return next(filter(None, commit), 0)


def _uncollected(commit: Iterator[Any]) -> Any:
    """The same, and no garbage is collected meanwhile: each step takes memory, and a
    finalizer might look at what is half done."""
    if not gc.isenabled():
        return _first(commit)
    status = _first(chain(map(call, (gc.disable,)), commit, map(call, (gc.enable,))))
    if status:  # it has not come to its end
        gc.enable()
    return status


def idle(block: CallBlock) -> bool:
    """Whether the block is free; waiting helps if not, unless `inside` it."""
    return int(block[BlockWords.busy]) in (0, RETIRED)


def inside(block: CallBlock) -> bool:
    """Whether a native call of this thread runs the block: this is Python code that the
    call has let in."""
    return int(block[BlockWords.busy]) == threading.get_ident()


def _check(number: int, argument: Argument, array: np.ndarray[Any, Any]) -> None:
    flags = array.flags
    layout = (
        flags.c_contiguous
        if argument.strides is None
        else array.strides == argument.strides
    )
    if (
        array.dtype != argument.dtype
        or array.shape != argument.shape
        or not (layout and flags.aligned)
    ):
        raise ValueError(
            f"argument {number} must be {argument.dtype}{list(argument.shape)}, aligned and "
            f"with strides {argument.strides or 'of C order'}; it is "
            f"{array.dtype}{list(array.shape)} with strides {array.strides}"
        )


def retire(block: CallBlock) -> None:
    """Let nobody run an idle block natively again: calls go to its fallback from now on."""
    block[BlockWords.busy] = RETIRED


def retired(block: CallBlock) -> bool:
    return int(block[BlockWords.busy]) == RETIRED


# ---- forks


def _forget_others() -> None:
    """In a forked child: the native calls of other threads are gone."""
    me = threading.get_ident()
    living = list(blocks.values())
    for block in living:
        for cell in block.cells:
            cell.store.words[: StoreWords.version] = 0
    for block in living:
        if int(block[BlockWords.busy]) not in (0, me, RETIRED):
            block[BlockWords.busy] = 0
    for block in living:
        if int(block[BlockWords.busy]) == me:  # the call that let in who forks
            for cell in block.cells:
                if cell.use == READS:
                    cell.store.words[StoreWords.readers] += 1
                else:
                    cell.store.words[StoreWords.writer] = me


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_others)
