"""Complex numbers: made of two parts, taken apart, conjugated.

In formulas they are scalars like others; kernels are made of their parts
(`kernels.loopir.split_complex`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from symnet.graph.types import COMPLEX
from symnet.graph.variables import Variable
from symnet.kernels.loopir.scalars import PARTS, Scalar, call, scalar
from symnet.ops.arithmetic import real_dtype, second
from symnet.ops.base import as_tensor, common_dtype, to_float, upcast
from symnet.ops.comparison import kind
from symnet.ops.elementwise import Elementwise, cast, elementwise


def parts_dtypes(variables: Sequence[Variable]) -> list[str]:
    """Both real parts in one float dtype, at least float32."""
    return [upcast(to_float(common_dtype(variables)), "float32")] * 2


def complex_dtype(dtypes: Sequence[str]) -> str:
    """The dtype of a complex number whose parts have these."""
    return "complex64" if dtypes[0] == "float32" else "complex128"


def of_parts(re: Scalar, im: Scalar) -> Scalar:
    """The complex scalar of two real ones."""
    return scalar("complex", (re, im), complex_dtype([re.dtype]))


def _part(name: str) -> Callable[[Scalar], Scalar]:
    return lambda z: call(name, z, dtype=PARTS[z.dtype])


def joined_parts(xp: Any, re: Any, im: Any) -> Any:
    """Complex numbers of their parts by NumPy.  In re + 1j * im an infinity would make NaN,
    and signs of zeros be lost."""
    re, im = xp.broadcast_arrays(re, im)
    joined = xp.empty(re.shape, complex_dtype([re.dtype.name]))
    joined.real[...] = re
    joined.imag[...] = im
    return joined


complex = elementwise(
    of_parts,
    lambda g, out, re, im: (real(g), imag(g)),
    joined_parts,
    name="complex", arity=2, compute=parts_dtypes, accepts="f", holomorphic=False,
    result=complex_dtype,
    about="The complex number x + i y.  Example: T.complex(1.0, 2.0) = (1+2j)",
)  # fmt: skip
conj: Elementwise = elementwise(
    lambda x: call("conj", x) if kind(x) == "c" else x,
    lambda g, out, x: (conj(g),),
    "conj",
    name="conj",
    holomorphic=False,
    about="The complex conjugate; a real number itself.  Example: T.conj(1 - 2j) = (1+2j)",
)
real_part = elementwise(
    _part("real"),
    lambda g, out, z: (complex(g, 0),),
    "real", name="real", result=lambda dtypes: real_dtype(dtypes[0]), accepts="c",
    holomorphic=False,
    about="The real part.",
)  # fmt: skip
imaginary_part = elementwise(
    _part("imag"),
    lambda g, out, z: (complex(0, g),),
    "imag", name="imag", result=lambda dtypes: real_dtype(dtypes[0]), accepts="c",
    holomorphic=False,
    about="The imaginary part.",
)  # fmt: skip


def real(z: Any) -> Variable:
    """The real part; a real variable itself.

    >>> T.real(1 + 2j).eval()
    array(1.)
    """
    variable = as_tensor(z)
    return real_part(variable) if variable.type.dtype in COMPLEX else variable


def imag(z: Any) -> Variable:
    """The imaginary part; zeros for a real variable.

    >>> T.imag(1 + 2j).eval()
    array(2.)
    """
    variable = as_tensor(z)
    dtype = variable.type.dtype
    result: Variable
    result = (
        imaginary_part(variable)
        if dtype in COMPLEX
        else second(variable, cast(0, dtype))
    )
    return result


def conjugate(x: Variable) -> Variable:
    """The complex conjugate; a real array as it is."""
    return conj(x) if x.type.dtype in COMPLEX else x
