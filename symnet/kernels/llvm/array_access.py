"""Loads and stores at the present block of lanes, with strides, masks, computed positions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from symnet.data_classes import dataclass
from symnet.kernels.llvm.blocks import Block
from symnet.kernels.llvm.lanes import Lanes
from symnet.kernels.llvm.text import (
    MEMORY,
    REGISTER,
    Scope,
    mangled,
    splat_constant,
    type_text,
)
from symnet.kernels.variants import PERIODS


class ArrayAccess:
    """Moves numbers between registers and the operands of a kernel."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.operands = block.nest.operands
        self.lanes = block.lanes

    def strided(self, operand: int, lanes: int) -> bool:
        return bool(lanes) and self.block.variant.access[operand] == "s"

    def spacing(self, operand: int, lanes: int) -> int:
        """How far apart the numbers of neighbouring lanes are, where that is known to be a
        few numbers; else 0."""
        letter = self.block.variant.access[operand]
        return int(letter) if lanes and letter.isdigit() else 0

    def first_part(self, operand: int, lanes: int) -> int | None:
        """The operand of the real parts, where this one has them, or imaginary parts, and
        the parts of neighbouring lanes lie side by side."""
        first = operand - self.operands[operand].behind
        both = self.operands[first : first + 2]
        paired = len(both) == 2 and both[1].behind and not both[1].indexed
        near = paired and all(self.spacing(first + k, lanes) == 2 for k in range(2))
        return first if near else None

    def halves(self, scope: Scope) -> tuple[str | None, str | None]:
        """The lanes in use, in the first and the second of two vectors in which each lane
        has two neighbouring places."""
        mask, lanes = self.block.mask, self.lanes
        if mask is None:
            return None, None
        kind = type_text("i1", lanes)
        low, high = (
            shuffled(scope, kind, mask, mask, [half + k // 2 for k in range(lanes)])
            for half in (0, lanes // 2)
        )
        return low, high

    # Loads.

    def load(self, scope: Scope, operand: int, lanes: int, copy: int) -> str:
        first = self.first_part(operand, lanes)
        if first is not None:
            return self.load_part(scope, first, operand - first, copy)
        address = self.block.copy_pointer(scope, operand, copy)
        return self.load_at(scope, operand, address, lanes)

    def load_at(self, scope: Scope, operand: int, address: str, lanes: int) -> str:
        """The numbers of the lanes, the first of them at an address."""
        if step := self.spacing(operand, lanes):
            return self.load_spaced(scope, operand, address, step)
        if lanes and (period := PERIODS.get(self.block.variant.access[operand])):
            return self.load_again(scope, operand, address, period)
        if lanes and (share := self.block.sharing(operand)):
            return self.load_shared(scope, operand, address, share)
        if self.strided(operand, lanes):
            offsets = self.block.lane_offsets(operand)
            return self.load_lanes(scope, operand, address, offsets)
        return self.load_here(scope, operand, address, lanes)

    def load_here(self, scope: Scope, operand: int, address: str, lanes: int) -> str:
        """Neighbouring numbers from an address on (or one)."""
        dtype = self.operands[operand].dtype
        align = np.dtype(dtype).itemsize
        element = MEMORY[dtype]
        if lanes and self.block.mask:
            value = self.masked_load(scope, operand, address, self.block.mask)
        else:
            kind = type_text(element, lanes)
            value = scope.emit(f"load {kind}, ptr {address}, align {align}")
        return to_register(scope, dtype, value, lanes)

    def masked_load(
        self, scope: Scope, operand: int, address: str, mask: str, width: int = 0
    ) -> str:
        """Neighbouring numbers (`width`, or one for each lane) as they lie in memory; those
        not in the mask are 0."""
        dtype, lanes = self.operands[operand].dtype, width or self.lanes
        element = "i16" if dtype == "float16" else MEMORY[dtype]
        kind = type_text(element, lanes)
        arguments = [
            ("ptr", address),
            ("i32", str(np.dtype(dtype).itemsize)),
            (type_text("i1", lanes), mask),
            (kind, "zeroinitializer"),
        ]
        name = f"llvm.masked.load.{mangled(element, lanes)}.p0"
        value = scope.call(name, kind, arguments)
        if element != MEMORY[dtype]:
            value = scope.emit(f"bitcast {kind} {value} to {type_text('half', lanes)}")
        return value

    def load_spaced(self, scope: Scope, operand: int, address: str, step: int) -> str:
        """Numbers `step` apart: whole vectors are loaded, and the numbers picked."""
        dtype, lanes = self.operands[operand].dtype, self.lanes
        kind = type_text(MEMORY[dtype], lanes)
        align = np.dtype(dtype).itemsize
        picked = ""
        for piece in pieces(lanes, step):
            at = element_pointer(scope, MEMORY[dtype], address, piece.first)
            if self.block.mask:
                mask = self.spread_mask(scope, piece)
                value = self.masked_load(scope, operand, at, mask)
            else:
                value = scope.emit(f"load {kind}, ptr {at}, align {align}")
            places = [piece.place.get(lane) for lane in range(lanes)]
            order = [k if p is None else lanes + p for k, p in enumerate(places)]
            picked = shuffled(scope, kind, picked or value, value, order)
        return to_register(scope, dtype, picked, lanes)

    def load_part(self, scope: Scope, first: int, part: int, copy: int) -> str:
        """The real (0) or the imaginary parts (1), which are loaded together."""
        key = ("part", first, copy, part)
        if key not in scope.made:
            dtype, lanes = self.operands[first].dtype, self.lanes
            kind = type_text(MEMORY[dtype], lanes)
            align = np.dtype(dtype).itemsize
            address = self.block.copy_pointer(scope, first, copy)
            loaded = []
            for number, mask in enumerate(self.halves(scope)):
                at = element_pointer(scope, MEMORY[dtype], address, number * lanes)
                if mask is None:
                    value = scope.emit(f"load {kind}, ptr {at}, align {align}")
                else:
                    value = self.masked_load(scope, first, at, mask)
                loaded.append(value)
            low, high = loaded
            for one in range(2):
                order = [2 * lane + one for lane in range(lanes)]
                value = shuffled(scope, kind, low, high, order)
                scope.made["part", first, copy, one] = value
        return scope.made[key]

    def load_shared(self, scope: Scope, operand: int, address: str, share: int) -> str:
        """Numbers of which each is for `share` neighbouring lanes."""
        dtype, lanes = self.operands[operand].dtype, self.lanes
        numbers, element = max(1, lanes // share), MEMORY[dtype]
        if self.block.mask:
            # No wider than it needs be: of two vectors of 64 bytes with masks half empty
            # LLVM 22 simplifies the comparisons to and fro for ever.
            width = max(2, numbers)
            order = [k * share if k < numbers else lanes for k in range(width)]
            mask = shuffled(
                scope, type_text("i1", lanes), self.block.mask, "zeroinitializer", order
            )
            value = self.masked_load(scope, operand, address, mask, width)
        else:
            align, width = np.dtype(dtype).itemsize, numbers
            kind = type_text(element, numbers)
            value = scope.emit(f"load {kind}, ptr {address}, align {align}")
        order = [lane // share for lane in range(lanes)]
        kind = type_text(element, width)
        return to_register(
            scope, dtype, shuffled(scope, kind, value, value, order), lanes
        )

    def load_again(self, scope: Scope, operand: int, address: str, period: int) -> str:
        """A few numbers, again and again."""
        dtype, lanes = self.operands[operand].dtype, self.lanes
        kind = type_text(MEMORY[dtype], period)
        align = np.dtype(dtype).itemsize
        value = scope.emit(f"load {kind}, ptr {address}, align {align}")
        order = [lane % period for lane in range(lanes)]
        return to_register(
            scope, dtype, shuffled(scope, kind, value, value, order), lanes
        )

    def spread_mask(self, scope: Scope, piece: Piece) -> str:
        """The lanes in use, at the places that they have in a piece."""
        lanes, kind = self.lanes, type_text("i1", self.lanes)
        if not self.block.mask:
            used = piece.place.values()
            bits = (f"i1 {str(k in used).lower()}" for k in range(lanes))
            return f"<{', '.join(bits)}>"
        order = [lanes] * lanes
        for lane, place in piece.place.items():
            order[place] = lane
        return shuffled(scope, kind, self.block.mask, "zeroinitializer", order)

    def load_lanes(self, scope: Scope, operand: int, address: str, offsets: str) -> str:
        """Numbers at byte offsets from an address; unused lanes read offset 0."""
        dtype, lanes = self.operands[operand].dtype, self.lanes
        element = MEMORY[dtype]
        if self.block.mask:
            offsets = Lanes(scope, lanes).select(
                self.block.mask, "int64", offsets, splat_constant(0, "int64", lanes)
            )
        pointers = self.lane_pointers(scope, address, offsets)
        kind, pointer_kind = type_text(element, lanes), type_text("ptr", lanes)
        arguments = [
            (pointer_kind, pointers),
            ("i32", str(np.dtype(dtype).itemsize)),
            (type_text("i1", lanes), splat_constant(True, "bool", lanes)),
            (kind, "poison"),
        ]
        name = f"llvm.masked.gather.{mangled(element, lanes)}.{mangled('ptr', lanes)}"
        return to_register(scope, dtype, scope.call(name, kind, arguments), lanes)

    def lane_pointers(self, scope: Scope, address: str, offsets: str) -> str:
        return scope.emit(
            f"getelementptr i8, ptr {address}, {type_text('i64', self.lanes)} {offsets}"
        )

    # Computed positions.

    def gather(
        self,
        scope: Scope,
        operand: int,
        address: str,
        places: Sequence[str],
        spread: bool,
        lanes: int,
    ) -> str:
        """Numbers at computed positions: of each lane, if they are `spread`, or of all."""
        if not spread:
            address = self.indexed_pointer(scope, operand, address, places)
            return self.load_at(scope, operand, address, lanes)
        offsets = self.indexed_offset(scope, operand, places, lanes)
        if self.block.variant.access[operand] != "f":
            own = self.block.lane_offsets(operand)
            offsets = scope.emit(f"add {type_text('i64', lanes)} {offsets}, {own}")
        return self.load_lanes(scope, operand, address, offsets)

    def indexed_pointer(
        self, scope: Scope, operand: int, address: str, places: Sequence[str]
    ) -> str:
        if self.block.in_step:
            return self.pointer_in_step(scope, operand, address, places)
        offset = self.indexed_offset(scope, operand, places, 0)
        return scope.emit(f"getelementptr i8, ptr {address}, i64 {offset}")

    def pointer_in_step(
        self, scope: Scope, operand: int, address: str, places: Sequence[str]
    ) -> str:
        """The same for a thread that its warp waits for: where a position is outside, it
        says so and goes on with a word of the call's block."""
        inside = "true"
        for axis, place in enumerate(places):
            size, stride = self.block.indexed_axis(operand, axis)
            place, fits = wrapped(Lanes(scope, 0), place, size)
            inside = scope.emit(f"and i1 {inside}, {fits}")
            offset = scope.emit(f"mul i64 {place}, {stride}")
            address = scope.emit(f"getelementptr i8, ptr {address}, i64 {offset}")
        outside, following = (scope.module.fresh(s) for s in ("outside", "inside"))
        scope.line(f"br i1 {inside}, label %{following}, label %{outside}")
        scope.label(outside)
        scope.line("store i32 1, ptr %failed")
        scope.line(f"br label %{following}")
        scope.label(following)
        return scope.emit(f"select i1 {inside}, ptr {address}, ptr %block")

    def place_number(self, scope: Scope, operand: int, places: Sequence[str]) -> str:
        """The number of the place at positions along the indexed axes, counted in order;
        some number, where one is outside."""
        number = "0"
        for axis, place in enumerate(places):
            size, _ = self.block.indexed_axis(operand, axis)
            place, _ = wrapped(Lanes(scope, 0), place, size)
            number = scope.emit(f"mul i64 {number}, {size}")
            number = scope.emit(f"add i64 {number}, {place}")
        return number

    def indexed_offset(
        self, scope: Scope, operand: int, places: Sequence[str], lanes: int
    ) -> str:
        """Byte offset of positions along the indexed axes; leaves the function where one
        is outside."""
        on, mask = Lanes(scope, lanes), self.block.mask
        zero = on.constant(0, "int64")
        total = zero
        for axis, place in enumerate(places):
            size, stride = self.block.indexed_axis(operand, axis)
            if lanes:
                size, stride = map(self.block.entry_splat, (size, stride))
                if mask:
                    place = on.select(mask, "int64", place, zero)
            place, fits = wrapped(on, place, size)
            self.check(scope, fits, lanes)
            total = on.binary(
                "add", "int64", total, on.binary("mul", "int64", place, stride)
            )
        return total

    def check(self, scope: Scope, inside: str, lanes: int) -> None:
        """Go on only if all lanes are inside."""
        self.block.writer.may_fail = True
        if lanes:
            name = f"llvm.vector.reduce.and.{mangled('i1', lanes)}"
            if self.block.mask:
                on = Lanes(scope, lanes)
                true = on.constant(True, "bool")
                unused = on.binary("xor", "bool", self.block.mask, true)
                inside = on.binary("or", "bool", inside, unused)
            inside = scope.call(name, "i1", [(type_text("i1", lanes), inside)])
        following = scope.module.fresh("inside")
        scope.line(f"br i1 {inside}, label %{following}, label %fail")
        scope.label(following)

    # Stores.

    def store_at(
        self, scope: Scope, operand: int, address: str, value: str, lanes: int
    ) -> None:
        """Write the numbers of the lanes, the first of them to an address."""
        value = to_memory(scope, self.operands[operand].dtype, value, lanes)
        if step := self.spacing(operand, lanes):
            self.store_spaced(scope, operand, address, value, step)
        elif self.strided(operand, lanes):
            self.store_lanes(scope, operand, address, value)
        else:
            self.store_here(scope, operand, address, value, lanes)

    def add_at(self, scope: Scope, operand: int, address: str, value: str) -> None:
        """Add to a number in one step, whoever else does so at the same time."""
        dtype = self.operands[operand].dtype
        how = "fadd" if dtype.startswith("float") else "add"
        scope.line(
            f"atomicrmw {how} ptr {address}, {REGISTER[dtype]} {value} monotonic, "
            f"align {np.dtype(dtype).itemsize}"
        )

    def store_here(
        self, scope: Scope, operand: int, address: str, value: str, lanes: int
    ) -> None:
        dtype = self.operands[operand].dtype
        if lanes and self.block.mask:
            self.store_some(scope, operand, address, value, self.block.mask)
            return
        kind, align = type_text(MEMORY[dtype], lanes), np.dtype(dtype).itemsize
        scope.line(f"store {kind} {value}, ptr {address}, align {align}")

    def store_some(
        self, scope: Scope, operand: int, address: str, value: str, mask: str
    ) -> None:
        """Neighbouring numbers from an address on, those in the mask."""
        element, lanes = MEMORY[self.operands[operand].dtype], self.lanes
        if element == "half":
            half, element = type_text("half", lanes), "i16"
            value = scope.emit(f"bitcast {half} {value} to {type_text('i16', lanes)}")
        self.masked_store(scope, operand, element, value, "store", "ptr", address, mask)

    def store_parts(
        self, scope: Scope, first: int, address: str, re: str, im: str
    ) -> None:
        """Write real and imaginary parts of the lanes, which lie side by side."""
        lanes, element = self.lanes, MEMORY[self.operands[first].dtype]
        kind = type_text(element, lanes)
        for number, mask in enumerate(self.halves(scope)):
            half = number * lanes // 2
            order = [half + k // 2 + k % 2 * lanes for k in range(lanes)]
            value = shuffled(scope, kind, re, im, order)
            at = element_pointer(scope, element, address, number * lanes)
            if mask is None:
                align = np.dtype(self.operands[first].dtype).itemsize
                scope.line(f"store {kind} {value}, ptr {at}, align {align}")
            else:
                self.store_some(scope, first, at, value, mask)

    def store_spaced(
        self, scope: Scope, operand: int, address: str, value: str, step: int
    ) -> None:
        """Numbers `step` apart: put to their places in whole vectors, of which only these
        are written."""
        element, lanes = MEMORY[self.operands[operand].dtype], self.lanes
        kind = type_text(element, lanes)
        for piece in pieces(lanes, step):
            order = [0] * lanes
            for lane, place in piece.place.items():
                order[place] = lane
            spread = shuffled(scope, kind, value, value, order)
            at = element_pointer(scope, element, address, piece.first)
            mask = self.spread_mask(scope, piece)
            self.store_some(scope, operand, at, spread, mask)

    def store_lanes(self, scope: Scope, operand: int, address: str, value: str) -> None:
        element = MEMORY[self.operands[operand].dtype]
        pointers = self.lane_pointers(scope, address, self.block.lane_offsets(operand))
        kind = type_text("ptr", self.lanes)
        mask = self.block.mask or splat_constant(True, "bool", self.lanes)
        self.masked_store(
            scope, operand, element, value, "scatter", kind, pointers, mask
        )

    def masked_store(
        self,
        scope: Scope,
        operand: int,
        element: str,
        value: str,
        how: str,
        kind: str,
        where: str,
        mask: str,
    ) -> None:
        """Store the lanes in the mask; `kind` is the type of `where`."""
        lanes = self.lanes
        pointer = "p0" if kind == "ptr" else mangled("ptr", lanes)
        scope.call_void(
            f"llvm.masked.{how}.{mangled(element, lanes)}.{pointer}",
            [
                (type_text(element, lanes), value),
                (kind, where),
                ("i32", str(np.dtype(self.operands[operand].dtype).itemsize)),
                (type_text("i1", lanes), mask),
            ],
        )


def wrapped(on: Lanes, place: str, size: str) -> tuple[str, str]:
    """A position counted from the front, and whether it is inside the axis."""
    negative = on.compare("lt", "int64", place, on.constant(0, "int64"))
    behind = on.binary("add", "int64", place, size)
    place = on.select(negative, "int64", behind, place)
    return place, on.binary("icmp ult", "int64", place, size)


@dataclass(frozen=True)
class Piece:
    """Neighbouring numbers, from the number `first` on, among which numbers of some lanes
    are: `place` has for each of these lanes its place in the piece."""

    first: int
    place: dict[int, int]


def pieces(lanes: int, step: int) -> list[Piece]:
    """Vectors that hold the numbers 0, step, 2 step, ..., one for each lane, and nothing
    beyond the last."""
    last = (lanes - 1) * step
    firsts = [*range(0, (step - 1) * lanes, lanes), last - lanes + 1]
    found: list[Piece] = []
    done = 0  # lanes in earlier pieces
    for first in firsts:
        inside = range(done, min((first + lanes - 1) // step + 1, lanes))
        found.append(Piece(first, {lane: lane * step - first for lane in inside}))
        done = inside.stop
    return [piece for piece in found if piece.place]


def element_pointer(scope: Scope, element: str, address: str, number: int) -> str:
    if number == 0:
        return address
    return scope.emit(f"getelementptr {element}, ptr {address}, i64 {number}")


def shuffled(
    scope: Scope, kind: str, left: str, right: str, order: Sequence[int]
) -> str:
    """Numbers picked from two vectors, those of the right counted after the left's."""
    places = ", ".join(f"i32 {k}" for k in order)
    return scope.emit(
        f"shufflevector {kind} {left}, {kind} {right}, <{len(order)} x i32> <{places}>"
    )


def to_register(scope: Scope, dtype: str, value: str, lanes: int) -> str:
    """A value as it was read, as it is computed with."""
    memory = type_text(MEMORY[dtype], lanes)
    register = type_text(REGISTER[dtype], lanes)
    if memory == register:
        return value
    if dtype == "bool":
        zero = "zeroinitializer" if lanes else "0"
        return scope.emit(f"icmp ne {memory} {value}, {zero}")
    return scope.emit(f"fpext {memory} {value} to {register}")


def to_memory(scope: Scope, dtype: str, value: str, lanes: int) -> str:
    """A value as it is written."""
    memory = type_text(MEMORY[dtype], lanes)
    register = type_text(REGISTER[dtype], lanes)
    if memory == register:
        return value
    how = "zext" if dtype == "bool" else "fptrunc"
    return scope.emit(f"{how} {register} {value} to {memory}")
