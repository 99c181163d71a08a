"""How sparse matrices are computed: as dense arrays.

A sparse variable is one value for whoever writes a graph: it is differentiated, replaced,
passed and updated like any other.  No program knows it.  Before a graph is compiled, and
before a loop's step is cut out of it, `dense_forms` puts its `SparseParts`, four dense variables,
in the place of each sparse one; so the compiler has no new kind of value, and what sparse
operations do to entries is fused with all else.

Each sparse operation (`SparseOp`) says either what its parts are, by ordinary operations
(`dense`), or what SciPy makes of matrices (`matrices`), for what decides itself how many
entries there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace as changed
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np

from symnet.config import config
from symnet.data_classes import dataclass
from symnet.errors import message
from symnet.graph.evaluate import compute, run
from symnet.graph.op import Gradients, Op, Vars, is_users
from symnet.graph.origin import inherit
from symnet.graph.traverse import toposort
from symnet.graph.types import TensorType
from symnet.graph.variables import (
    Apply,
    Constant,
    Variable,
    make_variable,
    operand_text,
)
from symnet.ops.arithmetic import sub
from symnet.ops.base import TensorOp, constant, disconnected
from symnet.ops.elementwise import cast
from symnet.ops.indexing import getitem
from symnet.ops.sizes import shape_i, specify_shape
from symnet.ops.sparse.entries import CheckedIndices, PickedEntries, entry_owners
from symnet.ops.sparse.sparse_type import (
    SparseType,
    is_sparse,
    scipy_matrix,
)
from symnet.ops.users import is_disconnected

# The dtypes of the arrays of a matrix but its numbers.
ARRAYS = ("data", "indices", "indptr", "minor")
STRUCTURE = ("int32", "int32", "int64")


@dataclass(frozen=True, eq=False)
class SparseParts:
    """A sparse matrix as dense variables.

    Shapes: data (entries,), indices (entries,), indptr (rows + 1,), or columns + 1 of a
    CSC matrix; shape: rows and columns, int64 scalars.
    """

    format: str
    data: Variable
    indices: Variable
    indptr: Variable
    shape: tuple[Variable, Variable]

    @property
    def major(self) -> Variable:
        """How many rows a CSR matrix has; how many columns a CSC one."""
        return self.shape[0 if self.format == "csr" else 1]

    @property
    def minor(self) -> Variable:
        """The size of the other axis."""
        return self.shape[1 if self.format == "csr" else 0]

    @property
    def type(self) -> SparseType:
        return SparseType(self.format, self.data.type.dtype)

    @property
    def positions(self) -> tuple[Variable, Variable]:
        """The row and the column of each entry."""
        owners = entry_owners(self.indptr, self.indices)
        pair = (owners, self.indices)
        return pair if self.format == "csr" else pair[::-1]

    @property
    def arrays(self) -> list[Variable]:
        """What a program takes for the matrix: data, indices, indptr, the minor size."""
        return [self.data, self.indices, self.indptr, self.minor]

    @property
    def transposed(self) -> SparseParts:
        """The same arrays, read the other way."""
        format = "csc" if self.format == "csr" else "csr"
        return changed(self, format=format, shape=self.shape[::-1])

    def with_data(self, data: Variable) -> SparseParts:
        """Other numbers at the same places."""
        return changed(self, data=data)

    def is_stored_as(self, other: SparseParts) -> bool:
        """Whether both are known to have their entries at the same places, in one order."""
        return (
            self.format == other.format
            and self.indices is other.indices
            and self.indptr is other.indptr
        )


Form: TypeAlias = "Variable | SparseParts"


def parts_of_arrays(format: str, arrays: Sequence[Variable]) -> SparseParts:
    """The parts whose `arrays` these are."""
    data, indices, indptr, minor = arrays
    major = sub(shape_i(indptr, 0), constant(1, dtype="int64"))
    shape = (major, minor) if format == "csr" else (minor, major)
    return SparseParts(format, data, indices, indptr, shape)


def leaf_types(kind: SparseType) -> list[TensorType]:
    """The types of the arrays of a leaf."""
    vectors = [TensorType(d, (None,)) for d in (kind.dtype, *STRUCTURE[:2])]
    return [*vectors, TensorType(STRUCTURE[2], ())]


def leaves_of(kind: SparseType, name: str | None = None) -> list[Variable]:
    """Leaves for the arrays of a matrix of that name."""
    return [
        make_variable(one, name and f"{name}.{what}")
        for one, what in zip(leaf_types(kind), ARRAYS, strict=True)
    ]


def arrays_of(matrix: Any) -> list[Any]:
    """The values of a matrix of SciPy's that its type has let pass."""
    count = int(matrix.indptr[-1])
    minor = matrix.shape[1 if matrix.format == "csr" else 0]
    return [
        matrix.data[:count],
        np.asarray(matrix.indices[:count], "int32"),
        np.asarray(matrix.indptr, "int32"),
        np.asarray(minor, "int64"),
    ]


def matrix_of(format: str, arrays: Sequence[Any]) -> Any:
    """The matrix that has these arrays, which are not copied."""
    data, indices, indptr, minor = arrays
    shape = (len(indptr) - 1, int(minor))
    made = scipy_matrix(format)
    return made(
        (data, indices, indptr), shape=shape if format == "csr" else shape[::-1]
    )


# ---- operations


class SparseOp(Op):
    """An operation on sparse matrices, or one that makes them."""

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        """The outputs from the dense forms of the inputs: parts where they are sparse."""
        return by_matrices(node, inputs)

    def matrices(self, node: Apply, values: Sequence[Any]) -> Sequence[Any]:
        """The outputs' values by SciPy."""
        raise NotImplementedError(f"{self} is computed by its dense form")

    def shapes(
        self, node: Apply, inputs: Sequence[Any]
    ) -> Sequence[tuple[Variable, Variable] | None]:
        """For each sparse output its rows and columns, where they are known without
        computing it; `inputs` as for `dense`."""
        return [None for _ in node.outputs]

    def elements_at(self, inputs: Sequence[Any], parts: SparseParts) -> Variable | None:
        """The numbers of the output at the entries of a matrix, where that takes less than
        to make it; `inputs` as for `dense`."""
        return None

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        """Reference evaluation, of matrices as of arrays."""
        if type(self).matrices is not SparseOp.matrices:
            return self.matrices(node, arrays)
        leaves, outputs, order = self._alone(node)
        pairs = zip(node.inputs, arrays, strict=True)
        given = [arrays_of(a) if is_sparse(v) else [a] for v, a in pairs]
        known = dict(zip(leaves, [one for part in given for one in part], strict=True))
        return regrouped([v.type for v in node.outputs], run(order, outputs, known))

    def _alone(self, node: Apply) -> FormAlone:
        """The dense form of one operation, made once: leaves for the arrays of its inputs,
        its outputs' arrays, and what computes these.  What makes the inputs is not seen."""
        key = config.floatX, config.cast_policy
        known = _forms_alone.setdefault(node, {})
        if key not in known:
            with inherit(node.origin), config.change_flags(compute_test_value="off"):
                known[key] = self._made_alone(node)
        return known[key]

    def _made_alone(self, node: Apply) -> FormAlone:
        forms, leaves = DenseForms(), list[Variable]()
        inputs = [make_variable(v.type) for v in node.inputs]
        alone = Apply(self, inputs, [make_variable(v.type) for v in node.outputs])
        for v in inputs:
            arrays = leaves_of(v.type) if is_sparse(v) else [v]
            if is_sparse(v):
                forms.known[v] = parts_of_arrays(v.type.format, arrays)
            leaves += arrays
        made = self.dense(alone, [forms.of(v) for v in inputs], forms)
        outputs = [v for one in made for v in variables_in(one)]
        return leaves, outputs, toposort(outputs, blockers=tuple(leaves))


FormAlone: TypeAlias = tuple[Vars, Vars, Sequence[Apply]]
# By operation, which never changes, and by what decides the dtypes of numbers.
_forms_alone: WeakKeyDictionary[Apply, dict[Any, FormAlone]] = WeakKeyDictionary()


def variables_in(form: Form) -> list[Variable]:
    return form.arrays if isinstance(form, SparseParts) else [form]


def regrouped(kinds: Sequence[Any], arrays: Sequence[Any]) -> list[Any]:
    """The values of variables of these types from all of their arrays."""
    rest, found = iter(arrays), []
    for kind in kinds:
        if isinstance(kind, SparseType):
            found.append(matrix_of(kind.format, [next(rest) for _ in range(4)]))
        else:
            found.append(next(rest))
    return found


# ---- what SciPy computes


class OnMatrices(TensorOp):
    """An operation on matrices as one on their arrays; it is computed by the operation's
    own reference (SciPy)."""

    __props__ = ("operation", "taken", "given")
    stands_for_another = True

    def __init__(
        self, operation: Op, taken: tuple[Any, ...], given: tuple[Any, ...]
    ) -> None:
        """taken, given: the types of the operation's inputs and outputs."""
        self.operation, self.taken, self.given = operation, taken, given
        self.foldable = operation.foldable

    def __str__(self) -> str:
        return str(self.operation)

    def make_node(self, *inputs: Any) -> Apply:
        kinds = [
            one
            for kind in self.given
            for one in (leaf_types(kind) if isinstance(kind, SparseType) else [kind])
        ]
        return Apply(self, inputs, [make_variable(kind) for kind in kinds])

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        inner, _ = self.whole(node.inputs)
        found: list[Any] = []
        for v, value in zip(
            inner.outputs, compute(inner, regrouped(self.taken, arrays)), strict=True
        ):
            if is_sparse(v):
                found += arrays_of(v.type.filter(value, allow_downcast=True))
            else:
                found.append(np.asarray(value, v.type.dtype))
        return found

    def whole(self, inputs: Vars) -> tuple[Apply, list[Variable]]:
        """The operation itself on leaves, and these."""
        leaves = [make_variable(kind) for kind in self.taken]
        fresh = [make_variable(kind) for kind in self.given]
        return Apply(self.operation, leaves, fresh), leaves

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        """The operation's own gradient, in dense form: of a matrix that of its numbers."""
        node, leaves = self.whole(inputs)
        forms = DenseForms()
        for given, fresh in ((inputs, leaves), (outputs, node.outputs)):
            rest = iter(given)
            for v in fresh:
                if is_sparse(v):
                    arrays = [next(rest) for _ in range(4)]
                    forms.known[v] = parts_of_arrays(v.type.format, arrays)
                else:
                    forms.known[v] = next(rest)
        rest, handed = iter(output_gradients), []
        for v in node.outputs:
            gradient = next(rest)
            if is_sparse(v):
                [next(rest) for _ in range(3)]
                parts = forms.of(v)
                whole = make_variable(v.type.clone(gradient.type.dtype))
                forms.known[whole] = parts.with_data(gradient)
                gradient = whole
            handed.append(gradient)
        terms = self.operation.L_op(leaves, node.outputs, handed)
        return self._of_arrays(leaves, terms, forms)

    def _of_arrays(
        self, leaves: Vars, terms: Gradients, forms: DenseForms
    ) -> list[Any]:
        """The gradients of the arrays from those of the inputs."""
        found: list[Any] = []
        for v, term in zip(leaves, terms, strict=True):
            usual = isinstance(term, Variable) and not is_disconnected(term)
            if not is_sparse(v):
                found.append(forms.form(term) if usual else term)
                continue
            data = term
            if usual:
                parts = forms.of(v)
                data = forms.entries(forms.form(term), parts, term)
            found += [data, *[disconnected() for _ in STRUCTURE]]
        return found

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        flows = [
            flow
            for kind in self.given
            for flow in (
                [True, False, False, False] if isinstance(kind, SparseType) else [True]
            )
        ]
        return [
            [reached and flow for flow in flows]
            for kind in self.taken
            for reached in (
                [True, False, False, False] if isinstance(kind, SparseType) else [True]
            )
        ]


def by_matrices(node: Apply, inputs: Sequence[Form]) -> list[Form]:
    """The outputs' forms of an operation that takes and gives SciPy's matrices."""
    taken = tuple(one.type for one in inputs)
    op = OnMatrices(node.op, taken, tuple(v.type for v in node.outputs))
    made = op(*[v for one in inputs for v in variables_in(one)], return_list=True)
    rest, found = iter(made), list[Form]()
    known: Sequence[Any] = [None for _ in node.outputs]
    if isinstance(node.op, SparseOp):
        known = node.op.shapes(node, inputs)
    for v, shape in zip(node.outputs, known, strict=True):
        if not is_sparse(v):
            found.append(next(rest))
            continue
        parts = parts_of_arrays(v.type.format, [next(rest) for _ in range(4)])
        found.append(parts if shape is None else changed(parts, shape=shape))
    return found


# ---- from sparse variables to dense ones


Leaf = Callable[[Variable], SparseParts]


class DenseForms:
    """What stands for the variables of a graph, in which no sparse one is left.

    leaf: the parts of a sparse variable that no operation of the graph makes.
    """

    def __init__(self, leaf: Leaf | None = None) -> None:
        self.leaf = leaf
        self.known: dict[Variable, Form] = {}

    def of(self, v: Variable) -> Any:
        """The form of a variable: itself, where nothing about it is sparse."""
        if v not in self.known:
            if not is_sparse(v):
                return v
            self.known[v] = self._leaf(v)
        return self.known[v]

    def _leaf(self, v: Variable) -> SparseParts:
        if isinstance(v, Constant):
            arrays = [constant(a, dtype=a.dtype.name) for a in arrays_of(v.data)]
            return parts_of_arrays(v.type.format, arrays)
        if self.leaf is None:
            raise TypeError(f"{operand_text(v)} has no dense form here")
        return self.leaf(v)

    def extend(self, order: Iterable[Apply]) -> None:
        """Take operations in, each after those it needs."""
        for node in order:
            if any(v in self.known for v in node.outputs):
                continue
            inputs = [self.of(v) for v in node.inputs]
            sparse = any(is_sparse(v) for v in (*node.inputs, *node.outputs))
            with inherit(node.origin):
                if isinstance(node.op, SparseOp):
                    made = node.op.dense(node, inputs, self)
                elif sparse:
                    check_foreign(node)
                    made = by_matrices(node, inputs)
                elif any(a is not b for a, b in zip(inputs, node.inputs)):
                    made = node.clone_with_new_inputs(inputs).outputs
                else:
                    continue
            self.known.update(zip(node.outputs, made, strict=True))

    def form(self, v: Variable) -> Any:
        """The form of a variable, however it is made."""
        self.extend(toposort([v], blockers=tuple(self.known)))
        return self.of(v)

    def structure(self, indices: Variable, indptr: Variable) -> SparseParts | None:
        """The matrix whose positions these variables are, if there is one."""
        return next(
            (
                form
                for form in self.known.values()
                if isinstance(form, SparseParts)
                and form.indices is indices
                and form.indptr is indptr
            ),
            None,
        )

    def entries(self, gradient: Form, parts: SparseParts, made: Variable) -> Variable:
        """The numbers of the matrix `gradient` (the form of `made`) at the entries of
        another, `parts`."""
        maker = made.owner
        if isinstance(gradient, SparseParts) and gradient.is_stored_as(parts):
            return gradient.data
        if not isinstance(gradient, SparseParts):
            return getitem(gradient, parts.positions)
        if maker is not None and isinstance(maker.op, SparseOp):
            inputs = [self.form(v) for v in maker.inputs]
            elements = maker.op.elements_at(inputs, parts)
            if elements is not None:
                return elements
        if gradient.format != parts.format:
            raise TypeError(f"a {gradient.type} at the entries of a {parts.type}")
        given = (gradient.data, gradient.indices, gradient.indptr)
        return PickedEntries()(parts.indices, parts.indptr, *given)


def check_foreign(node: Apply) -> None:
    """Raises: TypeError for an operation of symnet's that takes no sparse matrices."""
    if is_users(node.op):
        return
    raise TypeError(
        message(
            f"{node.op} takes no sparse matrices",
            operation=node.op,
            operands=[operand_text(v) for v in node.inputs],
            origin=node.origin,
            cure=SparseType.to_tensor,
        )
    )


def checked_parts(
    format: str,
    data: Variable,
    indices: Variable,
    indptr: Variable,
    shape: Sequence[Variable],
) -> SparseParts:
    """SparseParts of arrays that a user has given: as many as the shape says."""
    rows, columns = shape
    parts = SparseParts(format, data, indices, indptr, (rows, columns))
    steps = parts.major + constant(1, dtype="int64")
    starts = specify_shape(indptr, [steps])
    places = specify_shape(indices, [shape_i(data, 0)])
    return changed(
        parts,
        indices=CheckedIndices()(starts, places, parts.minor),
        indptr=cast(starts, "int32"),
    )


def dense_forms(
    outputs: Sequence[Variable], leaf: Leaf, given: Mapping[Variable, Form] = {}
) -> list[Any]:
    """The forms of variables, with those of the leaves.

    given: what is known already.
    """
    forms = DenseForms(leaf)
    forms.known.update(given)
    forms.extend(toposort(outputs, blockers=tuple(given)))
    return [forms.of(v) for v in outputs]
