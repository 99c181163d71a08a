"""The debugger, entered while a function runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.errors import message
from symnet.graph.op import Gradients, Vars
from symnet.graph.variables import Apply, make_variable, operand_text
from symnet.ops.base import TensorOp, as_tensor, disconnected
from symnet.ops.lowerings import Shapes, Sizes

__all__ = ["PdbBreakpoint"]


class PdbBreakpoint(TensorOp):
    """Variables that pass unchanged; where a condition is true, Python's debugger opens
    with their values: `x, y = PdbBreakpoint("large")(T.gt(cost, 10), x, y)`.

    In the debugger `monitored` is the list of the values; what is assigned to its items
    replaces them.  The results must be used in the place of the variables, or the
    breakpoint is not reached.  Gradients pass unchanged.
    """

    __props__ = ("label",)
    foldable = False

    def __init__(self, name: str) -> None:
        self.label = name

    def __str__(self) -> str:
        return f"PdbBreakpoint{{{self.label}}}"

    def make_node(self, condition: Any, *monitored: Any) -> Apply:
        condition = as_tensor(condition, truth=True)
        variables = [as_tensor(v, truth=True) for v in monitored]
        if condition.type.ndim or not variables:
            raise TypeError(
                message(
                    f"{self} takes a scalar condition and the variables to look at",
                    operands=[operand_text(v) for v in (condition, *variables)],
                )
            )
        outputs = [make_variable(v.type) for v in variables]
        return Apply(self, [condition, *variables], outputs)

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        return list(inputs[1:])

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        monitored = [np.array(array) for array in arrays[1:]]
        if arrays[0]:
            print(f"\n-- breakpoint {self.label!r}; the values are in `monitored`")
            for variable, value in zip(node.inputs[1:], monitored, strict=True):
                print(f"   {operand_text(variable)}: shape {value.shape}")
            import pdb  # slow, and rarely needed

            pdb.set_trace()
        return [
            variable.type.filter(value, allow_downcast=True)
            for variable, value in zip(node.outputs, monitored, strict=True)
        ]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [disconnected(), *output_gradients]
