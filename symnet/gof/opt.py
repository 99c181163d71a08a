"""The names of `theano.gof.opt`: rewrites that users write."""

from __future__ import annotations

from symnet.rewriting.function_graph import InconsistencyError
from symnet.rewriting.rewrite_groups import (
    LocalOptGroup,
    copy_stack_trace,
    in2out,
    out2in,
)
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
from symnet.rewriting.users_rewrites import optimizer as inplace_optimizer

__all__ = [
    "EquilibriumOptimizer", "FromFunctionLocalOptimizer", "FromFunctionOptimizer",
    "InconsistencyError", "LocalOptGroup", "LocalOptimizer", "MergeOptimizer",
    "OpKeyOptimizer", "OpRemove", "OpSub", "Optimizer", "PatternSub", "SeqOptimizer",
    "TopoOptimizer", "copy_stack_trace", "in2out", "inplace_optimizer", "local_optimizer",
    "optimizer", "out2in",
]  # fmt: skip
