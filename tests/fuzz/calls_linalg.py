"""Matrices: decompositions by what they have in common whatever the signs of their columns,
solutions, determinants, Fourier transforms.

What asks for a matrix of a kind makes it inside the call (of `x`: `x x' + I`, which is
positive definite, and `x` with a heavy diagonal, which is well conditioned), so that a
derivative by an element of it is that by an element of `x`.
"""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np

import symnet.tensor as T
from symnet.tensor import fft, nlinalg, slinalg
from tests.fuzz.calls import Call, of, one, two
from tests.fuzz.spaces import Tie, Unknown, _each

# ---- matrices of a kind


def wide(x: Any) -> Any:
    x = np.asarray(x)
    return x if x.dtype == object else x.astype("float64")


def positive(xp: Any, x: Any) -> Any:
    x = x if xp is T else wide(x)
    n = x.shape[0]
    unit = T.eye(n, dtype=x.dtype) if xp is T else np.eye(n, dtype=int)
    return xp.dot(x, x.T) + unit


def heavy(xp: Any, x: Any) -> Any:
    """x with a diagonal that outweighs elements of up to 4 in each row."""
    if xp is T:
        return x + T.cast(4 * x.shape[0] + 1, x.dtype) * T.eye(
            x.shape[0], dtype=x.dtype
        )
    return wide(x) + (4 * len(x) + 1) * np.eye(len(x), dtype=int)


def small(a: Any) -> bool:
    return a.dtype in ("float32", "float64") and bool(np.all(np.abs(a) <= 4))


def square(a: Any) -> bool:
    return a.ndim == 2 and a.shape[0] == a.shape[1] and small(a)


def matrix(a: Any) -> bool:
    return a.ndim == 2 and small(a)


def tall(a: Any) -> bool:
    return matrix(a) and a.shape[0] >= a.shape[1] > 0


# ---- in many digits


def eliminated(a: Any, b: Any) -> tuple[Any, Any]:
    """The determinant of a, and a^-1 b, by elimination with the largest pivots."""
    a, b, det = np.array(a, object), np.array(b, object), mpmath.mpf(1)
    for k in range(len(a)):
        p = k + int(np.argmax(np.abs(a[k:, k])))
        if a[p, k] == 0:
            raise Unknown("a singular matrix")
        if p != k:
            a[[k, p]], b[[k, p]], det = a[[p, k]], b[[p, k]], -det
        det *= a[k, k]
        for i in range(k + 1, len(a)):
            factor = a[i, k] / a[k, k]
            a[i] = a[i] - factor * a[k]
            b[i] = b[i] - factor * b[k]
    for k in reversed(range(len(a))):
        b[k] = (b[k] - (a[k, k + 1 :] @ b[k + 1 :] if k + 1 < len(a) else 0)) / a[k, k]
    return det, b


def unit(n: int) -> Any:
    rows = [[mpmath.mpf(i == j) for j in range(n)] for i in range(n)]
    return np.array(rows, object).reshape(n, n)


def inverted(a: Any) -> Any:
    return eliminated(a, unit(len(a)))[1] if len(a) else a


def cholesky_of(a: Any) -> Any:
    low = unit(len(a)) * 0
    for i in range(len(a)):
        for j in range(i + 1):
            rest = a[i, j] - sum((low[i, :j] * low[j, :j]).tolist(), mpmath.mpf(0))
            low[i, j] = mpmath.sqrt(rest) if i == j else rest / low[j, j]
    return low


def eigenvalues(a: Any) -> tuple[Any, Any]:
    """Of a symmetric matrix, ascending, with the vectors.  Raises: Tie for equal ones."""
    if not len(a):
        return np.zeros(0, object), np.zeros((0, 0), object)
    values, vectors = mpmath.eigsy(mpmath.matrix(np.asarray(a, object).tolist()))
    found = [values[k] for k in range(len(a))]
    order = sorted(range(len(a)), key=found.__getitem__)
    if any(found[q] - found[p] < 1e-2 for p, q in zip(order, order[1:])):
        raise Tie("equal eigenvalues")
    columns = [[vectors[i, k] for k in order] for i in range(len(a))]
    return np.array([found[k] for k in order], object), np.array(columns, object)


def exponential(a: Any) -> Any:
    """By its series, of a matrix divided until it is small."""
    total = term = unit(len(a))
    a, halvings = a / mpmath.mpf(2) ** 20, 20
    for k in range(1, 200):
        term = term @ a / k
        total = total + term
    for _ in range(halvings):
        total = total @ total
    return total


_tanh, _root = _each(lambda v: mpmath.tanh(v)), _each(lambda v: mpmath.sqrt(v))
_log = _each(lambda v: mpmath.log(abs(v)))

# ---- transforms


def transform(x: Any, norm: Any, cos: Any, sin: Any, turn: Any) -> Any:
    """The real transform of the last axis of rows, as pairs of real and imaginary part."""
    x = wide(x)
    n = x.shape[-1]
    if not n:
        raise ValueError("no transform of nothing")
    angles = [[turn * k * j / n for j in range(n)] for k in range(n // 2 + 1)]
    real = np.stack([x @ np.array([cos(v) for v in row]) for row in angles], -1)
    imaginary = np.stack([x @ np.array([-sin(v) for v in row]) for row in angles], -1)
    scale = {None: 1, "no_norm": 1, "ortho": n}[norm]
    root = mpmath.sqrt(scale) if x.dtype == object else math.sqrt(scale)
    return np.stack([real, imaginary], -1) / root


def one_way(s: Any, x: Any) -> Any:
    return transform(x, s["norm"], math.cos, math.sin, 2 * math.pi)


def many_one_way(m: Any, s: Any, x: Any) -> Any:
    return transform(x, s["norm"], mpmath.cos, mpmath.sin, 2 * mpmath.pi)


def there_and_back(s: Any, x: Any) -> Any:
    """Multiplied by 2 in between."""
    if np.shape(x)[-1] % 2 != s["odd"] or not np.shape(x)[-1]:
        raise ValueError("another size")
    return 2 * wide(x)


def symbolic_return(s: Any, x: Any) -> Any:
    return fft.irfft(fft.rfft(x, s["norm"]) * 2, s["norm"], is_odd=s["odd"])


def draw_return(self: Any) -> Any:
    x = self.pick(lambda a: matrix(a) and a.shape[1] > 0)
    if x is None:
        return None
    odd = bool(self.values[x].shape[1] % 2)
    return [x], {"norm": self.one_of([None, "ortho", "no_norm"][:2]), "odd": odd}


# ---- the rows of the table


def solving(xp: Any, kind: str) -> Any:
    """a x = b for a of that kind."""

    def solve(s: Any, x: Any, b: Any) -> Any:
        a = positive(xp, x) if kind == "symmetric" else heavy(xp, x)
        if xp is T:
            names = {
                "general": slinalg.solve, "lower": slinalg.solve_lower_triangular,
                "upper": slinalg.solve_upper_triangular,
                "symmetric": slinalg.solve_symmetric,
            }  # fmt: skip
            return names[kind](a, b)
        a = {"lower": np.tril, "upper": np.triu}.get(kind, lambda v: v)(a)
        b = wide(b)
        if a.dtype == object:
            return eliminated(a, b)[1]
        return np.linalg.solve(a, b.reshape(len(b), -1)).reshape(b.shape)

    return solve


def solves(a: Any, b: Any) -> bool:
    return bool(
        b.ndim in (1, 2) and b.dtype == a.dtype and small(b) and len(b) == len(a)
    )


def solution(kind: str) -> Call:
    return Call(
        solving(T, kind), solving(np, kind), two(square, solves),
        lambda m, s, x, b: solving(np, kind)(s, x, b),
    )  # fmt: skip


def spectrum(s: Any, x: Any) -> Any:
    return np.linalg.eigvalsh(positive(np, x))


def rebuilt(s: Any, x: Any) -> Any:
    values, vectors = np.linalg.eigh(positive(np, x))
    return (vectors * np.tanh(values / 8)) @ vectors.T


def many_rebuilt(m: Any, s: Any, x: Any) -> Any:
    values, vectors = eigenvalues(positive(np, x))
    return (vectors * _tanh(values / 8)) @ vectors.T


def symbolic_rebuilt(s: Any, x: Any) -> Any:
    values, vectors = nlinalg.eigh(positive(T, x))
    return T.dot(vectors * T.tanh(values / 8), vectors.T)


def symbolic_product(s: Any, x: Any) -> Any:
    """What a decomposition is made for: its factors multiply to the matrix."""
    if s["of"] == "qr":
        q, r = nlinalg.qr(x)
        return T.dot(q, r)
    u, sigma, v = nlinalg.svd(x, 0, 1)
    return T.dot(u * sigma, v)


def gram(xp: Any) -> Any:
    """Of the factors of QR: R'R, in which the signs go."""

    def multiply(s: Any, x: Any) -> Any:
        r = nlinalg.qr(x)[1] if xp is T else x
        return xp.dot(r.T, r)

    return multiply


def many_singular(m: Any, s: Any, x: Any) -> Any:
    return _root(eigenvalues(np.dot(x.T, x))[0])[::-1]


def upright(s: Any, x: Any) -> Any:
    return wide(x)


def clear(a: Any) -> bool:
    """A tall matrix whose singular values are apart and not next to 0."""
    if not tall(a):
        return False
    values = np.linalg.svd(a.astype("float64"), compute_uv=False)
    return bool(values[-1] > 0.1 and np.all(np.diff(values) < -0.1))


def determinant(xp: Any) -> Any:
    return lambda s, x: (nlinalg.det if xp is T else np.linalg.det)(heavy(xp, x) / 8)


def half_power(xp: Any) -> Any:
    power = nlinalg.matrix_power if xp is T else np.linalg.matrix_power
    return lambda s, x: power(heavy(xp, x) / 8, s["n"])


def many_power(m: Any, s: Any, x: Any) -> Any:
    a = heavy(np, x) / mpmath.mpf(8)
    a = inverted(a) if s["n"] < 0 else a
    found = unit(len(a))
    for _ in range(abs(s["n"])):
        found = found @ a
    return found


CALLS: dict[str, Call] = {
    "cholesky": Call(
        lambda s, x: slinalg.Cholesky(lower=s["lower"])(positive(T, x)),
        lambda s, x: _turned(s, np.linalg.cholesky(positive(np, x))),
        one(matrix, lower=of(True, False)),
        lambda m, s, x: _turned(s, cholesky_of(positive(np, x))),
    ),
    **{f"solve {k}": solution(k) for k in ("general", "lower", "upper", "symmetric")},
    "inverse": Call(
        lambda s, x: nlinalg.matrix_inverse(heavy(T, x)),
        lambda s, x: np.linalg.inv(heavy(np, x)), one(square),
        lambda m, s, x: inverted(heavy(np, x)),
    ),
    "pinv": Call(
        lambda s, x: nlinalg.pinv(heavy(T, x)),
        lambda s, x: np.linalg.inv(heavy(np, x)), one(square),
        lambda m, s, x: inverted(heavy(np, x)),
    ),
    "det": Call(
        determinant(T), determinant(np), one(square),
        lambda m, s, x: eliminated(heavy(np, x) / mpmath.mpf(8), unit(len(x)))[0],
    ),
    "det of anything": Call(
        lambda s, x: nlinalg.det(x), lambda s, x: np.linalg.det(wide(x)), one(square),
        lambda m, s, x: eliminated(x, unit(len(x)))[0],
    ),
    "slogdet": Call(
        lambda s, x: nlinalg.slogdet(heavy(T, x))[1],
        lambda s, x: np.linalg.slogdet(heavy(np, x))[1], one(square),
        lambda m, s, x: _log(eliminated(heavy(np, x), unit(len(x)))[0])[()],
    ),
    "log(det)": Call(
        lambda s, x: T.log(nlinalg.det(positive(T, x))),
        lambda s, x: np.linalg.slogdet(positive(np, x))[1], one(matrix),
        lambda m, s, x: _log(eliminated(positive(np, x), unit(len(x)))[0])[()],
    ),
    "matrix_power": Call(
        half_power(T), half_power(np), one(square, n=of(0, 1, 2, 3, -1, -2)), many_power
    ),
    "expm": Call(
        lambda s, x: slinalg.expm(x / 4), lambda s, x: _expm(wide(x) / 4), one(square),
        lambda m, s, x: exponential(np.asarray(x, object) / mpmath.mpf(4)),
    ),
    "eigvalsh": Call(
        lambda s, x: slinalg.eigvalsh(positive(T, x), None), spectrum, one(square),
        lambda m, s, x: eigenvalues(positive(np, x))[0],
    ),
    "eigh": Call(symbolic_rebuilt, rebuilt, one(square), many_rebuilt),
    "product of factors": Call(
        symbolic_product, upright, one(clear, of=of("qr", "svd")),
        lambda m, s, x: x,
    ),
    "qr": Call(gram(T), gram(np), one(clear), lambda m, s, x: gram(np)(s, x)),
    "singular values": Call(
        lambda s, x: nlinalg.svd(x, 0, s["vectors"])[1]
        if s["vectors"] else nlinalg.svd(x, 0, 0),
        lambda s, x: np.linalg.svd(wide(x), compute_uv=False),
        one(clear, vectors=of(0, 1)), many_singular,
    ),
    "rfft": Call(
        lambda s, x: fft.rfft(x, s["norm"]), one_way,
        one(matrix, norm=of(None, "ortho", "no_norm")), many_one_way,
    ),
    "irfft": Call(
        symbolic_return, there_and_back, draw_return,
        lambda m, s, x: 2 * np.asarray(x),
    ),
}  # fmt: skip


def _turned(s: Any, low: Any) -> Any:
    return low if s["lower"] else low.T


def _expm(a: Any) -> Any:
    import scipy.linalg

    return scipy.linalg.expm(a) if a.size else a
