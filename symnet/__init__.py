"""symnet: a symbolic graph compiler in the manner of Theano.

    import symnet
    import symnet.tensor as T

    x = T.matrix("x")
    w = symnet.shared(weights, "w")
    cost = T.nnet.softplus(-T.dot(x, w)).mean()
    step = symnet.function([x], cost, updates=[(w, w - 0.1 * symnet.grad(cost, w))])
"""

from __future__ import annotations

from symnet import tensor
from symnet.compile.arguments import In, Out
from symnet.compile.function import Function, function
from symnet.compile.modes import Mode, get_default_mode
from symnet.config import config
from symnet.errors import (
    DisconnectedInputError,
    MissingInputError,
    NullTypeGradError,
    UnusedInputError,
)
from symnet.gradient import Lop, Rop, grad, subgraph_grad
from symnet.graph.traverse import clone
from symnet.graph.variables import Apply, Constant, Op, Variable
from symnet.ops.linalg import dot
from symnet.shared import SharedVariable, shared

__version__ = "0.1.0"

change_flags = config.change_flags

__all__ = [
    "Apply", "Constant", "DisconnectedInputError", "Function", "In", "Lop",
    "MissingInputError", "Mode", "NullTypeGradError", "Op", "Out", "Rop",
    "SharedVariable", "UnusedInputError", "Variable", "change_flags", "clone", "config",
    "dot", "function", "get_default_mode", "grad", "shared", "subgraph_grad", "tensor",
]  # fmt: skip
