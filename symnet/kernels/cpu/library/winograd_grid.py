"""The tiles of a convolution by Winograd's forms: what forward calls and gradients of filters
have in common of how they are cut."""

from __future__ import annotations

from symnet.data_classes import dataclass
from symnet.kernels.cpu.library.tiles import OUTER_VECTORS, lanes
from symnet.kernels.cpu.library.winograd_forms import MinimalFilter
from symnet.kernels.library import ITEM_BYTES, ConvolutionCall
from symnet.kernels.llvm.machine import machine


@dataclass(frozen=True)
class TileGrid:
    """Planes of `call` cut into tiles of m x m numbers, for F(m, 3).

    A subclass says how many planes there are, and their sizes.
    """

    call: ConvolutionCall
    form: MinimalFilter

    @property
    def planes(self) -> int:
        raise NotImplementedError

    @property
    def plane(self) -> tuple[int, int]:
        """Rows and columns of a plane."""
        raise NotImplementedError

    @property
    def item(self) -> int:
        return ITEM_BYTES[self.call.dtype]

    @property
    def matrices(self) -> int:
        """Numbers of a transformed tile: each belongs to a product of its own."""
        return self.form.size**2

    @property
    def high(self) -> int:
        """Tiles in a column of a plane."""
        return -(-self.plane[0] // self.form.outputs)

    @property
    def wide(self) -> int:
        """Tiles in a row of a plane."""
        return -(-self.plane[1] // self.form.outputs)

    @property
    def tiles(self) -> int:
        return self.planes * self.high * self.wide

    @property
    def width(self) -> int:
        """Columns of the widest tile of products."""
        return OUTER_VECTORS * lanes(self.call.dtype, machine().target)

    @property
    def lane_places(self) -> int:
        """Tiles that transforms work on: vectors run along a row of tiles, and those of
        short rows are partly empty."""
        half = self.width // 2
        return -(-self.wide // half) * half * self.planes * self.high

    @property
    def sizes(self) -> dict[str, int]:
        """What both drivers are told of the call and of its tiles."""
        call = self.call
        return {
            "images": call.images, "outputs": call.outputs,
            "x_group": call.x_strides[0], "x_image": call.x_strides[1],
            "x_channel": call.x_strides[2], "x_row": call.x_strides[4],
            "w_group": call.w_strides[0], "w_output": call.w_strides[1],
            "w_channel": call.w_strides[2],
            "y_group": call.y_strides[0], "y_image": call.y_strides[1],
            "y_output": call.y_strides[2],
            "height": call.inputs[1], "width": call.inputs[2],
            "rows": self.plane[0], "columns": self.plane[1],
            "low": call.low[1], "low_columns": call.low[2],
            "side": self.form.outputs, "tile_height": self.high, "tile_width": self.wide,
            "all_tiles": self.tiles, "matrices": self.matrices, "a_step": self.item,
        }  # fmt: skip


__all__ = ["TileGrid"]
