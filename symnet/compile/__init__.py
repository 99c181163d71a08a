"""From an expression to a program (and the names of `theano.compile`)."""

from __future__ import annotations

from symnet.compile.databases import optdb
from symnet.compile.debugmode import DebugMode
from symnet.compile.eval_method import evaluate_variable as _evaluate  # noqa: F401  x.eval()
from symnet.compile.function import Function, function
from symnet.compile.in_out import In, Out
from symnet.compile.in_out import In as SymbolicInput
from symnet.compile.in_out import Out as SymbolicOutput
from symnet.compile.makers import (
    FunctionMaker,
    Param,
    function_dump,
    orig_function,
    pfunc,
    rebuild_collect_shared,
)  # fmt: skip
from symnet.compile.modes import MODES as predefined_modes
from symnet.compile.modes import Mode, get_default_mode, get_mode
from symnet.compile.monitormode import MonitorMode
from symnet.compile.nanguardmode import NanGuardMode
from symnet.errors import MissingInputError, UnusedInputError
from symnet.graph.same_graph import is_same_graph
from symnet.graph.types import NullType
from symnet.ops.barriers import DeepCopyOp, deep_copy_op, view_op
from symnet.ops.barriers import Passed as ViewOp
from symnet.ops.from_graph import OpFromGraph
from symnet.ops.sizes import Rebroadcast, Shape
from symnet.ops.sizes import ShapeI as Shape_i
from symnet.ops.users import FromFunctionOp, as_op
from symnet.shared import Container, SharedVariable, shared, shared_constructor

__all__ = [
    "Container", "DebugMode", "DeepCopyOp", "FromFunctionOp", "Function",
    "FunctionMaker", "In", "MissingInputError", "Mode", "MonitorMode", "NanGuardMode",
    "NullType", "OpFromGraph", "Out", "Param", "Rebroadcast", "Shape", "Shape_i",
    "SharedVariable", "SymbolicInput", "SymbolicOutput", "UnusedInputError", "ViewOp",
    "as_op", "deep_copy_op", "function", "function_dump", "get_default_mode",
    "get_mode", "is_same_graph", "optdb", "orig_function", "pfunc", "predefined_modes",
    "rebuild_collect_shared", "shared", "shared_constructor", "view_op",
]  # fmt: skip
