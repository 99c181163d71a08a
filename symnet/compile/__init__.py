"""From an expression to a program (and the names of `theano.compile`)."""

from __future__ import annotations

from symnet.compile.arguments import In, Out
from symnet.compile.databases import optdb
from symnet.compile.debugmode import DebugMode
from symnet.compile.function import Function, function
from symnet.compile.function import function as pfunc
from symnet.compile.modes import MODES as predefined_modes
from symnet.compile.modes import Mode, get_default_mode, get_mode
from symnet.compile.monitormode import MonitorMode
from symnet.compile.nanguardmode import NanGuardMode
from symnet.errors import MissingInputError, UnusedInputError
from symnet.ops.barriers import DeepCopyOp, deep_copy_op, view_op
from symnet.ops.barriers import Passed as ViewOp
from symnet.ops.from_graph import OpFromGraph
from symnet.ops.sizes import Rebroadcast
from symnet.ops.users import FromFunctionOp, as_op
from symnet.shared import SharedVariable, shared

__all__ = [
    "DebugMode", "DeepCopyOp", "FromFunctionOp", "Function", "In", "MissingInputError", "Mode",
    "MonitorMode", "NanGuardMode", "OpFromGraph", "Out",
    "Rebroadcast", "SharedVariable", "UnusedInputError", "ViewOp", "as_op", "deep_copy_op",
    "function", "get_default_mode",
    "get_mode", "optdb", "pfunc", "predefined_modes", "shared", "view_op",
]  # fmt: skip
