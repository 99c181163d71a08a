"""The names of `theano.gof`: what graphs are made of, and rewrites of them."""

from __future__ import annotations

from symnet.compile.databases import EquilibriumDB, Query, SequenceDB, optdb
from symnet.errors import MissingInputError
from symnet.gof import graph, opt, toolbox
from symnet.gof.opt import (
    EquilibriumOptimizer,
    LocalOptGroup,
    LocalOptimizer,
    MergeOptimizer,
    OpKeyOptimizer,
    OpRemove,
    OpSub,
    Optimizer,
    PatternSub,
    SeqOptimizer,
    TopoOptimizer,
    inplace_optimizer,
    local_optimizer,
    optimizer,
)
from symnet.gof.params_type import Params, ParamsType
from symnet.gof.toolbox import Feature, NodeFinder, PrintListener, ReplaceValidate
from symnet.gof.utils import MethodNotDefined
from symnet.graph.object_types import Generic, generic
from symnet.graph.op import Op
from symnet.graph.op import Op as PureOp
from symnet.graph.types import NullType, Type
from symnet.graph.variables import Apply, Constant, Variable
from symnet.rewriting.function_graph import FunctionGraph, InconsistencyError
from symnet.shared import Container

__all__ = [
    "Apply", "Constant", "Container", "EquilibriumDB", "EquilibriumOptimizer", "Feature",
    "FunctionGraph", "Generic", "InconsistencyError", "LocalOptGroup", "LocalOptimizer",
    "MergeOptimizer", "MethodNotDefined", "MissingInputError", "NodeFinder", "NullType", "Op",
    "OpKeyOptimizer", "OpRemove", "OpSub", "Optimizer", "Params", "ParamsType",
    "PatternSub", "PrintListener", "PureOp", "Query", "ReplaceValidate", "SeqOptimizer",
    "SequenceDB", "TopoOptimizer", "Type", "Variable", "generic", "graph",
    "inplace_optimizer", "local_optimizer", "opt", "optdb", "optimizer", "toolbox",
]  # fmt: skip
