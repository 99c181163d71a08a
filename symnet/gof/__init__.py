"""The names of `theano.gof`: what graphs are made of."""

from __future__ import annotations

from symnet.errors import MissingInputError
from symnet.gof import graph
from symnet.graph.object_types import Generic, generic
from symnet.graph.traverse import Graph as FunctionGraph
from symnet.graph.types import NullType, Type
from symnet.graph.variables import Apply, Constant, Op, Variable
from symnet.graph.variables import Op as PureOp

__all__ = [
    "Apply", "Constant", "FunctionGraph", "Generic", "MissingInputError",
    "NullType", "Op", "PureOp", "Type", "Variable", "generic", "graph",
]  # fmt: skip
