"""Where in the loops of a kernel code is being written, and what lies there in memory."""

from __future__ import annotations

from symnet.kernels.llvm.function_writer import FunctionWriter
from symnet.kernels.llvm.loop_nest import ENTRY, Nest
from symnet.kernels.llvm.text import MEMORY, Scope, iota, type_text
from symnet.kernels.variants import SHARING


class Block:
    """The present block of lanes: vectors side by side at one point of the other loops.

    chain: the open scopes by rank; counters: the present position in each dimension;
    copies: vectors worked on side by side at present; mask: the lanes in use (None: all).
    """

    def __init__(self, nest: Nest, writer: FunctionWriter) -> None:
        self.nest = nest
        self.variant = nest.variant
        self.writer = writer
        self.lanes = nest.lanes
        self.chain: dict[int, Scope] = {ENTRY: writer.entry}
        self.counters: dict[int, str] = {}
        self.copies = 1
        self.mask: str | None = None
        # Whether a thread must stay with its warp.
        self.in_step = nest.threads and nest.variant.warps

    def open(self, rank: int) -> Scope:
        """Begin a scope here in the text; later values of this rank go into it."""
        scope = self.chain[rank] = self.writer.here()
        return scope

    def set_mask(self, rank: int, index: str, limit: str | None) -> None:
        """Use only lanes whose place, from `index`, is below `limit`."""
        self.mask = None
        if limit is None:
            return
        scope = self.chain[rank]
        left = scope.emit(f"sub i64 {limit}, {index}")
        left = self.writer.smaller(scope, left, str(self.lanes))
        element = "i8" if self.lanes > 32 else "i32"
        kind = type_text(element, self.lanes)
        short = scope.emit(f"trunc i64 {left} to {element}")
        splat = scope.splat(short, element, self.lanes)
        places = iota(element, self.lanes)
        self.mask = scope.emit(f"icmp ult {kind} {places}, {splat}")

    # The argument block, as `kernels.schedule` lays it out.

    def size(self, dimension: int) -> str:
        return self.writer.word(dimension)

    def stride(self, operand: int, dimension: int) -> str:
        return self.writer.word(self.first_word(operand) + 1 + dimension)

    def indexed_axis(self, operand: int, axis: int) -> tuple[str, str]:
        """Size and byte stride of an indexed axis."""
        first = self.first_word(operand) + 1 + len(self.nest.dimensions) + 2 * axis
        return self.writer.word(first), self.writer.word(first + 1)

    def last_word(self, which: int) -> str:
        """A word behind those of all operands, which parts and bands have."""
        return self.writer.word(self.first_word(len(self.nest.operands)) + which)

    def first_word(self, operand: int) -> int:
        """The place of an operand's pointer; of one past the last, where they end."""
        dimensions = len(self.nest.dimensions)
        before = self.nest.operands[:operand]
        return dimensions + sum(1 + dimensions + 2 * o.indexed for o in before)

    @property
    def word_count(self) -> int:
        """Words of the whole block."""
        variant, more = self.variant, 2 * self.variant.banded
        if variant.lanes == "parts" or variant.cut:
            more = len(variant.reduced) + (variant.lanes == "parts")
        return self.first_word(len(self.nest.operands)) + more

    # Addresses.

    def pointer(self, operand: int) -> str:
        """The operand's address at the present position (its first lane)."""
        address = self.start(operand)
        for dimension in self.nest.moving(operand):
            scope = self.chain[self.nest.dimension_rank(dimension)]
            key = ("pointer", operand, dimension)
            if key not in scope.made:
                scope.made[key] = self.moved(scope, address, operand, dimension)
            address = scope.made[key]
        return address

    def start(self, operand: int) -> str:
        """The operand's address; for threads moved by its word of the call's block (see
        `thread_items`)."""
        place = self.first_word(operand)
        if self.writer.module.target.threads:
            return self.writer.moved_pointer(place, operand)
        return self.writer.word(place, "ptr")

    def moved(self, scope: Scope, address: str, operand: int, dimension: int) -> str:
        counter = self.counters[dimension]
        if (
            dimension == self.nest.lane_dimension
            and self.variant.access[operand] == "c"
        ):
            element = MEMORY[self.nest.operands[operand].dtype]
            return scope.emit(f"getelementptr {element}, ptr {address}, i64 {counter}")
        if dimension == self.nest.lane_dimension and (share := self.sharing(operand)):
            element = MEMORY[self.nest.operands[operand].dtype]
            number = scope.emit(f"udiv i64 {counter}, {share}")
            return scope.emit(f"getelementptr {element}, ptr {address}, i64 {number}")
        offset = scope.emit(f"mul i64 {counter}, {self.stride(operand, dimension)}")
        return scope.emit(f"getelementptr i8, ptr {address}, i64 {offset}")

    def copy_pointer(self, scope: Scope, operand: int, copy: int) -> str:
        """The address for one of the vectors side by side."""
        address = self.pointer(operand)
        if copy == 0 or self.variant.access[operand] in "fp":
            return address
        first = copy * self.lanes
        share = self.sharing(operand)
        if share or self.variant.access[operand] == "c":
            first //= share or 1
            element = MEMORY[self.nest.operands[operand].dtype]
            return scope.emit(f"getelementptr {element}, ptr {address}, i64 {first}")
        stride = self.stride(operand, self.nest.lane_dimension)
        offset = scope.emit(f"mul i64 {stride}, {first}")
        return scope.emit(f"getelementptr i8, ptr {address}, i64 {offset}")

    def sharing(self, operand: int) -> int:
        """Neighbouring lanes that share a number of the operand; 0 where none do."""
        return SHARING.get(self.variant.access[operand], 0)

    def lane_offsets(self, operand: int) -> str:
        """Byte offsets of the lanes of a strided operand from its first lane."""
        scope = self.writer.entry
        key = ("offsets", operand)
        if key not in scope.made:
            stride = self.stride(operand, self.nest.lane_dimension)
            kind = type_text("i64", self.lanes)
            splat = scope.splat(stride, "i64", self.lanes)
            places = iota("i64", self.lanes)
            scope.made[key] = scope.emit(f"mul {kind} {splat}, {places}")
        return scope.made[key]

    def entry_splat(self, name: str) -> str:
        """A number of the entry in all lanes."""
        scope = self.writer.entry
        key = ("splat", name)
        if key not in scope.made:
            scope.made[key] = scope.splat(name, "i64", self.lanes)
        return scope.made[key]

    def counted(self, scope: Scope, counter: str, lanes: int, copy: int) -> str:
        """A counter, one more in each lane."""
        if not lanes:
            return counter
        kind = type_text("i64", lanes)
        first = scope.splat(counter, "i64", lanes)
        return scope.emit(f"add {kind} {first}, {iota('i64', lanes, copy * lanes)}")

    def position(self, scope: Scope) -> str:
        """The place in the flattened reduced dimensions."""
        kept = len(self.variant.kept)
        place = self.counters[kept]
        for dimension in range(kept + 1, len(self.nest.dimensions)):
            rows = scope.emit(f"mul i64 {place}, {self.size(dimension)}")
            place = scope.emit(f"add i64 {rows}, {self.counters[dimension]}")
        return place
