"""From complex scalars to real ones: each is split into its real and imaginary part.

Formulas of operations are written for complex numbers as for real ones.  When a kernel is
made of them, every complex scalar becomes a pair of real ones, so that a kernel, and all
below it, knows real numbers only.  What is a pair already is a scalar "complex" of two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from symnet.kernels.loopir import complex_arithmetic as arithmetic
from symnet.kernels.loopir import complex_functions as functions
from symnet.kernels.loopir.complex_arithmetic import Parts
from symnet.kernels.loopir.scalars import (
    PARTS,
    Scalar,
    cast,
    literal,
    reduction,
    scalar,
    walk,
)

# The rule of each operation that has or gives complex numbers: of pairs (a real operand is
# itself) a pair, or a real scalar.
RULES: dict[str, Callable[..., Any]] = {
    "complex": lambda re, im: (re, im),
    "real": lambda z: z[0],
    "imag": lambda z: z[1],
    "conj": arithmetic.conjugate,
    "add": arithmetic.add,
    "sub": arithmetic.subtract,
    "mul": arithmetic.multiply,
    "div": arithmetic.divide,
    "neg": arithmetic.negative,
    "abs": arithmetic.absolute,
    "sign": arithmetic.sign,
    "select": arithmetic.choose,
    "eq": arithmetic.equal,
    "ne": arithmetic.not_equal,
    "lt": arithmetic.less,
    "le": arithmetic.less_equal,
    "gt": arithmetic.greater,
    "ge": arithmetic.greater_equal,
    "isnan": arithmetic.is_nan,
    "isinf": arithmetic.is_inf,
    "maximum": arithmetic.maximum,
    "minimum": arithmetic.minimum,
    "exp": functions.exp,
    "exp2": functions.exp2,
    "expm1": functions.expm1,
    "log": functions.log,
    "log2": functions.scaled_log(1 / math.log(2)),
    "log10": functions.scaled_log(1 / math.log(10)),
    "log1p": functions.log1p,
    "sqrt": functions.sqrt,
    "pow": functions.power,
    "sin": functions.sin,
    "cos": functions.cos,
    "tan": functions.tan,
    "sinh": functions.sinh,
    "cosh": functions.cosh,
    "tanh": functions.tanh,
}
# Elements of arrays, which whoever makes a kernel gives as pairs.
ELEMENTS = ("argument", "load", "gather")


def is_complex(value: Scalar) -> bool:
    return value.dtype in PARTS


def can_be_split(roots: Iterable[Scalar]) -> bool:
    """Whether everything complex in a formula has a rule."""
    return all(
        node.op in RULES
        or node.op in ELEMENTS
        or node.op == "cast"
        or (node.op == "reduce" and node.value == "sum")
        for node in walk(roots)
        if is_complex(node) or any(map(is_complex, node.args))
    )


def split(roots: Sequence[Scalar]) -> list[tuple[Scalar, ...]]:
    """The roots as real scalars: one, or the two parts of a complex one.

    Raises: KeyError for an operation without a rule (see `can_be_split`).
    """
    made: dict[int, Scalar | Parts] = {}
    for node in walk(roots):
        args = [made[id(a)] for a in node.args]
        if is_complex(node) or any(map(is_complex, node.args)):
            made[id(node)] = _split(node, args)
        elif all(a is b for a, b in zip(args, node.args, strict=True)):
            made[id(node)] = node
        else:
            real = [a for a in args if isinstance(a, Scalar)]
            made[id(node)] = scalar(node.op, real, node.dtype, node.value)
    found = [made[id(root)] for root in roots]
    return [(one,) if isinstance(one, Scalar) else one for one in found]


def _split(node: Scalar, args: Sequence[Any]) -> Any:
    if node.op == "reduce":
        part = PARTS[node.dtype]
        return tuple([reduction(node.value, one, part) for one in args[0]])
    if node.op != "cast":
        return RULES[node.op](*args)
    (value,) = args
    if not is_complex(node):
        return cast(value[0], node.dtype)  # as NumPy, without the imaginary part
    part = PARTS[node.dtype]
    if isinstance(value, Scalar):
        return cast(value, part), literal(0.0, part)
    return cast(value[0], part), cast(value[1], part)
