"""Draws of MRG31k3p by kernels, beside its recurrences in Python's integers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import symnet.tensor as T
from symnet.config import config
from symnet.kernels.cuda import launched
from symnet.kernels.cuda.cupy_driver import ptx_of
from symnet.kernels.cuda.gemm_work import KernelStep, Work
from symnet.kernels.cuda.mrg_work import MOST_STEPS, work_of_draw
from symnet.kernels.devices import EMULATED
from symnet.kernels.library import DenseCall
from symnet.kernels.llvm.target import nvptx_target
from symnet.kernels.routines import M1, M2, NORMS, MrgUniform
from symnet.sandbox.rng_mrg import MRG_RandomStreams
from tests.kernels.cuda.test_products import there
from tests.kernels.programs import on

STATES = "int32"


def draw_of(streams: int, size: int, dtype: str = "float64") -> DenseCall:
    state = (STATES, (streams, 6))
    operands = (state, state, (dtype, (size,)))
    return DenseCall(MrgUniform(dtype), operands, 2, (), lambda arrays: [])


def wanted_of(states: Any, size: int) -> tuple[list[list[int]], list[int]]:
    """The states after so many numbers, and these as integers."""
    now = [[int(n) for n in row] for row in states]
    found = []
    for k in range(size):
        x1, x2, x3, y1, y2, y3 = now[k % len(now)]
        x = (2**22 * x2 + 129 * x3) % M1
        y = (2**15 * y1 + (2**15 + 1) * y3) % M2
        now[k % len(now)] = [x, x1, x2, y, y1, y2]
        found.append(x - y if x > y else x - y + M1)
    return now, found


def drawn(draw: DenseCall, states: Any, in_place: bool) -> tuple[Any, Any, Work]:
    driver, (dtype, shape) = EMULATED.driver, draw.operands[-1]
    before = there(states, driver)
    after = before if in_place else there(np.zeros_like(states), driver)
    sample = there(np.zeros(shape, dtype), driver)
    work = work_of_draw(draw)
    kernels = [one for one in work.steps if isinstance(one, KernelStep)]
    assert len(kernels) == len(work.steps) and not work.fixed
    needed = [(one.kernel, one.arrangement.variant) for one in kernels]
    codes = dict(zip(needed, driver.compile(needed)))
    scratch = driver.allocate(work.scratch_bytes)
    pointers = [before[1], after[1], sample[1]]
    launches, _ = launched.launches_of(driver, codes, work, pointers, 0, scratch)
    for launch in launches:
        launched.begin(driver, launch)
    return after[2].copy(), sample[2].copy(), work


def states_of(streams: int) -> Any:
    """Also the largest numbers that there may be."""
    random = np.random.default_rng(1)
    limits = np.array([M1] * 3 + [M2] * 3)
    states = random.integers(1, limits, (streams, 6))
    states[:1] = limits - 1
    return states.astype(STATES)


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("streams", [1, 5, 300])
@pytest.mark.parametrize("steps", [0, 1, MOST_STEPS, MOST_STEPS + 1, 3 * MOST_STEPS])
@pytest.mark.parametrize("rest", [0, 1, 4])
def test_states_and_numbers(
    rest: int, steps: int, streams: int, in_place: bool, monkeypatch: Any
) -> None:
    """In any order of threads; where states are moved on where they lie, too."""
    size, states = steps * streams + min(rest, streams - 1), states_of(streams)
    after, numbers = wanted_of(states, size)
    for backwards in (False, True):
        monkeypatch.setattr(EMULATED.driver, "backwards", backwards)
        found, sample, work = drawn(draw_of(streams, size), states, in_place)
        np.testing.assert_array_equal(found, after)
        np.testing.assert_array_equal(sample, np.array(numbers) * NORMS["float64"])
    assert len(work.steps) == 2 + -(-steps // MOST_STEPS) + (size % streams > 0)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes(dtype: str) -> None:
    states = states_of(7)
    _, numbers = wanted_of(states, 1000)
    _, sample, _ = drawn(draw_of(7, 1000, dtype), states, False)
    if dtype == "float16":
        numbers = [(n & 0x7FFF) + 1 for n in numbers]
    wanted = np.array(numbers, "float64") * NORMS[dtype]
    assert sample.dtype == dtype
    np.testing.assert_allclose(sample, wanted, rtol=2 * np.finfo(dtype).eps)
    assert sample.min() > 0 and sample.max() < 1


def test_without_streams_there_is_nothing() -> None:
    assert work_of_draw(draw_of(0, 0)).steps == ()


def test_draws_are_recorded(gpu: str) -> None:
    with config.change_flags(device=gpu):
        stream = MRG_RandomStreams(3)
        x = T.matrix("x", "float64")
        f = on(gpu, [x], T.tanh(x * stream.uniform((50, 40), dtype="float64")))
    with config.change_flags(device="cpu"):
        native_stream = MRG_RandomStreams(3)
        y = x * native_stream.uniform((50, 40), dtype="float64")
        native = on("cpu", [x], T.tanh(y))
    value = np.random.default_rng(1).normal(size=(50, 40))
    for _ in range(4):
        np.testing.assert_array_equal(f(value), native(value))
    (plan,) = f.engine.native[0].plans.values()
    if not plan.loaded.driver.graphless:
        assert not any(isinstance(p, int) for p, _ in plan.loaded.recorded.pieces)


@pytest.mark.parametrize("architecture", ["sm_75", "sm_90", "sm_120"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_kernels_become_ptx(dtype: str, architecture: str) -> None:
    for step in work_of_draw(draw_of(8, 100, dtype)).steps:
        assert isinstance(step, KernelStep)
        target = nvptx_target(architecture)
        entry, text = ptx_of(step.kernel, step.arrangement.variant, target)
        assert re.search(rf"\.entry {entry}\(", text.decode())
        assert not re.search(r"\bcall\b|\.extern", text.decode())
