"""Operations that let values pass unchanged and treat gradients in their own way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.graph.op import Gradients, Op, Vars
from symnet.graph.types import DisconnectedType, NullType
from symnet.graph.variables import Apply, Variable, make_variable
from symnet.kernels.loopir.views import View
from symnet.ops.arithmetic import clip, mul, second
from symnet.ops.base import SameShape, ViewOp, as_tensor, constant
from symnet.ops.composed import Composed
from symnet.ops.lowerings import Lowering, Reference, Sizes, ViewOf, has_arrays


class Barrier(SameShape, Composed):
    """The input itself.  What happens to its gradient, `pass_back` says."""

    def make_node(self, x: Any) -> Apply:
        variable = as_tensor(x)
        return Apply(self, [variable], [make_variable(variable.type)])

    def expand(self, *inputs: Variable) -> Variable:
        return inputs[0]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return [arrays[0]]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [self.pass_back(inputs[0], output_gradients[0])]

    def pass_back(self, x: Variable, gradient: Variable) -> Any:
        """The gradient of the input from that of the output."""
        raise NotImplementedError(str(self))


class Passed(SameShape, ViewOp):
    """The input itself, and its gradient: Theano's `ViewOp`, of which users make
    operations with a `grad` of their own, such as one that turns the sign of gradients.

    A subclass with a `perform` is computed by that.
    """

    def make_node(self, x: Any) -> Apply:
        variable = as_tensor(x)
        return Apply(self, [variable], [make_variable(variable.type)])

    @property
    def _performs(self) -> bool:
        return type(self).perform is not Op.perform

    def lowering(self, node: Apply) -> Lowering:
        if self._performs or not has_arrays(node):
            return Reference()
        return ViewOf(self.views, tuple(range(node.outputs[0].type.ndim)))

    def view(self, node: Apply, view: View, sizes: Sizes) -> View:
        return view

    def host(self, node: Apply, values: Sequence[Any], sizes: Sizes) -> Any:
        return None if self._performs else values[0]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return Op.compute(self, node, arrays, xp) if self._performs else [arrays[0]]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return self.grad(inputs, output_gradients)

    def grad(
        self, inputs: Sequence[Variable], output_gradients: Sequence[Variable]
    ) -> Sequence[Variable]:
        return list(output_gradients)


class DeepCopyOp(Passed):
    """The same by Theano's other name: results never share memory here anyway."""


view_op = Passed()
deep_copy_op = DeepCopyOp()


class DisconnectedGrad(Barrier):
    """Its input counts as not connected to its output."""

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False]]

    def pass_back(self, x: Variable, gradient: Variable) -> Variable:
        return make_variable(DisconnectedType())


class ZeroGrad(Barrier):
    """Its input's gradient is zero."""

    def pass_back(self, x: Variable, gradient: Variable) -> Any:
        return second(x, constant(0, dtype=gradient.type.dtype))


class UndefinedGrad(Barrier):
    """Its input's gradient is not defined: asking for it is an error."""

    def pass_back(self, x: Variable, gradient: Variable) -> Variable:
        return make_variable(NullType("undefined_grad() was put here"))


class GradClip(Barrier):
    """The gradient is clipped, element by element, to [lower, upper]."""

    __props__ = ("clip_lower_bound", "clip_upper_bound")

    def __init__(self, clip_lower_bound: float, clip_upper_bound: float) -> None:
        self.clip_lower_bound = clip_lower_bound
        self.clip_upper_bound = clip_upper_bound
        if clip_upper_bound < clip_lower_bound:
            raise ValueError(
                f"grad_clip: {clip_lower_bound} is above {clip_upper_bound}"
            )

    def pass_back(self, x: Variable, gradient: Variable) -> Any:
        return clip(gradient, self.clip_lower_bound, self.clip_upper_bound)


class GradScale(Barrier):
    """The gradient is multiplied by a number."""

    __props__ = ("multiplier",)

    def __init__(self, multiplier: float) -> None:
        self.multiplier = multiplier

    def pass_back(self, x: Variable, gradient: Variable) -> Any:
        return mul(gradient, self.multiplier)


def disconnected_grad(x: Any) -> Any:
    """`x`, which no gradient passes; asking for one through it alone is an error.

    >>> x = T.dvector("x")
    >>> symnet.grad(T.sum(x * T.disconnected_grad(x)), x).eval({x: [1, 2]})
    array([1., 2.])
    """
    return DisconnectedGrad()(x)


def zero_grad(x: Any) -> Any:
    """`x`; the gradient that passes it is zero.

    >>> x = T.dscalar("x")
    >>> symnet.grad(x * T.zero_grad(x), x).eval({x: 3})
    array(3.)
    """
    return ZeroGrad()(x)


consider_constant = zero_grad


def undefined_grad(x: Any) -> Any:
    """`x`; asking for a gradient through it raises NullTypeGradError."""
    return UndefinedGrad()(x)


def grad_clip(x: Any, lower_bound: float, upper_bound: float) -> Any:
    """`x`; the gradient that passes it is clipped to [lower_bound, upper_bound]."""
    return GradClip(lower_bound, upper_bound)(x)


def grad_scale(x: Any, multiplier: float) -> Any:
    """`x`; the gradient that passes it is multiplied by `multiplier`."""
    return GradScale(multiplier)(x)
