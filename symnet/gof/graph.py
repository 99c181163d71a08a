"""The names of `theano.gof.graph`: nodes, and walks over them."""

from __future__ import annotations

from collections import deque

from symnet.graph.same_graph import equal_computations, is_same_graph
from symnet.graph.traverse import (
    as_string,
    inputs,
    io_toposort,
    list_of_nodes,
    orphans,
    stack_search,
    variables,
)  # fmt: skip
from symnet.graph.traverse import list_of_nodes as ops
from symnet.graph.traverse import reached_from_last as ancestors
from symnet.graph.variables import Apply, Constant, Variable
from symnet.rewriting.bypassed import clone_between as clone

__all__ = [
    "Apply", "Constant", "Variable", "ancestors", "as_string", "clone", "deque",
    "equal_computations", "inputs", "io_toposort", "is_same_graph", "list_of_nodes",
    "ops", "orphans", "stack_search", "variables",
]  # fmt: skip
