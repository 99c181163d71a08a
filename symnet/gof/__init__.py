"""The names of `theano.gof`: what graphs are made of, and rewrites of them."""

from __future__ import annotations

from symnet.compile.databases import EquilibriumDB, Query, SequenceDB, optdb
from symnet.errors import MissingInputError
from symnet.gof import graph, opt, toolbox
from symnet.gof.opt import (
    EquilibriumOptimizer,
    LocalOptimizer,
    MergeOptimizer,
    OpKeyOptimizer,
    OpRemove,
    OpSub,
    Optimizer,
    PatternSub,
    SeqOptimizer,
    TopoOptimizer,
    local_optimizer,
    optimizer,
)
from symnet.gof.params_type import Params, ParamsType
from symnet.graph.types import Type
from symnet.graph.variables import Apply, Constant, Op, Variable
from symnet.graph.variables import Op as PureOp
from symnet.rewriting.function_graph import FunctionGraph, InconsistencyError

__all__ = [
    "Apply", "Constant", "EquilibriumDB", "EquilibriumOptimizer", "FunctionGraph",
    "InconsistencyError", "LocalOptimizer", "MergeOptimizer", "MissingInputError", "Op",
    "OpKeyOptimizer", "OpRemove", "OpSub", "Optimizer", "Params", "ParamsType", "PatternSub",
    "PureOp", "Query", "SeqOptimizer", "SequenceDB", "TopoOptimizer", "Type", "Variable",
    "graph", "local_optimizer", "opt", "optdb", "optimizer", "toolbox",
]  # fmt: skip
