"""Lists of arrays as values: what Python's lists do, and nothing overwritten."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.graph.object_types import Generic, SliceType, TypedListType
from symnet.typed_list import (
    GetItem,
    Index,
    count,
    index_,
    insert,
    length,
    make_list,
    remove,
    reverse,
)

A, B, C = np.ones((2, 2)), np.arange(3.0).reshape(1, 3), np.zeros((2, 2))
LIST = TypedListType(T.dmatrix)
MODES = ["FAST_RUN", "FAST_COMPILE", "DebugMode"]


def same(found: Any, expected: Any) -> bool:
    return len(found) == len(expected) and all(map(np.array_equal, found, expected))


@pytest.mark.parametrize("mode", MODES)
def test_as_lists_of_python(mode: str) -> None:
    x, m, k = LIST("x"), T.dmatrix("m"), T.lscalar("k")
    f = symnet.function(
        [x, m, k],
        [x.append(m), x.extend(x), x.insert(k, m), x.remove(m), x.reverse(), x[k], x[1:],
         x.count(m), x.ind(m), length(x), x[0].sum() * 2],
        mode=mode,
    )  # fmt: skip
    for _ in range(2):
        (appended, doubled, inserted, removed, turned, item, rest, number, place, size,
         total) = f([A, B, C, A], A, 1)  # fmt: skip
        assert same(appended, [A, B, C, A, A])
        assert same(doubled, [A, B, C, A] * 2)
        assert same(inserted, [A, A, B, C, A])
        assert same(removed, [B, C, A])
        assert same(turned, [A, C, B, A])
        assert same(rest, [B, C, A])
        np.testing.assert_array_equal(item, B)
        assert (number, place, size, total) == (2, 0, 4, 8)
        assert number.dtype == size.dtype == "int64"


@pytest.mark.parametrize("mode", MODES)
def test_results_are_the_callers_own(mode: str) -> None:
    x = LIST("x")
    f = symnet.function([x], [x.reverse(), x[0]], mode=mode)
    given = [A.copy(), B.copy()]
    turned, item = f(given)
    turned[0][...] = 7
    item[...] = 8
    turned.clear()
    assert same(given, [A, B])


def test_lists_within_a_native_program() -> None:
    x, v = LIST("x"), T.dvector("v")
    f = symnet.function([x, v], T.exp(x[0]).sum() + v.sum())
    np.testing.assert_allclose(f([A, B], [1.0]), np.exp(A).sum() + 1)
    w = symnet.shared(0.0)
    counted = symnet.function([x], [], updates=[(w, w + length(x))])
    counted([A, B])
    counted([A])
    assert w.get_value() == 3


def test_lists_of_lists() -> None:
    nested = TypedListType(T.dvector, 1)
    x, inner = nested("x"), TypedListType(T.dvector)("inner")
    assert nested.get_depth() == 1
    assert nested == TypedListType(TypedListType(T.dvector))
    f = symnet.function([x, inner], [x.append(inner), x[0][1], count(x, inner)])
    more, item, number = f([[[1.0], [2.0]], []], [[1.0], [2.0]])
    assert [len(one) for one in more] == [2, 0, 2]
    assert item.tolist() == [2]
    assert number == 1


def test_lists_made_of_variables() -> None:
    v, u = T.dvector("v"), T.dvector("u")
    f = symnet.function([v, u], make_list([v, u, v * 2]))
    assert same(f([1.0], [2.0, 3.0]), [[1], [2, 3], [2]])
    assert same(make_list((1.0, 2.0)).eval(), [1, 2])
    with pytest.raises(TypeError, match="of one type"):
        make_list([v, T.dmatrix()])
    one = symnet.function([v], make_list([v]), givens={v: T.constant([5.0])},
                          on_unused_input="ignore")  # fmt: skip
    assert same(one([1.0]), [[5]])
    with pytest.raises(TypeError, match="at least one"):
        make_list([])


def test_slices_and_objects_as_inputs() -> None:
    x, where, anything = LIST("x"), SliceType()("where"), Generic()("anything")
    f = symnet.function([x, where], GetItem()(x, where))
    assert same(f([A, B, C], slice(1, None)), [B, C])
    with pytest.raises(TypeError, match="expected a slice"):
        f([A], 1)
    g = symnet.function([anything], anything)
    marker = object()
    assert g(marker) is marker


def test_positions_and_items_that_are_not_there() -> None:
    x, m, k = LIST("x"), T.dmatrix("m"), T.lscalar("k")
    item = symnet.function([x, k], x[k])
    np.testing.assert_array_equal(item([A, B], -1), B)
    with pytest.raises(IndexError):
        item([A], 1)
    for op in (index_, remove):
        f = symnet.function([x, m], op(x, m))
        with pytest.raises(ValueError, match="no item of the list equals"):
            f([A], C)


def test_wrong_operands() -> None:
    x = LIST("x")
    with pytest.raises(TypeError, match="holds values of type float64 matrix"):
        x.append(T.dvector())
    with pytest.raises(TypeError, match="takes a typed list"):
        reverse(T.dvector())
    with pytest.raises(TypeError, match="a position is an integer"):
        x[T.dmatrix()]
    with pytest.raises(TypeError, match="a position is an integer"):
        insert(x, 0.5, A)
    with pytest.raises(TypeError, match="is not extended by"):
        x.extend(TypedListType(T.dvector)())
    with pytest.raises(TypeError, match="typed_list.length"):
        len(x)
    f = symnet.function([x], length(x))
    for wrong in (3, "ab", [1.0], [np.ones(3)]):
        with pytest.raises(TypeError):
            f(wrong)
    with pytest.raises(ValueError, match="depth"):
        TypedListType(T.dvector, -1)
    with pytest.raises(TypeError, match="is one of a type"):
        TypedListType("float64")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected TypedList"):
        LIST.filter((A,), strict=True)


def test_types_and_ops_are_equal_by_what_they_are() -> None:
    assert LIST == TypedListType(T.dmatrix) != TypedListType(T.dvector)
    assert hash(LIST) == hash(TypedListType(T.dmatrix))
    assert str(LIST) == "TypedList <float64 matrix>"
    assert Index() == Index(inplace=True)
    assert LIST.values_eq([A, B], [A.copy(), B.copy()])
    assert not LIST.values_eq([A], [A, B])
    assert not LIST.values_eq([A], [C])
    assert LIST("x").ttype == T.dmatrix


def test_pickles_and_copies() -> None:
    x = LIST("x")
    f = symnet.function([x], x.reverse())
    for again in (pickle.loads(pickle.dumps(f)), copy.deepcopy(f), f.copy()):
        assert same(again([A, B]), [B, A])
