"""From sizes and strides to a variant of a kernel and the words it is called with.

A kernel is compiled once for each way its arrays can lie in memory, not for each size.
`arrange` looks at concrete strides (what it may do is in `legality`, what pays in
`cost_model`), merges loop axes that every operand walks as one,
puts the axis with the smallest step innermost, decides along which axis the lanes of
the vector registers run, and lays out the block of 64-bit words that the compiled code
reads its sizes, strides and pointers from:

    sizes of the kept dimensions, sizes of the reduced dimensions; for each operand
    (inputs, then outputs): pointer, byte strides along the kept and the reduced
    dimensions, and for each indexed axis its size and byte stride; for a reduction
    cut into parts: positions of each reduced dimension in one part, and, if these are
    items, pointer to the parts' results; for one in bands: lanes of a band, rows at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import prod

from symnet.data_classes import dataclass
from symnet.kernels.cost_model import (
    COSTS,
    PART_POINTS,
    band_lanes,
    band_rows,
    bands_pay,
    best_lanes,
    box_of,
    grain_of,
    is_cut,
    memory_cost,
    moved_bytes,
    part_points,
    work_cost,
)
from symnet.kernels.legality import (
    KernelFacts,
    facts_of,
    may_be_banded,
    merge,
    scatter_facts,
)
from symnet.kernels.loopir.scalars import Kernel
from symnet.kernels.variants import (
    PERIODS,
    SHARING,
    WIDEST_SPACING,
    Axes,
    Variant,
    item_lanes,
)

# Threads that share a scatter, if it has places for so many.
SCATTER_THREADS = 1024
# What a GPU adds to memory in one step.
ATOMIC = {"float32", "float64", "int32", "uint32", "int64", "uint64"}
# What a part leaves behind for each reduction: a value, and a position for argmax.
PART_BYTES = 16


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


def arrange(
    kernel: Kernel,
    sizes: Sequence[int],
    strides: Sequence[Sequence[int]],
    indexed: Mapping[int, Sequence[tuple[int, int]]] | None = None,
    available: Collection[Variant] = (),
    slowness: float = 1.0,
    threads: int = 1,
    portable: bool = False,
) -> Schedule:
    """Bind `kernel` to loop sizes and to the byte strides of its operands.

    `strides[k]` are those of operand k (inputs, then outputs) along each loop axis, 0
    where it does not move; `indexed[k]` the (size, byte stride) of its indexed axes.
    The variant follows from how the strides relate; of the sizes it matters only whether
    few rows are reduced (SHORT), and whether bands pay, so that a new batch size seldom
    needs new code.  Where the strides fit one of the variants `available`
    only by leaving axes unmerged, that one is taken.  `slowness`: how much longer than
    where the costs were measured arithmetic takes here; `threads` will share the work;
    `portable`: what is reduced is added up in the order that `arrange_threads` has.
    """
    facts = facts_of(kernel)
    strides = with_empty_strides(facts, sizes, strides)
    kept, reduced = order_of_axes(facts, strides)
    groups = short_last_axis(merge(kept, facts, sizes, strides), facts, sizes, strides)
    kept = tuple(k for group in groups for k in group)
    lanes = best_lanes(facts, kept, reduced, sizes, strides)
    if portable and lanes == "reduced" and facts.scatters:
        lanes = "one"
    cut = portable and lanes == "reduced" and is_cut(facts, *counts(facts, sizes), True)
    if cut and facts.splittable:
        lanes, cut = "parts", False
    variant = Variant(groups, merge(reduced, facts, sizes, strides), lanes, "")
    moved = moved_bytes(facts.itemsizes, strides, sizes)
    variant = with_access(variant, facts, strides, sizes)
    if portable and facts.reduced:
        # What was compiled before must not decide about the order.
        available = ()
        variant = replace(variant, warps=in_warps(facts, lanes), cut=cut)
    variant = in_bands(variant, facts, sizes, moved, available)
    if available and variant not in available:
        unmerged = tuple((k,) for k in kept), tuple((k,) for k in reduced)
        general = with_access(Variant(*unmerged, lanes, ""), facts, strides, sizes)
        general = in_bands(general, facts, sizes, moved, available)
        if general in available:
            variant = general
    block = lay_out(variant, sizes, strides, indexed or {})
    return bind(kernel, variant, facts, block, moved, slowness, threads)


def in_bands(
    variant: Variant,
    facts: KernelFacts,
    sizes: Sequence[int],
    moved: int,
    available: Collection[Variant],
) -> Variant:
    """The variant in bands, where it can have them and gains by them, or is there already."""
    if not may_be_banded(variant, facts):
        return variant
    banded = replace(variant, banded=True)
    known = banded in available and variant not in available
    return banded if known or bands_pay(variant, facts, sizes, moved) else variant


def with_empty_strides(
    facts: KernelFacts, sizes: Sequence[int], strides: Sequence[Sequence[int]]
) -> Sequence[Sequence[int]]:
    """The strides, those of arrays without elements replaced."""
    if 0 not in sizes:
        return strides
    return [empty_strides(row, facts, k, sizes) for k, row in enumerate(strides)]


def empty_strides(
    row: Sequence[int], facts: KernelFacts, operand: int, sizes: Sequence[int]
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


def order_of_axes(
    facts: KernelFacts, strides: Sequence[Sequence[int]]
) -> tuple[Axes, Axes]:
    """The kept and the reduced axes, outer first: by their steps, where they may."""
    kept, reduced, guide = facts.kept, facts.reduced, facts.guides

    def step(axis: int) -> int:
        return -abs(strides[guide[axis]][axis]) if guide[axis] >= 0 else 0

    if facts.kept_in_any_order:
        kept = tuple(sorted(kept, key=step))
    if facts.reduced_in_any_order:
        reduced = tuple(sorted(reduced, key=step))
    return kept, reduced


def short_last_axis(
    groups: tuple[Axes, ...],
    facts: KernelFacts,
    sizes: Sequence[int],
    strides: Sequence[Sequence[int]],
) -> tuple[Axes, ...]:
    """The kept dimensions so that vectors are full where the last one has few positions.

    Either it is joined to the dimension before, of which some operands then have one number
    for several lanes; or it goes before it, if that leaves numbers near each other.
    """
    if facts.reduced or not facts.kept_in_any_order or len(groups) < 2:
        return groups
    *outer, before, last = groups
    few = 1 < sizes[last[0]] <= WIDEST_SPACING
    if len(last) > 1 or not few or sizes[last[0]] >= prod(sizes[k] for k in before):
        return groups
    if shares_numbers(before[-1], last[0], facts, sizes, strides):
        return (*outer, (*before, *last))
    steps = [row[before[-1]] for row in strides]
    if "s" in map(access_letter, steps, facts.itemsizes):
        return groups
    kept = tuple(k for group in (*outer, last, before) for k in group)
    return merge(kept, facts, sizes, strides)


def shares_numbers(
    outer: int,
    inner: int,
    facts: KernelFacts,
    sizes: Sequence[int],
    strides: Sequence[Sequence[int]],
) -> bool:
    """Whether each operand goes through both axes as one, or stands still along one of them
    and goes from number to number along the other."""
    if sizes[inner] not in SHARING.values() or not facts.unmergeable.isdisjoint(
        (outer, inner)
    ):
        return False
    for operand, row, itemsize in zip(
        facts.operands, strides, facts.itemsizes, strict=True
    ):
        whole = row[outer] == row[inner] * sizes[inner]
        shared = row[inner] == 0 and row[outer] == itemsize
        again = row[inner] == itemsize and row[outer] == 0
        if not whole and (operand.indexed or not (shared or again)):
            return False
    return True


def with_access(
    variant: Variant,
    facts: KernelFacts,
    strides: Sequence[Sequence[int]],
    sizes: Sequence[int],
) -> Variant:
    """The variant completed by how each operand is walked along the lanes."""
    kept, lanes = variant.kept, variant.lanes
    if lanes == "one":
        if not kept:  # a loop of one step around what has no axes
            kept = ((),)
        return Variant(kept, variant.reduced, lanes, "f" * len(strides))
    group = (kept if lanes == "kept" else variant.reduced)[-1]
    letters = [
        access_letter(row[group[-1]], size)
        for row, size in zip(strides, facts.itemsizes, strict=True)
    ]
    for k, row in enumerate(strides):
        outer, inner = row[group[-2]] if len(group) > 1 else 0, row[group[-1]]
        if len(group) > 1 and (outer == 0) != (inner == 0):
            kinds = PERIODS if outer == 0 else SHARING
            letters[k] = next(s for s, n in kinds.items() if n == sizes[group[-1]])
    return Variant(kept, variant.reduced, lanes, "".join(letters))


def access_letter(stride: int, itemsize: int) -> str:
    """How an operand is walked along the lanes: see `Variant.access`."""
    if stride in (0, itemsize):
        return "c" if stride else "f"
    spacing = stride // itemsize
    known = stride % itemsize == 0 and 1 < spacing <= WIDEST_SPACING
    return str(spacing) if known else "s"


def arrange_threads(
    kernel: Kernel,
    sizes: Sequence[int],
    strides: Sequence[Sequence[int]],
    indexed: Mapping[int, Sequence[tuple[int, int]]] | None = None,
    atomics: bool = False,
    portable: bool = False,
) -> Schedule:
    """The same for code in which a point is a thread: `total` is the number of points (of
    parts, where points are cut; of the threads that share a scatter, see
    `scatter_threads`).  atomics: whether a scatter may add up in any order; portable:
    columns are left whole, as the CPU has them."""
    facts = facts_of(kernel)
    strides = with_empty_strides(facts, sizes, strides)
    kept, reduced = order_of_axes(facts, strides)
    lanes = best_lanes(facts, kept, reduced, sizes, strides)
    along = lanes in ("reduced", "parts")
    cut = along or (lanes == "kept" and not portable)
    cut = cut and is_cut(facts, *counts(facts, sizes), along)
    variant = Variant(
        merge(kept, facts, sizes, strides),
        merge(reduced, facts, sizes, strides),
        "parts" if cut else "one",
        "f" * len(strides),
        warps=in_warps(facts, lanes),
    )
    block = lay_out(variant, sizes, strides, indexed or {})
    parts = ReductionParts(variant, block, facts) if cut else None
    total = parts.count if parts else prod(block.extents[: len(variant.kept)])
    if facts.scatters and atomics and may_be_atomic(kernel):
        variant = replace(variant, atomic=True)
    elif facts.scatters:
        total = scatter_threads(kernel, variant, block.extents, indexed or {})
    cost = memory_cost(moved_bytes(facts.itemsizes, strides, sizes))
    return schedule_of(variant, block, total, total, cost, parts)


def counts(facts: KernelFacts, sizes: Sequence[int]) -> tuple[int, int]:
    """The points of the kept axes, and those that are reduced for each."""
    rows = prod(sizes[k] for k in facts.kept)
    return rows, prod(sizes[k] for k in facts.reduced)


def in_warps(facts: KernelFacts, lanes: str) -> bool:
    """Whether what is reduced is dealt out to the lanes of a warp: where vectors would run
    along it.  So it follows from sizes and strides alone, the same for all devices.  The
    threads of a scatter work each for itself."""
    return lanes in ("reduced", "parts") and not facts.scatters


def may_be_atomic(kernel: Kernel) -> bool:
    """Whether all that a scatter does is to add numbers that a GPU adds in one step."""
    dtypes = {out.operand.dtype for out in kernel.outputs}
    return scatter_facts(kernel).adds and dtypes <= ATOMIC


def scatter_threads(
    kernel: Kernel,
    variant: Variant,
    extents: Sequence[int],
    indexed: Mapping[int, Sequence[tuple[int, int]]],
) -> int:
    """The threads that share a scatter: one for each point of the dimensions along which
    places differ; if these are few, several for each, among which places are dealt out."""
    facts = scatter_facts(kernel)
    across = along = 1
    for group, extent in zip(variant.kept, extents, strict=False):
        if facts.across.issuperset(group):
            across *= extent
        else:
            along *= extent
    if not facts.by_place or not across * along:
        return across if along else 0
    places = prod(size for size, _ in indexed[len(kernel.inputs)])
    owners = min(along, places, -(-SCATTER_THREADS // across))
    return across * max(owners, 1)


@dataclass(frozen=True, slots=True)
class ArgumentBlock:
    """An argument block without pointers: see the head of the module."""

    words: tuple[int, ...]
    pointer_slots: tuple[int, ...]
    extents: tuple[int, ...]


def lay_out(
    variant: Variant,
    sizes: Sequence[int],
    strides: Sequence[Sequence[int]],
    indexed: Mapping[int, Sequence[tuple[int, int]]],
) -> ArgumentBlock:
    groups = (*variant.kept, *variant.reduced)
    extents = tuple(prod(sizes[k] for k in group) for group in groups)
    words = list(extents)
    slots = []
    for k, row in enumerate(strides):
        slots.append(len(words))
        words.append(0)
        words += [row[group[-1]] if group else 0 for group in groups]
        for pair in indexed.get(k, ()):
            words += pair
    return ArgumentBlock(tuple(words), tuple(slots), extents)


class ReductionParts:
    """How what is reduced is cut.

    box: positions of each reduced dimension in a part; count: all parts; bytes: of memory
    for their results, and behind them, where there are several passes, for what all parts
    of a point have together.
    own: whether in the CPU's order, where it is not a GPU's.
    """

    def __init__(
        self,
        variant: Variant,
        block: ArgumentBlock,
        facts: KernelFacts,
        own: bool = False,
    ) -> None:
        kept = len(variant.kept)
        rows, reduced = prod(block.extents[:kept]), block.extents[kept:]
        points = prod(reduced)
        if own:
            most = PART_POINTS
        elif is_cut(facts, rows, points, variant.warps):
            most = part_points(rows, points, variant.warps)
        else:
            most = points
        self.box = box_of(reduced, most)
        each = (
            -(-size // piece) for size, piece in zip(reduced, self.box, strict=True)
        )
        self.count = rows * prod(each)
        slots = self.count if facts.splittable else self.count + rows
        self.bytes = max(slots, 1) * PART_BYTES * facts.reductions


def schedule_of(
    variant: Variant,
    block: ArgumentBlock,
    total: int,
    grain: int,
    cost: float,
    parts: ReductionParts | None,
    full: bool = True,
) -> Schedule:
    words, slot, scratch = block.words, -1, 0
    if parts:
        words += parts.box
    if parts and variant.lanes == "parts":
        slot, scratch = len(words), parts.bytes
        words += (0,)
    return Schedule(
        variant,
        words,
        block.pointer_slots,
        total,
        grain,
        cost,
        slot,
        scratch,
        full,
    )


def bind(
    kernel: Kernel,
    variant: Variant,
    facts: KernelFacts,
    block: ArgumentBlock,
    moved: int,
    slowness: float,
    threads: int,
) -> Schedule:
    """The variant with its work items and their costs."""
    extents = block.extents
    kept_extents = extents[: len(variant.kept)]
    parts = None
    if variant.lanes == "parts" or variant.cut:
        parts = ReductionParts(variant, block, facts, own=not variant.warps)
    if parts and variant.lanes == "parts":
        total = parts.count
    elif facts.scatters:
        total = 1 if prod(extents) else 0
    elif variant.lanes == "reduced":
        total = prod(kept_extents)
    else:
        outer, last = prod(kept_extents[:-1]), kept_extents[-1]
        lanes = item_lanes(variant)
        if variant.banded:
            lanes = band_lanes(outer, last, threads)
            words = (*block.words, lanes, band_rows(moved))
            block = replace(block, words=words)
        total = outer * -(-last // lanes)
    cost = slowness * work_cost(kernel, variant, facts, extents, total)
    cost += memory_cost(moved)
    full = total >= threads or cost <= COSTS.split
    grain = grain_of(cost, total)
    return schedule_of(variant, block, total, grain, cost, parts, full)
