"""Indexing in the form of operations, against NumPy."""

from __future__ import annotations

import numpy as np

import symnet.tensor as T

X = np.arange(12.0).reshape(3, 4)


def test_elements_by_arrays() -> None:
    x = T.constant(X)
    rows, columns = np.array([0, 2, 0]), np.array([1, 3, 1])
    np.testing.assert_array_equal(T.advanced_subtensor1(x, rows).eval(), X[rows])
    np.testing.assert_array_equal(
        T.AdvancedSubtensor1(sparse_grad=True)(x, rows).eval(), X[rows]
    )
    np.testing.assert_array_equal(
        T.advanced_subtensor(x, rows, columns).eval(), X[rows, columns]
    )
    mask = X > 5
    for op in (T.advanced_boolean_subtensor, T.AdvancedBooleanSubtensor()):
        np.testing.assert_array_equal(op(x, mask).eval(), X[mask])
    added = T.AdvancedBooleanIncSubtensor()(x, 1.0, mask)
    np.testing.assert_array_equal(added.eval(), X + mask)


def test_writes_by_arrays() -> None:
    x = T.constant(X)
    rows, columns = np.array([0, 2, 0]), np.array([1, 3, 1])
    added = X.copy()
    np.add.at(added, rows, 1.0)
    np.testing.assert_array_equal(
        T.advanced_inc_subtensor1(x, np.ones((3, 4)), rows).eval(), added
    )
    put = X.copy()
    put[rows] = 5
    np.testing.assert_array_equal(
        T.advanced_set_subtensor1(x, np.full((3, 4), 5.0), rows).eval(), put
    )
    added = X.copy()
    np.add.at(added, (rows, columns), 1.0)
    np.testing.assert_array_equal(
        T.advanced_inc_subtensor(x, np.ones(3), rows, columns).eval(), added
    )
    put = X.copy()
    put[rows, columns] = -1
    np.testing.assert_array_equal(
        T.advanced_set_subtensor(x, np.full(3, -1.0), rows, columns).eval(), put
    )
    mask = X > 5
    put = np.where(mask, 0.0, X)
    np.testing.assert_array_equal(
        T.advanced_boolean_set_subtensor(x, 0.0, mask).eval(), put
    )
    np.testing.assert_array_equal(
        T.advanced_boolean_inc_subtensor(x, 1.0, mask).eval(), X + mask
    )
