"""Whether two graphs say the same computation, operation by operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from symnet.graph.traverse import clone_replace
from symnet.graph.variables import Constant, Variable


def equal_computations(
    xs: Sequence[Variable],
    ys: Sequence[Variable],
    in_xs: Sequence[Variable] | None = None,
    in_ys: Sequence[Variable] | None = None,
) -> bool:
    """Whether each of `xs` is made as its partner in `ys`: by equal operations, in the same
    order, from the same variables and equal constants.

    in_xs, in_ys: pairs of variables that count as the same, such as the inputs of two
        functions; those of one pair must have one type.
    Nothing is simplified: `x * (y * z)` and `(x * y) * z` differ.
    Raises: ValueError where `xs` and `ys` differ in length.

        equal_computations([T.exp(x)], [T.exp(y)], in_xs=[x], in_ys=[y])  # True
    """
    if len(xs) != len(ys):
        raise ValueError(f"{len(xs)} variables are compared with {len(ys)}")
    inputs = list(in_xs or ()), list(in_ys or ())
    if [v.type for v in inputs[0]] != [v.type for v in inputs[1]]:
        return False
    same = set(zip(*inputs, strict=True))
    waiting = list(zip(xs, ys, strict=True))
    while waiting:
        x, y = waiting.pop()
        if x is y or (x, y) in same:
            continue
        if x.type != y.type:
            return False
        if isinstance(x, Constant) and isinstance(y, Constant):
            if not _equal_constants(x, y):
                return False
        elif (made := _equal_nodes(x, y)) is None:
            return False
        else:  # taken for the same from now on: if an input differs, so does the whole
            waiting += made
        same.add((x, y))
    return True


def _equal_nodes(x: Variable, y: Variable) -> list[tuple[Variable, Variable]] | None:
    """The pairs of inputs of which equal operations make the two, or None."""
    a, b = x.owner, y.owner
    if a is None or b is None or x.index != y.index or a.op != b.op:
        return None
    alike = len(a.inputs) == len(b.inputs)
    return list(zip(a.inputs, b.inputs, strict=True)) if alike else None


def _equal_constants(x: Constant, y: Constant) -> bool:
    """Whether two constants of one type have the same bits."""
    if not isinstance(x.data, np.ndarray) or not isinstance(y.data, np.ndarray):
        return bool(x.data == y.data)
    return x.data.shape == y.data.shape and x.data.tobytes() == y.data.tobytes()


def is_same_graph(
    var1: Variable,
    var2: Variable,
    givens: Mapping[Variable, Variable]
    | Iterable[tuple[Variable, Variable]]
    | None = None,
    debug: bool = False,
) -> bool:
    """Whether two variables are made by the same computation: see `equal_computations`.

    givens: variables that are replaced in both graphs before they are compared.
    debug: accepted, without effect.

        is_same_graph(x + 1, y + 1, givens={x: y})  # True
    """
    one, other = clone_replace([var1, var2], dict(givens or {}))
    return equal_computations([one], [other])
