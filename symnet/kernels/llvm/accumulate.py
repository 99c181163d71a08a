"""Passes over the reduced dimensions: how a kernel accumulates, and stores on the way."""

from __future__ import annotations

from collections.abc import Sequence

from symnet.kernels.llvm.accumulators import Accumulator, State
from symnet.kernels.llvm.boxes import Bounds, Boxes
from symnet.kernels.llvm.lanes import Lanes
from symnet.kernels.llvm.loop_nest import BLOCK, LOOP
from symnet.kernels.llvm.outputs import KernelOutputs
from symnet.kernels.llvm.pass_plan import PassPlan
from symnet.kernels.llvm.text import REGISTER, type_text
from symnet.kernels.llvm.warps import States, Warp
from symnet.kernels.variants import WARP

# Steps of one accumulator before a sum is merged into its compensated total.
STEPS = 32


class Passes:
    """Writes all that happens at one point, or one block, of the kept dimensions."""

    def __init__(self, plan: PassPlan, outputs: KernelOutputs) -> None:
        self.plan, self.outputs, self.points = plan, outputs, outputs.points
        self.block, self.nest = outputs.block, outputs.nest
        self.writer, self.lanes = self.block.writer, self.block.lanes
        self.variant = self.nest.variant
        threads = bool(self.writer.module.target.threads)
        self.warp = Warp(self.writer) if self.variant.warps and threads else None
        # Whether the vectors side by side stand for the threads of a warp.
        self.rounds = self.variant.warps and not threads

    def point(self) -> None:
        """The passes, then the stores."""
        for done in range(self.plan.total):
            states = self.results(done)
            self.block.open(BLOCK + done + 1)
            self.make_known(done, states)
        self.outputs.store(self.plan.after, self.warp.meet if self.warp else None)

    def one_pass(self, done: int, part: Bounds | None = None) -> States:
        """Run over the reduced dimensions; the totals of this pass's reductions, or what a
        warp has finished and joined.

        part: the bounds of each reduced dimension, if not the whole of it."""

        def each() -> States:
            return self.reduced_loops(0, done, self.starts(done, total=True), part)

        if self.warp is None:
            return each()
        return self.warp.joined(self.accumulators(done), each)

    def results(self, done: int) -> States:
        """What a pass finds, finished; where rows are cut, by one part after the other."""
        accumulators = self.accumulators(done)
        if not self.variant.cut or not accumulators:
            return self.joined(done, self.one_pass(done))
        scalars = [Accumulator(a.node, 0) for a in accumulators]

        def part(bounds: Bounds) -> list[State]:
            return [one for (one,) in self.joined(done, self.one_pass(done, bounds))]

        return [[state] for state in Boxes(self.block).merged(scalars, part)]

    def joined(self, done: int, totals: States) -> States:
        here = self.writer.here()
        return [
            list(self.finished(a, Lanes(here, a.lanes), copies))
            for a, copies in zip(self.accumulators(done), totals, strict=True)
        ]

    def starts(self, done: int, total: bool) -> States:
        """The totals, or the running states, of a pass before the first step."""
        here = self.writer.here()
        return [
            [
                a.start(Lanes(here, a.lanes), a.dtypes(total))
                for _ in range(self.total_copies(a))
            ]
            for a in self.accumulators(done)
        ]

    def accumulators(self, done: int) -> list[Accumulator]:
        nodes = self.nest.reductions(done)
        along = self.nest.along
        return [
            Accumulator(node, self.lanes if along or self.nest.varying[node] else 0)
            for node in nodes
        ]

    def total_copies(self, accumulator: Accumulator) -> int:
        if self.rounds:
            return WARP // self.lanes
        if self.variant.lanes == "kept" and accumulator.lanes:
            return self.block.copies
        return 1

    def make_known(self, done: int, states: States) -> None:
        """Make the results of a pass known to what follows."""
        scope = self.block.chain[BLOCK + done + 1]
        for a, copies in zip(self.accumulators(done), states, strict=True):
            scope.values[a.node] = tuple(state[-1] for state in copies)

    def finished(
        self, a: Accumulator, on: Lanes, totals: Sequence[State]
    ) -> Sequence[State]:
        """What `one_pass` gives as states; one, where lanes run along what is reduced."""
        if self.warp is not None:
            return totals
        states = [a.finish(on, total) for total in totals]
        if not self.nest.along:
            return states
        while len(states) > 1:
            half = len(states) // 2
            pairs = zip(states[:half], states[half:], strict=True)
            states = [a.join(on, one, other) for one, other in pairs]
        return [a.across(on, states[0])]

    # Loops.

    def reduced_loops(
        self, r: int, done: int, totals: States, part: Bounds | None
    ) -> States:
        """The loops from reduced dimension r inwards; `part` bounds them."""
        dimension = len(self.variant.kept) + r
        low, high = part[r] if part else ("0", self.block.size(dimension))
        if r == len(self.variant.reduced) - 1:
            return self.last_loops(done, totals, low, high)

        def body(index: str, names: list[str]) -> tuple[str, list[str]]:
            self.block.counters[dimension] = index
            self.block.open(LOOP + r)
            inner = self.reduced_loops(r + 1, done, unflatten(totals, names), part)
            return self.writer.here().emit(f"add i64 {index}, 1"), flatten(inner)

        carried = self.typed(done, totals, total=True)
        return unflatten(totals, self.writer.loop(low, high, carried, body))

    def last_loops(self, done: int, totals: States, low: str, high: str) -> States:
        """The innermost reduced dimension, in chunks where sums must be merged."""
        accumulators = self.accumulators(done)
        if not any(a.compensated for a in accumulators):
            return self.merge(accumulators, totals, self.run(done, low, high))
        chunk = STEPS
        if self.variant.warps:
            chunk *= WARP
        elif self.nest.along:
            chunk *= max(self.plan.vectors_of(done), 1) * self.lanes

        def body(start: str, names: list[str]) -> tuple[str, list[str]]:
            here = self.writer.here()
            following = here.emit(f"add i64 {start}, {chunk}")
            stop = self.writer.smaller(here, following, high)
            running = self.run(done, start, stop)
            merged = self.merge(accumulators, unflatten(totals, names), running)
            return following, flatten(merged)

        carried = self.typed(done, totals, total=True)
        return unflatten(totals, self.writer.loop(low, high, carried, body))

    def merge(
        self, accumulators: Sequence[Accumulator], totals: States, running: States
    ) -> States:
        here = self.writer.here()
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
        vectors = self.plan.vectors_of(done)
        states = self.run_starts(done, vectors)
        if self.warp is not None:
            low = self.writer.here().emit(f"add i64 {low}, {self.warp.lane}")
            return self.run_loop(done, states, low, high, WARP, None)
        if not self.nest.along:
            return self.run_loop(done, before or states, low, high, 1, None)
        if vectors:
            step = vectors * self.lanes
            whole = max(step, WARP) if self.rounds else step
            middle = self.writer.whole_steps(low, high, whole)
            states = self.run_loop(done, states, low, middle, step, None)
            low = middle
        states = self.run_loop(done, states, low, high, self.lanes, high)
        if self.rounds:
            return self.come_round(done, states, low, high)
        return self.join(self.accumulators(done), states)

    def come_round(self, done: int, states: States, low: str, high: str) -> States:
        """The states in their order again, behind the last, masked steps from `low` on: each
        step has put those that it went on with behind the others."""

        def body(index: str, names: list[str]) -> tuple[str, list[str]]:
            following = self.writer.here().emit(f"add i64 {index}, {self.lanes}")
            turned = [one[1:] + one[:1] for one in unflatten(states, names)]
            return following, flatten(turned)

        here = self.writer.here()
        more = here.emit(f"add i64 {here.emit(f'sub i64 {high}, {low}')}, {WARP - 1}")
        stop = here.emit(f"add i64 {low}, {here.emit(f'and i64 {more}, {-WARP}')}")
        up = here.emit(f"add i64 {high}, {self.lanes - 1}")
        left = here.emit(f"sub i64 {up}, {low}")
        start = here.emit(
            f"add i64 {low}, {here.emit(f'and i64 {left}, {-self.lanes}')}"
        )
        carried = self.typed(done, states, total=False)
        return unflatten(states, self.writer.loop(start, stop, carried, body))

    def run_starts(self, done: int, vectors: int) -> States:
        """The running states of the innermost loops, one for each vector side by side."""
        here = self.writer.here()
        return [
            [
                a.start(Lanes(here, a.lanes), a.running_dtypes)
                for _ in range(
                    max(vectors, 1)
                    if self.nest.along and not self.rounds
                    else self.total_copies(a)
                )
            ]
            for a in self.accumulators(done)
        ]

    def join(self, accumulators: Sequence[Accumulator], states: States) -> States:
        """The vectors side by side as one, in pairs."""
        here = self.writer.here()
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
        along, block = self.nest.along, self.block

        def body(index: str, names: list[str]) -> tuple[str, list[str]]:
            block.counters[len(self.nest.dimensions) - 1] = index
            block.open(LOOP + last)
            if along:
                block.copies = step // self.lanes
                block.set_mask(LOOP + last, index, limit)
            new = self.step(done, index, step, unflatten(states, names))
            if along:
                block.mask = None
            return new[0], flatten(new[1])

        carried = self.typed(done, states, total=False)
        return unflatten(states, self.writer.loop(low, high, carried, body))

    def step(
        self, done: int, index: str, step: int, states: States
    ) -> tuple[str, States]:
        """One iteration of the innermost loop: the next index and states."""
        plan, values = self.plan, self.nest.value_of
        accumulators, stores = self.accumulators(done), plan.stores(done)
        if (value := plan.restored(done)) is not None:
            self.outputs.restore(plan.inside[0], value)
        self.points.evaluate([v for a in accumulators for v in a.node.args])
        self.points.evaluate([values[out] for out in stores])
        following = self.writer.here().emit(f"add i64 {index}, {step}")
        new = self.accumulate(accumulators, states)
        self.outputs.store(stores)
        if plan.saved and done == plan.saved[0]:
            self.outputs.store_value(plan.inside[0], plan.saved[1])
        return following, new

    def accumulate(self, accumulators: Sequence[Accumulator], states: States) -> States:
        """Each accumulator one value further, in the lanes that the mask lets through.

        Where the vectors stand for a warp, the states take turns: those that have had theirs
        go behind the others."""
        here, along, mask = self.writer.here(), self.nest.along, self.block.mask
        result = []
        for a, old in zip(accumulators, states, strict=True):
            on = Lanes(here, a.lanes)
            new = list(old)
            for copy in range(self.block.copies if along else len(old)):
                sample = tuple(
                    self.points.text(arg, a.lanes, copy) for arg in a.node.args
                )
                before, place = new[copy % len(old)], copy % len(old)
                new[place] = a.step(on, before, sample)
                if along and mask:
                    new[place] = a.choose(on, mask, new[place], before)
            turns = self.block.copies % len(old) if self.rounds else 0
            result.append(new[turns:] + new[:turns])
        return result

    def typed(self, done: int, states: States, total: bool) -> list[tuple[str, str]]:
        """Types beside the flattened states."""
        result = []
        for a, copies in zip(self.accumulators(done), states, strict=True):
            kinds = [type_text(REGISTER[dtype], a.lanes) for dtype in a.dtypes(total)]
            result += [
                pair for state in copies for pair in zip(kinds, state, strict=True)
            ]
        return result


def flatten(states: States) -> list[str]:
    return [name for copies in states for state in copies for name in state]


def unflatten(like: States, names: Sequence[str]) -> States:
    """The names as states of the shape of others."""
    left = iter(names)
    return [[tuple(next(left) for _ in state) for state in copies] for copies in like]
