"""What the generator is told of processors."""

from __future__ import annotations

import pytest

from symnet.kernels.llvm import machine
from symnet.kernels.llvm.emit import emit
from symnet.kernels.llvm.target import (
    PTX_OF_ARCHITECTURE,
    cpu_target,
    nvptx_target,
    threads_on,
)
from tests.kernels.sample_kernels import SAMPLES

AVX2 = dict.fromkeys(("avx2", "fma", "f16c"), True)
AVX512 = AVX2 | dict.fromkeys(("avx512f", "avx512bw", "avx512dq", "avx512vl"), True)


@pytest.mark.parametrize(
    ("triple", "features", "expected"),
    [
        ("x86_64-unknown-linux-gnu", {}, (16, 16, False, False)),
        ("x86_64-unknown-linux-gnu", AVX2, (32, 16, True, True)),
        ("x86_64-apple-darwin", AVX512, (64, 32, True, True)),
        (
            "x86_64-unknown-linux-gnu",
            AVX512 | {"avx512vl": False},
            (32, 16, True, True),
        ),
        ("aarch64-unknown-linux-gnu", {"neon": True}, (16, 32, True, True)),
        ("arm64-apple-darwin23.6.0", {"neon": True}, (16, 32, True, True)),
    ],
)
def test_processors_with_vectors(
    triple: str, features: dict[str, bool], expected: tuple[int, int, bool, bool]
) -> None:
    target = cpu_target(triple, "some", features)
    found = (target.vector_bytes, target.registers, target.fused, target.half)
    assert found == expected
    assert target.is_x86 == triple.startswith("x86")
    assert target.is_arm == (not target.is_x86)
    assert ("prefer-vector-width" in target.attributes) == target.is_x86
    assert not target.threads


def test_features_are_written_as_llvm_reads_them() -> None:
    target = cpu_target("x86_64", "some", {"fma": True, "avx2": False})
    assert target.features == "-avx2,+fma"


@pytest.mark.parametrize("architecture", PTX_OF_ARCHITECTURE)
def test_gpus(architecture: str) -> None:
    target = nvptx_target(architecture)
    assert target.threads == "special" and target.cpu == architecture
    assert target.fused and target.half and not target.is_x86


def test_a_gpu_that_is_not_known() -> None:
    with pytest.raises(ValueError, match="sm_20.*known are sm_75"):
        nvptx_target("sm_20")


def test_threads_on_a_processor() -> None:
    host = cpu_target("x86_64-unknown-linux-gnu", "haswell", AVX2)
    told = threads_on(host)
    assert told.threads == "argument" and told.triple == host.triple
    assert told != host and threads_on(told) == told


@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_depends_on_the_machine_that_generates(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The generator asks for no machine: only the module that compiles knows one."""

    def refuse() -> None:
        raise AssertionError("the machine was asked")

    monkeypatch.setattr(machine, "machine", refuse)
    sample = SAMPLES[name]
    neon = cpu_target("aarch64-unknown-linux-gnu", "generic", {})
    assert 'target triple = "aarch64' in emit(sample.kernel, sample.variant, neon)
