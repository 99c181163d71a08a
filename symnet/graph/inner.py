"""Graphs inside operations: the step of a loop, the branches of a condition."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from symnet.errors import message
from symnet.graph.evaluate import run
from symnet.graph.pickling import pack, unpack
from symnet.graph.traverse import Graph, toposort
from symnet.graph.variables import Apply, Constant, Variable, operand_text
from symnet.lazy import cached_property

# Constants up to this size in bytes are compared by value.
LARGEST_COMPARED = 1 << 16


class InnerGraph:
    """Outputs over inputs that are leaves; nothing else is free but constants.

    Two are equal if they differ only in which variables they consist of.
    Raises: ValueError for an input that is no leaf or is listed twice, and for an output
        that needs something else.
    """

    def __init__(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        order: list[Apply] | None = None,
    ) -> None:
        """order: the operations as `toposort` gives them, where that is known."""
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        given = set(self.inputs)
        if len(given) < len(self.inputs):
            raise ValueError("an input of an inner graph is listed twice")
        for v in self.inputs:
            if v.owner is not None:
                raise _not_an_input(v)
        # The operations, each after those it needs.
        self.order = toposort(self.outputs) if order is None else order
        for v in chain(*[node.inputs for node in self.order], self.outputs):
            if v.owner is None and v not in given and not isinstance(v, Constant):
                raise _not_an_input(v)

    def as_graph(self) -> Graph:
        return Graph(self.inputs, self.outputs, self.order)

    @cached_property
    def signature(self) -> tuple[Any, ...]:
        """What the graph computes, whatever its variables are called."""
        numbers: dict[Variable, Any] = {v: k for k, v in enumerate(self.inputs)}
        records: list[Any] = [v.type for v in self.inputs]
        for node in self.order:
            inputs = tuple(_number(v, numbers) for v in node.inputs)
            records.append((node.op, inputs, tuple(v.type for v in node.outputs)))
            for v in node.outputs:
                numbers[v] = len(numbers)
        return (*records, tuple(_number(v, numbers) for v in self.outputs))

    def copy(self) -> InnerGraph:
        """The same over inputs of its own."""
        made: dict[Variable, Variable] = {v: v.clone() for v in self.inputs}
        inputs = list(made.values())
        for node in self.order:
            clone = node.clone_with_new_inputs([made.get(v, v) for v in node.inputs])
            made.update(zip(node.outputs, clone.outputs, strict=True))
        return InnerGraph(inputs, [made.get(v, v) for v in self.outputs])

    def evaluate(self, arrays: Sequence[Any], xp: Any = np) -> list[Any]:
        """The outputs' values, by the operations' references."""
        known = dict(zip(self.inputs, arrays, strict=True))
        return run(self.order, self.outputs, known, xp)

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, InnerGraph) and self.signature == other.signature
        )

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(self.signature)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (pack([*self.inputs, *self.outputs]), len(self.inputs))


def _not_an_input(leaf: Variable) -> ValueError:
    text = f"{operand_text(leaf)} is no input of the inner graph"
    cure = "make it one of the inputs, or a shared variable"
    return ValueError(message(text, cure=cure))


def _restore(packed: Any, count: int) -> InnerGraph:
    variables = unpack(packed)
    return InnerGraph(variables[:count], variables[count:])


def _number(variable: Variable, numbers: dict[Variable, Any]) -> Any:
    if isinstance(variable, Constant):
        return constant_key(variable)
    return numbers[variable]


def constant_key(constant: Constant) -> Hashable:
    """Equal for constants of equal type and value; large ones are only equal to
    themselves."""
    data = np.asarray(constant.data)
    if data.nbytes > LARGEST_COMPARED:
        return constant
    return constant.type, data.shape, data.tobytes(), constant.weak
