"""The names of `theano.gof.graph`: nodes, and walks over them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from symnet.graph.same_graph import equal_computations, is_same_graph
from symnet.graph.traverse import ancestors as in_order
from symnet.graph.traverse import inputs, io_toposort
from symnet.graph.traverse import reached_from_last as ancestors
from symnet.graph.variables import Apply, Constant, Variable
from symnet.rewriting.bypassed import clone_between as clone


def stack_search(
    start: Iterable[Any],
    expand: Callable[[Any], Iterable[Any] | None],
    mode: str = "bfs",
    build_inv: bool = False,
) -> Any:
    """All that is reached from `start`, each once, in order; `expand(one)` gives what comes
    after one, or None.

    mode: "bfs" goes in breadth, "dfs" in depth.
    build_inv: give also a dict from each to those after which it comes.
    Raises: ValueError for another mode.
    """
    if mode not in ("bfs", "dfs"):
        raise ValueError(f"stack_search: mode is 'bfs' or 'dfs', not {mode!r}")
    pending, seen, found = deque(start), set(), []
    inverse: dict[Any, list[Any]] = {}
    while pending:
        one = pending.popleft() if mode == "bfs" else pending.pop()
        if one in seen:
            continue
        seen.add(one)
        found.append(one)
        for later in expand(one) or ():
            inverse.setdefault(later, []).append(one)
            pending.append(later)
    return (found, inverse) if build_inv else found


def variables(i: Sequence[Variable], o: Sequence[Variable]) -> list[Variable]:
    """The variables between inputs and outputs, both included."""
    return list(dict.fromkeys([*i, *in_order(o, blockers=i)]))


def orphans(i: Sequence[Variable], o: Sequence[Variable]) -> list[Variable]:
    """The leaves of the outputs that are no inputs: constants, shared variables."""
    return [v for v in variables(i, o) if v.owner is None and v not in i]


def list_of_nodes(
    inputs: Sequence[Variable], outputs: Sequence[Variable]
) -> list[Apply]:
    """The operations between inputs and outputs."""
    return io_toposort(inputs, outputs)


ops = list_of_nodes

__all__ = [
    "Apply", "Constant", "Variable", "ancestors", "clone", "deque", "equal_computations",
    "inputs", "io_toposort", "is_same_graph", "list_of_nodes", "ops", "orphans",
    "stack_search", "variables",
]  # fmt: skip
