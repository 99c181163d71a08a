"""How long temporaries live, and where in one arena they lie."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from symnet.compile.lower.program import Buffer, Instruction, Placement, regions_of
from symnet.kernels.memory import LINE


def lifetimes(
    steps: Sequence[Instruction], placement: Placement
) -> dict[Buffer, tuple[int, int]]:
    """For each temporary that has memory of its own the first and the last moment at
    which it is touched.

    What a loop or choice touches of its surroundings it needs from its beginning to its
    end: it comes back to it in every iteration.  Its own temporaries live inside one iteration.
    """
    found: dict[Buffer, tuple[int, int]] = {}
    _live(steps, placement, 0, found)
    return found


def _live(
    steps: Sequence[Instruction],
    placement: Placement,
    moment: int,
    found: dict[Buffer, tuple[int, int]],
) -> int:
    """Enter the lifetimes, from `moment` on; the moment after the last step."""
    for step in steps:
        begin = moment
        for body in regions_of(step):
            moment = _live(body.steps, placement, moment, found)
        for view in (*step.reads, *step.outputs):
            base = placement.base(view.buffer)
            if base.kind == "temporary":
                first, last = found.get(base, (begin, moment))
                found[base] = min(first, begin), max(last, moment)
        moment += 1
    return moment


def pack(
    lives: Mapping[Buffer, tuple[int, int]],
    sizes: Mapping[Buffer, int],
    alignment: int = LINE,
) -> tuple[dict[Buffer, int], int]:
    """Offsets in one arena so that arrays that live at the same time do not overlap.

    First fit in order of first use, each at a multiple of `alignment` bytes.
    Returns the offsets, and the size of the arena in bytes.
    """
    free: list[tuple[int, int]] = []  # (offset, length), by offset
    dying: list[tuple[int, int, int]] = []  # (last step, offset, length)
    offsets: dict[Buffer, int] = {}
    end = 0
    for buffer, (first, last) in sorted(lives.items(), key=lambda item: item[1]):
        length = -(-max(sizes[buffer], 1) // alignment) * alignment
        while dying and dying[0][0] < first:
            _, offset, gone = heapq.heappop(dying)
            free = _with_block(free, offset, gone)
        fit = min((b for b in free if b[1] >= length), key=lambda b: b[1], default=None)
        if fit is None and free and free[-1][0] + free[-1][1] == end:
            fit = free[-1]  # the last block grows
            end = fit[0] + length
            free.remove(fit)
            offset = fit[0]
        elif fit is None:
            offset, end = end, end + length
        else:
            free.remove(fit)
            offset = fit[0]
            if fit[1] > length:
                free = _with_block(free, offset + length, fit[1] - length)
        offsets[buffer] = offset
        heapq.heappush(dying, (last, offset, length))
    return offsets, end


def _with_block(
    free: list[tuple[int, int]], offset: int, length: int
) -> list[tuple[int, int]]:
    """The free blocks with one more, neighbours joined."""
    joined: list[tuple[int, int]] = []
    for block in sorted([*free, (offset, length)]):
        if joined and joined[-1][0] + joined[-1][1] == block[0]:
            joined[-1] = (joined[-1][0], joined[-1][1] + block[1])
        else:
            joined.append(block)
    return joined
