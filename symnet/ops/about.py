"""What `help` says of an operation on each element.

A declaration says in one line what nobody could work out, `"The sine.  Gradient: cos(x).
Example: T.sin(0.5) = 0.4794..."`.  Operands, shapes, dtypes and errors follow from the rest
of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

KINDS = {"b": "booleans", "iu": "integers", "f": "floats", "c": "complex numbers"}
ABOUT = re.compile(
    r"(?P<text>.*?)(?:  Gradient: (?P<gradient>.*?)\.)?(?:  Example: (?P<example>.*))?"
)


class Described(Protocol):
    """What is asked of an `Elementwise`."""

    name: str
    arity: int
    accepts: str
    compute_dtype: Any
    result: Any
    derivative: Callable[..., Any] | None
    body: Callable[..., Any]
    condition: int | None


class About(NamedTuple):
    """The parts of one line: the gradients by each operand are divided by semicolons."""

    text: str
    gradient: str
    example: str


def parts_of(about: str) -> About:
    found = ABOUT.fullmatch(about)
    assert found is not None
    return About(*(found[key] or "" for key in ("text", "gradient", "example")))


def operand_names(op: Described) -> list[str]:
    """As the derivative calls them, else the body."""
    first, function = (2, op.derivative) if op.derivative else (0, op.body)
    code = function.__code__
    names = [*code.co_varnames[first : code.co_argcount]]
    return names if len(names) == op.arity else ["x", "y", "z"][: op.arity]


def docstring(op: Described, about: str) -> str:
    """The text of `help`, whose example is a doctest."""
    text, gradient, example = parts_of(about)
    names = operand_names(op)
    lines = [f"{op.name}({', '.join(names)}): {text}", ""]
    if op.arity == 1:
        lines.append(f"Shapes: {names[0]} of any shape, which the result has.")
    else:
        lines.append("Shapes: any, broadcast against each other.")
    lines.append(f"Dtypes: {dtypes_text(op)}.")
    if gradient:
        lines.append(f"Gradient: {gradient}.")
    raises = [] if op.arity == 1 else ["ShapeError where sizes do not agree"]
    refused = [word for kinds, word in KINDS.items() if not {*kinds} & {*op.accepts}]
    if op.compute_dtype == "float":
        refused = [word for word in refused if word == "complex numbers"]
    if refused:
        raises.append(f"TypeError for {' and '.join(refused)}")
    if raises:
        lines.append(f"Raises: {', '.join(raises)}.")
    if example:
        call, _, value = example.partition(" = ")
        lines += ["", f">>> print({call}.eval())", value]
    return "\n".join(lines)


def dtypes_text(op: Described) -> str:
    """What becomes of the operands' dtypes, and which the result has."""
    if op.condition is not None:
        return "bool for the condition; the result has the common one of the others"
    if op.compute_dtype == "float":
        complex_too = " and complex numbers" if "c" in op.accepts else ""
        return f"floats{complex_too} keep theirs, integers and booleans become floats"
    if op.result == "bool":
        return "the result is bool"
    if op.compute_dtype == "own":
        return f"that of {operand_names(op)[-1]}"
    if callable(op.result) and op.arity == 1:
        return "that of the operand; of a complex number that of its parts"
    if callable(op.result):
        return "floats, the result is complex"
    return "that of the operand" if op.arity == 1 else "the common one of the operands"
