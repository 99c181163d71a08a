"""The gamma function, its logarithm, and the derivative of that, in float64.

Float32 is computed so, too: its numbers are then rounded once.  Polynomials were found by
Chebyshev interpolation with 50 digits; errors are relative to the least value of what a
polynomial stands for.
Sources: Abramowitz and Stegun, "Handbook of Mathematical Functions", 6.1.17 and 6.3.7
(reflection), 6.1.15 and 6.3.5 (recurrence), 6.1.40 and 6.3.18 (the forms for large x).
"""

from __future__ import annotations

import math

from symnet.kernels.loopir.math.exponential import (
    LOG2,
    exponential_minus_one,
    reduce,
    two_powers,
)
from symnet.kernels.loopir.math.formats import (
    FORMATS,
    at_most,
    equal,
    fma,
    magnitude,
    number,
    polynomial,
    split_any,
    split_polynomial,
)
from symnet.kernels.loopir.math.logarithm import log, log1p_tail
from symnet.kernels.loopir.math.power import Pair, logarithm_pair
from symnet.kernels.loopir.scalars import Scalar, call, literal, select

# sin(pi r) / (pi r) in r**2 on |r| <= 1/2; 2**-61.4.
SINE_OF_PI = (
    1.0, -1.6449340668482264, 0.8117424252833394, -0.19075182412149658,
    0.026147847805557536, -0.0023460808955200734, 0.0001484278416841416,
    -6.972100313670779e-06, 2.4503008901533465e-07,
)  # fmt: skip
# log(gamma(x)) / ((x - 1) (x - 2)) on [1/2, 5/2] in t = K (x - C) / (x + C), which keeps the
# singular points 0 and infinity far away; 2**-58.9.
MIDDLE = (
    0.5502601241249085, -0.18178183404168982, 0.019031568807308042,
    -0.009106649388074683, 0.001847121061863537, -0.0008069601321732234,
    0.0002005167403986725, -8.44666739639161e-05, 2.3267110903356078e-05,
    -9.604122258013488e-06, 2.8170342409136055e-06, -1.1476399271891208e-06,
    3.51175620568208e-07, -1.4174483166653184e-07, 4.4788147331569976e-08,
    -1.796210332554355e-08, 5.7004080901765106e-09, -2.2642502362730043e-09,
    8.490303259365271e-10, -3.4321324098066315e-10, 4.523127285442852e-11,
    -1.5450979187860283e-11, 3.160991883069085e-11, -1.289558614169699e-11,
)  # fmt: skip
MIDDLE_MAP = (2.618, 1.118033988749895)  # K, C
# x (log(gamma(x)) - (x - 1/2) (log(x) - 1) - log(2 pi) / 2 + 1/2) for x >= 5/2, in
# 12.5 / x**2 - 1; 2**-54.7, and it is a tenth of the sum at most.
BINET = (
    0.0831159151616548, -0.00021286406858162763, 4.326175143092299e-06,
    -2.086832320741589e-07, 1.69234955207255e-08, -1.9580144593728407e-09,
    2.938788771781889e-10, -5.383638310038772e-11, 1.1603905820888711e-11,
    -2.8450868831001865e-12, 6.923649451406389e-13, -1.9185633668729852e-13,
    1.1846133607478216e-13, -4.481932166128044e-14,
)  # fmt: skip
HALF_LOG_2PI_E = 0.4189385332046727  # (log(2 pi) - 1) / 2
# 1 / gamma(x) on [1/2, 5/2] in x - 3/2; 2**-59.6.
RECIPROCAL = (
    1.1283791670955126, -0.041174526445283105, -0.5266544355255446,
    0.17510202604393482, 0.050966860247708905, -0.042155169368541266,
    0.006612897826788264, 0.0021207314426290305, -0.00111073025436471,
    0.00015235762046238058, 2.5355204079070036e-05, -1.3896804720713504e-05,
    2.156205163876187e-06, 5.794059875347739e-08, -8.913804793136363e-08,
    1.7106106654500008e-08, -9.29352028179387e-10, -2.701318107360991e-10,
    7.377221297984324e-11, -7.095364610067163e-12,
)  # fmt: skip
# psi(x) / (x - ROOT) on [1, 5/2] in such a t; 2**-61.1.
DIGAMMA_MIDDLE = (
    0.9181914921116767, -0.2757752978070309, 0.04328029556308347,
    -0.010294553502804673, 0.0021883809981511656, -0.0005071457927998814,
    0.00011175550719301945, -2.5549086235141538e-05, 5.685396707732103e-06,
    -1.291895588691517e-06, 2.8871665644996656e-07, -6.540399232841019e-08,
    1.4649050351096889e-08, -3.312603872378072e-09, 7.446153791910679e-10,
    -1.6826837890125204e-10, 3.6426181506241045e-11, -8.188033912554134e-12,
    2.474841689742061e-12, -5.655517481390411e-13,
)  # fmt: skip
DIGAMMA_MAP = (4.4415, 1.5811388300841898)
# x**2 (log(x) - 1 / (2 x) - psi(x)) for x >= 5/2, in 12.5 / x**2 - 1; 2**-54.7.
DIGAMMA_FAR = (
    0.08269018702449156, -0.0006212875051716691, 2.037877632281387e-05,
    -1.3253946881157331e-06, 1.327313070342958e-07, -1.8011353377308614e-08,
    3.0668321984993617e-09, -6.229235634686429e-10, 1.4552921750222064e-10,
    -3.81399482249581e-11, 1.1373876142878074e-11, -3.65870638133903e-12,
    8.222691087123078e-13, -2.307030850448643e-13, 3.373181517622133e-13,
    -1.509641059738998e-13,
)  # fmt: skip
# psi(x) x (x + 1) / (x - NEGATIVE_ROOT) on [-3/4, -1/4] in 4 x + 2; 2**-60.9.
DIGAMMA_ROOT = (
    -2.2342579058827563, 0.034126537989071754, 0.054852364964192636,
    -0.005923042823617772, 0.0008290082368145921, -0.00012696224674733678,
    2.0239660006082584e-05, -3.2916762938288993e-06, 5.410613148729502e-07,
    -8.945921782369547e-08, 1.48405430143384e-08, -2.4670666542889493e-09,
    4.1052799711022195e-10, -6.791100349875115e-11, 1.1301942039477363e-11,
    -2.136991007016581e-12, 3.5860503469878106e-13,
)  # fmt: skip
# Where psi is 0, each as the sum of two numbers.
ROOT = (1.4616321449683622, 9.549995429965697e-17)
NEGATIVE_ROOT = (-0.5040830082644554, -8.15428206243813e-18)
FAR = 2.5  # from here on by the forms for large x
GAMMA_LIMIT = 200.0  # gamma is infinite from here on, and 0 on the other side
WHOLE = 2.0**52  # all larger numbers are integers


def mapped(x: Scalar, constants: tuple[float, float]) -> Scalar:
    k, c = constants
    return (x - c) / (x + c) * k


def sine_of_pi(r: Scalar) -> Scalar:
    """sin(pi r) / pi for |r| <= 1/2."""
    return polynomial(r * r, SINE_OF_PI) * r


def log_less_one(a: Scalar) -> Scalar:
    """log(a) - 1 for finite a > 2, whose error is that of the difference."""
    n, m = split_any(a)
    high, low = LOG2[a.dtype]
    f = m - 1.0
    return fma(n, high, -1.0) + (f + fma(n, low, log1p_tail(f)))


def binet(inverse: Scalar) -> Scalar:
    """log(gamma(x)) - (x - 1/2) (log(x) - 1) for 1 / x up to 2/5."""
    rest = split_polynomial(fma(inverse * inverse, 12.5, -1.0), BINET)
    return fma(rest, inverse, HALF_LOG_2PI_E)


def gammaln(x: Scalar) -> Scalar:
    """log |gamma(x)|; of negative x from log |gamma(x)| + log |gamma(-x)| =
    -log |x sin(pi x) / pi|."""
    a = magnitude(x)
    logarithm = log(a)
    inverse = 1.0 / a
    # Below 1/2 log(gamma(1 + a)) - log(a), whose factors a and a - 1 are exact.
    small = a < 0.5
    t = mapped(select(small, a + 1.0, a), MIDDLE_MAP)
    first = select(small, a, a - 1.0)
    second = select(small, a - 1.0, a - 2.0)
    middle = fma(split_polynomial(t, MIDDLE), first * second, 0.0)  # 1 gives no -0.0
    far = fma(a - 0.5, log_less_one(a), binet(inverse))
    far = select(a < math.inf, far, a)
    value = select(a < FAR, middle, far)
    # Of tiny numbers the logarithms of a on both sides of the reflection leave nothing.
    sine = magnitude(sine_of_pi(a - call("rint", a)))
    mirrored = -log(select(small, sine, sine * a)) - value
    mirrored = select(equal(sine, 0.0), literal(math.inf, x.dtype), mirrored)
    right = select(small, value - logarithm, value)
    result = select(x < 0.0, mirrored, right)
    return select(equal(a, math.inf), x, result)


def exact_sum(a: Scalar, b: Scalar) -> Pair:
    """The sum, and what its rounding lost.  Source: Knuth 1969."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def far_gamma(a: Scalar) -> Pair:
    """gamma(a) from 5/2 to GAMMA_LIMIT as the product of a number and a power of two.

    The logarithm is made of pairs, since each of its roundings would count up to 700 times.
    """
    high, low = logarithm_pair(a)
    high, lost = exact_sum(high, number(-1.0, a.dtype))
    factor = a - 0.5
    whole = fma(factor, high, 0.0)  # not "mul", which a printer may join with a sum
    tail = fma(factor, lost + low, fma(factor, high, -whole))
    whole, lost = exact_sum(whole, binet(1.0 / a))
    n_bits, r = reduce(whole, 2 * FORMATS[a.dtype].bias, tail + lost)
    s, t = two_powers(whole, n_bits)
    return fma(s, exponential_minus_one(r), s), t


def gamma(x: Scalar) -> Scalar:
    """Factorials are exact.  Of negative x it is -1 / (a sin(pi a) / pi) over that of a = -x."""
    size = magnitude(x)
    a = at_most(size, GAMMA_LIMIT)
    small, far = a < 0.5, a >= FAR
    one = number(1.0, x.dtype)
    # gamma(1 + a) = a gamma(a) where a is small.
    middle = 1.0 / split_polynomial(select(small, a - 0.5, a - 1.5), RECIPROCAL)
    large, power = far_gamma(select(far, a, number(FAR, x.dtype)))
    value = select(far, large, middle)
    power = select(far, power, one)
    right = value / select(small, a, one) * power
    # Factorials are integers.
    whole = call("and", equal(a, call("rint", a)), right < WHOLE)
    right = select(whole, call("rint", right), right)
    n = call("rint", size)
    half = n * 0.5
    sine = sine_of_pi(size - n)
    sine = select(equal(half, call("rint", half)), -sine, sine)
    left = 1.0 / (value * (select(small, one, a) * sine)) / power
    left = select(equal(size, n), literal(math.nan, x.dtype), left)
    result = select(x < 0.0, left, right)
    return select(equal(x, 0.0), 1.0 / x, result)


def psi(x: Scalar) -> Scalar:
    """The derivative of log |gamma(x)|: for x < 1 one step of the recurrence up, of negative x
    psi(1 - x) - pi / tan(pi x)."""
    negative, small = x < 0.0, x < 1.0
    z = select(negative, 1.0 - x, select(small, x + 1.0, x))
    high, low = ROOT
    near = split_polynomial(mapped(z, DIGAMMA_MAP), DIGAMMA_MIDDLE) * ((z - high) - low)
    inverse = 1.0 / z
    square = inverse * inverse
    rest = split_polynomial(fma(square, 12.5, -1.0), DIGAMMA_FAR)
    far = log(z) - fma(rest, square, inverse * 0.5)
    value = select(z < FAR, near, far)
    r = x - call("rint", x)
    quotient = sine_of_pi(0.5 - magnitude(r)) / sine_of_pi(r)
    mirrored = fma(quotient, -math.pi, value)
    right = select(small, value - 1.0 / x, value)
    # At poles on the left the limits from both sides differ.
    mirrored = select(equal(r, 0.0), literal(math.nan, x.dtype), mirrored)
    result = select(negative, mirrored, right)
    return select(magnitude(x + 0.5) <= 0.25, at_negative_root(x), result)


def at_negative_root(x: Scalar) -> Scalar:
    """psi where it is 0 between -1 and 0."""
    high, low = NEGATIVE_ROOT
    value = split_polynomial(fma(x, 4.0, 2.0), DIGAMMA_ROOT)
    return value * ((x - high) - low) / (x * (x + 1.0))


__all__ = ["gamma", "gammaln", "psi"]
