"""A loop in blocks: a loop over blocks of steps, each of which is a loop.

The gradient of the outer loop stores only what stands at the beginnings of blocks, and runs
each block again: memory for steps / every + every steps instead of all of them.
Source: Griewank 1992, checkpoints at one level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from symnet.data_classes import dataclass
from symnet.graph.variables import Constant, Variable
from symnet.ops.arithmetic import int_div, mul, sub
from symnet.ops.indexing import getitem
from symnet.ops.joining import join
from symnet.ops.reshape import reshape
from symnet.ops.scan.scan_arguments import (
    StateArgument,
    Walked,
    as_sequence,
    complain,
    read_array,
    read_carried,
    read_steps,
    read_walked,
)
from symnet.ops.scan.step_graph import until
from symnet.ops.shape import shape_padleft
from symnet.ops.sizes import size_constant, sizes_of
from symnet.rewriting.bypassed import clone_remembering
from symnet.updates import OrderedUpdates

Scanning = Callable[..., Any]


@dataclass(eq=False)
class LoopBlocks:
    """A call of `scan` that is to be run in blocks of `every` steps.

    scan: the function that makes a loop; settings: what it is told besides.
    last_only: of each block only the last row of every output is handed out.
    """

    scan: Scanning
    fn: Callable[..., Any]
    walked: list[Walked]
    carried: list[StateArgument | None]
    others: list[Variable]
    steps: Variable
    every: int
    backwards: bool
    last_only: bool
    settings: dict[str, Any]

    def run(self) -> tuple[list[Variable], OrderedUpdates]:
        """The outputs, as a list, and the updates: whole blocks, then what is left."""
        blocks, left = self._counts()
        results, ends, updates = self._whole(blocks)
        if isinstance(left, Constant) and not left.data:
            return results, updates
        rest, changes = self._left(blocks, left, ends)
        count = len(rest)
        # What the blocks have updated, the steps that are left go on from.
        found = clone_remembering([*rest, *changes.values()], updates)
        for shared, value in zip(changes, found[count:]):
            updates[shared] = value
        tail = [
            row if not self.last_only else getitem(row, slice(-1, None))
            for row in found
        ]
        joined = [join(0, a, b) for a, b in zip(results, tail[:count])]
        return joined, updates

    def _counts(self) -> tuple[Variable, Variable]:
        """How many whole blocks there are, and how many steps are left."""
        if isinstance(self.steps, Constant):
            blocks, left = divmod(int(self.steps.data), self.every)
            return size_constant(blocks), size_constant(left)
        many = int_div(self.steps, self.every)
        return many, sub(self.steps, mul(many, self.every))

    @property
    def arrays(self) -> list[Variable]:
        return [one.cut(t, self.backwards) for one in self.walked for t in one.taps]

    @property
    def states(self) -> list[StateArgument]:
        return [one for one in self.carried if one is not None]

    def _loop(
        self,
        sequences: Sequence[Any],
        rows: Sequence[Any],
        others: Sequence[Any],
        steps: Any,
    ) -> tuple[list[Variable], Any]:
        """A plain loop, from states whose first rows are `rows`."""
        given = iter(rows)
        info = [
            None if one is None else _info(one, next(given)) for one in self.carried
        ]
        found: tuple[list[Variable], Any] = self.scan(
            self._checked,
            list(sequences),
            info,
            list(others),
            steps,
            return_list=True,
            **self.settings,
        )
        return found

    def _checked(self, *arguments: Any) -> Any:
        returned = self.fn(*arguments)
        parts = returned if isinstance(returned, (list, tuple)) else [returned]
        if any(isinstance(part, until) for part in parts):
            cure = "leave checkpoint_every out, or bound the steps by n_steps"
            raise complain("a loop in blocks cannot stop by until()", cure)
        return returned

    def _whole(
        self, blocks: Variable
    ) -> tuple[list[Variable], list[Variable], OrderedUpdates]:
        """The outputs of the whole blocks, the states' last rows, and the updates."""
        count, starts = len(self.arrays), [one.rows for one in self.states]

        def block(*arguments: Any) -> Any:
            pieces = arguments[:count]
            rows = arguments[count : count + len(starts)]
            others = arguments[count + len(starts) :]
            results, updates = self._loop(pieces, rows, others, self.every)
            made = [r for one, r in zip(self.carried, results) if one is not None]
            ends = [
                getitem(join(0, a, b), slice(-one.depth, None))
                for one, a, b in zip(self.states, rows, made)
            ]
            handed = [getitem(r, -1) for r in results] if self.last_only else results
            return [*ends, *handed], updates

        cut = mul(blocks, self.every)
        pieces = [
            reshape(
                getitem(array, slice(None, cut)),
                [blocks, self.every, *sizes_of(array)[1:]],
            )
            for array in self.arrays
        ]
        info = [*starts, *[None] * len(self.carried)] if self.carried else None
        found, updates = self.scan(
            block, pieces, info, self.others, blocks, return_list=True, **self.settings
        )
        ends = [
            getitem(join(0, shape_padleft(a), b), -1) for a, b in zip(starts, found)
        ]
        results = found[len(starts) :]
        if not self.last_only:
            results = [reshape(r, [cut, *sizes_of(r)[2:]]) for r in results]
        return results, ends, updates

    def _left(
        self, blocks: Variable, left: Variable, ends: Sequence[Variable]
    ) -> tuple[list[Variable], Any]:
        cut = mul(blocks, self.every)
        pieces = [getitem(array, slice(cut, None)) for array in self.arrays]
        return self._loop(pieces, ends, self.others, left)


def _info(one: StateArgument, rows: Variable) -> Any:
    if one.taps == (-1,):
        return getitem(rows, 0)
    return {"initial": rows, "taps": list(one.taps)}


def in_blocks(
    scan: Scanning,
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any,
    n_steps: Any,
    every: Any,
    backwards: bool,
    last_only: bool,
    **settings: Any,
) -> tuple[list[Variable], OrderedUpdates]:
    """The outputs, as a list, and the updates of a loop in blocks of `every` steps.

    Raises: ValueError, TypeError as `scan`, and for an `every` that is no positive int.
    """
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        cure = "give a positive int: how many steps a block has"
        raise complain(f"blocks of {every!r:.40} steps", cure)
    walked, carried = read_walked(sequences), read_carried(outputs_info)
    others = [read_array(v, "non_sequences") for v in as_sequence(non_sequences)]
    steps = read_steps(n_steps, walked)
    blocks = LoopBlocks(
        scan, fn, walked, carried, others, steps, every, backwards, last_only, settings
    )
    return blocks.run()
