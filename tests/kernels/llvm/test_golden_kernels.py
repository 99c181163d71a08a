"""The text of a dozen kernels for four kinds of processors, as it lies in tests/golden.

A change of the generator shows here line by line; `pytest --update-golden` takes it over.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from symnet.kernels.llvm.emit import emit
from symnet.kernels.llvm.target import Target, cpu_target, nvptx_target
from tests.kernels.sample_kernels import SAMPLES

AVX2 = dict.fromkeys(("avx2", "fma", "f16c"), True)
AVX512 = AVX2 | dict.fromkeys(("avx512f", "avx512bw", "avx512dq", "avx512vl"), True)
TARGETS = {
    "avx2": cpu_target("x86_64-unknown-linux-gnu", "haswell", AVX2),
    "avx512": cpu_target("x86_64-unknown-linux-gnu", "skylake-avx512", AVX512),
    "neon": cpu_target("aarch64-unknown-linux-gnu", "generic", {}),
    "nvptx": nvptx_target("sm_90"),
}


def text_of(name: str, target: Target) -> str:
    sample = SAMPLES[name]
    return emit(sample.kernel, sample.variant, target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", SAMPLES)
def test_text(name: str, target: str, golden: Callable[[str, str], None]) -> None:
    golden(f"kernels/{name}.{target}.txt", text_of(name, TARGETS[target]))
