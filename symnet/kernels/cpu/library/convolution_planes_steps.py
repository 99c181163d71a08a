"""Convolutions by planes as steps of the runner: how planes lie, how the work is cut.
See `convolution_planes_code`."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

from symnet.data_classes import dataclass
from symnet.kernels.cpu.jit.native import Native
from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.cpu.library.convolution_planes_code import (
    PlaneWords,
    convolve_planes,
    sum_planes,
)
from symnet.kernels.cpu.library.convolution_tables import (
    NUMBERS_PER_NS,
    SHARED_NS,
    line,
)
from symnet.kernels.cpu.library.panel_steps import panel_step, whole_lines
from symnet.kernels.cpu.library.plane_tiles import (
    lane_sums,
    plane_rows,
    plane_tile,
    tap_sums,
)
from symnet.kernels.cpu.library.tiles import OUTER_ROWS, lanes
from symnet.kernels.library import ITEM_BYTES, ConvolutionCall
from symnet.kernels.llvm.emitted_function import EmittedFunction
from symnet.kernels.llvm.machine import machine

PLANE_BYTES = 256 * 1024  # of a thread's planes: in the second cache
MOST_STEP = 4  # of strides and spreads that vectors are shuffled for
FEW_FILTERS, FEW_TAPS = 8, 128  # whose sums are made side by side
LONGEST_SUM = 640  # products that are added one by one
# Measured: what rows packed for each tap cost more than planes, in all (where images are
# small, or one piece takes all channels; else) and with one filter.
PACKING, PACKING_LARGE, PACKING_ONE = 1.14, 1.05, 16.0
FEW_PLACES = 256
LONGEST_RUN = 128  # vectors that are added one by one
SUMS_BYTES = 64 * 1024
ITEMS = 16  # pieces of work that are worth cutting for
FEW_ACCUMULATORS = {16: 8, 32: 16}  # of one filter: enough to hide the latency
MOST_TAPS = {16: 10, 32: 12}  # of a tile: their distances stay in registers


@dataclass(frozen=True)
class Planes:
    """How the planes of one running depth lie, in bytes, for blocks of rows.

    A place is a tuple of fixed indices.
    """

    call: ConvolutionCall
    fixed: tuple[int, int, int]
    run: tuple[int, int, int]
    fixed_steps: tuple[int, int, int]
    run_steps: tuple[int, int, int]
    row_block: int

    @property
    def item(self) -> int:
        return ITEM_BYTES[self.call.dtype]

    @property
    def lanes(self) -> int:
        """Of a vector: half of them where one such holds a row."""
        whole = lanes(self.call.dtype, machine().target)
        return whole // 2 if whole > 4 and 2 * self.run[2] <= whole else whole

    @property
    def length(self) -> int:
        """Numbers of a row of a plane: of one phase."""
        return (
            self.run[2] + (self.fixed[2] - 1) * self.fixed_steps[2] // self.run_steps[2]
        )

    @property
    def row(self) -> int:
        return self.length * self.item

    @property
    def fixed_rows(self) -> int:
        return (self.fixed[1] - 1) * self.fixed_steps[1] + 1

    @property
    def slice(self) -> int:
        return self.row * ((self.row_block - 1) * self.run_steps[1] + self.fixed_rows)

    @property
    def phase(self) -> int:
        return self.slice * self.fixed[0]

    @property
    def phases(self) -> list[int]:
        """Where the running indices begin modulo their step, as far as any does."""
        step = self.run_steps[2]
        return sorted({k * self.fixed_steps[2] % step for k in range(self.fixed[2])})

    @property
    def channel(self) -> int:
        return self.phase * len(self.phases)

    def phase_line(self, phase: int) -> list[int]:
        """The numbers of a row of a phase, as `line` has them."""
        call, step = self.call, self.run_steps[2]
        places = []
        for k in range(self.length):
            q, rest = divmod(k * step + phase - call.low[2], call.spreads[2])
            places.append(q if rest == 0 and 0 <= q < call.inputs[2] else -1)
        return line(places, self.item, call.x_strides[5])

    def distances(self) -> list[int]:
        """Of each place: bytes from what running indices 0 meet to what they meet there."""
        numbers = {phase: k for k, phase in enumerate(self.phases)}
        found = []
        for depth, height, width in itertools.product(*map(range, self.fixed)):
            far, phase = divmod(width * self.fixed_steps[2], self.run_steps[2])
            distance = numbers[phase] * self.phase + depth * self.slice
            distance += height * self.fixed_steps[1] * self.row + far * self.item
            found.append(distance)
        return found

    @property
    def words(self) -> dict[str, int]:
        call = self.call
        return {
            "groups": call.groups, "images": call.images, "outputs": call.outputs,
            "channels": call.channels,
            "x_group": call.x_strides[0], "x_image": call.x_strides[1],
            "x_channel": call.x_strides[2],
            "w_group": call.w_strides[0], "w_output": call.w_strides[1],
            "w_channel": call.w_strides[2],
            "y_group": call.y_strides[0], "y_image": call.y_strides[1],
            "y_output": call.y_strides[2],
            "run_depth": self.run_steps[0], "fixed_depth": self.fixed_steps[0],
            "depth_spread": call.spreads[0], "depth_low": call.low[0],
            "depths": call.inputs[0], "x_depth": call.x_strides[3],
            "run_height": self.run_steps[1], "height_spread": call.spreads[1],
            "height_low": call.low[1], "heights": call.inputs[1],
            "x_height": call.x_strides[4],
            "phases": len(self.phases), "phase_table": PlaneWords.count,
            "length": self.length, "plane_row": self.row, "plane_slice": self.slice,
            "plane_phase": self.phase, "plane_channel": self.channel,
            "slices": self.fixed[0], "fixed_rows": self.fixed_rows,
            "run_depths": self.run[0], "run_rows": self.run[1], "width": self.run[2],
            "row_block": self.row_block, "blocks": -(-self.run[1] // self.row_block),
        }  # fmt: skip

    def finish(
        self,
        code: Native[Any],
        total: int,
        channels: int,
        words: dict[str, int],
        places: list[int],
        routines: dict[str, EmittedFunction],
        sums_bytes: int = 0,
    ) -> CallArrangement:
        call, vector = self.call, machine().target.vector_bytes
        lines = [self.phase_line(phase) for phase in self.phases]
        table = [
            n
            for start, _, many, far, _ in lines
            for n in (start // self.item, many, far)
        ]
        step, spread = self.run_steps[2], call.spreads[2]
        routines["filling"] = plane_rows(call.dtype, step, spread)
        # Rows are written, and read, up to some vectors beyond their end.
        beyond = (MOST_STEP + FEW_ACCUMULATORS[machine().target.registers]) * vector
        sums = whole_lines(self.channel * channels + beyond)
        words = self.words | words | {
            "places": PlaneWords.count + len(table), "sums": sums,
            "vector_bytes": self.lanes * self.item,
        }  # fmt: skip
        found = panel_step(
            code,
            PlaneWords,
            words,
            routines,
            dtype=call.dtype,
            total=total,
            cost_ns=call.work / NUMBERS_PER_NS[call.dtype],
            shared_ns=SHARED_NS,
            slot_bytes=whole_lines(sums + sums_bytes + vector),
            tail=(*table, *places),
        )
        return replace(found, pointer_slots=(PlaneWords.x, PlaneWords.w, PlaneWords.y))


def planes_step(call: ConvolutionCall, fixes_taps: bool) -> CallArrangement | None:
    """The step of a convolution by planes, along the output or along the taps; None where
    another way is better."""
    steps = call.dilations, call.strides
    kinds = call.taps, call.sizes
    if not fixes_taps:
        steps, kinds = steps[::-1], kinds[::-1]
    if not _near(call, steps[1][2]):
        return None
    planes = Planes(call, *kinds, *steps, kinds[1][1])
    return (_along_output if fixes_taps else _along_taps)(planes)


def _near(call: ConvolutionCall, step: int) -> bool:
    """Whether rows of planes can be made by vectors."""
    spread = call.spreads[2]
    plain = call.inputs[2] == 1 or call.x_strides[5] == ITEM_BYTES[call.dtype]
    return plain and min(step, spread) == 1 and max(step, spread) <= MOST_STEP


def _fitting(planes: Planes, channels: int, rows: int) -> Planes | None:
    """The same for blocks of at most `rows` rows that fit into the cache."""
    rows = max(rows, 1)
    while True:
        blocks = -(-planes.run[1] // rows)
        found = replace(planes, row_block=-(-planes.run[1] // blocks))
        if found.channel * channels <= PLANE_BYTES:
            return found
        if rows == 1:
            return None
        rows = -(-found.row_block // 2)


def _along_output(planes: Planes) -> CallArrangement | None:
    call, target = planes.call, machine().target
    taps = math.prod(call.taps)
    if taps > LONGEST_SUM or not _pays(planes):
        return None
    others = call.groups * call.images * planes.run[0]
    pieces = -(-call.inner // (LONGEST_SUM // taps * taps))
    channel_block = -(-call.channels // pieces)
    rows = -(-planes.run[1] // -(-ITEMS // others))
    found = _fitting(planes, channel_block, rows)
    if found is None:
        return None
    tiles = -(-call.outputs // OUTER_ROWS[target.registers])
    few, more = call.outputs // tiles, call.outputs % tiles
    blocks = -(-found.run[1] // found.row_block)
    heights = (found.row_block, found.run[1] - (blocks - 1) * found.row_block)
    lines, vectors = _tile(found, few + bool(more), heights, whole=pieces > 1)
    shape = (lines, vectors, found.lanes)
    routines = {"wide": plane_tile(call.dtype, few, *shape)}
    if more:
        routines["wide_more"] = plane_tile(call.dtype, few + 1, *shape)
    weights = [
        sum(k * s for k, s in zip(tap, call.w_strides[3:], strict=True))
        for tap in itertools.product(*map(range, call.taps))
    ]
    pairs = list(zip(found.distances(), weights, strict=True))
    places = [
        n
        for channel in range(channel_block)
        for x, w in pairs
        for n in (x + channel * found.channel, w + channel * call.w_strides[2])
    ]
    words = {
        "tiles": tiles, "few": few, "more": more, "channel_block": channel_block,
        "pairs": channel_block * taps,
    }  # fmt: skip
    total = others * blocks
    return found.finish(convolve_planes, total, channel_block, words, places, routines)


def _pays(planes: Planes) -> bool:
    """Whether lanes that stay empty at the end of rows cost less than rows packed for each
    tap, which serve all filters."""
    width = planes.run[2]
    taken = -(-width // planes.lanes) * planes.lanes
    small = planes.run[1] * width <= FEW_PLACES or planes.call.inner <= LONGEST_SUM
    cost = PACKING if small else PACKING_LARGE
    return taken / width <= cost + PACKING_ONE / planes.call.outputs


def _tile(
    planes: Planes, outputs: int, heights: tuple[int, int], whole: bool
) -> tuple[int, int]:
    """The lines and vectors of a tile for so many filters: the fewest instructions.

    heights: rows of blocks; whole: whether these have to be whole tiles.
    """
    registers = machine().target.registers
    width, rows = -(-planes.run[2] // planes.lanes), min(heights)
    most = (registers - 2) // (outputs + 1)
    if outputs == 1:
        most = FEW_ACCUMULATORS[registers]

    def cost(tile: tuple[int, int]) -> int:
        lines, vectors = tile
        tiles = -(-heights[0] // lines) * -(-width // vectors)
        return tiles * (max(lines * vectors * outputs, 4) + outputs + 2)

    choices = [
        (lines, vectors)
        for vectors in (4, 2, 1)
        for lines in range(1, rows + 1)
        if lines * vectors <= max(most, 1)
        and not (whole and any(height % lines for height in heights))
    ]
    return min(choices, key=cost)


def _along_taps(planes: Planes) -> CallArrangement | None:
    call, target = planes.call, machine().target
    count = math.prod(call.sizes)
    sums_bytes = call.outputs * count * target.vector_bytes
    others = call.groups * call.images
    dense = call.taps[2] == 1 or call.w_strides[5] == planes.item
    few = call.outputs <= FEW_FILTERS and count <= FEW_TAPS and others >= ITEMS
    if not dense or not few or sums_bytes > SUMS_BYTES:
        return None
    width = planes.lanes
    found = _fitting(planes, 1, LONGEST_RUN // -(-planes.run[2] // width))
    if found is None:
        return None
    tiles = -(-count // MOST_TAPS[target.registers])
    few_taps, more = count // tiles, count % tiles
    routines = {
        "wide": tap_sums(call.dtype, few_taps, width),
        "adding": lane_sums(call.dtype, width),
    }
    if more:
        routines["wide_more"] = tap_sums(call.dtype, few_taps + 1, width)
    words = {
        "tiles": tiles, "few": few_taps, "more": more, "pairs": count,
        "w_depth": call.w_strides[3], "w_height": call.w_strides[4],
    }  # fmt: skip
    return found.finish(
        sum_planes, others, 1, words, found.distances(), routines, sums_bytes
    )
