"""Rewrites that a user might write, in every form, which change how a value is computed and
not what it is; each undoes itself at no node, so that they come to an end."""

from __future__ import annotations

from typing import Any

import symnet.tensor as T
from symnet.compile import Mode
from symnet.gof import FunctionGraph, PatternSub, local_optimizer, optimizer
from symnet.graph.types import FLOATS


def of_floats(node: Any) -> bool:
    return all(v.type.dtype in FLOATS for v in (*node.inputs, *node.outputs))


@local_optimizer([T.nnet.softplus])
def softplus_by_log1p(node: Any) -> Any:
    """softplus(x) = max(x, 0) + log1p(exp(-|x|))."""
    (x,) = node.inputs
    return [T.maximum(x, 0) + T.log1p(T.exp(-abs(x)))] if of_floats(node) else False


@local_optimizer([T.sqr])
def square_by_product(node: Any) -> Any:
    """x * x for x^2."""
    return [node.inputs[0] * node.inputs[0]]


@local_optimizer([T.sub])
def difference_by_sum(node: Any) -> Any:
    """x + (-y) for x - y."""
    x, y = node.inputs
    return [T.add(x, T.neg(y))] if of_floats(node) else False


@local_optimizer(None)
def nothing_doing(node: Any) -> Any:
    """Looks at every operation."""
    return False


maximum_turned = PatternSub(
    (T.neg, (T.minimum, "x", "y")), (T.maximum, (T.neg, "x"), (T.neg, "y"))
)


@optimizer
def absolute_by_switch(graph: FunctionGraph) -> None:
    """A rewrite of the whole graph: sqrt(x^2) and the like stay, |x| is chosen."""
    for node in graph.toposort():
        if node.op == T.abs_ and of_floats(node):
            (x,) = node.inputs
            chosen = T.switch(T.lt(x, 0), -x, x)
            graph.replace_validate(node.outputs[0], chosen, "absolute by switch")


def users_mode() -> Mode:
    """FAST_RUN with all of them, before, among and behind our own."""
    return Mode().register(
        (softplus_by_log1p, 0.5), (square_by_product, 1.5), (difference_by_sum, 0.5),
        (nothing_doing, 2.5), (maximum_turned, 1.5), (absolute_by_switch, 0.5),
    )  # fmt: skip
