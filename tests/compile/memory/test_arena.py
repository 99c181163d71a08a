"""Arenas without overlaps."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from symnet.compile.memory.arena import Room, busiest, pack

LIVES = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 500)), max_size=20
)


@settings(max_examples=300)
@given(LIVES)
def test_arrays_that_live_together_do_not_overlap(drawn):
    lives = {k: (min(a, b), max(a, b)) for k, (a, b, _) in enumerate(drawn)}
    sizes = {k: n for k, (_, _, n) in enumerate(drawn)}
    offsets, end = pack(lives, sizes)
    rounded = {k: -(-max(n, 1) // 64) * 64 for k, n in sizes.items()}
    assert set(offsets) == set(lives)
    for k, start in offsets.items():
        assert start % 64 == 0 and start >= 0 and start + rounded[k] <= end
        for other, begin in offsets.items():
            together = lives[k][0] <= lives[other][1] and lives[other][0] <= lives[k][1]
            if other != k and together:
                assert start + rounded[k] <= begin or begin + rounded[other] <= start
    busiest = [
        sum(rounded[k] for k, (first, last) in lives.items() if first <= step <= last)
        for step in range(13)
    ]
    assert max(busiest) <= end <= sum(rounded.values())


def test_memory_is_used_again():
    lives = {k: (k, k + 1) for k in range(100)}
    assert pack(lives, dict.fromkeys(lives, 1000))[1] == 2 * 1024
    assert pack({}, {}) == ({}, 0)


def test_large_arrays_are_not_scattered_by_small_ones():
    """In the order of first use, each larger one would come to lie behind a small one's."""
    million, lives, sizes = 10**6, {}, {}
    for k in range(8):
        lives["large", k], sizes["large", k] = (2 * k, 2 * k + 1), (3 + k) * million
        lives["kept", k], sizes["kept", k] = (2 * k + 2, 40), million
    offsets, end = pack(lives, sizes)
    least = busiest(lives, {b: -(-n // 64) * 64 for b, n in sizes.items()})
    assert least <= end <= least * 17 // 16
    for a, start in offsets.items():
        for b, begin in offsets.items():
            if a != b and lives[a][0] <= lives[b][1] and lives[b][0] <= lives[a][1]:
                assert start + sizes[a] <= begin or begin + sizes[b] <= start


@settings(max_examples=200)
@given(LIVES, st.integers(1, 900), st.integers(0, 12), st.integers(0, 3))
def test_room_beside_what_lives(drawn, length, first, more):
    lives = {k: (min(a, b), max(a, b)) for k, (a, b, _) in enumerate(drawn)}
    sizes = {k: n for k, (_, _, n) in enumerate(drawn)}
    offsets, end = pack(lives, sizes)
    room = Room(lives, sizes, offsets, end)
    offset = room.take(length, (first, first + more))
    assert offset % 64 == 0 and room.bytes == max(end, offset + length)
    for k, start in offsets.items():
        if lives[k][0] <= first + more and first <= lives[k][1]:
            assert offset + length <= start or start + sizes[k] <= offset
