"""Less memory for more time: values are computed again where they are read late.

A gradient reads backward what was computed forward, so all of that waits until its turn
comes again.  Here the way forward is cut into pieces.  What crosses a cut is kept; the
rest of a piece is made again, from what is kept, when the way back reaches the piece.

    forward   | piece 1 | piece 2 | piece 3 |  peak  | backward
    kept     x|        a|        b|                   3, then 2 from a, then 1 from x

Cuts lie where little crosses them, as between the blocks of a residual network.  Of k
pieces of equal size as much waits as k cuts and one piece take: least for about as many
pieces as each has values.

Time is that of the program's steps, of which a plan knows when each temporary is needed
and how long it is.  Loops, conditions and operations of NumPy's are never done again.

Source: Chen, Xu, Zhang & Guestrin 2016, "Training deep nets with sublinear memory cost";
that costs grow as the square root of the depth, section 4.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING

import numpy as np

from symnet.compile.lower.program import Instruction, Program, regions_of
from symnet.compile.plan.planner import Binding
from symnet.data_classes import dataclass
from symnet.graph.traverse import Graph
from symnet.graph.variables import Apply, Constant, Variable
from symnet.ops.base import lowering_of
from symnet.ops.checks import delayed
from symnet.ops.lowerings import (
    Branches,
    CallOf,
    HostValue,
    PointLoop,
    Reference,
    ScanLoop,
    Scatter,
    ViewOf,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Booleans = NDArray[np.bool_]

# Into how many pieces the way forward is cut: as many as reach the square root of depths.
PIECES = (2, 3, 4, 5, 6, 8, 11, 16, 23, 32, 45, 64)


def moments_of(steps: Sequence[Instruction]) -> dict[Apply, int]:
    """When each operation of a program is done, as `compile.memory.arena` counts."""
    found: dict[Apply, int] = {}
    _count(steps, 0, found)
    return found


def _count(
    steps: Sequence[Instruction], moment: int, found: dict[Apply, int] | None
) -> int:
    for step in steps:
        for body in regions_of(step):
            moment = _count(body.steps, moment, None)
        if found is not None:
            found.update(dict.fromkeys(step.nodes, moment))
        moment += 1
    return moment


@dataclass(frozen=True, eq=False)
class Cutting:
    """Cuts, as moments in rising order, at which pieces end that are made again.

    kept: what crosses the cuts; dropped: what is made again, and for which piece.
    size: the bytes of that; peak: how many are expected to wait at the most.
    """

    cuts: tuple[int, ...]
    kept: frozenset[Variable]
    dropped: Mapping[Variable, int]
    size: int
    peak: int


@dataclass(frozen=True, eq=False)
class TimedValues:
    """The variables with memory of their own: bytes; when they are made; when they are
    read for the last time before the peak, first behind it, and last at all (0: never);
    whether they wait at the peak, and could be made again."""

    variables: Sequence[Variable]
    sizes: Integers
    made: Integers
    early: Integers
    late: Integers
    last: Integers
    waiting: Booleans
    pure: Booleans


class Checkpoints:
    """What can be made again in a graph whose program has been bound to sizes."""

    def __init__(self, graph: Graph, binding: Binding) -> None:
        """binding: of the program of the graph or of one of its segments."""
        self.graph = graph
        self.program, self.sizes = binding.program, binding.sizes
        self.lives = binding.planner.lifetimes
        self.order = graph.toposort()
        self.moments = moments_of(self.program.steps)
        self.profile = self._profile()
        self.peak = int(self.profile.argmax())
        self.values = self._values()

    # ---- when things happen

    def _profile(self) -> Integers:
        """How many bytes wait at each moment."""
        change = np.zeros(_count(self.program.steps, 0, None) + 1, np.int64)
        for buffer, (first, last) in self.lives.items():
            change[first] += self.sizes[buffer]
            change[last + 1] -= self.sizes[buffer]
        return change.cumsum()

    def reads(self, node: Apply) -> Sequence[Variable]:
        """The inputs whose elements an operation reads."""
        lowering = lowering_of(node)
        if isinstance(lowering, Reference):
            return node.inputs
        return [node.inputs[k] for k in lowering.reads]

    def is_view(self, variable: Variable) -> bool:
        owner = variable.owner
        return owner is not None and isinstance(lowering_of(owner), ViewOf)

    def is_pure(self, variable: Variable) -> bool:
        """Whether it can be made again as one of many steps."""
        assert variable.owner is not None
        kept = (ScanLoop, Branches, Reference, HostValue)
        return not isinstance(lowering_of(variable.owner), kept)

    def _shown(self, variable: Variable) -> Variable:
        """The variable of which this one shows elements."""
        while self.is_view(variable):
            assert variable.owner is not None
            variable = variable.owner.inputs[0]
        return variable

    def _values(self) -> TimedValues:
        reads: dict[Variable, list[int]] = {}
        for node in self.order:
            moment = self.moments.get(node)
            if moment is not None:
                for v in self.reads(node):
                    reads.setdefault(self._shown(v), []).append(moment)
        known = [v for v in reads if v.owner in self.moments and self._bytes(v)]
        known.sort(key=self._made)
        early = [[m for m in reads[v] if m <= self.peak] for v in known]
        late = [[m for m in reads[v] if m > self.peak] for v in known]
        made = np.array([self._made(v) for v in known], np.int64)
        behind = np.array([min(one, default=0) for one in late], np.int64)
        return TimedValues(
            known,
            np.array([self._bytes(v) for v in known], np.int64),
            made,
            np.array([max(one, default=0) for one in early], np.int64),
            behind,
            np.array([max(reads[v]) for v in known], np.int64),
            (made < self.peak) & (self.peak < behind),
            np.array([self.is_pure(v) for v in known], bool),
        )

    def _made(self, variable: Variable) -> int:
        assert variable.owner is not None
        return self.moments[variable.owner]

    def _bytes(self, variable: Variable) -> int:
        """Those of a temporary with memory of its own; else 0."""
        view = self.program.views.get(variable)
        if view is None or view.buffer.kind != "temporary":
            return 0
        return self.sizes.get(self.program.placement.base(view.buffer), 0)

    # ---- where to cut

    def choices(self) -> list[Cutting]:
        """What can be done, what makes least again first."""
        ways = dict.fromkeys(map(self._cuts, PIECES))
        parts = dict.fromkeys(c[:k] for c in ways for k in range(1, len(c) + 1))
        found = map(self._choice, parts)
        return sorted(
            (one for one in found if one.dropped), key=lambda one: (one.size, one.peak)
        )

    def _crossing(self, cut: int) -> Booleans:
        """What was made before a moment and is read on the way forward behind it."""
        return (self.values.made <= cut) & (cut < self.values.early)

    def _cuts(self, pieces: int) -> tuple[int, ...]:
        """The moments at which pieces end: where little crosses, near to equal sizes."""
        waiting = self.values.waiting
        made, sizes = self.values.made[waiting], self.values.sizes[waiting]
        found, begin = list[int](), 0
        for number in range(1, pieces):
            # Half of a piece to either side of where it would end by its size.
            reached = sizes.cumsum() * pieces / max(sizes.sum(), 1)
            near = made[(number - 0.5 <= reached) & (reached < number + 0.5)].tolist()
            moments = range(max(begin, near[0]), near[-1] + 1) if near else range(0)
            if moments:
                found.append(min(moments, key=self._crossing_bytes))
                begin = found[-1] + 1
        return tuple(found)

    def _crossing_bytes(self, cut: int) -> int:
        return int(self.values.sizes[self._crossing(cut)].sum())

    def _choice(self, cuts: tuple[int, ...]) -> Cutting:
        v = self.values
        piece = np.searchsorted(cuts, v.made)
        kept = np.any([self._crossing(cut) for cut in cuts], axis=0)
        dropped = v.waiting & v.pure & ~kept & (piece < len(cuts))
        change = np.zeros(len(self.profile) + 1, np.int64)

        def add(which: Booleans, first: Integers, behind: int, sign: int) -> None:
            """From `first` on to the moment before `behind`, where there are any."""
            there = which & (first < behind)
            np.add.at(change, first[there], sign * v.sizes[there])
            change[behind] -= sign * v.sizes[there].sum()

        free = np.maximum(v.made, v.early) + 1
        for number in np.unique(piece[dropped]):
            here = dropped & (piece == number)
            begin = int(v.late[here].min())
            add(here, free, begin, -1)
            if number:
                crosses = self._crossing(cuts[number - 1])
                add(crosses, np.maximum(v.last, v.made) + 1, begin + 1, 1)
            # While it is made again, the largest of what it goes by waits as well.
            largest = v.sizes[piece == number].max()
            change[begin : begin + 2] += largest, -largest
        return Cutting(
            cuts,
            frozenset(v.variables[k] for k in np.flatnonzero(kept).tolist()),
            {v.variables[k]: int(piece[k]) for k in np.flatnonzero(dropped).tolist()},
            int(v.sizes[dropped].sum()),
            int((self.profile + change.cumsum()[:-1]).max()),
        )

    def with_copies(self, choice: Cutting) -> tuple[Graph, set[Apply]]:
        """The graph in which what reads late reads what was made again; the operations
        that do it."""
        copies = _Copies(self, choice)
        return copies.graph(), copies.repeats


@dataclass(eq=False)
class _Piece:
    """What is made again of the way forward behind the moment `first`, at the moment
    `begin` of the way back: the copies so far, and behind what they come."""

    first: int
    begin: int
    behind: Variable | None = None
    made: dict[Variable, Variable] = field(default_factory=dict)


class _Copies:
    def __init__(self, points: Checkpoints, choice: Cutting) -> None:
        self.points, self.choice = points, choice
        self.moments = points.moments
        late = dict(zip(points.values.variables, points.values.late.tolist()))
        self.pieces: dict[int, _Piece] = {}
        for v, number in choice.dropped.items():
            first = choice.cuts[number - 1] if number else -1
            piece = self.pieces.setdefault(number, _Piece(first, late[v]))
            piece.begin = min(piece.begin, late[v])
        self.new: dict[Variable, Variable] = {}
        self.repeats: set[Apply] = set()

    def graph(self) -> Graph:
        newest: Variable | None = None
        for node in self._behind():
            moment = self.moments.get(node, 0)
            for piece in self.pieces.values():
                if piece.behind is None and piece.begin <= moment:
                    piece.behind = newest
            self._renew(node, {v: self.late(v) for v in self.points.reads(node)})
            made = [v for v in node.outputs if v in self.points.program.views]
            if made and moment:
                newest = self.new.get(made[0], made[0])
        outputs = [self.late(v) for v in self.points.graph.outputs]
        return Graph(self.points.graph.inputs, outputs)

    def _behind(self) -> list[Apply]:
        """The operations behind the peak in the order of the program, which is one of the
        graph's, too; then those that are not of this program."""
        moments, peak = self.moments, self.points.peak
        late = [n for n in self.points.order if moments.get(n, 0) > peak]
        others = [
            n for n in self.points.order
            if n not in moments and not self.points.is_view(n.outputs[0])
        ]  # fmt: skip
        return [*sorted(late, key=moments.__getitem__), *others]

    def _renew(self, node: Apply, by: Mapping[Variable, Variable]) -> None:
        """Put a copy that reads others in the place of an operation."""
        inputs = [by.get(v, v) for v in node.inputs]
        if any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
            fresh = node.clone_with_new_inputs(inputs).outputs
            self.new.update(zip(node.outputs, fresh, strict=True))

    def late(self, variable: Variable) -> Variable:
        """What a late reader reads in the place of a variable."""
        if variable in self.new:
            return self.new[variable]
        number = self.choice.dropped.get(variable)
        if number is not None:
            return self.again(variable, self.pieces[number])
        if self.points.is_view(variable):
            node = variable.owner
            assert node is not None
            self._renew(node, {node.inputs[0]: self.late(node.inputs[0])})
        return self.new.get(variable, variable)

    def again(self, variable: Variable, piece: _Piece) -> Variable:
        """A variable as it is made again for a piece."""
        node = variable.owner
        if variable in piece.made:
            return piece.made[variable]
        if node is None or self._is_there(variable, node, piece):
            found = self._delayed(variable, piece)
        elif not self.points.is_pure(variable):
            found = variable
        else:
            reads = set(self.points.reads(node))
            inputs = [self.again(v, piece) if v in reads else v for v in node.inputs]
            copy = node.clone_with_new_inputs(inputs)
            self.repeats.add(copy)
            piece.made.update(zip(node.outputs, copy.outputs, strict=True))
            return piece.made[variable]
        return piece.made.setdefault(variable, found)

    def _delayed(self, variable: Variable, piece: _Piece) -> Variable:
        if isinstance(variable, Constant) or piece.behind is None:
            return variable
        return delayed(variable, piece.behind)

    def _is_there(self, variable: Variable, node: Apply, piece: _Piece) -> bool:
        if variable in self.choice.kept:
            return True
        return self.moments.get(node, piece.first + 1) <= piece.first


def without_failures(program: Program, repeats: Collection[Apply]) -> Program:
    """A program whose steps cannot fail if they do again what has succeeded before.

    Writes of shared variables wait for all that may fail, and what they write waits with
    them."""

    def may_fail(node: Apply) -> bool:
        lowering = lowering_of(node)
        if isinstance(lowering, PointLoop):
            return bool(lowering.gathered)
        if isinstance(lowering, CallOf):
            return bool(lowering.refusal)
        return isinstance(lowering, (Scatter, ScanLoop, Branches))

    steps = [
        replace(
            s,
            fallible=s.fallible
            and any(may_fail(n) and n not in repeats for n in s.nodes),
        )
        for s in program.steps
    ]
    return replace(program, steps=steps)


__all__ = ["Checkpoints", "Cutting", "without_failures"]
