"""The sizes that a user's operation promises: its `infer_shape`, asked and held to.

Theano's contract is `infer_shape(node, input_shapes)`, later `infer_shape(fgraph, node,
input_shapes)`: for each input a tuple of integer scalars, for each output a tuple of such
(or of ints); None for an output, or a size, that only a run can tell.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from symnet.errors import ShapeError, message
from symnet.graph.types import INTEGERS, TensorType
from symnet.graph.variables import (
    Apply,
    Variable,
    make_variable,
    node_message,
    operand_text,
)

Promised = list[tuple[Any, ...] | None]
# What stands for the sizes of the inputs, and what is promised of the outputs.
Asked = tuple[list[list[Variable]], Promised]
_asked: WeakKeyDictionary[Apply, Asked | None] = WeakKeyDictionary()


def promised_sizes(
    node: Apply, shapes: Sequence[tuple[Variable, ...]]
) -> Promised | None:
    """For each output the sizes (ints and integer scalars) that the operation's
    `infer_shape` says; None where it has none, or does not know.

    Raises: TypeError, ValueError for what are no sizes, with the op and the user's line;
    what infer_shape itself raises, with these as a note.
    """
    rule = getattr(node.op, "infer_shape", None)
    if rule is None:
        return None
    arguments: list[Any] = [node, list(shapes)]
    if _takes_graph(rule):
        arguments.insert(0, None)
    try:
        found = rule(*arguments)
    except (NotImplementedError, ShapeError):  # how Theano's rules say "not known"
        return None
    except Exception as error:
        error.add_note(message(f"in infer_shape of {node.op}", origin=node.origin))
        raise
    if not isinstance(found, (list, tuple)) or len(found) != node.nout:
        raise _wrong(node, f"gave {found!r:.80}, for {node.nout} outputs")
    return [_checked(node, k, sizes) for k, sizes in enumerate(found)]


def _takes_graph(rule: Callable[..., Any]) -> bool:
    """Whether the graph is its first argument, as in the later form."""
    try:
        kinds = list(inspect.signature(rule).parameters.values())
    except (TypeError, ValueError):
        return False
    needed = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    )
    return sum(p.kind in needed and p.default is p.empty for p in kinds) == 3


def _checked(node: Apply, k: int, sizes: Any) -> tuple[Any, ...] | None:
    kind = node.outputs[k].type
    if sizes is None or not isinstance(kind, TensorType):
        return None
    if not isinstance(sizes, (list, tuple)):
        raise _wrong(node, f"gave {sizes!r:.80} for output {k}, which is no tuple")
    if len(sizes) != kind.ndim:
        what = f"gave {len(sizes)} sizes for output {k}, which has rank {kind.ndim}"
        raise _wrong(node, what, ValueError)
    for axis, (size, have) in enumerate(zip(sizes, kind.shape)):
        where = f"along axis {axis} of output {k}"
        if isinstance(size, Variable):
            whole = isinstance(size.type, TensorType) and size.type.ndim == 0
            if not whole or size.type.dtype not in INTEGERS:
                raise _wrong(node, f"gave {operand_text(size)} {where}: no integer")
            continue
        if size is None:
            continue
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)):
            raise _wrong(node, f"gave {size!r:.60} {where}: no integer")
        if size < 0 or have not in (None, int(size)):
            what = f"gave {size} {where}, whose type is {kind}"
            raise _wrong(node, what, ValueError)
    return tuple(sizes)


def _wrong(node: Apply, what: str, kind: type[Exception] = TypeError) -> Exception:
    cure = (
        "return a list with one tuple for each output, of as many integers (or integer "
        "scalars) as it has axes; None where only a run can tell"
    )
    return kind(node_message(node, f"infer_shape {what}", cure))


def check_promise(
    node: Apply,
    arrays: Sequence[Any],
    results: Sequence[Any],
    evaluate: Callable[..., list[Any]],
) -> None:
    """Compare the results of a run with what infer_shape said of them.

    evaluate: as `graph.evaluate.evaluate`.
    Raises: ShapeError, which names both.
    """
    if node not in _asked:
        shapes = [
            [_size() for _ in range(getattr(v.type, "ndim", 0))] for v in node.inputs
        ]
        promised = promised_sizes(node, [tuple(one) for one in shapes])
        _asked[node] = None if promised is None else (shapes, promised)
    asked = _asked[node]
    if asked is None:
        return
    leaves, promised = asked
    known: dict[Variable, Any] = dict(zip(node.inputs, arrays, strict=True))
    for one, array in zip(leaves, arrays, strict=True):
        known.update(zip(one, (np.asarray(n, "int64") for n in np.shape(array))))
    for k, (sizes, result) in enumerate(zip(promised, results, strict=True)):
        if sizes is None:
            continue
        said = tuple(_number(size, known, evaluate) for size in sizes)
        if any(a is not None and a != b for a, b in zip(said, result.shape)):
            raise ShapeError(
                f"{node.op}: result {k} has shape {result.shape}, but infer_shape says {said}"
            )


def _size() -> Variable:
    return make_variable(TensorType("int64", ()))


def _number(
    size: Any, known: dict[Variable, Any], evaluate: Callable[..., list[Any]]
) -> int | None:
    if not isinstance(size, Variable):
        return None if size is None else int(size)
    return int(known[size] if size in known else evaluate([size], known)[0])
