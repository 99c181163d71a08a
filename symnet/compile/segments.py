"""Cutting a graph where native code must stop.

Most graphs are one segment: one native program.  A new segment begins after an operation
that has only a NumPy reference (complex numbers, sorting, users' own ops), and where a
size depends on a value that native code has just computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from symnet.compile.infer import Inference, NotOnHost
from symnet.compile.lower import is_native, is_parameter
from symnet.graph.traverse import toposort
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Constant, Variable


@dataclass(eq=False)
class Segment:
    """Native work that makes `wanted` from `leaves`, then the reference operations that
    run on its results, in order."""

    wanted: list[Variable] = field(default_factory=list)
    leaves: list[Variable] = field(default_factory=list)
    reference: list[Apply] = field(default_factory=list)


def split(outputs: Sequence[Variable], updates: Mapping[Variable, Variable]) -> list[Segment]:
    """The segments of a graph, in order.

    The last one makes the outputs and the updates: nothing is updated before every
    operation that may fail has run.
    """
    results = [*outputs, *updates.values()]
    nodes = toposort(results)
    levels, reference = find_levels(nodes)
    last = max([levels.get(v, 0) for v in results], default=0)
    segments = [Segment() for _ in range(last + 1)]
    for node in nodes:
        here = levels[node.outputs[0]]
        if node in reference:
            segments[here - 1].reference.append(node)
        for v in node.inputs:
            made = levels.get(v, 0)
            if v.owner is None or v.owner in reference:
                continue
            if made < here:
                _want(segments[made], v)
    segments[last].wanted = list(dict.fromkeys([*segments[last].wanted, *results]))
    for v in results:
        if v.owner is not None and v.owner not in reference and levels[v] < last:
            _want(segments[levels[v]], v)
    for number, segment in enumerate(segments):
        segment.leaves = _leaves_of(segment, number, levels, reference, updates)
    return segments


def _want(segment: Segment, variable: Variable) -> None:
    if variable not in segment.wanted:
        segment.wanted.append(variable)


def _leaves_of(
    segment: Segment,
    number: int,
    levels: Mapping[Variable, int],
    reference: set[Apply],
    updates: Mapping[Variable, Variable],
) -> list[Variable]:
    """What the native part of a segment takes from outside."""
    found: dict[Variable, None] = {}
    seen: set[Apply] = set()
    stack = [*segment.wanted, *updates]
    while stack:
        v = stack.pop()
        if isinstance(v, Constant):
            continue
        outside = v.owner is None or v.owner in reference or levels[v] < number
        if outside:
            found.setdefault(v)
        elif v.owner not in seen:
            assert v.owner is not None
            seen.add(v.owner)
            stack += v.owner.inputs
    return list(found)


def find_levels(nodes: Sequence[Apply]) -> tuple[dict[Variable, int], set[Apply]]:
    """For each computed variable the first segment that has it, and which operations
    have no native form."""
    inference = Inference(_free_leaves(nodes))
    levels: dict[Variable, int] = {}
    reference: set[Apply] = set()
    for node in nodes:
        level = max([levels.get(v, 0) for v in node.inputs], default=0)
        wait = _wait(node, inference, levels) if _tensors_only(node) else None
        if wait is None:
            reference.add(node)
            level += 1
            for output in node.outputs:
                inference.add_leaf(output)
        else:
            level = max(level, wait)
        for output in node.outputs:
            levels[output] = level
    return levels, reference


def _tensors_only(node: Apply) -> bool:
    return all(isinstance(v.type, TensorType) for v in (*node.inputs, *node.outputs))


def _wait(node: Apply, inference: Inference, levels: Mapping[Variable, int]) -> int | None:
    """The segment from which on the sizes of the outputs can be known; None where the
    operation has no native form."""
    if not is_native(node):
        return None
    wait = 0
    while True:
        try:
            for output in node.outputs:
                inference.sizes_of(output)
            if is_parameter(node) and inference.host(node.outputs[0]) is None:
                return None
            return wait
        except NotOnHost as missing:
            variable = missing.variable
            if variable in node.outputs:
                return None
            inference.add_leaf(variable)
            if inference.host(variable) is None:  # not an integer scalar: values unknown
                return None
            wait = max(wait, levels.get(variable, 0) + 1)


def _free_leaves(nodes: Sequence[Apply]) -> list[Variable]:
    found: dict[Variable, None] = {}
    for node in nodes:
        for v in node.inputs:
            if v.owner is None and not isinstance(v, Constant):
                found.setdefault(v)
    return list(found)
