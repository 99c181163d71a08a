"""Call blocks: all that one call of a compiled function needs, as words in memory.

A call block says which arrays are expected, where shared variables lie, which outputs to
make, and which steps to run on them.  Native code reads it: `boundary.enter` for a call
from Python, `runner.start` for the steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np

from symnet.data_classes import dataclass
from symnet.kernels.cpu.jit.intrinsics import load
from symnet.kernels.cpu.jit.record import Record
from symnet.kernels.cpu.runtime.layouts import (
    SPARES,
    ArgumentWords,
    BlockWords,
    CellWords,
    OutputWords,
    SpareWords,
    WindowWords,
)
from symnet.kernels.cpu.runtime.output_pool import (
    LARGE_BYTES,
    allow,
    forget,
)
from symnet.kernels.cpu.runtime.runner import (
    CPYTHON,
    READS,
    WRITES,
)
from symnet.kernels.cpu.runtime.store import Store
from symnet.kernels.cpu.runtime.tickets import (
    Queue,
    Waker,
)

Words = np.ndarray[Any, np.dtype[np.int64]]

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
            if self[word + SpareWords.array]:
                forget(self.address + 8 * word)

    def set_times(self, times: Words | None) -> None:
        """Add the nanoseconds of every step to the words of `times`; None: no more."""
        self[BlockWords.times] = 0 if times is None else times.ctypes.data
        self.times = times

    def set_fallback(self, fallback: Callable[..., Any]) -> None:
        """Exchange the function for calls that do not fit."""
        self[BlockWords.fallback] = id(fallback)
        self.fallback = fallback

    def show(self) -> str:
        """The words for people: the head, then the records of each table."""
        lines = [f"block: {BlockWords.show(self)}"]
        for name, (count, record) in TABLES.items():
            first = (int(self[count + 1]) - self.address) // 8
            for k in range(int(self[count])):
                words = self[first + record.count * k :]
                lines.append(f"{name} {k}: {record.show(words)}")
        return "\n".join(lines)


# The word of the head that says how many there are, and their layout.
TABLES: dict[str, tuple[int, type[Record]]] = {
    "argument": (BlockWords.argument_count, ArgumentWords),
    "cell": (BlockWords.cell_count, CellWords),
    "output": (BlockWords.output_count, OutputWords),
    "window": (BlockWords.window_count, WindowWords),
}

# By address; those that live.
blocks: WeakValueDictionary[int, CallBlock] = WeakValueDictionary()


def _number_words(argument: Argument) -> dict[str, int]:
    """How Python numbers are taken (`numbers`), NumPy's scalar type, and the range of
    integers that the dtype holds exactly."""
    dtype = np.dtype(argument.dtype)
    how = {"f8": AS_FLOAT64, "f4": AS_FLOAT32, "b1": AS_BOOLEAN}.get(dtype.str[1:], 0)
    if dtype.kind in "iu":
        how = AS_INTEGER
    if argument.shape or not how:
        return {}
    if not argument.numbers:
        return {"scalar": id(dtype.type)}
    if how == AS_INTEGER:
        limits = np.iinfo(dtype)
        low, high = int(limits.min), min(int(limits.max), 2**63 - 1)
    else:
        high = 2 ** (53 if how == AS_FLOAT64 else 24) if how != AS_BOOLEAN else -1
        low = -high
    return {"numbers": how, "scalar": id(dtype.type), "low": low, "high": high}


def _reach(
    dtype: str, shape: Sequence[int], strides: Sequence[int] | None
) -> dict[str, int]:
    """Which bytes around its first element an array takes (`before`, `span`)."""
    size = np.dtype(dtype).itemsize
    if strides is None:
        return {"span": size * math.prod(shape)}
    ways = [s * (n - 1) for s, n in zip(strides, shape, strict=True)]
    before = -sum(min(way, 0) for way in ways)
    span = before + sum(max(way, 0) for way in ways) + size
    return {"before": before, "span": span if math.prod(shape) else 0}


class _Layout:
    """Words in the making.  Addresses of other parts are noted, and put in at the end."""

    def __init__(self) -> None:
        self.words = [0] * BlockWords.count
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
    layout.table(BlockWords.window_count, [_window_words(w) for w in windows])
    bases = _lay_bases(layout, base_count, constants or {})
    _lay_steps(layout, patches, steps, commit)
    words = layout.words
    words[BlockWords.form], words[BlockWords.release] = form, int(release)
    words[BlockWords.fallback], words[BlockWords.failure] = id(fallback), id(failure)
    words[BlockWords.watch] = watch if release else 0
    queue = [] if queue is None else queue
    waker = Waker([queue, *(cell.store.queue for cell in cells)])
    words[BlockWords.queue], words[BlockWords.wake] = id(queue), id(waker)
    block = layout.finish()
    block.bases = np.frombuffer(block, np.int64, base_count, 8 * bases)
    block.arguments, block.cells, block.outputs = arguments, cells, outputs
    block.fallback, block.failure = fallback, failure
    block.keep = (*keep, [np.dtype(o.dtype) for o in outputs], queue)
    block.spares, block.waker = spares, waker
    blocks[block.address] = block
    return block


def _lay_bases(layout: _Layout, count: int, constants: Mapping[int, int]) -> int:
    """The bases, those that never change filled in; the position of the first."""
    position = layout.place([constants.get(k, 0) for k in range(count)])
    layout.point(BlockWords.bases, position)
    return position


def _lay_steps(
    layout: _Layout,
    patches: tuple[int, int],
    steps: tuple[int, int],
    commit: int | None,
) -> None:
    words = layout.words
    words[BlockWords.patches], words[BlockWords.patch_count] = patches
    words[BlockWords.steps], words[BlockWords.step_count] = steps
    words[BlockWords.commit] = steps[1] if commit is None else commit


def _lay_outputs(layout: _Layout, outputs: Sequence[ResultSlot]) -> list[int]:
    """The records of the outputs; returns where the spares of the large ones begin."""
    records = [
        OutputWords.pack(
            base=o.base,
            dtype=id(np.dtype(o.dtype)),
            rank=len(o.shape),
            bytes=_large_bytes(o),
        )
        for o in outputs
    ]
    position = layout.table(BlockWords.output_count, records)
    spares: list[int] = []
    for k, output in enumerate(outputs):
        record = position + OutputWords.count * k
        layout.point(record + OutputWords.dims, layout.place(output.shape))
        if layout.words[record + OutputWords.bytes]:
            first = record + OutputWords.spares
            spares += range(first, first + SPARES * SpareWords.count, SpareWords.count)
    if spares:
        layout.words[BlockWords.large_outputs] = 1
        allow()
    return spares


def _large_bytes(output: ResultSlot) -> int:
    """The bytes of a result that is to be used again; 0 for a smaller one."""
    size = math.prod(output.shape) * np.dtype(output.dtype).itemsize
    return size if size >= LARGE_BYTES else 0


def _lay_arguments(layout: _Layout, arguments: Sequence[Argument]) -> None:
    records = [
        ArgumentWords.pack(
            base=a.base,
            kind=kind_word(a.dtype),
            rank=len(a.shape),
            flags=ALIGNED | (CONTIGUOUS if a.strides is None else 0),
            **_reach(a.dtype, a.shape, a.strides),
            **_number_words(a),
        )
        for a in arguments
    ]
    position = layout.table(BlockWords.argument_count, records)
    for k, argument in enumerate(arguments):
        record = position + ArgumentWords.count * k
        layout.point(record + ArgumentWords.dims, layout.place(argument.shape))
        layout.point(record + ArgumentWords.scratch, layout.place([0]))
        if argument.strides is not None and argument.shape:
            layout.point(record + ArgumentWords.strides, layout.place(argument.strides))


def _lay_cells(layout: _Layout, cells: Sequence[BlockCell]) -> None:
    records = [
        CellWords.pack(
            base=cell.base,
            kind=kind_word(cell.dtype),
            rank=len(cell.shape),
            flags=CONTIGUOUS | ALIGNED | (WRITEABLE if cell.use == WRITES else 0),
            **_reach(cell.dtype, cell.shape, None),
            box=id(cell.store.box),
            words=cell.store.words.ctypes.data,
            queue=id(cell.store.queue),
            use=cell.use,
        )
        for cell in cells
    ]
    position = layout.table(BlockWords.cell_count, records)
    for k, cell in enumerate(cells):
        record = position + CellWords.count * k
        layout.point(record + CellWords.dims, layout.place(cell.shape))


def _window_words(window: Window) -> list[int]:
    dtype = np.dtype(window.dtype)
    if dtype.kind not in "iub":
        raise TypeError(f"a window moves by an integer, not {dtype}")
    signed = dtype.kind == "i" or dtype.itemsize == 8
    return WindowWords.pack(
        place=window.place,
        base=window.base,
        bytes=dtype.itemsize,
        mask=-1 if signed else 2 ** (8 * dtype.itemsize) - 1,
        step=window.step,
        start=window.start,
        low=window.low,
        high=window.high,
    )
