"""Special functions of each element: error, gamma and Bessel functions.

They take reals; where a domain ends the value is NaN or infinite as in SciPy, whose
functions are the references.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from symnet.graph.types import NullType
from symnet.graph.variables import Variable, make_variable
from symnet.kernels.loopir.interpret import gammaln as finite_gammaln
from symnet.kernels.loopir.scalars import Scalar, call, literal, select
from symnet.ops.arithmetic import log, mul, sgn, sqr
from symnet.ops.elementwise import Elementwise, elementwise
from symnet.ops.functions import Derivative, exp, known_function

# What `symnet.tensor` has of them.
__all__ = [
    "chi2sf", "erf", "erfc", "erfcinv", "erfcx", "erfinv", "gamma", "gammainc",
    "gammaincc", "gammal", "gammaln", "gammau", "i0", "i1", "iv", "j0", "j1", "jv",
    "ive", "polygamma", "psi", "tri_gamma",
]  # fmt: skip


# Those of which kernels have C functions only, and CuPy code for GPUs.
OF_CUPY = ("gammainc", "gammaincc", "j0", "j1", "i0", "i1")


def _special(
    name: str,
    derivative: Derivative,
    arity: int = 1,
    about: str = "",
    accepts: str = "f",
) -> Elementwise:
    """A function whose reference is SciPy's of the same name; of integers it is floatX,
    also of small ones, as SciPy's."""
    reference = from_scipy(name)
    found = known_function(
        name, derivative, reference, arity, accepts, about, compute="floatX"
    )
    found.device_arrays = name in OF_CUPY
    return found


def from_scipy(name: str) -> Callable[..., Any]:
    def reference(xp: Any, *arrays: Any) -> Any:
        if name == "gammaln" and xp is np:
            return finite_gammaln(np.asarray(*arrays))
        # scipy.special takes long to import, and few programs need it.
        if xp.__name__ != "cupy":
            return getattr(importlib.import_module("scipy.special"), name)(*arrays)
        # CuPy computes in the dtype that it gets, SciPy's functions in float64.
        wide = [array.astype("float64") for array in arrays]
        return getattr(importlib.import_module("cupyx.scipy.special"), name)(*wide)

    return reference


def _undefined(why: str) -> Variable:
    """The gradient that does not exist."""
    return make_variable(NullType(why))


# ---- error functions

PER_ROOT_PI = 2 / math.sqrt(math.pi)

erf = _special(
    "erf",
    lambda g, out, x: (g * PER_ROOT_PI * exp(-sqr(x)),),
    accepts="fc",
    about="The error function, 2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x.  "
    "Gradient: 2 / sqrt(arccos(-1)) * exp(-(x**2)).  Example: T.erf(0.5) = 0.520499...",
)
erfc = _special(
    "erfc",
    lambda g, out, x: (-g * PER_ROOT_PI * exp(-sqr(x)),),
    about="1 - erf(x), exact also where that is small.  Gradient: -2 / sqrt(arccos(-1)) * "
    "exp(-(x**2)).  Example: T.erfc(3.0) = 2.20904...e-05",
)
# exp(x*x) * erfc(x)
erfcx = _special(
    "erfcx",
    lambda g, out, x: (g * (2 * x * out - PER_ROOT_PI),),
    about="exp(x**2) * erfc(x), which does not underflow.  Gradient: 2 * x * erfcx(x) - 2 / "
    "sqrt(arccos(-1)).  Example: T.erfcx(30.0) = 0.018795...",
)
erfinv = _special(
    "erfinv",
    lambda g, out, x: (g / PER_ROOT_PI * exp(sqr(out)),),
    about="The inverse of erf; infinite at -1 and 1, NaN beyond.  Gradient: sqrt(arccos(-1)) "
    "/ 2 * exp(erfinv(x) ** 2).  Example: T.erfinv(0.5) = 0.476936...",
)
erfcinv = _special(
    "erfcinv",
    lambda g, out, x: (-g / PER_ROOT_PI * exp(sqr(out)),),
    about="The inverse of erfc; infinite at 0 and 2, NaN beyond.  Gradient: -sqrt(arccos(-1))"
    " / 2 * exp(erfcinv(x) ** 2).  Example: T.erfcinv(0.5) = 0.476936...",
)

# ---- gamma functions

gamma = _special(
    "gamma",
    lambda g, out, x: (g * out * psi(x),),
    about="The gamma function: gamma(n + 1) is n factorial.  Gradient: gamma(x) * psi(x).  "
    "Example: T.gamma(5.0) = 24.0",
)
gammaln = _special(
    "gammaln",
    lambda g, out, x: (g * psi(x),),
    about="The logarithm of abs(gamma(x)).  Gradient: psi(x).  Example: T.gammaln(100.0) = "
    "359.134205...",
)
psi: Elementwise = _special(
    "psi",
    lambda g, out, x: (g * tri_gamma(x),),
    about="The digamma function, the derivative of log(gamma(x)).  Gradient: tri_gamma(x).  "
    "Example: T.psi(2.0) = 0.422784...",
)


# The numbers of Bernoulli of even index, from 2 on.
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)


def _cotangent_factors(order: int) -> list[int]:
    """Q: the derivative of cot(x) of this order is (1 + c**2) Q(c) of c = cot(x)."""
    q = [-1]
    for _ in range(order - 1):
        slope = [k * c for k, c in enumerate(q)][1:]
        q = [
            -(2 * a + b + c)
            for a, b, c in zip([0, *q], [*slope, 0, 0], [0, 0, *slope])
        ]  # fmt: skip
    return q


def _polygamma(order: int) -> Callable[[Scalar], Scalar]:
    """The derivative of psi of this order, from 1 on.

    Source: Abramowitz & Stegun 6.4.7 (reflection for x < 1/2), 6.4.6 (recurrence, ten
    steps up), 6.4.11 (asymptotic series, truncated behind B14).
    """
    below, whole = math.factorial(order - 1), math.factorial(order)
    sign = 1 if order % 2 else -1

    def power(x: Scalar, n: int) -> Scalar:
        return x if n == 1 else x * power(x, n - 1)

    def body(x: Scalar) -> Scalar:
        mirrored = x < 0.5
        z = select(mirrored, 1.0 - x, x)
        total = literal(0.0, x.dtype)
        for step in range(10):
            total = total + 1.0 / power(z + float(step), order + 1)
        w = 1.0 / (z + 10.0)
        series = literal(0.0, x.dtype)
        for k in range(len(BERNOULLI), 0, -1):
            factor = math.factorial(2 * k + order - 1) / math.factorial(2 * k)
            series = series * (w * w) + BERNOULLI[k - 1] * factor
        tail = float(below) + w * (0.5 * whole + w * series)
        size = float(whole) * total + power(w, order) * tail
        # The sine of pi*x keeps its zeros when x is brought near 0 first; all are positive.
        near = (x - call("rint", x)) * math.pi + 0.0
        sine, cosine = call("sin", near), call("cos", near)
        above = literal(0.0, x.dtype)
        for k, factor in enumerate(_cotangent_factors(order)):
            if factor:  # of every second power
                term = literal(factor * math.pi ** (order + 1), x.dtype)
                for part in [cosine] * k + [sine] * (order - 1 - k):
                    term = term * part
                above = above + term
        reflected = above / power(sine, order + 1)
        return select(mirrored, -size - reflected, float(sign) * size)

    return body


def _of_order(
    order: int, name: str, derivative: Derivative, about: str = ""
) -> Elementwise:
    return elementwise(
        _polygamma(order),
        derivative,
        lambda xp, x: from_scipy("polygamma")(xp, order, x),
        name=name, compute="floatX", accepts="f", about=about,
    )  # fmt: skip


tri_gamma: Elementwise = _of_order(
    1,
    "tri_gamma",
    lambda g, out, x: (g * polygamma2(x),),
    about="The trigamma function, the second derivative of log(gamma(x)).  Gradient: "
    "polygamma(2, x).  Example: T.tri_gamma(2.0) = 0.644934...",
)
# Higher ones are there for second gradients of what has psi in it.
polygamma2: Elementwise = _of_order(
    2, "polygamma2", lambda g, out, x: (g * polygamma3(x),)
)
polygamma3: Elementwise = _of_order(
    3, "polygamma3", lambda g, out, x: (g * polygamma4(x),)
)
polygamma4: Elementwise = _of_order(
    4,
    "polygamma4",
    lambda g, out, x: (
        _undefined("the fifth derivative of log(gamma(x)) has no gradient"),
    ),
)


def polygamma(n: int, x: Any) -> Variable:
    """The derivative of psi of order `n`, a Python int from 0 (psi itself) to 4.

    Gradient: polygamma(n + 1, x); of order 4 undefined.
    Raises: ValueError for another order.

    >>> T.polygamma(2, 1.0).eval()
    array(-2.40411381)
    """
    known = (psi, tri_gamma, polygamma2, polygamma3, polygamma4)
    if not isinstance(n, int) or not 0 <= n < len(known):
        raise ValueError(f"polygamma: the order is an int from 0 to 4, not {n!r}")
    result: Variable = known[n](x)
    return result


def _gammainc_derivative(sign: int) -> Derivative:
    def derivative(g: Any, out: Any, k: Any, x: Any) -> Any:
        density = exp((k - 1) * log(x) - x - gammaln(k))
        return _undefined(
            "the incomplete gamma function has no gradient by k"
        ), sign * g * density

    return derivative


gammainc = _special(
    "gammainc",
    _gammainc_derivative(1),
    2,
    about="The lower incomplete gamma function of k > 0, normalised: from 0 at x = 0 to 1.  "
    "Gradient: undefined; exp((k - 1) * log(x) - x - gammaln(k)).  Example: "
    "T.gammainc(2.0, 1.0) = 0.264241...",
)
gammaincc = _special(
    "gammaincc",
    _gammainc_derivative(-1),
    2,
    about="1 - gammainc(k, x), exact also where that is small.  Gradient: undefined; -exp((k "
    "- 1) * log(x) - x - gammaln(k)).  Example: T.gammaincc(2.0, 1.0) = 0.735758...",
)


def gammau(k: Any, x: Any) -> Variable:
    """The upper incomplete gamma function, not normalised.

    >>> T.gammau(1.0, 0.0).eval()
    array(1.)
    """
    return mul(gamma(k), gammaincc(k, x))


def gammal(k: Any, x: Any) -> Variable:
    """The lower incomplete gamma function, not normalised.

    >>> T.gammal(1.0, 0.0).eval()
    array(0.)
    """
    return mul(gamma(k), gammainc(k, x))


def chi2sf(x: Any, k: Any) -> Variable:
    """How probable a value above `x` is for chi squared of `k` degrees of freedom.

    >>> T.chi2sf(0.0, 3.0).eval()
    array(1.)
    """
    return gammaincc(mul(k, 0.5), mul(x, 0.5))


# ---- Bessel functions


def order_undefined(step: Callable[[Any, Any], Any]) -> Derivative:
    """That of a Bessel function, whose derivative by the argument is `step(v, x)`."""

    def derivative(g: Any, out: Any, v: Any, x: Any) -> Any:
        return _undefined("Bessel functions have no gradient by their order"), g * step(
            v, x
        )

    return derivative


jv: Elementwise = _special(
    "jv",
    order_undefined(lambda v, x: 0.5 * (jv(v - 1, x) - jv(v + 1, x))),
    2,
    about="The Bessel function of the first kind of order v.  Gradient: undefined; (jv(v - 1,"
    " x) - jv(v + 1, x)) / 2.  Example: T.jv(1.5, 2.0) = 0.491293...",
)
iv: Elementwise = _special(
    "iv",
    order_undefined(lambda v, x: 0.5 * (iv(v - 1, x) + iv(v + 1, x))),
    2,
    about="The modified Bessel function of the first kind of order v.  Gradient: undefined; "
    "(iv(v - 1, x) + iv(v + 1, x)) / 2.  Example: T.iv(1.5, 2.0) = 1.099473...",
)
ive: Elementwise = _special(
    "ive",
    order_undefined(
        lambda v, x: 0.5 * (ive(v - 1, x) + ive(v + 1, x)) - sgn(x) * ive(v, x)
    ),
    2,
    about="exp(-abs(x)) * iv(v, x), which does not overflow.  Gradient: undefined; (ive(v - "
    "1, x) + ive(v + 1, x)) / 2 - sgn(x) * ive(v, x).  Example: T.ive(1.5, 2.0) = "
    "0.148797...",
)
j0 = _special(
    "j0",
    lambda g, out, x: (-g * j1(x),),
    about="The Bessel function of the first kind of order 0.  Gradient: -j1(x).  Example: "
    "T.j0(0.5) = 0.938469...",
)
j1: Elementwise = _special(
    "j1",
    lambda g, out, x: (g * 0.5 * (j0(x) - jv(2, x)),),
    about="The Bessel function of the first kind of order 1.  Gradient: (j0(x) - jv(2, x)) / "
    "2.  Example: T.j1(0.5) = 0.242268...",
)
i0 = _special(
    "i0",
    lambda g, out, x: (g * i1(x),),
    about="The modified Bessel function of the first kind of order 0.  Gradient: i1(x).  "
    "Example: T.i0(0.5) = 1.063483...",
)
i1: Elementwise = _special(
    "i1",
    lambda g, out, x: (g * 0.5 * (i0(x) + iv(2, x)),),
    about="The modified Bessel function of the first kind of order 1.  Gradient: (i0(x) + "
    "iv(2, x)) / 2.  Example: T.i1(0.5) = 0.257894...",
)
