"""Graphs as flat lists, so that pickling and copying do not recurse into their depth.

Leaves stay objects of their own: variables pickled together keep sharing them.

To load a pickle is to run code: whoever made the file decides what runs, with the rights of
the process that loads it, before anything of symnet could look at it.  That is so for every
pickle, and for graphs, functions and shared variables too.  Load only what you, or people
you trust, have written; give values alone to others with `numpy.savez` and read them with
`numpy.load(file, allow_pickle=False)`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any

from symnet.graph.traverse import toposort
from symnet.graph.variables import Apply, Constant, Variable

# Leaves; then for each operation (op, numbers of its inputs, its outputs' types and
# names, origin); then the numbers of the packed variables.
Packed = tuple[list[Variable], list[tuple[Any, ...]], list[int]]


def pack(variables: Sequence[Variable]) -> Packed:
    """The graph of `variables`, flat."""
    nodes = toposort(variables)
    numbers: dict[Variable, int] = {}
    leaves: list[Variable] = []
    for v in [*(v for node in nodes for v in node.inputs), *variables]:
        if v.owner is None and v not in numbers:
            numbers[v] = len(leaves)
            leaves.append(v)
    records: list[tuple[Any, ...]] = []
    for node in nodes:
        inputs = [numbers[v] for v in node.inputs]
        outputs = [(v.type, v.name) for v in node.outputs]
        records.append((node.op, inputs, outputs, node.origin))
        for v in node.outputs:
            numbers[v] = len(numbers)
    return leaves, records, [numbers[v] for v in variables]


def unpack(packed: Packed) -> list[Variable]:
    """The variables that were packed, over the same leaves."""
    leaves, records, wanted = packed
    made = list(leaves)
    for op, inputs, outputs, origin in records:
        node = Apply(
            op,
            [made[k] for k in inputs],
            [kind.variable_class(kind, name=name) for kind, name in outputs],
        )
        node.origin = origin
        made += node.outputs
    return [made[k] for k in wanted]


def by_name(made: Any, function: Any) -> tuple[str, str] | None:
    """Module and name under which a decorator has left what it made of a function."""
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    name = getattr(function, "__qualname__", "")
    found = module is not None and getattr(module, name, None) is made
    return (function.__module__, name) if found else None


def named(module: str, name: str) -> Any:
    """What stands in a module under a name."""
    return getattr(importlib.import_module(module), name)


def _restore(packed: Packed) -> Variable:
    return unpack(packed)[0]


def _restore_leaf(kind: Any, name: str | None, tag: Any) -> Variable:
    variable: Variable = kind.variable_class(kind, name=name)
    variable._tag = tag
    return variable


def _reduce_variable(self: Variable) -> tuple[Any, ...]:
    attached = vars(self) or None
    if self.owner is None:
        return _restore_leaf, (self.type, self.name, self._tag), attached
    return _restore, (pack([self]),), attached


def _reduce_constant(self: Constant) -> tuple[Any, ...]:
    made_from = (self.type, self.data, self.name, self.number)
    return Constant, made_from, vars(self) or None


Variable.__reduce__ = _reduce_variable  # type: ignore[assignment]
Constant.__reduce__ = _reduce_constant  # type: ignore[assignment]
