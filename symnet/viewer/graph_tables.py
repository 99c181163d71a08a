"""Graphs as plain data: tables of variables, operations and lines, which graphs share.

Passes leave most of a graph as it is, so what graphs have in common stands in the tables
once, and a graph is a list of numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from symnet.graph.inner import InnerGraph
from symnet.graph.origin import Origin
from symnet.graph.traverse import toposort
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Variable
from symnet.ops.ifelse.conditional import IfElse
from symnet.ops.scan.loop import Scan
from symnet.printing.roots import (
    Root,
    is_number,
    kind_of,
    label_of,
    type_text,
    value_text,
)
from symnet.printing.scopes import scopes_of
from symnet.viewer.groups import Group, grouped

Record = dict[str, Any]
# The graphs inside operations, and what they are called.
INSIDE = {"graph": "inside", "then_graph": "if true", "else_graph": "else"}


class GraphTables:
    """The tables; what is entered gets a number."""

    def __init__(self) -> None:
        self.variables: list[Record] = []
        self.operations: list[Record] = []
        self.lines: list[Record] = []
        self._numbers: dict[Variable | Apply | Origin, int] = {}

    def line(self, origin: Origin | None) -> int | None:
        """A line of the user's program."""
        if origin is None:
            return None
        if origin not in self._numbers:
            record = {
                "place": origin.place, "short": origin.short_place, "text": origin.text,
                "function": origin.function, "role": origin.role,
            }  # fmt: skip
            self._numbers[origin] = self._add(self.lines, record)
        return self._numbers[origin]

    def variable(self, variable: Variable) -> int:
        """A variable; what makes it is entered by `operation`."""
        if variable not in self._numbers:
            kind = variable.type
            shape = list(kind.shape) if isinstance(kind, TensorType) else None
            record = {
                "kind": kind_of(variable), "name": variable.name or "",
                "label": label_of(variable) if variable.owner is None else "",
                "type": type_text(variable), "shape": shape,
                "dtype": str(getattr(kind, "dtype", "")), "value": value_text(variable),
                "number": is_number(variable), "operation": None,
            }  # fmt: skip
            self._numbers[variable] = self._add(self.variables, record)
        return self._numbers[variable]

    def operation(self, node: Apply) -> int:
        """An operation, and the graphs inside it."""
        if node in self._numbers:
            return self._numbers[node]
        record: Record = {
            "op": str(node.op), "inputs": [self.variable(v) for v in node.inputs],
            "outputs": [self.variable(v) for v in node.outputs],
            "line": self.line(node.origin),
            "ordered": len(node.inputs) > 1 and not node.op.commutative,
            "inside": [self._inside(node, name) for name in inner_graphs(node)],
        }  # fmt: skip
        number = self._numbers[node] = self._add(self.operations, record)
        for v in record["outputs"]:
            self.variables[v]["operation"] = number
        return number

    def graph(self, roots: Sequence[Root]) -> Record:
        """The operations that roots need, in topological order, and in groups."""
        order = toposort([root.variable for root in roots])
        numbers = [self.operation(node) for node in order]
        return {
            "operations": numbers,
            "roots": [{"variable": self.variable(v), "role": role} for v, role in roots],
            "members": self._members(grouped(order, scopes_of(order, roots))),
        }  # fmt: skip

    def _inside(self, node: Apply, name: str) -> Record:
        """A graph inside an operation, and which of its inputs and outputs belong to which
        of the operation's."""
        inner: InnerGraph = getattr(node.op, name)
        roots = [Root(v, output_role(node, k)) for k, v in enumerate(inner.outputs)]
        outside = outer_inputs(node, name)
        pairs = zip(inner.inputs, outside, strict=True)
        label = "in each step" if isinstance(node.op, Scan) else INSIDE[name]
        return {
            "label": label, "graph": self.graph(roots),
            "inputs": [
                [self.variable(v), None if w is None else self.variable(w)]
                for v, w in pairs
            ],
            "outputs": [self.variable(v) for v in node.outputs],
        }  # fmt: skip

    def _members(self, members: Iterable[Apply | Group]) -> list[Any]:
        return [
            self._numbers[one] if isinstance(one, Apply) else {
                "label": one.label, "kind": one.kind, "line": self.line(one.origin),
                "members": self._members(one.members),
            }
            for one in members
        ]  # fmt: skip

    @staticmethod
    def _add(table: list[Record], record: Record) -> int:
        table.append(record)
        return len(table) - 1


def inner_graphs(node: Apply) -> list[str]:
    """The names of the graphs inside an operation."""
    return [
        name for name in INSIDE
        if isinstance(getattr(node.op, name, None), InnerGraph)
    ]  # fmt: skip


def outer_inputs(node: Apply, name: str) -> list[Any]:
    """For each input of an inner graph the input of the operation that it gets, or rows
    of; None where that is not known."""
    op, inner = node.op, getattr(node.op, name)
    if isinstance(op, Scan):
        given = op.split_inputs(node.inputs)
        taps = [v for v, s in zip(given.initials, op.states) for _ in s.taps]
        return [*given.sequences, *taps, *given.others]
    if isinstance(op, IfElse):
        _, yes, no = op.split_inputs(node.inputs)
        return yes if name == "then_graph" else no
    if len(inner.inputs) == len(node.inputs):
        return list(node.inputs)
    return [None] * len(inner.inputs)


def output_role(node: Apply, position: int) -> str:
    """What an output of an inner graph is for."""
    if not isinstance(node.op, Scan):
        return f"output {position}"
    states = len(node.op.states)
    if position < states:
        return f"new {node.op.state_name(position)}"
    done = node.op.until and position == len(node.op.graph.outputs) - 1
    return "stops the loop" if done else f"collected {position - states}"
