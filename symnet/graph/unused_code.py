"""Code that users' operations bring for Theano's compiler of C, which is not used."""

from __future__ import annotations

import warnings
from typing import Any

from symnet.errors import UnusedCodeWarning, message
from symnet.graph.origin import Origin

# Theano's ways to compute an op that are not there: C is not compiled.
UNUSED = ("c_code", "make_thunk")
_warned: set[type] = set()


def warn_of_code(op: Any, line: Origin | None) -> None:
    """Say once that a class brings code that is not used."""
    if type(op) in _warned or not hasattr(op, "c_code"):
        return
    _warned.add(type(op))
    text = message(
        f"{type(op).__name__}.c_code is not used: no C is compiled",
        origin=line,
        cure="its perform computes it, in Python; what is computed element by element can "
        "have a body that is compiled (symnet.scalar.ScalarOp)",
    )
    warnings.warn(text, UnusedCodeWarning, stacklevel=4)
