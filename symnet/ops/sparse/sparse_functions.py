"""Functions of the stored entries of a sparse matrix.

A function that is 0 at 0 (sin, sqrt) gives the function of the matrix.  Others
(`structured_exp`) leave what is not stored at 0; so does their gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symnet.errors import message
from symnet.graph.variables import Variable, operand_text
from symnet.ops import arithmetic, functions
from symnet.ops.base import as_tensor
from symnet.ops.complex_parts import conj as dense_conj
from symnet.ops.sparse.conversions import CSM, csm_properties
from symnet.ops.sparse.sparse_type import as_sparse_variable

Function = Callable[..., Variable]


def on_entries(function: Function, x: Any, *numbers: Any) -> Variable:
    """`function` of the stored entries of a sparse matrix, and of numbers.

    The entries stay where they are, and the gradient has no others.
    Raises: TypeError for what is not sparse, and for arrays as numbers.
    """
    x = as_sparse_variable(x)
    scalars = [as_tensor(v) for v in numbers]
    for v in scalars:
        if v.type.ndim:
            raise TypeError(
                message(
                    "a function of the entries of a sparse matrix takes numbers besides",
                    operands=[operand_text(x), operand_text(v)],
                    cure="for an array write x + y or x * y",
                )
            )
    data, indices, indptr, shape = csm_properties(x)
    return CSM(x.type.format)(function(data, *scalars), indices, indptr, shape)


def _structured(name: str, function: Function, parameters: str = "x") -> Function:
    """A function of the entries of x that bears a name."""

    def apply(x: Any, *numbers: Any) -> Variable:
        return on_entries(function, x, *numbers)

    apply.__name__ = apply.__qualname__ = name
    what = name.removeprefix("structured_")
    apply.__doc__ = (
        f"{what}({parameters}) of each stored entry of a sparse matrix.\n\n"
        "    What is not stored stays 0, and the gradient has no other entries.\n    "
    )
    return apply


def _rint(x: Variable) -> Variable:
    found: Variable = arithmetic.round(x, mode="half_to_even")
    return found


structured_sigmoid = _structured("structured_sigmoid", functions.sigmoid)
structured_exp = _structured("structured_exp", functions.exp)
structured_log = _structured("structured_log", arithmetic.log)
structured_pow = _structured("structured_pow", arithmetic.pow, "x, y")
structured_minimum = _structured("structured_minimum", arithmetic.minimum, "x, y")
structured_maximum = _structured("structured_maximum", arithmetic.maximum, "x, y")
structured_add = _structured("structured_add", arithmetic.add, "x, y")

sin, tan = _structured("sin", functions.sin), _structured("tan", functions.tan)
arcsin = _structured("arcsin", functions.arcsin)
arctan = _structured("arctan", functions.arctan)
sinh, tanh = _structured("sinh", functions.sinh), _structured("tanh", functions.tanh)
arcsinh = _structured("arcsinh", functions.arcsinh)
arctanh = _structured("arctanh", functions.arctanh)
rint, sgn = _structured("rint", _rint), _structured("sgn", arithmetic.sgn)
ceil, floor = (
    _structured("ceil", arithmetic.ceil),
    _structured("floor", arithmetic.floor),
)
trunc = _structured("trunc", arithmetic.trunc)
log1p = _structured("log1p", functions.log1p)
expm1 = _structured("expm1", functions.expm1)
deg2rad = _structured("deg2rad", functions.deg2rad)
rad2deg = _structured("rad2deg", functions.rad2deg)
sqr, sqrt = _structured("sqr", arithmetic.sqr), _structured("sqrt", arithmetic.sqrt)
conj = _structured("conj", dense_conj)
