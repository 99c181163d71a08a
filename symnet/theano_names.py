"""Programs written for Theano, run as they stand.

`install_as_theano()` makes `import theano` find symnet: each module of Theano whose names
exist here gets an entry in `sys.modules`.  What does not exist is refused by a message
that says what does.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import numpy as np

from symnet.compile import (
    Container,
    FunctionMaker,
    In,
    Out,
    Param,
    function_dump,
)
from symnet.config import config
from symnet.errors import near
from symnet.gof import InconsistencyError, ParamsType
from symnet.graph.object_types import Generic, generic
from symnet.ops.elementwise import Elementwise
from symnet.ops.known_values import get_scalar_constant_value
from symnet.ops.operators import Equality
from symnet.ops.sparse.sparse_type import is_sparse, is_sparse_value, scipy_matrix
from symnet.ops.subtensor import Narrowing
from symnet.shared import shared
from symnet.tensor.numpy_calls import Objects
from symnet.theano_compat import VERSION, small_modules
from symnet.theano_refusals import GPU, RefusedName, reason
from symnet.theano_settings import Settings

# Packages that are found under the same name in Theano, with all that is in them.
PACKAGES = (
    "d3viz",
    "gof",
    "misc",
    "sandbox",
    "scan_module",
    "sparse",
    "tensor",
    "typed_list",
)

# Theano's other modules, and where their names are.
MODULES = {
    "theano.compile": "symnet.compile",
    "theano.compile.builders": "symnet.ops.from_graph",
    "theano.compile.debugmode": "symnet.compile.debugmode",
    "theano.compile.function": "symnet.compile",
    "theano.compile.function_module": "symnet.compile",
    "theano.compile.io": "symnet.compile",
    "theano.compile.mode": "symnet.compile.modes",
    "theano.compile.monitormode": "symnet.compile.monitormode",
    "theano.compile.nanguardmode": "symnet.compile.nanguardmode",
    "theano.compile.ops": "symnet.compile",
    "theano.compile.pfunc": "symnet.compile",
    "theano.compile.sharedvalue": "symnet.shared",
    "theano.d3viz.d3viz": "symnet.d3viz",
    "theano.gof.fg": "symnet.rewriting.function_graph",
    "theano.gof.null_type": "symnet.graph.types",
    "theano.gof.type": "symnet.gof",
    "theano.gradient": "symnet.gradient",
    "theano.ifelse": "symnet.ifelse",
    "theano.printing": "symnet.printing",
    "theano.sandbox.blocksparse": "symnet.tensor.nnet.blocksparse",
    "theano.sandbox.conv": "symnet.tensor.nnet.conv",
    "theano.sandbox.neighbours": "symnet.tensor.nnet.neighbours",
    "theano.sandbox.softsign": "symnet.tensor.nnet.nnet",
    "theano.sandbox.solve": "symnet.tensor.slinalg",
    "theano.scalar": "symnet.scalar",
    "theano.scalar.basic": "symnet.scalar",
    "theano.scalar.basic_scipy": "symnet.scalar",
    "theano.scalar.sharedvar": "symnet.tensor.sharedvar",
    "theano.scan_module.scan": "symnet.scan_module",
    "theano.scan_module.scan_checkpoints": "symnet.scan_module",
    "theano.scan_module.scan_views": "symnet.scan_module",
    "theano.sparse.sharedvar": "symnet.sparse_shared",
    "theano.sparse.type": "symnet.ops.sparse.sparse_type",
    "theano.updates": "symnet.updates",
    "theano.tensor.io": "symnet.tensor.basic",
    "theano.tensor.var": "symnet.tensor.basic",
}


# How near `theano.tensor.basic._allclose` asks values to be.
PRECISION = {
    "float16_rtol": 1e-3, "float32_rtol": 1e-5, "float64_rtol": 1e-5,
    "float16_atol": 1e-3, "float32_atol": 1e-5, "float64_atol": 1e-8,
}  # fmt: skip


def refusal(where: str, name: str, known: Iterable[str]) -> str:
    """The text of an error for a name that does not exist, with the reason where it is
    left out on purpose."""
    why = reason(where, name)
    if why is not None:
        return f"symnet does not have {where}.{name}: {why}"
    meant = near(name, known)
    hint = f"; there is {', '.join(meant)}" if meant else ""
    return f"symnet does not have {where}.{name}{hint}"


# The functions by which modules explain what they do not have.
REFUSING: set[Any] = set()


def refuse_in(where: str, module: ModuleType) -> None:
    """Have a module explain what it does not have.  Programs may go on asking by
    `hasattr`."""
    lazy = vars(module).get("__getattr__")
    if lazy in REFUSING:
        return

    def missing(name: str) -> Any:
        if lazy is not None:
            with suppress(AttributeError):
                return lazy(name)
        why = reason(where, name) or reason(f"{where}.{name}")
        if why is not None and why != GPU and not name.startswith("__"):
            return RefusedName(where, name, why)
        raise AttributeError(refusal(where, name, vars(module)))

    REFUSING.add(missing)
    vars(module)["__getattr__"] = missing


class RefusedModules(Loader):
    """Makes a module of which every name is refused."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = make(spec.name, {})
        refuse_in(spec.name, module)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


class Missing(MetaPathFinder):
    """Refuses modules of Theano that symnet does not have.

    Without it Python would look for them in symnet's own folders, and load what it finds
    there a second time.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not name.startswith("theano."):
            return None
        why = reason(name)
        if why is not None and why != GPU:
            return ModuleSpec(name, RefusedModules(), is_package=True)
        # `from theano.x import y` looks for a module y, and would say less than this
        # error does if that had the name of y.
        if why is not None:
            raise ModuleNotFoundError(f"symnet does not have {name}: {why}")
        where, _, last = name.rpartition(".")
        beside = [n for n in sys.modules if n.rpartition(".")[0] == where]
        names = sorted(n.rpartition(".")[2] for n in beside)
        cure = f"\n  modules of {where}: {', '.join(names) or 'none'}"
        known = [*names, *vars(sys.modules.get(where, object))]
        raise ModuleNotFoundError(refusal(where, last, known) + cure)


def install_as_theano() -> None:
    """Make `import theano` and the modules below it find symnet in this process.

    Operations on elements are printed as Theano prints them, and an index with a None
    leaves out axes of size 1 that it does not name (`config.newaxis`).  With a warning each,
    `if T.eq(x, y)` finds that the comparison is there, set_subtensor and inc_subtensor
    write float64 into float32, and NumPy makes arrays of objects of variables.

    Settings are taken from the files that the environment variable THEANORC lists, or
    ~/.theanorc, and then from THEANO_FLAGS.
    Raises: ImportError where Theano itself is imported already.
    """
    present = sys.modules.get("theano")
    if present is not None:
        if not hasattr(present, "install_as_theano"):
            raise ImportError(
                "theano is imported already: call install_as_theano() before"
            )
        return
    settings = Settings()
    settings.read_files()
    settings.read_flags(os.environ.get("THEANO_FLAGS", ""))
    Elementwise.printed = staticmethod(elementwise_text)
    config.newaxis = "theano"
    Equality.is_there = True
    Narrowing.allowed = True
    Objects.made = True
    modules = {"theano": top(settings), **parts(settings)}
    bring_along(modules)
    for name, module in modules.items():
        sys.modules[name] = module
        where, _, last = name.rpartition(".")
        if where and not hasattr(sys.modules[where], last):
            setattr(sys.modules[where], last, module)
    sys.meta_path.insert(0, Missing())


# What `from theano.tensor import *` brings besides: what these modules of Theano's import.
BROUGHT = {
    "theano.compile": "theano config gof",
    "theano.tensor": "theano np config gof compile printing",
    "theano.tensor.basic": "theano np config gof compile printing",
    "theano.tensor.raw_random": "theano np gof tensor",
}


def bring_along(modules: Mapping[str, ModuleType]) -> None:
    """Have star imports bring what programs have come to rely on."""
    known = {"theano": modules["theano"], "np": np, "config": modules["theano"].config}
    for where, names in BROUGHT.items():
        module = vars(modules[where])
        for name in names.split():
            module.setdefault(name, known.get(name) or modules[f"theano.{name}"])
        listed = module.get("__all__", [])
        module["__all__"] = list(dict.fromkeys([*listed, *names.split()]))


# Operations on elements that Theano prints by another name.
PRINTED = {"abs": "abs_", "reciprocal": "inv"}


def elementwise_text(name: str) -> str:
    """How Theano prints an operation on elements: programs look for that text."""
    return f"Elemwise{{{PRINTED.get(name, name)},no_inplace}}"


def top(settings: Settings) -> ModuleType:
    """The module `theano`."""
    symnet = sys.modules["symnet"]
    names = {name: getattr(symnet, name) for name in symnet.__all__}
    own = {
        "config": settings,
        "change_flags": settings.change_flags,
        "_asarray": _asarray,
        "Container": Container,
        "FunctionMaker": FunctionMaker,
        "Generic": Generic,
        "InconsistencyError": InconsistencyError,
        "generic": generic,
        "Param": Param,
        "SymbolicInput": In,
        "SymbolicOutput": Out,
        "function_dump": function_dump,
        "get_scalar_constant_value": get_scalar_constant_value,
        "sparse_grad": lambda var: var,
        "__file__": symnet.__file__,
    }
    module = make("theano", {**names, **own, "__version__": VERSION})
    vars(module)["theano"] = module  # which Theano's package found in itself, too
    refuse_in("theano", module)
    return module


def parts(settings: Settings) -> dict[str, ModuleType]:
    """The modules below `theano`, those that hold others first."""
    found: dict[str, ModuleType] = {}
    for package in PACKAGES:
        root = importlib.import_module(f"symnet.{package}")
        below = pkgutil.walk_packages(root.__path__, f"symnet.{package}.")
        for name in [f"symnet.{package}", *(module.name for module in below)]:
            found[name.replace("symnet", "theano", 1)] = importlib.import_module(name)
    for name, source in MODULES.items():
        found.setdefault(name, importlib.import_module(source))
    for name, names in small_modules(settings, _asarray, _allclose).items():
        found[name] = make(name, names)
    # What stands above the modules that bear Theano's names.
    vars(found["theano.tensor.basic"]).update(PRECISION, _allclose=_allclose)
    for name in ("CAReduce", "DimShuffle", "Elemwise", "Sum"):
        own = vars(found["theano.tensor.elemwise"])[name]
        vars(found["theano.tensor.basic"]).setdefault(name, own)
    vars(found["theano.tensor"]).update(_shared=shared, ParamsType=ParamsType)
    vars(found["theano.sparse.basic"]).update(
        _is_sparse=is_sparse_value,
        _is_dense=lambda value: not is_sparse_value(value),
        _mtypes=[scipy_matrix(format) for format in ("csc", "csr")],
        _is_sparse_variable=is_sparse,
        _is_dense_variable=lambda variable: not is_sparse(variable),
    )
    for name, module in found.items():
        refuse_in(name, module)
    return found


def make(name: str, contents: Mapping[str, Any]) -> ModuleType:
    """A package of that name without files."""
    module = ModuleType(name, f"Theano's names, for programs that import {name}.")
    module.__path__ = []
    vars(module).update(contents)
    return module


def _asarray(a: Any, dtype: Any, order: Any = None) -> np.ndarray[Any, Any]:
    """Theano's name for `numpy.asarray` with a dtype ("floatX" is config.floatX)."""
    return np.asarray(
        a, dtype=config.floatX if dtype == "floatX" else dtype, order=order
    )


def _allclose(
    a: Any, b: Any, rtol: float | None = None, atol: float | None = None
) -> bool:
    """Theano's name for `numpy.allclose` with the precision of the narrower dtype, as
    `theano.tensor.basic` says it (`PRECISION`, which a program may change there)."""
    left, right = np.asarray(a), np.asarray(b)
    names = {left.dtype.name, right.dtype.name}
    if "float16" in names:
        dtype = "float16"
    elif names.isdisjoint(("float32", "complex64")):
        dtype = "float64"
    else:
        dtype = "float32"
    known = vars(sys.modules["symnet.tensor.basic"])
    wide, far = known[f"{dtype}_rtol"], known[f"{dtype}_atol"]
    return np.allclose(
        left, right, wide if rtol is None else rtol, far if atol is None else atol
    )
