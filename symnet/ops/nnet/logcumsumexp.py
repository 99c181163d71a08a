"""The logarithms of running sums of exponentials as one operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.graph.op import Gradients, Vars
from symnet.graph.variables import Apply, Variable, make_variable
from symnet.ops.arithmetic import add, log, maximum, minimum, mul, sub, switch, true_div
from symnet.ops.barriers import zero_grad
from symnet.ops.base import SameShape, as_tensor, to_float
from symnet.ops.comparison import eq
from symnet.ops.composed import Composed
from symnet.ops.cumulative import Cumulative, LinearRecurrence, from_the_end, shifted
from symnet.ops.elementwise import cast
from symnet.ops.functions import exp


class LogCumSumExp(SameShape, Composed):
    """log(cumsum(exp(x))) along `axis`; shape and dtype: those of x.

    Finite for all finite x: from each sum the largest power so far, exp(t[i]), is taken
    out, so that s[i] = exp(t[i - 1] - t[i]) s[i - 1] + exp(x[i] - t[i]) and the result is
    log(s) + t.  No power is above 1, and s is at least 1.
    """

    __props__ = ("axis",)

    def __init__(self, axis: int) -> None:
        self.axis = int(axis)

    def make_node(self, x: Any) -> Apply:
        x = as_tensor(x)
        x = cast(x, to_float(x.type.dtype))
        return Apply(self, [x], [make_variable(x.type)])

    def expand(self, *inputs: Variable) -> Variable:
        _, _, sums, top = self._parts(inputs[0])
        return add(log(sums), top)

    def _parts(self, x: Variable) -> tuple[Variable, Variable, Variable, Variable]:
        """The powers of what the tops rise by and of what is added, s and t."""
        largest = float(np.finfo(x.type.dtype).max)
        # Of minus infinities minus infinity is not taken out, nor is infinity.
        top = Cumulative(self.axis, "max")(zero_grad(x))
        top = maximum(minimum(top, largest), -largest)
        rises = exp(sub(shifted(top, -largest, self.axis), top))
        powers = exp(sub(x, top))
        return rises, powers, LinearRecurrence(self.axis)(rises, powers), top

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        result = xp.logaddexp.accumulate(arrays[0], axis=self.axis)
        return [xp.asarray(result, dtype=arrays[0].dtype)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        """sum over k from i on of g[k] exp(x[i]) / (s[k] exp(t[k])): the quotient of powers
        is the product of all rises between."""
        rises, powers, sums, _ = self._parts(inputs[0])
        # Of minus infinities none has a share.
        shares = switch(eq(sums, 0), 0, true_div(output_gradients[0], sums))
        return [mul(powers, from_the_end(rises, shares, self.axis))]
