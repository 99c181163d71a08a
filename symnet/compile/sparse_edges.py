"""Where sparse matrices enter and leave a function: outside SciPy's, inside arrays; where
the states of generators leave it, as such.

A program takes and gives dense arrays only (see `ops.sparse.sparse_parts`).  `Edges` has the dense
variables that stand for what a user asked for, and brings arguments and results from one
form into the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symnet.compile.inner_graphs import written_out
from symnet.config import config
from symnet.graph.traverse import Graph, toposort
from symnet.graph.types import Type
from symnet.graph.variables import Variable
from symnet.ops.from_graph import OpFromGraph
from symnet.ops.sparse.entries import CompressedProduct
from symnet.ops.sparse.sparse_parts import (
    SparseParts,
    arrays_of,
    dense_forms,
    leaves_of,
    parts_of_arrays,
    regrouped,
    variables_in,
)
from symnet.ops.sparse.sparse_type import SparseType, is_sparse
from symnet.shared import SharedVariable
from symnet.sparse_shared import SparseSharedVariable

# Of so many entries at most the number is rounded up where it does not matter: to copy
# them takes less than a plan for the new number (1 ms).
MOST_PADDED = 100_000


class Edges:
    """Inputs, outputs and updates as a program has them.

    roomy: the inputs whose entries may have room behind them.
    graph: of the outputs, then the updates.
    plain: nothing is sparse.  as_computed: the program's results are those of a call.
    """

    def __init__(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        updates: Mapping[SharedVariable, Variable],
    ) -> None:
        self.taken = [v.type for v in inputs]
        self.given = [v.type for v in outputs]
        self.shared: dict[SharedVariable, SharedVariable] = {}
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.updates = dict(updates)
        self.graph = Graph(inputs, [*outputs, *updates.values()])
        if _hides_sparse(self.graph):
            self._write_out()
        self.roomy: set[int] = set()
        self.plain = not _any_sparse(self.graph, updates)
        as_kept = all(type(kind).shown is Type.shown for kind in self.given)
        self.as_computed = self.plain and as_kept
        if not self.plain:
            self._make_dense()

    def _write_out(self) -> None:
        """Put graphs in the place of `OpFromGraph`s, since what is sparse in them is made
        dense with what stands around it."""
        self.graph = whole = written_out(self.graph)
        count = len(self.outputs)
        self.outputs = list(whole.outputs[:count])
        self.updates = dict(zip(self.updates, whole.outputs[count:], strict=True))

    def _make_dense(self) -> None:
        leaves: dict[Variable, Any] = {}
        for v in self.inputs:
            if is_sparse(v):
                arrays = leaves_of(v.type, v.name)
                leaves[v] = parts_of_arrays(v.type.format, arrays)
        values = [*self.outputs, *self.updates.values()]
        with config.change_flags(compute_test_value="off"):
            forms = dense_forms(values, self._shared_parts, leaves)
        made = [w for form in forms for w in variables_in(form)]
        self.roomy = {
            k for k, v in enumerate(self.inputs)
            if v in leaves and takes_room(leaves[v], made)
        }  # fmt: skip
        count = len(self.outputs)
        self.inputs = [w for v in self.inputs for w in variables_in(leaves.get(v, v))]
        self.outputs = [w for form in forms[:count] for w in variables_in(form)]
        self.updates = {
            target: new
            for shared, form in zip(self.updates, forms[count:], strict=True)
            for target, new in zip(
                self._targets(shared), variables_in(form), strict=True
            )
        }
        self.graph = Graph(self.inputs, [*self.outputs, *self.updates.values()])

    def _shared_parts(self, v: Variable) -> SparseParts:
        assert isinstance(v, SparseSharedVariable), f"no value for {v}"
        self.shared.update(dict.fromkeys(v.arrays, v))
        return v.parts

    def _targets(self, shared: SharedVariable) -> Sequence[SharedVariable]:
        if not isinstance(shared, SparseSharedVariable):
            return [shared]
        self.shared.update(dict.fromkeys(shared.arrays, shared))
        return shared.arrays

    # ---- values

    def split(self, values: Sequence[Any]) -> list[Any]:
        """The arguments of a program from those of a call, converted and checked."""
        if self.plain:
            return list(values)
        found: list[Any] = []
        for k, (kind, value) in enumerate(zip(self.taken, values, strict=True)):
            if not isinstance(kind, SparseType):
                found.append(value)
                continue
            data, indices, *rest = arrays_of(value)
            if k in self.roomy and len(data) < MOST_PADDED:
                data, indices = with_room(data), with_room(indices)
            found += [data, indices, *rest]
        return found

    def joined(self, results: Sequence[Any]) -> list[Any]:
        """The results of a call from those of a program."""
        if self.as_computed:
            return list(results)
        values = results if self.plain else regrouped(self.given, results)
        return [kind.shown(v) for kind, v in zip(self.given, values, strict=True)]


def takes_room(parts: SparseParts, values: Sequence[Variable]) -> bool:
    """Whether it does not matter what stands behind the entries: they are read by products
    only, which go by indptr."""
    arrays = (parts.data, parts.indices)
    return not any(v in values for v in arrays) and all(
        isinstance(node.op, CompressedProduct) and place < 2
        for node in toposort(values)
        for place, v in enumerate(node.inputs)
        if v in arrays
    )


def with_room(array: Any) -> Any:
    """The array, made longer by an eighth at most, so that few lengths occur."""
    step = 1 << max(len(array).bit_length() - 4, 3)
    room = -len(array) % step
    return np.concatenate([array, np.zeros(room, array.dtype)]) if room else array


def _any_sparse(graph: Graph, others: Iterable[Variable] = ()) -> bool:
    """Whether anything about a graph, or among the others, is sparse."""
    return any(map(is_sparse, (*graph.inputs, *graph.outputs, *others))) or any(
        is_sparse(v) for node in graph.toposort() for v in (*node.inputs, *node.outputs)
    )


def _hides_sparse(graph: Graph) -> bool:
    """Whether anything is sparse within an `OpFromGraph`, or enters or leaves one."""
    nodes = [node for node in graph.toposort() if isinstance(node.op, OpFromGraph)]
    within = [node.op.graph.as_graph() for node in nodes]
    return any(_any_sparse(one) or _hides_sparse(one) for one in within)
