"""Layers of networks other than products: normalization, costs of classes, windows of
neighbours, convolutions of other ranks."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import scipy.signal

import symnet.tensor as T
from symnet.tensor.nnet import conv3d
from symnet.tensor.nnet.neighbours import images2neibs
from tests.fuzz.calls import Call, Drawn, floats, one, two
from tests.fuzz.spaces import Unknown

EPSILON = 1e-4


# ---- normalization


def _over(s: Any, ndim: int) -> tuple[int, ...]:
    return (0, *range(2, ndim)) if s["axes"] == "spatial" else (0,)


def _normalized(s: Any, x: Any, y: Any, root: Any) -> Any:
    """By mean and variance of x; y gives scale and shift."""
    over = _over(s, x.ndim)
    if not x.size:
        raise Unknown("a mean of nothing")
    count = int(np.prod([x.shape[k] for k in over]))
    center = np.sum(x, axis=over, keepdims=True) / count
    spread = np.sum((x - center) ** 2, axis=over, keepdims=True) / count
    scale, shift = _parameters(y, over)
    return (x - center) * scale / root(spread + EPSILON) + shift


def _parameters(y: Any, over: Any) -> tuple[Any, Any]:
    """The first elements of y along `over`, and those negated."""
    first = y[tuple(slice(0, 1) if k in over else slice(None) for k in range(y.ndim))]
    return first, -first


def _symbolic_normalized(s: Any, x: Any, y: Any) -> Any:
    over = _over(s, x.ndim)
    scale, shift = _parameters(y, over)
    scale, shift = (_one_along(p, over) for p in (scale, shift))
    if s["trained"]:
        return T.nnet.bn.batch_normalization_train(x, scale, shift, s["axes"], EPSILON)[
            0
        ]
    mean, var = x.mean(axis=over, keepdims=True), x.var(axis=over, keepdims=True)
    return T.nnet.bn.batch_normalization_test(
        x, scale, shift, mean, var, s["axes"], EPSILON
    )


def _one_along(p: Any, over: Any) -> Any:
    return T.addbroadcast(T.specify_shape(p, [1 if k in over else None for k in range(p.ndim)]),
                          *over)  # fmt: skip


# ---- costs of classes


def _classes(x: Any) -> Any:
    """A class for each row."""
    return np.arange(len(x)) * 7 % x.shape[-1]


def _symbolic_classes(x: Any) -> Any:
    return T.arange(x.shape[0]) * 7 % x.shape[1]


def _cost(x: Any, log: Any, exp: Any) -> Any:
    """Cross-entropy of the softmax of rows, less the largest of each."""
    if not x.size:
        raise Unknown("no class")
    moved = x - np.max(x, axis=-1, keepdims=True)
    total = log(np.sum(exp(moved), axis=-1))
    return total - moved[np.arange(len(x)), _classes(x)]


def _symbolic_cost(s: Any, x: Any) -> Any:
    p = T.nnet.softmax(x)
    classes = _symbolic_classes(x)
    if s["coded"]:
        return T.nnet.categorical_crossentropy(
            p, T.extra_ops.to_one_hot(classes, x.shape[1])
        )
    return T.nnet.categorical_crossentropy(p, classes)


def _binary(x: Any, y: Any, xp: Any) -> Any:
    """Of a chance beside a target, both within (0, 1)."""
    p, t = (xp.tanh(a) * 0.25 + 0.5 for a in (x, y))
    return p, t


def _symbolic_binary(s: Any, x: Any, y: Any) -> Any:
    return T.nnet.binary_crossentropy(*_binary(x, y, T))


# ---- windows and convolutions


def _neighbours(s: Any, x: Any) -> Any:
    rows, columns = s["window"]
    n, m = x.shape[0] // rows, x.shape[1] // columns
    if x.size == 0 or x.shape[0] % rows or x.shape[1] % columns:
        raise ValueError("windows do not fit")
    parts = x.reshape(n, rows, m, columns).transpose(0, 2, 1, 3)
    return parts.reshape(n * m, rows * columns)


def _symbolic_neighbours(s: Any, x: Any) -> Any:
    return images2neibs(x.dimshuffle("x", "x", 0, 1), s["window"])


def _volume(s: Any, x: Any, w: Any) -> Any:
    if min(w.shape) < 1 or any(a < b for a, b in zip(x.shape, w.shape, strict=True)):
        raise ValueError("a filter is larger than what it passes over")
    return scipy.signal.convolve(x, w, mode="valid", method="direct")


def _small(x: Any) -> Any:
    """A part of x that is a filter: two of each axis at most."""
    return x[tuple(slice(0, 2) for _ in range(x.ndim))]


def _wide_volume(x: Any, w: Any) -> Any:
    """The same, offset by offset."""
    sizes = [a - b + 1 for a, b in zip(x.shape, w.shape, strict=True)]
    if min(w.shape) < 1 or min(sizes) < 1:
        raise Unknown("a filter is larger than what it passes over")
    total: Any = 0
    for place in np.ndindex(w.shape):
        starts = [b - 1 - k for b, k in zip(w.shape, place, strict=True)]
        part = x[tuple(slice(a, a + n) for a, n in zip(starts, sizes, strict=True))]
        total = total + part * w[place]
    return total


def _symbolic_volume(s: Any, x: Any) -> Any:
    found = conv3d(
        x.dimshuffle("x", "x", 0, 1, 2), _small(x).dimshuffle("x", "x", 0, 1, 2)
    )
    return found[0, 0]


def _exactly(function: Any) -> Any:
    return np.frompyfunc(function, 1, 1)


def draw_normalized(self: Any) -> Drawn | None:
    fits = lambda a: floats(a) and a.dtype != "float16" and a.ndim in (2, 3)  # noqa: E731
    found = two(fits, lambda a, b: a.shape == b.shape and a.dtype == b.dtype)(self)
    if found is None:
        return None
    spatial = self.values[found[0][0]].ndim == 3
    axes = "spatial" if spatial else "per-activation"
    return found[0], {"axes": axes, "trained": self.chance(0.5)}


wide_floats = lambda a: floats(a) and a.dtype != "float16"  # noqa: E731
matrix = lambda a: wide_floats(a) and a.ndim == 2  # noqa: E731
same = lambda a, b: a.shape == b.shape and a.dtype == b.dtype  # noqa: E731
WINDOWS = ((1, 1), (2, 2), (1, 3), (3, 1), (2, 1))

CALLS = {
    "normalized": Call(
        _symbolic_normalized,
        lambda s, x, y: np.asarray(_normalized(s, x, y, np.sqrt), x.dtype),
        draw_normalized,
        lambda m, s, x, y: _normalized(s, x, y, _exactly(mpmath.sqrt)),
    ),
    "cost of classes": Call(
        _symbolic_cost,
        lambda s, x: _cost(x, np.log, np.exp),
        one(matrix, coded=lambda self, a: self.chance(0.3)),
        lambda m, s, x: _cost(x, _exactly(mpmath.log), _exactly(mpmath.exp)),
    ),
    "cost of chances": Call(
        _symbolic_binary,
        lambda s, x, y: _surprise(*_binary(x, y, np), np.log),
        two(wide_floats, same),
        lambda m, s, x, y: _surprise(
            *(_exactly(mpmath.tanh)(a) * mpmath.mpf(0.25) + 0.5 for a in (x, y)),
            _exactly(mpmath.log),
        ),
    ),
    "neighbours": Call(
        _symbolic_neighbours, _neighbours,
        one(matrix, window=lambda self, a: list(self.one_of(WINDOWS))),
        lambda m, s, x: _neighbours(s, x),
    ),
    "volume": Call(
        _symbolic_volume, lambda s, x: _volume(s, x, _small(x)),
        one(lambda a: wide_floats(a) and a.ndim == 3),
        lambda m, s, x: _wide_volume(x, _small(x)),
    ),
}  # fmt: skip


def _surprise(p: Any, t: Any, log: Any) -> Any:
    return -(t * log(p) + (1 - t) * log(1 - p))
