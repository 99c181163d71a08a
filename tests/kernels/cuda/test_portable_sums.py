"""`config.portable_sums`: the same bits of all that is reduced, on the CPU with vectors of any
width and any number of threads, and on GPUs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.config import config
from symnet.kernels.cpu.runtime.run_kernel import FUNCTION
from symnet.kernels.llvm.emit import emit
from symnet.kernels.llvm.machine import machine
from symnet.kernels.llvm.object_code import load_objects
from symnet.kernels.loopir.scalars import Kernel, Output, call, load, reduction
from symnet.kernels.schedule import Schedule, arrange
from tests.kernels.kernel_reference import operand
from tests.kernels.llvm.thread_reference import run_threads
from tests.kernels.programs import on

DTYPES = ["float16", "float32", "float64"]
SHAPES = [
    (5, 7), (4, 33), (2, 1500), (300, 20), (40, 1), (0, 4), (4, 0)
]  # fmt: skip


def reductions(x: Any, y: Any, axis: int | None, empty: bool) -> list[Any]:
    """Of one axis, or of both."""
    found = [
        x.sum(axis), x.mean(axis), T.prod(x, axis), (x * y).sum(axis),
        (x / (1 + abs(y))).sum(axis), T.any(x > 1, axis), T.exp(x).sum(axis),
    ]  # fmt: skip
    if not empty:
        found += [
            x.max(axis), x.std(axis), T.argmin(x, axis), T.tanh(x * y + 1).sum(axis),
            abs(y).min(axis) * x.sum(axis) + 1,
            ((x[:, 0] * y[:, 0]).dimshuffle(0, "x") + x / x[0]).sum(axis),
        ]  # fmt: skip
    return found


def outputs_of(x: Any, y: Any, shape: tuple[int, ...]) -> list[Any]:
    found = [one for axis in (0, 1, None) for one in reductions(x, y, axis, 0 in shape)]
    return [
        *found, T.nnet.softmax(x), (x - x.mean(0)) / (x.std(0) + 1), x[:, ::2].sum(1),
        x[::2].sum(), x.T.sum(1), x[::-1, ::-1].sum(1), T.nnet.softmax(x.T),
        (x * x.sum(1, keepdims=True) + y).sum(),
    ]  # fmt: skip


def same(found: Any, wanted: Any) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        number = one == one
        np.testing.assert_array_equal(number, other == other)
        assert one[number].tobytes() == other[number].tobytes()


def on_both(inputs: list[Any], outputs: list[Any], values: list[Any], gpu: str) -> Any:
    """What the CPU finds with the flag, after the same from a GPU has been compared."""
    with config.change_flags(portable_sums="on"):
        found, wanted = (on(d, inputs, outputs)(*values) for d in ("cpu", gpu))
    same(found, wanted)
    return found


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_matrices(gpu: str, dtype: str, shape: tuple[int, ...]) -> None:
    x, y = T.matrix("x", dtype), T.matrix("y", dtype)
    random = np.random.default_rng(0)
    values = [random.normal(size=shape).astype(dtype) for _ in range(2)]
    if shape[-1] > 2 and shape[0]:
        values[0][0, :3] = [np.inf, -0.0, 0.0]
        values[1][-1, -1] = np.nan
    with np.errstate(all="ignore"):
        found = on_both([x, y], outputs_of(x, y, shape), values, gpu)
        wanted = values[0].astype("float64").sum(0)
    tolerance = {"float16": 2e-3, "float32": 1e-6, "float64": 1e-14}[dtype]
    np.testing.assert_allclose(found[0], wanted, rtol=tolerance, atol=20 * tolerance)


@pytest.mark.parametrize("axes", [(0, 2), (1, 2), (0, 1), (2,), (1,), (0, 1, 2)])
def test_several_axes(gpu: str, axes: tuple[int, ...]) -> None:
    x = T.tensor3("x", "float32")
    value = np.random.default_rng(1).normal(size=(6, 41, 37)).astype("float32")
    sums = [(x**2).sum(axes), x[:, ::-1, 1:].sum(axes), x.dimshuffle(2, 0, 1).sum(axes)]
    found = on_both([x], sums, [value], gpu)
    wanted = (value.astype("float64") ** 2).sum(axes)
    np.testing.assert_allclose(found[0], wanted, rtol=1e-6)


def test_many_parts_infinities_and_zeros(gpu: str) -> None:
    x = T.vector("x", "float32")
    outputs = [x.sum(), x.max(), T.argmax(x), (x > 3).sum(), T.exp(-abs(x)).mean()]
    value = np.random.default_rng(2).normal(size=1_300_000).astype("float32")
    found = on_both([x], outputs, [value], gpu)
    assert abs(found[0] - value.astype("float64").sum()) < 1e-3
    assert (found[1], found[2]) == (value.max(), value.argmax())
    zeros = np.where(np.arange(200_000) % 3, -0.0, 0.0).astype("float32")
    on_both([x], outputs, [zeros], gpu)
    value[70_000] = np.inf
    assert on_both([x], outputs, [value], gpu)[0] == np.inf


@pytest.mark.parametrize("dtype", DTYPES)
def test_few_long_rows(gpu: str, dtype: str) -> None:
    """Each is cut into parts, at marks that follow from sizes alone."""
    x, b = T.tensor3("x", dtype), T.vector("b", dtype)
    value = np.random.default_rng(8).normal(size=(3, 7, 70_001)).astype(dtype)
    bias = np.arange(3).astype(dtype)
    outputs = [
        x.sum(2), T.exp(-abs(x)).mean((1, 2)) * b + b, x.max(2), T.argmin(x, 2),
        (x[:, :, ::-1] ** 2).sum((1, 2)), x[:, 0].sum(1), T.nnet.softmax(x[0]),
    ]  # fmt: skip
    found = on_both([x, b], outputs, [value, bias], gpu)
    exact = value.astype("float64")
    tolerance = {"float16": 3e-3, "float32": 1e-6, "float64": 1e-14}[dtype]
    np.testing.assert_allclose(found[2], value.max(2))
    np.testing.assert_array_equal(found[3], value.argmin(2))
    np.testing.assert_allclose(found[0], exact.sum(2), rtol=0, atol=1e3 * tolerance)
    wanted = np.exp(-abs(exact)).mean((1, 2)) * bias + bias
    np.testing.assert_allclose(found[1], wanted, rtol=tolerance)
    np.testing.assert_allclose(found[5], exact[:, 0].sum(1), atol=1e3 * tolerance)


def test_gathered_and_drawn(gpu: str) -> None:
    """Positions that are computed, and random numbers, within a sum."""
    x, places = T.vector("x"), T.lvector("places")
    value = np.random.default_rng(3).normal(size=500)
    where = np.random.default_rng(3).integers(-500, 500, 9000)
    (found,) = on_both([x, places], [x[places].sum()], [value, where], gpu)
    np.testing.assert_allclose(found, value[where].sum(), rtol=1e-12)
    for device in ("cpu", gpu):
        with config.change_flags(portable_sums="on", device=device):
            f = on(device, [x, places], [x[places].sum()])
            with pytest.raises(IndexError):
                f(value, np.r_[where, 500])
    drawn = []
    for device in ("cpu", gpu):
        with config.change_flags(portable_sums="on", device=device):
            numbers = symnet.random.RandomStream(3).normal((70, 90))
            drawn.append(on(device, [], [numbers.sum(1), numbers.sum()])())
    same(*drawn)


def test_gradients(gpu: str) -> None:
    x, w = T.matrix("x"), T.vector("w")
    cost = T.nnet.softplus((x * w).sum(1)).mean() + (w**2).sum()
    random = np.random.default_rng(4)
    values = [random.normal(size=(60, 50)), random.normal(size=50)]
    on_both([x, w], [cost, *T.grad(cost, [x, w])], values, gpu)


def test_threads_and_what_was_compiled_before() -> None:
    """Neither changes a bit; a slice fits code that was made for it, and not its own."""
    x = T.tensor3("x", "float32")
    value = np.random.default_rng(5).normal(size=(5, 300, 400)).astype("float32")
    found = []
    for threads in (1, 2, 7):
        with config.change_flags(portable_sums="on", num_threads=threads):
            f = symnet.function([x], [x.sum(0), x.sum(2), x.sum(), x.sum((1, 2))])
            found.append([*f(value), *f(value[:, :, :17]), *f(value)])
    for one in found[1:]:
        same(one, found[0])
    same(found[0][8:], found[0][:4])


def test_the_flag_is_needed() -> None:
    """Without it vectors of another width add up in another order."""
    x = T.matrix("x", "float32")
    value = np.random.default_rng(6).normal(size=(50, 999)).astype("float32")
    found = []
    for flag in ("off", "on"):
        with config.change_flags(portable_sums=flag):
            found.append(symnet.function([x], x.sum(1))(value))
    assert (found[0] != found[1]).any()
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-5)


# ---- vectors of any width


def kernels(dtype: str) -> dict[str, Kernel]:
    """Passes over rows, and single values."""
    x, inner = load(0, dtype), operand(dtype, [1, 1])
    most = reduction("max", x, dtype)
    total = reduction("sum", call("exp", x - most), dtype)
    softmax = Output(inner, call("exp", x - most) / total)
    sums = Output(operand(dtype, [1, 0]), reduction("sum", x * x + 1, dtype))
    product = Output(operand(dtype, [1, 0]), reduction("prod", x, dtype))
    place = Output(operand("int64", [1, 0]), reduction("argmax", x, "int64"))
    whole = Output(operand(dtype, [0, 0]), reduction("sum", x, dtype))
    return {
        "softmax": Kernel(2, (False, True), (inner,), (softmax,)),
        "several": Kernel(2, (False, True), (inner,), (sums, product, place)),
        "whole": Kernel(2, (True, True), (inner,), (whole,)),
    }


def run_vectors(kernel: Kernel, width: int, arrays: list[Any]) -> Schedule:
    """Code for vectors of `width` bytes, which LLVM writes as this machine can."""
    operands = (*kernel.inputs, *(out.operand for out in kernel.outputs))
    strides = []
    for one, array in zip(operands, arrays, strict=True):
        walked = iter(array.strides)
        strides.append([next(walked) if moves else 0 for moves in one.axes])
    schedule = arrange(kernel, arrays[0].shape, strides, portable=True)
    target = replace(machine().target, vector_bytes=width)
    text = emit(kernel, schedule.variant, target, "vectors")
    parts = schedule.variant.lanes == "parts"
    names = ["vectors", "vectors_combine"][: 1 + parts]
    library = load_objects([machine().compile(text)], names)
    words = np.array(schedule.words, np.int64)
    for slot, array in zip(schedule.pointer_slots, arrays, strict=True):
        words[slot] = array.ctypes.data
    scratch = np.full(schedule.scratch_bytes, 0xAB, np.uint8)
    if parts:
        words[schedule.scratch_slot] = scratch.ctypes.data
    for address in library.addresses:
        assert FUNCTION(address)(words.ctypes.data, 0, schedule.total) == 0
    return schedule


@pytest.mark.parametrize("spread", [1, 3, 7])
@pytest.mark.parametrize("name", ["softmax", "several", "whole"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_vectors_of_any_width(dtype: str, name: str, spread: int) -> None:
    """Rows whose numbers lie side by side, or apart, and end where memory may end."""
    kernel = kernels(dtype)[name]
    for length in (17, 31, 32, 33, 100, 1024, 1025, 3000):
        memory = np.random.default_rng(length).normal(size=(3, length * spread))
        value = memory.astype(dtype)[:, ::spread]
        if dtype != "float64":
            value[1, length // 2] = np.inf
        found = []
        for width in (0, 16, 32, 64):
            results = [
                np.zeros(value.shape[: sum(out.operand.axes)], out.operand.dtype)
                for out in kernel.outputs
            ]
            if width:
                schedule = run_vectors(kernel, width, [value, *results])
                assert schedule.variant.warps or spread > 1
            else:
                run_threads(kernel, value.shape, [value, *results], threads=3)
            found.append(results)
        for one in found[1:]:
            same(one, found[0])


def test_a_function_keeps_the_order_with_which_it_was_made() -> None:
    """At sizes, too, that it meets later: the GPU's order and the CPU's differ here."""
    row = T.fvector("row")
    usual = symnet.function([row], row.sum())
    with config.change_flags(portable_sums="on"):
        portable = symnet.function([row], row.sum())
    for size in (100_000, 70_000):
        value = np.random.default_rng(1).normal(size=size).astype("float32")
        first = usual(value), portable(value)
        with config.change_flags(portable_sums="on"):
            expected = symnet.function([row], row.sum(), device="emulated")(value)
            assert symnet.function([row], row.sum())(value) == first[1] == expected
            assert usual(value) == first[0]
        assert portable(value) == expected
    with config.change_flags(portable_sums="on"):
        value = np.random.default_rng(2).normal(size=90_000).astype("float32")
        assert usual(value) == summed_as_usual(value)


def summed_as_usual(value: Any) -> Any:
    row = T.fvector("row")
    with config.change_flags(portable_sums="off"):
        return symnet.function([row], row.sum())(value)
