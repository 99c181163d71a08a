"""How often a block is written, and which lanes it is told to do."""

from __future__ import annotations

import pytest

from symnet.kernels.llvm.blocks import Block
from symnet.kernels.llvm.function_writer import FunctionWriter
from symnet.kernels.llvm.lane_loops import lane_loops
from symnet.kernels.llvm.loop_nest import Nest
from symnet.kernels.llvm.target import cpu_target
from symnet.kernels.llvm.text import Module
from symnet.kernels.loopir.scalars import Kernel, Output, load
from symnet.kernels.variants import Variant
from tests.kernels.kernel_reference import operand
from tests.kernels.llvm.written_functions import call

SSE = cpu_target("x86_64-unknown-linux-gnu", "x86-64", {})


def block_of(writer: FunctionWriter, lanes: str = "kept") -> Block:
    full = operand("float32", [1])
    kernel = Kernel(1, (False,), (full,), (Output(full, load(0, "float32")),))
    access = "ff" if lanes == "one" else "cc"
    return Block(Nest(kernel, Variant(((0,),), (), lanes, access), SSE), writer)


@pytest.mark.parametrize(
    ("lanes", "vectors", "written"),
    [
        ("one", 1, [(1, False)]),
        ("kept", 0, [(1, True)]),
        ("kept", 1, [(1, False), (1, True)]),
        ("kept", 4, [(4, False), (1, True)]),
    ],
)
def test_whole_vectors_then_masked_ones(
    lanes: str, vectors: int, written: list[tuple[int, bool]]
) -> None:
    block, found = block_of(FunctionWriter(Module(SSE)), lanes), []

    def write() -> None:
        found.append((block.copies, block.mask is not None))

    lane_loops(block, "0", "%end", vectors, write)
    assert found == written and block.mask is None


@pytest.mark.parametrize("vectors", [0, 1, 2])
@pytest.mark.parametrize("high", [3, 4, 5, 19, 24, 27])
def test_every_lane_is_done_once(vectors: int, high: int) -> None:
    """The sum of the numbers of all lanes from 3 on, by what masks let through."""

    def write(own: FunctionWriter) -> str:
        block = block_of(own)
        slot = own.entry.emit("alloca i64")
        own.entry.line(f"store i64 0, ptr {slot}")

        def add() -> None:
            for copy in range(block.copies):
                here, n = own.here(), block.lanes
                numbers = block.counted(here, block.counters[0], n, copy)
                if block.mask:
                    kind = f"<{n} x i64>"
                    numbers = here.emit(
                        f"select <{n} x i1> {block.mask}, {kind} {numbers}, "
                        f"{kind} zeroinitializer"
                    )
                name = f"llvm.vector.reduce.add.v{n}i64"
                total = here.call(name, "i64", [(f"<{n} x i64>", numbers)])
                before = here.emit(f"load i64, ptr {slot}")
                after = here.emit(f"add i64 {before}, {total}")
                here.line(f"store i64 {after}, ptr {slot}")

        lane_loops(block, "%begin", "%end", vectors, add)
        return own.here().emit(f"load i64, ptr {slot}")

    assert call(write, begin=3, end=high) == sum(range(3, high))
