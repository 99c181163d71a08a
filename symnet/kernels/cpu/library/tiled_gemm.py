"""Products of matrices by our own micro-kernels, as steps of the runner.

With 64-byte vectors they serve products of middle size; single vectors, tiny and very long
products go to the BLAS.  On a Zen 5 OpenBLAS reaches half of what the processor can multiply,
these tiles eight to nine tenths.  With 32-byte vectors they serve thin products only: on a
Zen 3 OpenBLAS reaches 0.85 of the processor for large ones, but packs operands that are read
once or twice.

How the work is cut follows from the sizes and the kind of processor alone, so that the
number of threads changes no bit.
"""

from __future__ import annotations

from dataclasses import replace

from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.cpu.library.panel_steps import (
    number_slot,
    panel_step,
    whole_lines,
)
from symnet.kernels.cpu.library.rearranging_tiles import copying_tile, transposing_tile
from symnet.kernels.cpu.library.tiled_gemm_code import (
    TiledGemmWords,
    multiply_tiles,
    pack_left,
)
from symnet.kernels.cpu.library.tiles import (
    OUTER_ROWS,
    OUTER_VECTORS,
    lanes,
    tile_words,
)
from symnet.kernels.library import ITEM_BYTES, GemmCall
from symnet.kernels.llvm.machine import first_cache, machine
from symnet.kernels.memory import LINE

ROWS_BYTES = 640 * 1024  # of A, that pass by strips of B: they stay in the second cache
WIDE = 64  # bytes of a vector from which on they are faster than the BLAS
MIDDLE = 32  # the same for thin products
WIDER, MANY_REGISTERS = 3, 32  # vectors of a tile, where there are so many registers
MOST_EMPTY = 0.04  # of the width of a product, that wider tiles may add
LONGEST_PIECE = 256  # of a sum: each rounds on its own
LONG_PIECE = 64  # from which on a tile takes as long as memory for its part of C
LONGEST_SUM = 8192  # the BLAS is told to add longer ones up in parts
LEAST_ROWS, LEAST_COLUMNS, LEAST_WORK = 4, 8, 20_000
FEW_TILES = 9  # of rows: to pack B does not pay
ITEMS, ITEM_WORK = 16, 250_000  # pieces worth cutting for, multiplications of one
LEAST_TILES = 4  # of a piece
# Thin products with 32-byte vectors, measured on Zen 3 beside OpenBLAS 0.3.31: results with
# fewer columns than a cache line has numbers take 0.45 to 0.7 of its time; few rows, which
# read B where it lies, 0.65 to 1 (1.7 where all its rows fall onto one set of the first
# cache); short sums 0.6 to 0.95, with A by columns 0.7 to 1.  Short sums that are added to C
# take 1.1 to 1.3 of it, because the BLAS reads C ahead.
FEW_COLUMNS, MANY_ROWS, LONG_SUM = 8, 128, 256
FEW_ROWS, SAME_SET = 32, 4096
SHORT_SUM, SHORT_BY_COLUMNS, LEAST_SIDE = 32, 20, 64
# To pack A takes as long as 50 to 100 columns of B save, where its rows lie a multiple of so
# many bytes apart (a tile's then share two sets of the first cache), or its columns so many.
FEW_SETS, FAR_STEP, OFTEN = 2048, 256, 96
MOST_PACKED = 64 * 2**20  # bytes
PACKING_ITEMS, PACKING_NS = 16, 0.2  # pieces of that work, and the time of a number
NUMBERS_PER_NS = {"float32": 40.0, "float64": 20.0}  # a modest core
SHARED_NS = 10_000.0
W = TiledGemmWords


def tiled_gemm(call: GemmCall) -> CallArrangement | None:
    """The step of a product, or None where tiles do not serve.  The pointers are those of
    alpha, A, B, beta and C."""
    if not suits_tiles(call) or len(call.loops) > 1:
        return None
    item = ITEM_BYTES[call.dtype]
    if call.strides[2][1] == item and call.sizes[1] > 1:
        return tiled_step(call) if _fits(call) and pays(call) else None
    other = transposed(call)
    if not _fits(other) or not pays(other):
        return None
    step = tiled_step(other)
    alpha, b, a, beta, c = step.pointer_slots
    return replace(step, pointer_slots=(alpha, a, b, beta, c))


def suits_tiles(call: GemmCall) -> bool:
    """Whether there are tiles for a product of that dtype and size."""
    if call.dtype not in ITEM_BYTES or machine().target.vector_bytes < MIDDLE:
        return False
    m, n, k = call.sizes
    least = min(m, n) >= LEAST_ROWS and max(m, n) >= LEAST_COLUMNS
    return least and k <= LONGEST_SUM and m * n * k >= LEAST_WORK


def pays(call: GemmCall) -> bool:
    """Whether tiles are faster than the BLAS for a product whose C has its rows without
    gaps."""
    if machine().target.vector_bytes >= WIDE:
        return True
    m, n, k = call.sizes
    if call.loops or n < FEW_COLUMNS:
        return not call.loops and m >= MANY_ROWS and k >= LONG_SUM
    return n >= LEAST_SIDE and (_has_few_rows(call) or _has_short_sums(call))


def _has_few_rows(call: GemmCall) -> bool:
    (m, _, k), (b_row, b_step) = call.sizes, call.strides[1]
    spread = b_step == ITEM_BYTES[call.dtype] and b_row % SAME_SET != 0
    return m <= FEW_ROWS and k >= LEAST_SIDE and spread


def _has_short_sums(call: GemmCall) -> bool:
    (m, _, k), (_, a_step) = call.sizes, call.strides[0]
    most = SHORT_SUM if a_step == ITEM_BYTES[call.dtype] else SHORT_BY_COLUMNS
    return k <= most and m >= LEAST_SIDE and call.beta == 0


def transposed(call: GemmCall) -> GemmCall:
    """C.T = B.T A.T."""
    (m, n, k), (a, b, c) = call.sizes, call.strides
    return replace(
        call,
        sizes=(n, m, k),
        strides=(b[::-1], a[::-1], c[::-1]),
        loops=tuple((size, y, x, z) for size, x, y, z in call.loops),
    )


def _fits(call: GemmCall) -> bool:
    """Whether rows of C have no gaps, and rows or columns of B none."""
    item, (_, (b_row, b_step), (_, c_step)) = ITEM_BYTES[call.dtype], call.strides
    return c_step == item and item in (b_row, b_step)


def tile_vectors(call: GemmCall) -> int:
    """How many vectors wide tiles are.  With three, and fewer rows, they need fewer loads;
    but a piece of a strip of B so wide is to have room in the first cache, and the last
    strip not to be much emptier."""
    target, (m, n, _) = machine().target, call.sizes
    room = first_cache() >= WIDER * target.vector_bytes * LONGEST_PIECE
    if (
        not room
        or target.registers != MANY_REGISTERS
        or m <= OUTER_ROWS[MANY_REGISTERS]
    ):
        return OUTER_VECTORS
    needed = -(-n // lanes(call.dtype, target))
    wider, usual = (_covered(needed, vectors) for vectors in (WIDER, OUTER_VECTORS))
    return WIDER if wider <= usual * (1 + MOST_EMPTY) else OUTER_VECTORS


def _covered(needed: int, vectors: int) -> int:
    """The vectors of a row in all tiles of a width, where so many are needed."""
    whole, rest = divmod(needed, vectors)
    half = -(-vectors // 2)
    return whole * vectors + (0 if not rest else half if rest <= half else vectors)


def tiled_step(call: GemmCall) -> CallArrangement:
    """The step of a product whose C has its rows without gaps, and B rows or columns."""
    (m, n, k), item, target = call.sizes, ITEM_BYTES[call.dtype], machine().target
    vectors = tile_vectors(call)
    pieces = -(-k // LONGEST_PIECE)
    inner_block = -(-k // pieces)
    batch = call.loops[0] if call.loops else (1, 0, 0, 0)
    column_block, column_blocks, row_blocks = _cut(call, inner_block)
    last = n - (column_blocks - 1) * column_block
    counts, packs_left = (min(column_block, n), last), _packs_left(call)
    ahead = inner_block >= LONG_PIECE and _is_far(call)
    words, routines = tile_words(call.dtype, m, counts, vectors, n, packs_left, ahead)
    tile_block = max(-(-words["tiles"] // row_blocks), LEAST_TILES)
    tile_blocks = -(-words["tiles"] // tile_block)
    slot_bytes = whole_lines(words["tile_columns"] * inner_block * item)
    words |= {
        "inner": k, "columns": n,
        "a_row": call.strides[0][0], "a_step": call.strides[0][1],
        "b_row": call.strides[1][0], "b_step": call.strides[1][1],
        "c_row": call.strides[2][0], "a_batch": batch[1], "b_batch": batch[2],
        "c_batch": batch[3], "inner_block": inner_block, "column_block": column_block,
        "column_blocks": column_blocks, "tile_block": tile_block,
        "tile_blocks": tile_blocks, "lanes": lanes(call.dtype, target),
        "direct": int(_is_direct(call, words["tiles"])),
    }  # fmt: skip
    if call.strides[1][1] == item:
        routines["copying"] = copying_tile(call.dtype, vectors)
    else:
        routines["transposing"] = transposing_tile(call.dtype)
    step = panel_step(
        multiply_tiles,
        W,
        words,
        routines,
        dtype=call.dtype,
        total=column_blocks * tile_blocks * batch[0],
        cost_ns=m * n * k * batch[0] / NUMBERS_PER_NS[call.dtype],
        shared_ns=SHARED_NS,
        slot_bytes=slot_bytes + LINE,
        numbers=(call.alpha, call.beta),
    )
    alpha, beta = number_slot(W.alpha, call.alpha), number_slot(W.beta, call.beta)
    step = replace(step, pointer_slots=(alpha, W.a, W.b, beta, W.c))
    return _after_packing(call, step) if packs_left else step


def _is_direct(call: GemmCall, tiles: int) -> bool:
    """Whether B is read where it lies."""
    b_row, b_step = call.strides[1]
    spread = b_row % SAME_SET != 0 or tiles == 1
    return b_step == ITEM_BYTES[call.dtype] and tiles <= FEW_TILES and spread


def _packs_left(call: GemmCall) -> bool:
    """Whether A is packed: it lies by columns, whose next number is in another page, or its
    rows fall onto few sets of the first cache; and it is read often enough."""
    (m, n, k), item, (row, step) = call.sizes, ITEM_BYTES[call.dtype], call.strides[0]
    if call.loops or machine().target.vector_bytes < WIDE or item not in (row, step):
        return False
    scattered = step >= FAR_STEP if row == item else row % FEW_SETS == 0
    return scattered and n >= OFTEN and m * k * item <= MOST_PACKED


def _is_far(call: GemmCall) -> bool:
    """Whether what is added to lies beyond the second cache: C as it was; or what the piece
    of the sum before has left there, if rows fall onto few sets."""
    return bool(call.beta != 0 or call.strides[2][0] % FEW_SETS == 0)


def _after_packing(call: GemmCall, step: CallArrangement) -> CallArrangement:
    """The step, with A packed before."""
    (m, _, k), item, words = call.sizes, ITEM_BYTES[call.dtype], list(step.words)
    tiles, rows = words[W.tiles], words[W.few] + (words[W.more] > 0)
    pieces = -(-k // words[W.inner_block])
    blocks = min(-(-PACKING_ITEMS // pieces), tiles)
    words[W.packed_tiles] = -(-tiles // blocks)
    words[W.packed_blocks] = -(-tiles // words[W.packed_tiles])
    words[W.left], words[W.rows] = whole_lines(step.scratch_bytes), m
    if call.strides[0][0] == item:
        vectors = -(-rows // words[W.lanes])
        routine = (W.copying_left, copying_tile(call.dtype, vectors))
    else:
        routine = (W.transposing_left, transposing_tile(call.dtype, exact=True))
    total = pieces * words[W.packed_blocks]
    return replace(
        step,
        code=pack_left,
        words=tuple(words),
        total=total,
        grain=max(int(total * SHARED_NS / (m * k * PACKING_NS)), 1),
        routines=(*step.routines, routine),
        scratch_bytes=words[W.left] + m * k * item,
        after=((multiply_tiles, step.total),),
    )


def _cut(call: GemmCall, inner_block: int) -> tuple[int, int, int]:
    """Columns of a block, how many blocks of columns there are, and how many of rows.

    Columns are cut first: a block packs only its own, but each block of rows packs B anew.
    Rows are cut where A would not stay in the cache, or columns are too few for threads.
    """
    (m, n, k), item = call.sizes, ITEM_BYTES[call.dtype]
    strip = tile_vectors(call) * lanes(call.dtype, machine().target)
    products = call.loops[0][0] if call.loops else 1
    items = max(min(-(-ITEMS // max(products, 1)), m * n * k // ITEM_WORK), 1)
    row_blocks = -(-m * inner_block * item // ROWS_BYTES)
    strips = -(-n // strip)
    blocks = max(min(strips, -(-items // row_blocks)), 1)
    column_block = -(-strips // blocks) * strip
    blocks = -(-n // column_block)
    return column_block, blocks, max(row_blocks, items // blocks)
