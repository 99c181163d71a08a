"""What type checkers read of the methods and operators of variables.

    python -m tests.stubs && ruff format symnet

writes `symnet/graph/attached.pyi` anew, from the annotations of what `symnet.ops` attaches.
"""

from __future__ import annotations

import inspect
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import symnet  # noqa: F401  attaches the methods
import symnet.random  # noqa: F401
import symnet.tensor  # noqa: F401
from symnet.graph.attached import Attached

FILE = pathlib.Path(inspect.getfile(Attached)).with_suffix(".pyi")

# With it a variable were an array to NumPy's annotations, and so were `array + x`.
HIDDEN = ("__array__",)

HEAD = '''\
"""The methods and operators of variables; made by `python -m tests.stubs`."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from symnet.graph.variables import TensorLike, Variable

class Attached:
'''


def stub() -> str:
    """The text of the stub file."""
    hidden = {*vars(Empty), *HIDDEN}
    members = {k: v for k, v in vars(Attached).items() if k not in hidden}
    return HEAD + "".join(
        f"    {line}\n"
        for name in sorted(members)
        for line in declaration(name, members[name])
    )


class Empty:
    """What any class with slots has of its own."""

    __slots__ = ()


def declaration(name: str, member: Any) -> Iterator[str]:
    """The lines that declare a member; none for what only raises an error."""
    if isinstance(member, property):
        kind = returned(member.fget)
        if member.fset:
            yield f"{name}: {kind}"
        else:
            yield "@property"
            yield f"def {name}(self) -> {kind}: ..."
    elif returned(member) != "NoReturn":
        arguments = ", ".join(["self", *map(text, parameters(member))])
        yield f"def {name}({arguments}) -> {returned(member)}: ..."


def returned(function: Callable[..., Any]) -> str:
    return str(function.__annotations__["return"])


def parameters(function: Callable[..., Any]) -> Iterator[inspect.Parameter]:
    """Those behind the variable itself."""
    first, *others = inspect.signature(function).parameters.values()
    kinds = [p.kind for p in others]
    stars = inspect.Parameter.VAR_POSITIONAL in kinds
    for one in others:
        assert one.annotation is not one.empty, f"{function}: {one} has no type"
        assert one.kind is not one.KEYWORD_ONLY or stars, (
            f"{function}: no * before {one}"
        )
        yield one


def text(one: inspect.Parameter) -> str:
    star = "*" if one.kind is one.VAR_POSITIONAL else ""
    star = "**" if one.kind is one.VAR_KEYWORD else star
    default = "" if one.default is one.empty else f" = {one.default!r}"
    return f"{star}{one.name}: {one.annotation}{default}"


if __name__ == "__main__":
    FILE.write_text(stub())
