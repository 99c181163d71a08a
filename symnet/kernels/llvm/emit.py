"""From a kernel and a variant to LLVM IR: loops, vectors, masks and reductions.

The generated function is `i64 kernel(i64* words, i64 begin, i64 end)`: it does the work
items begin..end and returns 0, or 1 as soon as a computed position lies outside its
array.  `words` is laid out by `kernels.layout`.  The text is written straight as SSA
form, hoisted and vectorised, so LLVM only has to choose instructions and registers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symnet.kernels.layout import Variant, item_lanes
from symnet.kernels.llvm.primitives import Lanes
from symnet.kernels.llvm.machine import Machine, machine
from symnet.kernels.llvm.nest import BLOCK, ENTRY, ITEM, LOOP, Nest
from symnet.kernels.llvm.points import Points
from symnet.kernels.llvm.reductions import Accumulator, State
from symnet.kernels.llvm.text import MEMORY, REGISTER, type_text
from symnet.kernels.loops import Kernel, Output, Scalar

# Steps of one accumulator before a sum is merged into its compensated total.
STEPS = 32

# Instructions for one vector from which on a loop is written once only.
LONG = 12

# One list for each reduction of a pass, with a state for each copy of it.
States = list[list[State]]
# Writes one turn of a loop, given its index and the carried values; the next ones.
Turn = Callable[[str, list[str]], tuple[str, list[str]]]


def emit(
    kernel: Kernel, variant: Variant, name: str = "kernel", on: Machine | None = None
) -> str:
    """The LLVM module of one kernel variant; with lanes "parts" it holds a second
    function `{name}_combine` of the same signature.

    Raises: NotImplementedError for an operation that has no instructions.
    """
    return Emitter(kernel, variant, name, on or machine()).module()


class Emitter(Points):
    """Writes the loops; `Points` writes what happens at one point of them."""

    def __init__(
        self, kernel: Kernel, variant: Variant, name: str, target: Machine
    ) -> None:
        nest = Nest(kernel, variant, target.fused)
        self.name = name
        self.machine = target
        super().__init__(nest, max(1, target.vector_bytes // nest.widest))
        stores = [out for out in kernel.outputs if self.stored_inside(out)]
        self.passes = max(
            (nest.level[n] for n in nest.nodes if n.op == "reduce"), default=0
        )
        self.store_pass = -1
        if stores and variant.reduced:
            last = max(nest.level[self.value_of[out]] for out in stores)
            self.store_pass = max(last, self.passes - 1)
        self.inside = stores if variant.reduced else []
        self.after = [out for out in kernel.outputs if out not in self.inside]
        self.vectors = self.side_by_side(nest.nodes, bool(variant.reduced))

    def side_by_side(self, nodes: Sequence[Scalar], reducing: bool) -> int:
        """How many vectors to work on at once: several where an accumulator is waited
        for, few where there is much to do with each.  0: one, always under a mask, so
        that long code is written (and compiled) once and not again for the last lanes.
        """
        nodes = [n for n in nodes if self.nest.varying[n] and n.op not in ("load", "reduce")]
        if len(nodes) > LONG and self.machine.vector_bytes == 64:
            return 0
        return 4 if reducing and len(nodes) <= 8 else 2 if reducing else 1

    def pass_vectors(self, done: int) -> int:
        """The same for the innermost loop of one pass."""
        roots = [v for node in self.nest.reductions(done) for v in node.args]
        if done == self.store_pass:
            roots += [self.value_of[out] for out in self.inside]
        return self.side_by_side(self.nest.inside(roots), bool(self.nest.reductions(done)))

    def stored_inside(self, out: Output) -> bool:
        """Whether the output moves along the reduced dimensions."""
        return any(out.operand.axes[k] for group in self.variant.reduced for k in group)

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

    # Loops.

    def loop(
        self,
        start: str,
        stop: str,
        carried: Sequence[tuple[str, str]],
        body: Turn,
    ) -> list[str]:
        """`for index from start while index < stop`, with values carried round.

        `carried` gives type and first value of each; `body(index, values)` writes one
        turn and returns the next index and values.  Returns the values at the end.
        """
        fresh = self.names.fresh
        before, inside, latch, done = (
            fresh(s) for s in ("before", "loop", "latch", "done")
        )
        here = self.here()
        here.line(f"br label %{before}")
        here.label(before)
        go = here.emit(f"icmp slt i64 {start}, {stop}")
        here.line(f"br i1 {go}, label %{inside}, label %{done}")
        here.label(inside)
        index = f"%{fresh('i')}"
        names = [f"%{fresh('c')}" for _ in carried]
        phis = self.here()
        following, values = body(index, names)
        here = self.here()
        here.line(f"br label %{latch}")
        here.label(latch)
        again = here.emit(f"icmp slt i64 {following}, {stop}")
        here.line(f"br i1 {again}, label %{inside}, label %{done}")
        here.label(done)
        phis.line(
            f"{index} = phi i64 [ {start}, %{before} ], [ {following}, %{latch} ]"
        )
        results = []
        for (kind, first), name, value in zip(carried, names, values, strict=True):
            ends = f"phi {kind} [ {first}, %{before} ], [ {value}, %{latch} ]"
            phis.line(f"{name} = {ends}")
            results.append(here.emit(ends))
        return results

    def when(
        self, start: str, stop: str, carried: Sequence[tuple[str, str]], body: Turn
    ) -> list[str]:
        """A loop that is known to have one turn at most."""
        fresh = self.names.fresh
        before, inside, done = (fresh(s) for s in ("before", "when", "done"))
        here = self.here()
        here.line(f"br label %{before}")
        here.label(before)
        go = here.emit(f"icmp slt i64 {start}, {stop}")
        here.line(f"br i1 {go}, label %{inside}, label %{done}")
        here.label(inside)
        _, values = body(start, [first for _, first in carried])
        here = self.here()
        last = fresh("last")
        here.line(f"br label %{last}")
        here.label(last)
        here.line(f"br label %{done}")
        here.label(done)
        return [
            here.emit(f"phi {kind} [ {first}, %{before} ], [ {value}, %{last} ]")
            for (kind, first), value in zip(carried, values, strict=True)
        ]

    def items(self) -> None:
        """The loop over work items."""
        kept = len(self.variant.kept)
        entry = self.chain[ENTRY]
        if self.variant.lanes == "parts":
            self.loop("%begin", "%end", (), self.one_part)
            return
        blocked = self.variant.lanes in ("kept", "one")
        extents = [self.word(k) for k in range(kept)]
        if blocked:
            lanes = item_lanes(self.variant)
            rounded = entry.emit(f"add i64 {extents[-1]}, {lanes - 1}")
            extents[-1] = entry.emit(f"udiv i64 {rounded}, {lanes}")
        begin, end = "%begin", "%end"
        if self.scattering:  # one item, cut here: writes follow one another
            begin, end = "0", extents[0]
            for extent in extents[1:]:
                end = entry.emit(f"mul i64 {end}, {extent}")
        if blocked and kept == 1:
            self.open(ITEM)
            self.blocks(begin, end)
            return
        go = entry.emit(f"icmp slt i64 {begin}, {end}")
        work, nothing = self.names.fresh("work"), self.names.fresh("nothing")
        here = self.here()
        here.line(f"br i1 {go}, label %{work}, label %{nothing}")
        here.label(work)
        first = self.split_item(begin, extents)

        def one_item(item: str, places: list[str]) -> tuple[str, list[str]]:
            self.open(ITEM)
            self.counters.update(enumerate(places))
            if not blocked:
                self.open(BLOCK)
                self.block()
                following = self.here().emit(f"add i64 {item}, 1")
                return following, self.advance(places, extents)
            return self.rest_of_row(item, end, places, extents)

        self.loop(begin, end, [("i64", place) for place in first], one_item)
        here = self.here()
        here.line(f"br label %{nothing}")
        here.label(nothing)

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

    def blocks(self, first: str, stop: str) -> None:
        """The blocks of lanes `first` to `stop` of one row."""
        here = self.here()
        lanes, size = item_lanes(self.variant), self.word(len(self.variant.kept) - 1)
        low = here.emit(f"mul i64 {first}, {lanes}")
        far = here.emit(f"mul i64 {stop}, {lanes}")
        self.lane_loops(low, self.smaller(here, far, size))

    def lane_loops(self, low: str, high: str) -> None:
        """Whole groups of vectors, then one vector after another with a mask."""

        def turn(copies: int, step: int, masked: bool) -> Turn:
            def body(lane: str, _: list[str]) -> tuple[str, list[str]]:
                self.open(BLOCK)
                self.copies = copies
                self.counters[len(self.variant.kept) - 1] = lane
                self.set_mask(BLOCK, lane, high if masked else None)
                self.block()
                return self.here().emit(f"add i64 {lane}, {step}"), []

            return body

        if self.variant.lanes == "one":
            self.loop(low, high, (), turn(1, 1, False))
        elif self.vectors == 0:
            self.loop(low, high, (), turn(1, self.lanes, True))
        else:
            step = self.vectors * self.lanes
            middle = self.whole_steps(low, high, step)
            self.loop(low, middle, (), turn(self.vectors, step, False))
            again = self.when if self.vectors == 1 else self.loop
            again(middle, high, (), turn(1, self.lanes, True))
        self.mask = None

    def whole_steps(self, low: str, high: str, step: int) -> str:
        """Where the last whole step from `low` that fits before `high` ends."""
        here = self.here()
        span = here.emit(f"sub i64 {high}, {low}")
        whole = here.emit(f"and i64 {span}, {-step}")
        return here.emit(f"add i64 {low}, {whole}")

    # Passes over the reduced dimensions.

    def block(self) -> None:
        """All that is done for one block of kept points: the passes, then the stores."""
        for done in range(max(self.passes, self.store_pass + 1)):
            totals = self.one_pass(done, None)
            self.open(BLOCK + done + 1)
            self.finish_pass(done, totals)
        self.store(self.after)

    def one_pass(self, done: int, part: tuple[str, str] | None) -> States:
        """Run over the reduced dimensions; the totals of this pass's reductions."""
        accumulators = self.accumulators(done)
        here = self.here()
        totals = [
            [
                a.start(Lanes(here, a.lanes), a.total_dtypes)
                for _ in range(self.total_copies(a))
            ]
            for a in accumulators
        ]
        return self.reduced_loops(0, done, totals, part)

    def accumulators(self, done: int) -> list[Accumulator]:
        nodes = self.nest.reductions(done)
        return [Accumulator(node, self.accumulator_lanes(node)) for node in nodes]

    def accumulator_lanes(self, node: Scalar) -> int:
        if self.variant.lanes in ("reduced", "parts"):
            return self.lanes
        return self.lanes if self.nest.varying[node] else 0

    def total_copies(self, accumulator: Accumulator) -> int:
        if self.variant.lanes == "kept" and accumulator.lanes:
            return self.copies
        return 1

    def finish_pass(self, done: int, totals: States) -> None:
        """Make the results of a pass known to what follows."""
        scope = self.chain[BLOCK + done + 1]
        for a, copies in zip(self.accumulators(done), totals, strict=True):
            on = Lanes(scope, a.lanes)
            states = [a.finish(on, total) for total in copies]
            if self.variant.lanes in ("reduced", "parts"):
                states = [a.across(on, state) for state in states]
            scope.values[a.node] = tuple(state[-1] for state in states)

    def reduced_loops(
        self, r: int, done: int, totals: States, part: tuple[str, str] | None
    ) -> States:
        """The loops from reduced dimension r inwards; `part` bounds the first one."""
        dimension = len(self.variant.kept) + r
        low, high = part if part and r == 0 else ("0", self.word(dimension))
        if r == len(self.variant.reduced) - 1:
            return self.last_loops(done, totals, low, high)

        def body(index: str, names: list[str]) -> tuple[str, list[str]]:
            self.counters[dimension] = index
            self.open(LOOP + r)
            inner = self.reduced_loops(r + 1, done, self.unflatten(totals, names), part)
            return self.here().emit(f"add i64 {index}, 1"), self.flatten(inner)

        carried = self.typed(done, totals, total=True)
        return self.unflatten(totals, self.loop(low, high, carried, body))

    def last_loops(self, done: int, totals: States, low: str, high: str) -> States:
        """The innermost reduced dimension, in chunks where sums must be merged."""
        accumulators = self.accumulators(done)
        if not any(a.compensated for a in accumulators):
            return self.merge(accumulators, totals, self.run(done, low, high))
        along = self.variant.lanes in ("reduced", "parts")
        chunk = STEPS * (max(self.pass_vectors(done), 1) * self.lanes if along else 1)

        def body(start: str, names: list[str]) -> tuple[str, list[str]]:
            here = self.here()
            following = here.emit(f"add i64 {start}, {chunk}")
            stop = self.smaller(here, following, high)
            running = self.run(done, start, stop)
            merged = self.merge(accumulators, self.unflatten(totals, names), running)
            return following, self.flatten(merged)

        carried = self.typed(done, totals, total=True)
        return self.unflatten(totals, self.loop(low, high, carried, body))

    def merge(
        self, accumulators: list[Accumulator], totals: States, running: States
    ) -> States:
        here = self.here()
        return [
            [a.merge(Lanes(here, a.lanes), t, r) for t, r in zip(ts, rs, strict=True)]
            for a, ts, rs in zip(accumulators, totals, running, strict=True)
        ]

    def run(self, done: int, low: str, high: str) -> States:
        """The innermost loops from low to high; new running states, joined."""
        accumulators = self.accumulators(done)
        here = self.here()
        along = self.variant.lanes in ("reduced", "parts")
        vectors = self.pass_vectors(done)
        count = max(vectors, 1) if along else 1
        states = [
            [
                a.start(Lanes(here, a.lanes), a.running_dtypes)
                for _ in range(count if along else self.total_copies(a))
            ]
            for a in accumulators
        ]
        if not along:
            return self.run_loop(done, states, low, high, 1, None)
        if vectors:
            step = vectors * self.lanes
            middle = self.whole_steps(low, high, step)
            states = self.run_loop(done, states, low, middle, step, None)
            low = middle
        states = self.run_loop(done, states, low, high, self.lanes, high)
        here = self.here()
        joined = []
        for a, copies in zip(accumulators, states, strict=True):
            on = Lanes(here, a.lanes)
            while len(copies) > 1:
                copies = [
                    a.join(on, x, y)
                    for x, y in zip(copies[::2], copies[1::2], strict=True)
                ]
            joined.append(copies)
        return joined

    def run_loop(
        self,
        done: int,
        states: States,
        low: str,
        high: str,
        step: int,
        limit: str | None,
    ) -> States:
        """One innermost loop.  With a `limit`, one vector at a time under a mask."""
        last = len(self.variant.reduced) - 1
        along = self.variant.lanes in ("reduced", "parts")
        accumulators = self.accumulators(done)

        def body(index: str, names: list[str]) -> tuple[str, list[str]]:
            self.counters[len(self.nest.dimensions) - 1] = index
            self.open(LOOP + last)
            if along:
                self.copies = 1 if limit else self.pass_vectors(done)
                self.set_mask(LOOP + last, index, limit)
            values = [a.node.args for a in accumulators]
            stores = self.inside if done == self.store_pass else []
            self.evaluate([v for args in values for v in args])
            self.evaluate([self.value_of[out] for out in stores])
            following = self.here().emit(f"add i64 {index}, {step}")
            new = self.steps(accumulators, self.unflatten(states, names))
            self.store(stores)
            if along:
                self.mask = None
            return following, self.flatten(new)

        carried = self.typed(done, states, total=False)
        return self.unflatten(states, self.loop(low, high, carried, body))

    def steps(self, accumulators: list[Accumulator], states: States) -> States:
        """Each accumulator one value further, in the lanes that the mask lets through."""
        here = self.here()
        along = self.variant.lanes in ("reduced", "parts")
        result = []
        for a, old in zip(accumulators, states, strict=True):
            on = Lanes(here, a.lanes)
            new = list(old)
            for copy in range(self.copies if along else len(old)):
                sample = tuple(self.text(arg, a.lanes, copy) for arg in a.node.args)
                new[copy] = a.step(on, old[copy], sample)
                if along and self.mask:
                    new[copy] = a.choose(on, self.mask, new[copy], old[copy])
            result.append(new)
        return result

    @staticmethod
    def flatten(states: States) -> list[str]:
        return [name for copies in states for state in copies for name in state]

    @staticmethod
    def unflatten(like: States, names: Sequence[str]) -> States:
        left = iter(names)
        return [
            [tuple(next(left) for _ in state) for state in copies] for copies in like
        ]

    def typed(self, done: int, states: States, total: bool) -> list[tuple[str, str]]:
        """Types beside the flattened states."""
        result = []
        for a, copies in zip(self.accumulators(done), states, strict=True):
            dtypes = a.total_dtypes if total else a.running_dtypes
            kinds = [type_text(REGISTER[dtype], a.lanes) for dtype in dtypes]
            result += [
                pair for state in copies for pair in zip(kinds, state, strict=True)
            ]
        return result

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
