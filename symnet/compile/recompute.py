"""Recomputation: cheap values are made again where they are read late, not kept till then.

The gradient of `y = maximum(z, 0)` reads y (in the product that gives the next layer's
weights their gradient) and z (where the maximum was taken), and both would wait from the
layer's turn forward to its turn backward.  One of them is enough: where all that a cheap
elementwise result is made of is kept anyway, its late readers get a copy of the operation.

Late is what comes several library calls behind the first reader: the number of calls on
the longest way to an operation is the clock here.  What is kept never grows by it: what is
kept longer takes the memory of what need not be kept.

Source: the idea is that of Griewank & Walther 2000, "Algorithm 799: revolve", for values
that cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from symnet.compile.lower.fuse import is_cheap
from symnet.graph.traverse import Graph
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Constant, Variable
from symnet.ops.base import lowering_of
from symnet.ops.lowerings import (
    Branches,
    CallOf,
    Lowering,
    PointLoop,
    Reference,
    ScanLoop,
    ViewOf,
)

LATE = 2  # library calls from the first reader on
AT_ONCE = 2  # arrays that a copy of an operation may read
FOREVER = 1 << 60  # the moment at which results are handed out


def recompute(graph: Graph) -> Graph:
    """The graph with copies of cheap operations for those who read them late."""
    return _Recomputation(graph).graph()


class _Readers:
    """When a variable is read first and last, views and what is cheap seen through;
    by: the last reading that comes by way of each reader."""

    __slots__ = ("first", "last", "by")

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last
        self.by: dict[Apply | None, int] = {}


class _Recomputation:
    def __init__(self, graph: Graph) -> None:
        self.given, self.order = graph, graph.toposort()
        self.lowerings = {node: lowering_of(node) for node in self.order}
        self.moments = self._moments()
        self.readers = self._readers()
        self.again: set[Apply] = set()  # what has copies, and views of it
        for node in self.order:
            lowering = self.lowerings[node]
            if self._pays(node, lowering) or self._shows_one(node, lowering):
                self.again.add(node)

    # ---- when things happen

    def _reads(self, node: Apply) -> Sequence[Variable]:
        lowering = self.lowerings[node]
        if isinstance(lowering, Reference):
            return node.inputs
        return [node.inputs[k] for k in lowering.reads]

    def _moments(self) -> dict[Apply, int]:
        """How many library calls stand on the longest way to each operation.  What takes
        only the sizes of another, as the masks of a gradient do, comes behind it, too."""
        found: dict[Apply, int] = {}
        for node in self.order:
            before = [found[v.owner] for v in node.inputs if v.owner in found]
            calls = isinstance(
                self.lowerings[node], (CallOf, ScanLoop, Branches, Reference)
            )
            found[node] = max(before, default=0) + calls
        return found

    def _readers(self) -> dict[Variable, _Readers]:
        found: dict[Variable, _Readers] = {}

        def note(v: Variable, reader: Apply | None, first: int, last: int) -> None:
            known = found.setdefault(v, _Readers(first, last))
            known.first, known.last = min(known.first, first), max(known.last, last)
            known.by[reader] = last

        for v in self.given.outputs:
            made = 0 if v.owner is None else self.moments.get(v.owner, 0)
            note(v, None, made, made)
            found[v].by[None] = FOREVER
        for node in reversed(self.order):
            lowering, moment = self.lowerings[node], self.moments[node]
            first = last = moment
            if isinstance(lowering, ViewOf) or is_cheap(lowering):
                behind = [found[v] for v in node.outputs if v in found]
                first = min((one.first for one in behind), default=moment)
                last = max((one.last for one in behind), default=moment)
            for v in self._reads(node):
                note(v, node, first, last)
        return found

    # ---- what is made again

    def _shows_one(self, node: Apply, lowering: Lowering) -> bool:
        return isinstance(lowering, ViewOf) and node.inputs[0].owner in self.again

    def _pays(self, node: Apply, lowering: Lowering) -> bool:
        """Whether a cheap result is read late, and what it is made of is there then."""
        if not isinstance(lowering, PointLoop) or not is_cheap(lowering):
            return False
        (result,) = node.outputs
        readers = self.readers.get(result)
        if readers is None or None in readers.by:
            return False
        if readers.last < readers.first + LATE:
            return False
        large = [v for v in self._reads(node) if _is_as_large(v, result)]
        others = [v for v in self._reads(node) if v not in large]
        return (
            0 < len(set(large)) <= AT_ONCE
            and all(self._is_kept(v, node, readers) for v in large)
            and all(
                isinstance(v, Constant) or v.owner in self.lowerings for v in others
            )
        )

    def _is_kept(self, source: Variable, node: Apply, readers: _Readers) -> bool:
        """Whether others than the operation need a source about as long as its result is
        needed, or so long that the one can wait in place of the other."""
        if source.owner not in self.lowerings or self._is_part(source):
            return False
        by = self.readers[source].by
        last = max((when for who, when in by.items() if who is not node), default=0)
        if last > readers.last - LATE:
            return True
        (result,) = node.outputs
        return last >= readers.first + LATE and _bytes(source) <= _bytes(result)

    def _is_part(self, variable: Variable) -> bool:
        """Whether it shows elements of something else, perhaps with gaps."""
        assert variable.owner is not None
        lowering = self.lowerings[variable.owner]
        return isinstance(lowering, ViewOf) and not is_cheap(lowering)

    # ---- the new graph

    def graph(self) -> Graph:
        versions = self._versions()
        if all(len(moments) < 2 for moments in versions.values()):
            return self.given
        made: dict[tuple[Variable, int], Variable] = {}

        def at(v: Variable, moment: int) -> Variable:
            return made.get((v, self._version(v, moment)), v)

        for node in self.order:
            for moment in sorted(versions[node]):
                reads = set(self._reads(node))
                when = self._when(node, moment)
                inputs = [at(v, when if v in reads else 0) for v in node.inputs]
                new: Sequence[Variable] = node.outputs
                first = moment == min(versions[node])
                same = all(a is b for a, b in zip(inputs, node.inputs, strict=True))
                if not (first and same):
                    new = node.clone_with_new_inputs(inputs).outputs
                for old, fresh in zip(node.outputs, new, strict=True):
                    made[old, moment] = fresh
        outputs = [at(v, 0) for v in self.given.outputs]
        return Graph(self.given.inputs, outputs)

    def _versions(self) -> dict[Apply, set[int]]:
        """The moments for which each operation is done: 0 for what is done once."""
        found: dict[Apply, set[int]] = {node: set() for node in self.order}

        def want(v: Variable, moment: int) -> None:
            if v.owner in found:
                found[v.owner].add(self._version(v, moment))

        for v in self.given.outputs:
            want(v, 0)
        for node in reversed(self.order):
            reads = set(self._reads(node))
            for moment in list(found[node]):
                for v in node.inputs:
                    want(v, self._when(node, moment) if v in reads else 0)
        return found

    def _when(self, node: Apply, moment: int) -> int:
        """When an operation, or its copy for a moment, reads."""
        if moment:
            return moment
        readers = self.readers.get(node.outputs[0])
        lazy = is_cheap(self.lowerings[node]) or isinstance(
            self.lowerings[node], ViewOf
        )
        return readers.first if lazy and readers is not None else self.moments[node]

    def _version(self, v: Variable, moment: int) -> int:
        """Which copy of a variable is read at a moment."""
        # What is asked for its sizes only, at moment 0, may have no reader.
        if not moment or v.owner not in self.again:
            return 0
        return moment if moment >= self.readers[v].first + LATE else 0


def _is_as_large(variable: Variable, result: Variable) -> bool:
    """Whether no axis of an array is known to be shorter than that of the result."""
    if variable.type.ndim < result.type.ndim:
        return False
    sizes = zip(variable.type.shape, result.type.shape, strict=True)
    return all(a != 1 or b == 1 for a, b in sizes)


def _bytes(variable: Variable) -> int:
    kind = variable.type
    assert isinstance(kind, TensorType)
    return np.dtype(kind.dtype).itemsize


__all__ = ["recompute"]
