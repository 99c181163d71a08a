"""Products with a matrix that was brought into panels before: the native driver.

BLAS copies its operands into an order of its own at every call.  Where one matrix serves
many products, as the weights of a recurrent network do, it is copied once:
into panels (see `kernels.library.PackedGemm`).
"""

from __future__ import annotations

from symnet.kernels.cpu.jit.intrinsics import load
from symnet.kernels.cpu.jit.native import native
from symnet.kernels.cpu.library.panels_code import PanelWords, multiply_panel


class PackedGemmWords(PanelWords):
    """The argument block."""

    a: int
    b: int
    c: int
    d: int
    # Bytes from row to row.
    a_row: int
    c_row: int
    d_row: int
    inner: int  # the size that is summed over, and how much of it is taken at once
    inner_block: int
    columns: int


W = PackedGemmWords


@native
def multiply_panels(arguments: int, begin: int, end: int) -> int:
    """C = alpha A B + beta D for the panels `begin` to `end` of B; where there is nothing
    to sum, C is beta D all the same."""
    item = load(arguments, W.item)
    width = load(arguments, W.tile_columns)
    panel_row = load(arguments, W.panel_row)
    inner = load(arguments, W.inner)
    for panel in range(begin, end):
        column = panel * width
        columns = load(arguments, W.columns) - column
        if columns > width:
            columns = width
        b = load(arguments, W.b) + panel * inner * panel_row
        c = load(arguments, W.c) + column * item
        d = load(arguments, W.d) + column * item
        d_row = load(arguments, W.d_row)
        beta = load(arguments, W.beta)
        k = 0
        while True:
            length = inner - k
            if length > load(arguments, W.inner_block):
                length = load(arguments, W.inner_block)
            multiply_panel(
                arguments,
                0,
                load(arguments, W.tiles),
                load(arguments, W.a) + k * load(arguments, W.a_step),
                load(arguments, W.a_row),
                b + k * panel_row,
                panel_row,
                length,
                c,
                load(arguments, W.c_row),
                columns,
                beta,
                d,
                d_row,
            )
            k += length
            if k >= inner:
                break
            beta = arguments + 8 * W.one
            d = c
            d_row = load(arguments, W.c_row)
    return 0
