"""Tables and tensors of other libraries: taken as numbers, or refused by their column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import symnet
import symnet.tensor as T
from symnet.graph.entering import as_plain

TAKEN: list[tuple[Any, Any]] = [
    (pd.Series([1, 2, 3]), np.array([1, 2, 3])),
    (pd.Series([1, 2, 3], dtype="Int16"), np.array([1, 2, 3], "int16")),
    (pd.Series([1.5, np.nan]), np.array([1.5, np.nan])),
    (pd.Series([1.5, 2.5], dtype="Float32"), np.array([1.5, 2.5], "float32")),
    (pd.Series([True, False]), np.array([True, False])),
    (pd.Series([True, False], dtype="boolean"), np.array([True, False])),
    (pd.Index([4, 5]), np.array([4, 5])),
    (pd.array([4, 5], dtype="Int64"), np.array([4, 5])),
    (pd.DataFrame({"a": [1, 2], "b": [1.5, 2.5]}), np.array([[1, 1.5], [2, 2.5]])),
    (pd.DataFrame({"a": [1, 2], "b": [True, False]}), np.array([[1, 1], [2, 0]])),
    (pd.DataFrame({"a": pd.array([1, 2], dtype="Int8")}), np.array([[1], [2]], "int8")),
    (pd.DataFrame(index=range(3)), np.empty((3, 0))),
    (pl.Series([1, 2, 3]), np.array([1, 2, 3])),
    (pl.Series([True, False]), np.array([True, False])),
    (pl.DataFrame({"a": [1, 2], "b": [1.5, 2.5]}), np.array([[1, 1.5], [2, 2.5]])),
    (pl.DataFrame({"a": [1, 2], "b": [True, False]}), np.array([[1, 1], [2, 0]])),
    (pl.DataFrame({"a": []}, schema={"a": pl.Float32}), np.empty((0, 1), "float32")),
]


@pytest.mark.parametrize(("value", "wanted"), TAKEN)
def test_taken(value: Any, wanted: Any) -> None:
    array = as_plain(value)
    assert array.dtype == wanted.dtype
    np.testing.assert_array_equal(array, wanted)


REFUSED: list[tuple[Any, str]] = [
    (
        pd.Series([1, None, 3], dtype="Int64", name="age"),
        "1 elements of column 'age' are missing",
    ),
    (pd.Series([True, None], dtype="boolean", name="sex"), "column 'sex' are missing"),
    (
        pd.Series(["a", "b"], dtype="category", name="town"),
        "column 'town' holds category",
    ),
    (pd.Series(["a", "b"], name="town"), "column 'town' holds"),
    (
        pd.Series(pd.to_datetime(["2020-01-01"]), name="day"),
        "column 'day' holds datetime64",
    ),
    (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), "column 'b' holds"),
    (pl.Series("age", [1, None, 3]), "1 elements of column 'age' are missing"),
    (
        pl.Series("town", ["x", "y"], dtype=pl.Categorical),
        "column 'town' holds Categorical",
    ),
    (pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}), "column 'b' holds String"),
]


def entrances() -> list[Callable[[Any], Any]]:
    x, m = T.vector("x"), T.matrix("x")
    functions = {1: symnet.function([x], x * 2), 2: symnet.function([m], m * 2)}
    return [
        symnet.shared,
        T.constant,
        lambda value: functions[
            value.ndim if hasattr(value, "ndim") else len(value.shape)
        ](value),
        lambda value: symnet.shared(np.zeros((2,) * len(value.shape))).set_value(value),
    ]


@pytest.mark.parametrize("entrance", entrances())
@pytest.mark.parametrize(("value", "text"), REFUSED)
def test_refused(entrance: Callable[[Any], Any], value: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        entrance(value)


def test_a_table_stands_on_either_side() -> None:
    x = T.vector("x")
    column = pd.Series([1.0, 2.0])
    for formula in (x * column, column * x):
        np.testing.assert_array_equal(
            formula.eval({x: np.array([3.0, 4.0])}), [3.0, 8.0]
        )


def test_half_precision_of_other_libraries() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.tensor([1.5, -2.0], dtype=torch.bfloat16, requires_grad=True)
    w = symnet.shared(tensor)
    assert w.dtype == "float32"
    np.testing.assert_array_equal(w.get_value(), [1.5, -2.0])
