"""Places for the boxes of a drawing: an acyclic graph in layers, with few crossings.

Source: Sugiyama, Tagawa & Toda 1981 (layers, places for long edges, order by the
barycenter of the neighbours); the coordinates in a layer are those closest to the
neighbours' that keep their distances, found by pooling (Ayer et al. 1955).
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import field

from symnet.data_classes import dataclass

GAP = 22.0  # between neighbours of one layer
LAYER_GAP = 34.0
PASSING = 10.0  # room for an edge that passes a layer
SWEEPS = 12
# How much an edge counts between two boxes, a box and a passage, two passages: long edges
# are to be straight.
STRAIGHT = (1.0, 1.5, 3.0)
WORK = 60_000  # bounds the time for the coordinates
# In graphs with more passages than this, edges that are not short go straight.
MOST_PASSAGES, SHORT = 10_000, 6

Edge = tuple[int, int]


@dataclass
class Placed:
    """Centres of the boxes, the way of every edge through the layers, and the whole size.

    A way begins at the first box's centre and ends at the second's; between lie the
    points, one for each layer, where the edge passes.
    """

    centres: list[tuple[float, float]]
    ways: list[list[tuple[float, float]]]
    width: float
    height: float


@dataclass
class Layered:
    """Boxes and places for passing edges, in layers; everything has a number."""

    widths: list[float]
    heights: list[float]
    level: list[int]
    layers: list[list[int]]
    above: list[list[int]] = field(default_factory=list)
    below: list[list[int]] = field(default_factory=list)
    x: list[float] = field(default_factory=list)


def place(sizes: Sequence[tuple[float, float]], edges: Sequence[Edge]) -> Placed:
    """Lay out boxes of these sizes, every edge pointing downwards.

    Raises: ValueError where the edges form a circle.
    """
    level = find_levels(len(sizes), edges)
    layered, chains = with_passages(sizes, level, edges)
    order_layers(layered)
    set_columns(layered, len(sizes))
    return finish(layered, chains, len(sizes))


def find_levels(count: int, edges: Sequence[Edge]) -> list[int]:
    """The layer of each box: below everything it needs; sources, and what is made of
    sources only, just above their use."""
    after: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for start, end in edges:
        after[start].append(end)
        waiting[end] += 1
    level = [0] * count
    ready = [k for k in range(count) if not waiting[k]]
    sources = set(ready)
    seen = 0
    while ready:
        k = ready.pop()
        seen += 1
        for other in after[k]:
            level[other] = max(level[other], level[k] + 1)
            waiting[other] -= 1
            if not waiting[other]:
                ready.append(other)
    if seen < count:
        raise ValueError("the edges form a circle")
    deep = {end for start, end in edges if start not in sources}
    shallow = [k for k in range(count) if k not in deep and k not in sources]
    for k in (*shallow, *sorted(sources)):
        if after[k]:
            level[k] = min(level[other] for other in after[k]) - 1
    return level


def with_passages(
    sizes: Sequence[tuple[float, float]], level: Sequence[int], edges: Sequence[Edge]
) -> tuple[Layered, list[list[int]]]:
    """The layers, with a place in each layer that an edge passes; edges as chains."""
    layers: list[list[int]] = [[] for _ in range(max(level, default=-1) + 1)]
    for k, layer in enumerate(level):
        layers[layer].append(k)
    found = Layered([w for w, _ in sizes], [h for _, h in sizes], list(level), layers)
    found.above = [[] for _ in sizes]
    found.below = [[] for _ in sizes]
    chains: list[list[int]] = []
    spans = [level[end] - level[start] for start, end in edges]
    longest = SHORT if sum(spans) > MOST_PASSAGES else max(spans, default=0)
    for (start, end), span in zip(edges, spans):
        chain = [start]
        if span <= longest:
            between = range(level[start] + 1, level[end])
            chain += [_add_passage(found, layer) for layer in between]
        chain.append(end)
        for upper, lower in zip(chain, chain[1:]) if span <= longest else ():
            found.below[upper].append(lower)
            found.above[lower].append(upper)
        chains.append(chain)
    return found, chains


def _add_passage(found: Layered, layer: int) -> int:
    number = len(found.widths)
    found.widths.append(PASSING)
    found.heights.append(0.0)
    found.level.append(layer)
    found.layers[layer].append(number)
    found.above.append([])
    found.below.append([])
    return number


# ---- the order in each layer


def order_layers(found: Layered) -> None:
    """Order each layer by the mean position of the neighbours, down and up again, and
    keep the order with the fewest crossings."""
    best = [list(layer) for layer in found.layers]
    fewest = crossings(found)
    for sweep in range(SWEEPS):
        downwards = sweep % 2 == 0
        neighbours = found.above if downwards else found.below
        layers = found.layers[1:] if downwards else found.layers[-2::-1]
        position = {k: p for layer in found.layers for p, k in enumerate(layer)}
        for layer in layers:
            mean = {
                k: _mean((position[n] for n in neighbours[k]), position[k])
                for k in layer
            }
            layer.sort(key=mean.__getitem__)
            position.update({k: p for p, k in enumerate(layer)})
        now = crossings(found)
        if now < fewest:
            fewest, best = now, [list(layer) for layer in found.layers]
    found.layers[:] = best


def _mean(values: Iterable[float], otherwise: float) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers) if numbers else otherwise


def crossings(found: Layered) -> int:
    """How often edges cross."""
    count = 0
    for upper, lower in zip(found.layers, found.layers[1:]):
        position = {k: p for p, k in enumerate(lower)}
        seen: list[int] = []  # ends of the edges from boxes further left, in order
        for k in upper:
            ends = sorted(position[n] for n in found.below[k])
            count += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return count


# ---- coordinates


def set_columns(found: Layered, count: int) -> None:
    """Give everything its x, without overlaps: such that the squares of what edges go
    sideways, weighted, are small.  From number `count` on stand passing edges.

    One layer after another takes its best place between the neighbours; first only
    those passed already count, so that whole branches move at once.
    """
    found.x = [0.0] * len(found.widths)
    for layer in found.layers:
        start = 0.0
        for k in layer:
            found.x[k] = start + found.widths[k] / 2
            start += found.widths[k] + GAP
    for sweep in range(min(max(WORK // (len(found.x) + 1), 3 * SWEEPS), 400)):
        downwards = sweep % 2 == 0
        for layer in found.layers if downwards else found.layers[::-1]:
            _set_layer(found, layer, downwards, sweep < 2 * SWEEPS, count)


def _set_layer(
    found: Layered, layer: Sequence[int], downwards: bool, first: bool, count: int
) -> None:
    wanted, weights = [], []
    for k in layer:
        above, below = found.above[k], found.below[k]
        near = [*above, *below]
        if first:
            near = (above if downwards else below) or near
        pulls = [STRAIGHT[(k >= count) + (n >= count)] for n in near]
        weights.append(sum(pulls) or 1.0)
        pulled = sum(found.x[n] * pull for n, pull in zip(near, pulls))
        wanted.append(pulled / weights[-1] if near else found.x[k])
    gaps = [
        (found.widths[a] + found.widths[b]) / 2 + GAP for a, b in zip(layer, layer[1:])
    ]
    for k, x in zip(layer, spread(wanted, weights, gaps)):
        found.x[k] = x


def spread(
    wanted: Sequence[float], weights: Sequence[float], gaps: Sequence[float]
) -> list[float]:
    """The positions closest to those wanted (weighted squares) with at least these gaps.

    Source: pool adjacent violators (Ayer, Brunk, Ewing, Reid & Silverman 1955).
    """
    shifts = [0.0]
    for gap in gaps:
        shifts.append(shifts[-1] + gap)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, how many
    for goal, weight, shift in zip(wanted, weights, shifts):
        block = (goal - shift, weight, 1)
        while blocks and blocks[-1][0] > block[0]:
            mean, other, count = blocks.pop()
            total = other + block[1]
            middle = (mean * other + block[0] * block[1]) / total
            block = (middle, total, count + block[2])
        blocks.append(block)
    means = [mean for mean, _, count in blocks for _ in range(count)]
    return [mean + shift for mean, shift in zip(means, shifts)]


def finish(found: Layered, chains: Sequence[Sequence[int]], count: int) -> Placed:
    """Coordinates from the top left corner."""
    lefts = [found.x[k] - found.widths[k] / 2 for k in range(len(found.x))]
    left = min(lefts, default=0.0)
    width = max((x + w for x, w in zip(lefts, found.widths)), default=0.0) - left
    middles: list[float] = []
    top = 0.0
    for layer in found.layers:
        tallest = max(found.heights[k] for k in layer)
        middles.append(top + tallest / 2)
        top += tallest + LAYER_GAP
    point = [(found.x[k] - left, middles[found.level[k]]) for k in range(len(found.x))]
    return Placed(
        point[:count],
        [[point[k] for k in chain] for chain in chains],
        width,
        max(top - LAYER_GAP, 0.0),
    )
