"""Indexing that a rule, a fusion or an overwriting could get wrong: values against NumPy's."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from tests.test_wrong_results import RNG, Compile, same


@pytest.fixture(params=["FAST_RUN", "FAST_COMPILE"])
def compile(request: pytest.FixtureRequest) -> Compile:
    """`function` in one of the modes."""
    return lambda inputs, outputs, **keywords: symnet.function(
        inputs, outputs, mode=request.param, **keywords
    )


def test_a_part_of_a_reversed_slice(compile: Compile) -> None:
    x = T.lvector()
    a, b, c = T.lscalars("abc")
    value = np.arange(5)
    f = compile(
        [x, a, b, c], [x[a:b:-1][c], x[a::-1][c:], x[:b:-1][:c], x[a:b:-1][c::-1]]
    )
    checked = 0
    for first, stop, at in itertools.product(
        range(-6, 7, 2), range(-6, 7, 3), range(-3, 4)
    ):
        backwards = value[first:stop:-1]
        if -len(backwards) <= at < len(backwards):
            want = [
                backwards[at], value[first::-1][at:], value[:stop:-1][:at], backwards[at::-1],
            ]  # fmt: skip
            for got, wish in zip(f(value, first, stop, at), want, strict=True):
                np.testing.assert_array_equal(got, wish)
            checked += 1
        else:
            with pytest.raises(IndexError):
                f(value, first, stop, at)
    assert checked > 20


def test_what_is_read_back_after_an_increment_at_equal_places(compile: Compile) -> None:
    y, i = T.dvector(), T.lvector()
    written = T.inc_subtensor(T.zeros((4,))[i], y)
    placed = T.set_subtensor(T.zeros((4,))[i], y)
    f = compile([y, i], [written[i], placed[i]])
    added, last = f(np.array([1.0, 2.0]), np.array([0, 0]))
    same(added, np.array([3.0, 3.0]))
    same(last, np.array([2.0, 2.0]))


def test_a_sum_with_zeros_that_were_set_twice(compile: Compile) -> None:
    x, v, i = T.dvector(), T.dvector(), T.lvector()
    zeros = T.zeros_like(x)
    f = compile(
        [x, v, i], [x + T.set_subtensor(zeros[i], v), x + T.inc_subtensor(zeros[i], v)]
    )
    x_value = np.array([1.0, 2.0, 3.0])
    set_, added = f(x_value, np.array([10.0, 20.0]), np.array([1, 1]))
    same(set_, np.array([1.0, 22.0, 3.0]))
    same(added, np.array([1.0, 32.0, 3.0]))


def test_a_sum_with_one_element_that_was_set(compile: Compile) -> None:
    x = T.dvector()
    one = T.set_subtensor(T.zeros((1,))[[0]], [5.0])
    value = np.arange(0.0, 70.0, 10.0)
    same(compile([x], x + one)(value), value + 5)
    same(
        compile([x], x + T.inc_subtensor(T.zeros((1,))[[0, 0]], [5.0, 1.0]))(value),
        value + 6,
    )


def test_writing_at_vectors_and_matrices_of_positions(compile: Compile) -> None:
    x, i, j = T.dmatrix(), T.lvector(), T.lmatrix()
    y, z = T.dmatrix(), T.dtensor3()
    x_value = RNG.normal(size=(4, 3))
    i_value, j_value = np.array([3, -1, 0]), np.array([[1, 1], [-4, 2]])
    y_value, z_value = RNG.normal(size=(3, 3)), RNG.normal(size=(2, 2, 3))
    outputs = [
        T.set_subtensor(x[i], y), T.inc_subtensor(x[i], y),
        T.set_subtensor(x[j], z), T.inc_subtensor(x[j], z),
        T.inc_subtensor(x[i, [0, 1, 1]], 1.0), T.set_subtensor(x[:, [2, 0]], 7.0),
    ]  # fmt: skip
    found = compile([x, i, j, y, z], outputs)(
        x_value, i_value, j_value, y_value, z_value
    )
    wanted = [x_value.copy() for _ in outputs]
    wanted[0][i_value] = y_value
    np.add.at(wanted[1], i_value, y_value)
    wanted[2][j_value] = z_value
    np.add.at(wanted[3], j_value, z_value)
    np.add.at(wanted[4], (i_value, [0, 1, 1]), 1.0)
    wanted[5][:, [2, 0]] = 7.0
    for got, want in zip(found, wanted, strict=True):
        same(got, want)


def test_gradients_of_writing_and_of_filling() -> None:
    x, y, v = RNG.normal(size=(4, 3)), RNG.normal(size=(2, 3)), RNG.normal(size=3)
    for mode in ("FAST_RUN", "FAST_COMPILE"):
        T.verify_grad(lambda a, b: T.set_subtensor(a[1:3], b), [x, y], mode=mode)
        T.verify_grad(lambda a, b: T.set_subtensor(a[[3, 0]], b), [x, y], mode=mode)
        T.verify_grad(lambda a, b: T.inc_subtensor(a[[2, 2]], b), [x, y], mode=mode)
        T.verify_grad(lambda a: T.alloc(a, 2, 4, 3), [v], mode=mode)
        T.verify_grad(lambda a: T.alloc(a.dimshuffle(0, "x"), 3, 2), [v], mode=mode)


def test_the_gradient_of_equal_positions_adds_up(compile: Compile) -> None:
    x, i = T.dvector(), T.lvector()
    f = compile([x, i], T.grad((x[i] ** 2).sum(), x))
    same(f([1.0, 2.0, 3.0], [1, 1, 0]), np.array([2.0, 8.0, 0.0]))
