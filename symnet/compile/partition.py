"""Cutting a graph where native code must stop.

Most graphs are one segment: one native program.  A new segment begins after an operation
that has only a NumPy reference (distinct elements, users' own ops), and where a
size depends on a value that native code has just computed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field

from symnet.data_classes import dataclass
from symnet.graph.traverse import Graph, toposort
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Constant, Variable
from symnet.kernels.interface import Device
from symnet.kernels.loopir.scalars import Scalar, argument, substitute, walk
from symnet.kernels.loopir.views import Size
from symnet.ops.base import lowering_of
from symnet.ops.lowerings import (
    Branches,
    CallOf,
    HostValue,
    Reference,
    ScanLoop,
)
from symnet.shared import SharedVariable
from symnet.sizes.host_code import fold
from symnet.sizes.infer import DataDependentSize, Inference


@dataclass(eq=False)
class Segment:
    """Native work that makes `wanted` from `leaves`, then the reference operations that
    run on its results, in order.

    inference: what is known of the sizes in it.
    """

    wanted: list[Variable] = field(default_factory=list)
    leaves: list[Variable] = field(default_factory=list)
    reference: list[Apply] = field(default_factory=list)
    inference: Inference = field(default_factory=lambda: Inference(()))


def is_native(node: Apply, device: Device) -> bool:
    """Whether the device computes an operation, with all inside of it."""
    lowering = lowering_of(node)
    if isinstance(lowering, CallOf):
        return device.offers(lowering.routine)
    if isinstance(lowering, (ScanLoop, Branches)):
        inner = (one for graph in lowering.graphs for one in graph.order)
        return all(is_native(one, device) for one in inner)
    return not isinstance(lowering, Reference)


def split(
    graph: Graph,
    updates: Mapping[SharedVariable, Variable],
    device: Device,
    without: Collection[Apply] = (),
    early: Collection[Variable] = (),
) -> list[Segment]:
    """The segments of a graph on a device, in order.

    updates: the graph's last outputs are their values.  without: operations of which the
        device has turned out to have no code.  early: values that a segment turned out to
        need for sizes.

    The last one makes the outputs and the updates: nothing is updated before every
    operation that may fail has run.
    """
    inputs, results, nodes = graph.inputs, graph.outputs, graph.toposort()
    inference = Inference(_free_leaves(nodes, [*results, *updates, *inputs]))
    levels = find_levels(nodes, inference, device, without, early)
    last = max([levels.made.get(v, 0) for v in results], default=0)
    if not last:
        # Also what nothing uses: then a builtin can take all that a call brings.
        leaves = _leaves_of([*results, *updates], 0, levels)
        leaves += [v for v in inputs if v not in leaves]
        wanted = list(dict.fromkeys(results))
        return [Segment(wanted, leaves, [], inference)]
    segments = [Segment() for _ in range(last + 1)]
    for node in nodes:
        if node in levels.reference:
            segments[levels.made[node.outputs[0]] - 1].reference.append(node)
    segments[last].wanted = list(dict.fromkeys(results))
    for number in reversed(range(last + 1)):
        segment = segments[number]
        for node in segment.reference:
            for v in node.inputs:
                _want(segments, levels, v)
        also = updates if number == last else ()
        segment.leaves = _leaves_of([*segment.wanted, *also], number, levels)
        others = _missing(segment.leaves, inference)
        # Sizes can be equal to those of what is made only later, or here.
        segment.leaves += [v for v in others if levels.is_made_before(v, number)]
        for v in segment.leaves:
            _want(segments, levels, v)
        segment.inference = _behind_cut(segment.leaves, inference)
    return segments


def _behind_cut(leaves: Sequence[Variable], before: Inference) -> Inference:
    """What is known of the sizes in a segment to begin with: all that was known of its
    leaves when the graph was cut.  A choice between arrays whose sizes agree by what came
    before the cut, or are numbers by it, has a known size behind it, too."""
    found, there = Inference(leaves), set(leaves)
    here: dict[Scalar, Scalar] = {}  # what stands for sizes and values of before

    def behind(value: Size) -> Size | None:
        """A size or condition of before, in what is known here; None if it cannot be."""
        used = [one for one in walk([value]) if one.op == "argument"]
        if value not in here and not all(one in here for one in used):
            return None
        return fold(substitute([value], here)[0])

    for number, given in enumerate(before.arguments):
        if given.leaf not in there:
            continue
        if given.axis is not None:
            here[argument(number, "int64")] = found.sizes_of(given.leaf)[given.axis]
        elif isinstance(value := found.host(given.leaf), Scalar):
            here[argument(number, "int64")] = value
    for v in leaves:
        if not isinstance(v.type, TensorType) or v.owner is None:
            continue
        for axis, one in enumerate(before.sizes_of(v)):
            known_as = behind(before.one_of(one))
            if known_as is None:
                here[before.one_of(one)] = found.sizes_of(v)[axis]
            else:
                found.learn(v, axis, known_as)
    for demand in before.equalities():
        left, right = map(behind, demand.shown)
        if left is not None and right is not None:
            found.make_one(left, right, demand.what, demand.node)
    return found


def _missing(leaves: Sequence[Variable], inference: Inference) -> list[Variable]:
    """The other leaves by which the sizes of these computed ones are known, where they
    are more than a size of another."""
    sizes = [
        inference.one_of(one)
        for v in leaves
        if isinstance(v.type, TensorType) and v.owner is not None
        for one in inference.sizes_of(v)
    ]
    used = walk(one for one in sizes if one.op != "argument")
    numbers = (one.value for one in used if one.op == "argument")
    found = dict.fromkeys(inference.arguments[number].leaf for number in numbers)
    return [v for v in found if v not in leaves]


@dataclass
class Levels:
    """For each computed variable the first segment that has it; which operations have
    no native form; which variables are host integers, known wherever sizes are."""

    made: dict[Variable, int] = field(default_factory=dict)
    reference: set[Apply] = field(default_factory=set)
    hosted: set[Variable] = field(default_factory=set)
    # Computed host integers: the first segment that may use their value for sizes.
    known: dict[Variable, int] = field(default_factory=dict)

    def is_made_before(self, variable: Variable, segment: int) -> bool:
        """Whether a variable has its value when the native part of a segment begins."""
        owner, made = variable.owner, self.made.get(variable, 0)
        if owner is None:
            return True
        return made <= segment if owner in self.reference else made < segment


def _want(segments: Sequence[Segment], levels: Levels, variable: Variable) -> None:
    """Have a natively computed variable handed out by the segment that makes it."""
    if variable.owner is None or variable.owner in levels.reference:
        return
    segment = segments[levels.made[variable]]
    if variable not in segment.wanted:
        segment.wanted.append(variable)


def _leaves_of(
    wanted: Sequence[Variable], number: int, levels: Levels
) -> list[Variable]:
    """What the native part of a segment takes from outside."""
    found: dict[Variable, None] = {}
    seen: set[Apply] = set()
    stack = list(reversed(wanted))
    while stack:
        v = stack.pop()
        if isinstance(v, Constant):
            continue
        owner = v.owner
        if owner is None or owner in levels.reference:
            found.setdefault(v)
            continue
        if levels.made[v] < number and v not in levels.hosted:
            found.setdefault(v)
        elif owner not in seen:
            seen.add(owner)
            stack += reversed(owner.inputs)
    return list(found)


def find_levels(
    nodes: Sequence[Apply],
    inference: Inference,
    device: Device,
    without: Collection[Apply] = (),
    early: Collection[Variable] = (),
) -> Levels:
    """Where each operation of a graph can run."""
    found = Levels()
    for node in nodes:
        level = max([found.made.get(v, 0) for v in node.inputs], default=0)
        native = node not in without and _tensors_only(node) and is_native(node, device)
        wait = _wait(node, inference, found) if native else None
        if wait is None:
            found.reference.add(node)
            level += 1
            for output in node.outputs:
                inference.add_leaf(output)
        else:
            level = max(level, wait)
            found.hosted.update(v for v in node.outputs if _is_hosted(v, inference))
        for output in node.outputs:
            found.made[output] = level
            if output in early:
                inference.add_leaf(output)
                found.known[output] = level + 1
    return found


def _is_hosted(variable: Variable, inference: Inference) -> bool:
    """Whether its value is known wherever sizes are: integers, and floats made of them."""
    return variable.type.ndim <= 1 and inference.host(variable) is not None


def _tensors_only(node: Apply) -> bool:
    return all(isinstance(v.type, TensorType) for v in (*node.inputs, *node.outputs))


def _wait(node: Apply, inference: Inference, levels: Levels) -> int | None:
    """The segment from which on the sizes of the outputs of a native operation can be
    known; None where only it can tell them, or host integers inside."""
    while True:
        try:
            for output in node.outputs:
                inference.sizes_of(output)
            if not hosts_known(node, inference):
                return None
            return _known_from(node, inference, levels.known)
        except DataDependentSize as missing:
            variable = missing.variable
            if variable in node.outputs:
                return None
            inference.add_leaf(variable)
            if (
                inference.host(variable) is None
            ):  # not an integer scalar: values unknown
                return None
            levels.known[variable] = levels.made.get(variable, 0) + 1


def _known_from(
    node: Apply, inference: Inference, known: Mapping[Variable, int]
) -> int:
    """The first segment in which the host integers are known that the operation may
    need: those in the sizes of its outputs and the values of its inputs."""
    if not known:
        return 0
    scalars = [s for v in node.outputs for s in inference.sizes_of(v)]
    for v in node.inputs:
        host = inference.host(v)
        scalars += host if isinstance(host, tuple) else [host] if host else []
    leaves = [
        inference.arguments[one.value].leaf
        for one in walk(scalars)
        if one.op == "argument"
    ]
    return max((known.get(leaf, 0) for leaf in leaves), default=0)


def hosts_known(node: Apply, inference: Inference) -> bool:
    """Whether the host integers that the operation gives, itself or inside, are known."""
    hosts = isinstance(lowering_of(node), HostValue)
    if hosts and inference.host(node.outputs[0]) is None:
        return False
    graphs = inference.inner.get(node, ())
    inside = [one for _, outputs in graphs for one in toposort(outputs)]
    return all(hosts_known(one, inference) for one in inside)


def _free_leaves(nodes: Sequence[Apply], others: Sequence[Variable]) -> list[Variable]:
    """The leaves that the operations need, or that are among the others."""
    used = [*(v for node in nodes for v in node.inputs), *others]
    free = (v for v in used if v.owner is None and not isinstance(v, Constant))
    return list(dict.fromkeys(free))
