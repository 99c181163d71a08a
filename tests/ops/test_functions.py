"""Functions of each element, against NumPy, SciPy and mpmath."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import scipy.special as special

from symnet.errors import NullTypeGradError
from symnet.gradient import grad, verify_grad
from symnet.ops import arithmetic as A
from symnet.ops import complex_parts as C
from symnet.ops import functions as F
from symnet.ops import inputs
from symnet.ops import special as S
from tests.helpers import run
from tests.ops.scalars import apply, of_kinds, samples

BY_NAME = {**vars(F), **vars(S)}

RANDOM = np.random.default_rng(3)
WIDE, UNIT, POSITIVE, ABOVE = (-4.0, 4.0), (-0.95, 0.95), (0.2, 6.0), (1.1, 6.0)

# name, reference, where it is smooth, whether it takes complex numbers
FUNCTIONS = [
    ("exp", np.exp, WIDE, True), ("exp2", np.exp2, WIDE, False), ("expm1", np.expm1, WIDE, True),
    ("log2", np.log2, POSITIVE, True), ("log10", np.log10, POSITIVE, True),
    ("log1p", np.log1p, POSITIVE, True), ("sigmoid", special.expit, WIDE, False),
    ("softplus", lambda x: np.logaddexp(x, 0), WIDE, False), ("sin", np.sin, WIDE, True),
    ("cos", np.cos, WIDE, True), ("tan", np.tan, (-1.2, 1.2), True),
    ("arcsin", np.arcsin, UNIT, True), ("arccos", np.arccos, UNIT, True),
    ("arctan", np.arctan, WIDE, True), ("sinh", np.sinh, WIDE, True),
    ("cosh", np.cosh, WIDE, True), ("tanh", np.tanh, WIDE, True),
    ("arcsinh", np.arcsinh, WIDE, True), ("arccosh", np.arccosh, ABOVE, True),
    ("arctanh", np.arctanh, UNIT, True), ("deg2rad", np.deg2rad, WIDE, False),
    ("rad2deg", np.rad2deg, WIDE, False), ("erf", special.erf, WIDE, False),
    ("erfc", special.erfc, WIDE, False), ("erfcx", special.erfcx, WIDE, False),
    ("erfinv", special.erfinv, UNIT, False), ("erfcinv", special.erfcinv, (0.1, 1.9), False),
    ("gamma", special.gamma, POSITIVE, False), ("gammaln", special.gammaln, POSITIVE, False),
    ("psi", special.psi, POSITIVE, False), ("j0", special.j0, POSITIVE, False),
    ("j1", special.j1, POSITIVE, False), ("i0", special.i0, POSITIVE, False),
    ("i1", special.i1, POSITIVE, False), ("xlogx", lambda x: special.xlogy(x, x), POSITIVE, False),
]  # fmt: skip
NAMES = [row[0] for row in FUNCTIONS]
TWO = [
    ("arctan2", np.arctan2, [0, 1]), ("gammainc", special.gammainc, [1]),
    ("gammaincc", special.gammaincc, [1]), ("jv", special.jv, [1]), ("iv", special.iv, [1]),
    ("xlogy0", special.xlogy, [0, 1]), ("hypot", np.hypot, [0, 1]),
]  # fmt: skip
ONCE = ("j1", "i1", "psi")  # their second derivatives need more than one derivative has


@pytest.mark.parametrize("dtype", of_kinds("biuf"))
@pytest.mark.parametrize("name, reference, domain, _", FUNCTIONS, ids=NAMES)
def test_values(name, reference, domain, _, dtype):
    x = samples(dtype)
    own, small = np.dtype(dtype).kind == "f", np.dtype(dtype).itemsize <= 2
    wide = dtype if own else "float64"
    scipys = BY_NAME[name].compute_dtype == "floatX"
    result = dtype if own else "float32" if small and not scipys else "float64"
    with np.errstate(all="ignore"):
        want = np.asarray(reference(x.astype(wide))).astype(result)
    # SciPy has float32 loops of its own, and half precision rounds its own way.
    apply(BY_NAME[name], x, expected=want, rtol=1e-12 if result == "float64" else None)


@pytest.mark.parametrize("dtype", of_kinds("c"))
@pytest.mark.parametrize(
    "name, reference", [(row[0], row[1]) for row in FUNCTIONS if row[3]], ids=str
)
def test_complex_values(name, reference, dtype):
    x = samples(dtype)
    with np.errstate(all="ignore"):
        apply(BY_NAME[name], x, expected=reference(x))


@pytest.mark.parametrize("name, reference, by", TWO, ids=[row[0] for row in TWO])
def test_functions_of_two(name, reference, by):
    x, y = np.meshgrid([0.0, 0.5, 1.0, 2.5], [0.0, 0.1, 1.0, 7.0])
    for dtype in ("float32", "float64"):
        a, b = x.astype(dtype), y.astype(dtype)
        with np.errstate(all="ignore"):
            apply(BY_NAME[name], a, b, expected=reference(a, b))


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 0, 3)])
def test_small_sizes(shape):
    for name in NAMES:
        x = np.full(shape, 1.25)
        assert apply(BY_NAME[name], x).shape == shape


@pytest.mark.parametrize("name, reference, domain, _", FUNCTIONS, ids=NAMES)
def test_gradients(name, reference, domain, _):
    function = BY_NAME[name]
    point = [RANDOM.uniform(*domain, (2, 3))]
    verify_grad(function, point)
    if name not in ONCE:
        verify_grad(lambda x: grad(function(x).sum(), x), point)


@pytest.mark.parametrize("name, _, by", TWO, ids=[row[0] for row in TWO])
def test_gradients_of_two(name, _, by):
    function = BY_NAME[name]
    x, y = RANDOM.uniform(0.5, 3, (2, 2, 3))
    if by == [1]:
        verify_grad(lambda y: function(x, y), [y])
        k = inputs.dmatrix()
        with pytest.raises(
            NullTypeGradError, match="has no gradient by|have no gradient by"
        ):
            grad(function(k, k).sum(), k)
    else:
        verify_grad(function, [x, y])


POLYGAMMA = {1: S.tri_gamma, 2: S.polygamma2, 3: S.polygamma3, 4: S.polygamma4}


@pytest.mark.parametrize("order", POLYGAMMA)
def test_derivatives_of_digamma_by_their_definition(order):
    x = np.array([0.05, 0.5, 0.51, 1.0, 3.3, 9.9, 30.0, 1e6, -0.3, -2.25, -10.75])
    want = [float(mpmath.psi(order, mpmath.mpf(float(v)))) for v in x]
    apply(POLYGAMMA[order], x, expected=want, rtol=1e-13)
    narrow = x.astype("float32")
    want = [float(mpmath.psi(order, mpmath.mpf(float(v)))) for v in narrow]
    apply(POLYGAMMA[order], narrow, expected=np.array(want, "float32"), rtol=4e-5)
    v = inputs.dvector()
    if order == 4:
        with pytest.raises(NullTypeGradError, match="fifth derivative"):
            grad(POLYGAMMA[order](v).sum(), v)
        return
    (slope,) = run([grad(POLYGAMMA[order](v).sum(), v)], {v: x})
    with mpmath.workdps(30):
        want = [float(mpmath.psi(order + 1, mpmath.mpf(p))) for p in x.tolist()]
    np.testing.assert_allclose(slope, want, rtol=1e-13)


@pytest.mark.parametrize("order", POLYGAMMA)
def test_poles_of_the_derivatives_of_digamma(order):
    x = np.array([0.0, -0.0, -1.0, -7.0, np.inf, np.nan])
    end = np.inf if order % 2 else -np.inf
    apply(POLYGAMMA[order], x, expected=[end, end, end, end, 0, np.nan])


def test_polygamma_by_its_order():
    x = np.array([0.3, 2.0, 5.5])
    v = inputs.dvector()
    for got, order in zip(run([S.polygamma(n, v) for n in range(5)], {v: x}), range(5)):
        np.testing.assert_allclose(got, special.polygamma(order, x), rtol=1e-13)
    for order in (-1, 5, 1.0, v):
        with pytest.raises(ValueError, match="from 0 to 4"):
            S.polygamma(order, v)


def test_the_hessian_of_a_divergence_of_dirichlet_distributions():
    a, b = inputs.dvector("a"), np.array([0.5, 2.0, 7.0])
    point, way = np.array([1.5, 0.25, 30.0]), np.array([0.5, -1.0, 0.25])
    total = a.sum()
    cost = (
        S.gammaln(total)
        - S.gammaln(a).sum()
        + ((a - b) * (S.psi(a) - S.psi(total))).sum()
    )
    (got,) = run([grad((grad(cost, a) * way).sum(), a)], {a: point})
    trigamma, tetragamma = special.polygamma(1, point), special.polygamma(2, point)
    whole, excess = point.sum(), (point - b).sum()
    # The gradient is (a - b) trigamma(a) - sum(a - b) trigamma(sum(a)).
    want = way * (trigamma + (point - b) * tetragamma) - way.sum() * (
        special.polygamma(1, whole) + excess * special.polygamma(2, whole)
    )
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_stable_far_from_zero():
    for dtype, far in (("float32", 100.0), ("float64", 800.0)):
        x = np.array([-far, far], dtype)
        assert apply(F.softplus, x).tolist() == [float(np.exp(x[:1])[0]), far]
        assert np.isfinite(apply(F.sigmoid, x)).all()
        v = inputs.tensor(dtype, shape=(None,))
        assert run(grad(F.softplus(v).sum(), v), {v: x})[1] == 1
        assert np.isfinite(run(grad(F.sigmoid(v).sum(), v), {v: x})).all()


def test_composed_functions():
    x = np.linspace(-8, 8, 33)
    apply(F.hard_sigmoid, x, expected=np.clip(0.2 * x + 0.5, 0, 1))
    for dtype in ("bool", "int8", "uint16", "int32", "int64", "float32"):
        v = inputs.tensor(dtype, shape=(None,))
        assert F.hard_sigmoid(v).type.dtype == F.sigmoid(v).type.dtype
    assert np.abs(apply(F.ultra_fast_sigmoid, x) - special.expit(x)).max() < 0.07
    k, y = np.array([0.5, 2.0, 3.0]), np.array([0.1, 2.0, 9.0])
    full = special.gamma(k)
    apply(S.gammau, k, y, expected=full * special.gammaincc(k, y))
    apply(S.gammal, k, y, expected=full * special.gammainc(k, y))
    apply(S.chi2sf, y, k, expected=special.chdtrc(k, y))


def test_polar_form():
    z = samples("complex128")
    apply(F.angle, z, expected=np.angle(z))
    apply(F.angle, np.array([-2.0, 0.0, 3.0]), expected=[np.pi, 0, 0])
    r, phi = np.array([1.0, 2.0]), np.array([0.3, -2.0])
    apply(F.complex_from_polar, r, phi, expected=r * np.exp(1j * phi))


def test_gradients_of_complex_functions():
    z = inputs.zscalar()
    point = 0.3 - 0.7j
    for name, _, _, takes in FUNCTIONS:
        if not takes:
            continue
        f = BY_NAME[name](z)
        cost = 2 * C.real(f) + 3 * C.imag(f)
        found = run(grad(cost, z), {z: point})
        slopes = [
            (run(cost, {z: point + s}) - run(cost, {z: point - s})) / 2e-6
            for s in (1e-6, 1e-6j)
        ]
        assert abs(found - (slopes[0] + 1j * slopes[1])) < 1e-6 * (1 + abs(found)), name


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "uint16"])
def test_small_integers_become_float32(dtype):
    x = inputs.vector(dtype=dtype)
    values = np.array([0, 1], dtype)
    for f in (F.exp, F.tanh, A.sqrt, A.log, A.reciprocal):
        assert f(x).dtype == "float32"
        assert run(f(x), {x: values}).dtype == np.float32
    assert A.true_div(x, x).dtype == S.erf(x).dtype == "float64"
    assert F.exp(inputs.ivector()).dtype == "float64"
    assert A.sqrt(2).dtype == "float64", "a number of Python's has all its precision"


def test_gradient_of_the_polar_form():
    r, phi = inputs.dscalar(), inputs.dscalar()
    z = F.complex_from_polar(r, phi)
    cost = 2 * C.real(z) + 3 * C.imag(z)
    found = run(grad(cost, [r, phi]), {r: 2.0, phi: 0.3})
    along = 2 * np.cos(0.3) + 3 * np.sin(0.3)
    across = 2 * (3 * np.cos(0.3) - 2 * np.sin(0.3))
    np.testing.assert_allclose(found, [along, across])
