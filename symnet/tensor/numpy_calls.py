"""NumPy's functions called with symbolic variables: `np.exp(x)`, `np.sum(x, axis=0)`.

NumPy hands such calls over: those of its elementwise functions to `__array_ufunc__`
(NEP 13), those of others to `__array_function__` (NEP 18), and what wants an array of
numbers to `__array__`.  Each does what the function of `symnet.tensor` does, or raises: an
array of Python objects, which NumPy would make, computes something else without a word
(`np.dot` of two such arrays multiplies elementwise).  Programs for Theano rely on such
arrays, in `np.sum([x, y])`: `install_as_theano()` has them made, with a warning.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from symnet.errors import briefly, message
from symnet.graph.variables import Constant, Variable, operand_text
from symnet.lazy import imported_when_called
from symnet.ops.methods import method as attached
from symnet.shared import SharedVariable

if TYPE_CHECKING:
    from symnet.tensor.numpy_table import function
    from symnet.tensor.numpy_ufuncs import elementwise, reduction
else:
    UFUNCS, TABLE = "symnet.tensor.numpy_ufuncs", "symnet.tensor.numpy_table"
    elementwise = imported_when_called(UFUNCS, "elementwise")
    reduction = imported_when_called(UFUNCS, "reduction")
    function = imported_when_called(TABLE, "function")


@attached("__array_ufunc__")
@briefly
def apply_elementwise(
    self: Variable, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any
) -> Any:
    """What `ufunc(*inputs)` is where an input is a variable.

    method: how it is called: `__call__` or `reduce`.
    Raises: TypeError for other kinds, for functions that `symnet.tensor` lacks, and for
    `out`: nothing can be written into an array while a graph is built.
    """
    name = ufunc.__name__
    if keywords.get("out") is not None:
        raise TypeError(
            message(
                f"np.{name} cannot write what a symbolic variable will be into an array",
                operands=_operands(inputs),
                cure="write a = a + x in the place of a += x: the result is a variable",
            )
        )
    if method == "reduce" and (reduce := reduction(name)) is not None:
        entry = reduce, "a | axis dtype out keepdims"
        return _call(f"np.{name}.reduce", entry, inputs, {"axis": 0, **keywords})
    if method != "__call__":
        raise _unknown(f"np.{name}.{method}", inputs)
    ours = elementwise(name)
    if ours is None:
        raise _unknown(f"np.{name}", inputs)
    for keyword, value in keywords.items():
        if not _means_nothing(keyword, value):
            raise _no_argument(f"np.{name}", keyword, inputs)
    return ours(*inputs)


@attached("__array_function__")
@briefly
def apply_function(
    self: Variable,
    called: Callable[..., Any],
    kinds: Iterable[type],
    arguments: tuple[Any, ...],
    keywords: Mapping[str, Any],
) -> Any:
    """What `called(*arguments, **keywords)` is where an argument holds a variable.

    Raises: TypeError for functions and arguments that `symnet.tensor` lacks.
    """
    module = (getattr(called, "__module__", None) or "numpy").split(".")
    short = [part for part in module if part in ("linalg", "fft")]
    name = ".".join([*short, called.__name__])
    entry = function(name)
    if entry is None:
        raise _unknown(f"np.{name}", arguments)
    return _call(f"np.{name}", entry, arguments, keywords)


def _call(
    name: str,
    entry: tuple[Callable[..., Any], str],
    arguments: tuple[Any, ...],
    keywords: Mapping[str, Any],
) -> Any:
    """Call one of ours with arguments that are given as NumPy's (see `numpy_table.FUNCTIONS`)."""
    ours, parameters = entry
    first, _, others = parameters.partition("|")
    if first.strip() == "*":
        return ours(*arguments, **keywords)
    placed, named = first.split(), others.split()
    if len(arguments) > len(placed) + len(named):
        raise TypeError(f"{name} takes {parameters}, not {len(arguments)} arguments")
    given = {**dict(zip([*placed, *named], arguments)), **keywords}
    missing = [key for key in placed if key not in given]
    if missing:
        raise TypeError(f"{name} needs {', '.join(missing)}")
    known = _names(ours)
    passed = {k: v for k, v in given.items() if k not in placed}
    passed = {k: v for k, v in passed.items() if not _means_nothing(k, v)}
    for keyword in passed:
        if keyword not in known:
            raise _no_argument(name, keyword, arguments)
    return ours(*[given[key] for key in placed], **passed)


def _names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a function's parameters; those of an operation have none."""
    code = getattr(getattr(function, "__wrapped__", function), "__code__", None)
    if code is None:
        return ()
    return tuple(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])


# Arguments that say how NumPy works, at the values that it has without them.
DEFAULTS: dict[str, tuple[Any, ...]] = {
    "order": ("C", "K", None), "casting": ("same_kind",), "subok": (True, False),
    "copy": (True, None), "where": (True,), "kind": (None,), "hermitian": (False,),
    "equal_nan": (False,), "device": (None, "cpu"), "mode": ("raise",),
    "upper": (False,), "stable": (None,), "dtype": (None,), "out": (None,),
    "initial": (None,), "sorter": (None,), "shape": (None,), "rcond": (None,),
    "weights": (None,), "returned": (False,),
}  # fmt: skip


def _means_nothing(name: str, value: Any) -> bool:
    """Whether an argument is what it is when nobody gives it."""
    if value is getattr(np, "_NoValue", None):
        return True
    plain = value is None or isinstance(value, (bool, str))
    return plain and value in DEFAULTS.get(name, ())


def _operands(values: Iterable[Any]) -> list[str]:
    """Texts of the variables among the arguments, also of those in a list."""
    flat: list[Any] = []
    for value in values:
        flat += value if isinstance(value, (list, tuple)) else [value]
    return [operand_text(v) for v in flat if isinstance(v, Variable)]


def _unknown(name: str, values: Iterable[Any]) -> TypeError:
    return TypeError(
        message(
            f"{name} cannot be called with symbolic variables",
            operands=_operands(values),
            cure="compose it of the functions of symnet.tensor, write an operation with "
            "symnet.as_op, or compute numbers first: x.eval(), w.get_value()",
        )
    )


def _no_argument(name: str, argument: str, values: Iterable[Any]) -> TypeError:
    return TypeError(
        message(
            f"{name} of symbolic variables does not take `{argument}`",
            operands=_operands(values),
        )
    )


@attached("__array__")
@briefly
def array(self: Variable, dtype: Any = None, copy: bool | None = None) -> Any:
    """The numbers of a constant, or a copy of those of a shared variable, as
    `np.asarray` asks for them.

    Other variables have none until a function runs.  Where `Objects.made` is set, they are
    the object in an array of objects, with a warning.
    Raises: TypeError for them elsewhere;
    ValueError where `copy=False` and numbers of a shared variable are meant.
    """
    if isinstance(self, SharedVariable):
        if copy is False:
            raise ValueError(
                f"the numbers of {operand_text(self)} are copied, for calls write to them: "
                "w.get_value(borrow=True) is the array itself"
            )
        return np.asarray(self.get_value(), dtype=dtype)
    if isinstance(self, Constant):
        return np.array(self.data, dtype=dtype, copy=copy)
    cure = (
        "T.stack([x, y]) and T.as_tensor_variable join variables into one; "
        "x.eval() computes the numbers"
    )
    if Objects.made and dtype in (None, object):
        what = "as with Theano, NumPy makes an array of objects of symbolic variables"
        warnings.warn(
            message(what, cure=cure), stacklevel=3
        )  # one text: told once a line
        made = np.empty((), dtype=object)
        made[()] = self
        return made
    what = "a symbolic variable has no numbers yet, which an array of NumPy holds"
    raise TypeError(message(what, operands=[operand_text(self)], cure=cure))


class Objects:
    """Whether NumPy makes arrays of objects of variables, as it did of Theano's:
    `np.sum([x, y])` is x + y then."""

    made = False
