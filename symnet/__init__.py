"""symnet: a symbolic graph compiler in the manner of Theano.

    import symnet
    import symnet.tensor as T

    x = T.matrix("x")
    w = symnet.shared(weights, "w")
    cost = T.nnet.softplus(-T.dot(x, w)).mean()
    step = symnet.function([x], cost, updates=[(w, w - 0.1 * symnet.grad(cost, w))])

Programs written for Theano run as they stand after `symnet.install_as_theano()`.
"""

# ruff: noqa: I001, E402  (tables of names, several a line; the first loads everything)
from __future__ import annotations

import typing as _typing

from symnet.collector import (
    collector_paused as _collector_paused, objects_stay as _objects_stay,
)  # fmt: skip

with _collector_paused():
    from symnet import (
        compile, gradient, ifelse, scalar, tensor,
    )  # fmt: skip
    from symnet.ops.sparse import sparse_methods as _sparse_methods  # noqa: F401  +, *, [...]

    _objects_stay()
from symnet.compile import (
    Function, In, Mode, Out, function, get_default_mode, predefined_modes,
)  # fmt: skip
from symnet.config import config
from symnet.errors import (
    DisconnectedInputError, MissingInputError, NullTypeGradError, UnusedInputError,
)  # fmt: skip
from symnet.rewriting.function_graph import FunctionGraph
from symnet.gradient import Lop, Rop, grad, subgraph_grad
from symnet.rewriting.bypassed import clone
from symnet.graph.types import Type
from symnet.graph.op import Op
from symnet.graph.variables import Apply, Constant, Variable
from symnet.lazy import lazy_names as _lazy_names
from symnet.ops.from_graph import OpFromGraph
from symnet.ops.linalg.products import dot
from symnet.ops.scan.folds import foldl, foldr, map, reduce, scan_checkpoints
from symnet.ops.scan.scan_function import scan
from symnet.ops.sparse.sparse_stacks import sparse_grad
from symnet.ops.users import as_op
from symnet.shared import SharedVariable, shared
from symnet.updates import OrderedUpdates

__version__ = "0.1.0"

change_flags = config.change_flags

if _typing.TYPE_CHECKING:
    from symnet import (
        d3viz as d3viz, datasets as datasets, debug as debug, gof as gof, misc as misc,
        models as models, optim as optim, printing as printing, random as random,
        sandbox as sandbox, scan_module as scan_module, sparse as sparse,
        tensorboard as tensorboard,
        training as training, typed_list as typed_list,
    )  # fmt: skip
    from symnet.environment import show_config
    from symnet.parameter_files import load, save
    from symnet.printing.draw import draw
    from symnet.printing.formula import pp, pprint
    from symnet.printing.plain_text import debugprint
    from symnet.progress_display import progress
    from symnet.theano_names import install_as_theano
    from symnet.viewer.page import view
else:
    __getattr__, __dir__ = _lazy_names(
        "symnet", "d3viz", "datasets", "debug", "gof", "misc", "models", "optim",
        "printing", "random", "sandbox", "scan_module", "sparse", "tensorboard",
        "training", "typed_list",
        debugprint="printing", draw="printing", install_as_theano="theano_names",
        load="parameter_files", pp="printing", pprint="printing",
        progress="progress_display", save="parameter_files",
        show_config="environment", view="viewer.page",
    )  # fmt: skip

__all__ = [
    "Apply", "Constant", "DisconnectedInputError", "Function", "FunctionGraph", "In",
    "Lop", "MissingInputError", "Mode", "NullTypeGradError", "Op", "OpFromGraph", "OrderedUpdates",
    "Out", "Rop", "SharedVariable", "Type", "UnusedInputError", "Variable", "as_op",
    "change_flags", "clone",
    "compile", "config", "debugprint", "dot", "draw", "foldl", "foldr", "function",
    "get_default_mode", "gof", "grad", "gradient",
    "ifelse", "install_as_theano", "load", "map", "pp", "pprint", "predefined_modes", "printing",
    "progress", "random", "reduce", "sandbox", "save", "scalar", "scan", "scan_checkpoints",
    "scan_module", "shared", "show_config", "sparse", "sparse_grad", "subgraph_grad", "tensor",
    "view",
]  # fmt: skip
