"""A value that passes only where conditions on others hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.errors import message
from symnet.graph.op import Gradients, Vars
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.ops.base import SameShape, as_tensor, disconnected
from symnet.ops.reduce import all as all_over

__all__ = ["Assert", "Raise", "assert_op"]


class Assert(SameShape):
    """Its first input, where every condition behind it is true: `Assert("x > 0")(x, x > 0)`.

    Shapes: that of the value; a condition of any rank holds where all its elements do.
    The gradient passes unchanged.  A result that nothing needs is not checked.  It runs as
    a reference step, between native programs.
    Raises: AssertionError with the message (when run), or what `error` says.

    >>> import symnet.tensor as T
    >>> x = T.dscalar("x")
    >>> Assert("x is positive")(x, T.gt(x, 0)).eval({x: 2.0}).item()
    2.0
    """

    __props__ = ("msg", "error")
    device_arrays = True
    foldable = False

    def __init__(
        self,
        msg: str = "the condition of an Assert does not hold",
        error: type[Exception] = AssertionError,
    ) -> None:
        self.msg, self.error = msg, error

    def __str__(self) -> str:
        return f"Assert{{{self.msg}}}"

    def make_node(self, value: Any, *conditions: Any) -> Apply:
        value = as_tensor(value, truth=True)
        if not conditions:
            raise TypeError(
                message("Assert has no condition", operands=[operand_text(value)])
            )
        checked: list[Variable] = [
            all_over(as_tensor(one, truth=True)) for one in conditions
        ]
        return Apply(self, [value, *checked], [make_variable(value.type)])

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        if not all(bool(xp.all(one)) for one in arrays[1:]):
            raise self.error(self.msg)
        return [arrays[0]]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [output_gradients[0], *[disconnected() for _ in inputs[1:]]]


assert_op = Assert()


class Raise(SameShape):
    """Its first input, if ever it is computed: it raises instead.  `Raise("why")(x)` in a
    branch of `ifelse` says that the branch is not to be taken.

    Raises: `exc(msg)`, when run.
    """

    __props__ = ("msg", "exc")
    foldable = False

    def __init__(
        self, msg: str = "", exc: type[Exception] = NotImplementedError
    ) -> None:
        self.msg, self.exc = msg, exc

    def make_node(self, x: Any) -> Apply:
        x = as_tensor(x)
        return Apply(self, [x], [make_variable(x.type)])

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        raise self.exc(self.msg)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return output_gradients
