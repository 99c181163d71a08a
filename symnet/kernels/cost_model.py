"""What pays: rough times of a kernel's loops, and what follows from them.

Nothing here changes what a kernel computes, only how long it takes.  Every number was
measured, on the processor named beside it; on others the order of costs is much the same.
Those of a GPU are reasoned.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from weakref import WeakKeyDictionary

import numpy as np

from symnet.data_classes import dataclass
from symnet.kernels.legality import KernelFacts, nodes_of
from symnet.kernels.loopir.math import EXTERNAL
from symnet.kernels.loopir.scalars import PRIMITIVES, Kernel
from symnet.kernels.variants import BAND_LANES, WARP, Axes, Variant


@dataclass(frozen=True, slots=True)
class Costs:
    """Nanoseconds on one core, for float32.

    primitive, function, gather, call: of one element (a C function is called for each);
    item: a work item begun; join: the lanes of one reduction joined into one number;
    near_byte, far_byte: moved within the caches and beyond them.
    split: so much serial work from which on it pays to hand work to other threads.
    """

    primitive: float
    function: float
    gather: float
    call: float
    item: float
    join: float
    near_byte: float
    far_byte: float
    split: float


# Measured on one core with AVX-512, vectors of 64 bytes.
COSTS = Costs(
    primitive=0.02,
    function=0.3,
    gather=0.5,
    call=20.0,
    item=5.0,
    join=10.0,
    near_byte=0.013,
    far_byte=0.04,
    split=60_000.0,
)
# Arithmetic by bytes of a vector, against those of 64 (32 measured on Zen 1).
SLOWNESS = {64: 1.0, 32: 3.0, 16: 5.0}

# Bytes that stay near a core.
NEAR_BYTES = 1 << 21
# A vector with few lanes in use costs as much as a full one.
LINE_POSITIONS = 16
# Lanes along so short a reduced dimension would mostly be empty, or leave little to do
# between one joining of lanes and the next.  Measured for sums and softmax of rows of 4 to
# 50: lanes across the rows take 0.3 to 0.95 of the time up to here.
SHORT = 16
# Points of the loops in one part of a reduction to a single value.
PART_POINTS = 1 << 17

# Of a GPU.  Reasoned, not measured: a memory of 1 to 3 TB/s that answers after some 600 ns is
# busy while 0.6 to 2 MB are on their way to it; a thread waits for 8 to 32 bytes at a time.
GPU_THREADS = 1 << 16
# What is reduced is cut into parts where there are fewer threads than a quarter of these:
# two launches more for each pass pay where the memory is mostly idle.
IDLE = 4
# Points in a part at least: of a warp, so that each of its 32 threads has as many as it adds up
# before a total is made; of a thread, so that what parts leave behind and is read again, some
# 32 bytes, is little beside what they read.
LEAST_OF_WARP, LEAST_OF_THREAD = 1024, 64
# So many of these at least: below that one launch is over before a second one begins.
LEAST_PARTS = 4
# Parts that a warp shares, or a thread goes through, end where totals are made.
WARP_UNIT, THREAD_UNIT = 1024, 32

# Bands, measured on Zen 1: 0.4 to 0.9 of the time from BAND_BYTES on.
# Their width is a multiple of two lines of float32, a block of lanes.
BAND_UNIT = 32
# Of so few lanes two vectors read all that a row has.
BAND_LEAST = 16
# What is smaller stays in a core's second cache, where the order of reading hardly counts.
BAND_BYTES = 1 << 18
# A band goes through so many rows at a time: through few where they come from memory, so
# that it is read nearly in its order, through more where the arithmetic is what counts.
BAND_ROWS_FAR, BAND_ROWS_NEAR = 8, 32

_points: WeakKeyDictionary[Kernel, float] = WeakKeyDictionary()


def point_cost(kernel: Kernel, facts: KernelFacts) -> float:
    """Arithmetic for one point of the loops; worked out once for each kernel."""
    found = _points.get(kernel)
    if found is None:
        found = _points[kernel] = estimate(kernel, not facts.single)
    return found


def estimate(kernel: Kernel, vectors: bool) -> float:
    total = 0.0
    for node in nodes_of(kernel):
        width = np.dtype(node.dtype).itemsize / 4
        if node.op in EXTERNAL:
            total += COSTS.call
        elif node.op == "gather":
            total += COSTS.gather
        elif node.op in PRIMITIVES or node.op == "reduce":
            total += COSTS.primitive * width
        elif node.op not in ("load", "literal", "index"):
            total += COSTS.function * width
    return total if vectors else 8 * total


def work_cost(
    kernel: Kernel,
    variant: Variant,
    facts: KernelFacts,
    extents: Sequence[int],
    items: int,
) -> float:
    """Arithmetic of all points, in so many items."""
    points, item = prod(extents), COSTS.item
    if variant.lanes == "reduced":
        inner = -(-extents[-1] // LINE_POSITIONS) * LINE_POSITIONS
        points = prod(extents[:-1]) * inner
        item += COSTS.join * facts.reductions
    walk = 2.0 if "s" in variant.access else 1.0
    return points * point_cost(kernel, facts) * walk + item * items


def moved_bytes(
    itemsizes: Sequence[int], strides: Sequence[Sequence[int]], sizes: Sequence[int]
) -> int:
    """What all operands hold."""
    moved = 0
    for itemsize, row in zip(itemsizes, strides, strict=True):
        count = itemsize
        for stride, size in zip(row, sizes, strict=True):
            if stride:
                count *= size
        moved += count
    return moved


def memory_cost(moved: int) -> float:
    """To move so many bytes."""
    near = moved < NEAR_BYTES
    return moved * (COSTS.near_byte if near else COSTS.far_byte)


def best_lanes(
    facts: KernelFacts,
    kept: Axes,
    reduced: Axes,
    sizes: Sequence[int],
    strides: Sequence[Sequence[int]],
) -> str:
    """What the lanes had best run along, of what they may: along the axis on which fewer
    operands jump, across short rows in any case."""
    if len(facts.lanes) == 1:
        return facts.lanes[0]
    if 1 < prod(sizes[k] for k in reduced) <= SHORT:
        return "kept"
    along_kept = jumps(kept[-1], facts, strides)
    along_reduced = jumps(reduced[-1], facts, strides)
    # Equal for sizes of 1, where strides say little: then as if it were not 1.
    inner = along_reduced < along_kept or (
        along_reduced == along_kept and reduced[-1] > kept[-1]
    )
    return "reduced" if inner else "kept"


def jumps(axis: int, facts: KernelFacts, strides: Sequence[Sequence[int]]) -> int:
    """How many operands would be walked with gaps along this axis."""
    return sum(
        row[axis] not in (0, size)
        for row, size in zip(strides, facts.itemsizes, strict=True)
    )


def bands_pay(
    variant: Variant, facts: KernelFacts, sizes: Sequence[int], moved: int
) -> bool:
    """Whether bands gain: few rows are read at once, few lanes in their order, and little is
    in the cache."""
    rows = prod(sizes[k] for k in facts.reduced)
    lanes = prod(sizes[k] for k in variant.kept[-1])
    return rows > BAND_ROWS_NEAR and lanes > BAND_LEAST and moved > BAND_BYTES


def band_rows(moved: int) -> int:
    """Rows that a band goes through at a time."""
    return BAND_ROWS_NEAR if moved < NEAR_BYTES else BAND_ROWS_FAR


def band_lanes(outer: int, last: int, threads: int) -> int:
    """Lanes of the last kept dimension in one band: as many as fit, but so that there is a
    band for each thread, if there are lanes enough."""
    pieces = -(-threads // max(outer, 1))
    lanes = -(-last // (pieces * BAND_UNIT)) * BAND_UNIT
    return min(max(lanes, BAND_UNIT), BAND_LANES)


def is_cut(facts: KernelFacts, rows: int, points: int, warps: bool) -> bool:
    """Whether a GPU would be idle with a warp for each of so many rows (or a thread for each
    column), and their points are enough to be cut into parts."""
    least = LEAST_OF_WARP if warps else LEAST_OF_THREAD
    few = 0 < rows * (WARP if warps else 1) <= GPU_THREADS // IDLE
    long = points >= LEAST_PARTS * least
    return bool(facts.reductions) and not facts.scatters and few and long


def part_points(rows: int, points: int, warps: bool) -> int:
    """Points in a part of rows (or columns) that are cut, of a GPU's warps or threads: so
    many that there are parts for all of them.  It follows from the sizes alone."""
    workers = GPU_THREADS // (WARP if warps else 1)
    least, unit = (
        (LEAST_OF_WARP, WARP_UNIT) if warps else (LEAST_OF_THREAD, THREAD_UNIT)
    )
    parts = -(-workers // rows)
    return max(least, -(-points // (parts * unit)) * unit)


def box_of(extents: Sequence[int], points: int) -> tuple[int, ...]:
    """Positions along each reduced dimension that make a part of about so many points: all
    of the inner ones, a piece of one, single ones of those outside."""
    pieces = []
    for extent in reversed(extents):
        piece = max(min(extent, points), 1)
        pieces.append(piece)
        points = -(-points // piece)
    return tuple(reversed(pieces))


def grain_of(cost: float, total: int) -> int:
    """Up to how many items at once it does not pay to use threads."""
    grain = int(COSTS.split * total / cost) + 1 if cost else total
    if cost > COSTS.split:
        grain = max(min(grain, total - 1), 1)
    return grain
