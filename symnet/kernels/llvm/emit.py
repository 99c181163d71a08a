"""From a kernel and a variant to LLVM IR: loops, vectors, masks and reductions.

The generated function is `i64 kernel(i64* words, i64 begin, i64 end)`: it does the work
items begin..end and returns 0, or 1 as soon as a computed position lies outside its
array.  `words` is laid out by `kernels.schedule`.  The text is written straight as SSA
form, hoisted and vectorised, so LLVM only has to choose instructions and registers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symnet.kernels.llvm.accumulate import States
from symnet.kernels.llvm.accumulators import Accumulator
from symnet.kernels.llvm.bands import Bands
from symnet.kernels.llvm.loop_nest import BLOCK, ENTRY, ITEM
from symnet.kernels.llvm.machine import Machine, machine
from symnet.kernels.llvm.primitives import Lanes
from symnet.kernels.llvm.text import MEMORY, REGISTER
from symnet.kernels.loopir.scalars import Kernel, walk
from symnet.kernels.schedule import Variant, axes_of, is_tiled


def emit(
    kernel: Kernel, variant: Variant, name: str = "kernel", on: Machine | None = None
) -> str:
    """The LLVM module of one kernel variant; with lanes "parts" it holds a second
    function `{name}_combine` of the same signature.

    Raises: NotImplementedError for an operation that has no instructions, and for
    float16 where the machine has none for it (x86 processors before 2012); ValueError
    for a kernel without meaning.
    """
    check(kernel)
    target = on or machine()
    emitter = Emitter(kernel, variant, name, target)
    if not target.half and any(o.dtype == "float16" for o in emitter.operands):
        raise NotImplementedError("this processor has no instructions for float16")
    return emitter.module()


def check(kernel: Kernel) -> None:
    """A kernel must say what it does.

    Raises: ValueError for a reduction where no axis is reduced, and for an output
    without indices that has one place for values that change along an axis.
    """
    nodes = walk(out.value for out in kernel.outputs)
    if not any(kernel.reduced) and any(node.op == "reduce" for node in nodes):
        raise ValueError(f"no axis is reduced in\n{kernel.text}")
    moves = axes_of(nodes, kernel.inputs, kernel.reduced)
    for out in kernel.outputs:
        for axis in moves[out.value]:
            if not out.operand.axes[axis] and not out.indices:
                raise ValueError(
                    f"an output has one place along axis {axis} in\n{kernel.text}"
                )


class Emitter(Bands):
    """Writes the module and the loop over work items."""

    def __init__(
        self, kernel: Kernel, variant: Variant, name: str, target: Machine
    ) -> None:
        super().__init__(kernel, variant, target)
        self.name = name
        self.blocked = variant.lanes in ("kept", "one")
        self.tiled = is_tiled(variant) and not self.scattering

    # The module.

    def module(self) -> str:
        functions = [self.function(self.name, self.items)]
        if self.variant.lanes == "parts":
            functions.append(self.function(f"{self.name}_combine", self.combine_parts))
        head = [
            f'target triple = "{self.machine.triple}"',
            *self.names.declarations.values(),
        ]
        tail = f"attributes #0 = {{ {self.machine.attributes} }}"
        return "\n".join([*head, *functions, tail, ""])

    def function(self, name: str, body: Callable[[], None]) -> str:
        self.stream = []
        self.chain = {}
        self.may_fail = False
        self.copies, self.mask = 1, None
        head = f"define i64 @{name}(ptr %words, i64 %begin, i64 %end) #0 {{\nentry:"
        self.open(ENTRY)
        body()
        self.here().line("ret i64 0")
        fail = ["fail:", "  ret i64 1"] if self.may_fail else []
        lines = [line for part in self.stream for line in part]
        return "\n".join([head, *lines, *fail, "}"])

    def items(self) -> None:
        """The loop over work items."""
        if self.variant.lanes == "parts":
            self.loop("%begin", "%end", (), self.one_part)
            return
        begin, end, extents = self.item_extents()
        if len(extents) == 1 and self.blocked:
            self.open(ITEM)
            self.blocks(begin, end)
            return
        go = self.chain[ENTRY].emit(f"icmp slt i64 {begin}, {end}")
        work, nothing = self.names.fresh("work"), self.names.fresh("nothing")
        here = self.here()
        here.line(f"br i1 {go}, label %{work}, label %{nothing}")
        here.label(work)
        first = self.split_item(begin, extents)

        def one_item(item: str, places: list[str]) -> tuple[str, list[str]]:
            self.open(ITEM)
            outer = places[1:] if self.tiled else places
            self.counters.update(enumerate(outer))
            if self.blocked and not self.tiled:
                return self.rest_of_row(item, end, places, extents)
            if self.tiled:
                self.blocks(places[0], self.here().emit(f"add i64 {places[0]}, 1"))
            else:
                self.open(BLOCK)
                self.block()
            following = self.here().emit(f"add i64 {item}, 1")
            return following, self.advance(places, extents)

        self.loop(begin, end, [("i64", place) for place in first], one_item)
        here = self.here()
        here.line(f"br label %{nothing}")
        here.label(nothing)

    def item_extents(self) -> tuple[str, str, list[str]]:
        """The items to do, and how many there are along each dimension: blocks of lanes
        instead of positions in the last one, which comes first where it is `tiled`."""
        entry = self.chain[ENTRY]
        extents = [self.word(k) for k in range(len(self.variant.kept))]
        if self.blocked:
            lanes = self.item_lanes()
            rounded = entry.emit(f"add i64 {extents[-1]}, {lanes}")
            rounded = entry.emit(f"sub i64 {rounded}, 1")
            extents[-1] = entry.emit(f"udiv i64 {rounded}, {lanes}")
        if self.tiled:
            extents = [extents[-1], *extents[:-1]]
        if not self.scattering:
            return "%begin", "%end", extents
        end = extents[0]  # one item, cut here: writes follow one another
        for extent in extents[1:]:
            end = entry.emit(f"mul i64 {end}, {extent}")
        return "0", end, extents

    def split_item(self, item: str, extents: Sequence[str]) -> list[str]:
        """The counters of the kept dimensions at a work item."""
        here = self.here()
        places = []
        for extent in reversed(extents[1:]):
            places.append(here.emit(f"urem i64 {item}, {extent}"))
            item = here.emit(f"udiv i64 {item}, {extent}")
        return [item, *reversed(places)]

    def advance(self, places: Sequence[str], extents: Sequence[str]) -> list[str]:
        """The counters one item further."""
        here = self.here()
        carry, result = "1", []
        for place, extent in zip(
            reversed(places[1:]), reversed(extents[1:]), strict=True
        ):
            more = here.emit(f"add i64 {place}, {carry}")
            over = here.emit(f"icmp sge i64 {more}, {extent}")
            result.append(here.emit(f"select i1 {over}, i64 0, i64 {more}"))
            carry = here.emit(f"zext i1 {over} to i64")
        result.append(here.emit(f"add i64 {places[0]}, {carry}"))
        return result[::-1]

    def rest_of_row(
        self, item: str, end: str, places: list[str], extents: Sequence[str]
    ) -> tuple[str, list[str]]:
        """The items that lie in one row of the last kept dimension."""
        here = self.here()
        left = here.emit(f"sub i64 {end}, {item}")
        rest = here.emit(f"sub i64 {extents[-1]}, {places[-1]}")
        count = self.smaller(here, left, rest)
        stop = here.emit(f"add i64 {places[-1]}, {count}")
        self.blocks(places[-1], stop)
        following = self.here().emit(f"add i64 {item}, {count}")
        # The next item, if there is one, begins the next row.
        last = self.here().emit(f"sub i64 {extents[-1]}, 1")
        return following, self.advance([*places[:-1], last], extents)

    # Reductions to single values, cut into parts.

    def one_part(self, part: str, _: list[str]) -> tuple[str, list[str]]:
        """Reduce one part and leave its results in the scratch memory."""
        self.open(ITEM)
        self.open(BLOCK)
        here = self.here()
        low = here.emit(f"mul i64 {part}, {self.part_word(0)}")
        far = here.emit(f"add i64 {low}, {self.part_word(0)}")
        size = self.word(len(self.variant.kept))
        high = self.smaller(here, far, size)
        totals = self.one_pass(0, (low, high))
        here = self.here()
        for k, (a, copies) in enumerate(zip(self.accumulators(0), totals, strict=True)):
            on = Lanes(here, a.lanes)
            state = a.across(on, a.finish(on, copies[0]))
            for place, (dtype, value) in enumerate(
                zip(a.running_dtypes, state, strict=True)
            ):
                slot = self.part_slot(part, k, place)
                here = self.here()
                if dtype == "bool":
                    value = here.emit(f"zext i1 {value} to i8")
                kind = MEMORY[dtype] if dtype == "bool" else REGISTER[dtype]
                here.line(f"store {kind} {value}, ptr {slot}")
        return self.here().emit(f"add i64 {part}, 1"), []

    def part_slot(self, part: str, reduction: int, place: int) -> str:
        """Where a part keeps a value of a reduction."""
        here = self.here()
        count = len(self.nest.reductions(0))
        words = here.emit(f"mul i64 {part}, {2 * count}")
        word = here.emit(f"add i64 {words}, {2 * reduction + place}")
        base = here.emit(f"inttoptr i64 {self.part_word(1)} to ptr")
        return here.emit(f"getelementptr i64, ptr {base}, i64 {word}")

    def combine_parts(self) -> None:
        """The second function: merge the parts in order, then store the outputs."""
        self.open(ITEM)
        self.open(BLOCK)
        accumulators = [Accumulator(node, 0) for node in self.nest.reductions(0)]
        here = self.here()
        size, part = self.word(len(self.variant.kept)), self.part_word(0)
        rounded = here.emit(f"add i64 {size}, {part}")
        parts = here.emit(f"sdiv i64 {here.emit(f'sub i64 {rounded}, 1')}, {part}")
        start: States = [
            [a.start(Lanes(here, 0), a.total_dtypes)] for a in accumulators
        ]

        def body(index: str, names: list[str]) -> tuple[str, list[str]]:
            totals = self.unflatten(start, names)
            merged = self.merge(
                accumulators, totals, self.read_part(accumulators, index)
            )
            return self.here().emit(f"add i64 {index}, 1"), self.flatten(merged)

        kinds = [REGISTER[dtype] for a in accumulators for dtype in a.total_dtypes]
        carried = list(zip(kinds, self.flatten(start), strict=True))
        totals = self.unflatten(start, self.loop("0", parts, carried, body))
        scope = self.open(BLOCK + 1)
        for a, (total,) in zip(accumulators, totals, strict=True):
            scope.values[a.node] = (a.finish(Lanes(scope, 0), total)[-1],)
        self.store(self.after)

    def read_part(self, accumulators: list[Accumulator], part: str) -> States:
        states: States = []
        for k, a in enumerate(accumulators):
            values = []
            for place, dtype in enumerate(a.running_dtypes):
                slot = self.part_slot(part, k, place)
                here = self.here()
                kind = MEMORY[dtype] if dtype == "bool" else REGISTER[dtype]
                value = here.emit(f"load {kind}, ptr {slot}")
                if dtype == "bool":
                    value = here.emit(f"trunc i8 {value} to i1")
                values.append(value)
            states.append([tuple(values)])
        return states

    def part_word(self, which: int) -> str:
        """The size of a part (0) or the address of the scratch memory (1)."""
        return self.word(self.first_word(len(self.operands)) + which)
