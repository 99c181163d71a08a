"""An input and an output of a function, with what is said of each."""

from __future__ import annotations

from typing import Any

from symnet.compile.fitting import as_any, fit
from symnet.errors import message
from symnet.graph.object_types import holds_objects
from symnet.graph.types import TensorType, Type
from symnet.graph.variables import Variable, operand_text
from symnet.ops.base import as_tensor
from symnet.ops.sparse.sparse_type import SparseType
from symnet.shared import Container, SharedVariable


class In:
    """An input of a function: a variable, with a name, a default value, or an update.

    value: taken where a call gives none; with `update` it is kept between calls, and
    replaced after each by the value of the expression `update`.
    strict, allow_downcast: how a call's argument is converted (see `TensorType.filter`).
    A container of another function, `f.container[x]`, or a shared variable as the value is
    shared with it; such an input is implicit.
    implicit: a call cannot give a value for it.
    mutable: operations of `theano.tensor.inplace` on the input write into the array that a
    call brings; nothing else does.
    borrow: accepted as in Theano, without effect.
    Raises: TypeError for what is no variable, an update of another type, a name that is no
        string, or an implicit input without value.

    >>> x, rate = T.dscalars("x", "rate")
    >>> f = symnet.function([x, symnet.In(rate, value=0.5)], x * rate)
    >>> f(4.0), f(4.0, rate=2.0)
    (array(2.), array(8.))
    >>> total = T.dscalar("total")
    >>> add = symnet.function([x, symnet.In(total, value=0.0, update=total + x)], total)
    >>> [float(add(1.0)) for _ in range(3)]
    [0.0, 1.0, 2.0]
    """

    def __init__(
        self,
        variable: Variable,
        name: str | None = None,
        value: Any = None,
        update: Any = None,
        mutable: bool | None = None,
        strict: bool = False,
        allow_downcast: bool | None = None,
        autoname: bool = True,
        implicit: bool | None = None,
        borrow: bool | None = None,
        shared: bool = False,
    ) -> None:
        if not isinstance(variable, Variable):
            raise TypeError(
                message(
                    f"an input of a function is a variable, not {type(variable).__name__} "
                    f"{variable!r:.60}",
                    cure="pass symbolic variables, such as T.matrix('x')",
                )
            )
        if name is not None and not isinstance(name, str):
            raise TypeError(f"the name of an input is a string, not {name!r:.60}")
        if implicit is None:
            implicit = isinstance(value, (Container, SharedVariable))
        if implicit and value is None:
            raise TypeError(f"the implicit input {operand_text(variable)} has no value")
        if update is not None:
            update = fit(update, variable, "updated with")
        self.variable = variable
        self.name = name if name is not None else (variable.name if autoname else None)
        self.value = value
        self.update = update
        self.mutable = bool(mutable)
        self.strict = strict
        self.allow_downcast = allow_downcast
        self.borrow = borrow
        self.implicit = implicit
        self.shared = shared

    def __repr__(self) -> str:
        return f"In({self.variable})"


class Out:
    """An output of a function.  `borrow` is accepted as in Theano; results are fresh.

    >>> x = T.dvector("x")
    >>> symnet.function([x], symnet.Out(x + 1, borrow=True))([1.0])
    array([2.])
    """

    def __init__(self, variable: Any, borrow: bool = False) -> None:
        self.variable = as_output(variable)
        self.borrow = borrow

    def __repr__(self) -> str:
        return f"Out({self.variable})"


def as_output(given: Any) -> Variable:
    if isinstance(given, Out):
        return given.variable
    if isinstance(given, Variable) and not _may_be_handed_out(given.type):
        raise TypeError(
            message(
                f"{operand_text(given)} cannot be an output: its type does not say what a "
                "value is",
                origin=given.origin,
                cure="define filter(value, strict, allow_downcast) in the type",
            )
        )
    return as_any(given) if not isinstance(given, bool) else as_tensor(given)


def _may_be_handed_out(kind: Type) -> bool:
    return isinstance(kind, (TensorType, SparseType)) or holds_objects(kind)
