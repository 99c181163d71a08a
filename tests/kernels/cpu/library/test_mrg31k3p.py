"""The native step, against the recurrences in Python's integers."""

from __future__ import annotations

import ctypes
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest

from symnet.kernels.cpu.library.mrg31k3p import M1, M2, NORMS, emit_mrg, mrg_step
from symnet.kernels.llvm.machine import build, machine
from symnet.kernels.llvm.target import cpu_target

FUNCTION = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64
)
LANES = machine().target.vector_bytes // 4


def step(state: list[int]) -> tuple[list[int], int]:
    x1, x2, x3, y1, y2, y3 = state
    x = (2**22 * x2 + (2**7 + 1) * x3) % M1
    y = (2**15 * y1 + (2**15 + 1) * y3) % M2
    return [x, x1, x2, y, y1, y2], (x - y) % M1 or M1


def expected(states: Any, count: int, dtype: str) -> tuple[Any, Any]:
    """Sample k comes from stream k % streams."""
    rows = [[int(n) for n in row] for row in states]
    draws = np.zeros(count, np.int64)
    for k in range(count):
        stream = k % len(rows)
        rows[stream], draws[k] = step(rows[stream])
    if dtype == "float16":
        draws = (draws & 0x7FFF) + 1
    wide = "float64" if dtype == "float64" else "float32"
    samples = (draws.astype(wide) * np.array(NORMS[dtype], wide)).astype(dtype)
    return np.array(rows), samples


@pytest.mark.parametrize("dtype", NORMS)
@pytest.mark.parametrize("streams", [1, LANES - 1, LANES, 3 * LANES + 2])
@pytest.mark.parametrize("rounds", [0, 0.5, 1, 3.3])
def test_samples_and_states(dtype: str, streams: int, rounds: float) -> None:
    """Fewer samples than streams, as many, more; the last ones of some lanes only."""
    rng, count = np.random.default_rng(streams), int(streams * rounds)
    states = rng.integers(1, M2, (streams, 6)).astype("int32")
    want_states, want = expected(states, count, dtype)
    samples = np.full(count + 3, 9, dtype)
    found = mrg_step(dtype, streams, count)
    words = np.array(found.words, np.int64)
    words[found.pointer_slots[0]] = states.ctypes.data
    words[found.pointer_slots[1]] = samples.ctypes.data
    for item in reversed(range(found.total)):  # in any order
        assert FUNCTION(found.address)(words.ctypes.data, item, item + 1) == 0
    np.testing.assert_array_equal(states, want_states)
    np.testing.assert_array_equal(samples[:count], want)
    assert (samples[count:] == 9).all()


@pytest.mark.parametrize("dtype", NORMS)
@pytest.mark.parametrize(
    "triple", ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"]
)
def test_other_processors_get_code(triple: str, dtype: str) -> None:
    target = cpu_target(triple, "x86-64" if "x86" in triple else "generic", {})
    try:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        llvm.Target.from_triple(triple)
    except RuntimeError:
        pytest.skip("this LLVM knows only its own processor")
    assert build(target).compile(emit_mrg(dtype, target))
