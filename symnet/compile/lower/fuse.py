"""Which operations share a loop.

Operations are looked at from the outputs backwards.  One joins the cluster of its
consumers, the one that runs earliest where there are several, if it can be computed at
the same point of the same loop; otherwise it opens a cluster of its own.  Clusters are
numbered as they open; a producer's number is never below its consumer's, so that running
clusters from the highest number down is always a valid order: no cycle can arise, and
the whole pass is linear in the size of the graph.

Columns that are reduced and then mapped (softmax over axis 0) are one loop where that
moves less memory; but only sizes say whether it has work for all threads: see
`Cluster.reduces_leading_axes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from symnet.data_classes import dataclass
from symnet.graph.variables import Apply, Constant, Variable
from symnet.kernels.loopir import scalars
from symnet.kernels.loopir.views import ONE, Size
from symnet.ops.lowerings import Lowering, PointLoop, Reduction, ViewOf
from symnet.sizes.infer import Inference

# The loop axis along which each axis of an array moves; None for an axis of size 1.
AxisMap = tuple[int | None, ...]
CONFLICT: AxisMap = (-1,)  # read at two different positions, or at computed ones

MAXIMUM_NODES = 96  # bounds the time to compile one kernel
# Arrays that one loop over columns walks through.  With a third one the gradient of softmax
# took 0.7 to 1.2 of the time of several loops, with two softmax and the like 0.6 to 1.0.
MAXIMUM_COLUMN_ARRAYS = 2
MAXIMUM_AWAITED = 16  # bounds how far ahead is looked for a reduction
COSTLY = {"div", "sqrt", "mod", "floordiv"}  # primitives that cost more than a load
# Of complex numbers, too: a few real operations for two loads.
CHEAP = (scalars.PRIMITIVES - COSTLY) | {
    "argument", "literal", "complex", "real", "imag", "conj",
}  # fmt: skip
MAXIMUM_OPERANDS = 24  # bounds the pointers that a loop must keep in registers


@dataclass(eq=False)
class Cluster:
    """Operations of one loop; or one operation by itself (`loop` False)."""

    number: int
    loop: bool
    lowerings: Mapping[Apply, Lowering]  # of all operations
    nodes: list[Apply] = field(default_factory=list)  # consumers first
    space: list[Size] = field(default_factory=list)
    reduced: frozenset[int] = frozenset()
    trailing: bool = True  # the reduced axes are the last ones of what is reduced
    maps: dict[Variable, AxisMap] = field(default_factory=dict)  # of its own variables
    reads: dict[Variable, AxisMap] = field(default_factory=dict)  # wanted of producers
    inputs: dict[tuple[Apply, Variable], AxisMap] = field(default_factory=dict)
    stored: set[Variable] = field(default_factory=set)  # needed outside

    @property
    def kept(self) -> frozenset[int]:
        return frozenset(range(len(self.space))) - self.reduced

    @property
    def reduces_leading_axes(self) -> bool:
        """Whether it writes whole columns: of few columns, several loops are better."""
        return not self.trailing and any(
            not self.reduced.isdisjoint(self.maps[v]) for v in self.stored
        )

    @property
    def moved(self) -> int:
        """How often an array that moves along all axes is read, pass by pass, or written."""
        makers = {node.outputs[0]: node for node in self.nodes}
        level: dict[Variable, int] = {}  # reductions that must be over before
        roots: list[tuple[int, Variable]] = []
        for node in reversed(self.nodes):
            before = max((level.get(v, 0) for v in node.inputs), default=0)
            reduces = self._reduces(node)
            level[node.outputs[0]] = before + reduces
            if reduces:
                roots.append((before, node.inputs[0]))
        stores = [v for v in self.stored if self._everywhere(self.maps[v])]
        reads = set[tuple[int, Variable]]()
        roots += [(level[v], v) for v in stores]
        for number, v in roots:
            if v not in makers:
                reads.add((number, v))
            elif not self._reduces(makers[v]):
                more = [(number, w) for w in makers[v].inputs]
                roots += [one for one in more if one not in roots]
        whole = [v for _, v in reads if self._everywhere(self.reads.get(v, ()))]
        return len(stores) + len(whole)

    @property
    def arrays(self) -> int:
        """The arrays outside of the cluster that move along all axes."""
        outside = [self.maps[v] for v in self.stored]
        outside += [axes for v, axes in self.reads.items() if v not in self.maps]
        return sum(map(self._everywhere, outside))

    def _reduces(self, node: Apply) -> bool:
        return isinstance(self.lowerings[node], Reduction)

    def _everywhere(self, axes: AxisMap) -> bool:
        return axes == CONFLICT or len(set(axes) - {None}) == len(self.space)


def is_loop(lowering: Lowering) -> bool:
    """Whether the operation can be part of a loop kernel."""
    return isinstance(lowering, (PointLoop, Reduction)) or _moves_axes(lowering)


def _moves_axes(lowering: Lowering) -> bool:
    """Whether it is a view through which a loop may read."""
    return isinstance(lowering, ViewOf) and lowering.axes is not None


def _is_positional(lowering: Lowering) -> bool:
    """Whether a loop's formula looks at where it is, or elsewhere."""
    return isinstance(lowering, PointLoop) and not lowering.elementwise


class Fuser:
    """Builds the clusters of the needed operations, given in topological order."""

    def __init__(
        self,
        nodes: dict[Apply, Lowering],
        wanted: Sequence[Variable],
        inference: Inference,
        columns: bool = True,
        most: int = MAXIMUM_NODES,
    ) -> None:
        self.most = most
        self.lowerings = nodes
        self.inference = inference
        self.columns = columns
        self.home: dict[Apply, Cluster] = {}
        self.clusters: list[Cluster] = []
        self.wanted = set(wanted)
        self.consumers: dict[Variable, list[Apply]] = {}
        self.makers = {v: node for node in nodes for v in node.outputs}
        for node, lowering in nodes.items():
            # In the order in which segments were made: what one operation demands, as
            # equal sizes, may be what the sizes of a later one are known by.
            for output in node.outputs:
                self._sizes(output)
            for k in lowering.reads:
                users = self.consumers.setdefault(node.inputs[k], [])
                if not users or users[-1] is not node:
                    users.append(node)
        for node in reversed(nodes):
            self._place(node)

    def _place(self, node: Apply) -> None:
        users = [self.home[u] for v in node.outputs for u in self.consumers.get(v, ())]
        if users and is_loop(self.lowerings[node]):
            earliest = max(users, key=lambda c: c.number)
            outside = node.outputs[0] in self.wanted or any(
                c is not earliest for c in users
            )
            if self._joins(node, earliest, outside):
                return
        self._open(node)

    # ---- opening

    def _open(self, node: Apply) -> None:
        lowering = self.lowerings[node]
        # A view that no loop takes in is no loop.
        loop = isinstance(lowering, (PointLoop, Reduction))
        cluster = Cluster(len(self.clusters), loop, self.lowerings)
        self.clusters.append(cluster)
        cluster.nodes.append(node)
        self.home[node] = cluster
        if not cluster.loop:
            return
        output = node.outputs[0]
        cluster.stored.add(output)
        if isinstance(lowering, Reduction):
            self._open_reduction(node, lowering, cluster)
        else:
            cluster.maps[output] = self._axes(cluster, self._sizes(output))
            self._want_inputs(node, cluster)

    def _open_reduction(
        self, node: Apply, reduction: Reduction, cluster: Cluster
    ) -> None:
        source = self._sizes(node.inputs[0])
        axes = self._axes(cluster, source)
        cluster.reduced = frozenset(
            a for k in reduction.axes if (a := axes[k]) is not None
        )
        cluster.trailing = _is_trailing(node, reduction)
        kept = [k for k in range(len(source)) if k not in reduction.axes]
        cluster.maps[node.outputs[0]] = tuple(axes[k] for k in kept)
        self._want(node, node.inputs[0], axes, cluster)

    def _axes(self, cluster: Cluster, sizes: Sequence[Size]) -> AxisMap:
        """New loop axes for an array of these sizes (none for sizes of 1)."""
        axes: list[int | None] = []
        for one in sizes:
            if one is ONE:
                axes.append(None)
            else:
                axes.append(len(cluster.space))
                cluster.space.append(one)
        return tuple(axes)

    def _sizes(self, variable: Variable) -> tuple[Size, ...]:
        return self.inference.sizes_of(variable)

    # ---- joining

    def _joins(self, node: Apply, cluster: Cluster, outside: bool) -> bool:
        """Put `node` into `cluster` if it can be computed there."""
        output = node.outputs[0]
        axes = cluster.reads.get(output, CONFLICT)
        if not cluster.loop or axes == CONFLICT or len(cluster.nodes) >= self.most:
            return False
        if len(cluster.reads) - len(cluster.maps) + len(node.inputs) > MAXIMUM_OPERANDS:
            return False
        here = frozenset(a for a in axes if a is not None)
        lowering = self.lowerings[node]
        if _is_positional(lowering) and cluster.reduces_leading_axes:
            return False  # several passes would compute it again, or fail in its place
        if isinstance(lowering, Reduction):
            joined = self._join_reduction(node, lowering, cluster, axes, outside)
        else:
            joined = self._fits(node, cluster, here, outside)
            if joined:
                self._enter(node, cluster, axes, outside)
                self._want_inputs(node, cluster)
        return joined

    def _enter(
        self, node: Apply, cluster: Cluster, axes: AxisMap, outside: bool
    ) -> None:
        cluster.nodes.append(node)
        cluster.maps[node.outputs[0]] = axes
        if outside:
            cluster.stored.add(node.outputs[0])
        self.home[node] = cluster

    def _fits(
        self, node: Apply, cluster: Cluster, here: frozenset[int], outside: bool
    ) -> bool:
        everywhere = frozenset(range(len(cluster.space)))
        if outside:
            if not here >= cluster.kept or here not in (everywhere, cluster.kept):
                return False
            if here & cluster.reduced and not _may_store_rows(cluster):
                return False
        if here in (everywhere, cluster.kept) or here == frozenset(range(len(here))):
            return True
        return is_cheap(self.lowerings[node]) or self._awaits_reduction(
            node, cluster, here
        )

    def _join_reduction(
        self,
        node: Apply,
        reduction: Reduction,
        cluster: Cluster,
        axes: AxisMap,
        outside: bool,
    ) -> bool:
        source = self._sizes(node.inputs[0])
        here = frozenset(a for a in axes if a is not None)
        reduced = [k for k in reduction.axes if source[k] is not ONE]
        if not reduced or here & cluster.reduced:
            return False
        found = self._reduction_axes(cluster, here, [source[k] for k in reduced])
        if found is None:
            return False
        loop_axes, fresh = found
        kept = frozenset(range(len(cluster.space))) - frozenset(loop_axes)
        trailing = cluster.trailing and _is_trailing(node, reduction)
        over = frozenset(loop_axes)
        if here != kept or not self._stores_allow(cluster, over, trailing):
            return False
        if fresh:
            cluster.space += [source[k] for k in reduced]
        cluster.reduced = over
        cluster.trailing = trailing
        self._enter(node, cluster, axes, outside)
        where = dict(zip(reduced, loop_axes, strict=True))
        outer = iter(axes)
        inner = tuple(
            where.get(k) if k in reduction.axes else next(outer)
            for k in range(len(source))
        )
        self._want(node, node.inputs[0], inner, cluster)
        return True

    def _reduction_axes(
        self, cluster: Cluster, here: frozenset[int], sizes: Sequence[Size]
    ) -> tuple[list[int], bool] | None:
        """The loop axes a reduction runs along: those reduced already, spare ones of the
        same sizes, or new ones (the second result says so)."""
        same = self.inference.same
        if cluster.reduced:
            axes = sorted(cluster.reduced)
        else:
            axes = [a for a in range(len(cluster.space)) if a not in here]
            if not axes:
                start = len(cluster.space)
                return list(range(start, start + len(sizes))), True
        if len(axes) != len(sizes):
            return None
        if not all(same(cluster.space[a], s) for a, s in zip(axes, sizes, strict=True)):
            return None
        return axes, False

    def _stores_allow(
        self, cluster: Cluster, reduced: frozenset[int], trailing: bool
    ) -> bool:
        """Whether what the cluster stores may still be stored when `reduced` is reduced;
        trailing: see `Cluster`."""
        kept = frozenset(range(len(cluster.space))) - reduced
        for variable in cluster.stored:
            here = frozenset(a for a in cluster.maps[variable] if a is not None)
            if not here >= kept:
                return False
            rows = kept and (trailing or self._columns(cluster))
            if here & reduced and not rows:
                return False
        return True

    def _awaits_reduction(
        self, node: Apply, cluster: Cluster, here: frozenset[int]
    ) -> bool:
        """Whether a value is made, for this cluster alone, from a reduction of columns that
        will join: then it is computed once for each column and not at each point."""
        if cluster.reduced or not self._columns(cluster):
            return False
        rest = [cluster.space[a] for a in range(len(cluster.space)) if a not in here]
        found, made = False, [node]
        for one in made:
            for k in self.lowerings[one].reads:
                v = one.inputs[k]
                source = self.makers.get(v)
                if source is None or all(s is ONE for s in self._sizes(v)):
                    continue
                users = self.consumers[v]
                if any(
                    u not in made and self.home.get(u) is not cluster for u in users
                ):
                    return False
                lowering = self.lowerings[source]
                if isinstance(lowering, Reduction):
                    sizes = self._sizes(source.inputs[0])
                    reduced = [sizes[k] for k in lowering.axes if sizes[k] is not ONE]
                    same = list(map(id, reduced)) == list(map(id, rest))
                    if not same or _is_trailing(source, lowering):
                        return False
                    found = True
                elif is_loop(lowering) and len(made) < MAXIMUM_AWAITED:
                    made.append(source)
                else:
                    return False
        return found

    def _columns(self, cluster: Cluster) -> bool:
        """Whether the cluster may be reduces_leading_axes."""
        lowerings = (self.lowerings[node] for node in cluster.nodes)
        return self.columns and not any(map(_is_positional, lowerings))

    # ---- what a member wants of its inputs

    def _want_inputs(self, node: Apply, cluster: Cluster) -> None:
        """Of a loop that reduces nothing, or a view."""
        lowering, axes = self.lowerings[node], cluster.maps[node.outputs[0]]
        if isinstance(lowering, ViewOf):
            (variable,) = node.inputs
            self._want(node, variable, _through_view(node, lowering, axes), cluster)
            return
        assert isinstance(lowering, PointLoop)
        for k in lowering.reads:
            variable = node.inputs[k]
            gathered = k in lowering.gathered
            wanted = CONFLICT if gathered else self._aligned(variable, axes)
            self._want(node, variable, wanted, cluster)

    def _aligned(self, variable: Variable, axes: AxisMap) -> AxisMap:
        sizes = self._sizes(variable)
        tail = axes[len(axes) - len(sizes) :]
        return tuple(
            None if one is ONE else axis for one, axis in zip(sizes, tail, strict=True)
        )

    def _want(
        self, node: Apply, variable: Variable, axes: AxisMap, cluster: Cluster
    ) -> None:
        cluster.inputs[node, variable] = axes
        if isinstance(variable, Constant) and variable.data.size == 1:
            return
        have = cluster.reads.get(variable)
        cluster.reads[variable] = axes if have is None or have == axes else CONFLICT


def _through_view(node: Apply, view: ViewOf, axes: AxisMap) -> AxisMap:
    """The axes of the input of a view that only moves axes."""
    back: list[int | None] = [None] * node.inputs[0].type.ndim
    for axis, source in zip(axes, view.axes or (), strict=True):
        if source is not None:
            back[source] = axis
    return tuple(back)


def _is_trailing(node: Apply, reduction: Reduction) -> bool:
    ndim = node.inputs[0].type.ndim
    return reduction.axes == tuple(range(ndim - len(reduction.axes), ndim))


def _may_store_rows(cluster: Cluster) -> bool:
    """Whether values along the reduced axes may be stored: not where that would write
    columns, or leave only one work item."""
    return cluster.trailing and bool(cluster.kept)


def is_cheap(lowering: Lowering) -> bool:
    """Whether computing a value again costs less than reading it from memory."""
    if not isinstance(lowering, PointLoop):
        return _moves_axes(lowering)
    return lowering.elementwise and lowering.operations <= CHEAP


def fuse(
    nodes: dict[Apply, Lowering],
    wanted: Sequence[Variable],
    inference: Inference,
    columns: bool = True,
    most: int = MAXIMUM_NODES,
) -> list[Cluster]:
    """The clusters of `nodes` (given in topological order) in an order to run them.

    wanted: variables that must be stored whoever else uses them.
    columns: whether clusters may be reduces_leading_axes.
    most: how many operations may share a loop.
    """
    found = list(reversed(Fuser(nodes, wanted, inference, columns, most).clusters))
    return [c for cluster in found for c in _least_moving(cluster, inference)]


def _least_moving(cluster: Cluster, inference: Inference) -> list[Cluster]:
    """A cluster, or what it is made of where one loop saves nothing: in the other loops
    threads share rows, which lie in memory as a whole."""
    if not cluster.reduces_leading_axes:
        return [cluster]
    wanted = [v for v in cluster.maps if v in cluster.stored]
    nodes = {node: cluster.lowerings[node] for node in reversed(cluster.nodes)}
    parts = fuse(nodes, wanted, inference, columns=False)
    rank = len(cluster.space)
    split = sum(p.moved for p in parts if p.loop and len(p.space) == rank)
    few = cluster.arrays <= MAXIMUM_COLUMN_ARRAYS
    return [cluster] if few and cluster.moved < split else parts


__all__ = ["AxisMap", "Cluster", "fuse", "is_loop"]
