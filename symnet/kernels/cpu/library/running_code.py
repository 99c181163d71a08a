"""Code of two loops that the loop IR does not have: running totals, and places in order.

A running total carries a number from element to element; a place is found by halving.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np

from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.llvm.elements import Elements, place_of
from symnet.kernels.llvm.emitted_function import EmittedFunction
from symnet.kernels.llvm.function_writer import FunctionWriter
from symnet.kernels.llvm.kernel_cache import generator
from symnet.kernels.llvm.lanes import Lanes
from symnet.kernels.llvm.object_code import source_digest
from symnet.kernels.llvm.target import Target
from symnet.kernels.llvm.text import MEMORY, Module
from symnet.kernels.routines import Places, Running

# The argument block, by word.
SOURCE, RESULT, VALUES = 0, 1, 2  # pointers
LENGTH, INNER, STRIPS = 3, 4, 5
STRIP = 512  # elements that go along an axis side by side
GRAIN_NS = 20_000.0
SEARCH_NS = 3.0  # of a turn


def has_code(dtype: str) -> bool:
    """Whether there is code for a dtype."""
    return dtype in MEMORY


@cache
def code(what: str, emit: Callable[[str, Target, str], str]) -> EmittedFunction:
    """The function `what` of this module, which `emit` writes."""
    key = f"{generator()}{source_digest(__file__)}\n{what}"
    return EmittedFunction(key, partial(emit, what))


def _finish(writer: FunctionWriter, name: str) -> str:
    writer.finish(f"define i64 @{name}(ptr %words, i64 %begin, i64 %end)")
    return writer.module.text()


# ---- running totals


def running_step(routine: Running, shape: Sequence[int]) -> CallArrangement:
    """The step; pointers: the inputs, the result."""
    axis, length = routine.axis, shape[routine.axis]
    inner = math.prod(shape[axis + 1 :])
    strips = 1 if inner == 1 else -(-inner // STRIP)
    items = math.prod(shape[:axis]) * strips if inner and length else 0
    slots = (SOURCE, RESULT) if routine.kind != "linear" else (VALUES, SOURCE, RESULT)
    what = f"{'line' if inner == 1 else 'rows'} {routine.kind} {routine.dtype}"
    words = (0, 0, 0, length, inner, strips)
    cost = (1.0 if inner == 1 else 0.3) * math.prod(shape)
    grain = max(1, int(GRAIN_NS * items / max(cost, 1.0)))
    step = code(what, emit_running)
    return CallArrangement(step, words, slots, items, grain, cost)


def emit_running(what: str, target: Target, name: str) -> str:
    """The LLVM module for "line" (one number is carried) or "rows" (many side by side)."""
    form, kind, dtype = what.split()
    writer = FunctionWriter(Module(target))
    lanes = target.vector_bytes // 8 if dtype == "float16" else 0
    lanes = lanes or target.vector_bytes // np.dtype(dtype).itemsize
    elements = Elements(dtype, lanes)
    write = _write_line if form == "line" else _write_rows

    def item(index: str, _: list[str]) -> tuple[str, list[str]]:
        write(writer, elements, kind, index)
        return writer.here().emit(f"add i64 {index}, 1"), []

    writer.loop("%begin", "%end", (), item)
    return _finish(writer, name)


def _write_line(
    writer: FunctionWriter, elements: Elements, kind: str, item: str
) -> None:
    on = Lanes(writer.here(), 0)
    length = writer.word(LENGTH)
    start = on.scope.emit(f"mul i64 {item}, {length}")
    source, result = (
        elements.place(on, writer.word(w, "ptr"), start) for w in (SOURCE, RESULT)
    )
    first = elements.store(on, result, elements.load(on, source))

    factors = elements.place(on, writer.word(VALUES, "ptr"), start)

    def turn(k: str, values: list[str]) -> tuple[str, list[str]]:
        here = Lanes(writer.here(), 0)
        new = elements.load(here, elements.place(here, source, k))
        factor = elements.place(here, factors, k) if kind == "linear" else ""
        total = elements.following(here, kind, values[0], new, factor)
        total = elements.store(here, elements.place(here, result, k), total)
        return here.scope.emit(f"add i64 {k}, 1"), [total]

    writer.loop("1", length, [(elements.register, first)], turn)


def _write_rows(
    writer: FunctionWriter, elements: Elements, kind: str, item: str
) -> None:
    scope = writer.here()
    length, inner, strips = (writer.word(w) for w in (LENGTH, INNER, STRIPS))
    block = scope.emit(f"udiv i64 {item}, {strips}")
    part = scope.emit(f"urem i64 {item}, {strips}")
    low = scope.emit(f"mul i64 {part}, {STRIP}")
    left = scope.emit(f"sub i64 {inner}, {low}")
    width = writer.smaller(scope, left, str(STRIP))
    rows = scope.emit(f"mul i64 {block}, {length}")
    start = scope.emit(f"add i64 {scope.emit(f'mul i64 {rows}, {inner}')}, {low}")
    source, result = writer.word(SOURCE, "ptr"), writer.word(RESULT, "ptr")

    def row(k: str, _: list[str]) -> tuple[str, list[str]]:
        here = writer.here()
        now = here.emit(f"add i64 {start}, {here.emit(f'mul i64 {k}, {inner}')}")
        earlier = here.emit(f"sub i64 {now}, {inner}")
        first = here.emit(f"icmp eq i64 {k}, 0")
        # The first row is joined with nothing: no turn of the second loop.
        for stop, joins in ((first, False), (first, True)):
            chosen = ("0", width) if joins else (width, "0")
            end = writer.here().emit(
                f"select i1 {stop}, i64 {chosen[0]}, i64 {chosen[1]}"
            )
            before = earlier if joins else None
            _write_row(writer, elements, kind, source, result, now, before, end)
        return writer.here().emit(f"add i64 {k}, 1"), []

    writer.loop("0", length, (), row)


def _write_row(
    writer: FunctionWriter,
    elements: Elements,
    kind: str,
    source: str,
    result: str,
    now: str,
    earlier: str | None,
    end: str,
) -> None:
    """A row of the result, up to `end`: that before and one of the source, or this alone."""

    def stretch(start: str, stop: str, lanes: int) -> None:
        def turn(k: str, _: list[str]) -> tuple[str, list[str]]:
            on = Lanes(writer.here(), lanes)
            place = on.scope.emit(f"add i64 {now}, {k}")
            value = elements.load(on, elements.place(on, source, place))
            if earlier is not None:
                above = on.scope.emit(f"add i64 {earlier}, {k}")
                total = elements.load(on, elements.place(on, result, above))
                factor = ""
                if kind == "linear":
                    factors = writer.word(VALUES, "ptr")
                    factor = elements.place(on, factors, place)
                value = elements.following(on, kind, total, value, factor)
            elements.store(on, elements.place(on, result, place), value)
            return on.scope.emit(f"add i64 {k}, {max(lanes, 1)}"), []

        writer.loop(start, stop, (), turn)

    whole = writer.whole_steps("0", end, elements.lanes)
    stretch("0", whole, elements.lanes)
    stretch(whole, end, 0)


# ---- places in order


def places_step(routine: Places, length: int, count: int) -> CallArrangement:
    """The step; pointers: the vector, the values, the places."""
    what = f"{'right' if routine.right else 'left'} {routine.dtype}"
    each = SEARCH_NS * (1 + math.log2(length + 1))
    grain = max(1, int(GRAIN_NS / each))
    words = (0, 0, 0, length, 0, 0)
    slots = (SOURCE, VALUES, RESULT)
    step = code(what, emit_places)
    return CallArrangement(step, words, slots, count, grain, each * count)


def emit_places(what: str, target: Target, name: str) -> str:
    """The LLVM module that finds places by halving what is left."""
    side, dtype = what.split()
    writer, elements = FunctionWriter(Module(target)), Elements(dtype, 0)
    length = writer.word(LENGTH)
    source, values, result = (writer.word(w, "ptr") for w in (SOURCE, VALUES, RESULT))

    def item(index: str, _: list[str]) -> tuple[str, list[str]]:
        on = Lanes(writer.here(), 0)
        value = elements.load(on, elements.place(on, values, index))
        found = place_of(writer, elements, source, length, value, side == "right")
        here = writer.here()
        place = here.emit(f"getelementptr i64, ptr {result}, i64 {index}")
        here.line(f"store i64 {found}, ptr {place}, align 8")
        return writer.here().emit(f"add i64 {index}, 1"), []

    writer.loop("%begin", "%end", (), item)
    return _finish(writer, name)


# ---- the largest few

FEW = 64  # elements that are kept in order while the others pass by
KEPT, PLACES = INNER, RESULT


def selects(dtype: str, length: int, asked: int) -> bool:
    """Whether so many of a row are found in one pass."""
    return has_code(dtype) and abs(asked) <= min(FEW, length // 4)


def selection_step(dtype: str, shape: Sequence[int], asked: int) -> CallArrangement:
    """The step; pointers: the rows, values, positions."""
    rows, length, count = math.prod(shape[:-1]), shape[-1], abs(asked)
    each = length + 2.0 * count**2
    what = f"{'down' if asked > 0 else 'up'} {dtype}"
    grain = max(1, int(GRAIN_NS / max(each, 1.0)))
    words = (0, 0, 0, length, count, 0)
    slots = (SOURCE, VALUES, PLACES)
    step = code(what, emit_selection)
    return CallArrangement(step, words, slots, rows, grain, each * rows)


def emit_selection(what: str, target: Target, name: str) -> str:
    """The LLVM module that keeps the largest ("down") or smallest ("up") in order."""
    order, dtype = what.split()
    writer, elements = FunctionWriter(Module(target)), Elements(dtype, 0)
    length, kept = writer.word(LENGTH), writer.word(KEPT)

    def better(on: Lanes, one: str, other: str) -> str:
        pair = (other, one) if order == "down" else (one, other)
        return elements.before(on, *pair)

    def item(row: str, _: list[str]) -> tuple[str, list[str]]:
        on = Lanes(writer.here(), 0)
        starts = [on.scope.emit(f"mul i64 {row}, {n}") for n in (length, kept)]
        source = elements.place(on, writer.word(SOURCE, "ptr"), starts[0])
        values = elements.place(on, writer.word(VALUES, "ptr"), starts[1])
        start = f"getelementptr i64, ptr {writer.word(PLACES, 'ptr')}, i64 {starts[1]}"
        _select(writer, elements, better, source, values, on.scope.emit(start))
        return writer.here().emit(f"add i64 {row}, 1"), []

    writer.loop("%begin", "%end", (), item)
    return _finish(writer, name)


def _select(
    writer: FunctionWriter,
    elements: Elements,
    better: Callable[[Lanes, str, str], str],
    source: str,
    values: str,
    places: str,
) -> None:
    length, kept = writer.word(LENGTH), writer.word(KEPT)

    def turn(k: str, _: list[str]) -> tuple[str, list[str]]:
        on = Lanes(writer.here(), 0)
        emit = on.scope.emit
        value = elements.load(on, elements.place(on, source, k))
        last = emit(f"sub i64 {kept}, 1")
        end = writer.smaller(on.scope, k, last)  # the place that may be given up
        worst = elements.load(on, elements.place(on, values, end))
        room = emit(f"icmp slt i64 {k}, {kept}")
        enters = emit(f"or i1 {room}, {better(on, value, worst)}")
        skip = emit(f"select i1 {enters}, i64 0, i64 1")

        def enter(_: str, __: list[str]) -> tuple[str, list[str]]:
            _insert(writer, elements, better, values, places, value, k, end)
            return "1", []

        writer.when(skip, "1", (), enter)
        return writer.here().emit(f"add i64 {k}, 1"), []

    writer.loop("0", length, (), turn)


def _insert(
    writer: FunctionWriter,
    elements: Elements,
    better: Callable[[Lanes, str, str], str],
    values: str,
    places: str,
    value: str,
    number: str,
    end: str,
) -> None:
    """Move what is worse on by one, up to `end`, and put the value before it."""

    def at(on: Lanes, place: str) -> tuple[str, str]:
        own = on.scope.emit(f"getelementptr i64, ptr {places}, i64 {place}")
        return elements.place(on, values, place), own

    def move(left: str, carried: list[str]) -> tuple[str, list[str]]:
        """left: minus the place that is free."""
        on = Lanes(writer.here(), 0)
        emit = on.scope.emit
        free = emit(f"sub i64 0, {left}")
        (above, above_own), (own, own_own) = (
            at(on, emit(f"sub i64 {free}, 1")), at(on, free)
        )  # fmt: skip
        other = elements.load(on, above)
        moves = better(on, value, other)
        # Where nothing moves, this is the value's own place.
        chosen = on.select(moves, elements.dtype, other, value)
        elements.store(on, own, chosen)
        earlier = emit(f"load i64, ptr {above_own}, align 8")
        earlier = emit(f"select i1 {moves}, i64 {earlier}, i64 {number}")
        on.scope.line(f"store i64 {earlier}, ptr {own_own}, align 8")
        after = emit(f"add i64 {left}, 1")
        place = emit(f"select i1 {moves}, i64 {after}, i64 {left}")
        return emit(f"select i1 {moves}, i64 {after}, i64 0"), [place]

    start = writer.here().emit(f"sub i64 0, {end}")
    (place,) = writer.loop(start, "0", [("i64", start)], move)
    on = Lanes(writer.here(), 0)
    own, own_own = at(on, on.scope.emit(f"sub i64 0, {place}"))
    elements.store(on, own, value)
    on.scope.line(f"store i64 {number}, ptr {own_own}, align 8")
