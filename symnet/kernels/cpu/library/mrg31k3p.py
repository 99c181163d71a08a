"""MRG31k3p: the native step that draws from many streams of it at once.

Source: L'Ecuyer and Touzin, "Fast combined multiple recursive generators with multipliers
of the form a = +-2^q +-2^r", Proc. 2000 Winter Simulation Conference, 683-689.

Two recurrences of three numbers each, below the primes M1 and M2:
  x[n] = 2**22 x[n-2] + (2**7 + 1) x[n-3] mod M1
  y[n] = 2**15 y[n-1] + (2**15 + 1) y[n-3] mod M2
A draw is (x[n] - y[n]) mod M1, from 1 to M1.  A product by 2**q modulo 2**31 - c is a
rotation of 31 bits with the upper part times c: shifts, masks and one small product.

Sample number k comes from stream k % streams, so neighbours are of different streams: a
vector holds the states of as many streams as it has lanes, and goes through its samples
row by row.  Streams are shared among threads; the numbers do not depend on how.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from symnet.kernels import routines
from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.llvm.machine import Machine, machine
from symnet.kernels.llvm.object_code import Routine, source_digest
from symnet.kernels.routines import M1, M2, NORMS

KINDS = {"float16": "half", "float32": "float", "float64": "double"}
# The argument block, by word.
STATE, SAMPLE, STREAMS, COUNT = 0, 1, 2, 3
NS_PER_SAMPLE = 1.5
GRAIN_NS = 20_000.0


def mrg_step(dtype: str, streams: int, count: int) -> CallArrangement:
    """Draw `count` numbers between 0 and 1 from `streams` streams and move their states on.

    The pointers are those of the states (int32, six a stream: x[n-1], x[n-2], x[n-3], and
    so of y), which are read and written, and of the samples.
    Raises: NotImplementedError for float16 where the processor cannot store it.
    """
    lanes = lane_count(machine())
    used = min(streams, count)
    items = -(-used // lanes)
    cost = NS_PER_SAMPLE * count
    grain = max(1, int(GRAIN_NS * items / max(cost, 1.0)))
    words = (0, 0, streams, count)
    return CallArrangement(code(dtype), words, (STATE, SAMPLE), items, grain, cost)


def lane_count(on: Machine) -> int:
    return on.vector_bytes // 4


def draws(dtype: str) -> bool:
    """Whether there is native code for that dtype on this processor."""
    return dtype in KINDS and (dtype != "float16" or machine().half)


@cache
def code(dtype: str) -> Routine:
    """The function that draws numbers of a dtype."""
    if not draws(dtype):
        raise NotImplementedError(f"no native draws of {dtype} on this processor")
    key = f"mrg {dtype} {source_digest(__file__, routines.__file__)}"
    return Routine(
        key, "mrg", lambda: machine().compile(MrgWriter(dtype, machine()).module())
    )


class MrgWriter:
    """Writes the LLVM IR: for each vector of streams, turns without masks as long as all
    lanes have a sample to make, then turns with masks."""

    def __init__(self, dtype: str, on: Machine) -> None:
        self.dtype, self.on, self.lanes = dtype, on, lane_count(on)
        self.lines: list[str] = []
        self.count = 0

    def emit(self, text: str) -> str:
        self.count += 1
        self.lines.append(f"  %v{self.count} = {text}")
        return f"%v{self.count}"

    def line(self, text: str) -> None:
        self.lines.append(text if text.endswith(":") else f"  {text}")

    def all(self, number: int | str, kind: str = "i32") -> str:
        """One number in every lane."""
        return "<" + ", ".join([f"{kind} {number}"] * self.lanes) + ">"

    def vector(self, kind: str) -> str:
        return f"<{self.lanes} x {kind}>"

    def integer(self, name: str, left: str, right: str | int) -> str:
        """An instruction on vectors of int32."""
        if isinstance(right, int):
            right = self.all(right)
        return self.emit(f"{name} {self.vector('i32')} {left}, {right}")

    def splat(self, value: str, kind: str) -> str:
        whole = self.vector(kind)
        one = self.emit(f"insertelement {whole} poison, {kind} {value}, i64 0")
        zeros = self.vector("i32") + " zeroinitializer"
        return self.emit(f"shufflevector {whole} {one}, {whole} poison, {zeros}")

    # ---- the generator

    def reduce(self, value: str, modulus: int) -> str:
        """A sum below 2**32, minus the modulus where it is not below it."""
        less = self.integer("sub", value, modulus)
        name, kind = f"llvm.umin.v{self.lanes}i32", self.vector("i32")
        return self.emit(f"call {kind} @{name}({kind} {value}, {kind} {less})")

    def times_power(self, value: str, power: int, multiple: int) -> str:
        """value * 2**power modulo 2**31 - multiple, not yet below it."""
        kept = 31 - power
        low = self.integer("and", value, (1 << kept) - 1)
        shifted = self.integer("shl", low, power)
        high = self.integer("lshr", value, kept)
        if multiple != 1:
            high = self.integer("mul", high, multiple)
        return self.integer("add", shifted, high)

    def advance(self, state: list[str]) -> tuple[list[str], str]:
        """One step: the new state, and the draw."""
        x1, x2, x3, y1, y2, y3 = state
        x = self.integer("add", self.times_power(x2, 22, 1), self.times_power(x3, 7, 1))
        x = self.reduce(x, M1)
        x = self.reduce(self.integer("add", x, x3), M1)
        first = self.reduce(self.times_power(y1, 15, 21069), M2)
        second = self.reduce(self.times_power(y3, 15, 21069), M2)
        y = self.reduce(self.integer("add", second, y3), M2)
        y = self.reduce(self.integer("add", y, first), M2)
        difference = self.integer("sub", x, y)
        bits = self.vector("i1")
        below = self.emit(f"icmp sle {self.vector('i32')} {x}, {y}")
        wrapped = self.integer("add", difference, M1)
        kind = self.vector("i32")
        draw = self.emit(
            f"select {bits} {below}, {kind} {wrapped}, {kind} {difference}"
        )
        return [x, x1, x2, y, y1, y2], draw

    def sample(self, draw: str) -> str:
        """A draw between 0 and 1.

        A float16 takes 15 bits, plus 1: that times its factor of 9 bits is exact in
        float32, so the only rounding is the last one.
        """
        kind, norm = KINDS[self.dtype], NORMS[self.dtype]
        wide = "double" if self.dtype == "float64" else "float"
        if self.dtype == "float16":
            draw = self.integer("add", self.integer("and", draw, 0x7FFF), 1)
        number = self.emit(f"sitofp {self.vector('i32')} {draw} to {self.vector(wide)}")
        factor = self.all(float_text(norm), wide)
        value = self.emit(f"fmul {self.vector(wide)} {number}, {factor}")
        if kind != wide:
            value = self.emit(
                f"fptrunc {self.vector(wide)} {value} to {self.vector(kind)}"
            )
        return value

    # ---- the loops

    def module(self) -> str:
        head = [f'target triple = "{self.on.triple}"', *self.declarations()]
        self.line("define i64 @mrg(ptr %words, i64 %begin, i64 %end) #0 {")
        self.line("entry:")
        self.streams, self.samples = self.word(STREAMS), self.word(COUNT)
        self.states = self.emit(f"inttoptr i64 {self.word(STATE)} to ptr")
        self.target = self.emit(f"inttoptr i64 {self.word(SAMPLE)} to ptr")
        self.iota = "<" + ", ".join(f"i64 {lane}" for lane in range(self.lanes)) + ">"
        self.loop("items", "%begin", "%end", [], self.item)
        self.line("ret i64 0")
        self.line("}")
        tail = f"attributes #0 = {{ {self.on.attributes} }}\n"
        return "\n".join([*head, *(t.strip("\n") for t in self.lines), tail])

    def declarations(self) -> list[str]:
        n, whole, bits = self.lanes, self.vector("i32"), self.vector("i1")
        pointers, kind = self.vector("ptr"), KINDS[self.dtype]
        # Masked stores of half are not known everywhere: their bits are stored.
        stored = "i16" if kind == "half" else kind
        short = {"i16": "i16", "float": "f32", "double": "f64"}[stored]
        self.stored, self.store = stored, f"llvm.masked.store.v{n}{short}.p0"
        return [
            f"declare {whole} @llvm.umin.v{n}i32({whole}, {whole})",
            f"declare {whole} @llvm.masked.gather.v{n}i32.v{n}p0({pointers}, i32, {bits}, "
            f"{whole})",
            f"declare void @llvm.masked.scatter.v{n}i32.v{n}p0({whole}, {pointers}, i32, "
            f"{bits})",
            f"declare void @{self.store}({self.vector(stored)}, ptr, i32, {bits})",
        ]

    def word(self, number: int) -> str:
        place = self.emit(f"getelementptr i64, ptr %words, i64 {number}")
        return self.emit(f"load i64, ptr {place}")

    def loop(
        self,
        name: str,
        first: str,
        end: str,
        carried: list[str],
        body: Callable[[str, list[str]], list[str]],
        step: str = "1",
    ) -> tuple[str, list[str]]:
        """`for counter from first to end: carried = body(counter, carried)`; what the
        counter and the vectors are behind it."""
        self.count += 1
        tag = f"{name}{self.count}"
        self.line(f"br label %before.{tag}")
        self.line(f"before.{tag}:")
        self.line(f"br label %test.{tag}")
        self.line(f"test.{tag}:")
        counter = f"%counter.{tag}"
        self.line(
            f"{counter} = phi i64 [ {first}, %before.{tag} ], "
            f"[ %next.{tag}, %last.{tag} ]"
        )
        names = [f"%carried.{tag}.{k}" for k in range(len(carried))]
        position = len(self.lines)
        more = self.emit(f"icmp slt i64 {counter}, {end}")
        self.line(f"br i1 {more}, label %body.{tag}, label %done.{tag}")
        self.line(f"body.{tag}:")
        results = body(counter, names)
        self.line(f"br label %last.{tag}")
        self.line(f"last.{tag}:")
        self.line(f"%next.{tag} = add i64 {counter}, {step}")
        self.line(f"br label %test.{tag}")
        self.line(f"done.{tag}:")
        self.lines[position:position] = [
            f"  {here} = phi {self.vector('i32')} [ {before}, %before.{tag} ], "
            f"[ {after}, %last.{tag} ]"
            for here, before, after in zip(names, carried, results, strict=True)
        ]
        return counter, names

    def item(self, item: str, _: list[str]) -> list[str]:
        """One vector of streams through all its samples."""
        first = self.emit(f"mul i64 {item}, {self.lanes}")
        stream = self.emit(
            f"add {self.vector('i64')} {self.splat(first, 'i64')}, {self.iota}"
        )
        present = self.emit(
            f"icmp slt {self.vector('i64')} {stream}, {self.splat(self.streams, 'i64')}"
        )
        places = self.places(stream)
        state = [self.read(place, present) for place in places]
        # Samples first, first + streams, ...; without masks as long as the last lane of
        # a whole vector has one.
        far = self.emit(f"add i64 {first}, {self.lanes}")
        whole = self.emit(f"icmp sle i64 {far}, {self.streams}")
        ahead = self.emit(f"sub i64 {self.samples}, {self.lanes - 1}")
        stop = self.emit(f"select i1 {whole}, i64 {ahead}, i64 {first}")
        after, state = self.loop(
            "whole", first, stop, state, self.whole_turn, self.streams
        )
        self.present = present
        done = self.loop(
            "masked", after, self.samples, state, self.masked_turn, self.streams
        )
        for place, value in zip(places, done[1], strict=True):
            self.write(place, value, present)
        return []

    def places(self, stream: str) -> list[str]:
        """Addresses of the six numbers of the streams."""
        kind = self.vector("i64")
        start = self.emit(f"mul {kind} {stream}, {self.all(6, 'i64')}")
        found = []
        for number in range(6):
            index = self.emit(f"add {kind} {start}, {self.all(number, 'i64')}")
            found.append(
                self.emit(f"getelementptr i32, ptr {self.states}, {kind} {index}")
            )
        return found

    def read(self, place: str, present: str) -> str:
        n, whole, bits = self.lanes, self.vector("i32"), self.vector("i1")
        return self.emit(
            f"call {whole} @llvm.masked.gather.v{n}i32.v{n}p0({self.vector('ptr')} "
            f"{place}, i32 4, {bits} {present}, {whole} zeroinitializer)"
        )

    def write(self, place: str, value: str, present: str) -> None:
        n, whole, bits = self.lanes, self.vector("i32"), self.vector("i1")
        self.line(
            f"call void @llvm.masked.scatter.v{n}i32.v{n}p0({whole} {value}, "
            f"{self.vector('ptr')} {place}, i32 4, {bits} {present})"
        )

    def target_of(self, counter: str) -> str:
        kind = KINDS[self.dtype]
        return self.emit(f"getelementptr {kind}, ptr {self.target}, i64 {counter}")

    def whole_turn(self, counter: str, state: list[str]) -> list[str]:
        state, draw = self.advance(state)
        value, align = self.sample(draw), np.dtype(self.dtype).itemsize
        kind = self.vector(KINDS[self.dtype])
        self.line(f"store {kind} {value}, ptr {self.target_of(counter)}, align {align}")
        return state

    def masked_turn(self, counter: str, state: list[str]) -> list[str]:
        """A turn for the lanes that have a stream and a sample."""
        bits, whole = self.vector("i1"), self.vector("i32")
        sample = self.emit(
            f"add {self.vector('i64')} {self.splat(counter, 'i64')}, {self.iota}"
        )
        there = self.emit(
            f"icmp slt {self.vector('i64')} {sample}, {self.splat(self.samples, 'i64')}"
        )
        active = self.emit(f"and {bits} {there}, {self.present}")
        new, draw = self.advance(state)
        value, align = self.sample(draw), np.dtype(self.dtype).itemsize
        kind = self.vector(self.stored)
        if self.stored == "i16":
            value = self.emit(f"bitcast {self.vector('half')} {value} to {kind}")
        self.line(
            f"call void @{self.store}({kind} {value}, ptr {self.target_of(counter)}, "
            f"i32 {align}, {bits} {active})"
        )
        return [
            self.emit(f"select {bits} {active}, {whole} {after}, {whole} {before}")
            for after, before in zip(new, state, strict=True)
        ]


def float_text(number: float) -> str:
    """A float constant of LLVM IR: the bits of the float64."""
    return f"0x{int(np.float64(number).view(np.uint64)):016X}"
