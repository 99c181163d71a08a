"""Code for threads, run one after another on the CPU, beside the code for vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symnet.kernels.cpu.runtime.run_kernel import run_kernel
from symnet.kernels.llvm.emit import emit
from symnet.kernels.llvm.machine import machine
from symnet.kernels.llvm.target import nvptx_target, threads_on
from symnet.kernels.llvm.text import Module
from symnet.kernels.llvm.thread_items import MOST_WORDS, thread_head
from symnet.kernels.loopir.scalars import (
    Kernel,
    Output,
    call,
    cast,
    gather,
    load,
    reduction,
)
from symnet.kernels.variants import Variant
from tests.kernels.kernel_reference import expected, operand
from tests.kernels.llvm.thread_reference import run_threads
from tests.kernels.sample_kernels import SAMPLES

ELEMENTWISE = [name for name, sample in SAMPLES.items() if not sample.reduces]


def outputs_of(name: str, run: Any, **how: Any) -> list[Any]:
    sample = SAMPLES[name]
    arrays = sample.arrays()
    run(sample.kernel, sample.sizes, arrays, **how)
    return arrays[len(sample.kernel.inputs) :]


@pytest.mark.parametrize("threads", [1, 7, 4096])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_threads_compute_what_lanes_do(name: str, threads: int) -> None:
    """To the last bit."""
    got = outputs_of(name, run_threads, threads=threads)
    for mine, lanes in zip(got, outputs_of(name, run_kernel), strict=True):
        np.testing.assert_array_equal(
            mine.view(f"u{mine.itemsize}"), lanes.view(f"u{lanes.itemsize}")
        )


@pytest.mark.parametrize("name", [name for name in SAMPLES if name not in ELEMENTWISE])
def test_reductions_are_right_and_the_same_for_any_number_of_threads(name: str) -> None:
    sample = SAMPLES[name]
    got = outputs_of(name, run_threads, threads=1)
    for mine, want in zip(got, expected(sample.kernel, sample.sizes, sample.arrays())):
        np.testing.assert_allclose(mine, want, rtol=1e-5, atol=1e-5)
    for mine, other in zip(got, outputs_of(name, run_threads, threads=300)):
        np.testing.assert_array_equal(mine, other)


def test_parts_are_shared_among_threads() -> None:
    sample = SAMPLES["whole_sum"]
    schedule = run_threads(sample.kernel, sample.sizes, sample.arrays())
    assert schedule.variant.lanes == "parts" and schedule.total == -(-300_000 // 1024)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8"])
@pytest.mark.parametrize("kind", ["sum", "max", "argmax"])
def test_a_reduction_with_no_axis_kept(kind: str, dtype: str) -> None:
    """Two passes: not in parts, so one thread makes it."""
    x = np.arange(-20, 20).astype(dtype)
    least = reduction("min", load(0, dtype), dtype)
    kinds = {"argmax": "int64", "sum": dtype, "max": dtype}
    value = reduction(kind, load(0, dtype) - least, kinds[kind])
    out = Output(operand(kinds[kind], [0]), value)
    got = np.zeros((), kinds[kind])
    run_threads(Kernel(1, (True,), (operand(dtype, [1]),), (out,)), (40,), [x, got])
    want = getattr(x - x.min(), kind)()
    assert got == (want.astype(dtype) if kind == "sum" else want)


def test_no_points_are_no_work() -> None:
    sample = SAMPLES["bias"]
    x, b = np.zeros((0, 37), "float32"), np.ones(37, "float32")
    run_threads(sample.kernel, (0, 37), [x, b, np.zeros((0, 37), "float32")])


@pytest.mark.parametrize("bad", [12, -13, 2**40])
def test_a_position_outside_is_told(bad: int) -> None:
    value = gather(1, [load(0, "int64")], "float32")
    inputs = (operand("int64", [1]), operand("float32", [0], 1))
    kernel = Kernel(1, (False,), inputs, (Output(operand("float32", [1]), value),))
    where = np.zeros(37, "int64")
    arrays = [where, np.ones(12, "float32"), np.zeros(37, "float32")]
    run_threads(kernel, (37,), arrays)
    assert arrays[2].all()
    where[20] = bad
    with pytest.raises(IndexError):
        run_threads(kernel, (37,), arrays)


def test_what_has_no_code_for_a_gpu_says_so() -> None:
    full = operand("float32", [1])
    value = call("j0", load(0, "float32"))
    kernel = Kernel(1, (False,), (full,), (Output(full, value),))
    variant = Variant(((0,),), (), "kept", "cc")
    for target in (nvptx_target("sm_90"), threads_on(machine().target)):
        with pytest.raises(NotImplementedError, match="j0"):
            emit(kernel, variant, target)
    with pytest.raises(NotImplementedError, match="too many"):
        thread_head(Module(nvptx_target("sm_90")), "kernel", MOST_WORDS + 1)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_remainders_of_quotients_of_any_size(dtype: str) -> None:
    """There is no C library to ask."""
    limits, rng = np.finfo(dtype), np.random.default_rng(0)
    special = [0.0, -0.0, 1.0, -3.0, np.inf, -np.inf, np.nan, limits.max, limits.tiny]
    special += [limits.smallest_subnormal, 3 * float(limits.smallest_subnormal), 0.1]
    x, y = (a.ravel() for a in np.meshgrid(special, special))
    spread = 10.0 ** rng.uniform(limits.minexp / 4, limits.maxexp / 4, (2, 400))
    x = np.concatenate([x, spread[0] * rng.choice([-1, 1], 400)]).astype(dtype)
    y = np.concatenate([y, spread[1] * rng.choice([-1, 1], 400)]).astype(dtype)
    full, a, b = operand(dtype, [1]), load(0, dtype), load(1, dtype)
    outs = tuple(Output(full, call(name, a, b)) for name in ("mod", "floordiv"))
    kernel = Kernel(1, (False,), (full, full), outs)
    got, want = (np.zeros((2, len(x)), dtype) for _ in range(2))
    run_threads(kernel, x.shape, [x, y, *got])
    run_kernel(kernel, x.shape, [x, y, *want])
    np.testing.assert_array_equal(got, want)
    signs = (np.signbit(a) & ~np.isnan(a) for a in (got, want))
    np.testing.assert_array_equal(*signs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("whole", ["int32", "int64"])
def test_what_does_not_fit_an_integer_is_the_least_one(dtype: str, whole: str) -> None:
    """A GPU's own conversion gives the nearest one, or 0; its code gives what x86 does."""
    least = np.iinfo(whole).min
    x = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, -7.9, 300, -0.0, least], dtype)
    full = operand(dtype, [1])
    value = cast(load(0, dtype), whole)
    kernel = Kernel(1, (False,), (full,), (Output(operand(whole, [1]), value),))
    got = np.zeros(len(x), whole)
    run_threads(kernel, x.shape, [x, got])
    assert got.tolist() == [least] * 5 + [-7, 300, 0, least]
    text: Any = emit(kernel, Variant(((0,),), (), "kept", "cc"), nvptx_target("sm_90"))
    assert f"{least}" in text and "fcmp olt" in text
