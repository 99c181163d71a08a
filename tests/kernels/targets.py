"""Processors that code is printed for in tests, whatever machine they run on."""

from __future__ import annotations

from symnet.kernels.llvm.target import cpu_target, nvptx_target

AVX2 = dict.fromkeys(("avx2", "fma", "f16c"), True)
AVX512 = AVX2 | dict.fromkeys(("avx512f", "avx512bw", "avx512dq", "avx512vl"), True)
TARGETS = {
    "avx2": cpu_target("x86_64-unknown-linux-gnu", "haswell", AVX2),
    "avx512": cpu_target("x86_64-unknown-linux-gnu", "skylake-avx512", AVX512),
    "neon": cpu_target("aarch64-unknown-linux-gnu", "generic", {}),
    "nvptx": nvptx_target("sm_90"),
}
