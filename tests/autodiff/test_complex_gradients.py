"""Gradients through complex numbers, against differences of both parts.

A cost is real: weights times the real and imaginary parts of a result.  Its differences are
taken in float64, by reference evaluation without rewrites.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.sparse as sparse
import symnet.tensor as T
from symnet.config import config
from symnet.ifelse import ifelse
from symnet.tensor import nlinalg, slinalg

RNG = np.random.default_rng(3)
POINT = RNG.normal(size=(3, 3)) + 1j * RNG.normal(size=(3, 3))
STEP = 1e-6


def hermitian(z: Any) -> Any:
    return T.dot(z, z.conj().T) + 4 * T.eye(3)


def loop(z: Any) -> Any:
    return symnet.scan(
        lambda r, s: s * r + r * r.conj(), sequences=z, outputs_info=z[0]
    )[0]


def products(z: Any) -> Any:
    return symnet.reduce(
        lambda r, s: T.exp(s * 0.3) * r, sequences=z, outputs_info=z[0]
    )[0]


Formulas = dict[str, Callable[[Any], Any]]
ELEMENTS: Formulas = {
    name: getattr(T, name)
    for name in (
        "sqrt", "log", "exp", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos",
        "arctan", "arcsinh", "arccosh", "arctanh", "log1p", "expm1", "log2", "log10", "exp2",
        "sqr", "inv", "angle",
    )
} | {
    "abs": abs,
    "quotient": lambda z: z / (z + 3),
    "power": lambda z: z ** (1.5 - 0.3j),
    "power of itself": lambda z: z**z,
    "exponential": lambda z: (2 + 0.5j) ** z,
    "from polar": lambda z: T.complex_from_polar(abs(z), T.angle(z) * 2),
    "log(1 + tanh(z))": lambda z: T.log1p(T.tanh(z)),
    "log(1 - exp(z))": lambda z: T.log1p(-T.exp(z)),
    "log(1 + exp(z))": lambda z: T.log(1 + T.exp(z)),
    "softmax": lambda z: T.exp(z) / T.exp(z).sum(axis=1, keepdims=True),
}  # fmt: skip
ARRAYS: Formulas = {
    "product": T.prod,
    "products of columns": lambda z: T.prod(z, axis=0),
    "products of rows": lambda z: T.prod(z, axis=1, keepdims=True) * z,
    "running sums": lambda z: T.cumsum(z, axis=0),
    "running products": lambda z: T.cumprod(z, axis=1),
    "mean": lambda z: z.mean(axis=0),
    "variance": lambda z: z.var(axis=1) + z.std(),
    "covariances": T.cov,
    "set": lambda z: T.set_subtensor(z[0], z[1] * z[2]),
    "add at places": lambda z: T.inc_subtensor(z[[0, 0]], z[1:] * z[2]),
    "choice": lambda z: T.switch(T.real(z) > 0, z * z, z),
    "condition": lambda z: ifelse(T.real(z[0, 0]) > 0, z * z, z * 2),
    "join": lambda z: T.concatenate([z, z.conj()]),
    "take": lambda z: z[[0, 1], [1, 2]] * z[T.real(z) > 0].sum(),
    "loop": loop,
    "loop of products": products,
}
MATRICES: Formulas = {
    "dot": lambda z: T.dot(z.T, z),
    "tensordot": lambda z: T.tensordot(z, z, [[0], [1]]),
    "batched_dot": lambda z: T.batched_dot(z[None], z[None]),
    "kron": lambda z: slinalg.kron(z, z),
    "inverse": nlinalg.matrix_inverse,
    "pinv": nlinalg.pinv,
    "pinv of rows": lambda z: nlinalg.pinv(z[:2]),
    "least squares": lambda z: nlinalg.lstsq(z[:, :2], z[:, 2:], -1)[0],
    "solve": lambda z: slinalg.solve(z, z[:, :1]),
    "solve a vector": lambda z: slinalg.solve(z, z[0]),
    "solve lower": lambda z: slinalg.solve_lower_triangular(z, z[:, :2]),
    "solve upper": lambda z: slinalg.solve_upper_triangular(z, z[0]),
    "lower factor": lambda z: slinalg.cholesky(hermitian(z)),
    "upper factor": lambda z: slinalg.Cholesky(lower=False)(hermitian(z)),
    "determinant": nlinalg.det,
    "sign of a determinant": lambda z: nlinalg.slogdet(z)[0],
    "log of a determinant": lambda z: nlinalg.slogdet(z)[1],
    "exponential of a matrix": slinalg.expm,
}
OTHER = RNG.normal(size=(3, 3)) + 1j * RNG.normal(size=(3, 3))


def entries(z: Any) -> Any:
    return sparse.csr_from_dense(z)


def dense(x: Any) -> Any:
    return sparse.dense_from_sparse(x)


SPARSE: Formulas = {
    "sparse dot": lambda z: sparse.dot(entries(z), OTHER),
    "dot with a sparse one": lambda z: sparse.dot(entries(OTHER * np.eye(3)), z),
    "dot of real entries": lambda z: sparse.dot(entries(OTHER.real), z),
    "structured dot": lambda z: sparse.structured_dot(sparse.csc_from_dense(z), OTHER),
    "dot of a vector": lambda z: sparse.dot(entries(z), z[0]),
    "true dot": lambda z: dense(sparse.true_dot(entries(z), entries(z.T))),
    "two sparse": lambda z: dense(entries(z) * entries(z.T)),
    "sparse and dense": lambda z: dense(entries(z) * z),
    "sparse and number": lambda z: dense(entries(z) * z[0, 0]),
    "rows scaled": lambda z: dense(sparse.row_scale(entries(z), z[0])),
    "columns scaled": lambda z: dense(sparse.col_scale(entries(z), z[0])),
    "sampled": lambda z: dense(sparse.sampling_dot(z, z, entries(T.constant(OTHER)))),
    "sums": lambda z: sparse.sp_sum(entries(z), axis=0) * z[0],
    "function of entries": lambda z: dense(sparse.structured_exp(entries(z))),
}
FORMULAS = ELEMENTS | ARRAYS | MATRICES | SPARSE


def cost_of(value: Any) -> Any:
    value = T.as_tensor_variable(value)
    weights = (T.arange(value.size) * 7 % 5 + 1).reshape(value.shape, ndim=value.ndim)
    real = (
        value if value.dtype.startswith("f") else T.real(value) - 0.75 * T.imag(value)
    )
    return (real * weights).sum()


def differences(formula: Any) -> tuple[Any, Any]:
    a, b = T.dmatrices("a", "b")
    plain = symnet.Mode(optimizer=None, linker="py")
    cost = symnet.function([a, b], cost_of(formula(T.complex(a, b))), mode=plain)
    found = np.zeros((2, *POINT.shape))
    for place in np.ndindex(*found.shape):
        step = np.zeros_like(found)
        step[place] = STEP
        x = np.stack([POINT.real, POINT.imag])
        found[place] = (cost(*(x + step)) - cost(*(x - step))) / (2 * STEP)
    return found[0], found[1]


@pytest.mark.parametrize("name", list(FORMULAS))
def test_both_parts(name: str) -> None:
    formula = FORMULAS[name]
    wanted = differences(formula)
    for dtype, modes in (
        ("float64", ("FAST_RUN", "FAST_COMPILE")),
        ("float32", ("FAST_RUN",)),
    ):
        a, b = T.matrix("a", dtype), T.matrix("b", dtype)
        with config.change_flags(on_rewrite_error="raise"):
            slopes = T.grad(cost_of(formula(T.complex(a, b))), [a, b])
            found = [
                symnet.function([a, b], slopes, mode=mode)(
                    POINT.real.astype(dtype), POINT.imag.astype(dtype)
                )
                for mode in modes
            ]
        tolerance = 1e-4 if dtype == "float64" else 5e-3
        for both in found:
            for slope, want in zip(both, wanted, strict=True):
                assert slope.dtype == dtype
                scale = tolerance * max(1.0, float(np.max(np.abs(want))))
                np.testing.assert_allclose(slope, want, rtol=tolerance, atol=scale)


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
@pytest.mark.parametrize(
    "name",
    ["sqrt", "log", "arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh"],
)
def test_along_branch_cuts(name: str, mode: str) -> None:
    """The sign of a zero says on which side a number lies: differences are taken there."""
    zeros, ends = (0.0, -0.0), (-2.5, -2.0, -0.5, 0.5, 2.0, 2.5)
    points = [complex(a, b) for a in ends for b in zeros]
    points += [complex(b, a) for a in ends for b in zeros]
    a, b = T.dvectors("a", "b")
    value = getattr(T, name)(T.complex(a, b))
    slopes = [T.grad(part(value).sum(), [a, b]) for part in (T.real, T.imag)]
    f = symnet.function([a, b], [*slopes[0], *slopes[1]], mode=mode)
    re, im = np.array([z.real for z in points]), np.array([z.imag for z in points])
    found = np.array(f(re, im))
    for k, z in enumerate(points):
        across = z.real == 0
        moved = [
            complex(z.real, z.imag + side * 1e-6) if across
            else complex(z.real + side * 1e-6, z.imag)
            for side in (1, -1)
        ]  # fmt: skip
        more, less = getattr(np, name)(np.array(moved))
        want = (more - less) / 2e-6
        got = complex(found[1 if across else 0, k], found[3 if across else 2, k])
        assert abs(got - want) < 1e-6 * (1 + abs(want)), z


@pytest.mark.parametrize(
    "name", ["eigenvectors", "singular values", "orthogonal factor"]
)
def test_what_has_no_gradient_says_so(name: str) -> None:
    formula: Any = {
        "eigenvectors": lambda z: nlinalg.eigh(z + z.conj().T)[1],
        "singular values": lambda z: nlinalg.svd(z, compute_uv=False),
        "orthogonal factor": lambda z: nlinalg.qr(z)[0],
    }[name]
    a, b = T.dmatrices("a", "b")
    with pytest.raises(TypeError, match="no gradient for complex matrices"):
        T.grad(cost_of(formula(T.complex(a, b))), [a, b])
