"""Theano's class of symbolic tensors: it recognises variables, and programs derive from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from symnet.graph.types import TensorType
from symnet.graph.variables import Constant, Variable
from symnet.shared import SharedVariable

__all__ = ["TensorVariable"]


class VariableClass(type):
    """Says whether a value is of the class."""

    def __instancecheck__(cls, value: Any) -> bool:
        if cls is not TensorVariable:  # a program's own
            return super().__instancecheck__(value)
        return (
            isinstance(value, Variable)
            and isinstance(value.type, TensorType)
            and not isinstance(value, (Constant, SharedVariable))
        )


if TYPE_CHECKING:
    # Variables of every kind have one class here, and annotations say that one.
    TensorVariable = Variable
else:

    class TensorVariable(Variable, metaclass=VariableClass):
        """A symbolic tensor: what is neither constant nor shared variable.

        Classes derived from it are variables, too, as PyMC3's random ones.

        >>> x = T.vector("x")
        >>> [isinstance(v, T.TensorVariable) for v in (x, x + 1, T.constant(1.0))]
        [True, True, False]
        """
