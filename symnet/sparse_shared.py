"""Shared variables that hold sparse matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.errors import message
from symnet.graph.variables import Variable
from symnet.kernels.interface import READS, Ticket, with_ticket
from symnet.ops.sparse.sparse_parts import (
    ARRAYS,
    SparseParts,
    arrays_of,
    leaf_types,
    matrix_of,
    parts_of_arrays,
)
from symnet.ops.sparse.sparse_type import (
    FORMATS,
    SparseMethods,
    SparseType,
    is_sparse_value,
)
from symnet.shared import CONSTRUCTORS, SharedVariable, set_values


class MatrixArrays(tuple[SharedVariable, ...]):
    """The shared variables with the arrays of one matrix.  Pickles and copies hold their
    values of one moment; variables that share them share them there, too."""

    def values(self) -> list[Any]:
        """Copies of the arrays, as they are between two calls."""
        stores = [v.store for v in self]

        def copied(ticket: Ticket) -> list[Any]:
            return [one.memory.copy_out(ticket.array(one)) for one in stores]

        return with_ticket(dict.fromkeys(stores, READS), None, copied)

    def __reduce__(self) -> tuple[Any, ...]:
        stores = [v.store.with_value(a) for v, a in zip(self, self.values())]
        kinds = [(v.type, v.name) for v in self]
        return _restored, (kinds, stores)


def _restored(
    kinds: Sequence[tuple[Any, str | None]], stores: Sequence[tuple[Any, Any]]
) -> MatrixArrays:
    """stores: how each is made, as a function and its arguments."""
    return MatrixArrays(
        SharedVariable(kind, make(*given), name)
        for (kind, name), (make, given) in zip(kinds, stores, strict=True)
    )


class SparseSharedVariable(SparseMethods, SharedVariable):
    """A leaf with a sparse matrix of its own, which functions read and update.

    `arrays` are four shared variables with the matrix's arrays: what programs read and
    write.  They change together, or not at all.

    >>> import scipy.sparse
    >>> w = symnet.shared(scipy.sparse.csr_matrix(np.eye(2)), "w")
    >>> isinstance(w, sparse.SparseSharedVariable)
    True
    >>> w.get_value().nnz
    2
    """

    __slots__ = ("arrays",)

    def __init__(
        self,
        type: SparseType,
        value: Any,
        name: str | None = None,
        strict: bool = False,
        allow_downcast: bool | None = None,
    ) -> None:
        """value: a matrix of SciPy's, used itself where it can be; or the `arrays` of
        another variable."""
        arrays: Sequence[SharedVariable]
        if is_sparse_value(value):
            found = type.filter(value, strict=strict, allow_downcast=allow_downcast)
            arrays = [
                SharedVariable(kind, array, name and f"{name}.{what}")
                for kind, array, what in zip(leaf_types(type), arrays_of(found), ARRAYS)
            ]
        elif isinstance(value, MatrixArrays):
            arrays = value
        else:
            raise TypeError(type._not_sparse(value))
        self.arrays = (
            arrays if isinstance(arrays, MatrixArrays) else MatrixArrays(arrays)
        )
        super().__init__(type, arrays[0].store, name, strict, allow_downcast)

    @property
    def format(self) -> str:
        """How entries are stored."""
        return self.type.format  # type: ignore[no-any-return]

    @property
    def parts(self) -> SparseParts:
        """What stands for it in a program."""
        return parts_of_arrays(self.format, self.arrays)

    @property
    def array(self) -> Any:
        """The matrix; its arrays are not copied."""
        arrays = [v.store.seen(v.store.array) for v in self.arrays]
        return matrix_of(self.format, arrays)

    def get_value(
        self, borrow: bool = False, return_internal_type: bool = False
    ) -> Any:
        """The matrix: a copy unless `borrow` (see `SharedVariable.get_value`)."""
        if borrow:
            return self.array
        return matrix_of(self.format, self.arrays.values())

    def set_value(self, new_value: Any, borrow: bool = False) -> None:
        """Replace the matrix; it is copied unless `borrow`.

        Raises: TypeError, ValueError where `new_value` does not fit the type.
        """
        found = self._fit(new_value)
        news = arrays_of(found if borrow else found.copy())
        set_values(dict(zip(self.arrays, news, strict=True)))

    def _fit(self, value: Any) -> Any:
        return self.type.filter(
            value, strict=self.strict, allow_downcast=self.allow_downcast
        )

    def zero(self, borrow: bool = False) -> None:
        """Remove all entries."""
        value = self.get_value()
        value.data[:] = 0
        value.eliminate_zeros()
        self.set_value(value, borrow=True)

    def clone(self, name: str | None = None) -> Variable:
        """Another variable of the same type for the same matrix."""
        settings = (name or self.name, self.strict, self.allow_downcast)
        return SparseSharedVariable(self.type, self.arrays, *settings)

    def __reduce__(self) -> tuple[Any, ...]:
        made = (self.type, self.arrays, self.name, self.strict, self.allow_downcast)
        return SparseSharedVariable, made, self._attached()


def sparse_constructor(
    value: Any,
    name: str | None = None,
    strict: bool = False,
    allow_downcast: bool | None = None,
    borrow: bool = False,
    format: str | None = None,
) -> SparseSharedVariable:
    """A shared variable that holds a matrix of SciPy's, in CSR or CSC.

    format: the format that it is brought into; by default its own.
    borrow: use its arrays themselves, where they can be used as they are.
    Raises: TypeError for another value or format.
    """
    if not is_sparse_value(value) or value.ndim != 2:
        raise TypeError(f"expected a sparse matrix, got {type(value).__name__}")
    if format is None and value.format not in FORMATS:
        raise TypeError(
            message(
                f"a sparse variable is stored as {' or '.join(FORMATS)}, not "
                f"{value.format}",
                cure="say which: format='csr'",
            )
        )
    kind = SparseType(format or value.format, value.dtype)
    own = value if borrow else value.copy()
    return SparseSharedVariable(kind, own, name, strict, allow_downcast)


CONSTRUCTORS.append((is_sparse_value, sparse_constructor))
