"""Values shown while a function runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from symnet.graph.op import Gradients, Vars
from symnet.graph.variables import Apply, make_variable
from symnet.ops.base import SameShape, as_tensor


def print_attributes(op: Print, value: Any) -> None:
    """Print the message and what each attribute of the value says."""
    for name in op.attrs:
        attribute = getattr(value, name)
        print(op.message, name, "=", attribute() if callable(attribute) else attribute)


class Print(SameShape):
    """Its input, which is printed whenever it is computed: `x = Print("x")(x)`.

    message: printed before.  attrs: the attributes or methods of the array to print, such
    as ("shape", "mean").  global_fn: called with (this op, the array) instead of printing.
    The gradient passes unchanged.  A result that nothing needs is not computed, and so
    not printed; equal ones are computed once.

    >>> x = T.dvector("x")
    >>> f = symnet.function([x], symnet.printing.Print("x is")(x) + 1)
    >>> f([1.0, 2.0])
    x is __str__ = [1. 2.]
    array([2., 3.])
    """

    __props__ = ("message", "attrs", "global_fn")
    foldable = False

    def __init__(
        self,
        message: str = "",
        attrs: Sequence[str] = ("__str__",),
        global_fn: Callable[[Print, Any], Any] = print_attributes,
    ) -> None:
        self.message = message
        self.attrs = tuple(attrs)
        self.global_fn = global_fn

    def __str__(self) -> str:
        return f"Print{{{self.message}}}"

    def make_node(self, x: Any) -> Apply:
        x = as_tensor(x)
        return Apply(self, [x], [make_variable(x.type)])

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        self.global_fn(self, arrays[0])
        return [arrays[0]]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return output_gradients
