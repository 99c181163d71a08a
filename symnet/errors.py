"""The errors that symnet raises, and the one way in which they are worded.

A message says what is wrong, which operation with which operands, on which line of the
user's program, and what to do.  Errors keep Python's kinds: a wrong dtype or rank is a
TypeError, a wrong size or value a ValueError, a wrong position an IndexError.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial, wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from symnet.config import config
from symnet.lazy import imported_when_called

if TYPE_CHECKING:
    from difflib import get_close_matches
else:  # slow to import
    get_close_matches = imported_when_called("difflib", "get_close_matches")

P = ParamSpec("P")
R = TypeVar("R")
E = TypeVar("E", bound=BaseException)

PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class MissingInputError(ValueError):
    """A graph needs a variable that is neither an input, nor given, nor shared."""


class UnusedInputError(ValueError):
    """An input of a function is not needed by its outputs, updates or givens."""


class UnusedCodeWarning(UserWarning):
    """An operation brings code that is not used."""


class DisconnectedInputError(ValueError):
    """A gradient was asked for with respect to a variable that the cost does not use."""


class NullTypeGradError(TypeError):
    """A gradient passes through an operation where it is not defined."""


class AsTensorError(TypeError):
    """A value cannot be made a tensor variable."""


class ShapeError(ValueError):
    """Sizes of arrays do not fit together."""


class AxisError(ValueError, IndexError):
    """An axis that an array does not have; as NumPy's, both kinds of error."""


class DeclaredShapeError(ShapeError, AssertionError):
    """An array has not the sizes that the program declares for it."""


class NotScalarConstantError(ValueError):
    """A variable is not a constant of one element."""


class EmptyConstantError(NotScalarConstantError):
    """A constant has no element."""


class ComplexError(TypeError, NotImplementedError):
    """An operation is not defined for complex numbers."""


class ClassNumberError(IndexError, ValueError):
    """A number of a class is not one of those there are."""


class NotImplementedGradientError(NullTypeGradError):
    """An operation has no gradient with respect to one of its inputs."""


def message(
    what: str,
    *,
    operation: object = None,
    operands: Iterable[object] = (),
    origin: object = None,
    cure: str = "",
) -> str:
    """The text of an error: what, which operation and operands, whose line, the cure."""
    lines = [what]
    if operation is not None:
        lines.append(f"  operation: {operation}")
    shown = [f"  operand {k}: {operand}" for k, operand in enumerate(operands)]
    if len(shown) > 8:
        shown = [*shown[:7], f"  ... and {len(shown) - 7} more operands"]
    lines += shown
    if origin is not None:
        lines.append(f"  your line: {origin}")
    if cure:
        lines.append(f"  to do: {cure}")
    return "\n".join(lines)


def near(name: str, names: Iterable[str], count: int = 3) -> list[str]:
    """Those of the names that `name` may be a slip for, the nearest first."""
    return get_close_matches(name, sorted(set(names)), count, cutoff=0.7)


def briefly(function: Callable[P, R]) -> Callable[P, R]:
    """Decorator for what users call: errors leave it without the frames inside symnet.

    config.exception_verbosity = "high" keeps them.  IPython leaves out those
    between the user's line and here too.  An argument that the function does
    not have is answered with the one that was probably meant.
    """

    @wraps(function)
    def brief(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            if isinstance(error, TypeError) and kwargs:
                error = _misspelled(function, kwargs) or error
            if "IPython" in sys.modules:
                error.__dict__["_render_traceback_"] = partial(_in_ipython, error)
            raise without_own_frames(error) from error.__cause__

    return brief


# Other libraries' names of arguments.
ELSEWHERE = {
    "lr": "learning_rate", "dim": "axis", "axes": "axis", "keepdim": "keepdims",
    "feed_dict": "givens", "params": "parameters", "x": "inputs", "y": "outputs",
    "args": "inputs", "argnums": "wrt", "parameters": "wrt", "sequence": "sequences",
    "init": "outputs_info", "length": "n_steps", "reverse": "go_backwards",
}  # fmt: skip


def _misspelled(
    function: Callable[..., Any], given: Mapping[str, Any]
) -> TypeError | None:
    """What to say where one of the arguments given by name is none of the function's."""
    parameters = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return None
    for name in given:
        if name not in parameters:
            close = near(name, parameters, 1)
            meant = ELSEWHERE.get(name)
            found = [meant] if meant in parameters else close
            return TypeError(
                message(
                    f"{function.__name__}() has no argument {name!r}",
                    cure=f"did you mean {found[0]!r}?"
                    if found
                    else f"it takes {', '.join(parameters)}",
                )
            )
    return None


def without_own_frames(error: E) -> E:
    """The error with a traceback that shows no frame of this package (unless
    config.exception_verbosity is "high"): those of users' own ops stay in it."""
    if config.exception_verbosity == "high":
        return error
    return error.with_traceback(_foreign(error.__traceback__))


def _foreign(entry: TracebackType | None) -> TracebackType | None:
    """The entries of a traceback that are in no file of this package."""
    entries = []
    while entry is not None:
        entries.append(entry)
        entry = entry.tb_next
    kept: TracebackType | None = None
    for one in reversed(entries):
        code = one.tb_frame.f_code
        if not code.co_filename.startswith(PACKAGE):
            # None where a signal's handler came between two lines.
            line: int | None = one.tb_lineno
            line = code.co_firstlineno if line is None else line
            kept = TracebackType(kept, one.tb_frame, one.tb_lasti, line)
    return kept


def _in_ipython(error: BaseException) -> list[str]:
    """What IPython shows of an error, which it asks the error itself for."""
    shell = sys.modules["IPython"].get_ipython()
    entries = error.__traceback__
    if config.exception_verbosity != "high":
        entries = _foreign(entries)
    lines: list[str] = shell.InteractiveTB.structured_traceback(
        type(error), error, entries, tb_offset=1
    )
    return lines
