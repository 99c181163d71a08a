"""Addresses, positions and masks at a block of lanes, computed and compared with NumPy's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from symnet.kernels.llvm.blocks import Block
from symnet.kernels.llvm.function_writer import FunctionWriter
from symnet.kernels.llvm.loop_nest import BLOCK, ITEM, LOOP, Nest
from symnet.kernels.llvm.machine import machine
from symnet.kernels.loopir.scalars import Kernel, Output, load, reduction
from symnet.kernels.variants import Variant
from tests.kernels.kernel_reference import operand
from tests.kernels.llvm.written_functions import call, writer

F = "float32"
PLACES = {"i": 3, "j": 5}


def matrix_kernel() -> Kernel:
    """out[i, j] = x[i, j] + y[j]"""
    inputs = (operand(F, [1, 1]), operand(F, [0, 1]))
    out = Output(operand(F, [1, 1]), load(0, F) + load(1, F))
    return Kernel(2, (False, False), inputs, (out,))


def block_of(kernel: Kernel, variant: Variant, writer: FunctionWriter) -> Block:
    block = Block(Nest(kernel, variant, machine().target), writer)
    for rank in (ITEM, BLOCK, LOOP):
        block.open(rank)
    return block


def number(own: FunctionWriter, address: str) -> str:
    return own.here().emit(f"ptrtoint ptr {address} to i64")


@pytest.mark.parametrize("access", ["ccc", "csc", "scs"])
@pytest.mark.parametrize("name", ["x", "y", "out"])
def test_addresses(name: str, access: str) -> None:
    bases = {"x": 1000, "y": 5000, "out": 9000}
    rows = {"x": 400, "y": 0, "out": 800}
    which = list(bases).index(name)
    step = 4 if access[which] == "c" else 12
    words = [10, 20]  # sizes, then for each operand its pointer and strides
    for key in bases:
        words += [bases[key], rows[key], step]
    variant = Variant(((0,), (1,)), (), "kept", access)

    def write(own: FunctionWriter) -> str:
        block = block_of(matrix_kernel(), variant, own)
        block.counters = {0: "3", 1: "5"}
        block.copies = 3
        return number(own, block.copy_pointer(own.here(), which, 2))

    lane = PLACES["j"] + 2 * machine().target.vector_bytes // 4
    assert call(write, words) == bases[name] + PLACES["i"] * rows[name] + lane * step


def test_an_operand_that_does_not_move_stays() -> None:
    def write(own: FunctionWriter) -> str:
        block = block_of(matrix_kernel(), Variant(((0,), (1,)), (), "kept", "cfc"), own)
        block.counters = {0: "3", 1: "5"}
        return number(own, block.copy_pointer(own.here(), 1, 2))

    assert call(write, [10, 20, 0, 0, 0, 7000, 0, 0]) == 7000


def test_an_address_is_computed_once_where_it_changes() -> None:
    own = writer()
    block = block_of(matrix_kernel(), Variant(((0,), (1,)), (), "kept", "ccc"), own)
    block.counters = {0: "%i", 1: "%j"}
    assert block.pointer(0) == block.pointer(0)
    assert [len(block.chain[rank].lines) for rank in (ITEM, BLOCK)] == [2, 1]
    block.open(BLOCK)
    assert block.pointer(0) and len(block.chain[ITEM].lines) == 2


@pytest.mark.parametrize("left", [1, 2, 3, 100])
def test_a_mask_lets_through_what_is_left(left: int) -> None:
    def write(own: FunctionWriter) -> str:
        block = block_of(matrix_kernel(), Variant(((0,), (1,)), (), "kept", "ccc"), own)
        block.set_mask(BLOCK, "10", own.word(0))
        here = own.here()
        lanes = block.lanes
        bits = here.emit(f"bitcast <{lanes} x i1> {block.mask} to i{lanes}")
        return here.emit(f"zext i{lanes} {bits} to i64")

    lanes = machine().target.vector_bytes // 4
    assert call(write, [10 + left]) == 2 ** min(left, lanes) - 1


def lane(own: FunctionWriter, vector: str, place: int, lanes: int) -> str:
    return own.here().emit(f"extractelement <{lanes} x i64> {vector}, i64 {place}")


@pytest.mark.parametrize("place", [0, 1, 3])
def test_counters_and_offsets_of_lanes(place: int) -> None:
    def write(own: FunctionWriter, what: Callable[[Block], str]) -> str:
        block = block_of(matrix_kernel(), Variant(((0,), (1,)), (), "kept", "sss"), own)
        return lane(own, what(block), place, block.lanes)

    lanes = machine().target.vector_bytes // 4
    counted = call(
        lambda own: write(own, lambda b: b.counted(own.here(), "7", b.lanes, 2))
    )
    assert counted == 7 + 2 * lanes + place
    offset = call(lambda own: write(own, lambda b: b.lane_offsets(0)), [0, 0, 0, 0, 12])
    assert offset == 12 * place


def test_the_place_among_the_reduced() -> None:
    value = reduction("argmax", load(0, F), "int64")
    out = Output(operand("int64", [1, 0, 0]), value)
    kernel = Kernel(3, (False, True, True), (operand(F, [1, 1, 1]),), (out,))
    variant = Variant(((0,),), ((1,), (2,)), "reduced", "cf")

    def write(own: FunctionWriter) -> str:
        block = block_of(kernel, variant, own)
        block.counters = {0: "1", 1: "4", 2: "6"}
        return block.position(own.here())

    assert call(write, [3, 10, 20]) == np.ravel_multi_index((4, 6), (10, 20))


@pytest.mark.parametrize("lanes", ["parts", "kept"])
def test_words_behind_the_operands(lanes: str) -> None:
    """Indexed axes have a size and a stride each; parts two words more."""
    out = Output(operand(F, [0]), reduction("sum", load(0, F), F))
    kernel = Kernel(1, (True,), (operand(F, [1]), operand(F, [0], 2)), (out,))
    own = writer()
    kept = () if lanes == "parts" else ((),)
    block = Block(
        Nest(kernel, Variant(kept, ((0,),), lanes, "cff"), machine().target), own
    )
    dimensions = len(kept) + 1
    first = [block.first_word(k) for k in range(4)]
    assert first == [
        dimensions,
        2 * dimensions + 1,
        3 * dimensions + 6,
        4 * dimensions + 7,
    ]
    assert block.word_count == first[3] + 2 * (lanes == "parts")
