"""Tables of dtypes and types."""

from __future__ import annotations

import numpy as np

import symnet.tensor as T
from symnet.graph.types import DTYPES, NoneTypeT


def test_dtypes_by_kind() -> None:
    assert set(T.all_dtypes) == set(DTYPES)
    for names, kinds in (
        (T.float_dtypes, "f"), (T.complex_dtypes, "c"), (T.continuous_dtypes, "fc"),
        (T.int_dtypes, "i"), (T.uint_dtypes, "u"), (T.integer_dtypes, "iu"),
        (T.discrete_dtypes, "biu"),
    ):  # fmt: skip
        assert names == [d for d in T.all_dtypes if np.dtype(d).kind in kinds]
        assert isinstance(names, list)


def test_types_by_kind() -> None:
    assert [t.dtype for t in T.float_vector_types] == ["float32", "float64"]
    assert {t.ndim for t in T.int_matrix_types} == {2}
    assert T.Tensor(dtype="int8", broadcastable=[False]) == T.bvector
    assert T.basic._convert_to_int8(T.dscalar()).dtype == "int8"


def test_none_stands_for_no_axis() -> None:
    x = T.constant([[1, 2], [3, 4]])
    assert isinstance(T.NoneConst.type, NoneTypeT)
    assert T.max(x, T.NoneConst).eval() == 4
    assert T.sum(x, axis=T.NoneConst.clone()).eval() == 10
    assert T.sum(x, axis=np.array(1)).eval().tolist() == [3, 7]
    assert T.sum(x, axis=[np.array(0), np.array(1)]).eval() == 10
