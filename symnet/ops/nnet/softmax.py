"""Softmax and its logarithm, along one axis or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.errors import message
from symnet.graph.op import Gradients, Vars
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.ops.arithmetic import log, mul, sub, true_div
from symnet.ops.base import SameShape, as_tensor, to_float
from symnet.ops.composed import Composed
from symnet.ops.elementwise import cast
from symnet.ops.functions import exp
from symnet.ops.reduce import restore_axes, top_over
from symnet.ops.reduce import sum as sum_over


class AlongAxis(SameShape, Composed):
    """A map of each line of x along `axis` (counted from the front), or along several axes
    taken together."""

    __props__ = ("axis",)

    def __init__(self, axis: int | Sequence[int] = 1) -> None:
        axes = (axis,) if isinstance(axis, int) else tuple(sorted(axis))
        self.axis: int | tuple[int, ...] = axes[0] if len(axes) == 1 else axes

    @property
    def axes(self) -> tuple[int, ...]:
        return (self.axis,) if isinstance(self.axis, int) else self.axis

    def make_node(self, x: Any) -> Apply:
        x = as_tensor(x)
        if not self.axes or not set(self.axes) <= set(range(x.type.ndim)):
            raise TypeError(
                message(f"{self}: no such axis", operands=[operand_text(x)])
            )
        x = cast(x, to_float(x.type.dtype))
        return Apply(self, [x], [make_variable(x.type)])

    def along(self, function: Any, x: Variable) -> Variable:
        """A reduction over the axes, which keep size 1."""
        return restore_axes(function(x, axis=self.axes), self.axes)

    def shifted(self, x: Variable) -> Any:
        """x minus its maximum along the axis: what exp can take."""
        return sub(x, restore_axes(top_over(x, self.axes), self.axes))


class Softmax(AlongAxis):
    """exp(x) divided by its sum along `axis`.

    Source: Blanchard, Higham & Higham 2021 (the shift by the maximum).

    >>> x = T.dmatrix("x")
    >>> T.nnet.Softmax()(x).eval({x: [[0.0, 0.0, -1000.0]]})
    array([[0.5, 0.5, 0. ]])
    """

    def expand(self, *inputs: Variable) -> Variable:
        powers = exp(self.shifted(inputs[0]))
        return true_div(powers, self.along(sum_over, powers))

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        (x,) = arrays
        powers = xp.exp(x - x.max(axis=self.axis, keepdims=True, initial=-np.inf))
        return [powers / powers.sum(axis=self.axis, keepdims=True)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (s,), (g,) = outputs, output_gradients
        return [mul(sub(g, self.along(sum_over, mul(g, s))), s)]


class LogSoftmax(AlongAxis):
    """The logarithm of the softmax along `axis`: finite for all finite x.

    >>> x = T.dmatrix("x")
    >>> T.nnet.LogSoftmax()(x).eval({x: [[0.0, 1000.0]]})
    array([[-1000.,     0.]])
    """

    def expand(self, *inputs: Variable) -> Variable:
        shifted = self.shifted(inputs[0])
        return sub(shifted, log(self.along(sum_over, exp(shifted))))

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        (x,) = arrays
        shifted = x - x.max(axis=self.axis, keepdims=True, initial=-np.inf)
        return [shifted - xp.log(xp.exp(shifted).sum(axis=self.axis, keepdims=True))]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (out,), (g,) = outputs, output_gradients
        return [sub(g, mul(exp(out), self.along(sum_over, g)))]
