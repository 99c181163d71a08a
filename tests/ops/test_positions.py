"""Permutations of rows, and positions counted as one, against NumPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.ops.positions import (
    inverse_permutation,
    permute_row_elements,
    ravel_multi_index,
    unravel_index,
)

RNG = np.random.default_rng(5)


def permutations(rows: int, length: int) -> np.ndarray:
    return np.array([RNG.permutation(length) for _ in range(rows)], np.int64).reshape(
        rows, length
    )


@pytest.mark.parametrize("shape", [(4, 5), (1, 5), (0, 3), (3, 1), (2, 0)])
def test_each_row_by_its_own_permutation(shape: tuple[int, int]) -> None:
    x, y = T.dmatrix(), T.lmatrix()
    value, order = RNG.normal(size=shape), permutations(*shape)
    there = permute_row_elements(x, y)
    f = symnet.function([x, y], [there, permute_row_elements(there, y, True)])
    found, back = f(value, order)
    np.testing.assert_array_equal(found, np.take_along_axis(value, order, 1))
    np.testing.assert_array_equal(back, value)


def test_ranks_are_broadcast() -> None:
    value, order = RNG.normal(size=(3, 4)), permutations(3, 4)
    row = T.constant(value[0])
    np.testing.assert_array_equal(
        permute_row_elements(row, T.constant(order)).eval(), value[0][order]
    )
    np.testing.assert_array_equal(
        permute_row_elements(T.constant(value), order[0]).eval(), value[:, order[0]]
    )
    cube = RNG.normal(size=(2, 3, 4))
    np.testing.assert_array_equal(
        permute_row_elements(T.constant(cube), T.constant(order)).eval(),
        np.take_along_axis(cube, order[None], 2),
    )


def test_the_inverse_may_be_chosen_at_a_run() -> None:
    x, y, back = T.dvector(), T.lvector(), T.lscalar()
    f = symnet.function([x, y, back], permute_row_elements(x, y, back))
    value, order = RNG.normal(size=6), RNG.permutation(6)
    np.testing.assert_array_equal(f(value, order, 0), value[order])
    np.testing.assert_array_equal(f(value, order, 1), value[np.argsort(order)])


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint16"])
def test_inverse_permutation(dtype: str) -> None:
    order = permutations(3, 7).astype(dtype)
    found = inverse_permutation(T.constant(order)).eval()
    np.testing.assert_array_equal(found, np.argsort(order, 1))
    assert found.dtype == dtype


def test_gradient_goes_to_where_an_element_came_from() -> None:
    order = permutations(2, 3)
    x = T.dmatrix()
    weights = np.arange(6.0).reshape(2, 3)
    cost = (permute_row_elements(x, T.constant(order)) * weights).sum()
    expected = np.empty((2, 3))
    np.put_along_axis(expected, order, weights, 1)
    np.testing.assert_array_equal(
        symnet.grad(cost, x).eval({x: np.zeros((2, 3))}), expected
    )
    T.verify_grad(
        lambda v: permute_row_elements(v, T.constant(order)),
        [RNG.normal(size=(2, 3))], rng=np.random.RandomState(1),
    )  # fmt: skip


def test_wrong_permutations() -> None:
    with pytest.raises(TypeError, match="takes rows and, for each, integers"):
        permute_row_elements(T.dvector(), T.dvector())
    with pytest.raises(TypeError, match="takes rows"):
        permute_row_elements(T.dscalar(), T.lvector())
    with pytest.raises(TypeError, match="vector of integers"):
        inverse_permutation(T.dvector())
    with pytest.raises(IndexError):
        permute_row_elements(T.constant([1.0, 2.0]), [0, 2]).eval()


DIMS = [(3,), (3, 4), (2, 3, 4), (1, 5, 1)]


@pytest.mark.parametrize(("dims", "order"), list(itertools.product(DIMS, "CF")))
def test_positions_and_indices_of_axes(dims: tuple[int, ...], order: str) -> None:
    size = int(np.prod(dims))
    for places in (np.arange(size), np.arange(size).reshape(-1, 1), np.int64(size - 1)):
        found = unravel_index(T.constant(places), dims, order)
        expected = np.unravel_index(places, dims, order)
        for one, want in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one.eval(), want)
            assert one.dtype == "int64"
        back = ravel_multi_index(found, dims, "raise", order)
        np.testing.assert_array_equal(back.eval(), places)


@pytest.mark.parametrize(
    ("mode", "order"), list(itertools.product(("wrap", "clip"), "CF"))
)
def test_indices_out_of_range(mode: str, order: str) -> None:
    indices = ([0, 5, -1, 2], [3, 9, 1, -7])
    found = ravel_multi_index(indices, (3, 4), mode, order).eval()
    np.testing.assert_array_equal(
        found, np.ravel_multi_index(indices, (3, 4), mode, order)
    )


def test_sizes_that_a_run_brings() -> None:
    i, dims = T.lvector(), T.lvector()
    f = symnet.function([i, dims], unravel_index(i, dims, ndim=2))
    for one, want in zip(f([5, 7], [2, 4]), np.unravel_index([5, 7], (2, 4))):
        np.testing.assert_array_equal(one, want)
    x = T.dmatrix()
    g = symnet.function([i, x], unravel_index(i, x.shape))
    assert [one.tolist() for one in g([3], np.zeros((2, 2)))] == [[1], [1]]


def test_what_is_no_position() -> None:
    i = T.lvector("i")
    f = symnet.function([i], unravel_index(i, (2, 3)))
    for wrong in ([6], [-1]):
        with pytest.raises(ValueError, match="a position is not in the array"):
            f(wrong)
    g = symnet.function([i], ravel_multi_index((i, i), (2, 3)))
    with pytest.raises(ValueError, match="an index is out of range"):
        g([2])
    with pytest.raises(TypeError, match="indices are integers"):
        unravel_index(T.dvector(), (2, 3))
    with pytest.raises(TypeError):
        unravel_index([1], (2.5, 3.5))
    with pytest.raises(ValueError, match="order"):
        unravel_index([1], (2, 3), "A")
    with pytest.raises(ValueError, match="mode"):
        ravel_multi_index(([1], [1]), (2, 3), "off")
    with pytest.raises(ValueError, match="2 indices for 1 sizes"):
        ravel_multi_index(([1], [1]), (3,))
    with pytest.raises(ValueError):
        unravel_index(i, T.lvector())  # how many sizes is not known
