"""Passes over the reduced dimensions: how a kernel accumulates, and stores on the way."""

from __future__ import annotations

from collections.abc import Sequence

from symnet.kernels.llvm.accumulators import Accumulator, State
from symnet.kernels.llvm.loop_nest import BLOCK, LOOP, Nest
from symnet.kernels.llvm.machine import Machine
from symnet.kernels.llvm.points import LONG, Points
from symnet.kernels.llvm.primitives import Lanes
from symnet.kernels.llvm.text import REGISTER, type_text
from symnet.kernels.loopir.scalars import BESIDE, DEALT, Kernel, Output, Scalar
from symnet.kernels.schedule import Variant

# Steps of one accumulator before a sum is merged into its compensated total.
STEPS = 32

# One list for each reduction of a pass, with a state for each copy of it.
States = list[list[State]]


class Passes(Points):
    """Writes all that happens at one point, or one block, of the kept dimensions."""

    def __init__(self, kernel: Kernel, variant: Variant, target: Machine) -> None:
        nest = Nest(kernel, variant, target.fused)
        self.machine = target
        lanes = max(1, target.vector_bytes // nest.widest)
        registers = 24 if target.vector_bytes == 64 else 6  # of 32, of 16
        super().__init__(nest, lanes, target.fused, registers)
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
        self.saved = self.worth_saving()
        self.deals = self.lanes <= BESIDE and not variant.banded
        self.deals = self.deals and any(map(nest.deals, nest.nodes))
        self.vectors = self.side_by_side(nest.nodes, bool(variant.reduced))

    def worth_saving(self) -> tuple[int, Scalar] | None:
        """A value that a pass finds and later ones need again, and the number of that
        pass: if it is long to compute, it waits in the place of the only output of the
        last pass.  (An output along the reduced dimensions never lies over an input.)
        """
        if len(self.inside) != 1 or self.nest.reductions(self.store_pass):
            return None
        (out,) = self.inside
        innermost = LOOP + len(self.variant.reduced) - 1
        for done in range(self.store_pass):
            later = [
                a
                for after in range(done + 1, self.store_pass)
                for reduction in self.nest.reductions(after)
                for a in reduction.args
            ]
            needed = self.nest.inside([*later, self.value_of[out]])
            for reduction in self.nest.reductions(done):
                value = reduction.args[0]
                if (
                    value in needed
                    and self.nest.rank[value] == innermost
                    and value.dtype == out.operand.dtype != "float16"
                    and len(self.nest.inside([value])) > LONG
                ):
                    return done, value
        return None

    def restored(self, done: int) -> Scalar | None:
        """The value that a pass finds in the place of the output."""
        if self.saved and self.saved[0] < done <= self.store_pass:
            return self.saved[1]
        return None

    def side_by_side(self, nodes: Sequence[Scalar], reducing: bool) -> int:
        """How many vectors to work on at once: several where an accumulator is waited
        for, few where there is much to do with each.  0: one, always under a mask, so
        that long code is written (and compiled) once and not again for the last lanes.
        """
        nodes = [
            n for n in nodes if self.nest.varying[n] and n.op not in ("load", "reduce")
        ]
        long = len(nodes) > LONG
        wide = self.machine.vector_bytes == 64
        if self.deals and any(map(self.nest.deals, nodes)):
            return DEALT // self.lanes
        if (long and wide) or any(n.op == "gather" for n in nodes):
            return 0
        if long:  # two chains of operations hide each other's latency
            return 2
        return 4 if reducing and len(nodes) <= 8 else 2 if reducing else 1

    def pass_vectors(self, done: int) -> int:
        """The same for the innermost loop of one pass."""
        roots = [v for node in self.nest.reductions(done) for v in node.args]
        if done == self.store_pass:
            roots += [self.value_of[out] for out in self.inside]
        nodes = self.nest.inside(roots, self.restored(done))
        return self.side_by_side(nodes, bool(self.nest.reductions(done)))

    def stored_inside(self, out: Output) -> bool:
        """Whether the output moves along the reduced dimensions."""
        return any(out.operand.axes[k] for group in self.variant.reduced for k in group)

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
        return self.reduced_loops(0, done, self.starts(done, total=True), part)

    def starts(self, done: int, total: bool) -> States:
        """The totals, or the running states, of a pass before the first step."""
        here = self.here()
        return [
            [
                a.start(Lanes(here, a.lanes), a.dtypes(total))
                for _ in range(self.total_copies(a))
            ]
            for a in self.accumulators(done)
        ]

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

    def run(
        self, done: int, low: str, high: str, before: States | None = None
    ) -> States:
        """The innermost loops from low to high; new running states, joined.

        before: where lanes run along a kept dimension, the states to begin with.
        """
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
            return self.run_loop(done, before or states, low, high, 1, None)
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
                self.copies = step // self.lanes
                self.set_mask(LOOP + last, index, limit)
            stores = self.inside if done == self.store_pass else []
            if (value := self.restored(done)) is not None:
                self.restore(self.inside[0], value)
            self.evaluate([v for a in accumulators for v in a.node.args])
            self.evaluate([self.value_of[out] for out in stores])
            following = self.here().emit(f"add i64 {index}, {step}")
            new = self.steps(accumulators, self.unflatten(states, names))
            self.store(stores)
            if self.saved and done == self.saved[0]:
                self.store_value(self.inside[0], self.saved[1])
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
            kinds = [type_text(REGISTER[dtype], a.lanes) for dtype in a.dtypes(total)]
            result += [
                pair for state in copies for pair in zip(kinds, state, strict=True)
            ]
        return result
