"""The graphs inside loops and conditions, rewritten like the graph around them.

A position that a loop computes anew in each step is no host integer: reading or writing
there becomes reading or writing at computed positions, which native code can do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Sequence
from typing import Any

from symnet.graph.inner import InnerGraph
from symnet.graph.traverse import Graph, change_nodes, clone_replace
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Variable
from symnet.ops.advanced import AdvancedIncSubtensor, AdvancedSubtensor
from symnet.ops.from_graph import OpFromGraph
from symnet.ops.ifelse.conditional import IfElse
from symnet.ops.scan.loop import Scan
from symnet.ops.shape import DimShuffle
from symnet.ops.sizes import unbroadcast
from symnet.ops.subtensor import IncSubtensor, Subtensor
from symnet.rewriting.analyses import AnalysisCache
from symnet.rewriting.rewriter import conform
from symnet.rewriting.stable import stable_graph
from symnet.sizes.infer import Inference

Rewrite = Callable[[Graph], Graph]


def rewrite_inside(graph: Graph, rewrite: Rewrite, analyses: AnalysisCache) -> Graph:
    """The graph with every inner graph rewritten by `rewrite`, the innermost first.

    Those that are finished stay as they are: `rewrite` does the same to what is inside of
    its graph, which would take twice as long with each level.
    """
    return _Inside(rewrite, analyses.finished).graph(graph, ())


def stable_throughout(graph: Graph, analyses: AnalysisCache | None = None) -> Graph:
    """The graph in stable form, and so the graphs inside its loops and conditions.

    analyses: of the passes over this graph."""
    done = analyses.finished if analyses else ()
    return stable_graph(_inside_first(graph, stable_throughout, done), analyses)


def written_out(graph: Graph) -> Graph:
    """The graph with those of `OpFromGraph`s in their place, inside of loops, of conditions
    and of each other too."""

    def change(node: Apply, inputs: list[Variable]) -> Sequence[Variable] | None:
        inside = node.op.graph
        whole = written_out(inside.as_graph())
        known = dict(zip(inside.inputs, inputs, strict=True))
        pairs = zip(clone_replace(whole.outputs, known), node.outputs, strict=True)
        return [conform(_opened(new, old), old, str(node.op)) for new, old in pairs]

    return change_nodes(_inside_first(graph, written_out), change, (OpFromGraph,))


def _opened(new: Variable, old: Variable) -> Variable:
    """`new` without the knowledge that a size is 1, where `old`, of which it is the
    definition, does not have it: an operand may be known better than when it was given."""
    if not isinstance(new.type, TensorType) or not isinstance(old.type, TensorType):
        return new
    pairs = enumerate(zip(new.type.shape, old.type.shape))
    axes = [k for k, (known, before) in pairs if known == 1 and before is None]
    return unbroadcast(new, *axes) if axes else new


def _inside_first(
    graph: Graph, rewrite: Rewrite, done: Container[InnerGraph] = ()
) -> Graph:
    """The graph with those inside its loops and conditions rewritten, but those that are
    done."""

    def inner(step: InnerGraph) -> InnerGraph:
        if step in done:
            return step
        given = step.as_graph()
        found = rewrite(given)
        return step if found is given else InnerGraph(step.inputs, found.outputs)

    def change(node: Apply, inputs: list[Variable]) -> Sequence[Variable] | None:
        op = node.op
        if isinstance(op, Scan):
            step = inner(op.graph)
            if step is not op.graph:
                return [*op.with_graph(step).make_node(*inputs).outputs]
        elif isinstance(op, IfElse):
            yes, no = inner(op.then_graph), inner(op.else_graph)
            if yes is not op.then_graph or no is not op.else_graph:
                fresh = IfElse(yes.inputs, yes.outputs, no.inputs, no.outputs, op.name)
                return [*fresh.make_node(*inputs).outputs]
        return None

    return change_nodes(graph, change, (Scan, IfElse))


class _Inside:
    """Rewrites inner graphs; equal operations have one result."""

    def __init__(
        self, rewrite: Rewrite, finished: dict[InnerGraph, frozenset[int]]
    ) -> None:
        self.rewrite = rewrite
        self.finished = finished
        self.known: dict[Any, Any] = {}

    def graph(self, graph: Graph, moving: Collection[Variable]) -> Graph:
        """moving: the inputs whose values a loop around the graph changes."""
        changing = _Changing(graph.inputs, moving) if moving else None

        def change(node: Apply, inputs: list[Variable]) -> Sequence[Variable] | None:
            moves = [changing is not None and changing(v) for v in node.inputs]
            return self._node(node, inputs, moves)

        parts = (Subtensor, IncSubtensor) if moving else ()
        return change_nodes(graph, change, (Scan, IfElse, *parts))

    def _node(
        self, node: Apply, inputs: Sequence[Variable], moves: Sequence[bool]
    ) -> Sequence[Variable] | None:
        """What stands for the node's outputs; None: they themselves."""
        op = node.op
        if isinstance(op, (Scan, IfElse)):
            op = self._operation(op, moves)
        elif isinstance(op, Subtensor) and any(moves[1:]):
            return [read_computed(op, inputs[0], inputs[1:], moves[1:])]
        elif isinstance(op, IncSubtensor) and any(moves[2:]):
            return [write_computed(op, inputs[0], inputs[1], inputs[2:], moves[2:])]
        return None if op is node.op else [*op.make_node(*inputs).outputs]

    def _operation(self, op: Any, moves: Sequence[bool]) -> Any:
        key = (op, tuple(moves))
        if key not in self.known:
            if isinstance(op, Scan):
                first = len(op.inner_inputs) - len(op.split_inputs(moves).others)
                inside = [True] * first + op.split_inputs(moves).others
                step = self._inner(op.graph, inside)
                self.known[key] = op if step is op.graph else op.with_graph(step)
            else:
                _, first_moves, second_moves = op.split_inputs(moves)
                yes = self._inner(op.then_graph, first_moves)
                no = self._inner(op.else_graph, second_moves)
                if yes is not op.then_graph or no is not op.else_graph:
                    op = IfElse(yes.inputs, yes.outputs, no.inputs, no.outputs, op.name)
                self.known[key] = op
        return self.known[key]

    def _inner(self, graph: InnerGraph, moves: Sequence[bool]) -> InnerGraph:
        numbers = frozenset(k for k, move in enumerate(moves) if move)
        done = self.finished.get(graph)
        if done is not None and numbers <= done:
            return graph
        moving = [graph.inputs[k] for k in sorted(numbers)]
        found = self.rewrite(self.graph(graph.as_graph(), moving))
        last = InnerGraph(graph.inputs, found.outputs)
        self.finished[last] = numbers | self.finished.get(last, numbers)
        return last


class _Changing:
    """Whether the value of an integer scalar, as the inner graph stands, is none that
    is known before the loop begins."""

    def __init__(
        self, inputs: Sequence[Variable], moving: Collection[Variable]
    ) -> None:
        self.inference = Inference(list(inputs))
        for v in moving:
            if isinstance(v.type, TensorType):
                self.inference.bind(v, self.inference.sizes_of(v))

    def __call__(self, variable: Variable) -> bool:
        kind = variable.type
        small = isinstance(kind, TensorType) and kind.ndim == 0
        if not small or kind.dtype[0] not in "iu":
            return False
        return self.inference.host(variable) is None


# ---- positions that a loop computes


def read_computed(
    op: Subtensor, x: Variable, bounds: Sequence[Variable], moves: Sequence[bool]
) -> Variable:
    """x at these bounds, where the moving integers are read as index arrays.

    Where a bound of a slice moves the operation stays what it is.
    """
    found = _split(op.pattern, bounds, moves)
    if found is None:
        return op(x, *bounds)
    pattern, fixed, axes, positions = found
    if any(entry != "::" for entry in pattern):
        x = Subtensor(pattern)(x, *fixed)
    return AdvancedSubtensor(axes, 0)(x, *_aligned(x, axes, positions))


def write_computed(
    op: IncSubtensor,
    x: Variable,
    y: Variable,
    bounds: Sequence[Variable],
    moves: Sequence[bool],
) -> Variable:
    """x with y written there; see `read_computed`."""
    found = _split(op.pattern, bounds, moves)
    if found is None:
        return op(x, y, *bounds)
    pattern, fixed, axes, positions = found
    whole = all(entry == "::" for entry in pattern)
    part = x if whole else Subtensor(pattern)(x, *fixed)
    write = AdvancedIncSubtensor(axes, 0, op.set)
    part = write(part, y, *_aligned(part, axes, positions))
    if whole:
        return part
    return IncSubtensor(pattern, set=True)(x, part, *fixed)


def _split(
    pattern: Sequence[str], bounds: Sequence[Variable], moves: Sequence[bool]
) -> tuple[list[str], list[Variable], list[int], list[Variable]] | None:
    """The index without the moving integers (their axes kept whole) and its bounds; the
    axes that remain to be indexed, and the integers.  None where a slice moves."""
    rest = iter(zip(bounds, moves, strict=True))
    outer: list[str] = []
    fixed: list[Variable] = []
    axes: list[int] = []
    positions: list[Variable] = []
    axis = 0
    for entry in pattern:
        given = [next(rest) for part in entry.split(":") if part]
        if entry == "i" and given[0][1]:
            axes.append(axis)
            positions.append(given[0][0])
            outer.append("::")
        elif any(move for _, move in given):
            return None
        else:
            outer.append(entry)
            fixed += [bound for bound, _ in given]
        axis += outer[-1] != "i"
    return outer, fixed, axes, positions


def _aligned(
    x: Variable, axes: Sequence[int], positions: Sequence[Variable]
) -> list[Variable]:
    """Scalars as index arrays: with an axis of size 1 for each axis that is kept."""
    kept = x.type.ndim - len(axes)
    if not kept:
        return list(positions)
    return [DimShuffle(["x"] * kept)(v) for v in positions]
