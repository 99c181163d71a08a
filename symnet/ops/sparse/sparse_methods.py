"""The operators, methods and attributes of sparse variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symnet.graph.variables import Variable
from symnet.ops.sparse import sparse_arithmetic
from symnet.ops.sparse.conversions import (
    csm_data,
    dense_from_sparse,
    sp_ones_like,
    sp_zeros_like,
    sparse_shape,
)
from symnet.ops.sparse.entrywise import cast, neg, transpose
from symnet.ops.sparse.sparse_checks import specify_sparse_shape
from symnet.ops.sparse.sparse_products import structured_dot
from symnet.ops.sparse.sparse_reductions import diag, sp_sum
from symnet.ops.sparse.sparse_slices import getitem_sparse
from symnet.ops.sparse.sparse_type import SparseMethods

Binary = Callable[[Any, Any], Variable]


def _reflected(function: Binary) -> Binary:
    return lambda self, other: function(other, self)


def _attach() -> None:
    for name in ("add", "sub", "mul"):
        function = getattr(sparse_arithmetic, name)
        setattr(SparseMethods, f"__{name}__", function)
        setattr(SparseMethods, f"__r{name}__", _reflected(function))
    for name in ("lt", "le", "gt", "ge"):
        setattr(SparseMethods, f"__{name}__", getattr(sparse_arithmetic, name))
    products = {"dot": structured_dot, "matmul": structured_dot}
    for name, function in products.items():
        setattr(SparseMethods, f"__{name}__", function)
        setattr(SparseMethods, f"__r{name}__", _reflected(function))
    methods: dict[str, Callable[..., Any]] = {
        "__neg__": lambda self: neg(self),
        "__getitem__": getitem_sparse,
        "astype": cast,
        "dot": structured_dot,
        "sum": sp_sum,
        "toarray": lambda self: dense_from_sparse(self),
        "todense": lambda self: dense_from_sparse(self),
        "transpose": lambda self: transpose(self),
        "specify_shape": specify_sparse_shape,
        "diagonal": lambda self: diag(self),
        "zeros_like": sp_zeros_like,
        "ones_like": sp_ones_like,
    }
    for name, function in methods.items():
        setattr(SparseMethods, name, function)
    # `array * x` is for `x.__rmul__` to make.
    SparseMethods.__array_ufunc__ = None  # type: ignore[attr-defined]
    # The rows and columns cost nothing; the size counts what is stored, as in SciPy.
    attributes: dict[str, Callable[[Any], Any]] = {
        "T": lambda self: transpose(self),
        "shape": lambda self: sparse_shape(self),
        "size": lambda self: csm_data(self).size,
        "nnz": lambda self: csm_data(self).size,
        "dtype": lambda self: self.type.dtype,
        "ndim": lambda self: 2,
    }
    for name, get in attributes.items():
        setattr(SparseMethods, name, property(get))


_attach()
