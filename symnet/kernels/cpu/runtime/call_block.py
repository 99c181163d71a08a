"""Call blocks: all that one call of a compiled function needs, as words in memory.

A call block says which arrays are expected, where shared variables lie, which outputs to
make, and which steps to run on them.  Native code reads it: `boundary.enter` for a call
from Python, `runner.start` for the steps.  `execute` does in Python what `enter` does
natively.
"""

from __future__ import annotations

import ctypes
import gc
import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from operator import call
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np

from symnet.kernels.cpu.jit.intrinsics import load
from symnet.kernels.cpu.runtime import runner
from symnet.kernels.cpu.runtime.output_pool import (
    LARGE_BYTES,
    O_BYTES,
    O_SPARES,
    OUTPUT_WORDS,
    S_ARRAY,
    SPARE_WORDS,
    SPARES,
    allow,
    forget,
)
from symnet.kernels.cpu.runtime.runner import (
    ARGUMENT_COUNT,
    BASES,
    BUSY,
    C_ARRAY,
    CELL_COUNT,
    CELL_WORDS,
    CELLS,
    COMMIT,
    CONFLICT,
    CPYTHON,
    FAILURE,
    FALLBACK,
    FORM,
    OUTPUT_COUNT,
    PATCH_COUNT,
    PATCHES,
    PROGRAM,
    PROGRAM_COUNT,
    QUEUE,
    READERS,
    READS,
    RELEASE,
    STEP_WORDS,
    VERSION,
    WAKE,
    WATCH,
    WRITER,
    WRITES,
    patch,
    run_part,
    slide,
    start_unlocked,
)
from symnet.kernels.cpu.runtime.store import Store, putting
from symnet.kernels.cpu.runtime.threads import parallel_for
from symnet.kernels.cpu.runtime.turns import (
    Conflict,
    Queue,
    Waker,
    await_fork,
    committing,
    not_committing,
)

Words = np.ndarray[Any, np.dtype[np.int64]]
RETIRED = -1  # in place of the thread that runs a block

# Records of the call block, by word.
ARGUMENT_WORDS = 12
(
    A_BASE, A_KIND, A_RANK, A_DIMS, A_STRIDES, A_FLAGS,
    A_NUMBERS, A_SCRATCH, A_SCALAR, A_LOW, A_HIGH,
) = range(11)  # fmt: skip

AS_FLOAT64, AS_FLOAT32, AS_INTEGER, AS_BOOLEAN = 1, 2, 3, 4  # how a number is taken
RETURN_LIST, RETURN_ONE, RETURN_NONE = 0, 1, 2
CONTIGUOUS, ALIGNED, WRITEABLE = 0x001, 0x100, 0x400  # NumPy's flags
KIND = 3  # word of a dtype: kind, type letter, byte order, unused, type number
KIND_MASK = ~(0xFF << 24)  # without the unused byte


def kind_word(dtype: Any) -> int:
    """The word that tells NumPy's own dtypes apart (0 where objects have no address)."""
    return load(id(np.dtype(dtype)), KIND) & KIND_MASK if CPYTHON else 0


@dataclass(frozen=True)
class Argument:
    """What an argument must be: an array of this dtype and shape, C-contiguous or with
    exactly these strides; its address becomes base number `base`.

    A 0-d argument may also be a NumPy scalar of the same dtype and, with `numbers`, a
    Python number that the dtype holds (a float for float32 is rounded).
    """

    dtype: str
    shape: tuple[int, ...]
    base: int
    strides: tuple[int, ...] | None = None
    numbers: bool = True


class BlockCell(NamedTuple):
    """A shared variable: a store whose array has this dtype and shape, and what the call
    does to it (READS, WRITES in place, REPLACES)."""

    store: Store
    dtype: str
    shape: tuple[int, ...]
    base: int
    use: int = READS


class ResultSlot(NamedTuple):
    """A new C-contiguous array for every call."""

    dtype: str
    shape: tuple[int, ...]
    base: int


class Window(NamedTuple):
    """`start + value * step` is written to the word at address `place`, where `value` is
    the 0-d integer argument (or other integer of `dtype`) at base `base`.  A call with a
    value outside low..high goes to the fallback."""

    place: int
    base: int
    dtype: str
    step: int
    start: int
    low: int
    high: int


class CallBlock(np.ndarray[Any, np.dtype[np.int64]]):
    """The words that `enter` and `runner.start` read; made by `call_block`.

    It keeps alive what its words point to.
    """

    address: int
    arguments: Sequence[Argument]
    cells: Sequence[BlockCell]
    outputs: Sequence[ResultSlot]
    fallback: Callable[..., Any]
    failure: Callable[[int], Any]
    bases: Words
    keep: Sequence[Any]
    spares: Sequence[int] = ()  # the first words of those of large outputs
    waker: Waker

    def __del__(self) -> None:
        for word in self.spares:
            if self[word + S_ARRAY]:
                forget(self.address + 8 * word)

    def set_times(self, times: Words | None) -> None:
        """Add the nanoseconds of every step to the words of `times`; None: no more."""
        self[runner.TIMES] = 0 if times is None else times.ctypes.data
        self.times = times

    def set_fallback(self, fallback: Callable[..., Any]) -> None:
        """Exchange the function for calls that do not fit."""
        self[FALLBACK] = id(fallback)
        self.fallback = fallback


def _number_words(argument: Argument) -> list[int]:
    """How Python numbers are taken (A_NUMBERS), NumPy's scalar type, and the range of
    integers that the dtype holds exactly."""
    dtype = np.dtype(argument.dtype)
    how = {"f8": AS_FLOAT64, "f4": AS_FLOAT32, "b1": AS_BOOLEAN}.get(dtype.str[1:], 0)
    if dtype.kind in "iu":
        how = AS_INTEGER
    if argument.shape or not how:
        return [0, 0, 0, 0, 0]
    if not argument.numbers:
        return [0, 0, id(dtype.type), 0, 0]
    if how == AS_INTEGER:
        limits = np.iinfo(dtype)
        low, high = int(limits.min), min(int(limits.max), 2**63 - 1)
    else:
        high = 2 ** (53 if how == AS_FLOAT64 else 24) if how != AS_BOOLEAN else -1
        low = -high
    return [how, 0, id(dtype.type), low, high]


class _Layout:
    """Words in the making.  Addresses of other parts are noted, and put in at the end."""

    def __init__(self) -> None:
        self.words = [0] * runner.HEADER_WORDS
        self.inner: list[int] = []

    def place(self, words: Sequence[int]) -> int:
        """Append words; the position of the first."""
        self.words += words
        return len(self.words) - len(words)

    def point(self, word: int, position: int) -> None:
        """Let `word` hold the address of the word at `position`."""
        self.words[word] = position
        self.inner.append(word)

    def table(self, count_word: int, records: Sequence[Sequence[int]]) -> int:
        """Append records and enter them in the header; the position of the first."""
        position = self.place([word for record in records for word in record])
        self.words[count_word] = len(records)
        self.point(count_word + 1, position)
        return position

    def finish(self) -> CallBlock:
        block = np.array(self.words, np.int64).view(CallBlock)
        block.address = block.ctypes.data
        block[self.inner] = block[self.inner] * 8 + block.address
        return block


def call_block(
    *,
    arguments: Sequence[Argument] = (),
    cells: Sequence[BlockCell] = (),
    outputs: Sequence[ResultSlot] = (),
    windows: Sequence[Window] = (),
    base_count: int,
    constants: Mapping[int, int] | None = None,
    patches: tuple[int, int] = (0, 0),
    steps: tuple[int, int] = (0, 0),
    form: int = RETURN_LIST,
    release: bool = False,
    commit: int | None = None,
    watch: int = 0,
    queue: Queue | None = None,
    fallback: Callable[..., Any],
    failure: Callable[[int], Any],
    keep: Sequence[Any] = (),
) -> CallBlock:
    """The call block of a plan.

    base_count: how many bases there are; `constants` gives those that never change.
    patches, steps: address and number of the records (see `runner`).
    form: RETURN_LIST, RETURN_ONE (of one output) or RETURN_NONE (of none).
    release: let other Python threads run meanwhile; pays above some microseconds.
    commit: the first step that writes shared variables; from there on nothing ends the
        run (None: no step does).
    watch: address of the words of `runner.tick`, for calls that a signal may end.
    queue: of the calls that go by Python; while there are any, all do.
    fallback: called as the function was, when something does not fit.
    failure: called with the number of the step that failed; it must raise.
    keep: whatever must live as long as the block.

    Raises: ValueError where the form does not fit the number of outputs.
    """
    if form != RETURN_LIST and len(outputs) != {RETURN_ONE: 1, RETURN_NONE: 0}[form]:
        raise ValueError(f"{len(outputs)} outputs cannot be returned in form {form}")
    layout = _Layout()
    _lay_arguments(layout, arguments)
    _lay_cells(layout, cells)
    spares = _lay_outputs(layout, outputs)
    layout.table(runner.WINDOW_COUNT, [_window_words(w) for w in windows])
    fixed = constants or {}
    bases = layout.place([fixed.get(k, 0) for k in range(base_count)])
    layout.point(BASES, bases)
    words = layout.words
    words[runner.PATCHES], words[runner.PATCH_COUNT] = patches
    words[runner.PROGRAM], words[runner.PROGRAM_COUNT] = steps
    words[FORM], words[RELEASE] = form, int(release)
    words[FALLBACK], words[FAILURE] = id(fallback), id(failure)
    words[COMMIT] = steps[1] if commit is None else commit
    words[WATCH] = watch if release else 0
    queue = [] if queue is None else queue
    waker = Waker([queue, *(cell.store.queue for cell in cells)])
    words[QUEUE], words[WAKE] = id(queue), id(waker)
    block = layout.finish()
    block.bases = np.frombuffer(block, np.int64, base_count, 8 * bases)
    block.arguments, block.cells, block.outputs = arguments, cells, outputs
    block.fallback, block.failure = fallback, failure
    block.keep = (*keep, [np.dtype(o.dtype) for o in outputs], queue)
    block.spares, block.waker = spares, waker
    _blocks[block.address] = block
    return block


def _lay_outputs(layout: _Layout, outputs: Sequence[ResultSlot]) -> list[int]:
    """The records of the outputs; returns where the spares of the large ones begin."""
    rest = [0] * (OUTPUT_WORDS - 3)
    position = layout.table(
        OUTPUT_COUNT,
        [(o.base, id(np.dtype(o.dtype)), len(o.shape), *rest) for o in outputs],
    )
    spares: list[int] = []
    for k, output in enumerate(outputs):
        record = position + OUTPUT_WORDS * k
        layout.point(record + 3, layout.place(output.shape))
        count = math.prod(output.shape) * np.dtype(output.dtype).itemsize
        if count >= LARGE_BYTES:
            layout.words[record + O_BYTES] = count
            first = record + O_SPARES
            spares += range(first, first + SPARES * SPARE_WORDS, SPARE_WORDS)
    if spares:
        layout.words[runner.LARGE_OUTPUTS] = 1
        allow()
    return spares


def _lay_arguments(layout: _Layout, arguments: Sequence[Argument]) -> None:
    records = [
        [a.base, kind_word(a.dtype), len(a.shape), 0, 0, 0, *_number_words(a), 0]
        for a in arguments
    ]
    position = layout.table(ARGUMENT_COUNT, records)
    for k, argument in enumerate(arguments):
        record = position + ARGUMENT_WORDS * k
        layout.point(record + A_DIMS, layout.place(argument.shape))
        layout.point(record + A_SCRATCH, layout.place([0]))
        layout.words[record + A_FLAGS] = ALIGNED
        if argument.strides is None:
            layout.words[record + A_FLAGS] |= CONTIGUOUS
        elif argument.shape:
            layout.point(record + A_STRIDES, layout.place(argument.strides))


def _lay_cells(layout: _Layout, cells: Sequence[BlockCell]) -> None:
    """The records of shared variables: as those of arguments, then who uses them."""
    records = []
    for cell in cells:
        flags = CONTIGUOUS | ALIGNED | (WRITEABLE if cell.use == WRITES else 0)
        words = [cell.base, kind_word(cell.dtype), len(cell.shape), 0, 0, flags]
        store = cell.store
        words += [id(store.box), store.words.ctypes.data, id(store.queue), cell.use]
        records.append([*words, 0, 0])
    position = layout.table(CELL_COUNT, records)
    for k, cell in enumerate(cells):
        shape = layout.place(cell.shape)
        layout.point(position + CELL_WORDS * k + A_DIMS, shape)


def _window_words(window: Window) -> list[int]:
    dtype = np.dtype(window.dtype)
    if dtype.kind not in "iub":
        raise TypeError(f"a window moves by an integer, not {dtype}")
    mask = (
        -1
        if dtype.kind == "i" or dtype.itemsize == 8
        else 2 ** (8 * dtype.itemsize) - 1
    )
    bounds = (window.step, window.start, window.low, window.high)
    return [window.place, window.base, dtype.itemsize, mask, *bounds]


def execute(
    block: CallBlock,
    arguments: Sequence[np.ndarray[Any, Any]],
    windows: bool = True,
    shared: Sequence[np.ndarray[Any, Any]] = (),
    replaced: Sequence[tuple[Store, int]] = (),
    moved: Iterable[bool] = (),
) -> list[np.ndarray[Any, Any]]:
    """Run a block from Python, with arrays that are as it expects; the outputs.

    For the fallback, after it has converted arguments or chosen another plan.  Who calls
    this has a ticket for all that the block uses, and has found it `idle`.
    windows=False: they are set already.
    shared: the arrays of the cells; replaced: stores that get outputs as their values;
    moved: whether what the call updates has changed (`Ticket.moved`).

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
    first = (int(block[CELLS]) - block.address) // 8
    for k, (cell, array) in enumerate(zip(block.cells, shared, strict=True)):
        block.bases[cell.base] = array.ctypes.data
        block[first + CELL_WORDS * k + C_ARRAY] = id(array)
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
    address, commit = block.address, int(block[COMMIT])
    patch(int(block[PATCHES]), int(block[PATCH_COUNT]), int(block[BASES]))
    status = run_part(address, 0, commit, 0)
    if status:
        return iter([status])
    steps: list[Callable[[], int]] = []
    for k in range(commit, int(block[PROGRAM_COUNT])):
        code, words, total, grain = (
            load(int(block[PROGRAM]) + 8 * STEP_WORDS * k, word) for word in range(4)
        )
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
    return int(block[BUSY]) in (0, RETIRED)


def inside(block: CallBlock) -> bool:
    """Whether a native call of this thread runs the block: this is Python code that the
    call has let in."""
    return int(block[BUSY]) == threading.get_ident()


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
    block[BUSY] = RETIRED


def retired(block: CallBlock) -> bool:
    return int(block[BUSY]) == RETIRED


# ---- forks

_blocks: WeakValueDictionary[int, CallBlock] = WeakValueDictionary()


def _forget_others() -> None:
    """In a forked child: the native calls of other threads are gone."""
    me = threading.get_ident()
    blocks = list(_blocks.values())
    for block in blocks:
        for cell in block.cells:
            cell.store.words[:VERSION] = 0
    for block in blocks:
        if int(block[BUSY]) not in (0, me, RETIRED):
            block[BUSY] = 0
    for block in blocks:
        if int(block[BUSY]) == me:  # the call that let in who forks
            for cell in block.cells:
                if cell.use == READS:
                    cell.store.words[READERS] += 1
                else:
                    cell.store.words[WRITER] = me


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_others)
