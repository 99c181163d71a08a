"""Convolutions by Winograd's minimal filtering as steps of the runner: where it pays, how the
work is cut.

How it is cut follows from the sizes and the kind of processor, never from the number of
threads, so that results do not depend on that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from symnet.config import config
from symnet.data_classes import dataclass
from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.cpu.library.panel_steps import (
    panel_step,
    whole_lines,
    with_words_of,
)
from symnet.kernels.cpu.library.tiles import (
    OUTER_ROWS,
    tile_words,
)
from symnet.kernels.cpu.library.winograd_code import (
    WinogradWords,
    convolve_tiles,
    mend,
    share_transforms,
)
from symnet.kernels.cpu.library.winograd_forms import POINTS, TAPS, minimal_filter
from symnet.kernels.cpu.library.winograd_grid import TileGrid
from symnet.kernels.cpu.library.winograd_tiles import (
    filter_transform,
    input_transform,
    output_transform,
)
from symnet.kernels.library import ITEM_BYTES, ConvolutionCall
from symnet.kernels.llvm.machine import machine
from symnet.kernels.memory import LINE

# A vector of filters' channels on every processor; with fewer the transforms are most.
LEAST_CHANNELS = 16
LONGEST_PIECE = 48  # channels that are added up at once: see `docs/design.md`
MOST_PLACES = 2**30  # of an axis: transforms compare numbers of columns as int32
SHARED_BYTES = 64 << 20  # of what is transformed for all threads
SLOT_BYTES = 16 << 20  # of the products of a piece of work
PRODUCT_BYTES = 512 * 1024  # of them, wanted: in the second cache
STRIPE_BYTES = 512 * 1024  # of the transformed inputs of a piece of work
ITEMS = 16  # pieces of work that are worth cutting for
# Outputs or channels that are transformed at once for all: a call is worth several.
OUTPUT_SHARE, CHANNEL_SHARE = 4, 16
NUMBERS_PER_NS = {"float32": 30.0, "float64": 15.0}  # a modest core
SHARED_NS = 20_000.0
W = WinogradWords


@dataclass(frozen=True)
class WinogradCosts:
    """What Winograd's forms and the other driver cost on a kind of processor.

    input, output, filter: a transform, in multiplications of a product, for each number of a
    transformed tile of a channel or output, and of a transformed filter.
    product: a multiplication, in those of the other driver.
    row, columns: what the other driver loses for each row of the output and each tap, in
    multiplications, and in columns of the output.
    sums_columns: what it loses for each row of the taps, where filters' gradients are made.
    """

    input: float
    output: float
    filter: float
    product: float
    row: float
    columns: float
    sums_columns: float


# By bytes of a vector.  64: measured on Zen 4.  32: on Zen 3, where planes go without packing,
# and products of 48 numbers spend as long with what they are added to; of 33 forward calls
# with 16 to 512 channels the form that is chosen takes 1.015 of the fastest's time (1.06 by
# the numbers of Zen 4), 1.2 at most (1.4).
COSTS = {
    64: WinogradCosts(8.0, 8.0, 12.0, 1.0, 300.0, 0.0, 0.0),
    32: WinogradCosts(14.5, 8.0, 7.0, 1.7, 50.0, 5.0, 16.0),
}


def winograd_costs() -> WinogradCosts:
    """What they cost here; on processors that were not measured as on Zen 4."""
    return COSTS.get(machine().target.vector_bytes, COSTS[64])


def winograd_outputs(call: ConvolutionCall) -> int:
    """The m of F(m, 3) by which a call is fastest, or 0 where it is not to be used."""
    if not _suits(call):
        return 0
    cuts = [_Cut(call, minimal_filter(m)) for m in POINTS]
    cuts = [cut for cut in cuts if cut.fits]
    best = min(cuts, key=lambda cut: cut.cost, default=None)
    if best is None or best.cost * winograd_costs().product >= _direct_cost(call):
        return 0
    return best.form.outputs


def _direct_cost(call: ConvolutionCall) -> float:
    """What the product of matrices costs that a convolution is, with its packing, in
    multiplications."""
    rows, costs = call.groups * call.images * call.sizes[1], winograd_costs()
    return call.work + (costs.row + costs.columns * call.outputs) * call.inner * rows


def is_plain(call: ConvolutionCall) -> bool:
    """Whether Winograd's forms are wanted, and all steps are 1 along two axes."""
    steps = (*call.strides, *call.dilations, *call.spreads)
    numbers = (*call.low, *call.inputs, *call.sizes, *call.taps)
    small = max(map(abs, numbers)) <= MOST_PLACES
    plain = set(steps) == {1} and call.low[0] == 0
    return config.of_plan("winograd") == "on" and plain and small


def _suits(call: ConvolutionCall) -> bool:
    """Whether a call is of the kind: 3 x 3 taps, all steps 1, rows without gaps."""
    return (
        is_plain(call)
        and call.taps == (1, TAPS, TAPS)
        and call.inputs[0] == call.sizes[0] == 1
        and call.taps_are_dense
        and call.x_strides[5] == ITEM_BYTES[call.dtype]
        and min(call.channels, call.outputs) >= LEAST_CHANNELS
    )


class _Cut(TileGrid):
    """How a call is cut, for F(m, 3): its tiles are those of the outputs."""

    @property
    def planes(self) -> int:
        return self.call.images

    @property
    def plane(self) -> tuple[int, int]:
        return self.call.sizes[1:]

    @property
    def shares_filters(self) -> bool:
        """Whether filters are transformed for all, because they are less."""
        return self.call.outputs <= self.tiles

    @property
    def channel_block(self) -> int:
        pieces = -(-self.call.channels // LONGEST_PIECE)
        return -(-self.call.channels // pieces)

    @property
    def stripe(self) -> int:
        """Tiles of a piece of work."""
        if not self.shares_filters:
            return self.tiles
        number = self.matrices * self.item
        most = min(
            STRIPE_BYTES // (number * self.channel_block),
            PRODUCT_BYTES // (number * self.call.outputs),
        )
        wanted = -(-self.tiles // -(-ITEMS // self.call.groups))
        stripe = min(max(most, 1), -(-wanted // self.width) * self.width)
        return max(stripe // self.width, 1) * self.width

    @property
    def columns(self) -> int:
        """Of the products of a piece of work."""
        return min(self.stripe, self.tiles)

    @property
    def row(self) -> int:
        """Bytes of a row of transformed inputs, and of products."""
        return -(-self.stripe // self.width) * self.width * self.item

    @property
    def shared_bytes(self) -> int:
        """What is transformed for all threads."""
        row = whole_lines(self.call.channels * self.item)
        bytes_ = self.call.outputs * row
        if not self.shares_filters:
            bytes_ = self.call.channels * self.row
        return self.call.groups * self.matrices * (bytes_ + LINE)

    @property
    def fits(self) -> bool:
        """Whether it takes no more memory than it may."""
        rows = self.call.outputs if self.shares_filters else max(OUTER_ROWS.values())
        products = self.matrices * self.row * rows
        return self.shared_bytes <= SHARED_BYTES and products <= SLOT_BYTES

    @property
    def cost(self) -> float:
        """In multiplications, as `ConvolutionCall.work`."""
        call, half, costs = self.call, self.width // 2, winograd_costs()
        whole = half if self.columns == self.tiles else self.width
        columns = -(-self.tiles // whole) * whole
        both = call.channels * call.outputs
        numbers = columns * both + costs.filter * both
        transforms = costs.input * call.channels + costs.output * call.outputs
        numbers += self.lane_places * transforms
        return call.groups * self.matrices * numbers


def winograd_step(
    call: ConvolutionCall, outputs: int, direct: CallArrangement
) -> CallArrangement:
    """The step of a convolution by F(outputs, 3).  The pointers are those of x, w and y.

    direct: the step of `convolve_rows`, for what is not finite.
    """
    cut = _Cut(call, minimal_filter(outputs))
    words, routines = tile_words(call.dtype, call.outputs, (cut.columns,))
    words |= _sizes(cut)
    blocks = words["tiles"]
    if not cut.shares_filters:
        rows = PRODUCT_BYTES // (cut.matrices * cut.row * (words["few"] + 1))
        wanted = -(-ITEMS // call.groups)
        blocks = max(min(rows, words["tiles"] // wanted), 1)
    words |= {"tile_block": blocks, "tile_blocks": -(-words["tiles"] // blocks)}
    rows = min(blocks * (words["few"] + 1), call.outputs)
    memory, slot_bytes = _memory(cut, rows)
    start = W.count
    words |= memory
    words |= {"direct": start, "marks": start + len(direct.words)}
    routines |= {
        "entering": input_transform(call.dtype, outputs),
        "filtering": filter_transform(call.dtype, outputs),
        "leaving": output_transform(call.dtype, outputs),
    }
    found = panel_step(
        share_transforms,
        W,
        words,
        routines,
        dtype=call.dtype,
        total=call.groups * words["share_blocks"],
        cost_ns=cut.cost / NUMBERS_PER_NS[call.dtype],
        shared_ns=SHARED_NS,
        slot_bytes=slot_bytes,
        tail=[0] * (len(direct.words) + direct.total),
    )
    numbers = list(found.words)
    numbers[W.shared] = found.scratch_bytes
    items = call.groups * words["stripes"] * words["tile_blocks"]
    found = replace(
        found,
        words=tuple(numbers),
        pointer_slots=(W.x, W.w, W.y),
        scratch_bytes=found.scratch_bytes + cut.shared_bytes,
        after=((convolve_tiles, items), (mend, direct.total)),
    )
    return with_words_of(found, direct, start)


def _sizes(cut: _Cut) -> dict[str, int]:
    call = cut.call
    shared, share_block = call.outputs, OUTPUT_SHARE
    if not cut.shares_filters:
        shared, share_block = call.channels, CHANNEL_SHARE
    return cut.sizes | {
        "channels": call.channels, "y_row": call.sizes[2] * cut.item,
        "shares_filters": int(cut.shares_filters),
        "stripe": cut.stripe, "stripes": -(-cut.tiles // cut.stripe),
        "channel_block": cut.channel_block, "share_block": share_block,
        "share_blocks": -(-shared // share_block),
    }  # fmt: skip


def _memory(cut: _Cut, rows: int) -> tuple[Mapping[str, int], int]:
    """Where the matrices lie, and bytes of a slot; rows: of a piece of work."""
    call, number = cut.call, cut.matrices
    filters, filter_channels = call.outputs, call.channels
    channels = cut.channel_block
    if not cut.shares_filters:
        filters, filter_channels, channels = rows, cut.channel_block, call.channels
    u_row = whole_lines(filter_channels * cut.item)
    # A line more: else all matrices would begin in the same sets of the caches.
    u_matrix = filters * u_row + LINE
    v_matrix, m_matrix = (n * cut.row + LINE for n in (channels, rows))
    own = number * (v_matrix if cut.shares_filters else u_matrix)
    words = {
        "u_row": u_row, "u_matrix": u_matrix, "u_group": number * u_matrix,
        "panel_row": cut.row, "v_matrix": v_matrix, "v_group": number * v_matrix,
        "m_row": cut.row, "m_matrix": m_matrix, "m_place": own,
    }  # fmt: skip
    # Behind the last products whole vectors are read.
    return words, own + number * m_matrix + LINE


__all__ = ["winograd_outputs", "winograd_step"]
