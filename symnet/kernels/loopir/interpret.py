"""What scalar expressions mean, in NumPy: the judge of the expansions and printers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symnet.kernels.loopir.scalars import GROUP_BLOCKS, GROUP_NUMBERS, Scalar, walk

Array = np.ndarray[Any, np.dtype[Any]]


def evaluate(roots: Sequence[Scalar], arguments: Sequence[Any]) -> list[Array]:
    """The values of `roots` where "argument" and "load" k stand for arguments[k].

    Shapes: the arguments broadcast against each other.  Dtypes: those of the scalars.
    Raises: KeyError for what has no meaning outside of a loop ("reduce", "index", ...)
    and for mathematical functions, which `math.expand` removes.
    """
    arrays = [np.asarray(argument) for argument in arguments]
    values: dict[int, Array] = {}
    with np.errstate(all="ignore"):
        for node in walk(roots):
            if node.op == "literal":
                text = isinstance(node.value, str)
                value: Any = np.array(float(node.value) if text else node.value)
            elif node.op in ("argument", "load"):
                value = arrays[node.value]
            elif node.op in ("cast", "bitcast"):
                value = MEANING[node.op](values[id(node.args[0])], node.dtype)
            else:
                value = MEANING[node.op](*(values[id(a)] for a in node.args))
            values[id(node)] = np.asarray(value).astype(node.dtype, copy=False)
    return [values[id(root)] for root in roots]


def fma(a: Array, b: Array, c: Array) -> Array:
    """The sum a * b + c with one rounding (rarely two: in subnormal results)."""
    if a.dtype != np.float64:
        return (a.astype(np.float64) * b + c).astype(a.dtype)
    high, low, shift = _scaled_product(a, b)
    shifted = np.ldexp(c, -shift)
    total = high + shifted
    back = total - high
    rest = (high - (total - back)) + (shifted - back) + low
    exact = total + rest
    usable = np.isfinite(exact) & (exact != 0)
    return np.where(usable, np.ldexp(exact, shift), a * b + c)


def gammaln(x: Array) -> Array:
    """SciPy's log |gamma(x)|, which is infinite for the smallest numbers: -log |x| there."""
    # SciPy takes long to import, and few programs need it.
    from scipy import special

    size = np.abs(x)
    small = (size > 0) & (size < 2 * np.finfo(np.float64).tiny)
    found = special.gammaln(x)
    return np.where(small, -np.log(np.where(small, size, 1)), found).astype(x.dtype)


def _scaled_product(a: Array, b: Array) -> tuple[Array, Array, Array]:
    """(high, low, n): a * b = (high + low) * 2**n exactly.  Source: Dekker 1971."""
    x, n = np.frexp(a)
    y, m = np.frexp(b)
    (x1, x2), (y1, y2) = _halves(x), _halves(y)
    high = x * y
    low = ((x1 * y1 - high) + x1 * y2 + x2 * y1) + x2 * y2
    return high, low, n + m


def _halves(x: Array) -> tuple[Array, Array]:
    """Two numbers of 26 bits whose sum is x."""
    shifted = x * 134217729.0
    upper = shifted - (shifted - x)
    return upper, x - upper


def cast_array(a: Array, dtype: str) -> Array:
    """An array in another dtype.

    Floats that do not fit uint32 are the lower bits of an int64, as in machine code;
    NumPy has a value for those in a vector, another for those behind the last one.
    """
    if dtype == "uint32" and a.dtype.kind == "f":
        a = a.astype("int64")
    return a.astype(dtype)


def _bitcast(a: Array, dtype: str) -> Array:
    return np.ascontiguousarray(a).view(dtype)


def _block_of(place: Array) -> Array:
    return np.asarray(place // GROUP_NUMBERS * GROUP_BLOCKS + place % GROUP_BLOCKS)


def _word_of(place: Array, *words: Array) -> Array:
    return np.asarray(np.choose(place // GROUP_BLOCKS % 4, words))


def _in_float64(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    return lambda a: function(a.astype(np.float64))


MEANING: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "floordiv": np.floor_divide,
    "mod": np.mod,
    "neg": np.negative,
    "abs": np.abs,
    "fma": fma,
    "minimum": np.minimum,
    "maximum": np.maximum,
    "sqrt": np.sqrt,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "not": np.invert,
    "shift_left": np.left_shift,
    "shift_right": np.right_shift,
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "rint": np.rint,
    "select": np.where,
    "cast": cast_array,
    "bitcast": _bitcast,
    "isnan": np.isnan,
    "isinf": np.isinf,
    "copysign": np.copysign,
    "block_of": _block_of,
    "word_of": _word_of,
    "libm_sin": _in_float64(np.sin),
    "libm_cos": _in_float64(np.cos),
    "libm_tan": _in_float64(np.tan),
}
