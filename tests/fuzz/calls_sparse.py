"""Sparse matrices: a dense one with some elements left out is made sparse, goes through a
few steps, and comes back dense.

Which elements are stored is fixed by the step, so that the two kinds of gradients, of
stored elements and of all, are the same by the dense matrix.  Beside it stand the same
steps on dense arrays with a mask.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import symnet.sparse as sparse
import symnet.tensor as T
from tests.fuzz.calls import Call, Drawn, same_dtype, two
from tests.fuzz.spaces import TINY, Arrays, Tie, Unknown, Wide


@dataclass
class Masked:
    """A dense array, and which of its elements are stored; others are 0."""

    array: Any
    stored: Any

    @property
    def T(self) -> Masked:
        return Masked(self.array.T, self.stored.T)


def mask(s: Any, shape: tuple[int, ...]) -> Any:
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    return (numbers * 7 + s["mask"]) % 5 < 3


def kept(x: Any, stored: Any) -> Any:
    return np.where(stored, x, 0 * np.asarray(x))


def symbolic_mask(s: Any, x: Any) -> Any:
    n, m = x.shape
    numbers = T.arange(n * m).reshape((n, m))
    return T.lt((numbers * 7 + s["mask"]) % 5, 3)


# Steps from sparse to sparse: on sparse variables, on masked arrays of a namespace.
Sparse = tuple[Callable[..., Any], Callable[..., Any]]


def entries(symbolic: Any, name: str) -> Sparse:
    """A function of each stored element."""
    return symbolic, lambda m, x, y: Masked(
        kept(getattr(m, name)(x.array), x.stored), x.stored
    )


def both_stored(x: Masked, y: Any) -> Masked:
    """y with its own elements left out, in another pattern."""
    return Masked(kept(y, x.stored), x.stored)


STEPS: dict[str, Sparse] = {
    "sin": entries(lambda x, y: sparse.sin(x), "sin"),
    "tanh": entries(lambda x, y: sparse.tanh(x), "tanh"),
    "sqr": entries(lambda x, y: sparse.sqr(x), "square"),
    "neg": entries(lambda x, y: -x, "neg"),
    "structured_exp": entries(lambda x, y: sparse.structured_exp(x * 0.25), "exp_of_quarter"),
    "structured_sigmoid": entries(lambda x, y: sparse.structured_sigmoid(x), "sigmoid"),
    "structured_add": (
        lambda x, y: sparse.structured_add(x, 1),
        lambda m, x, y: Masked(kept(m.add(x.array, 1), x.stored), x.stored),
    ),
    "structured_maximum": (
        lambda x, y: sparse.structured_maximum(x, 0.25),
        lambda m, x, y: Masked(kept(m.maximum(x.array, 0.25), x.stored), x.stored),
    ),
    "sum of two": (
        lambda x, y: x + x * 2,
        lambda m, x, y: Masked(m.add(x.array, m.mul(x.array, 2)), x.stored),
    ),
    "product of two": (
        lambda x, y: x * (x + x),
        lambda m, x, y: Masked(m.mul(x.array, m.mul(x.array, 2)), x.stored),
    ),
    "product with dense": (
        lambda x, y: x * y,
        lambda m, x, y: Masked(m.mul(x.array, kept(y, x.stored)), x.stored),
    ),
    "col_scale": (
        lambda x, y: sparse.col_scale(x, y[0]),
        lambda m, x, y: Masked(x.array * first(y), x.stored),
    ),
    "row_scale": (
        lambda x, y: sparse.row_scale(x, y[:, 0]),
        lambda m, x, y: Masked(x.array * first(y.T)[:, None], x.stored),
    ),
    "mul_s_v": (
        lambda x, y: sparse.mul_s_v(x, y[0]),
        lambda m, x, y: Masked(x.array * first(y), x.stored),
    ),
    "structured_add_s_v": (
        lambda x, y: sparse.structured_add_s_v(x, y[0]),
        lambda m, x, y: Masked(kept(x.array + first(y), x.stored), x.stored),
    ),
    "csr to csc": (
        lambda x, y: _other(x), lambda m, x, y: x,
    ),
    "arrays": (
        lambda x, y: sparse.CSM(x.type.format)(*sparse.csm_properties(x)),
        lambda m, x, y: x,
    ),
    "ends": (
        lambda x, y: sparse.vstack([x, x], format=x.type.format)[: x.shape[0]],
        lambda m, x, y: x,
    ),
    "twice": (
        lambda x, y: sparse.transpose(sparse.transpose(x)), lambda m, x, y: x,
    ),
}  # fmt: skip
# Last steps, from sparse to dense.
ENDS: dict[str, Sparse] = {
    "dense": (lambda x, y: sparse.dense_from_sparse(x), lambda m, x, y: x.array),
    "dot": (lambda x, y: sparse.dot(x, y.T), lambda m, x, y: np.dot(x.array, y.T)),
    "structured_dot": (
        lambda x, y: sparse.structured_dot(x, y.T),
        lambda m, x, y: np.dot(x.array, y.T),
    ),
    "dot from the left": (
        lambda x, y: sparse.dot(y.T, x), lambda m, x, y: np.dot(y.T, x.array)
    ),
    "true_dot": (
        lambda x, y: sparse.dense_from_sparse(sparse.true_dot(x, x.T)),
        lambda m, x, y: np.dot(x.array, x.array.T),
    ),
    "transpose": (
        lambda x, y: sparse.dense_from_sparse(x.T), lambda m, x, y: x.array.T
    ),
    "plus dense": (lambda x, y: x + y, lambda m, x, y: x.array + y),
    "less dense": (lambda x, y: x - y, lambda m, x, y: x.array - y),
    "sum": (lambda x, y: sparse.sp_sum(x), lambda m, x, y: np.sum(x.array)),
    "sum of columns": (
        lambda x, y: sparse.sp_sum(x, axis=0), lambda m, x, y: np.sum(x.array, axis=0)
    ),
    "sum of rows": (
        lambda x, y: sparse.sp_sum(x, axis=1), lambda m, x, y: np.sum(x.array, axis=1)
    ),
    "part": (
        lambda x, y: sparse.dense_from_sparse(x[1:, :2]),
        lambda m, x, y: x.array[1:, :2],
    ),
    "sampling_dot": (
        lambda x, y: sparse.dense_from_sparse(sparse.sampling_dot(y, y, x * 0 + x)),
        lambda m, x, y: kept(np.dot(y, y.T), x.stored[:, : len(y)]) * x.array,
    ),
    "hstack": (
        lambda x, y: sparse.dense_from_sparse(sparse.hstack([x, x * 2])),
        lambda m, x, y: np.concatenate([x.array, x.array * 2], axis=1),
    ),
}  # fmt: skip


def first(y: Any) -> Any:
    if not len(y):
        raise IndexError("no row")
    return y[0]


def _other(x: Any) -> Any:
    make = sparse.csc_from_dense if x.type.format == "csr" else sparse.csr_from_dense
    return make(sparse.dense_from_sparse(x))


def symbolic(s: Any, x: Any, y: Any) -> Any:
    made = sparse.csr_from_dense if s["format"] == "csr" else sparse.csc_from_dense
    x = made(x * T.cast(symbolic_mask(s, x), x.dtype))
    for name in s["chain"]:
        x = STEPS[name][0](x, y)
    return ENDS[s["end"]][0](x, y)


class Quarters:
    """A namespace, with the function that is small enough for every element."""

    def __init__(self, m: Any) -> None:
        self.m = m

    def __getattr__(self, name: str) -> Any:
        return getattr(self.m, name)

    def exp_of_quarter(self, x: Any) -> Any:
        return self.m.exp(x / 4)


def dense(m: Any) -> Any:
    def run(s: Any, x: Any, y: Any) -> Any:
        stored, space = mask(s, np.shape(x)), Quarters(m)
        if m is not Arrays and np.any(stored & (np.asarray(x) == 0)):
            raise Unknown("a zero, of which no derivative is stored")
        stored = stored & (np.asarray(x) != 0)
        value = Masked(kept(x, stored), stored)
        for name in s["chain"]:
            value = STEPS[name][1](space, value, y)
            if np.any(value.stored & (np.asarray(value.array) == 0)):
                raise Unknown("a zero that is stored, or left out by the next sum")
        return ENDS[s["end"]][1](space, value, y)

    return run


def doubtful_pattern(s: Any, x: Any, y: Any) -> None:
    """Elements that rounding may have made 0 of others, or others of 0: only these are left
    out of a matrix."""
    small = np.abs(x) <= TINY * np.max(np.abs(x), initial=0.0)
    if np.any(mask(s, np.shape(x)) & small):
        raise Tie("stored or not, by rounding")


SIZES_OF_DTYPE = ("float32", "float64")


def draw(self: Any) -> Drawn | None:
    fits = lambda a: a.ndim == 2 and a.dtype in SIZES_OF_DTYPE  # noqa: E731
    found = two(fits, lambda a, b: a.shape == b.shape and same_dtype(a, b))(self)
    if found is None:
        return None
    chain = [self.one_of(list(STEPS)) for _ in range(self.below(4))]
    rest = {"mask": self.below(5), "format": self.one_of(["csr", "csc"])}
    return found[0], {**rest, "chain": chain, "end": self.one_of(list(ENDS))}


CALLS = {
    "sparse": Call(
        symbolic,
        dense(Arrays),
        draw,
        lambda m, s, x, y: dense(Wide)(s, x, y),
        doubtful_pattern,
    )
}
