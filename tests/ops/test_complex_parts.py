"""Complex numbers and their parts, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.errors import ComplexError
from symnet.gradient import grad
from symnet.ops import arithmetic as A
from symnet.ops import complex_parts as C
from symnet.ops import inputs
from symnet.ops.functions import complex_from_polar
from tests.helpers import run
from tests.ops.scalars import apply, samples

RANDOM = np.random.default_rng(5)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_parts(dtype):
    z = samples(dtype)
    apply(C.real, z, expected=z.real)
    apply(C.imag, z, expected=z.imag)
    apply(C.conj, z, expected=z.conj())
    apply(A.absolute, z, expected=np.abs(z))
    half = {"complex64": "float32", "complex128": "float64"}[dtype]
    x, y = RANDOM.normal(size=(2, 3)).astype(half)
    apply(C.complex, x, y, expected=x + 1j * y)
    apply(C.imag, x, expected=x * 0)
    with pytest.raises(TypeError, match="not defined for complex"):
        A.mod(*inputs.cvectors("ab"))


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_parts_stay_what_they_are(mode):
    """Infinities beside finite numbers, and signs of zeros: which side of a cut is meant."""
    x, y = inputs.dvectors("xy")
    re, im = (
        np.array([1, -0.0, np.inf, 2, 0.0]),
        np.array([np.inf, -0.0, 1, np.nan, -0.0]),
    )
    z = C.complex(x, y)
    turned = complex_from_polar(x, y)
    f = symnet.function([x, y], [C.real(z), C.imag(z), C.imag(turned)], mode=mode)
    found = f(re, im)
    for got, want in zip(found, (re, im), strict=False):
        np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(np.signbit(got), np.signbit(want))
    assert np.signbit(f([2.0], [-0.0])[2]).all()


def test_gradients_of_complex_functions():
    """dC/dRe + i dC/dIm of C = |f(z)|**2, against differences."""
    z = inputs.zvector()
    point = np.array([0.7 - 0.3j, -1.1 + 2j])

    def functions(z):
        yield z * z * (1 + 2j)
        yield 1 / z
        yield A.sqrt(z) + C.conj(z)
        yield A.absolute(z) + 0 * z
        yield C.complex(C.imag(z), 2 * C.real(z))

    for f in functions(z):
        cost = A.sqr(C.real(f)).sum() + A.sqr(C.imag(f)).sum()
        found = run(grad(cost, z), {z: point})
        for k in range(2):
            for direction in (1, 1j):
                step = np.zeros(2, complex)
                step[k] = 1e-6 * direction
                more, less = (run(cost, {z: point + s}) for s in (step, -step))
                slope = (more - less) / 2e-6
                part = found[k].real if direction == 1 else found[k].imag
                assert abs(slope - part) < 1e-6 * (1 + abs(slope))


def test_complex_numbers_are_in_numpys_order():
    a = np.array([1 + 2j, 1 - 1j, 0.5 + 9j, np.nan])
    b = np.array([1 + 1j, 2 - 5j, 0.5 + 9j, 1.0])
    x, y = T.zvector("x"), T.zvector("y")
    pairs = {
        T.lt: np.less, T.le: np.less_equal, T.gt: np.greater, T.ge: np.greater_equal,
        T.maximum: np.maximum, T.minimum: np.minimum,
    }  # fmt: skip
    for ours, numpys in pairs.items():
        np.testing.assert_array_equal(ours(x, y).eval({x: a, y: b}), numpys(a, b))
    with pytest.raises(ComplexError, match="complex128"):
        x % 5


# ---- as native code

DTYPES = ["complex64", "complex128"]
SHAPES = [(0,), (1,), (7,), (600,), (0, 3), (1, 5), (5, 1), (3, 40), (2, 3, 4)]


def numbers(shape, dtype):
    found = np.empty(shape, dtype)
    found.real, found.imag = RANDOM.normal(size=(2, *shape))
    return found


def natively(inputs, outputs, *values, device="cpu", **settings):
    """The results of a function in which no reference runs."""
    f = symnet.function(inputs, outputs, device=device, **settings)
    assert not any(segment.reference for segment in f.engine.segments)
    return f(*values)


def layouts(array):
    """The same numbers, as they may lie in memory."""
    yield array
    yield np.ascontiguousarray(array[::-1])[::-1]
    yield np.repeat(array, 2, axis=-1)[..., ::2]
    yield np.asfortranarray(array)


@pytest.mark.parametrize("device", ["cpu", "reference", "emulated"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_chains_and_sums_of_all_shapes_and_layouts(dtype, device):
    eps = np.finfo(dtype).eps
    for shape in SHAPES:
        z, u = (T.TensorType(dtype, [None] * len(shape))() for _ in range(2))
        chain = z * u + T.conj(z) * T.exp(u) / 2
        outputs = [chain, abs(z), T.eq(z, u), z.sum(0), z.sum(), z.sum(-1), z[::-1].T]
        f = symnet.function([z, u], outputs, device=device)
        assert not any(segment.reference for segment in f.engine.segments)
        a, b = numbers(shape, dtype), numbers(shape, dtype)
        want = [a * b + a.conj() * np.exp(b) / 2, np.abs(a), a == b, a.sum(0), a.sum(),
                a.sum(-1), a[::-1].T]  # fmt: skip
        for x in layouts(a) if device == "cpu" else [a]:
            for got, expected in zip(f(x, b), want, strict=True):
                assert got.dtype == expected.dtype and got.shape == expected.shape
                np.testing.assert_allclose(got, expected, rtol=50 * eps, atol=50 * eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_element_beyond_an_array_is_written(dtype):
    """Whole vectors are stored: rows of a loop's results lie side by side."""
    z = T.TensorType(dtype, (None, None))()
    rows, _ = symnet.scan(lambda x: x * x - 1j, z, go_backwards=True)
    f = symnet.function([z], rows)
    for size in range(1, 70):
        value = numbers((3, size), dtype)
        np.testing.assert_allclose(f(value), value[::-1] ** 2 - 1j, rtol=1e-4)
    text = f.engine.native[0].program.steps[0].body.steps[0].kernel.text
    assert "[x]+1" in text


def test_parts_of_arrays_are_written_and_read():
    z, rows = T.zmatrix("z"), T.lvector("rows")
    value, places = numbers((4, 3), "complex128"), np.array([1, 1, -1])
    added, written, inner = value.copy(), value.copy(), value.copy()
    np.add.at(added, places, 2 - 1j)
    written[places] = value[0] * 1j
    inner[1:, ::2] += 1j
    outputs = [
        T.inc_subtensor(z[rows], 2 - 1j), T.set_subtensor(z[rows], z[0] * 1j),
        T.inc_subtensor(z[1:, ::2], 1j), z[rows] * 2, T.concatenate([z, z * 1j]), T.diag(z),
        T.switch(T.gt(abs(z), 1), z, 0),
    ]  # fmt: skip
    want = [added, written, inner, value[places] * 2, np.concatenate([value, value * 1j]),
            np.diag(value), np.where(abs(value) > 1, value, 0)]  # fmt: skip
    found = natively([z, rows], outputs, value, places)
    for got, expected in zip(found, want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-14)
    with pytest.raises(IndexError):
        natively([z, rows], outputs[1], value, np.array([4]))


def test_updates_are_written_where_the_old_values_were():
    start = numbers((50,), "complex128")
    w = symnet.shared(start)
    z = T.zvector("z")
    f = symnet.function([z], [], updates=[(w, w * z + T.conj(w))])
    steps = f.engine.native[0].program.steps
    place = f.engine.native[0].program.placement
    made = [v.buffer for step in steps for v in step.outputs]
    assert sum(place.home(b).kind == "shared" for b in made) == 2  # its parts; no copy
    value = numbers((50,), "complex128")
    f(value)
    np.testing.assert_allclose(w.get_value(), start * value + start.conj())
    rows = symnet.shared(numbers((4, 3), "complex64"))
    before, n = rows.get_value(), T.lvector("n")
    g = symnet.function([n], [], updates=[(rows, T.inc_subtensor(rows[n], 1j))])
    with pytest.raises(IndexError):
        g([0, 9])
    np.testing.assert_array_equal(rows.get_value(), before)
    g([0, 0])
    np.testing.assert_allclose(rows.get_value()[0], before[0] + 2j, rtol=1e-6)


def test_loops_and_conditions():
    z = T.zvector("z")
    rows, _ = symnet.scan(lambda x, s: s * x + 1j, z, T.constant(1 + 0j))
    value = numbers((9,), "complex128")
    s, want = 1 + 0j, []
    for x in value:
        s = s * x + 1j
        want.append(s)
    np.testing.assert_allclose(natively([z], rows, value), want)
    np.testing.assert_allclose(natively([z], rows[-1], value), want[-1])
    chosen = symnet.ifelse.ifelse(T.gt(z.shape[0], 3), z * 1j, z)
    np.testing.assert_allclose(natively([z], chosen, value), value * 1j)
    slope = grad(abs(rows[-1]) ** 2, z)
    np.testing.assert_allclose(
        natively([z], slope, value),
        symnet.function([z], slope, mode="FAST_COMPILE")(value),
        rtol=1e-10,
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_products_of_vectors_are_loops(dtype):
    z, u = (T.TensorType(dtype, (None,))() for _ in range(2))
    f = symnet.function([z, u], T.dot(T.conj(z), u))
    assert len(f.engine.native[0].program.steps) == 1
    for size in (0, 1, 5, 1000):
        a, b = numbers((size,), dtype), numbers((size,), dtype)
        np.testing.assert_allclose(f(a, b), np.vdot(a, b), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="2 and 3|3 and 2"):
        f(numbers((2,), dtype), numbers((3,), dtype))
    one = T.TensorType(dtype, (1,))()
    g = symnet.function([one, u], T.dot(one, u))
    with pytest.raises(ValueError):
        g(numbers((1,), dtype), numbers((3,), dtype))


def test_second_gradients_of_complex_chains():
    z = T.zvector("z")
    value = numbers((3,), "complex128")

    def slope(at):
        cost = (abs(T.exp(z) * z + 1 / T.conj(z)) ** 2).sum()
        first = grad(cost, z)
        again = (T.real(first) * T.imag(first)).sum()
        return natively([z], [again, grad(again, z)], at)

    _, found = slope(value)
    for k in range(3):
        for direction in (1, 1j):
            step = np.zeros(3, complex)
            step[k] = 1e-6 * direction
            want = (slope(value + step)[0] - slope(value - step)[0]) / 2e-6
            part = found[k].real if direction == 1 else found[k].imag
            assert abs(want - part) < 1e-4 * (1 + abs(want))


def test_debugmode_judges_complex_programs():
    z = T.zvector("z")
    outputs = [T.sqrt(z) * T.log(z), z**z, T.tanh(z).sum(), T.complex(T.imag(z), 1.0)]
    f = symnet.function([z], outputs, mode="DebugMode")
    value = numbers((40,), "complex128")
    np.testing.assert_allclose(f(value)[1], value**value)


def test_what_has_no_native_form_yet_runs_as_a_reference():
    z = T.zvector("z")
    f = symnet.function([z], T.exp(T.arccos(z * 2)).sum() + z.prod())
    assert any(segment.reference for segment in f.engine.segments)
    value = numbers((6,), "complex128")
    want = np.exp(np.arccos(value * 2)).sum() + value.prod()
    np.testing.assert_allclose(f(value), want)
