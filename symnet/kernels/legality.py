"""What may be done with the loops of a kernel without changing what it means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from symnet.data_classes import dataclass
from symnet.kernels.loopir.scalars import Kernel, Operand, Scalar, walk
from symnet.kernels.variants import Axes, Variant

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """What can be said of a kernel without sizes; worked out once for each kernel."""

    operands: tuple[Operand, ...]
    itemsizes: tuple[int, ...]
    kept: Axes
    reduced: Axes
    unmergeable: frozenset[int]  # axes whose counter is used are never merged
    guides: tuple[int, ...]  # for each axis the operand whose strides place it, or -1
    scatters: bool  # positions are written one after another, kept axes in their order
    single: bool  # neighbouring lanes might write to the same place
    positions: bool  # argmax or argmin: reduced axes stay in their order
    splittable: bool  # all that is stored is what one pass has reduced
    reductions: int

    @property
    def lanes(self) -> tuple[str, ...]:
        """What the lanes may run along (see `Variant.lanes`)."""
        if self.single or not (self.kept or self.reduced):
            return ("one",)
        if not self.kept:
            return ("parts",) if self.splittable else ("reduced",)
        if not self.reduced or self.scatters:
            return ("kept",)
        return ("kept", "reduced")

    @property
    def kept_in_any_order(self) -> bool:
        return len(self.kept) > 1 and not self.scatters

    @property
    def reduced_in_any_order(self) -> bool:
        return len(self.reduced) > 1 and not self.positions


def kept_with_kernel(find: Callable[[Kernel], Found]) -> Callable[[Kernel], Found]:
    """The function, whose results are kept as long as their kernels live."""
    known: WeakKeyDictionary[Kernel, Found] = WeakKeyDictionary()

    @wraps(find)
    def kept(kernel: Kernel) -> Found:
        found = known.get(kernel)
        if found is None:
            found = known[kernel] = find(kernel)
        return found

    return kept


@kept_with_kernel
def facts_of(kernel: Kernel) -> KernelFacts:
    operands = (*kernel.inputs, *(out.operand for out in kernel.outputs))
    kept = tuple(k for k in range(kernel.rank) if not kernel.reduced[k])
    reduced = tuple(k for k in range(kernel.rank) if kernel.reduced[k])
    nodes = nodes_of(kernel)
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
    return KernelFacts(
        operands=operands,
        itemsizes=tuple(np.dtype(o.dtype).itemsize for o in operands),
        kept=kept,
        reduced=reduced,
        unmergeable=frozenset(node.value for node in nodes if node.op == "index"),
        guides=guides(kernel),
        scatters=bool(scatters),
        single=single,
        positions=any(node.value in ("argmax", "argmin") for node in reductions),
        splittable=bool(reductions) and not (scatters or stores_inside or levels),
        reductions=len(reductions),
    )


def nodes_of(kernel: Kernel) -> list[Scalar]:
    """Every scalar of a kernel, arguments before their users."""
    return walk(root for out in kernel.outputs for root in (*out.indices, out.value))


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


@dataclass(frozen=True, slots=True)
class ScatterFacts:
    """How a scatter's points may be shared, so that each place is written in order.

    across: the axes along which writes go to places that differ, whatever the positions.
    by_place: whether one place alone says who does a point: nothing is reduced for it, and
    all outputs go to the same positions.
    adds: whether all that is done is to add.
    """

    across: frozenset[int]
    by_place: bool
    adds: bool


@kept_with_kernel
def scatter_facts(kernel: Kernel) -> ScatterFacts:
    moves = axes_of(nodes_of(kernel), kernel.inputs, kernel.reduced)
    outputs = [out for out in kernel.outputs if out.indices]
    across = frozenset(
        axis
        for axis in range(kernel.rank)
        if not kernel.reduced[axis]
        and all(out.operand.axes[axis] for out in outputs)
        and not any(axis in moves[i] for out in outputs for i in out.indices)
    )
    alike = len({out.indices for out in kernel.outputs}) == 1
    adds = alike and all(out.mode == "add" for out in outputs)
    return ScatterFacts(across, alike and not any(kernel.reduced), adds)


@dataclass(frozen=True, slots=True)
class Stage:
    """One of the functions of a kernel that is cut into parts, which run one after another.

    kind: "parts", a part of a pass over what is reduced; "merge", what merges a pass's parts;
    "store", what is stored behind the last pass, where that has merged nothing.
    done: the passes that are over before.
    """

    kind: str
    done: int

    @property
    def suffix(self) -> str:
        """What its function's name ends in."""
        if self.kind == "store":
            return "_store"
        number = f"_{self.done}" if self.done else ""
        return f"_combine{number}" if self.kind == "merge" else number


@kept_with_kernel
def stages_of(kernel: Kernel) -> tuple[Stage, ...]:
    """The functions of a kernel in parts, in the order in which they run."""
    level: dict[Scalar, int] = {}
    for node in nodes_of(kernel):
        before = max((level[a] for a in node.args), default=0)
        level[node] = before + (node.op == "reduce")
    passes = max(level.values(), default=0)
    reduced = [k for k in range(kernel.rank) if kernel.reduced[k]]
    inside = [
        out for out in kernel.outputs if any(out.operand.axes[k] for k in reduced)
    ]
    stages = [Stage(kind, k) for k in range(passes) for kind in ("parts", "merge")]
    if any(level[out.value] == passes for out in inside):
        stages.append(Stage("parts", passes))
        if len(inside) < len(kernel.outputs):
            stages.append(Stage("store", passes + 1))
    return tuple(stages)


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


def merge(
    axes: Axes,
    facts: KernelFacts,
    sizes: Sequence[int],
    strides: Sequence[Sequence[int]],
) -> tuple[Axes, ...]:
    """Group neighbouring axes where each operand's outer step is its whole inner walk."""
    groups: list[Axes] = []
    for axis in reversed(axes):
        if (
            groups
            and axis not in facts.unmergeable
            and groups[0][0] not in facts.unmergeable
        ):
            inner = groups[0][0]
            inner_size = sizes[inner] or 1
            if all(row[axis] == row[inner] * inner_size for row in strides):
                groups[0] = (axis, *groups[0])
                continue
        groups.insert(0, (axis,))
    return tuple(groups)


def may_be_banded(variant: Variant, facts: KernelFacts) -> bool:
    """Whether many lanes may go through a few rows at a time: results are the same either
    way, bit by bit."""
    return variant.lanes == "kept" and bool(variant.reduced) and not facts.scatters
