"""What happens at one point of the loops: loads, arithmetic and stores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from symnet.kernels.llvm.blocks import Blocks
from symnet.kernels.llvm.loop_nest import ENTRY, Nest
from symnet.kernels.llvm.order import in_turns
from symnet.kernels.llvm.primitives import Lanes, apply, rarely, word_of
from symnet.kernels.llvm.text import (
    MEMORY,
    REGISTER,
    Scope,
    mangled,
    splat_constant,
    type_text,
)
from symnet.kernels.loopir.scalars import BESIDE, PRIMITIVES, Output, Scalar

# Instructions for one vector from which on a loop is long.
LONG = 12


class Points(Blocks):
    """Writes values into the scopes where they belong.

    registers: how many vectors may be held at once besides constants; turns: the order
    in which the nodes of long loops are written.
    """

    def __init__(self, nest: Nest, lanes: int, fused: bool, registers: int) -> None:
        super().__init__(nest, lanes, fused)
        self.registers = registers
        self.turns: dict[tuple[Scalar, ...], list[Scalar]] = {}

    # Values.

    def evaluate(self, roots: Sequence[Scalar]) -> None:
        """Write what is not yet written of all that `roots` need."""
        nodes = self.unwritten(roots)
        if len(nodes) > LONG:
            key = tuple(nodes)
            if key not in self.turns:  # the same for the last lanes
                order = in_turns(nodes, needed, self.copies, self.registers)
                self.turns[key] = order
            nodes = self.turns[key]
        for node in nodes:
            self.write(node)

    def unwritten(self, roots: Sequence[Scalar]) -> list[Scalar]:
        """What is still to be written for `roots`, arguments before their users."""
        found: dict[Scalar, None] = {}
        stack = [(root, False) for root in reversed(roots)]
        while stack:
            node, ready = stack.pop()
            if ready:
                found[node] = None
                continue
            written = self.chain[self.nest.rank[node]].values
            if node.op != "literal" and node not in found and node not in written:
                stack.append((node, True))
                stack.extend((a, False) for a in reversed(needed(node)))
        return list(found)

    def write(self, node: Scalar) -> None:
        """Write one scalar into the scope of its rank, once for each copy."""
        scope = self.chain[self.nest.rank[node]]
        if self.deals and self.nest.deals(node):
            scope.values[node] = self.dealt(scope, node)
            return
        scope.values[node] = tuple(
            [self.write_copy(scope, node, copy) for copy in range(self.count(node))]
        )

    def count(self, node: Scalar) -> int:
        """How many copies of a value differ: of what is made of blocks of random words
        alone there are fewer than vectors side by side."""
        if not self.nest.varying[node]:
            return 1
        if not self.deals or node.op in ("load", "gather", "index", "position"):
            return self.copies
        made = [a for a in needed(node) if a.op != "literal"]
        return max(len(self.chain[self.nest.rank[a]].values[a]) for a in made)

    def dealt(self, scope: Scope, node: Scalar) -> tuple[str, ...]:
        """The numbers of the blocks of a whole group, or the words of each vector."""
        counter = self.counters[self.nest.lane_dimension]
        if node.op == "word_of" and self.copies > 1:
            turns = [copy * self.lanes // BESIDE for copy in range(self.copies)]
            return tuple(
                self.text(node.args[1 + turn], self.lanes, copy)
                for copy, turn in enumerate(turns)
            )
        if node.op == "word_of":
            words = [self.text(word, self.lanes, 0) for word in node.args[1:]]
            return (
                word_of(Lanes(scope, self.lanes), node.dtype, [counter, *words], 0),
            )
        first = apply(scope, "block_of", "int64", ["int64"], [counter], 0)
        return tuple(
            self.counted(scope, first, self.lanes, copy)
            for copy in range(min(BESIDE // self.lanes, self.copies))
        )

    def write_copy(self, scope: Scope, node: Scalar, copy: int) -> str:
        lanes = self.lanes if self.nest.varying[node] else 0
        if node.op == "load":
            return self.load(scope, node.value, lanes, copy)
        if node.op == "gather":
            return self.gather(scope, node, lanes, copy)
        if node.op == "index":
            dimension = self.nest.dimension_of(node.value)
            return self.counted(scope, self.counters[dimension], lanes, copy)
        if node.op == "position":
            return self.counted(scope, self.position(scope), lanes, copy)
        if is_rare(node):
            return self.rare(scope, node, lanes, copy)
        values = [self.text(a, lanes, copy) for a in node.args]
        return self.operation(scope, node, values, lanes)

    def rare(self, scope: Scope, node: Scalar, lanes: int, copy: int) -> str:
        """A selection whose first value is computed only where a lane needs it."""
        condition, seldom, usual = node.args
        values = [self.text(a, lanes, copy) for a in seldom.args]
        each = lanes if self.nest.varying[condition] else 0
        return rarely(
            Lanes(scope, lanes),
            Lanes(scope, each),
            self.text(condition, each, copy),
            node.dtype,
            self.text(usual, lanes, copy),
            lambda: self.operation(scope, seldom, values, lanes),
        )

    def operation(
        self, scope: Scope, node: Scalar, values: list[str], lanes: int
    ) -> str:
        if node.op not in PRIMITIVES:
            return self.external(scope, node, values, lanes)
        sources = [a.dtype for a in node.args]
        return apply(scope, node.op, node.dtype, sources, values, lanes)

    def text(self, node: Scalar, lanes: int, copy: int) -> str:
        """The written value of a node, as a scalar (`lanes` 0) or a vector."""
        if node.op == "literal":
            return splat_constant(node.value, node.dtype, lanes)
        home = self.chain[self.nest.rank[node]]
        names = home.values[node]
        if lanes == 0 or self.nest.varying[node]:
            return names[copy % len(names)]
        key = ("splat", node)
        if key not in home.made:
            home.made[key] = self.splat(home, names[0], REGISTER[node.dtype])
        return home.made[key]

    def counted(self, scope: Scope, counter: str, lanes: int, copy: int) -> str:
        """A counter, one more in each lane."""
        if not lanes:
            return counter
        kind = type_text("i64", lanes)
        first = self.splat(scope, counter, "i64")
        return scope.emit(f"add {kind} {first}, {self.iota('i64', copy * lanes)}")

    def position(self, scope: Scope) -> str:
        """The place in the flattened reduced dimensions."""
        kept = len(self.variant.kept)
        place = self.counters[kept]
        for dimension in range(kept + 1, len(self.nest.dimensions)):
            rows = scope.emit(f"mul i64 {place}, {self.word(dimension)}")
            place = scope.emit(f"add i64 {rows}, {self.counters[dimension]}")
        return place

    def external(
        self, scope: Scope, node: Scalar, values: list[str], lanes: int
    ) -> str:
        """A function of float64 called for one lane after another.

        The lanes pass through memory in a loop: as many calls in a row would take
        longer to compile than all the rest.
        """
        if not lanes:
            return self.call_external(scope, node, values)
        dtypes = [*(a.dtype for a in node.args), node.dtype]
        kinds = [type_text(REGISTER[dtype], lanes) for dtype in dtypes]
        slots = [self.chain[ENTRY].emit(f"alloca {kind}") for kind in kinds]
        for kind, value, slot in zip(kinds, values, slots, strict=False):
            scope.line(f"store {kind} {value}, ptr {slot}")
        before, inside, after = map(self.names.fresh, ("before", "lane", "after"))
        lane, following = f"%{self.names.fresh()}", f"%{self.names.fresh()}"
        scope.line(f"br label %{before}")
        scope.label(before)
        scope.line(f"br label %{inside}")
        scope.label(inside)
        scope.line(f"{lane} = phi i64 [ 0, %{before} ], [ {following}, %{inside} ]")
        self.call_one(scope, node, slots, lane)
        scope.line(f"{following} = add i64 {lane}, 1")
        more = scope.emit(f"icmp ult i64 {following}, {lanes}")
        scope.line(f"br i1 {more}, label %{inside}, label %{after}")
        scope.label(after)
        return scope.emit(f"load {kinds[-1]}, ptr {slots[-1]}")

    def call_one(self, scope: Scope, node: Scalar, slots: list[str], lane: str) -> None:
        """Call a function on one lane of vectors in memory, the last of them its own."""
        places = [
            scope.emit(f"getelementptr {REGISTER[a.dtype]}, ptr {slot}, i64 {lane}")
            for a, slot in zip([*node.args, node], slots, strict=True)
        ]
        values = [
            scope.emit(f"load {REGISTER[a.dtype]}, ptr {place}")
            for a, place in zip(node.args, places, strict=False)
        ]
        result = self.call_external(scope, node, values)
        scope.line(f"store {REGISTER[node.dtype]} {result}, ptr {places[-1]}")

    def call_external(self, scope: Scope, node: Scalar, values: list[str]) -> str:
        arguments = []
        for value, argument in zip(values, node.args, strict=True):
            wide = apply(scope, "cast", "float64", [argument.dtype], [value], 0)
            arguments.append(("double", wide))
        result = scope.call(external_symbol(node.op), "double", arguments)
        return apply(scope, "cast", node.dtype, ["float64"], [result], 0)

    # Memory.

    def load(self, scope: Scope, operand: int, lanes: int, copy: int) -> str:
        address, _ = self.pointer(operand)
        address = self.copy_pointer(scope, address, operand, copy)
        if lanes and self.variant.access[operand] == "s":
            return self.load_lanes(scope, operand, address, self.lane_offsets(operand))
        return self.load_here(scope, operand, address, lanes)

    def load_here(self, scope: Scope, operand: int, address: str, lanes: int) -> str:
        """Neighbouring numbers from an address on (or one)."""
        dtype = self.operands[operand].dtype
        align = np.dtype(dtype).itemsize
        element = MEMORY[dtype]
        if not (lanes and self.mask):
            value = scope.emit(
                f"load {type_text(element, lanes)}, ptr {address}, align {align}"
            )
            return self.to_register(scope, dtype, value, lanes)
        element = "i16" if element == "half" else element
        kind = type_text(element, lanes)
        arguments = [
            ("ptr", address),
            ("i32", str(align)),
            (type_text("i1", lanes), self.mask),
            (kind, "zeroinitializer"),
        ]
        value = scope.call(
            f"llvm.masked.load.{mangled(element, lanes)}.p0", kind, arguments
        )
        if element != MEMORY[dtype]:
            value = scope.emit(f"bitcast {kind} {value} to {type_text('half', lanes)}")
        return self.to_register(scope, dtype, value, lanes)

    def load_lanes(self, scope: Scope, operand: int, address: str, offsets: str) -> str:
        """Numbers at byte offsets from an address; unused lanes read offset 0."""
        dtype, lanes = self.operands[operand].dtype, self.lanes
        element = MEMORY[dtype]
        if self.mask:
            offsets = Lanes(scope, lanes).select(
                self.mask, "int64", offsets, splat_constant(0, "int64", lanes)
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
        return self.to_register(scope, dtype, scope.call(name, kind, arguments), lanes)

    def lane_pointers(self, scope: Scope, address: str, offsets: str) -> str:
        return scope.emit(
            f"getelementptr i8, ptr {address}, {type_text('i64', self.lanes)} {offsets}"
        )

    def to_register(self, scope: Scope, dtype: str, value: str, lanes: int) -> str:
        memory, register = (
            type_text(MEMORY[dtype], lanes),
            type_text(REGISTER[dtype], lanes),
        )
        if memory == register:
            return value
        if dtype == "bool":
            zero = "zeroinitializer" if lanes else "0"
            return scope.emit(f"icmp ne {memory} {value}, {zero}")
        return scope.emit(f"fpext {memory} {value} to {register}")

    def to_memory(self, scope: Scope, dtype: str, value: str, lanes: int) -> str:
        memory, register = (
            type_text(MEMORY[dtype], lanes),
            type_text(REGISTER[dtype], lanes),
        )
        if memory == register:
            return value
        how = "zext" if dtype == "bool" else "fptrunc"
        return scope.emit(f"{how} {register} {value} to {memory}")

    # Computed positions.

    def gather(self, scope: Scope, node: Scalar, lanes: int, copy: int) -> str:
        operand = node.value
        address, _ = self.pointer(operand)
        address = self.copy_pointer(scope, address, operand, copy)
        if not any(self.nest.varying[a] for a in node.args):
            places = [self.text(a, 0, 0) for a in node.args]
            address = self.indexed_pointer(scope, operand, address, places)
            if lanes and self.variant.access[operand] == "s":
                return self.load_lanes(
                    scope, operand, address, self.lane_offsets(operand)
                )
            return self.load_here(scope, operand, address, lanes)
        places = [self.text(a, lanes, copy) for a in node.args]
        offsets = self.indexed_offset(scope, operand, places, lanes)
        if self.variant.access[operand] != "f":
            own = self.lane_offsets(operand)
            offsets = scope.emit(f"add {type_text('i64', lanes)} {offsets}, {own}")
        return self.load_lanes(scope, operand, address, offsets)

    def indexed_pointer(
        self, scope: Scope, operand: int, address: str, places: Sequence[str]
    ) -> str:
        offset = self.indexed_offset(scope, operand, places, 0)
        return scope.emit(f"getelementptr i8, ptr {address}, i64 {offset}")

    def indexed_offset(
        self, scope: Scope, operand: int, places: Sequence[str], lanes: int
    ) -> str:
        """Byte offset of positions along the indexed axes; leaves the function where one
        is outside."""
        on = Lanes(scope, lanes)
        word = self.first_word(operand) + 1 + len(self.nest.dimensions)
        total = on.constant(0, "int64")
        for axis, place in enumerate(places):
            size, stride = self.word(word + 2 * axis), self.word(word + 2 * axis + 1)
            if lanes:
                size, stride = self.entry_splat(size), self.entry_splat(stride)
                if self.mask:
                    place = on.select(
                        self.mask, "int64", place, on.constant(0, "int64")
                    )
            negative = on.compare("lt", "int64", place, on.constant(0, "int64"))
            wrapped = on.binary("add", "int64", place, size)
            place = on.select(negative, "int64", wrapped, place)
            self.check(scope, on.binary("icmp ult", "int64", place, size), lanes)
            total = on.binary(
                "add", "int64", total, on.binary("mul", "int64", place, stride)
            )
        return total

    def entry_splat(self, name: str) -> str:
        scope = self.chain[ENTRY]
        key = ("splat", name)
        if key not in scope.made:
            scope.made[key] = self.splat(scope, name, "i64")
        return scope.made[key]

    def check(self, scope: Scope, inside: str, lanes: int) -> None:
        """Go on only if all lanes are inside."""
        self.may_fail = True
        if lanes:
            name = f"llvm.vector.reduce.and.{mangled('i1', lanes)}"
            if self.mask:
                on = Lanes(scope, lanes)
                unused = on.binary("xor", "bool", self.mask, on.constant(True, "bool"))
                inside = on.binary("or", "bool", inside, unused)
            inside = scope.call(name, "i1", [(type_text("i1", lanes), inside)])
        following = self.names.fresh("inside")
        scope.line(f"br i1 {inside}, label %{following}, label %fail")
        scope.label(following)

    # Stores.

    def store(self, outputs: Sequence[Output]) -> None:
        """Write out values: all are computed before the first is stored, since an output
        may be the array that another value is read from."""
        for out in outputs:
            self.evaluate([*self.indices_of[out], self.value_of[out]])
        for out in outputs:
            self.store_value(out, self.value_of[out])

    def store_value(self, out: Output, value: Scalar) -> None:
        """Write a value to the place of an output."""
        operand = self.operand_of[out]
        lanes = self.lanes_of_output(operand)
        for copy in range(self.copies if lanes else 1):
            self.store_copy(out, operand, value, lanes, copy)

    def restore(self, out: Output, value: Scalar) -> None:
        """Make a value known by reading it from the place of an output."""
        operand = self.operand_of[out]
        scope = self.chain[self.nest.rank[value]]
        lanes = self.lanes if self.nest.varying[value] else 0
        copies = range(self.copies if lanes else 1)
        scope.values[value] = tuple(
            [self.load(scope, operand, lanes, c) for c in copies]
        )

    def lanes_of_output(self, operand: int) -> int:
        dimension = self.nest.lane_dimension
        return self.lanes if dimension in self.nest.moving(operand) else 0

    def store_copy(
        self, out: Output, operand: int, value_of: Scalar, lanes: int, copy: int
    ) -> None:
        address, _ = self.pointer(operand)
        here = self.here()
        address = self.copy_pointer(here, address, operand, copy) if lanes else address
        if out.indices:
            places = [self.text(i, 0, 0) for i in self.indices_of[out]]
            address = self.indexed_pointer(here, operand, address, places)
        value = self.text(value_of, lanes, copy)
        dtype = out.operand.dtype
        if out.mode == "add":
            value = self.added(here, operand, address, value, lanes)
        value = self.to_memory(here, dtype, value, lanes)
        strided = lanes and self.variant.access[operand] == "s"
        write = self.store_lanes if strided else self.store_here
        write(here, operand, address, value, lanes)

    def added(
        self, here: Scope, operand: int, address: str, value: str, lanes: int
    ) -> str:
        dtype = self.operands[operand].dtype
        if lanes and self.variant.access[operand] == "s":
            old = self.load_lanes(here, operand, address, self.lane_offsets(operand))
        else:
            old = self.load_here(here, operand, address, lanes)
        return apply(here, "add", dtype, [dtype, dtype], [old, value], lanes)

    def store_here(
        self, here: Scope, operand: int, address: str, value: str, lanes: int
    ) -> None:
        dtype = self.operands[operand].dtype
        align, element = np.dtype(dtype).itemsize, MEMORY[dtype]
        kind = type_text(element, lanes)
        if not (lanes and self.mask):
            here.line(f"store {kind} {value}, ptr {address}, align {align}")
            return
        if element == "half":
            value = here.emit(f"bitcast {kind} {value} to {type_text('i16', lanes)}")
            element, kind = "i16", type_text("i16", lanes)
        self.masked_write(
            here,
            f"store.{mangled(element, lanes)}.p0",
            kind,
            value,
            "ptr",
            address,
            align,
        )

    def store_lanes(
        self, here: Scope, operand: int, address: str, value: str, lanes: int
    ) -> None:
        dtype = self.operands[operand].dtype
        kind = type_text(MEMORY[dtype], lanes)
        pointers = self.lane_pointers(here, address, self.lane_offsets(operand))
        name = f"scatter.{mangled(MEMORY[dtype], lanes)}.{mangled('ptr', lanes)}"
        align = np.dtype(dtype).itemsize
        self.masked_write(
            here, name, kind, value, type_text("ptr", lanes), pointers, align
        )

    def masked_write(
        self,
        here: Scope,
        name: str,
        kind: str,
        value: str,
        where_kind: str,
        where: str,
        align: int,
    ) -> None:
        mask = self.mask or splat_constant(True, "bool", self.lanes)
        here.call_void(
            f"llvm.masked.{name}",
            [
                (kind, value),
                (where_kind, where),
                ("i32", str(align)),
                (type_text("i1", self.lanes), mask),
            ],
        )


def external_symbol(function: str) -> str:
    """The name under which the linker finds a function called lane by lane."""
    return f"symnet_{function}"


def is_rare(node: Scalar) -> bool:
    """Whether this is a selection whose first value hardly any vector needs."""
    return node.value == "rare" and node.op == "select"


def needed(node: Scalar) -> tuple[Scalar, ...]:
    """What must be written before a node: its arguments, but not a rare call itself."""
    if not is_rare(node):
        return node.args
    condition, function, usual = node.args
    return (condition, *function.args, usual)
