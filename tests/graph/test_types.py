"""Types of variables: equality, patterns, and the conversion of values."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

import symnet
import symnet.tensor as T
from symnet.config import config
from symnet.graph.types import (
    COMPLEX,
    DTYPES,
    FLOATS,
    INTEGERS,
    DisconnectedType,
    NullType,
    TensorType,
    Type,
)
from symnet.graph.variables import Constant

SIZES = st.lists(st.one_of(st.none(), st.integers(0, 4)), max_size=4).map(tuple)


# ---- what a type is


def test_the_families_of_dtypes_do_not_overlap():
    assert set(FLOATS) | set(COMPLEX) | set(INTEGERS) | {"bool"} == set(DTYPES)
    assert len(FLOATS) + len(COMPLEX) + len(INTEGERS) + 1 == len(DTYPES)


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_spelling_of_a_dtype(dtype):
    plain = TensorType(dtype)
    assert plain.dtype == dtype and plain.numpy_dtype == np.dtype(dtype)
    assert plain == TensorType(np.dtype(dtype)) == TensorType(np.dtype(dtype).type)


def test_python_classes_and_byte_orders_as_dtypes():
    assert TensorType(float).dtype == "float64" and TensorType(bool).dtype == "bool"
    assert TensorType(">f4").dtype == "float32"


def test_floatX_is_read_when_the_type_is_made():
    with config.change_flags(floatX="float32"):
        kind = TensorType("floatX", (None,))
    assert kind.dtype == "float32"
    assert TensorType("floatX").dtype == "float64"


@pytest.mark.parametrize(
    "dtype", ["float128", "object", "U3", "datetime64[s]", "nonsense", 3]
)
def test_unknown_dtypes_are_refused(dtype):
    with pytest.raises(TypeError, match="no dtype"):
        TensorType(dtype)


def test_negative_sizes_are_refused():
    with pytest.raises(ValueError, match="negative"):
        TensorType("float32", (-1,))


@given(st.sampled_from(DTYPES), SIZES)
def test_equal_fields_are_equal_types(dtype, shape):
    kind, twin = TensorType(dtype, shape), TensorType(dtype, list(shape))
    assert kind == twin and hash(kind) == hash(twin)
    assert kind.shape == shape and kind.ndim == len(shape)
    assert kind.broadcastable == tuple(n == 1 for n in shape)
    loaded = pickle.loads(pickle.dumps(kind))
    assert loaded == kind and hash(loaded) == hash(kind)
    assert kind != TensorType(dtype, (*shape, None))
    assert kind != (dtype, shape)


def test_a_broadcast_pattern_means_sizes_of_1():
    assert TensorType("float32", (True, False)) == TensorType("float32", (1, None))
    assert TensorType("float32", np.array([True, False])).shape == (1, None)


def test_the_text_of_a_type():
    assert str(TensorType("float32")) == "float32 scalar"
    assert str(TensorType("float32", (None,))) == "float32 vector"
    assert str(TensorType("int8", (None, None))) == "int8 matrix"
    assert str(TensorType("int8", (None,) * 4)) == "int8 4-d tensor"
    assert str(TensorType("float64", (None, 3))) == "float64 tensor (?, 3)"


def test_clones_of_a_type():
    kind = TensorType("float32", (3, None))
    assert kind.clone() == kind
    assert kind.clone(dtype="int8") == TensorType("int8", (3, None))
    assert kind.clone(broadcastable=(True, False)) == TensorType("float32", (1, None))
    assert kind.clone(shape=()) == TensorType("float32")


@given(SIZES, SIZES)
def test_accepts_unless_known_sizes_contradict(left, right):
    one, other = TensorType("float32", left), TensorType("float32", right)
    fits = len(left) == len(right) and all(
        None in (a, b) or a == b for a, b in zip(left, right)
    )
    assert one.accepts(other) is fits and other.accepts(one) is fits
    assert not one.accepts(TensorType("float64", left))
    assert not one.accepts(DisconnectedType())


# ---- values


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_of_the_type_is_taken_as_it_is(dtype):
    value = np.ones((2, 3), dtype)
    assert TensorType(dtype, (None, 3)).filter(value) is value
    assert TensorType(dtype, (None, 3)).filter(value, strict=True) is value


@pytest.mark.parametrize("have", DTYPES)
@pytest.mark.parametrize("want", DTYPES)
def test_arrays_convert_only_without_loss(have, want):
    value, kind = np.ones(2, have), TensorType(want, (None,))
    if np.can_cast(have, want, "safe"):
        got = kind.filter(value)
        assert got.dtype == want and np.array_equal(got, value)
    else:
        with pytest.raises(TypeError, match="could lose precision|two parts"):
            kind.filter(value)
    if have != want:
        with pytest.raises(TypeError, match="strict"):
            kind.filter(value, strict=True)


def test_downcast_when_it_is_allowed():
    kind = TensorType("float32", (None,))
    got = kind.filter(np.array([0.1]), allow_downcast=True)
    assert got.dtype == np.float32 and got[0] == np.float32(0.1)


def test_a_python_float_for_a_float_scalar():
    kind = TensorType("float32")
    assert kind.filter(0.1) == np.float32(0.1)
    with pytest.raises(TypeError):
        kind.filter(0.1, allow_downcast=False)
    assert kind.filter(0.5, allow_downcast=False) == 0.5  # loses nothing
    with pytest.raises(TypeError):
        kind.filter(np.float64(0.1))
    with pytest.raises(TypeError):
        TensorType("int32").filter(1.0)


def test_a_number_of_numpy_is_judged_by_its_value():
    kind = TensorType("int32")
    for number in (np.int64(7), np.uint64(7), np.int8(-7), np.int64(-(2**31))):
        got = kind.filter(number)
        assert got.dtype == np.int32 and got == number
    for number in (np.int64(2**31), np.uint64(2**40), np.float64(1.0)):
        text = (
            f"got {number} of dtype {number.dtype}: the conversion could lose precision"
        )
        with pytest.raises(TypeError, match=text):
            kind.filter(number)
    for number in (np.array(7), np.array([7])):
        with pytest.raises(TypeError):
            kind.filter(number)
    assert TensorType("float32").filter(np.float64(0.5)) == 0.5
    assert TensorType("float32").filter(np.int64(3)).dtype == np.float32
    with pytest.raises(TypeError, match="could lose precision"):
        TensorType("float32").filter(np.int64(2**24 + 1))


@given(
    st.sampled_from(INTEGERS),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=4),
)
def test_python_integers_fit_or_are_refused(dtype, numbers):
    limits, kind = np.iinfo(dtype), TensorType(dtype, (None,))
    if all(limits.min <= n <= limits.max for n in numbers):
        got = kind.filter(numbers)
        assert got.dtype == dtype and got.tolist() == numbers
    else:
        with pytest.raises(TypeError):
            kind.filter(numbers)


@given(st.floats(width=64))
def test_lists_of_floats_must_survive(number):
    kind = TensorType("float32", (None,))
    with np.errstate(over="ignore"):
        survives = np.isnan(number) or float(np.float32(number)) == number
    if survives:
        np.testing.assert_array_equal(kind.filter([number]), np.array([number], "f4"))
    else:
        with pytest.raises(TypeError):
            kind.filter([number])


def test_empty_lists():
    for dtype in DTYPES:
        got = TensorType(dtype, (None,)).filter([])
        assert got.shape == (0,) and got.dtype == dtype


def test_wrong_ranks_and_sizes():
    kind = TensorType("float64", (None, 3))
    with pytest.raises(TypeError, match="rank 1"):
        kind.filter(np.ones(3))
    with pytest.raises(ValueError, match="axis 1 must have size 3"):
        kind.filter(np.ones((2, 4)))
    assert kind.is_valid_value(np.ones((0, 3)))
    assert not kind.is_valid_value(np.ones((2, 4)))
    assert not kind.is_valid_value([[1.0, 2.0, 3.0]])


@pytest.mark.parametrize(
    "value", ["text", None, [None], object(), [[1], [1, 2]], ["1"]]
)
def test_what_is_no_array_of_numbers(value):
    with pytest.raises((TypeError, ValueError)):
        TensorType("float64", (None,)).filter(value)


def test_subclasses_of_ndarray_become_plain():
    value = np.ma.masked_array(np.ones(3), mask=[0, 0, 0])
    got = TensorType("float64", (None,)).filter(value)
    assert type(got) is np.ndarray and np.shares_memory(got, value.data)


def test_variables_of_a_type():
    kind = TensorType("float32", (None,))
    x = kind("x")
    assert x.name == "x" and x.type is kind and x.owner is None
    assert kind.filter_variable(x) is x
    made = kind.filter_variable([1.0, 2.0])
    assert isinstance(made, Constant) and made.data.dtype == np.float32
    with pytest.raises(TypeError, match="expected float32 vector"):
        kind.filter_variable(TensorType("float64", (None,))("y"))


def test_converting_a_variable_to_a_type_of_fewer_known_sizes():
    plain, row = TensorType("float32", (None, None)), TensorType("float32", (1, None))
    x, r = plain("x"), row("r")
    assert plain.convert_variable(x) is x
    opened = plain.convert_variable(r)
    assert opened.type == plain
    np.testing.assert_array_equal(
        opened.eval({r: np.ones((1, 2), "float32")}), [[1, 1]]
    )
    for kind, variable in (
        (row, x),
        (TensorType("float64", (None, None)), x),
        (TensorType("float32", (None,)), x),
        (TensorType("float32", (1, 2)), r),
        (plain, Type().make_variable()),
    ):
        assert kind.convert_variable(variable) is None
    assert TensorType("float32", (False,), sparse_grad=True) == TensorType(
        "float32", (None,)
    )


# ---- comparing values


def test_values_eq_is_exact():
    kind = TensorType("float64", (None,))
    a = np.array([1.0, np.nan, np.inf])
    assert kind.values_eq(a, a.copy())
    assert not kind.values_eq(a, a * (1 + 1e-15))
    assert not kind.values_eq(a, a[:2])
    assert TensorType("int8", (None,)).values_eq(
        np.array([1], "i1"), np.array([1], "i1")
    )


@pytest.mark.parametrize("dtype", FLOATS)
def test_values_eq_approx_allows_rounding(dtype):
    kind = TensorType(dtype, (None,))
    precision = np.finfo(dtype).eps
    a = np.array([1.0, -3.0, np.nan], dtype)
    assert kind.values_eq_approx(a, (a * (1 + precision)).astype(dtype))
    assert not kind.values_eq_approx(a, (a * (1 + precision**0.5)).astype(dtype))
    assert not kind.values_eq_approx(a, a[:2])
    assert not kind.values_eq_approx(a, a.astype("complex128"))
    assert kind.values_eq_approx(a, (a * 1.5).astype(dtype), rtol=1.0)


def test_values_eq_approx_of_integers_is_exact():
    kind = TensorType("int64", (None,))
    assert kind.values_eq_approx(np.arange(3), np.arange(3))
    assert not kind.values_eq_approx(np.arange(3) + 10**9, np.arange(3) + 10**9 + 1)


# ---- types without values


def test_types_of_gradients_that_are_none():
    assert DisconnectedType() == DisconnectedType() != NullType()
    assert hash(DisconnectedType()) == hash(DisconnectedType())
    assert "why not" in str(NullType("why not"))
    for kind in (Type(), NullType("x"), DisconnectedType()):
        assert not kind.is_valid_value(np.ones(3))
        with pytest.raises(TypeError, match="holds no values"):
            kind.filter(1.0)


def test_patterns_of_0_and_1_as_theanos_programs_write_them() -> None:
    pattern = TensorType("float32", (1, None, 1))
    assert TensorType("float32", broadcastable=(1, 0, 1)) == pattern
    assert pattern.clone(broadcastable=[1, 0, 1]) == pattern
    assert T.tensor("float32", broadcastable=(1, 0, 1)).type == pattern
    value = np.zeros((1, 3, 1), "float32")
    assert symnet.shared(value, broadcastable=(1, 0, 1)).type == pattern
    assert T.tensor("float32", (None, 3)).type == TensorType("float32", (None, 3))
    assert TensorType("float32", (0, 1)).shape == (0, 1)  # sizes


@pytest.mark.parametrize("allow", [None, True])
def test_long_integers_are_floats(allow: bool | None) -> None:
    number = TensorType("float64", ()).filter(10**20, allow_downcast=allow)
    assert number.dtype == "float64" and number == 1e20
    some = TensorType("float32", (None,)).filter(
        [2**70, -(2**80)], allow_downcast=allow
    )
    np.testing.assert_array_equal(some, np.array([2.0**70, -(2.0**80)], "float32"))
    whole = TensorType("complex128", ()).filter(-(2**63) - 1, allow_downcast=allow)
    assert whole == -(2.0**63)


def test_long_integers_that_do_not_fit() -> None:
    with pytest.raises(TypeError, match="from -128 to 127"):
        TensorType("int8", ()).filter(2**70, allow_downcast=True)
    with pytest.raises(TypeError, match="smaller integers"):
        TensorType("float64", ()).filter(10**400)
    with pytest.raises(TypeError, match="lose precision"):
        TensorType("float16", ()).filter(2**70)
    with pytest.raises(TypeError, match="numpy.asarray"):
        TensorType("float64", (None,)).filter(np.array([1, None], object))


@pytest.mark.parametrize("value", [1j, 1 + 0j, np.array(2 + 1j), np.complex64(1)])
@pytest.mark.parametrize("dtype", ["bool", "int32", "float32", "float64"])
@pytest.mark.parametrize("allow", [None, True])
def test_no_part_of_a_complex_number_is_dropped(
    value: Any, dtype: str, allow: bool | None
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TypeError, match=r"two parts[\s\S]*value.real"):
            TensorType(dtype, ()).filter(value, allow_downcast=allow)


@pytest.mark.parametrize("form", [scipy.sparse.csr_matrix, scipy.sparse.coo_array])
def test_a_sparse_matrix_for_a_dense_one(form: Any) -> None:
    with pytest.raises(TypeError, match=r"toarray\(\) is dense") as caught:
        TensorType("float64", (None, None)).filter(form(np.eye(3)))
    assert len(str(caught.value).splitlines()) == 2  # though its own text has several
