"""Joining and splitting along an axis that only a run tells, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.errors import AxisError, DeclaredShapeError
from symnet.ops.joining import Join

MODES = ("FAST_RUN", "FAST_COMPILE", "DebugMode")
RNG = np.random.default_rng(3)


@pytest.mark.parametrize("mode", MODES)
def test_join_and_its_gradient(mode: str) -> None:
    axis, (a, b) = T.iscalar("axis"), T.dtensor3s("a", "b")
    y = T.join(axis, a, b, a)
    f = symnet.function([axis, a, b], [y, *T.grad((y**3).sum(), [a, b])], mode=mode)
    for at in (0, 1, 2, -1, -2, -3):
        other = [2, 3, 4]
        other[at] = 5
        left, right = RNG.normal(size=(2, 3, 4)), RNG.normal(size=other)
        joined, by_left, by_right = f(at, left, right)
        np.testing.assert_array_equal(joined, np.concatenate([left, right, left], at))
        np.testing.assert_allclose(by_left, 6 * left**2)
        np.testing.assert_allclose(by_right, 3 * right**2)
    none = np.zeros((0, 3, 4))
    assert f(0, none, none)[0].shape == (0, 3, 4)
    assert f(1, none, none)[0].shape == (0, 9, 4)


def test_join_of_dtypes_ranks_and_one_array() -> None:
    axis = T.lscalar()
    row, m, v, i = T.row(), T.matrix(), T.fvector(), T.ivector()
    f = symnet.function([axis, row, m], T.join(axis, row, m))
    assert f(0, np.ones((1, 2)), np.zeros((3, 2))).shape == (4, 2)
    assert f(1, np.ones((1, 2)), np.zeros((1, 5))).shape == (1, 7)
    y = T.join(axis, v, i)
    assert y.type == T.dvector().type
    np.testing.assert_array_equal(
        symnet.function([axis, v, i], y)(-1, [0.5], [3]), [0.5, 3]
    )
    one = T.concatenate([m], axis=axis)
    np.testing.assert_array_equal(one.eval({axis: 1, m: np.eye(2)}), np.eye(2))


def test_a_known_axis_is_that_axis() -> None:
    a, b = T.dmatrices("a", "b")
    y = T.join(T.constant(2) - 1, a, b)
    assert isinstance(y.owner.op, Join) and y.owner.op.axis == 1
    assert T.split(a, [1, 1], 2, axis=a.shape.shape[0] - 1)[0].owner.op.axis == 1
    with pytest.raises(AxisError, match="no axis 2 in an array of rank 2"):
        T.join(T.constant(1) + 1, a, b)


def test_wrong_axes_ranks_and_sizes() -> None:
    axis, (a, b) = T.iscalar("axis"), T.dtensor3s("a", "b")
    with pytest.raises(TypeError, match="an axis is an integer scalar, not"):
        T.join(T.dscalar(), a, b)
    with pytest.raises(TypeError, match="one rank are needed, not a, float64 3-d"):
        T.join(axis, a, T.dmatrix())
    with pytest.raises(TypeError, match="scalars have no axis"):
        T.join(axis, T.dscalar(), T.dscalar())
    f = symnet.function([axis, a, b], T.join(axis, a, b))
    left = np.ones((2, 6, 1))
    with pytest.raises(
        DeclaredShapeError, match=r"(?s)axis 0\): 3 and 2.*b: \(3, 4, 1\)"
    ):
        f(2, left, np.ones((3, 4, 1)))  # as many elements before the axis
    for at in (3, -4):
        with pytest.raises(IndexError, match="(?s)out of range.*test_joining_anywhere"):
            f(at, left, left)


@pytest.mark.parametrize("mode", MODES)
def test_split(mode: str) -> None:
    axis, x, lengths = T.iscalar("axis"), T.dtensor3("x"), T.lvector("lengths")
    pieces = T.split(x, lengths, 2, axis=axis)
    cost = (pieces[0] ** 2).sum() + pieces[1].sum()
    f = symnet.function([axis, x, lengths], [*pieces, T.grad(cost, x)], mode=mode)
    value = RNG.normal(size=(3, 3, 3))
    for at in (0, 1, 2, -1):
        first, rest, slope = f(at, value, [1, 2])
        want = np.split(value, [1], at)
        np.testing.assert_array_equal(first, want[0])
        np.testing.assert_array_equal(rest, want[1])
        parts = np.split(slope, [1], at)
        np.testing.assert_allclose(parts[0], 2 * want[0])
        np.testing.assert_array_equal(parts[1], np.ones_like(want[1]))
    with pytest.raises(ValueError):
        f(0, np.ones((4, 3, 3)), [1, 2])
