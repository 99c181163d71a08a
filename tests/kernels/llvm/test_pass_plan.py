"""Which passes a kernel takes and how wide they are."""

from __future__ import annotations

import pytest

from symnet.kernels.llvm.loop_nest import Nest
from symnet.kernels.llvm.pass_plan import PassPlan
from symnet.kernels.llvm.target import cpu_target
from symnet.kernels.loopir.scalars import GROUP_NUMBERS
from tests.kernels.sample_kernels import SAMPLES

AVX2_FEATURES = dict.fromkeys(("avx2", "fma", "f16c"), True)
WIDE_FEATURES = dict.fromkeys(("avx512f", "avx512bw", "avx512dq", "avx512vl"), True)
AVX2 = cpu_target("x86_64-unknown-linux-gnu", "haswell", AVX2_FEATURES)
AVX512 = cpu_target(
    "x86_64-unknown-linux-gnu", "skylake-avx512", AVX2_FEATURES | WIDE_FEATURES
)


def plan(name: str, target: object = AVX2) -> PassPlan:
    sample = SAMPLES[name]
    return PassPlan(Nest(sample.kernel, sample.variant, target), target)  # type: ignore[arg-type]


def test_without_reductions_there_is_no_pass() -> None:
    found = plan("gate")
    assert (found.count, found.total, found.store_pass) == (0, 0, -1)
    assert len(found.after) == 1 and not found.inside


def test_softmax_takes_two_passes_and_stores_in_a_third() -> None:
    found = plan("softmax")
    assert (found.count, found.total, found.store_pass) == (2, 3, 2)
    assert found.stores(2) == found.inside == list(SAMPLES["softmax"].kernel.outputs)
    assert found.stores(1) == [] and found.after == []


def test_the_exponentials_of_softmax_are_saved() -> None:
    found = plan("softmax")
    assert found.saved is not None
    done, value = found.saved
    (total,) = found.nest.reductions(1)
    assert done == 1 and value is total.args[0]
    assert [found.restored(k) for k in range(3)] == [None, None, value]
    assert plan("row_sums").saved is None


@pytest.mark.parametrize(
    ("name", "target", "vectors"),
    [
        ("bias", AVX2, 1),  # waits for memory
        ("gate", AVX2, 2),  # two chains hide each other's latency
        ("gate", AVX512, 0),  # long and wide: written once
        ("gathered", AVX2, 0),  # always under a mask
        (
            "uniform",
            AVX2,
            GROUP_NUMBERS // 4,
        ),  # a whole group of random words, made in float64
    ],
)
def test_vectors_side_by_side(name: str, target: object, vectors: int) -> None:
    assert plan(name, target).vectors == vectors


def test_short_sums_have_four_accumulators() -> None:
    assert plan("row_sums").vectors_of(0) == 4
    assert plan("column_sums").vectors_of(0) == 4
