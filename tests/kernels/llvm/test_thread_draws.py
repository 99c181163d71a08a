"""Draws by threads, against Python's integers and NumPy; and as PTX."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from symnet.kernels.cuda.driver import GpuLaunch, Grid
from symnet.kernels.cuda.emulated_driver import EmulatedDriver
from symnet.kernels.llvm.ptx import ptx
from symnet.kernels.llvm.target import PTX_OF_ARCHITECTURE, nvptx_target
from symnet.kernels.llvm.thread_draws import emit_draws
from symnet.kernels.llvm.thread_sources import RoutineSource
from symnet.kernels.routines import M2, NORMS, Categorical, MrgUniform
from symnet.ops.random.mrg import PickFromUniform
from tests.kernels.mrg_reference import expected

Draw = MrgUniform | Categorical
DRAWS: list[Draw] = [
    *(MrgUniform(dtype) for dtype in NORMS),
    *(Categorical(counts, narrow) for counts, narrow in [(True, False), (False, True)]),
    Categorical(False, False),
]


@pytest.fixture(params=["forwards", "backwards"])
def driver(request: pytest.FixtureRequest) -> Iterator[EmulatedDriver]:
    made = EmulatedDriver()
    made.backwards = request.param == "backwards"
    return made


def launched(
    driver: EmulatedDriver, draw: Draw, total: int, grid: Grid,
    sizes: Sequence[int], arrays: Sequence[Any],
) -> list[Any]:  # fmt: skip
    """What a launch leaves in copies of arrays that lie 16 bytes into their memory, the
    pointers being moved there by the block.  What is around them stays as it was."""
    held, found = [driver.allocate(a.nbytes + 32) for a in arrays], []
    for memory, array in zip(held, arrays, strict=True):
        memory.bytes[:] = 0x5A
        memory.bytes[16 : 16 + array.nbytes] = array.reshape(-1).view(np.uint8)
    block = driver.allocate(8 * len(arrays))
    driver.write(block, np.array([m.address + 8 for m in held], np.int64))
    words = np.array([*[8] * len(arrays), *sizes], np.int64)
    (code,) = driver.compile([RoutineSource(draw)])
    driver.launch(GpuLaunch(code.functions[0], grid, words, total, 0, block.address))
    for memory, array in zip(held, arrays, strict=True):
        assert (memory.bytes[:16] == 0x5A).all()
        assert (memory.bytes[16 + array.nbytes :] == 0x5A).all()
        inside = memory.bytes[16 : 16 + array.nbytes].copy()
        found.append(inside.view(array.dtype).reshape(array.shape))
    return found


@pytest.mark.parametrize("dtype", NORMS)
@pytest.mark.parametrize("streams", [1, 3, 130])
@pytest.mark.parametrize("rounds", [0, 0.5, 1, 3.3])
@pytest.mark.parametrize("grid", [Grid(1, 1), Grid(2, 128)])
def test_streams(
    driver: EmulatedDriver, dtype: str, streams: int, rounds: float, grid: Grid
) -> None:
    """Fewer samples than streams, as many, more; a thread with all streams, or with one."""
    rng, count = np.random.default_rng(streams), int(streams * rounds)
    states = rng.integers(1, M2, (streams, 6)).astype("int32")
    states[0] = [M2 - 1, 0, 1, M2 - 1, M2 - 2, 0]
    wanted = expected(states, count, dtype)
    given = [states, np.zeros(count, dtype)]
    total = min(streams, count)
    draw = MrgUniform(dtype)
    found = launched(driver, draw, total, grid, (streams, count), given)
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(got, want)


def probabilities(rows: int, classes: int, narrow: bool) -> Any:
    """Rows that sum to one, one of which has a NaN, one only zeros, one a sum below one."""
    chances = np.random.default_rng(4).random((rows, classes)) ** 3
    chances[:, 1:-1:3] = 0
    chances /= chances.sum(1, keepdims=True)
    if rows > 3:
        chances[0, classes // 2], chances[1], chances[2] = np.nan, 0, chances[2] / 4
    return chances.astype("float32").astype("float64") if narrow else chances


@pytest.mark.parametrize("draw", DRAWS[len(NORMS) :], ids=repr)
@pytest.mark.parametrize("rows", [1, 200])
@pytest.mark.parametrize("classes, draws", [(1, 1), (5, 3), (7, 7)])
def test_classes(
    driver: EmulatedDriver, draw: Categorical, rows: int, classes: int, draws: int
) -> None:
    chances = probabilities(rows, classes, draw.narrow)
    uniform = np.random.default_rng(5).random(rows * draws)
    wanted = PickFromUniform(draw.counts, draw.narrow).compute(
        None,  # type: ignore[arg-type]
        [chances, uniform, np.int64(draws)],
        np,
    )
    shape = (rows, classes) if draw.counts else (rows, draws)
    given = [chances, uniform, np.full(shape, 77)]
    if not draw.counts:
        given.append(np.full(chances.shape, 0.5))
    for grid in (Grid(1, 1), Grid(2, 128)):
        found = launched(driver, draw, rows, grid, (rows, classes, draws), given)
        for got, want in zip(found[2:], wanted, strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("architecture", PTX_OF_ARCHITECTURE)
@pytest.mark.parametrize("draw", DRAWS, ids=repr)
def test_all_become_ptx(draw: Draw, architecture: str) -> None:
    """That asks for no function, and rounds each operation by itself."""
    target = nvptx_target(architecture)
    text = ptx(emit_draws(draw, target, "draw"), target)
    assert re.search(r"\.entry draw\(", text)
    assert f".target {architecture}" in text
    assert not re.search(r"\bcall\b|\.extern|\bfma\b|\.local|\bapprox\b", text)


def test_a_thread_takes_neighbours_of_other_threads() -> None:
    """Numbers are written side by side by neighbouring threads: sample k by thread k."""
    target = nvptx_target("sm_90")
    text = ptx(emit_draws(MrgUniform("float32"), target, "draw"), target)
    assert len(re.findall(r"ld\.global\.b32", text)) == 6  # a state, once
    assert len(re.findall(r"st\.global\.b32", text)) == 7  # and a number
