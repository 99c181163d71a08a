"""Sparse matrices as variables: their type, leaves and constants.

A value is a SciPy matrix in the format CSR or CSC: the stored entries (`data`), row by row
or column by column; the position of each in its row or column (`indices`); and where each
row or column begins (`indptr`).  In a program it is these arrays and a size: see
`ops.sparse.sparse_parts`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from symnet.config import config
from symnet.errors import message
from symnet.graph.types import DTYPES, TensorType, Type
from symnet.graph.variables import Constant, Variable

FORMATS = ("csr", "csc")
SPARSE_DTYPES = tuple(d for d in DTYPES if d not in ("bool", "float16"))
# SciPy's matrices are classes of a module that takes long to import.
SCIPY = "scipy.sparse"


def is_sparse_value(value: Any) -> bool:
    """Whether a value is one of SciPy's sparse matrices or arrays."""
    return any(kind.__module__.startswith(SCIPY) for kind in type(value).__mro__)


class SparseType(Type):
    """Sparse matrices of one format and dtype.

    >>> SparseType("csr", "float32")
    float32 csr matrix

    Raises: TypeError for another format than "csr" and "csc", and for the dtypes that
    SciPy does not multiply (bool, float16).
    """

    __slots__ = ("dtype", "format")
    dtype: str
    format: str
    dtype_set: ClassVar[frozenset[str]] = frozenset(SPARSE_DTYPES)
    ndim = 2
    broadcastable = (False, False)
    to_tensor: ClassVar[str] = (
        "use an operation of symnet.sparse, or make it dense: dense_from_sparse(x)"
    )

    def __init__(self, format: str, dtype: Any, name: str | None = None) -> None:
        if format not in FORMATS:
            raise TypeError(
                f"no format {format!r} of sparse matrices: there are {', '.join(FORMATS)}"
            )
        self.dtype = TensorType(dtype).dtype
        if self.dtype not in SPARSE_DTYPES:
            raise TypeError(
                message(
                    f"no sparse matrices of {self.dtype}: SciPy does not compute with them",
                    cure=f"there are {', '.join(SPARSE_DTYPES)}",
                )
            )
        self.format = format

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, SparseType)
            and self.format == other.format
            and self.dtype == other.dtype
        )

    def __hash__(self) -> int:
        return hash((self.format, self.dtype))

    def __reduce__(self) -> tuple[Any, ...]:
        return SparseType, (self.format, self.dtype)

    def __repr__(self) -> str:
        return f"{self.dtype} {self.format} matrix"

    @property
    def from_others(self) -> str:
        """How a variable of another type becomes one of this."""
        return (
            f"make it such a matrix: {self.format}_from_dense(x), "
            f"sparse_format(x, {self.format!r}), x.astype({self.dtype!r})"
        )

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        return np.dtype(self.dtype)

    def clone(self, dtype: Any = None, format: str | None = None) -> SparseType:
        """This type with another dtype or format."""
        return SparseType(format or self.format, dtype or self.dtype)

    def filter(
        self, value: Any, strict: bool = False, allow_downcast: Any = None
    ) -> Any:
        """Return `value` as a matrix of this type whose entries lie within it.

        A matrix of another format is converted, unless `strict`; and one of another dtype
        where that loses nothing, or with `allow_downcast`.  Entries that are stored in
        parts are added up; they may be in any order.
        Raises: TypeError for what is no sparse matrix, or of an unfit dtype; ValueError for
        arrays that are no such matrix.
        """
        if not is_sparse_value(value) or value.ndim != 2:
            raise TypeError(self._not_sparse(value))
        if strict and (value.format != self.format or value.dtype != self.dtype):
            raise TypeError(f"expected a {self} (strict), got {described(value)}")
        if value.dtype != self.dtype:
            if value.dtype.kind == "b" or not (
                allow_downcast or np.can_cast(value.dtype, self.dtype, "safe")
            ):
                raise TypeError(
                    message(
                        f"expected a {self}, got {described(value)}: the conversion could "
                        "lose precision",
                        cure=f"convert it with .astype({self.dtype!r})",
                    )
                )
            value = value.astype(self.dtype)
        found = value if value.format == self.format else value.asformat(self.format)
        check_structure(found)
        return without_duplicates(found)

    def _not_sparse(self, value: Any) -> str:
        what = f"{type(value).__name__}"
        if is_sparse_value(value):
            return f"expected a {self}, got {described(value)} of rank {value.ndim}"
        if isinstance(value, (np.ndarray, np.generic)):
            what = f"a dense array of dtype {value.dtype}, shape {value.shape}"
        return message(
            f"expected a {self}, got {what}",
            cure=f"convert it: scipy.sparse.{self.format}_matrix(value)",
        )

    @staticmethod
    def may_share_memory(a: Any, b: Any) -> bool:
        """Whether matrices or arrays may lie in the same memory."""
        pairs = [
            [v.data, v.indices, v.indptr] if is_sparse_value(v) else [v] for v in (a, b)
        ]
        return any(np.may_share_memory(x, y) for x in pairs[0] for y in pairs[1])

    def values_eq(self, a: Any, b: Any) -> bool:
        """Whether two matrices hold the same numbers, wherever they are stored."""
        return _same(a, b) and (a != b).nnz == 0

    def values_eq_approx(
        self, a: Any, b: Any, rtol: float | None = None, atol: float | None = None
    ) -> bool:
        """The same, up to what the dtype's precision explains."""
        if not _same(a, b):
            return False
        left, right = a.copy(), b.copy()
        for matrix in (left, right):
            matrix.sum_duplicates()
        ones = abs(left.sign()) + abs(right.sign())  # where either has an entry
        rows, columns = ones.nonzero()
        if not len(rows):  # an index of nothing gives a matrix, not its elements
            return True
        have, want = (np.asarray(m[rows, columns]).ravel() for m in (left, right))
        kind = TensorType(self.dtype, (None,))
        return kind.values_eq_approx(have, want, rtol=rtol, atol=atol)


def _same(a: Any, b: Any) -> bool:
    both = is_sparse_value(a) and is_sparse_value(b)
    return both and a.shape == b.shape and a.dtype == b.dtype


def described(value: Any) -> str:
    """A matrix, for errors."""
    return f"a {value.format} matrix of dtype {value.dtype}, shape {value.shape}"


def check_structure(matrix: Any) -> None:
    """Raises: ValueError where the arrays of a CSR or CSC matrix say of entries that they
    lie outside of it, or outside of the arrays."""
    major, minor = matrix.shape if matrix.format == "csr" else matrix.shape[::-1]
    indptr, indices = matrix.indptr, matrix.indices
    starts = len(indptr) == major + 1 and indptr[0] == 0
    if not starts or (np.diff(indptr) < 0).any():
        raise ValueError(
            f"{described(matrix)}: its indptr does not rise from 0 in {major} steps"
        )
    count = int(indptr[-1])
    if count > min(len(indices), len(matrix.data)):
        raise ValueError(
            f"{described(matrix)}: indptr says that there are {count} entries, but "
            f"{len(matrix.data)} numbers and {len(indices)} indices are stored"
        )
    used = indices[:count]
    if count and (used.min() < 0 or used.max() >= minor):
        raise ValueError(
            message(
                f"{described(matrix)}: an index is outside of 0 to {minor - 1}: they are "
                f"from {used.min()} to {used.max()}",
                cure="look at how the matrix was made; matrix.check_format() checks it",
            )
        )
    if max(count, *matrix.shape) > np.iinfo(np.int32).max:
        raise ValueError(
            f"{described(matrix)} with {count} entries: positions are int32"
        )


def without_duplicates(matrix: Any) -> Any:
    """The matrix, each of its entries stored once: itself, where that is so."""
    if matrix.has_canonical_format:
        return matrix
    whole = matrix.copy()
    whole.sum_duplicates()
    return matrix if whole.nnz == matrix.nnz else whole


class SparseMethods:
    """The operators and methods of sparse variables, which `ops.sparse.sparse_methods`
    attaches."""

    __slots__ = ()
    rules_operators: ClassVar[bool] = True


class SparseVariable(SparseMethods, Variable):
    """A sparse matrix of the graph.

    >>> x = csr_matrix("x", dtype="float32")
    >>> x.format, x.dtype, x.ndim
    ('csr', 'float32', 2)
    """

    __slots__ = ()
    type: SparseType

    @property
    def format(self) -> str:
        """How entries are stored: "csr", row by row, or "csc", column by column."""
        return self.type.format


class SparseConstant(SparseMethods, Constant):
    """A sparse matrix whose value is known; `data` is a copy of what was given.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> constant = sparse.as_sparse_variable(x.eval())
    >>> isinstance(constant, sparse.SparseConstant)
    True
    """

    __slots__ = ()

    @property
    def format(self) -> str:
        """How entries are stored."""
        return self.type.format  # type: ignore[no-any-return]


SparseType.variable_class = SparseVariable


def constant(x: Any, name: str | None = None) -> SparseConstant:
    """A constant of a SciPy matrix, which is copied.

    Raises: TypeError for another value, and for formats but CSR and CSC.
    """
    if not is_sparse_value(x) or x.ndim != 2:
        raise TypeError(
            message(
                f"a sparse constant is a SciPy matrix, not {type(x).__name__}",
                cure="make one: scipy.sparse.csr_matrix(x)",
            )
        )
    kind = SparseType(x.format, x.dtype)
    return SparseConstant(kind, kind.filter(x).copy(), name)


def as_sparse_variable(x: Any, name: str | None = None) -> Variable:
    """`x` as a sparse variable: itself, or a constant of a SciPy matrix.

    Raises: TypeError for a dense variable or value.
    """
    if isinstance(x, Variable):
        if not isinstance(x.type, SparseType):
            raise TypeError(
                message(
                    f"expected a sparse matrix, got {x} of type {x.type}",
                    origin=x.origin,
                    cure="make it sparse: csr_from_dense(x) or csc_from_dense(x)",
                )
            )
        return x
    return constant(x, name)


def is_sparse(variable: Variable) -> bool:
    """Whether a variable stands for a sparse matrix."""
    return isinstance(variable.type, SparseType)


# ---- leaves


def matrix(format: str, name: str | None = None, dtype: Any = None) -> Variable:
    """A sparse matrix of a format, "csr" or "csc", and a dtype, by default floatX."""
    return SparseVariable(SparseType(format, dtype or config.floatX), name=name)


def csr_matrix(name: str | None = None, dtype: Any = None) -> Variable:
    """A matrix stored row by row; its dtype is floatX unless given."""
    return matrix("csr", name, dtype)


def csc_matrix(name: str | None = None, dtype: Any = None) -> Variable:
    """A matrix stored column by column; its dtype is floatX unless given."""
    return matrix("csc", name, dtype)


csr_fmatrix, csr_dmatrix = SparseType("csr", "float32"), SparseType("csr", "float64")
csc_fmatrix, csc_dmatrix = SparseType("csc", "float32"), SparseType("csc", "float64")

Maker = Callable[..., Any]


def scipy_matrix(format: str) -> Maker:
    """SciPy's class of a format."""
    import scipy.sparse

    found: Maker = {
        "csr": scipy.sparse.csr_matrix,
        "csc": scipy.sparse.csc_matrix,
    }[format]
    return found
