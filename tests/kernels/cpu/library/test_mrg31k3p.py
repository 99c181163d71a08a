"""The native step, against the recurrences in Python's integers."""

from __future__ import annotations

import ctypes

import llvmlite.binding as llvm
import numpy as np
import pytest

from symnet.kernels.cpu.library.mrg31k3p import emit_mrg, mrg_step
from symnet.kernels.llvm.machine import build, machine
from symnet.kernels.llvm.target import cpu_target
from symnet.kernels.routines import M2, NORMS
from tests.kernels.mrg_reference import expected

FUNCTION = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64
)
LANES = machine().target.vector_bytes // 4


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
