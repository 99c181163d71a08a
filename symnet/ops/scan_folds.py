"""Loops of a particular form: map, reduce, and folds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symnet.ops.indexing import getitem
from symnet.ops.scan_function import scan


def map(
    fn: Callable[..., Any],
    sequences: Any,
    non_sequences: Any = None,
    truncate_gradient: int = -1,
    go_backwards: bool = False,
    mode: Any = None,
    name: str | None = None,
) -> Any:
    """`fn` of each element of the sequences: (outputs, updates), as `scan`."""
    return scan(
        fn, sequences, None, non_sequences, None, truncate_gradient, go_backwards, mode,
        name,
    )  # fmt: skip


def reduce(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any = None,
    go_backwards: bool = False,
    mode: Any = None,
    name: str | None = None,
) -> Any:
    """The last value of each output of a loop: (outputs, updates)."""
    rows, updates = scan(
        fn, sequences, outputs_info, non_sequences, None, -1, go_backwards, mode, name,
        return_list=True,
    )  # fmt: skip
    last = [getitem(row, -1) for row in rows]
    return (last[0] if len(last) == 1 else last), updates


def foldl(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any = None,
    mode: Any = None,
    name: str | None = None,
) -> Any:
    """`reduce` from the first element to the last."""
    return reduce(fn, sequences, outputs_info, non_sequences, False, mode, name)


def foldr(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any = None,
    mode: Any = None,
    name: str | None = None,
) -> Any:
    """`reduce` from the last element to the first."""
    return reduce(fn, sequences, outputs_info, non_sequences, True, mode, name)
