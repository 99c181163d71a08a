"""From an expression to a program (and the names of `theano.compile`)."""

from __future__ import annotations

from symnet.compile.arguments import In, Out
from symnet.compile.arguments import In as SymbolicInput
from symnet.compile.arguments import Out as SymbolicOutput
from symnet.compile.function import Function, function
from symnet.compile.function import function as pfunc
from symnet.compile.makers import (
    FunctionMaker,
    Param,
    function_dump,
    orig_function,
    rebuild_collect_shared,
)  # fmt: skip
from symnet.compile.modes import MODES as predefined_modes
from symnet.compile.modes import DebugMode, Mode, get_default_mode, get_mode
from symnet.errors import MissingInputError, UnusedInputError
from symnet.graph.same_graph import is_same_graph
from symnet.graph.types import NullType
from symnet.ops.sizes import ShapeI as Shape_i
from symnet.ops.users import FromFunctionOp, as_op
from symnet.shared import Container, SharedVariable, shared, shared_constructor

__all__ = [
    "Container", "DebugMode", "FromFunctionOp", "Function", "FunctionMaker", "In",
    "MissingInputError", "Mode", "NullType", "Out", "Param", "Shape_i", "SharedVariable",
    "SymbolicInput", "SymbolicOutput", "UnusedInputError", "as_op", "function",
    "function_dump", "get_default_mode", "get_mode", "is_same_graph", "orig_function",
    "pfunc", "predefined_modes", "rebuild_collect_shared", "shared", "shared_constructor",
]  # fmt: skip
