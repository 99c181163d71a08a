"""Theano's class of symbolic tensors: it recognises variables, and programs derive from it;
and how notebooks show variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from symnet.graph.types import TensorType
from symnet.graph.variables import Constant, Variable
from symnet.lazy import imported_when_called
from symnet.ops.methods import method
from symnet.shared import SharedVariable

if TYPE_CHECKING:
    from symnet.printing.latex import displayed
else:
    displayed = imported_when_called("symnet.printing.latex", "displayed")

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


@method("_repr_latex_")
def repr_latex(self: Variable) -> str | None:
    return displayed(self)
