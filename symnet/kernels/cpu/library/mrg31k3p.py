"""MRG31k3p on a CPU: the native step that draws from many streams of it at once.

The generator itself is in `kernels.llvm.mrg_arithmetic`.

Sample number k comes from stream k % streams, so neighbours are of different streams: a
vector holds the states of as many streams as it has lanes, and goes through its samples
row by row.  Streams are shared among threads; the numbers do not depend on how.
"""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from symnet.kernels import routines
from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.llvm.emitted_function import EmittedFunction
from symnet.kernels.llvm.function_writer import FunctionWriter
from symnet.kernels.llvm.kernel_cache import generator
from symnet.kernels.llvm.lanes import Lanes
from symnet.kernels.llvm.machine import machine
from symnet.kernels.llvm.mrg_arithmetic import advance, number
from symnet.kernels.llvm.object_code import source_digest
from symnet.kernels.llvm.target import Target
from symnet.kernels.llvm.text import MEMORY, Module, iota, mangled, type_text
from symnet.kernels.routines import NORMS

# The argument block, by word.
STATE, SAMPLE, STREAMS, COUNT = 0, 1, 2, 3
NS_PER_SAMPLE = 1.5
GRAIN_NS = 20_000.0


def mrg_step(dtype: str, streams: int, count: int) -> CallArrangement:
    """Draw `count` numbers between 0 and 1 from `streams` streams and move their states on.

    The pointers are those of the states (int32, six a stream: x[n-1], x[n-2], x[n-3], and
    so of y), which are read and written, and of the samples.
    Raises: NotImplementedError for a dtype in which there are no draws.
    """
    lanes = machine().target.vector_bytes // 4
    used = min(streams, count)
    items = -(-used // lanes)
    cost = NS_PER_SAMPLE * count
    grain = max(1, int(GRAIN_NS * items / max(cost, 1.0)))
    words = (0, 0, streams, count)
    return CallArrangement(code(dtype), words, (STATE, SAMPLE), items, grain, cost)


def draws(dtype: str) -> bool:
    """Whether there is native code for that dtype."""
    return dtype in NORMS


@cache
def code(dtype: str) -> EmittedFunction:
    """The function that draws numbers of a dtype."""
    if not draws(dtype):
        raise NotImplementedError(f"no native draws of {dtype}")
    key = f"{generator()}{source_digest(__file__, routines.__file__)}\nmrg {dtype}"
    return EmittedFunction(key, partial(emit_mrg, dtype))


def emit_mrg(dtype: str, target: Target, name: str = "mrg") -> str:
    """The LLVM module of that function: `i64 (i64* words, i64 begin, i64 end)`, whose
    work items are vectors of streams."""
    module = Module(target)
    MrgWriter(dtype, module).write(name)
    return module.text()


class MrgWriter:
    """Writes the function: for each vector of streams, iterations without masks as long as
    all lanes have a sample to make, then iterations with masks."""

    def __init__(self, dtype: str, module: Module) -> None:
        self.dtype = dtype
        self.writer = FunctionWriter(module)
        self.lanes = module.target.vector_bytes // 4
        self.streams, self.samples = self.word(STREAMS), self.word(COUNT)
        self.states, self.target = (self.word(STATE, "ptr"), self.word(SAMPLE, "ptr"))

    def word(self, place: int, kind: str = "i64") -> str:
        return self.writer.word(place, kind)

    def write(self, name: str) -> None:
        def body(item: str, _: list[str]) -> tuple[str, list[str]]:
            self.item(item)
            return self.writer.here().emit(f"add i64 {item}, 1"), []

        self.writer.loop("%begin", "%end", (), body)
        self.writer.finish(f"define i64 @{name}(ptr %words, i64 %begin, i64 %end)")

    def here(self) -> Lanes:
        """Instructions on vectors at the present end of the text."""
        return Lanes(self.writer.here(), self.lanes)

    def places(self, on: Lanes, first: str) -> str:
        """first, first + 1, ... in the lanes."""
        start = on.scope.splat(first, "i64", self.lanes)
        return on.binary("add", "int64", start, iota("i64", self.lanes))

    # The loops.

    def item(self, item: str) -> None:
        """One vector of streams through all its samples."""
        on = self.here()
        emit = on.scope.emit
        first = emit(f"mul i64 {item}, {self.lanes}")
        stream = self.places(on, first)
        streams = on.scope.splat(self.streams, "i64", self.lanes)
        present = on.compare("lt", "int64", stream, streams)
        places = self.addresses(on, stream)
        state = [self.read(on, place, present) for place in places]
        # Samples first, first + streams, ...; without masks as long as the last lane of
        # a whole vector has one.
        far = emit(f"add i64 {first}, {self.lanes}")
        whole = emit(f"icmp sle i64 {far}, {self.streams}")
        ahead = emit(f"sub i64 {self.samples}, {self.lanes - 1}")
        stop = emit(f"select i1 {whole}, i64 {ahead}, i64 {first}")
        sample, state = self.turns(first, stop, state, None)
        _, state = self.turns(sample, self.samples, state, present)
        on = self.here()
        for place, value in zip(places, state, strict=True):
            self.write_back(on, place, value, present)

    def turns(
        self, first: str, stop: str, state: list[str], present: str | None
    ) -> tuple[str, list[str]]:
        """The samples from first on, below `stop`: which one follows, and the new state.

        present: the lanes that have a stream; where it is given, lanes are masked."""

        def body(sample: str, names: list[str]) -> tuple[str, list[str]]:
            on = self.here()
            new, draw = advance(on, names[1:])
            value = number(on, draw, self.dtype)
            if present is None:
                self.store(on, sample, value)
            else:
                active = self.active(on, sample, present)
                self.store_masked(on, sample, value, active)
                new = [
                    on.select(active, "int32", after, before)
                    for after, before in zip(new, names[1:], strict=True)
                ]
            following = on.scope.emit(f"add i64 {sample}, {self.streams}")
            return following, [following, *new]

        kind = type_text("i32", self.lanes)
        carried = [("i64", first), *((kind, value) for value in state)]
        sample, *state = self.writer.loop(first, stop, carried, body)
        return sample, state

    def active(self, on: Lanes, sample: str, present: str) -> str:
        """The lanes that have a stream and a sample."""
        samples = on.scope.splat(self.samples, "i64", self.lanes)
        there = on.compare("lt", "int64", self.places(on, sample), samples)
        return on.binary("and", "bool", there, present)

    # Memory.

    def addresses(self, on: Lanes, stream: str) -> list[str]:
        """Of the six numbers of the streams."""
        start = on.binary("mul", "int64", stream, on.constant(6, "int64"))
        found = []
        for which in range(6):
            index = on.binary("add", "int64", start, on.constant(which, "int64"))
            place = f"getelementptr i32, ptr {self.states}, {on.type('int64')} {index}"
            found.append(on.scope.emit(place))
        return found

    def read(self, on: Lanes, place: str, present: str) -> str:
        n, kind = self.lanes, on.type("int32")
        return on.scope.call(
            f"llvm.masked.gather.v{n}i32.v{n}p0",
            kind,
            [
                (type_text("ptr", n), place),
                ("i32", "4"),
                (on.type("bool"), present),
                (kind, "zeroinitializer"),
            ],
        )

    def write_back(self, on: Lanes, place: str, value: str, present: str) -> None:
        n = self.lanes
        on.scope.call_void(
            f"llvm.masked.scatter.v{n}i32.v{n}p0",
            [
                (on.type("int32"), value),
                (type_text("ptr", n), place),
                ("i32", "4"),
                (on.type("bool"), present),
            ],
        )

    def place_of(self, on: Lanes, sample: str) -> str:
        kind = MEMORY[self.dtype]
        return on.scope.emit(f"getelementptr {kind}, ptr {self.target}, i64 {sample}")

    def store(self, on: Lanes, sample: str, value: str) -> None:
        kind, align = type_text(MEMORY[self.dtype], self.lanes), self.align
        place = self.place_of(on, sample)
        on.scope.line(f"store {kind} {value}, ptr {place}, align {align}")

    def store_masked(self, on: Lanes, sample: str, value: str, active: str) -> None:
        # Masked stores of half are not known everywhere: their bits are stored.
        element, n = MEMORY[self.dtype], self.lanes
        if element == "half":
            kind = type_text("half", n)
            value = on.scope.emit(f"bitcast {kind} {value} to {type_text('i16', n)}")
            element = "i16"
        on.scope.call_void(
            f"llvm.masked.store.{mangled(element, n)}.p0",
            [
                (type_text(element, n), value),
                ("ptr", self.place_of(on, sample)),
                ("i32", str(self.align)),
                (on.type("bool"), active),
            ],
        )

    @property
    def align(self) -> int:
        return np.dtype(self.dtype).itemsize
