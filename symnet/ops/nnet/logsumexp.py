"""The logarithm of a sum of exponentials as one operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.graph.op import Gradients, Vars
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Variable, make_variable
from symnet.ops.arithmetic import add, log, mul, sub, switch
from symnet.ops.base import as_tensor, to_float
from symnet.ops.comparison import eq, isinf
from symnet.ops.composed import Composed
from symnet.ops.elementwise import cast
from symnet.ops.functions import exp
from symnet.ops.lowerings import Shapes, Sizes
from symnet.ops.nnet.softmax import Softmax
from symnet.ops.reduce import restore_axes, top_over
from symnet.ops.reduce import sum as sum_over


class LogSumExp(Composed):
    """log(sum(exp(x))) over `axes` (in order, counted from the front), which disappear.

    Finite for all finite x; infinities stay what they are; of no elements minus infinity.
    Source: Blanchard, Higham & Higham 2021 (the shift by the maximum).
    """

    __props__ = ("axes",)

    def __init__(self, axes: Sequence[int]) -> None:
        self.axes = tuple(axes)

    def make_node(self, x: Any) -> Apply:
        x = as_tensor(x)
        x = cast(x, to_float(x.type.dtype))
        shape = [n for k, n in enumerate(x.type.shape) if k not in self.axes]
        return Apply(self, [x], [make_variable(TensorType(x.type.dtype, shape))])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        return [tuple(n for k, n in enumerate(inputs[0]) if k not in self.axes)]

    def expand(self, *inputs: Variable) -> Variable:
        (x,) = inputs
        top: Any = top_over(x, self.axes)
        # An infinite maximum is not taken out: it would leave inf - inf.
        shift = switch(isinf(top), 0, top)
        powers = exp(sub(x, restore_axes(shift, self.axes)))
        result: Variable = add(log(sum_over(powers, axis=self.axes)), shift)
        return result

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        (x,) = arrays
        top = x.max(axis=self.axes, keepdims=True, initial=-np.inf)
        shift = xp.where(xp.isinf(top), 0, top)
        powers = xp.exp(x - shift)
        total = xp.log(powers.sum(axis=self.axes, keepdims=True)) + shift
        return [xp.asarray(total.squeeze(self.axes), dtype=x.dtype)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        # Not exp(x - out): for large x that difference has few digits.
        shares = Softmax(self.axes)(inputs[0])
        slope = mul(shares, restore_axes(output_gradients[0], self.axes))
        # Minus infinity stays what it is whatever is added to its terms; 0 / 0 is no share.
        stays = eq(restore_axes(outputs[0], self.axes), -np.inf)
        return [switch(stays, 0, slope)]
