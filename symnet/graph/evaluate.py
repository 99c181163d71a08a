"""Reference evaluation: each operation computed by NumPy (or CuPy), one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

from symnet.errors import MissingInputError, ShapeError, message, without_own_frames
from symnet.graph.op import Op, computed, is_foreign, is_users
from symnet.graph.promised import check_promise
from symnet.graph.traverse import toposort
from symnet.graph.variables import Apply, Constant, Variable, operand_text

# (operation, its arrays, its results) -> what to go on with instead of the results, of
# operations inside loops and conditions too.
Change = Callable[[Apply, Sequence[Any], list[Any]], list[Any]]
Computing = Callable[[Apply, Sequence[Any], Any], list[Any]]
changing: ContextVar[Change | None] = ContextVar("changing", default=None)


def evaluate(
    outputs: Sequence[Variable], values: Mapping[Variable, Any], xp: Any = np
) -> list[Any]:
    """The values of `outputs`, given those of the leaves (shared variables have theirs).

    Raises: MissingInputError for a leaf without value; whatever an operation raises,
    with the operation, its operands and the user's line added.
    """
    known: dict[Variable, Any] = dict(values)
    return run(toposort(outputs, blockers=tuple(known)), outputs, known, xp)


def run(
    order: Sequence[Apply],
    outputs: Sequence[Variable],
    known: dict[Variable, Any],
    xp: Any = np,
    computing: Computing | None = None,
) -> list[Any]:
    """The values of `outputs` after the operations in `order`; adds to `known`.

    computing: what computes one operation, instead of `compute`."""
    computing = computing or compute
    if any(node.op.lazy for node in order):
        _run_on_demand(outputs, known, xp, computing)
    else:
        for node in order:
            arrays = [value_of(v, known) for v in node.inputs]
            known.update(zip(node.outputs, computing(node, arrays, xp), strict=True))
    return [value_of(v, known) for v in outputs]


def _run_on_demand(
    outputs: Sequence[Variable],
    known: dict[Variable, Any],
    xp: Any,
    computing: Computing,
) -> None:
    """Compute nothing that is not needed: see `Op.wanted`."""
    stack = [v for v in reversed(outputs) if v.owner is not None]
    while stack:
        v = stack[-1]
        node = v.owner
        if v in known or node is None:
            stack.pop()
            continue
        wanted = node.op.wanted(node, known)
        missing = [w for w in wanted if w.owner is not None and w not in known]
        if missing:
            stack += reversed(missing)
            continue
        use = set(wanted)
        arrays = [value_of(w, known) if w in use else None for w in node.inputs]
        known.update(zip(node.outputs, computing(node, arrays, xp), strict=True))
        stack.pop()


def value_of(variable: Variable, known: Mapping[Variable, Any]) -> Any:
    if variable in known:
        return known[variable]
    if isinstance(variable, Constant):
        return variable.data
    store = getattr(variable, "store", None)  # of a shared variable
    if store is not None:
        return store.seen(store.array)
    array = getattr(variable, "array", None)  # of one whose value is of several arrays
    if array is None:
        raise MissingInputError(f"no value for {operand_text(variable)}")
    return array


def compute(
    node: Apply, arrays: Sequence[Any], xp: Any = np, there: bool = False
) -> list[Any]:
    """One operation's outputs, its errors told with the user's line.

    there: arrays lie in a device's memory, and so do the outputs."""
    foreign = is_foreign(node.op)
    try:
        given = [_read_only(a, there) for a in arrays] if foreign else arrays
        results = computed(node, given, xp, there)
        if is_users(node.op) and type(node.op).compute is not Op.compute and not there:
            pairs = zip(node.outputs, results, strict=True)
            results = [output.type.filter(result) for output, result in pairs]
        if foreign:
            check_promise(node, arrays, results, evaluate)
        change = changing.get()
        return results if change is None else change(node, arrays, results)
    except NotImplementedError:
        raise
    except Exception as error:
        if node.op.stands_for_another:
            raise
        shapes = [
            f"{operand_text(v)}, value {_shape(a)}" for v, a in zip(node.inputs, arrays)
        ]
        text = message(
            str(error),
            operation=node.op,
            operands=shapes,
            origin=node.origin,
            cure=WRITES if foreign and "read-only" in str(error) else "",
        )
        if not _plain(error):
            error.add_note(text)
            raise
        # Where in their own op it happened is for users to see; where in ours is not.
        ours = type(node.op).__module__.startswith("symnet.")
        cause = error.__cause__ if ours else without_own_frames(error)
        raise retold(error, text) from cause


WRITES = (
    "say which inputs it overwrites, destroy_map = {0: [0]} (it gets copies of these), or "
    "write into a copy"
)


def _read_only(array: Any, there: bool = False) -> Any:
    """The array as an operation of the user's sees it: one that wrote into it would change
    a value that others read.  There, it is a copy."""
    if there:
        return array.copy()
    if not isinstance(array, np.ndarray):
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def retold(error: Exception, text: str) -> Exception:
    """An error of the same kind with another text, if its class is made from one text;
    else the error itself, with the text as a note."""
    if _plain(error):
        return type(error)(text)
    error.add_note(text)
    return error


def _plain(error: Exception) -> bool:
    """Whether the error's class is made from one text."""
    kinds = (
        ValueError,
        TypeError,
        IndexError,
        ZeroDivisionError,
        RuntimeError,
        np.linalg.LinAlgError,
    )
    return type(error) in kinds or type(error).__module__ == ShapeError.__module__


def _shape(array: Any) -> str:
    return (
        f"{getattr(array, 'dtype', type(array).__name__)} {getattr(array, 'shape', '')}"
    )
