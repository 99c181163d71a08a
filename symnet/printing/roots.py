"""What can be printed or drawn, brought into one form: variables with their roles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from symnet.compile.function import Function
from symnet.errors import message
from symnet.graph.traverse import Graph
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Constant, Variable, describe
from symnet.shared import SharedVariable


class Root(NamedTuple):
    """A variable to start from, and what it is for ("" where it is for itself)."""

    variable: Variable
    role: str = ""


def roots_of(thing: Any) -> list[Root]:
    """The variables that a variable, operation, graph or compiled function consists of.

    thing: one of these, or a list, tuple or dict of them.  Of a function these are the
    outputs and updates after rewriting.
    Raises: TypeError for anything else.
    """
    if isinstance(thing, Variable):
        return [Root(thing)]
    if isinstance(thing, Apply):
        return [Root(v) for v in thing.outputs]
    if isinstance(thing, Graph):
        return [Root(v, f"output {k}") for k, v in enumerate(thing.outputs)]
    if isinstance(thing, Function):
        results = thing.maker.fgraph.outputs[: len(thing.edges.outputs)]
        outputs = [Root(v, f"output {k}") for k, v in enumerate(results)]
        news = thing.updates.items()
        return outputs + [Root(v, f"update of {describe(s)}") for s, v in news]
    if isinstance(thing, Mapping):
        return [
            Root(one, str(key)) for key, v in thing.items() for one, _ in roots_of(v)
        ]
    if isinstance(thing, (list, tuple)):
        return [root for one in thing for root in roots_of(one)]
    raise TypeError(
        message(
            f"cannot print {type(thing).__name__} {thing!r:.60}",
            cure="pass a variable, a list of them, or a compiled function",
        )
    )


def kind_of(variable: Variable) -> str:
    """One of "constant", "shared", "input", and "result" (of an operation)."""
    if isinstance(variable, Constant):
        return "constant"
    if isinstance(variable, SharedVariable):
        return "shared"
    return "input" if variable.owner is None else "result"


def is_number(variable: Variable) -> TypeGuard[Constant]:
    """Whether it is a constant of one element."""
    return isinstance(variable, Constant) and np.size(variable.data) == 1


def label_of(variable: Variable) -> str:
    """A leaf by its name or value, a result by its operation."""
    if is_number(variable):
        return str(variable.data.item())
    if variable.owner is None:
        return describe(variable)
    number = f".{variable.index}" if len(variable.owner.outputs) > 1 else ""
    return f"{variable.owner.op}{number}"


def value_text(variable: Variable, limit: int = 60) -> str:
    """The value that a constant or shared variable holds now, on one line; "" for others."""
    value = getattr(variable, "data", None)
    if isinstance(variable, SharedVariable):
        value = variable.get_value(borrow=True)
    if value is None:
        return ""
    text = np.array2string(np.asarray(value), threshold=6, precision=4, separator=", ")
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def type_text(variable: Variable) -> str:
    """The type in short: `float32[?, 10]`."""
    kind = variable.type
    if not isinstance(kind, TensorType):
        return str(kind)
    sizes = ", ".join("?" if n is None else str(n) for n in kind.shape)
    return f"{kind.dtype}[{sizes}]"
