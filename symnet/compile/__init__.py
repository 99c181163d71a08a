"""From an expression to a program (and the names of `theano.compile`)."""

from __future__ import annotations

from symnet.compile.arguments import In, Out
from symnet.compile.databases import optdb
from symnet.compile.function import Function, function
from symnet.compile.function import function as pfunc
from symnet.compile.modes import MODES as predefined_modes
from symnet.compile.modes import DebugMode, Mode, get_default_mode, get_mode
from symnet.compile.monitormode import MonitorMode
from symnet.compile.nanguardmode import NanGuardMode
from symnet.errors import MissingInputError, UnusedInputError
from symnet.ops.from_graph import OpFromGraph
from symnet.ops.users import FromFunctionOp, as_op
from symnet.shared import SharedVariable, shared

__all__ = [
    "DebugMode", "FromFunctionOp", "Function", "In", "MissingInputError", "Mode",
    "MonitorMode", "NanGuardMode", "OpFromGraph", "Out",
    "SharedVariable", "UnusedInputError", "as_op", "function", "get_default_mode",
    "get_mode", "optdb", "pfunc", "predefined_modes", "shared",
]  # fmt: skip
