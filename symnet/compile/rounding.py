"""Results off by their last bits: which operations round, and how far.

Where an evaluation with such results differs from one without, it is roundings that
decide.  Source: Vignes 1993, stochastic arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from symnet.graph.variables import Apply
from symnet.ops.elementwise import Elementwise
from symnet.ops.linalg.gemm import Gemm
from symnet.ops.linalg.products import Product
from symnet.ops.linalg.solving import MatrixOp
from symnet.ops.nnet.convolution import Convolution
from symnet.ops.nnet.pooling import Pooling
from symnet.ops.reduce import Reduce

BITS = 8.0  # units in the last place by which results are off
CHOOSING = {
    "switch", "maximum", "minimum", "clip", "second", "identity", "neg", "abs", "sgn",
    "floor", "ceil", "trunc", "round_half_to_even", "round_half_away_from_zero", "relu",
    "real", "imag", "complex", "conj",
}  # fmt: skip


def off_by_rounding(
    node: Apply,
    arrays: Sequence[Any],
    results: Sequence[Any],
    compute: Callable[[Apply, Sequence[Any]], Sequence[Any]],
    rng: np.random.Generator,
    side: float = 1.0,
) -> list[Any]:
    """The results of an operation, each off by its last bits where it rounds, at random,
    and the other way where `side` is -1.  Floats that differ by no more than that may be
    equal: of many that nearly are the largest, each may be the one.

    compute: what gave the results for `arrays`.
    """
    if isinstance(node.op, Elementwise) and node.op.name == "eq":
        left, right = arrays
        return [_nearly_equal(left, right, results[0], rng)]
    if _multiplies(node):
        results = compute(node, [_by_size(arrays[0], node.op.axes, side < 0)])
    if isinstance(node.op, Convolution) and not np.all(np.isfinite(arrays[1])):
        # Their products with a border's zeros are NaN, where these are taken at all.
        zeros = np.where(np.isfinite(results[0]) & (side < 0), np.nan, 0)
        results = [results[0] + zeros.astype(results[0].dtype)]
    if isinstance(node.op, MatrixOp):
        results = _of_near_matrices(arrays, results, partial(compute, node), rng)
    sizes = results
    if _adds_up(node) and not _multiplies(node):  # without the signs of its terms
        with np.errstate(all="ignore"):
            sizes = compute(node, [np.abs(a) for a in arrays])
    exact = _exact(node, arrays, results, compute)
    return [
        result if same or not _is_float(result) else _disturbed(result, size, rng, side)
        for result, size, same in zip(results, sizes, exact, strict=True)
    ]


def _by_size(array: Any, axes: Sequence[int], falling: bool) -> Any:
    """The factors of products in another order, the largest or the smallest first: parts of
    a product leave the range of its dtype in one order, and not in another."""
    if not _is_float(array):
        return array
    first = range(len(axes))
    factors = np.moveaxis(array, axes, first)
    shape = factors.shape
    factors = factors.reshape(math.prod(shape[: len(axes)]), -1)
    order = np.argsort(np.abs(factors), axis=0)
    order = order[::-1] if falling else order
    factors = np.take_along_axis(factors, order, 0)
    return np.moveaxis(factors.reshape(shape), first, axes)


def _of_near_matrices(
    arrays: Sequence[Any],
    results: Sequence[Any],
    compute: Callable[[Sequence[Any]], Sequence[Any]],
    rng: np.random.Generator,
) -> Sequence[Any]:
    """The results for matrices that are off by the last bits of their largest elements: a
    stable algorithm promises no more than results of such ones.

    Source: Wilkinson 1963, backward error analysis.
    """
    near = [
        _disturbed(a, np.max(np.abs(a), initial=0), rng) if _is_float(a) else a
        for a in arrays
    ]
    try:
        with np.errstate(all="ignore"):
            return compute(near)
    except Exception:  # they mean nothing, such as one that is not positive
        return results


def _nearly_equal(left: Any, right: Any, equal: Any, rng: np.random.Generator) -> Any:
    if not (_is_float(left) and _is_float(right)):
        return equal
    last = max(np.finfo(np.asarray(a).dtype).eps for a in (left, right))
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(left), np.abs(right))
        near = np.abs(np.subtract(left, right)) <= BITS * float(last) * size
        near &= np.isfinite(size)
    return np.asarray(equal) | (near & (rng.random(np.shape(equal)) < 0.5))


def _is_float(array: Any) -> bool:
    return bool(np.asarray(array).dtype.kind in "fc")


def _multiplies(node: Apply) -> bool:
    return isinstance(node.op, Reduce) and node.op.kind == "prod"


def _adds_up(node: Apply) -> bool:
    if isinstance(node.op, Pooling):
        return node.op.mode != "max"
    sums = isinstance(node.op, Reduce) and node.op.kind == "sum"
    return (
        sums or _multiplies(node) or isinstance(node.op, Product | Gemm | Convolution)
    )


def _exact(
    node: Apply, arrays: Sequence[Any], results: Sequence[Any], compute: Any
) -> list[bool]:
    """Of each result whether it only moves or chooses what there was, and rounds nothing.

    Where all numbers of a result are those of operands, that may be by chance: a Fourier
    transform of ones has a one and zeros.  So the operation has to move other operands, too.
    """
    if isinstance(node.op, Elementwise):
        return [node.op.name in CHOOSING] * len(results)
    if _adds_up(node):
        return [False] * len(results)
    there = [np.ravel(a) for a in arrays if _is_float(a)]
    by_chance = [
        bool(there) and _is_float(result) and _all_among(result, there)
        for result in results
    ]
    if not any(by_chance):
        return by_chance
    others = _others(arrays)
    try:
        with np.errstate(all="ignore"):
            moved = compute(node, others)
    except Exception:  # others mean nothing, such as a matrix that is not positive
        return [False] * len(results)
    there_too = [np.ravel(a) for a in others if _is_float(a)]
    return [
        among and _moves(result, other, there_too)
        for among, result, other in zip(by_chance, results, moved, strict=True)
    ]


def _all_among(result: Any, arrays: Sequence[Any]) -> bool:
    return bool(np.all(np.isin(result, np.concatenate(arrays))))


def _others(arrays: Sequence[Any]) -> list[Any]:
    """The operands with every float a little larger, each by another part of itself."""
    rng = np.random.default_rng(0)

    def other(array: Any) -> Any:
        if not _is_float(array):
            return array
        array = np.asarray(array)
        with np.errstate(all="ignore"):
            more = (1 + np.abs(array)) * rng.uniform(0.01, 0.02, array.shape)
            return np.asarray(array + more, array.dtype)

    return [other(a) for a in arrays]


def _moves(result: Any, other: Any, arrays: Sequence[Any]) -> bool:
    """Whether other operands gave their own numbers, or what the first ones gave."""
    if np.shape(result) != np.shape(other):
        return False
    fine = np.isin(other, np.concatenate(arrays)) | (np.asarray(result) == other)
    return bool(np.all(fine))


def _disturbed(
    result: Any, size: Any, rng: np.random.Generator, side: float = 1.0
) -> Any:
    """A result off by the last bits of `size`.  Which parts of a complex number that left
    its range are NaN, and which infinite, depends on the order of operations."""
    array = np.asarray(result)
    limits = np.finfo(array.dtype)
    last, least = side * BITS * rng.uniform(-1.0, 1.0, (2, *array.shape))
    with np.errstate(all="ignore"):
        size = np.abs(size).astype(array.dtype)
        moved = array + size * (last * limits.eps) + least * limits.tiny
    if array.dtype.kind == "c" and not np.all(np.isfinite(array)):
        parts = rng.choice([np.nan, np.inf, -np.inf], (*array.shape, 2))
        beyond = parts.view(complex)[..., 0]
        moved = np.where(np.isfinite(array), moved, beyond)
    return np.asarray(moved, dtype=array.dtype)
