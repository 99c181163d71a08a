"""Transposed blocks and shifted sums against NumPy."""

from __future__ import annotations

import ctypes
import itertools
from dataclasses import replace

import numpy as np
import pytest

from symnet.kernels.cpu.library.rearranging_tiles import (
    CopyingTile,
    ShiftedSum,
    TransposingTile,
    copying_tile,
    shifted_sum,
    transposing_tile,
)
from symnet.kernels.cpu.library.tiles import lanes
from symnet.kernels.llvm.machine import build, machine
from symnet.kernels.llvm.object_code import load_objects
from symnet.kernels.llvm.target import cpu_target
from symnet.kernels.llvm.text import Module
from tests.kernels.llvm.test_machine import poorer

rng = np.random.default_rng(7)
host = machine().target


def function(address, count):
    return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * count)(address)


def numbers(*shape, dtype):
    return rng.normal(size=shape).astype(dtype)


@pytest.mark.parametrize("processor", ["avx2", "sse"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_transposing_tiles_of_other_processors(dtype, processor):
    """Which have no instruction that picks any numbers of two vectors."""
    if not host.triple.startswith("x86_64") or host.vector_bytes < 32:
        pytest.skip("this machine cannot run code for the other")
    other = poorer(processor)
    module = Module(other.target)
    TransposingTile(module, dtype).write("transposing")
    library = load_objects([other.compile(module.text())], ["transposing"])
    call, width = function(library.addresses[0], 6), lanes(dtype, other.target)
    source = numbers(width, width + 2, dtype=dtype)
    for rows, columns in itertools.product(range(1, width + 2), repeat=2):
        target = np.full((width + 1, width + 1), np.nan, dtype)
        call(
            target.ctypes.data, target.strides[0], source.ctypes.data,
            source.strides[0], rows, columns,
        )  # fmt: skip
        block = source[: min(rows, width), : min(columns, width)]
        want = np.full_like(target, np.nan)
        want[: block.shape[1], :width] = 0
        want[: block.shape[1], : block.shape[0]] = block.T
        np.testing.assert_array_equal(target, want)


def check_copying(call, dtype, width, vectors):
    most = width * vectors
    source = numbers(5, most + 3, dtype=dtype)
    for wide, rows in itertools.product(sorted({1, most - 1, most}), (0, 1, 5)):
        for count in sorted({1, wide - 1, wide} - {0}):
            target = np.full((rows + 1, wide), np.nan, dtype)
            call(
                target.ctypes.data, source.ctypes.data, source.strides[0], rows, wide,
                count,
            )  # fmt: skip
            want = np.zeros_like(target)
            want[:rows, :count] = source[:rows, :count]
            want[rows] = np.nan
            np.testing.assert_array_equal(target, want)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("vectors", [1, 2])
def test_copying_tiles(dtype, vectors):
    call = function(copying_tile(dtype, vectors).address, 6)
    check_copying(call, dtype, lanes(dtype, host), vectors)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("exact", [False, True])
def test_transposing_tiles(dtype, exact):
    """Behind the rows they write 0, or nothing."""
    call = function(transposing_tile(dtype, exact).address, 6)
    width = lanes(dtype, host)
    source = numbers(width, width + 2, dtype=dtype)
    for rows, columns in itertools.product(sorted({1, width - 1, width}), repeat=2):
        target = np.full((width, width + 1), np.nan, dtype)
        call(
            target.ctypes.data, target.strides[0], source.ctypes.data,
            source.strides[0], rows, columns,
        )  # fmt: skip
        want = np.full_like(target, np.nan)
        if not exact:
            want[:columns, :width] = 0
        want[:columns, :rows] = source[:rows, :columns].T
        np.testing.assert_array_equal(target, want)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", [1, 2, -1])
@pytest.mark.parametrize("shift", [-4, 0, 3])
def test_shifted_sums(dtype, step, shift):
    call, width = function(shifted_sum(dtype).address, 9), lanes(dtype, host)
    for count, length, rows in ((1, 3, 2), (width, width, 5), (2 * width + 3, 9, 3)):
        source = numbers(rows, length + 4, dtype=dtype)
        source[:, length:] = np.nan  # not to be looked at
        for fresh in (0, 1):
            target = numbers(count + 2, dtype=dtype)
            want = target.copy()
            want[:count] *= not fresh
            for x, row in itertools.product(range(count), range(rows)):
                place = x + shift + row * step
                if 0 <= place < length:
                    want[x] += source[row, place]
            call(
                target.ctypes.data, count, source.ctypes.data, source.strides[0], rows,
                shift, step, length, fresh,
            )  # fmt: skip
            np.testing.assert_allclose(target, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("features", [{}, {"avx2": True, "fma": True}])
@pytest.mark.parametrize("writer", [TransposingTile, ShiftedSum])
def test_other_processors(features, writer):
    """The text is sound for them too."""
    target = cpu_target("x86_64-unknown-linux-gnu", "x86-64", features)
    for dtype in ("float32", "float64"):
        module = Module(target)
        writer(module, dtype).write("rearranged")
        assert build(target).compile(module.text())


@pytest.mark.skipif(not host.is_x86, reason="registers of twice the width are halved")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("vector_bytes", [32, 64])
def test_copying_with_and_without_masks(dtype, vector_bytes):
    if host.vector_bytes < 32:
        pytest.skip("no such vectors here")
    target = replace(host, vector_bytes=vector_bytes)
    module = Module(target)
    CopyingTile(module, dtype, 2).write("copying")
    library = load_objects([machine().compile(module.text())], ["copying"])
    check_copying(function(library.addresses[0], 6), dtype, lanes(dtype, target), 2)
