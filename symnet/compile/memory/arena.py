"""How long temporaries live, and where in one arena they lie."""

from __future__ import annotations

import bisect
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
    for step, (begin, end) in moments_of(steps).items():
        for view in (*step.reads, *step.outputs):
            base = placement.base(view.buffer)
            if base.kind == "temporary":
                first, last = found.get(base, (begin, end))
                found[base] = min(first, begin), max(last, end)
    return found


def moments_of(steps: Sequence[Instruction]) -> dict[Instruction, tuple[int, int]]:
    """The first and last moment of each step, as `lifetimes` counts them: what is inside
    a step comes before its own end."""
    found: dict[Instruction, tuple[int, int]] = {}

    def walk(steps: Sequence[Instruction], moment: int) -> int:
        for step in steps:
            begin = moment
            for body in regions_of(step):
                moment = walk(body.steps, moment)
            found[step] = begin, moment
            moment += 1
        return moment

    walk(steps, 0)
    return found


# What is lost between arrays matters from so many bytes on (more than a second cache), and
# so large a part of what is needed.
LOST_BYTES, LOST_PART = 2**20, 1 / 16
MOST_BY_SIZE = 1000  # arrays: it takes the square of their number


def pack(
    lives: Mapping[Buffer, tuple[int, int]],
    sizes: Mapping[Buffer, int],
    alignment: int = LINE,
) -> tuple[dict[Buffer, int], int]:
    """Offsets in one arena so that arrays that live at the same time do not overlap, each
    at a multiple of `alignment` bytes; and the size of the arena in bytes.

    In the order of their first use, which takes memory that was used last.  Small arrays
    may so break up the room of large ones: where much is lost, in the order of their sizes.
    """
    lengths = {b: -(-max(sizes[b], 1) // alignment) * alignment for b in lives}
    offsets, end = _by_time(lives, lengths)
    least = busiest(lives, lengths)
    lost = end - least > max(LOST_BYTES, LOST_PART * least)
    if lost and len(lives) <= MOST_BY_SIZE:
        others, other_end = _by_size(lives, lengths)
        if other_end < end:
            return others, other_end
    return offsets, end


def busiest(
    lives: Mapping[Buffer, tuple[int, int]], lengths: Mapping[Buffer, int]
) -> int:
    """The most bytes that live at one time."""
    changes = [(first, lengths[b]) for b, (first, _) in lives.items()]
    changes += [(last + 1, -lengths[b]) for b, (_, last) in lives.items()]
    most = now = 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most


def _by_size(
    lives: Mapping[Buffer, tuple[int, int]], lengths: Mapping[Buffer, int]
) -> tuple[dict[Buffer, int], int]:
    """The largest first, each as low as those before it leave room while it lives.

    Source: Pisarchyk and Lee 2020, "Efficient memory management for deep neural net
    inference" (greedy by size)."""
    placed: list[tuple[int, int, int, int]] = []  # offset, end, first, last; by offset
    offsets: dict[Buffer, int] = {}
    for buffer in sorted(lives, key=lambda b: (-lengths[b], lives[b])):
        first, last = lives[buffer]
        offset = room_for(lengths[buffer], first, last, placed)
        offsets[buffer] = offset
        bisect.insort(placed, (offset, offset + lengths[buffer], first, last))
    return offsets, max((end for _, end, _, _ in placed), default=0)


def room_for(
    length: int, first: int, last: int, placed: Sequence[tuple[int, int, int, int]]
) -> int:
    """The lowest offset with room from moment `first` to `last`, beside arrays that are
    placed: (offset, end, first, last), by offset."""
    offset = 0
    for begin, end, since, until in placed:
        if since <= last and first <= until:
            if begin - offset >= length:
                break
            offset = max(offset, end)
    return offset


class Room:
    """What is free of an arena while a step runs, between arrays that are packed.

    bytes: of the arena, with what steps have been given beyond its arrays."""

    def __init__(
        self, lives: Mapping[Buffer, tuple[int, int]], sizes: Mapping[Buffer, int],
        offsets: Mapping[Buffer, int], arena_bytes: int, alignment: int = LINE,
    ) -> None:  # fmt: skip
        self.bytes, self.last = arena_bytes, 0
        self._placed = sorted(
            (offset, offset + -(-max(sizes[b], 1) // alignment) * alignment, *lives[b])
            for b, offset in offsets.items()
        )

    def take(self, length: int, moments: tuple[int, int]) -> int:
        """The offset of so many bytes that no array takes from the first to the last of
        these moments: where it was last, if it may be, for that is in the caches."""
        end = self.last + length
        first, last = moments
        if end > self.bytes or any(
            begin < end and self.last < finish and since <= last and first <= until
            for begin, finish, since, until in self._placed
        ):
            self.last = room_for(length, first, last, self._placed)
        self.bytes = max(self.bytes, self.last + length)
        return self.last


def _by_time(
    lives: Mapping[Buffer, tuple[int, int]], lengths: Mapping[Buffer, int]
) -> tuple[dict[Buffer, int], int]:
    """In the order of their first use, each into the smallest room that is large enough."""
    free: list[tuple[int, int]] = []  # (offset, length), by offset
    dying: list[tuple[int, int, int]] = []  # (last step, offset, length)
    offsets: dict[Buffer, int] = {}
    end = 0
    for buffer, (first, last) in sorted(lives.items(), key=lambda item: item[1]):
        length = lengths[buffer]
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
