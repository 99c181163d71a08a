"""Methods of variables that programs written for Theano use, and what namespaces hold."""

from __future__ import annotations

import ast
import builtins
import importlib
import json
import pathlib
import pkgutil
import subprocess
import sys

import pytest

import symnet
import symnet.tensor as T
from symnet.graph.variables import Variable
from symnet.ops.inputs import SHAPES
from symnet.theano_names import PRECISION

ROOT = pathlib.Path(__file__).parent.parent

# Methods and attributes of variables, and of shared ones.
METHODS = (
    "shape dimshuffle sum reshape ndim mean flatten astype dtype broadcastable T max nonzero "
    "norm size transpose argmax min copy dot repeat ravel std swapaxes diagonal cumsum sort "
    "clip nonzero_values var take zeros_like squeeze all any arccos arccosh arcsin arcsinh "
    "arctan arctanh argmin argsort ceil choose compress conj conjugate cos cosh cumprod "
    "deg2rad exp exp2 expm1 fill floor log log10 log1p log2 ones_like prod ptp rad2deg round "
    "searchsorted sin sinh sqrt tan tanh trace trunc eval clone get_parents owner name tag "
    "type get_scalar_constant_value transfer"
)
ABSENT_METHODS = "equals signature"
SHARED_METHODS = "get_value set_value clone zero default_update container"
TYPE_METHODS = (
    "dtype ndim broadcastable filter filter_variable convert_variable make_variable clone "
    "values_eq"
)
FUNCTION_METHODS = (
    "copy free get_shared maker name trust_input container value input_storage defaults"
)

# What `from symnet.tensor import *` hides, all of it as in Theano.
HIDDEN = {"all", "any", "max", "min", "pow", "round", "sum"}

NAMESPACES = [
    "symnet", "symnet.compile", "symnet.gof", "symnet.gof.graph", "symnet.ifelse",
    "symnet.scalar",
    "symnet.scan_module", "symnet.scan_module.scan_op", "symnet.scan_module.scan_utils",
    "symnet.sparse", "symnet.sparse.sandbox", "symnet.sparse.sandbox.sp2",
    *("symnet.tensor" + rest for rest in (
        "", ".basic", ".elemwise", ".extra_ops", ".fft", ".inplace", ".inputs", ".nlinalg",
        ".nnet", ".nnet.bn", ".opt", ".type",
        ".nnet.nnet", ".nnet.sigm", ".sharedvar", ".slinalg", ".sort", ".subtensor", ".xlogx",
    )),
]  # fmt: skip


def test_methods() -> None:
    x, w = T.matrix("x"), symnet.shared(1.0)
    f = symnet.function([x], x)
    for owner, names in (
        (x, METHODS), (w, METHODS), (w, SHARED_METHODS), (x.type, TYPE_METHODS),
        (f, FUNCTION_METHODS),
    ):  # fmt: skip
        assert [n for n in names.split() if not has_attribute(owner, n)] == []
    assert [n for n in ABSENT_METHODS.split() if hasattr(x, n)] == []


def has_attribute(owner: object, name: str) -> bool:
    """Without calling properties, which may not suit a scalar."""
    return name in dir(owner) or hasattr(owner, name)


HELD = """
import importlib, json, sys
names = sys.argv[1:]
modules = [importlib.import_module(name) for name in names]
asked = [getattr(module, one) for module in modules for one in module.__all__]
below = lambda name: [m.removeprefix(name + ".") for m in sys.modules if m.startswith(name + ".")]
print(json.dumps({n: [list(vars(m)), below(n)] for n, m in zip(names, modules)}))
"""


@pytest.fixture(scope="module")
def held() -> dict[str, list[list[str]]]:
    """What each namespace holds, and which modules below it are loaded, in a process where
    nobody has asked for Theano's names, which come to hold more."""
    command = [sys.executable, "-c", HELD, *NAMESPACES]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, list[list[str]]] = json.loads(told)
    return found


@pytest.mark.parametrize("name", NAMESPACES)
def test_a_namespace_holds_public_names_only(
    name: str, held: dict[str, list[list[str]]]
) -> None:
    module = importlib.import_module(name)
    listed = module.__all__
    assert len(set(listed)) == len(listed)
    assert all(hasattr(module, one) and not one.startswith("_") for one in listed)
    path = pathlib.Path(str(module.__file__))
    below = {
        info.name for info in pkgutil.iter_modules(getattr(module, "__path__", []))
    }
    variables, loaded = map(set, held[name])
    public = {n for n in variables if not n.startswith("_")} - {"annotations"}
    public -= set(PRECISION)  # which Theano's namesake has
    explicit = {"complex", "divmod"} if name == "symnet.tensor" else set()
    assert public - below - loaded == set(listed) - below | explicit
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.For, ast.While))


@pytest.mark.parametrize("name", NAMESPACES)
def test_type_checkers_can_read_which_names_are_public(name: str) -> None:
    """Pyright passes over all that is added to `__all__` in other forms."""
    path = pathlib.Path(str(importlib.import_module(name).__file__))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.AugAssign) and ast.unparse(node.target) == "__all__":
            assert isinstance(node.value, ast.List | ast.Attribute), ast.unparse(node)


def test_star_import_hides_what_theano_hides() -> None:
    assert {n for n in T.__all__ if hasattr(builtins, n)} == HIDDEN
    names: dict[str, object] = {}
    exec("from symnet.tensor import *", names)  # noqa: S102
    assert names["dmatrix"] is T.dmatrix
    assert names["abs_"] is T.abs_
    assert not {"np", "Any", "config", "message", "annotations"} & set(names)


def test_every_constructor_has_its_name() -> None:
    listed = set(importlib.import_module("symnet.tensor.inputs").__all__)
    plural = {word: word + "s" for word in SHAPES} | {"matrix": "matrices"}
    assert listed == {"tensor"} | {
        prefix + word
        for prefix in ("", *"bwilfdcz")
        for word in (*plural, *plural.values())
    }
    for name in listed - {"tensor"}:
        made = getattr(T, name)
        assert getattr(made, "__name__", name) == name
    assert isinstance(T.tensor("int8", shape=(None, 3)), Variable)


def printed(code: str) -> str:
    """What a fresh process prints."""
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return told.stdout


def test_parts_are_there_without_an_import_of_their_own() -> None:
    code = (
        "import sys, symnet; assert 'symnet.optim' not in sys.modules; "
        "print(symnet.optim.adam, symnet.datasets.digits, symnet.debug.load, "
        "symnet.random.RandomStream, symnet.printing.pp, hasattr(symnet, 'optimum'))"
    )
    told = printed(code)
    assert told.endswith(" False\n") and told.count("<") == 5


def test_names_are_listed_before_they_are_imported() -> None:
    code = (
        "import symnet; T = symnet.tensor; print({'pp', 'optim', 'grad'} <= {*dir(symnet)}, "
        "{'nlinalg', 'exp'} <= {*dir(T)}, {'ctc', 'relu'} <= {*dir(T.nnet)})"
    )
    told = printed(code)
    assert told == "True True True\n"


def test_import_starts_nothing() -> None:
    """No module that is slow, or that a user may not have, is imported with symnet."""
    heavy = (
        "llvmlite sympy networkx cupy matplotlib scipy torch rich subprocess unittest html difflib "
        "numpy.random symnet.kernels.gpus symnet.kernels.reference symnet.kernels.llvm.emit "
        "symnet.printing symnet.sparse symnet.tensor.nlinalg symnet.tensor.nnet"
    ).split()
    code = f"import sys, symnet; print([m for m in {heavy} if m in sys.modules])"
    told = printed(code)
    assert told.strip() == "[]"
