"""Complex numbers and their parts, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import symnet.tensor as T
from symnet.errors import ComplexError
from symnet.gradient import grad
from symnet.ops import arithmetic as A
from symnet.ops import complex_parts as C
from symnet.ops import inputs
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
