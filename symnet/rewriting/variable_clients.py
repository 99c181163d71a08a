"""`variable.clients`, as Theano's rewrites read it: who uses a variable in the graph that is
being rewritten.

A variable belongs to any number of graphs here.  So it has clients where it is clear which
graph is meant: inside a rewrite, and outside of one as long as a single `FunctionGraph`
holds it.  Elsewhere it is an AttributeError, which names `graph.clients(x)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

from symnet.graph.variables import Apply, Variable
from symnet.ops.methods import prop

Clients = list[tuple[Apply | str, int]]

# What the rewrite that runs in this thread is told of.
_rewritten: ContextVar[Callable[[Variable], Clients] | None] = ContextVar(
    "rewritten", default=None
)
# Those that exist; each has `has(variable)` and `clients(variable)`.
edited_graphs: WeakSet[Any] = WeakSet()


@contextmanager
def telling(clients: Callable[[Variable], Clients]) -> Iterator[None]:
    """Within the block variables have these clients."""
    token = _rewritten.set(clients)
    try:
        yield
    finally:
        _rewritten.reset(token)


@prop("clients")
def clients_of(self: Variable) -> list[tuple[Any, int]]:
    """Who uses the variable: (operation, which input), or ("output", which), in the graph
    that a rewrite of the user's is at, or in the one `FunctionGraph` that holds it.

    Raises: AttributeError where there is no such graph, or more than one.
    """
    clients = _rewritten.get()
    if clients is not None:
        return clients(self)
    holders = [graph for graph in edited_graphs if graph.has(self)]
    if len(holders) == 1:
        found: Clients = holders[0].clients(self)
        return found
    raise AttributeError(
        "clients"
    )  # Python then asks `__getattr__`, which has the cure


__all__ = ["edited_graphs", "telling"]
