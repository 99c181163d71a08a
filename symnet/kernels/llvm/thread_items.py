"""One thread a point: the code of a kernel for a GPU.

The function is `kernel(words, end, failed, block)`: the argument block of `kernels.schedule` by
value, the number of points (of the kept dimensions; of parts, for lanes "parts"), the
address of a number that becomes 1 where a computed position lies outside its array, and the
address of a word for each operand, which its pointer is moved by.  So a launch that is
recorded has pointers of 0, and reads where its arrays lie in each call.  A
thread does the points that are its number plus a multiple of all threads, so any grid will
do (of whole warps, where those share points), and neighbouring threads read neighbouring
numbers.  Of a scatter each thread does the writes to places of its own, in order.

Of long rows that are reduced a point is shared by the threads of a warp (`warps`).

Printed for a CPU, the function has two arguments more: the thread's number and how many
there are.  Its arithmetic is that of the vectors' lanes, operation by operation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symnet.kernels.legality import Stage, scatter_facts
from symnet.kernels.llvm.accumulate import Passes
from symnet.kernels.llvm.function_writer import (
    FunctionWriter,
    product_of,
    split_item,
)
from symnet.kernels.llvm.loop_nest import BLOCK, ITEM
from symnet.kernels.llvm.parts import Parts
from symnet.kernels.llvm.text import Module
from symnet.kernels.llvm.warps import Warp

# Words that fit into the parameters of a kernel, which may have 4096 bytes.
# Source: "CUDA C++ Programming Guide", function parameters.
MOST_WORDS = 500
REGISTERS = ("tid", "ctaid", "ntid", "nctaid")


def thread_head(module: Module, name: str, words: int) -> str:
    """The first line of a thread's function.

    Raises: NotImplementedError for more words than parameters may have.
    """
    if words > MOST_WORDS:
        raise NotImplementedError(f"{words} words are too many for a GPU's parameters")
    block = f"ptr byval([{words} x i64]) align 8 %words"
    if module.target.threads == "special":
        return f"define ptx_kernel void @{name}({block}, i64 %end, ptr %failed, ptr %block)"
    more = "i64 %thread, i64 %threads"
    return f"define void @{name}(ptr %words, i64 %end, ptr %failed, ptr %block, {more})"


class ThreadItems:
    """Writes what each thread does."""

    def __init__(self, passes: Passes) -> None:
        self.passes, self.block, self.writer = passes, passes.block, passes.writer

    def write_points(self) -> None:
        """The points of the kept dimensions, passes over the reduced ones within."""
        kept = len(self.passes.variant.kept)
        extents = [self.block.size(k) for k in range(kept)]
        if self.passes.nest.scattering and not self.passes.variant.atomic:
            self.side_by_side(PlacesOfThreads(self.passes).write)
            return

        def point(item: str) -> None:
            places = split_item(self.writer, item, extents) if extents else []
            self.block.counters.update(enumerate(places))
            self.block.open(ITEM)
            self.block.open(BLOCK)
            self.passes.point()

        self.side_by_side(point)

    def write_stage(self, stage: Stage) -> None:
        """One of the functions of a kernel that is cut into parts."""
        parts = Parts(self.passes, stage.done)
        if stage.kind == "parts":
            self.side_by_side(parts.one_part)
        else:
            self.by_warps(parts, parts.combine if stage.kind == "merge" else parts.end)

    def by_warps(self, parts: Parts, write: Callable[[Warp, str], None]) -> None:
        """Each warp its share of the points; where there is no GPU its first thread."""
        warp = Warp(self.writer)
        points = parts.points
        first, warps = warp.number(*thread_number(self.writer), points)

        def body(point: str, _: list[str]) -> tuple[str, list[str]]:
            write(warp, point)
            return self.writer.here().emit(f"add i64 {point}, {warps}"), []

        self.writer.loop(first, points, (), body)

    def side_by_side(self, point: Callable[[str], None]) -> None:
        """Each thread, or each warp, its share of the points."""
        first, threads = thread_number(self.writer)
        if self.passes.warp is not None:
            first, threads = self.passes.warp.number(first, threads)

        def body(item: str, _: list[str]) -> tuple[str, list[str]]:
            point(item)
            return self.writer.here().emit(f"add i64 {item}, {threads}"), []

        self.writer.loop(first, "%end", (), body)


class PlacesOfThreads:
    """Writes one thread's share of writes to computed positions: at one point of the axes along
    which places differ, all others in order; of these, if places are dealt out, those that
    go to its own."""

    def __init__(self, passes: Passes) -> None:
        self.passes, self.block, self.writer = passes, passes.block, passes.writer
        kernel, kept = passes.nest.kernel, passes.variant.kept
        self.facts = scatter_facts(kernel)
        self.across = [
            k for k, axes in enumerate(kept) if self.facts.across.issuperset(axes)
        ]
        self.along = [k for k in range(len(kept)) if k not in self.across]

    def write(self, item: str) -> None:
        here = self.writer.here()
        extents = [self.block.size(k) for k in self.across]
        count = product_of(self.writer, extents) if extents else "1"
        owners = here.emit(f"udiv i64 %end, {count}")
        owner = here.emit(f"udiv i64 {item}, {count}")
        self.go_to(self.across, here.emit(f"urem i64 {item}, {count}"))
        inner = [self.block.size(k) for k in self.along]
        steps = product_of(self.writer, inner) if inner else "1"

        def body(step: str, _: list[str]) -> tuple[str, list[str]]:
            self.go_to(self.along, step)
            if self.facts.by_place:
                self.open()
                self.writer.when("0", self.mine(owner, owners), (), self.point)
            else:
                self.point("", [])
            return self.writer.here().emit(f"add i64 {step}, 1"), []

        self.writer.loop("0", steps, (), body)

    def point(self, _: str, __: list[str]) -> tuple[str, list[str]]:
        self.open()
        self.passes.point()
        return "", []

    def mine(self, owner: str, owners: str) -> str:
        """1 where this thread has the place that is written to, else 0."""
        nest, outputs = self.passes.nest, self.passes.outputs
        out = nest.kernel.outputs[0]
        indices = nest.indices_of[out]
        self.passes.points.evaluate(indices)
        here = self.writer.here()
        places = [self.passes.points.text(i, 0, 0) for i in indices]
        number = outputs.memory.place_number(here, outputs.operand_of[out], places)
        number = here.emit(f"urem i64 {number}, {owners}")
        same = here.emit(f"icmp eq i64 {number}, {owner}")
        return here.emit(f"zext i1 {same} to i64")

    def go_to(self, dimensions: Sequence[int], number: str) -> None:
        """The counters of dimensions, from the number of a point of theirs."""
        extents = [self.block.size(k) for k in dimensions]
        places = split_item(self.writer, number, extents) if extents else []
        self.block.counters.update(zip(dimensions, places, strict=True))

    def open(self) -> None:
        self.block.open(ITEM)
        self.block.open(BLOCK)


def thread_number(writer: FunctionWriter) -> tuple[str, str]:
    """The number of the thread in the whole grid, and how many threads there are."""
    if writer.module.target.threads == "argument":
        return "%thread", "%threads"
    entry = writer.entry
    tid, block, size, blocks = (
        entry.emit(f"zext i32 {number} to i64")
        for number in [
            entry.call(f"llvm.nvvm.read.ptx.sreg.{name}.x", "i32", [])
            for name in REGISTERS
        ]
    )
    before = entry.emit(f"mul i64 {block}, {size}")
    return entry.emit(f"add i64 {before}, {tid}"), entry.emit(
        f"mul i64 {blocks}, {size}"
    )
