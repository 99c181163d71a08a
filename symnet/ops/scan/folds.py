"""Loops of a particular form: map, reduce, folds, and a loop with checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symnet.ops.indexing import getitem
from symnet.ops.scan.blockwise import in_blocks
from symnet.ops.scan.scan_function import scan


def map(
    fn: Callable[..., Any],
    sequences: Any,
    non_sequences: Any = None,
    truncate_gradient: int = -1,
    go_backwards: bool = False,
    mode: Any = None,
    name: str | None = None,
) -> Any:
    """`fn` of each element of the sequences: (outputs, updates), as `scan`.

    >>> squares, _ = symnet.map(lambda x: x**2, T.constant([1, 2, 3]))
    >>> squares.eval()
    array([1, 4, 9])
    """
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
    """The last value of each output of a loop: (outputs, updates).

    >>> total, _ = symnet.reduce(lambda x, s: s + x, T.constant([1, 2, 3]), T.constant(0))
    >>> total.eval()
    array(6)
    """
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
    """`reduce` from the first element to the last.

    >>> total, _ = symnet.foldl(lambda x, s: s - x, T.constant([1, 2, 3]), T.constant(0))
    >>> total.eval()
    array(-6)
    """
    return reduce(fn, sequences, outputs_info, non_sequences, False, mode, name)


def foldr(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any = None,
    mode: Any = None,
    name: str | None = None,
) -> Any:
    """`reduce` from the last element to the first.

    >>> last, _ = symnet.foldr(lambda x, s: x - s, T.constant([1, 2, 3]), T.constant(0))
    >>> last.eval()
    array(2)
    """
    return reduce(fn, sequences, outputs_info, non_sequences, True, mode, name)


def scan_checkpoints(
    fn: Callable[..., Any],
    sequences: Any = None,
    outputs_info: Any = None,
    non_sequences: Any = None,
    name: str = "checkpointscan_fn",
    n_steps: Any = None,
    save_every_N: int = 10,  # noqa: N803  Theano's name
    padding: bool = True,
) -> Any:
    """A loop of which only every N-th step is handed out: (outputs, updates).

    Row k of an output is its value after step (k + 1) * save_every_N, the last row that
    after the last step.  The gradient stores the states of these steps only, and runs the
    steps between again.
    padding: accepted; the number of steps need not be a multiple of save_every_N.
    Raises: as `scan`.

    >>> powers, _ = symnet.scan_checkpoints(
    ...     lambda p: 2 * p, outputs_info=T.constant(1.0), n_steps=4, save_every_N=2
    ... )
    >>> powers.eval()
    array([ 4., 16.])
    """
    results, updates = in_blocks(
        scan, fn, sequences, outputs_info, non_sequences, n_steps, save_every_N, False,
        True, name=name,
    )  # fmt: skip
    return (results[0] if len(results) == 1 else results), updates
