"""A graph is well formed: what every pass takes for granted."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from weakref import WeakSet

from symnet.config import config
from symnet.errors import message
from symnet.graph.inner import InnerGraph
from symnet.graph.traverse import Graph, toposort
from symnet.graph.variables import Apply, Constant, Variable, operand_text


class GraphError(RuntimeError):
    """A graph that is not well formed: a bug of symnet, or of a user's operation."""


_known: WeakSet[Apply] = WeakSet()  # operations never change


def verify_graph(graph: Graph, leaves: Collection[Variable] | None = None) -> None:
    """Check what the operations of a graph, and of the graphs inside them, say of each
    other.

    - every result knows its operation and its place among that one's results;
    - no operation needs its own result;
    - results have the types that their operation gives them;
    - all that is free is among `leaves` (where given), the inputs, or a constant.

    Raises: GraphError, with the operation and the user's line.
    """
    _verify(graph.toposort(), graph.outputs)
    if leaves is None:
        return
    given = {*leaves, *graph.inputs}
    for v in _free(graph.toposort(), graph.outputs):
        if v not in given:
            raise GraphError(f"{operand_text(v)} came from nowhere")


def _verify(order: list[Apply], outputs: Iterable[Variable]) -> None:
    done: set[Apply] = set()
    for node in order:
        if not all(v.owner is None or v.owner in done for v in node.inputs):
            raise _error("an operation needs its own result", node)
        if node not in _known:
            _verify_node(node)
            _known.add(node)
        done.add(node)
    for v in outputs:
        if v.owner is not None and v.owner.outputs[v.index] is not v:  # type: ignore[index]
            raise _error("a variable is no result of its operation", v.owner)


def _free(order: Iterable[Apply], outputs: Iterable[Variable]) -> list[Variable]:
    used = [*(v for node in order for v in node.inputs), *outputs]
    return [v for v in used if v.owner is None and not isinstance(v, Constant)]


def _verify_node(node: Apply) -> None:
    for k, v in enumerate(node.outputs):
        if v.owner is not node or v.index != k:
            raise _error(f"result {k} does not know its operation", node)
    for v in node.inputs:
        if v.owner is not None and v not in v.owner.outputs:
            raise _error("an operand is no result of its operation", node)
    with config.change_flags(compute_test_value="off", warn_float64="ignore"):
        fresh = node.op.make_node(*node.inputs)
    if fresh.nout != node.nout:
        raise _error(f"{node.nout} results instead of {fresh.nout}", node)
    for have, want in zip(node.outputs, fresh.outputs, strict=True):
        if not have.type.accepts(want.type):
            raise _error(f"a result is {have.type}, made as {want.type}", node)
    for inner in vars(node.op).values() if hasattr(node.op, "__dict__") else ():
        if isinstance(inner, InnerGraph):
            _verify(toposort(inner.outputs), inner.outputs)


def _error(what: str, node: Apply) -> GraphError:
    return GraphError(
        message(
            what,
            operation=node.op,
            operands=[operand_text(v) for v in node.inputs],
            origin=node.origin,
        )
    )
