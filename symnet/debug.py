"""Every stage of a function's compilation: `python -m symnet.debug FILE.py:NAME`.

    python -m symnet.debug tutorials/logistic.py:train
    python -m symnet.debug tutorials/logistic.py:train --stage simplify --diff
    python -m symnet.debug package.module:make_step --shapes x=20,784 y=20 --stage plan

FILE.py is run, or MODULE imported; NAME is a compiled function in it, a variable, or
something that returns one of these when called without arguments.  Sizes are needed for
the plan and what follows from it: those of the last call that the file made, or those
given by --shapes.
"""

from __future__ import annotations

import argparse
import importlib
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from symnet.compile.function import Function, function
from symnet.graph.traverse import leaves
from symnet.graph.variables import Constant, Variable, describe
from symnet.ops.sparse.sparse_type import SparseType, scipy_matrix
from symnet.printing.stages import LOWERING_NAMES, PASS_NAMES, STAGE_NAMES, Stages
from symnet.shared import SharedVariable

QUIET = ("asm", *LOWERING_NAMES)  # printed only when asked for


class UsageError(ValueError):
    """What was asked for is not there, or lacks something."""


def load(target: str) -> Function:
    """The function that "FILE.py:NAME" or "MODULE:NAME" names.

    Raises: UsageError for another form of target, a file or name that is not there, and
    what is no function.
    """
    place, _, name = target.rpartition(":")
    if not place or not name:
        raise UsageError(f"{target!r}: say FILE.py:NAME or MODULE:NAME")
    found: Any
    if place.endswith(".py"):
        if not Path(place).is_file():
            raise UsageError(f"there is no file {place}")
        sys.path.insert(0, str(Path(place).resolve().parent))
        found = SimpleNamespace(**runpy.run_path(place, run_name=Path(place).stem))
    else:
        sys.path.insert(0, os.getcwd())
        found = _imported(place)
    for part in name.split("."):
        if not hasattr(found, part):
            raise UsageError(f"{target}: there is no {part!r}; {what_is_in(found)}")
        found = getattr(found, part)
    return as_function(found, target)


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # What the module itself imports, and is not there, is an error of the program.
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise UsageError(f"there is no module {name} (a file is FILE.py)") from None


def what_is_in(space: Any) -> str:
    """The names of functions and variables in a file, module or class, in words."""
    kinds = (Function, Variable)
    names = [name for name, one in vars(space).items() if isinstance(one, kinds)]
    return f"there are {', '.join(names)}" if names else "nor any function or variable"


def as_function(found: Any, target: str) -> Function:
    """A compiled function from what was found: itself, what it returns, or a function
    of a variable's inputs."""
    if not isinstance(found, (Function, Variable)) and callable(found):
        found = found()
    if isinstance(found, Variable):
        inputs = [
            v for v in leaves([found]) if not isinstance(v, (Constant, SharedVariable))
        ]
        return function(inputs, found)
    if not isinstance(found, Function):
        raise UsageError(
            f"{target} is no compiled function or variable, but {found!r:.80}"
        )
    return found


def read_shapes(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Shapes from "x=20,784"; "x=" is a scalar's.  Raises: UsageError."""
    shapes = {}
    for text in texts:
        name, sign, sizes = text.partition("=")
        if not sign:
            raise UsageError(f"--shapes {text!r}: say NAME=SIZE,SIZE,...")
        found = [size.strip() for size in sizes.split(",") if size.strip()]
        if not all(size.isdecimal() for size in found):
            raise UsageError(f"--shapes {text!r}: sizes are whole numbers from 0")
        shapes[name] = tuple(map(int, found))
    return shapes


def call_once(f: Function, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Call the function with arrays of ones of these shapes; shared variables are put
    back afterwards.

    Raises: UsageError where a shape is missing, given for no input, or where the call
    fails with them.
    """
    arrays = ones_for(f, shapes)
    kept = [(shared, shared.get_value()) for shared in f.updates]
    try:
        f(*arrays)
    except Exception as error:
        raise UsageError(f"--shapes: the call fails\n{error}") from error
    finally:
        for shared, value in kept:
            shared.set_value(value)


def ones_for(f: Function, shapes: Mapping[str, tuple[int, ...]]) -> list[Any]:
    """Arguments of these shapes, of ones.

    Raises: UsageError where a shape is missing, or given for no input.
    """
    names = [one.name or describe(one.variable) for one in f.request.inputs]
    unknown = set(shapes) - set(names)
    if unknown:
        raise UsageError(
            f"--shapes: no input {', '.join(sorted(unknown))}; "
            + (f"there are {', '.join(names)}" if names else "the function has none")
        )
    arrays = []
    for name, one in zip(names, f.request.inputs, strict=True):
        kind, default = one.variable.type, f.container[one.variable].value
        own: tuple[Any, ...] = getattr(kind, "shape", (None, None))
        shape: tuple[Any, ...] = shapes.get(name, own)
        if None in shape and default is None:
            raise UsageError(
                f"the sizes of {name} are not known: add --shapes {name}=..."
            )
        # Ones are valid positions of nearly every array, and have logarithms.
        known = None not in shape
        array = np.ones(shape, kind.dtype) if known else default
        if known and isinstance(kind, SparseType):
            array = scipy_matrix(kind.format)(array)
        arrays.append(array)
    return arrays


def explain(
    f: Function, stages: Sequence[str] = (), diff: bool = False, assembly: bool = False
) -> str:
    """The stages of a function as one text.

    stages: their names; all when empty (the assembly only if `assembly`).
    diff: passes show what they changed.
    Raises: UsageError for a name that is no stage.
    """
    unknown = [name for name in stages if name not in STAGE_NAMES]
    if unknown:
        raise UsageError(
            f"no stage {', '.join(unknown)}; there are {', '.join(STAGE_NAMES)}"
        )
    found = Stages(f)
    quiet = [name for name in QUIET if name != "asm" or not assembly]
    names = stages or [name for name in found.sections if name not in quiet]
    parts = []
    for name in names:
        if name not in found.sections:
            text = f"{f.mode} does not run this pass"
        else:
            text = (
                found.difference(name)
                if diff and name in PASS_NAMES
                else found.text(name)
            )
        parts.append(
            f"==== {name} " + "=" * max(72 - len(name), 4) + f"\n{text.rstrip()}\n"
        )
    return "\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command.  Returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m symnet.debug",
        usage="%(prog)s FILE.py:NAME [--stage NAME] [--diff] [--shapes x=20,784 ...] [--asm]",
        description="Print every stage of the compilation of a function.",
        epilog=f"stages: {', '.join(STAGE_NAMES)}",
    )
    add = parser.add_argument
    add("target", help="FILE.py:NAME or MODULE:NAME")
    one, shapes = (
        "only this stage (may be repeated)",
        "call once with ones of these shapes",
    )
    add("--stage", action="append", default=[], metavar="NAME", help=one)
    add("--diff", action="store_true", help="show what each pass changed")
    add("--shapes", nargs="+", default=[], metavar="x=20,784", help=shapes)
    add("--asm", action="store_true", help="print assembly, too")
    options = parser.parse_args(arguments)
    try:
        f = load(options.target)
        if options.shapes:
            call_once(f, read_shapes(options.shapes))
        text = explain(f, options.stage, options.diff, options.asm)
    except UsageError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
