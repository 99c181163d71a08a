"""Logarithms of what moves elements, or chooses among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from symnet.graph.types import FLOATS
from symnet.graph.variables import Apply, Constant, Variable
from symnet.ops.advanced import AdvancedIncSubtensor, AdvancedSubtensor
from symnet.ops.alloc import Alloc
from symnet.ops.arithmetic import log, maximum, minimum, mul, second, switch
from symnet.ops.diagonal import Diagonal
from symnet.ops.elementwise import Cast
from symnet.ops.ifelse.conditional import IfElse, ifelse
from symnet.ops.joining import Join, Split
from symnet.ops.nnet.classification import Pick
from symnet.ops.reshape import Reshape
from symnet.ops.shape import DimShuffle
from symnet.ops.sizes import ForgetShape, ShapeI, SpecifyShape
from symnet.ops.subtensor import IncSubtensor, Subtensor
from symnet.rewriting.patterns import number
from symnet.rewriting.rules.logged import (
    Logged,
    RewriteBudget,
    as_typed,
    as_wide,
    form,
    joined_by,
    log_of,
    plain,
)

MOVES = (
    DimShuffle, Reshape, Subtensor, AdvancedSubtensor, Pick, Split, Diagonal, Alloc,
    SpecifyShape, ForgetShape,
)  # fmt: skip


@form(Join, *MOVES)
def _moves(node: Apply, v: Variable, budget: RewriteBudget) -> Logged | None:
    count = len(node.inputs) if isinstance(node.op, Join) else 1
    parts = _of_parts(node.inputs[:count], budget)
    return None if parts is None else moved_logs(node, v, parts)


def _of_parts(
    operands: Sequence[Variable], budget: RewriteBudget
) -> list[Logged] | None:
    """The logarithms of all that elements may come from.  One that is not known is as it
    is, beside one that under- or overflows: a logarithm of each element is one of all."""
    found = [log_of(one, budget) for one in operands]
    rest = [x for a, x in zip(found, operands, strict=True) if a is None]
    if rest and not any(one.risky for one in found if one is not None):
        return None
    if any(x.type.dtype not in FLOATS for x in rest):
        return None
    return [a or plain(x, signed=True) for a, x in zip(found, operands, strict=True)]


def moved_logs(node: Apply, v: Variable, parts: Sequence[Logged]) -> Logged:
    """The operation on logarithms in the place of its first operands."""
    rest = node.inputs[len(parts) :]

    def make() -> Variable:
        logs = [as_wide(one.make(), x) for one, x in zip(parts, node.inputs)]
        made: list[Variable] = node.op(*logs, *rest, return_list=True)
        return made[v.index or 0]

    return joined_by(v, parts, make)


@form(second)
def _second(node: Apply, v: Variable, budget: RewriteBudget) -> Logged | None:
    model, x = node.inputs
    inner = log_of(x, budget)
    if inner is None:
        return None
    return replace(inner, make=lambda: second(model, inner.make()), scaled=None)


@form(Cast)
def _cast(node: Apply, v: Variable, budget: RewriteBudget) -> Logged | None:
    if _is_count(v):
        return Logged(lambda: log(v))
    inner = log_of(node.inputs[0], budget)
    return None if inner is None else moved_logs(node, v, [inner])


def _is_count(v: Variable) -> bool:
    """Whether `v` is a number of elements: a product of sizes."""
    node = v.owner
    if node is None:
        return isinstance(v, Constant) and v.type.ndim == 0 and number(v) > 0
    if isinstance(node.op, Cast):
        return _is_count(node.inputs[0])
    if node.op == mul:
        return all(map(_is_count, node.inputs))
    return isinstance(node.op, ShapeI)


@form(IncSubtensor, AdvancedIncSubtensor)
def _written(node: Apply, v: Variable, budget: RewriteBudget) -> Logged | None:
    """set_subtensor(x[...], y)."""
    if not node.op.set:
        return None
    return _of_all(node, v, budget, 0, 2)


@form(switch)
def _switch(node: Apply, v: Variable, budget: RewriteBudget) -> Logged | None:
    return _of_all(node, v, budget, 1, 3)


@form(IfElse)
def _ifelse(node: Apply, v: Variable, budget: RewriteBudget) -> Logged | None:
    operands = branches_of(v)
    parts = operands and _of_parts(operands, budget)
    if not operands or not parts:
        return None

    def make() -> Variable:
        yes, no = (as_wide(one.make(), x) for one, x in zip(parts, operands))
        found: Variable = ifelse(node.inputs[0], yes, no)
        return found

    return joined_by(v, parts, make)


def branches_of(v: Variable) -> list[Variable] | None:
    """What v is either of, where the branches of an IfElse are what it was given, as
    `ifelse` makes them."""
    node = v.owner
    assert node is not None
    place, op = v.index or 0, node.op
    _, *given = op.split_inputs(node.inputs)
    found = []
    for graph, values in zip((op.then_graph, op.else_graph), given):
        if graph.outputs[place] not in graph.inputs:
            return None
        found.append(values[graph.inputs.index(graph.outputs[place])])
    return found


def _of_all(
    node: Apply, v: Variable, budget: RewriteBudget, start: int, end: int
) -> Logged | None:
    operands = node.inputs[start:end]
    parts = _of_parts(operands, budget)
    if parts is None:
        return None

    def make() -> Variable:
        logs = [as_typed(one.make(), x) for one, x in zip(parts, operands)]
        return node.applied_to(*node.inputs[:start], *logs, *node.inputs[end:])

    return joined_by(v, parts, make)


@form(maximum, minimum)
def _extremum(node: Apply, v: Variable, budget: RewriteBudget) -> Logged | None:
    parts = [log_of(one, budget) for one in node.inputs]
    known = [one for one in parts if one is not None and one.pure]
    if len(known) < 2:
        return None
    largest = node.op == maximum
    over = (any if largest else all)(one.over for one in known)
    under = (all if largest else any)(one.under for one in known)
    if not (over or under):
        return Logged(lambda: log(v))
    return Logged(lambda: node.op(*[one.make() for one in known]), over, under)
