"""Comparison and logic on each element.  The results are true or false (logic of integers
goes bit by bit), the derivatives zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, overload

import numpy as np

from symnet.graph.types import FLOATS, INTEGERS
from symnet.graph.variables import Variable
from symnet.kernels.loopir import scalars
from symnet.kernels.loopir.scalars import Scalar, binary, call, literal
from symnet.ops.base import as_tensor, common_dtype
from symnet.ops.elementwise import Elementwise, elementwise


class Foldable(Elementwise):
    """An associative op of two operands that may be called with more, or with one."""

    @overload
    def __call__(
        self, *operands: Any, return_list: Literal[True], **keywords: Any
    ) -> list[Variable]: ...
    @overload
    def __call__(self, *operands: Any, **keywords: Any) -> Variable: ...
    def __call__(self, *operands: Any, **keywords: Any) -> Any:
        if len(operands) == 1:
            return as_tensor(operands[0])
        while len(operands) > 2:
            operands = (super().__call__(*operands[:2]), *operands[2:])
        return super().__call__(*operands, **keywords)


def kind(x: Scalar) -> str:
    """The kind of a scalar's dtype, as NumPy's letters: b, i, u, f, c."""
    return np.dtype(x.dtype).kind


def numbers(variables: Sequence[Variable]) -> list[str]:
    """The common dtype; booleans count as int8."""
    dtype = common_dtype(variables)
    return ["int8" if dtype == "bool" else dtype] * len(variables)


# ---- comparison: the result is bool, the derivative zero


def _compared(variables: Sequence[Variable]) -> list[str]:
    """The dtypes in which numbers are compared: the common one, but that no dtype holds
    both uint64 and a negative number; these stay what they are."""
    common = common_dtype(variables)
    found = [v.type.dtype for v in variables]
    if common in FLOATS and "uint64" in found and set(found) < {*INTEGERS}:
        return ["uint64" if dtype == "uint64" else "int64" for dtype in found]
    return [common] * len(variables)


def _compare(primitive: str, x: Scalar, y: Scalar) -> Scalar:
    """x and y by a primitive; of an int64 and a uint64 the sign is looked at first."""
    if x.dtype == y.dtype:
        return binary(primitive, x, y)
    signed = x if kind(x) == "i" else y
    if primitive in ("eq", "ne"):
        negative = primitive == "ne"
    else:  # the lesser one is asked for on the left, or on the right
        negative = (primitive in ("lt", "le")) == (signed is x)
    as_unsigned = binary(
        primitive, scalars.cast(x, "uint64"), scalars.cast(y, "uint64")
    )
    below = binary("lt", signed, literal(0, "int64"))
    if negative:
        return call("or", below, as_unsigned)
    return call("and", binary("ge", signed, literal(0, "int64")), as_unsigned)


def _comparison(name: str, primitive: str, reference: str, about: str) -> Elementwise:
    """Complex numbers are in NumPy's order: by their real parts, then by the imaginary."""
    return elementwise(
        lambda x, y: _compare(primitive, x, y),
        None,
        reference,
        name=name,
        arity=2,
        compute=_compared,
        result="bool",
        commutative=primitive in ("eq", "ne"),
        about=about,
    )


lt = _comparison(
    "lt",
    "lt",
    "less",
    about="Where x < y.  Gradient: 0; 0.  Example: T.lt(1, 2) = True",
)
le = _comparison(
    "le",
    "le",
    "less_equal",
    about="Where x <= y.  Gradient: 0; 0.  Example: T.le(2, 2) = True",
)
gt = _comparison(
    "gt",
    "gt",
    "greater",
    about="Where x > y.  Gradient: 0; 0.  Example: T.gt(1, 2) = False",
)
ge = _comparison(
    "ge",
    "ge",
    "greater_equal",
    about="Where x >= y.  Gradient: 0; 0.  Example: T.ge(2, 2) = True",
)
eq = _comparison(
    "eq",
    "eq",
    "equal",
    about="Where x and y are equal; NaN is equal to nothing.  Gradient: 0; 0.  Example: "
    "T.eq(1, 2) = False",
)
neq = _comparison(
    "neq",
    "ne",
    "not_equal",
    about="Where x and y differ; NaN differs from all.  Gradient: 0; 0.  Example: T.neq(1, 2)"
    " = True",
)


def _test(name: str, about: str) -> Elementwise:
    """isnan, isinf: False for every integer."""
    return elementwise(
        lambda x: call(name, x) if kind(x) in "fc" else literal(False, "bool"),
        None,
        name,
        name=name,
        result="bool",
        about=about,
    )


isnan = _test(
    "isnan",
    about="Where x is NaN; of integers nowhere.  Gradient: 0.  Example: T.isnan(0.5) = False",
)
isinf = _test(
    "isinf",
    about="Where x is infinite, of either sign; of integers nowhere.  Gradient: 0.  Example: "
    "T.isinf(-np.inf) = True",
)


# ---- logic: of booleans, or bit by bit of integers


def _logic(name: str, primitive: str, reference: str, about: str) -> Foldable:
    return Foldable(
        name,
        2,
        lambda x, y: call(primitive, x, y),
        None,
        reference,
        accepts="biu",
        commutative=True,
        about=about,
    )


and_ = _logic(
    "and_",
    "and",
    "bitwise_and",
    about="And of booleans; of integers bit by bit.  Further operands follow in turn.  "
    "Gradient: 0; 0.  Example: T.and_(6, 3) = 2",
)
or_ = _logic(
    "or_",
    "or",
    "bitwise_or",
    about="Or of booleans; of integers bit by bit.  Further operands follow in turn.  "
    "Gradient: 0; 0.  Example: T.or_(6, 3) = 7",
)
xor = _logic(
    "xor",
    "xor",
    "bitwise_xor",
    about="Exclusive or of booleans; of integers bit by bit.  Further operands follow in "
    "turn.  Gradient: 0; 0.  Example: T.xor(6, 3) = 5",
)
bitwise_and, bitwise_or, bitwise_xor = and_, or_, xor
invert = elementwise(
    lambda x: call("not", x),
    None,
    "invert",
    name="invert",
    accepts="biu",
    about="Not of booleans; of integers ~x, bit by bit.  Gradient: 0.  Example: T.invert(5) ="
    " -6",
)
bitwise_not = invert
