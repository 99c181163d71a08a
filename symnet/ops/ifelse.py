"""The condition of which only the branch that is taken is computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.graph.inner import InnerGraph
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Variable, operand_text
from symnet.kernels.views import Size
from symnet.ops.base import Sizes, TensorOp, as_tensor


class IfElse(TensorOp):
    """One of two graphs: ifelse(condition, *arguments of then, *arguments of else).

    Each output has in both branches one dtype and rank; its shape may differ.
    Raises: TypeError where branches or arguments do not fit.
    """

    __props__ = ("then_graph", "else_graph", "name")

    def __init__(
        self,
        then_inputs: Sequence[Variable],
        then_outputs: Sequence[Variable],
        else_inputs: Sequence[Variable],
        else_outputs: Sequence[Variable],
        name: str = "",
    ) -> None:
        self.then_graph = InnerGraph(then_inputs, then_outputs)
        self.else_graph = InnerGraph(else_inputs, else_outputs)
        self.name = name

    @property
    def then_inputs(self) -> tuple[Variable, ...]:
        return self.then_graph.inputs

    @property
    def then_outputs(self) -> tuple[Variable, ...]:
        return self.then_graph.outputs

    @property
    def else_inputs(self) -> tuple[Variable, ...]:
        return self.else_graph.inputs

    @property
    def else_outputs(self) -> tuple[Variable, ...]:
        return self.else_graph.outputs

    def __str__(self) -> str:
        return f"IfElse{{{self.name}}}" if self.name else "IfElse"

    def split_inputs(self, values: Sequence[Any]) -> tuple[Any, list[Any], list[Any]]:
        """The condition, the arguments of the first branch, those of the second."""
        middle = 1 + len(self.then_inputs)
        return values[0], list(values[1:middle]), list(values[middle:])

    def make_node(self, *inputs: Any) -> Apply:
        variables = list(map(as_tensor, inputs))
        condition, yes, no = self.split_inputs(variables)
        if condition.type.ndim:
            raise TypeError(f"{self}: the condition is a scalar, not {condition.type}")
        for leaf, v in zip(
            [*self.then_inputs, *self.else_inputs], [*yes, *no], strict=True
        ):
            if not leaf.type.accepts(v.type):
                raise TypeError(f"{self}: takes {leaf.type}, not {operand_text(v)}")
        outputs = []
        for a, b in zip(self.then_outputs, self.else_outputs, strict=True):
            if (a.type.dtype, a.type.ndim) != (b.type.dtype, b.type.ndim):
                raise TypeError(f"{self}: the branches give {a.type} and {b.type}")
            shape = [n if n == m else None for n, m in zip(a.type.shape, b.type.shape)]
            outputs.append(TensorType(a.type.dtype, shape).make_variable())
        return Apply(self, variables, outputs)

    def infer_sizes(
        self, node: Apply, inputs: Sequence[tuple[Size, ...]], sizes: Sizes
    ) -> Sequence[tuple[Size, ...]] | None:
        """Those that both branches have; None where they differ, or values decide."""
        _, yes, no = self.split_inputs(inputs)
        _, yes_given, no_given = self.split_inputs(node.inputs)
        found = []
        for graph, have, given in (
            (self.then_graph.copy(), yes, yes_given),
            (self.else_graph.copy(), no, no_given),
        ):
            for leaf, one, outer in zip(graph.inputs, have, given):
                sizes.bind(leaf, one, outer)
            found.append(sizes.inner_sizes(graph.outputs))
        if found[0] is None or found[1] is None:
            return None
        same = all(
            sizes.same(a, b)
            for one, other in zip(found[0], found[1])
            for a, b in zip(one, other)
        )
        return found[0] if same else None

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        condition, yes, no = self.split_inputs(arrays)
        graph, given = (
            (self.then_graph, yes) if bool(condition) else (self.else_graph, no)
        )
        return graph.evaluate(given, xp)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[k > 0] * node.nout for k in range(node.nin)]
