"""Which passes over the reduced dimensions a kernel takes, and how wide each of them is."""

from __future__ import annotations

from collections.abc import Sequence

from symnet.kernels.llvm.loop_nest import LOOP, Nest
from symnet.kernels.llvm.points import LONG
from symnet.kernels.llvm.target import Target
from symnet.kernels.loopir.scalars import GROUP_NUMBERS, Output, Scalar


class PassPlan:
    """What can be said of the passes before a line is written.

    count: passes with reductions; total: all of them; store_pass: the one in which the
    outputs `inside` the reduced dimensions are stored (-1: none); the outputs `after`
    follow the last.  saved: a value that a pass finds and later ones need again, and the
    number of that pass (see `worth_saving`).  vectors: of a block without passes.
    """

    def __init__(self, nest: Nest, target: Target) -> None:
        self.nest, self.variant = nest, nest.variant
        self.wide = target.vector_bytes == 64
        self.count = max(
            (nest.level[n] for n in nest.nodes if n.op == "reduce"), default=0
        )
        outputs = nest.kernel.outputs
        self.inside = [out for out in outputs if self.stored_inside(out)]
        self.after = [out for out in outputs if out not in self.inside]
        self.store_pass = -1
        if self.inside:
            last = max(nest.level[nest.value_of[out]] for out in self.inside)
            self.store_pass = max(last, self.count - 1)
        self.total = max(self.count, self.store_pass + 1)
        self.saved = self.worth_saving()
        self.vectors = self.side_by_side(nest.nodes, bool(self.variant.reduced))

    def stored_inside(self, out: Output) -> bool:
        """Whether the output moves along the reduced dimensions."""
        return any(out.operand.axes[k] for group in self.variant.reduced for k in group)

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
            needed = self.nest.inside([*later, self.nest.value_of[out]])
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

    def stores(self, done: int) -> list[Output]:
        """The outputs that a pass writes."""
        return self.inside if done == self.store_pass else []

    def vectors_of(self, done: int) -> int:
        """Vectors side by side in the innermost loop of a pass (see `side_by_side`)."""
        roots = [v for node in self.nest.reductions(done) for v in node.args]
        roots += [self.nest.value_of[out] for out in self.stores(done)]
        nodes = self.nest.inside(roots, self.restored(done))
        return self.side_by_side(nodes, bool(self.nest.reductions(done)))

    def side_by_side(self, nodes: Sequence[Scalar], reducing: bool) -> int:
        """How many vectors to work on at once: several where an accumulator is waited
        for, few where there is much to do with each.  0: one, always under a mask, so
        that long code is written (and compiled) once and not again for the last lanes.
        """
        nest = self.nest
        nodes = [n for n in nodes if nest.varying[n] and n.op not in ("load", "reduce")]
        long = len(nodes) > LONG
        if nest.interleaving and any(map(nest.interleaves, nodes)):
            return GROUP_NUMBERS // nest.lanes
        if (long and self.wide) or any(n.op == "gather" for n in nodes):
            return 0
        if long:  # two chains of operations hide each other's latency
            return 2
        return 4 if reducing and len(nodes) <= 8 else 2 if reducing else 1
