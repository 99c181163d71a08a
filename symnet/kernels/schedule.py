"""From sizes and strides to a variant of a kernel and the words it is called with.

A kernel is compiled once for each way its arrays can lie in memory, not for each size.
`arrange` looks at concrete strides, merges loop axes that every operand walks as one,
puts the axis with the smallest step innermost, decides along which axis the lanes of
the vector registers run, and lays out the block of 64-bit words that the compiled code
reads its sizes, strides and pointers from:

    sizes of the kept dimensions, sizes of the reduced dimensions; for each operand
    (inputs, then outputs): pointer, byte strides along the kept and the reduced
    dimensions, and for each indexed axis its size and byte stride; for a reduction
    cut into parts: positions of the first reduced dimension in one part, pointer to
    the parts' results; for one in bands: lanes of a band, rows at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from weakref import WeakKeyDictionary

import numpy as np

from symnet.kernels.loopir.math import EXTERNAL
from symnet.kernels.loopir.scalars import PRIMITIVES, Kernel, Operand, Scalar, walk

# Lanes of the last kept dimension that make one work item.  Constants, so that cutting
# the work differently never changes how it is done.
ITEM_LANES = 1024
ITEM_LANES_REDUCING = 64
ITEM_LANES_TILED = 32
# Lanes of a band (`Variant.banded`): each row gives a piece of memory of some length, and
# the buffers of the band stay in the first cache.
BAND_LANES = 1024
BAND_UNIT = (
    32  # their width is a multiple of it: two lines of float32, a block of lanes
)
BAND_LEAST = 16  # of so few lanes two vectors read all that a row has
# What is smaller stays in a core's second cache, where the order of reading hardly counts.
BAND_BYTES = 1 << 18
# A band goes through so many rows at a time: through few where they come from memory, so
# that it is read nearly in its order, through more where the arithmetic is what counts.
BAND_ROWS_FAR, BAND_ROWS_NEAR = 8, 32
# Points of the loops in one part of a reduction to a single value.
PART_POINTS = 1 << 17
# What a part leaves behind for each reduction: a value, and a position for argmax.
PART_BYTES = 16
# Lanes along so short a reduced dimension would mostly be empty, or leave little to do
# between one joining of lanes and the next: measured for sums and softmax of rows of 4 to
# 50, lanes across the rows take 0.3 to 0.95 of the time up to here.
SHORT = 16
# Handing work to other threads pays from about this much serial work.
SPLIT_NANOSECONDS = 60_000.0
# Measured on one core with AVX-512, for float32; a byte within and beyond the caches.
PRIMITIVE_NANOSECONDS = 0.02
FUNCTION_NANOSECONDS = 0.3
GATHER_NANOSECONDS = 0.5
CALL_NANOSECONDS = 20.0
ITEM_NANOSECONDS = 5.0
JOIN_NANOSECONDS = 10.0  # the lanes of one reduction joined into one number
LINE_POSITIONS = 16  # a vector with few lanes in use costs as much as a full one
NEAR_BYTE_NANOSECONDS = 0.013
FAR_BYTE_NANOSECONDS = 0.04
NEAR_BYTES = 1 << 21

Axes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """What code is generated for.

    `kept` and `reduced` list the dimensions, outer first; each is the tuple of loop axes
    merged in it.  `lanes` says what one vector holds neighbours of:
    "kept"     the last kept dimension;
    "reduced"  the last reduced dimension;
    "parts"    the same, in a reduction to single values: work items are parts of the
               first reduced dimension, a second function combines their results;
    "one"      nothing: one element at a time.
    `access` has a letter for each operand, how it is walked along the lanes:
    "c"ontiguous, "f"ixed or "s"trided.
    `banded`: lanes run along a kept dimension, and many of them go together through a few
    rows of the reduced ones at a time (`kernels/llvm/bands.py`).
    """

    kept: tuple[Axes, ...]
    reduced: tuple[Axes, ...]
    lanes: str
    access: str
    banded: bool = False

    @property
    def text(self) -> str:
        """A name that is the same in every process."""
        bands = " bands" if self.banded else ""
        return f"{self.kept} {self.reduced} {self.lanes} {self.access}{bands}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A kernel bound to sizes and strides, lacking only pointers.

    `words` is the argument block with 0 at the positions `pointer_slots` (one for each
    operand, in order).  The work is items 0 to `total`, in any split; up to `grain`
    items at once threads do not pay.  If `scratch_bytes` is not 0 (variants with lanes
    "parts"), the address of that much memory belongs at `scratch_slot`, and after the
    items the kernel's second function runs once with the same block.  `full`: there are
    items for all threads, or one thread is enough.
    """

    variant: Variant
    words: tuple[int, ...]
    pointer_slots: tuple[int, ...]
    total: int
    grain: int
    cost_ns: float
    scratch_slot: int = -1
    scratch_bytes: int = 0
    full: bool = True


@dataclass(frozen=True, slots=True)
class Facts:
    """What can be said of a kernel without sizes; worked out once for each kernel."""

    operands: tuple[Operand, ...]
    itemsizes: tuple[int, ...]
    kept: Axes
    reduced: Axes
    apart: frozenset[int]  # axes whose counter is used are never merged
    guides: tuple[int, ...]  # for each axis the operand whose strides place it, or -1
    scatters: bool  # positions are written one after another, kept axes in their order
    single: bool  # neighbouring lanes might write to the same place
    positions: bool  # argmax or argmin: reduced axes stay in their order
    splittable: bool  # reduces to single values in one pass
    reductions: int
    nanoseconds: float  # estimated arithmetic for one point of the loops


_facts: WeakKeyDictionary[Kernel, Facts] = WeakKeyDictionary()


def facts_of(kernel: Kernel) -> Facts:
    """The kernel's Facts, kept as long as the kernel lives."""
    found = _facts.get(kernel)
    if found is None:
        found = _facts[kernel] = examine(kernel)
    return found


def examine(kernel: Kernel) -> Facts:
    operands = (*kernel.inputs, *(out.operand for out in kernel.outputs))
    kept = tuple(k for k in range(kernel.rank) if not kernel.reduced[k])
    reduced = tuple(k for k in range(kernel.rank) if kernel.reduced[k])
    nodes = walk(root for out in kernel.outputs for root in (*out.indices, out.value))
    moves = axes_of(nodes, kernel.inputs, kernel.reduced)
    reductions = [node for node in nodes if node.op == "reduce"]
    scatters = [out for out in kernel.outputs if out.indices]
    stores_inside = any(out.operand.axes[k] for out in kernel.outputs for k in reduced)
    levels = any(below.op == "reduce" for r in reductions for below in walk(r.args))
    single = any(
        kept[-1] in moves[where] or not out.operand.axes[kept[-1]]
        for out in scatters
        for where in out.indices
        if kept
    )
    return Facts(
        operands=operands,
        itemsizes=tuple(np.dtype(o.dtype).itemsize for o in operands),
        kept=kept,
        reduced=reduced,
        apart=frozenset(node.value for node in nodes if node.op == "index"),
        guides=guides(kernel),
        scatters=bool(scatters),
        single=single,
        positions=any(node.value in ("argmax", "argmin") for node in reductions),
        splittable=bool(reductions)
        and not (kept or scatters or stores_inside or levels),
        reductions=len(reductions),
        nanoseconds=estimate(nodes, not single),
    )


def axes_of(
    nodes: Sequence[Scalar], inputs: Sequence[Operand], reduced: Sequence[bool]
) -> dict[Scalar, frozenset[int]]:
    """The loop axes along which each node changes; `nodes` has arguments before users."""
    moves: dict[Scalar, frozenset[int]] = {}
    for node in nodes:
        own: frozenset[int] = frozenset()
        if node.op == "index":
            own = frozenset([node.value])
        elif node.op in ("load", "gather"):
            axes = inputs[node.value].axes
            own = frozenset(k for k, moving in enumerate(axes) if moving)
        found = own.union(*(moves[a] for a in node.args))
        if node.op == "reduce":
            found = frozenset(k for k in found if not reduced[k])
        moves[node] = found
    return moves


def guides(kernel: Kernel) -> tuple[int, ...]:
    """For each axis: of the operands that move along it, the one that moves most (the
    outputs before the inputs), because its memory is the longest way to walk."""
    operands = [*kernel.inputs, *(out.operand for out in kernel.outputs)]
    first_output = len(kernel.inputs)
    order = sorted(
        range(len(operands)),
        key=lambda k: (-sum(operands[k].axes), k < first_output, k),
    )
    return tuple(
        next((k for k in order if operands[k].axes[axis]), -1)
        for axis in range(kernel.rank)
    )


def estimate(nodes: Sequence[Scalar], vectors: bool) -> float:
    """Rough nanoseconds of arithmetic for one point of the loops, on one core."""
    total = 0.0
    for node in nodes:
        width = np.dtype(node.dtype).itemsize / 4
        if node.op in EXTERNAL:
            total += CALL_NANOSECONDS
        elif node.op == "gather":
            total += GATHER_NANOSECONDS
        elif node.op in PRIMITIVES or node.op == "reduce":
            total += PRIMITIVE_NANOSECONDS * width
        elif node.op not in ("load", "literal", "index"):
            total += FUNCTION_NANOSECONDS * width
    return total if vectors else 8 * total


def arrange(
    kernel: Kernel,
    sizes: Sequence[int],
    strides: Sequence[Sequence[int]],
    indexed: Mapping[int, Sequence[tuple[int, int]]] | None = None,
    available: Collection[Variant] = (),
    slowness: float = 1.0,
    threads: int = 1,
) -> Schedule:
    """Bind `kernel` to loop sizes and to the byte strides of its operands.

    `strides[k]` are those of operand k (inputs, then outputs) along each loop axis, 0
    where it does not move; `indexed[k]` the (size, byte stride) of its indexed axes.
    The variant follows from how the strides relate; of the sizes it matters only whether
    few rows are reduced (SHORT), and whether bands pay, so that a new batch size seldom
    needs new code.  Where the strides fit one of the variants `available`
    only by leaving axes unmerged, that one is taken.  `slowness`: how much longer than
    where the costs were measured arithmetic takes here; `threads` will share the work.
    """
    facts = facts_of(kernel)
    if 0 in sizes:
        strides = [empty_strides(row, facts, k, sizes) for k, row in enumerate(strides)]
    kept, reduced, lanes = choose_lanes(facts, sizes, strides)
    variant = Variant(
        merge(kept, facts, sizes, strides),
        merge(reduced, facts, sizes, strides),
        lanes,
        "",
    )
    moved = moved_bytes(facts.itemsizes, strides, sizes)
    variant = with_access(variant, facts, strides)
    variant = in_bands(variant, facts, sizes, moved, available)
    if available and variant not in available:
        apart = tuple((k,) for k in kept), tuple((k,) for k in reduced)
        general = with_access(Variant(*apart, lanes, ""), facts, strides)
        general = in_bands(general, facts, sizes, moved, available)
        if general in available:
            variant = general
    return bind(variant, facts, sizes, strides, indexed or {}, moved, slowness, threads)


def in_bands(
    variant: Variant,
    facts: Facts,
    sizes: Sequence[int],
    moved: int,
    available: Collection[Variant],
) -> Variant:
    """The variant in bands, where it can have them and gains by them, or is there already:
    few rows are read at once, few lanes in their order, and little is in the cache.

    Results are the same either way, bit by bit.
    """
    if variant.lanes != "kept" or not variant.reduced or facts.scatters:
        return variant
    banded = replace(variant, banded=True)
    rows = prod(sizes[k] for k in facts.reduced)
    lanes = prod(sizes[k] for k in variant.kept[-1])
    many = rows > BAND_ROWS_NEAR and lanes > BAND_LEAST
    gains = many and moved > BAND_BYTES
    if gains or (banded in available and variant not in available):
        return banded
    return variant


def empty_strides(
    row: Sequence[int], facts: Facts, operand: int, sizes: Sequence[int]
) -> Sequence[int]:
    """Strides of an array without elements mean nothing: those of a usual one instead,
    so that it does not ask for code of its own."""
    axes = facts.operands[operand].axes
    if all(size or not moving for size, moving in zip(sizes, axes, strict=True)):
        return row
    step, result = facts.itemsizes[operand], [0] * len(axes)
    for axis in reversed(range(len(axes))):
        if axes[axis]:
            result[axis] = step
            step *= sizes[axis] or 1
    return result


def choose_lanes(
    facts: Facts, sizes: Sequence[int], strides: Sequence[Sequence[int]]
) -> tuple[Axes, Axes, str]:
    """The kept and the reduced axes, outer first, and what the lanes run along."""
    kept, reduced, guide = facts.kept, facts.reduced, facts.guides

    def step(axis: int) -> int:
        return -abs(strides[guide[axis]][axis]) if guide[axis] >= 0 else 0

    if len(kept) > 1 and not facts.scatters:
        kept = tuple(sorted(kept, key=step))
    if len(reduced) > 1 and not facts.positions:
        reduced = tuple(sorted(reduced, key=step))
    if facts.single or not (kept or reduced):
        return kept, reduced, "one"
    if not kept:
        return kept, reduced, "parts" if facts.splittable else "reduced"
    if not reduced or facts.scatters or 1 < prod(sizes[k] for k in reduced) <= SHORT:
        return kept, reduced, "kept"
    along_kept, along_reduced = (
        jumps(kept[-1], facts, strides),
        jumps(reduced[-1], facts, strides),
    )
    # Equal for sizes of 1, where strides say little: then as if it were not 1.
    inner = along_reduced < along_kept or (
        along_reduced == along_kept and reduced[-1] > kept[-1]
    )
    return kept, reduced, "reduced" if inner else "kept"


def jumps(axis: int, facts: Facts, strides: Sequence[Sequence[int]]) -> int:
    """How many operands would be walked with gaps along this axis."""
    return sum(
        row[axis] not in (0, size)
        for row, size in zip(strides, facts.itemsizes, strict=True)
    )


def merge(
    axes: Axes, facts: Facts, sizes: Sequence[int], strides: Sequence[Sequence[int]]
) -> tuple[Axes, ...]:
    """Group neighbouring axes where each operand's outer step is its whole inner walk."""
    groups: list[Axes] = []
    for axis in reversed(axes):
        if groups and axis not in facts.apart and groups[0][0] not in facts.apart:
            inner = groups[0][0]
            inner_size = sizes[inner] or 1
            if all(row[axis] == row[inner] * inner_size for row in strides):
                groups[0] = (axis, *groups[0])
                continue
        groups.insert(0, (axis,))
    return tuple(groups)


def with_access(
    variant: Variant, facts: Facts, strides: Sequence[Sequence[int]]
) -> Variant:
    """The variant completed by how each operand is walked along the lanes."""
    kept, lanes = variant.kept, variant.lanes
    if lanes == "one":
        if not kept:  # a loop of one step around what has no axes
            kept = ((),)
        return Variant(kept, variant.reduced, lanes, "f" * len(strides))
    axis = (kept if lanes == "kept" else variant.reduced)[-1][-1]
    letters = [
        "f" if row[axis] == 0 else "c" if row[axis] == size else "s"
        for row, size in zip(strides, facts.itemsizes, strict=True)
    ]
    return Variant(kept, variant.reduced, lanes, "".join(letters))


def item_lanes(variant: Variant) -> int:
    """Positions of the last kept dimension in one work item."""
    if variant.reduced:
        return ITEM_LANES_REDUCING
    return ITEM_LANES_TILED if is_tiled(variant) else ITEM_LANES


def is_tiled(variant: Variant) -> bool:
    """Whether to go through all rows with one block of lanes before the next block.

    A strided operand (a transposed one) touches as many cache lines as there are lanes;
    the next row finds its numbers in the same lines, if they are not too many.
    """
    return (
        variant.lanes == "kept"
        and len(variant.kept) > 1
        and not variant.reduced
        and "s" in variant.access
    )


def bind(
    variant: Variant,
    facts: Facts,
    sizes: Sequence[int],
    strides: Sequence[Sequence[int]],
    indexed: Mapping[int, Sequence[tuple[int, int]]],
    moved: int,
    slowness: float,
    threads: int,
) -> Schedule:
    groups = (*variant.kept, *variant.reduced)
    extents = [prod(sizes[k] for k in group) for group in groups]
    words = list(extents)
    slots = []
    for k, row in enumerate(strides):
        slots.append(len(words))
        words.append(0)
        words += [row[group[-1]] if group else 0 for group in groups]
        for pair in indexed.get(k, ()):
            words += pair
    kept_extents = extents[: len(variant.kept)]
    points = prod(extents)
    scratch_slot, scratch_bytes = -1, 0
    if variant.lanes == "parts":
        part = part_size(extents)
        total = -(-extents[0] // part)
        scratch_slot, scratch_bytes = (
            len(words) + 1,
            max(total, 1) * PART_BYTES * facts.reductions,
        )
        words += (part, 0)
    elif facts.scatters:
        total = 1 if points else 0
    elif variant.lanes == "reduced":
        total = prod(kept_extents)
    else:
        outer, last = prod(kept_extents[:-1]), kept_extents[-1]
        lanes = item_lanes(variant)
        if variant.banded:
            lanes = band_lanes(outer, last, threads)
            words += (lanes, BAND_ROWS_NEAR if moved < NEAR_BYTES else BAND_ROWS_FAR)
        total = outer * -(-last // lanes)
    cost = slowness * work_cost(variant, facts, extents, total)
    cost += memory_cost(moved)
    grain = int(SPLIT_NANOSECONDS * total / cost) + 1 if cost else total
    if cost > SPLIT_NANOSECONDS:
        grain = max(min(grain, total - 1), 1)
    return Schedule(
        variant,
        tuple(words),
        tuple(slots),
        total,
        grain,
        cost,
        scratch_slot,
        scratch_bytes,
        total >= threads or cost <= SPLIT_NANOSECONDS,
    )


def work_cost(
    variant: Variant, facts: Facts, extents: Sequence[int], items: int
) -> float:
    """Rough nanoseconds of arithmetic."""
    points, item = prod(extents), ITEM_NANOSECONDS
    if variant.lanes == "reduced":
        inner = -(-extents[-1] // LINE_POSITIONS) * LINE_POSITIONS
        points = prod(extents[:-1]) * inner
        item += JOIN_NANOSECONDS * facts.reductions
    walk = 2.0 if "s" in variant.access else 1.0
    return points * facts.nanoseconds * walk + item * items


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
    """Rough nanoseconds to move so many bytes."""
    near = moved < NEAR_BYTES
    return moved * (NEAR_BYTE_NANOSECONDS if near else FAR_BYTE_NANOSECONDS)


def band_lanes(outer: int, last: int, threads: int) -> int:
    """Lanes of the last kept dimension in one band: as many as fit, but so that there is a
    band for each thread, if there are lanes enough."""
    pieces = -(-threads // max(outer, 1))
    lanes = -(-last // (pieces * BAND_UNIT)) * BAND_UNIT
    return min(max(lanes, BAND_UNIT), BAND_LANES)


def part_size(extents: Sequence[int]) -> int:
    """Positions of the first reduced dimension that make one part.

    A whole number of any machine's vectors, and a matter of the sizes alone.
    """
    inner = prod(extents[1:])
    return PART_POINTS if inner == 1 else -(-PART_POINTS // max(inner, 1))
