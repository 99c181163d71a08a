"""Gradients through a part of a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symnet.autodiff.backward import backpropagate
from symnet.autodiff.derivatives import Reply, check_cost, given_gradient
from symnet.graph.variables import Variable
from symnet.ops.base import constant


def subgraph_grad(
    wrt: Sequence[Variable],
    end: Sequence[Variable],
    start: Mapping[Variable, Any] | None = None,
    cost: Variable | None = None,
    details: bool = False,
) -> Any:
    """Gradients through a part of a graph, from `start` (or `cost`) back to `end`.

    wrt: variables of the part, whose gradients are wanted.
    end: variables where the part begins; nothing is propagated beyond them.
    start: gradients of the variables where the part ends, as this function returned them
        for the next part.
    Returns: the gradients of `wrt`, and those of `end`; with `details` also those of
    `end` from `start` alone and from `cost` alone.

    >>> x, w = T.dscalar("x"), T.dscalar("w")
    >>> h = x * w
    >>> gradients, back = symnet.subgraph_grad([w], [x], cost=h**2)
    >>> gradients[0].eval({x: 2, w: 3})
    array(24.)
    """
    wrt, end = list(wrt), list(end)
    given = [(v, given_gradient("start", v, g)) for v, g in dict(start or {}).items()]
    if cost is not None:
        check_cost(cost)
    elif not given:
        raise ValueError("subgraph_grad: there is neither a start nor a cost")
    first: list[Any] = (
        [] if cost is None else [(cost, constant(1, dtype=cost.type.dtype))]
    )

    def gradients(
        seeds: list[tuple[Variable, Variable]], of: list[Variable]
    ) -> list[Any]:
        found = backpropagate(seeds, of, ends=end)
        reply = Reply(None, [v for v, _ in seeds], "ignore", "zero", "raise")
        return [reply.gradient(v, found) for v in of]

    together = gradients(first + given, wrt + end)
    result = together[: len(wrt)], together[len(wrt) :]
    if not details:
        return result
    return *result, gradients(given, end), gradients(first, end)
