"""The names of `theano.gof.graph`: nodes, and walks over them."""

from __future__ import annotations

from symnet.graph.same_graph import is_same_graph
from symnet.graph.traverse import as_string, inputs, io_toposort
from symnet.graph.traverse import reached_from_last as ancestors
from symnet.graph.variables import Apply, Constant, Variable
from symnet.rewriting.bypassed import clone_between as clone

__all__ = [
    "Apply", "Constant", "Variable", "ancestors", "as_string", "clone", "inputs", "io_toposort",
    "is_same_graph",
]  # fmt: skip
