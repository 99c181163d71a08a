"""Where a variable is computed: a matter of the function, not of the graph."""

from __future__ import annotations

from symnet.config import device_named
from symnet.graph.variables import Variable
from symnet.ops.methods import method


@method("transfer")
def transfer(variable: Variable, target: str) -> Variable:
    """The variable itself, under Theano's name for moving a value to a device.

    A function runs as a whole on one device (`function(..., device=)`) and hands out NumPy
    arrays, so there is nothing to be moved within a graph.
    Raises: ValueError where there is no device of that name.
    Example: `x.transfer("cpu") is x`.
    """
    device_named(target, "transfer: ")
    return variable


__all__ = ["transfer"]
