from __future__ import annotations

import numpy as np
import pytest

from symnet.printing.layers import (
    GAP,
    crossings,
    find_levels,
    order_layers,
    place,
    spread,
)
from symnet.printing.layers import with_passages as layered


def test_levels_point_down_and_sources_stand_near_their_use() -> None:
    edges = [(0, 1), (1, 2), (3, 2), (0, 2)]
    assert find_levels(4, edges) == [0, 1, 2, 1]


def test_a_circle_is_refused() -> None:
    with pytest.raises(ValueError, match="circle"):
        find_levels(2, [(0, 1), (1, 0)])


def test_long_edges_pass_every_layer() -> None:
    placed = place([(30.0, 20.0)] * 4, [(0, 1), (1, 2), (2, 3), (0, 3)])
    assert [len(way) for way in placed.ways] == [2, 2, 2, 4]
    heights = [y for _, y in placed.ways[3]]
    assert heights == sorted(heights)


def test_boxes_do_not_overlap() -> None:
    rng = np.random.default_rng(1)
    count = 40
    edges = [(int(rng.integers(k)), k) for k in range(1, count) for _ in range(2)]
    sizes = [(float(rng.integers(30, 120)), 26.0) for _ in range(count)]
    placed = place(sizes, edges)
    for a in range(count):
        for b in range(a):
            (x, y), (u, v) = placed.centres[a], placed.centres[b]
            if y == v:
                assert abs(x - u) >= (sizes[a][0] + sizes[b][0]) / 2 + GAP - 1e-6
    for (x, y), (w, h) in zip(placed.centres, sizes):
        assert x - w / 2 + 1e-6 >= 0 and x + w / 2 <= placed.width + 1e-6
        assert y - h / 2 >= 0 and y + h / 2 <= placed.height
    assert all(placed.centres[a][1] < placed.centres[b][1] for a, b in edges)


def test_crossings_are_removed_where_they_can_be() -> None:
    # Two crossed pairs: 0-3, 1-2.
    found, _ = layered([(10.0, 10.0)] * 4, [0, 0, 1, 1], [(0, 3), (1, 2)])
    assert crossings(found) == 1
    order_layers(found)
    assert crossings(found) == 0


def test_spread_is_the_closest_that_keeps_the_gaps() -> None:
    assert spread([0.0, 100.0], [1.0, 1.0], [10.0]) == [0.0, 100.0]
    assert spread([5.0, 5.0], [1.0, 1.0], [10.0]) == [0.0, 10.0]
    assert spread([5.0, 5.0], [3.0, 1.0], [8.0]) == [3.0, 11.0]
    rng = np.random.default_rng(2)
    for _ in range(20):
        wanted, weights = rng.normal(size=6) * 30, rng.uniform(0.5, 3, size=6)
        found = np.array(spread(wanted.tolist(), weights.tolist(), [12.0] * 5))
        assert np.all(np.diff(found) >= 12 - 1e-9)
        best = np.sum(weights * (found - wanted) ** 2)
        for _ in range(50):
            other = found + rng.normal(size=6)
            if np.all(np.diff(other) >= 12):
                assert np.sum(weights * (other - wanted) ** 2) >= best - 1e-9


def test_nothing_is_drawn_as_nothing() -> None:
    placed = place([], [])
    assert (placed.width, placed.height) == (0.0, 0.0)
