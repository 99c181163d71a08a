"""The micro-kernels of planes against NumPy, for several processors."""

from __future__ import annotations

import ctypes
import itertools

import llvmlite.binding as llvm
import numpy as np
import pytest

from symnet.kernels.cpu.library.plane_tiles import (
    LaneSums,
    PlaneRows,
    PlaneTile,
    TapSums,
    lane_sums,
    plane_rows,
    plane_tile,
    tap_sums,
)
from symnet.kernels.cpu.library.tiles import lanes
from symnet.kernels.llvm.machine import build, machine
from symnet.kernels.llvm.target import cpu_target
from symnet.kernels.llvm.text import Module

rng = np.random.default_rng(8)
host = machine().target
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def function(address, count):
    return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * count)(address)


def numbers(*shape, dtype):
    return rng.normal(size=shape).astype(dtype)


@DTYPES
@pytest.mark.parametrize(
    "step, spread", [(1, 1), (2, 1), (3, 1), (4, 1), (1, 2), (1, 3), (1, 4)]
)
def test_plane_rows(dtype, step, spread):
    call, width = (
        function(plane_rows(dtype, step, spread).address, 10),
        lanes(dtype, host),
    )
    for left, count, right in itertools.product(
        (0, 1, 19), (0, 1, width, 2 * width + 3), (0, 2, 40)
    ):
        length = left + max((count - 1) * spread + 1, 0) + right
        source = numbers(3, max(count - 1, 0) * step + 1, dtype=dtype)
        target = np.full((6, length), np.nan, dtype)
        memory = np.full(
            target.size + 5 * width, np.nan, dtype
        )  # some more is overwritten
        call(
            memory.ctypes.data, target.strides[0], source.ctypes.data, source.strides[0],
            2, 3, 1, left, count, length,
        )  # fmt: skip
        want = np.zeros_like(target)
        if count:
            end = left + (count - 1) * spread + 1
            want[2:5, left:end:spread] = source[:, ::step]
        np.testing.assert_array_equal(memory[: target.size].reshape(target.shape), want)


@DTYPES
@pytest.mark.parametrize(
    "outputs, lines, vectors", [(1, 1, 1), (1, 4, 2), (3, 2, 1), (5, 1, 4)]
)
def test_plane_tiles(dtype, outputs, lines, vectors):
    for width in {lanes(dtype, host), max(lanes(dtype, host) // 2, 2)}:
        call = function(plane_tile(dtype, outputs, lines, vectors, width).address, 12)
        for columns, rows, fresh in itertools.product(
            (1, width, width * vectors, 2 * width * vectors + 1),
            (lines, 2 * lines, 2 * lines + 1),
            (0, 1),
        ):
            if not fresh and rows % lines:
                continue
            x = numbers(7, 2 * rows, columns + 2 * width * vectors, dtype=dtype)
            w = numbers(outputs, 9, dtype=dtype)
            y = numbers(outputs, rows, columns + 1, dtype=dtype)
            places = np.array(
                [(k * x.strides[0], (k + 2) * w.itemsize) for k in (0, 3, 6)], np.int64
            )
            product = np.einsum(
                "ok,krc->orc", w[:, [2, 5, 8]], x[[0, 3, 6], ::2, :columns]
            )
            want = y.copy()
            want[..., :columns] = product + (0 if fresh else y[..., :columns])
            call(
                y.ctypes.data, y.strides[0], y.strides[1], w.ctypes.data, w.strides[0],
                places.ctypes.data, 3, x.ctypes.data, 2 * x.strides[1], rows, columns, fresh,
            )  # fmt: skip
            np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-5)


@DTYPES
@pytest.mark.parametrize("taps", [1, 9, 12])
def test_tap_sums(dtype, taps):
    for width in {lanes(dtype, host), max(lanes(dtype, host) // 2, 2)}:
        call = function(tap_sums(dtype, taps, width).address, 8)
        add = function(lane_sums(dtype, width).address, 3)
        for columns, rows in itertools.product(
            (1, width - 1, width, 2 * width + 1), (0, 1, 3)
        ):
            x, w = (
                numbers(taps, 3, columns + 1, dtype=dtype),
                numbers(3, columns + 2, dtype=dtype),
            )
            x[..., columns:] = w[..., columns:] = np.nan  # not to be looked at
            places = np.arange(taps, dtype=np.int64)[::-1] * x.strides[0]
            sums = numbers(taps, width, dtype=dtype)
            want = sums.sum(1) + np.einsum(
                "rc,trc->t", w[:rows, :columns], x[::-1, :rows, :columns]
            )
            call(
                sums.ctypes.data, w.ctypes.data, w.strides[0], places.ctypes.data,
                x.ctypes.data, x.strides[1], rows, columns,
            )  # fmt: skip
            got = np.empty(taps, dtype)
            add(got.ctypes.data, sums.ctypes.data, taps)
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("features", [None, {}, {"avx2": True, "fma": True}])
@DTYPES
def test_other_processors(features, dtype):
    """The text is sound for them too.  features: None for an ARM."""
    target = cpu_target("x86_64-unknown-linux-gnu", "x86-64", features or {})
    if features is None:
        target = cpu_target("aarch64-unknown-linux-gnu", "generic", {})
        try:
            llvm.initialize_all_targets()
            llvm.initialize_all_asmprinters()
            llvm.Target.from_triple(target.triple)
        except RuntimeError:
            pytest.skip("this LLVM knows only its own processor")
    for writer, *shape in (
        (PlaneRows, 3, 1), (PlaneRows, 1, 2), (PlaneTile, 2, 2, 2, 0), (TapSums, 9, 0),
        (LaneSums,),
    ):  # fmt: skip
        module = Module(target)
        writer(module, dtype, *shape).write("planes")
        assert build(target).compile(module.text())
