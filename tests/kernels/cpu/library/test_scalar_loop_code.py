"""Loops over numbers as code, run on memory of their own and written out in Python."""

from __future__ import annotations

import ctypes
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest

from symnet.kernels.cpu.library.scalar_loop import ScalarCell, ScalarLoop
from symnet.kernels.cpu.library.scalar_loop_code import (
    CELL_WORDS,
    DONE,
    HEAD_WORDS,
    LOOK,
    LOOK_ITERATIONS,
    compile_recurrence,
    emit_recurrence,
)
from symnet.kernels.llvm.machine import build
from symnet.kernels.llvm.target import cpu_target
from symnet.kernels.loopir.scalars import Kernel, Output, Scalar, call, cast, load
from tests.kernels.kernel_reference import operand

FUNCTION = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64
)
WATCH = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)
D = "float64"


def kernel(dtypes: list[str], *values: Scalar) -> Kernel:
    outs = tuple(Output(operand(v.dtype), v) for v in values)
    return Kernel(0, (), tuple(map(operand, dtypes)), outs)


def run(
    loop: ScalarLoop, iterations: int, cells: list[Any], answer: int = 0
) -> tuple[int, int]:
    """What the function returns, and the iterations done; a cell is an array, of which a loop
    walks over the elements, or (array, mask, first) for a ring."""
    done, asked = np.zeros(1, np.int64), []
    look = WATCH(lambda _: asked.append(1) or answer)
    words = np.zeros(HEAD_WORDS + CELL_WORDS * len(cells), np.int64)
    words[0], words[DONE] = iterations, done.ctypes.data
    words[LOOK] = ctypes.cast(look, ctypes.c_void_p).value
    for k, (cell, how) in enumerate(zip(cells, loop.cells, strict=True)):
        array, mask, first = cell if isinstance(cell, tuple) else (cell, 0, 0)
        start = HEAD_WORDS + CELL_WORDS * k
        step = 0 if how.how == "fixed" else array.itemsize
        words[start : start + CELL_WORDS] = array.ctypes.data, step, mask, first
    code = FUNCTION(compile_recurrence(loop).address)(words.ctypes.data, 0, 1)
    return code, int(done[0])


def mean_loop(how: str = "fixed", until: bool = False) -> ScalarLoop:
    """s = s / 2 + x[t]; kept in a cell, or written row by row."""
    value = load(0, D) * 0.5 + load(1, D)
    cells = [ScalarCell(D, how, 0 if how == "fixed" else 2, 1), ScalarCell(D, "walk")]
    operands = [(0, 1, 0)] if how == "fixed" else [(0, 1, 2)]
    if how != "fixed":
        cells.append(ScalarCell(D, how))
    kernels = [kernel([D, D], value)]
    if until:
        kernels.append(kernel([D], value_of(load(0, D))))
        operands.append((operands[0][2], len(cells)))
        cells.append(ScalarCell("bool", "fixed"))
    ends = len(cells) - 1 if until else -1
    return ScalarLoop(tuple(kernels), tuple(operands), tuple(cells), ends)


def value_of(x: Scalar) -> Scalar:
    return call("gt", x, 3.0)


def states(x: Any, start: float) -> list[float]:
    found = [start]
    for number in x:
        found.append(found[-1] * 0.5 + number)
    return found


@pytest.mark.parametrize("iterations", [0, 1, 2, 50])
def test_a_state_in_one_place(iterations: int) -> None:
    x, s = np.random.default_rng(iterations).random(iterations + 1), np.array([7.0])
    assert run(mean_loop(), iterations, [s, x]) == (0, iterations)
    np.testing.assert_allclose(s[0], states(x[:iterations], 7.0)[-1], rtol=1e-15)


@pytest.mark.parametrize("iterations", [1, 2, 50])
def test_a_state_row_by_row(iterations: int) -> None:
    x = np.random.default_rng(iterations).random(iterations)
    rows = np.zeros(iterations + 2)
    rows[0], rows[-1] = 7.0, -1.0
    assert run(mean_loop("walk"), iterations, [rows, x, rows[1:]]) == (0, iterations)
    np.testing.assert_allclose(rows[:-1], states(x, 7.0), rtol=1e-15)
    assert rows[-1] == -1.0


def test_a_ring_of_slots() -> None:
    x, ring = np.arange(11.0), np.zeros(4)
    ring[1] = 7.0
    assert run(mean_loop("ring"), 11, [(ring, 3, 1), x, (ring, 3, 2)]) == (0, 11)
    wanted = states(x, 7.0)
    np.testing.assert_allclose(ring[(1 + 11) % 4], wanted[-1], rtol=1e-15)
    np.testing.assert_allclose(ring[(1 + 8) % 4], wanted[-4], rtol=1e-15)


def test_it_ends_where_the_condition_holds() -> None:
    x, s = np.ones(60) * 1.75, np.array([0.0])
    wanted = states(x, 0.0)
    iterations = next(k for k, state in enumerate(wanted) if state > 3.0)
    code, done = run(mean_loop(until=True), 60, [s, x, np.zeros(1, bool)])
    assert (code, done) == (0, iterations)
    assert s[0] == wanted[iterations]


@pytest.mark.parametrize("dtype", ["bool", "int8", "float16", "float32"])
def test_dtypes_in_memory(dtype: str) -> None:
    value = cast(load(0, dtype), D) + 1.0
    loop = ScalarLoop(
        (kernel([dtype], cast(value, "float32")),),
        ((0, 1),),
        (ScalarCell(dtype, "walk"), ScalarCell("float32", "walk")),
        -1,
    )
    x, out = np.array([0, 1, 1, 0, 1]).astype(dtype), np.zeros(5, "float32")
    assert run(loop, 5, [x, out]) == (0, 5)
    np.testing.assert_array_equal(out, x.astype(float) + 1)


@pytest.mark.parametrize("answer", [0, 5])
def test_it_asks_whether_to_go_on(answer: int) -> None:
    iterations = LOOK_ITERATIONS + 10
    code, done = run(
        mean_loop(), iterations, [np.zeros(1), np.zeros(iterations)], answer
    )
    assert code == answer
    assert done == (0 if answer else iterations)


def test_code_for_other_processors() -> None:
    sse = cpu_target("x86_64-unknown-linux-gnu", "x86-64", {})
    neon = cpu_target("aarch64-unknown-linux-gnu", "generic", {})
    half = ScalarLoop(
        (kernel(["float16"], load(0, "float16")),),
        ((0, 1),),
        (ScalarCell("float16", "walk"), ScalarCell("float16", "walk")),
        -1,
    )
    assert "llvm.fma" not in emit_recurrence(mean_loop(), sse)
    assert "llvm.fma" in emit_recurrence(mean_loop(), neon)
    try:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        llvm.Target.from_triple(neon.triple)
    except RuntimeError:
        pytest.skip("this LLVM knows only its own processor")
    assert build(neon).compile(emit_recurrence(half, neon))
