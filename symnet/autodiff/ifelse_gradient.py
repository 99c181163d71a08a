"""The gradient of a condition: a condition whose branches are backward graphs, so that
only the branch that was taken is gone back through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from symnet.autodiff.backward import CONTINUOUS, Terms, backpropagate, is_null
from symnet.autodiff.masks import Mask
from symnet.autodiff.singular import loses_zeros
from symnet.graph.inner import InnerGraph
from symnet.graph.traverse import clone_replace
from symnet.graph.types import DisconnectedType
from symnet.graph.variables import Variable, make_variable
from symnet.ops.alloc import full_like
from symnet.ops.arithmetic import second as second_of
from symnet.ops.arithmetic import switch
from symnet.ops.base import constant, disconnected
from symnet.ops.ifelse.conditional import IfElse


def gradients(
    op: IfElse,
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
    output_gradients: Sequence[Variable],
    masks: Sequence[Mask | None] | None = None,
) -> list[Any]:
    """The gradients of a condition's inputs: `Op.L_op` of `IfElse`.

    masks: of the outputs' gradients (see `symnet.guards`).
    """
    condition, yes, no = op.split_inputs(inputs)
    given = [
        k for k, (g, v) in enumerate(zip(output_gradients, outputs))
        if not isinstance(g.type, DisconnectedType) and v.type.dtype in CONTINUOUS
    ]  # fmt: skip
    duals = [make_variable(outputs[k].type) for k in given]
    chosen = {k: mask for k in given if masks and (mask := masks[k]) is not None}
    leaves = {k: make_variable(mask.variable.type) for k, mask in chosen.items()}
    inside = {
        k: Mask(mask.ones, partial(_itself, leaves[k]), mask.weak)
        for k, mask in chosen.items()
    }
    first = _back(op.then_graph, given, duals, inside)
    second = _back(op.else_graph, given, duals, inside)
    backwards = Backwards([*duals, *leaves.values()])
    rows = [(v, outer, first, True) for v, outer in zip(op.then_inputs, yes)]
    rows += [(v, outer, second, False) for v, outer in zip(op.else_inputs, no)]
    for v, outer, terms, taken in rows:
        backwards.take(v, outer, terms, taken)
    handed = [output_gradients[k] for k in given]
    handed += [mask.variable for mask in chosen.values()]
    made = iter(backwards.applied(op, condition, [*yes, *no, *handed]))
    return [
        disconnected(),
        *(_reply(v, outer, terms, made) for v, outer, terms, _ in rows),
    ]


def _itself(leaf: Variable) -> Variable:
    return leaf


def _back(
    graph: InnerGraph,
    given: Sequence[int],
    duals: Sequence[Variable],
    masks: Mapping[int, Mask],
) -> Terms:
    seeds = [(graph.outputs[k], dual) for k, dual in zip(given, duals)]
    return backpropagate(seeds, graph.inputs, masks=[masks.get(k) for k in given])


class Backwards:
    """The condition backwards: in each branch the gradients of its own inputs, and zeros
    for those of the other; and where these are not zero by choice, if what the inputs are
    computed by may be in need of it."""

    def __init__(self, handed: Sequence[Variable]) -> None:
        self.handed = handed
        self.yes: list[Variable] = []
        self.no: list[Variable] = []

    def take(self, v: Variable, outer: Variable, terms: Terms, taken: bool) -> None:
        """Note the gradient of an input of the branch that is `taken` or not."""
        term = terms.get(v)
        if term is None or is_null(term):
            return
        self._note(term, full_like(v, 0, term.type.dtype), taken)
        if not loses_zeros(outer, weak=False):
            return
        mask = terms.masks.get(v)
        own: Variable = constant(True)
        other: Variable = constant(False)
        if mask is not None:
            own, other = second_of(v, mask.variable), second_of(v, other)
        self._note(own, other, taken)

    def _note(self, own: Variable, other: Variable, taken: bool) -> None:
        self.yes.append(own if taken else other)
        self.no.append(other if taken else own)

    def applied(
        self, op: IfElse, condition: Variable, arguments: Sequence[Variable]
    ) -> list[Variable]:
        if not self.yes:
            return []
        leaves = [*op.then_inputs, *op.else_inputs, *self.handed]
        name = f"gradient of {op.name or 'ifelse'}"
        yes, no = _over_copies(leaves, self.yes), _over_copies(leaves, self.no)
        back = IfElse(*yes, *no, name)
        return back(condition, *arguments, *arguments, return_list=True)


def _over_copies(
    leaves: Sequence[Variable], outputs: Sequence[Any]
) -> tuple[list[Variable], list[Variable]]:
    """A graph over leaves of its own."""
    fresh = {v: make_variable(v.type, v.name) for v in leaves}
    return list(fresh.values()), clone_replace(outputs, fresh)


def _reply(v: Variable, outer: Variable, terms: Terms, made: Iterator[Variable]) -> Any:
    """The gradient of an input, from what the condition backwards gave."""
    if v not in terms:
        return disconnected()
    term = terms[v]
    if term is None or is_null(term):
        return term
    gradient = next(made)
    if not loses_zeros(outer, weak=False):
        return gradient
    return switch(next(made), gradient, 0)
