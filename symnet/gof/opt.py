"""The names of `theano.gof.opt`: rewrites that users write."""

from __future__ import annotations

from symnet.rewriting.function_graph import InconsistencyError
from symnet.rewriting.users_rewrites import (
    EquilibriumOptimizer,
    FromFunctionLocalOptimizer,
    FromFunctionOptimizer,
    MergeOptimizer,
    OpKeyOptimizer,
    OpRemove,
    OpSub,
    PatternSub,
    SeqOptimizer,
    TopoOptimizer,
    local_optimizer,
    optimizer,
)
from symnet.rewriting.users_rewrites import GlobalRewrite as Optimizer
from symnet.rewriting.users_rewrites import LocalRewrite as LocalOptimizer

__all__ = [
    "EquilibriumOptimizer", "FromFunctionLocalOptimizer", "FromFunctionOptimizer",
    "InconsistencyError", "LocalOptimizer", "MergeOptimizer", "OpKeyOptimizer", "OpRemove",
    "OpSub", "Optimizer", "PatternSub", "SeqOptimizer", "TopoOptimizer", "local_optimizer",
    "optimizer",
]  # fmt: skip
