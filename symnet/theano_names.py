"""Programs written for Theano, run as they stand.

`install_as_theano()` makes `import theano` find symnet: each module of Theano whose names
exist here gets an entry in `sys.modules`.  What does not exist is refused by a message
that says what does.
"""

from __future__ import annotations

import difflib
import importlib
import os
import pkgutil
import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from symnet.config import CHOICES, config
from symnet.gradient import verify_grad
from symnet.ops.sparse.sparse_type import (
    SparseType,
    is_sparse,
    is_sparse_value,
    scipy_matrix,
)
from symnet.shared import shared

# The release whose names these are: programs that ask choose their newest branch.
VERSION = "1.0.5"

# Packages that are found under the same name in Theano, with all that is in them.
PACKAGES = ("gof", "sandbox", "scan_module", "sparse", "tensor")

# Theano's other modules, and where their names are.
MODULES = {
    "theano.compile": "symnet.compile",
    "theano.compile.builders": "symnet.ops.from_graph",
    "theano.compile.debugmode": "symnet.compile.debugmode",
    "theano.compile.function_module": "symnet.compile.function",
    "theano.compile.io": "symnet.compile.arguments",
    "theano.compile.mode": "symnet.compile.modes",
    "theano.compile.monitormode": "symnet.compile.monitormode",
    "theano.compile.nanguardmode": "symnet.compile.nanguardmode",
    "theano.compile.ops": "symnet.compile",
    "theano.compile.pfunc": "symnet.compile.function",
    "theano.compile.sharedvalue": "symnet.shared",
    "theano.gof.fg": "symnet.rewriting.function_graph",
    "theano.gof.null_type": "symnet.graph.types",
    "theano.gof.op": "symnet.gof",
    "theano.gof.type": "symnet.gof",
    "theano.gradient": "symnet.gradient",
    "theano.ifelse": "symnet.ifelse",
    "theano.printing": "symnet.printing",
    "theano.scalar": "symnet.scalar",
    "theano.scalar.basic": "symnet.scalar",
    "theano.scan_module.scan": "symnet.scan_module",
    "theano.scan_module.scan_checkpoints": "symnet.scan_module",
    "theano.scan_module.scan_views": "symnet.scan_module",
    "theano.sparse.sharedvar": "symnet.sparse_shared",
    "theano.sparse.type": "symnet.ops.sparse.sparse_type",
    "theano.tensor.type": "symnet.tensor.basic",
    "theano.updates": "symnet.updates",
    "theano.tensor.var": "symnet.tensor.basic",
}

# Settings that say how Theano does its work: they are kept, and mean nothing here.
WITHOUT_EFFECT: dict[str, Any] = {
    "allow_gc": True, "base_compiledir": "", "compiledir": "", "cxx": "",
    "cycle_detection": "regular",
    "deterministic": "default", "force_device": False, "init_gpu_device": "",
    "linker": "cvm", "on_opt_error": "warn", "on_shape_error": "warn", "openmp": False,
    "optimizer": "fast_run", "optimizer_excluding": "", "optimizer_including": "",
    "print_active_device": True, "profile": False, "profile_memory": False,
    "profile_optimizer": False, "reoptimize_unpickled_function": False,
}  # fmt: skip
GROUPS = (
    "DebugMode NanGuardMode blas cmodule conv cuda dnn experimental gcc gpuarray lib metaopt "
    "numpy nvcc optdb profiling pthreads scan tensor traceback unittests vm warn"
).split()
MODE_NAMES = {"Mode": "FAST_RUN", "DEBUG_MODE": "DebugMode"}


# How near `theano.tensor.basic._allclose` asks values to be.
PRECISION = {
    "float16_rtol": 1e-3, "float32_rtol": 1e-5, "float64_rtol": 1e-5,
    "float16_atol": 1e-3, "float32_atol": 1e-5, "float64_atol": 1e-8,
}  # fmt: skip


class Warnings(SimpleNamespace):
    """`theano.config.warn`: warnings of old faults of Theano, none of which is on."""

    def __getattr__(self, name: str) -> bool:
        if name.startswith("__"):
            raise AttributeError(name)
        return False


class Settings:
    """`theano.config`: the settings of `symnet.config` under Theano's names, and Theano's
    own, which have no effect.

    Raises: AttributeError for a name that Theano does not have either; ValueError for a
    value that cannot be had, such as a device that does not exist.
    """

    def __init__(self) -> None:
        vars(self).update(WITHOUT_EFFECT)
        vars(self).update({group: SimpleNamespace() for group in GROUPS})
        vars(self)["warn"] = Warnings()
        self.blas.ldflags = ""
        self.conv.assert_shape = True

    def __getattr__(self, name: str) -> Any:
        if name in CHOICES:
            return getattr(config, name)
        raise AttributeError(refusal("theano.config", name, [*CHOICES, *vars(self)]))

    def __setattr__(self, name: str, value: Any) -> None:
        if name in CHOICES:
            setattr(
                config, name, MODE_NAMES.get(value, value) if name == "mode" else value
            )
        elif name in vars(self):
            vars(self)[name] = value
        else:
            raise AttributeError(
                refusal("theano.config", name, [*CHOICES, *vars(self)])
            )

    def read_flags(self, text: str) -> None:
        """Take settings as `THEANO_FLAGS` holds them: "floatX=float32,warn.round=False"."""
        for flag in filter(None, (part.strip() for part in text.split(","))):
            name, _, value = flag.partition("=")
            truth = {"True": True, "False": False}
            place = self._place(name.strip())
            setattr(*place, truth.get(value.strip(), value.strip()))

    def _place(self, name: str) -> tuple[Any, str]:
        """Whose attribute a setting is: that of a group, as "conv.assert_shape", or of all."""
        group, _, last = name.rpartition(".")
        return (getattr(self, group.partition(".")[0]) if group else self), last

    @contextmanager
    def change_flags(
        self, args: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), **settings: Any
    ) -> Iterator[Settings]:
        """Within the `with` block, or the decorated function, the given settings hold."""
        settings = {**dict(args), **settings}
        places = [self._place(name) for name in settings]
        old = [(owner, last, getattr(owner, last)) for owner, last in places]
        try:
            for name, value in settings.items():
                setattr(*self._place(name), value)
            yield self
        finally:
            for owner, last, value in old:
                setattr(owner, last, value)


def refusal(where: str, name: str, known: Iterable[str]) -> str:
    """The text of an error for a name that does not exist."""
    near = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.7)
    hint = f"; there is {', '.join(near)}" if near else ""
    return f"symnet does not have {where}.{name}{hint}"


class Missing(MetaPathFinder):
    """Refuses modules of Theano that symnet does not have.

    Without it Python would look for them in symnet's own folders, and load what it finds
    there a second time.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        if name.startswith("theano."):
            where, _, last = name.rpartition(".")
            beside = [n for n in sys.modules if n.rpartition(".")[0] == where]
            names = sorted(n.rpartition(".")[2] for n in beside)
            cure = f"\n  modules of {where}: {', '.join(names) or 'none'}"
            raise ModuleNotFoundError(refusal(where, last, names) + cure, name=name)


def install_as_theano() -> None:
    """Make `import theano` and the modules below it find symnet in this process.

    The settings in the environment variable THEANO_FLAGS are taken too.
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
    settings.read_flags(os.environ.get("THEANO_FLAGS", ""))
    for name, module in {"theano": top(settings), **parts(settings)}.items():
        sys.modules[name] = module
        where, _, last = name.rpartition(".")
        if where and not hasattr(sys.modules[where], last):
            setattr(sys.modules[where], last, module)
    sys.meta_path.insert(0, Missing())


def top(settings: Settings) -> ModuleType:
    """The module `theano`."""
    symnet = sys.modules["symnet"]
    names = {name: getattr(symnet, name) for name in symnet.__all__}

    def missing(name: str) -> Any:
        raise AttributeError(refusal("theano", name, names))

    own = {
        "config": settings,
        "change_flags": settings.change_flags,
        "_asarray": _asarray,
    }
    return make(
        "theano", {**names, **own, "__version__": VERSION, "__getattr__": missing}
    )


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
    for name, contents in small_modules(settings).items():
        found[name] = make(name, contents)
    vars(found["theano.tensor.basic"]).update(PRECISION, _allclose=_allclose)
    vars(found["theano.tensor"])["_shared"] = shared
    vars(found["theano.sparse.basic"]).update(
        _is_sparse=is_sparse_value,
        _is_dense=lambda value: not is_sparse_value(value),
        _mtypes=[scipy_matrix(format) for format in ("csc", "csr")],
        _is_sparse_variable=is_sparse,
        _is_dense_variable=lambda variable: not is_sparse(variable),
    )
    return found


def small_modules(settings: Settings) -> dict[str, dict[str, Any]]:
    """Modules of Theano that are a few names only."""
    version = {"full_version": VERSION, "short_version": VERSION, "version": VERSION}
    testing = {
        "verify_grad": verify_grad,
        "assert_allclose": np.testing.assert_allclose,
    }
    flags = {"config": settings, "change_flags": settings.change_flags}
    return {
        "theano.compat": {"OrderedDict": OrderedDict, "PY3": True},
        "theano.compat.python2x": {"OrderedDict": OrderedDict},
        "theano.configparser": flags,
        "theano.misc": {},
        "theano.misc.may_share_memory": {
            "may_share_memory": lambda a, b, raise_other_type=True: (
                SparseType.may_share_memory(a, b)
            )
        },
        "theano.misc.safe_asarray": {"_asarray": _asarray},
        # There is no GPU: programs ask before they use one.
        "theano.gpuarray": {"pygpu_activated": False},
        "theano.gpuarray.dnn": {
            "dnn_available": lambda *names: False,
            "dnn_present": lambda: False,
        },
        "theano.sandbox.cuda": {"cuda_available": False, "cuda_enabled": False},
        "theano.sandbox.cuda.dnn": {"dnn_available": lambda: False},
        "theano.tests": {},
        "theano.tests.unittest_tools": testing,
        "theano.version": version,
    }


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
