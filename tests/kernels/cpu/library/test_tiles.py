"""The micro-kernels against NumPy: every height, every rest, for several processors."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import numpy as np
import pytest

from symnet.kernels.cpu.library import tiles
from symnet.kernels.cpu.library import tiles as tiles_module
from symnet.kernels.cpu.library.tiles import (
    INNER_COLUMNS,
    INNER_ROWS,
    OUTER_ROWS,
    OUTER_VECTORS,
    InnerTile,
    OuterTile,
    lanes,
)
from symnet.kernels.llvm.machine import build, machine
from symnet.kernels.llvm.object_code import load_objects
from symnet.kernels.llvm.target import cpu_target
from symnet.kernels.llvm.text import Module

rng = np.random.default_rng(5)
host = machine().target
WIDE = dict.fromkeys(["avx512f", "avx512bw", "avx512dq", "avx512vl"], True)
OTHERS = [{}, {"avx2": True, "fma": True}, {"avx2": True, "fma": True, **WIDE}]


def function(address, count):
    return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * count)(address)


def numbers(*shape, dtype):
    return rng.normal(size=shape).astype(dtype)


def check_outer(call, dtype, height, width, packed=False):
    for inner, count in ((0, 1), (1, 2), (7, 1), (7, 3)):
        rows = height * count
        a, b = numbers(rows, inner, dtype=dtype), numbers(inner, width, dtype=dtype)
        alpha, beta = np.array([[-1.5], [0.5]], dtype)
        left, step = a, a.itemsize
        if packed:  # tile after tile, the numbers of a column side by side
            left = a.reshape(count, height, inner).transpose(0, 2, 1).copy()
            step = 0
        for columns in sorted({1, width // 2, width - 1, width} - {0}):
            for fresh in (0, 1):
                c = numbers(rows, width + 3, dtype=dtype)
                d = numbers(rows, width + 1, dtype=dtype) if columns % 2 else c
                want = c.copy()
                product = alpha * (a @ b)[:, :columns]
                old = 0 if fresh else beta * d[:, :columns]
                want[:, :columns] = product + old
                item = a.itemsize
                call(
                    left.ctypes.data, inner * item, step, b.ctypes.data, width * item,
                    inner, c.ctypes.data, c.strides[0], columns, alpha.ctypes.data,
                    0 if fresh else beta.ctypes.data, d.ctypes.data, d.strides[0],
                    count,
                )  # fmt: skip
                np.testing.assert_allclose(c, want, rtol=1e-5, atol=1e-5)


def check_inner(call, dtype, rows, columns, width):
    for images, length in ((1, 1), (3, width), (2, 2 * width + 1), (1, width - 1)):
        a = numbers(rows, images, length + 2, dtype=dtype)
        b = numbers(columns, images, length + 5, dtype=dtype)
        a[:, :, length:] = b[:, :, length:] = np.nan  # not to be looked at
        out = np.zeros(rows * columns + width, dtype)
        places = np.array([row.ctypes.data for row in a], np.int64)
        call(
            places.ctypes.data, b.ctypes.data, b.strides[0], images,
            a.strides[1], b.strides[1], length, out.ctypes.data,
        )  # fmt: skip
        want = np.einsum("rik,cik->rc", a[:, :, :length], b[:, :, :length])
        got = out[: rows * columns].reshape(rows, columns)
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outer_tiles(dtype):
    for rows in (1, 2, OUTER_ROWS[host.registers] - 1, OUTER_ROWS[host.registers]):
        for vectors in (1, OUTER_VECTORS):
            for packed, ahead in ((False, False), (True, False), (True, True)):
                routine = tiles.outer_tile(dtype, rows, vectors, packed, ahead)
                call = function(routine.address, 14)
                check_outer(call, dtype, rows, vectors * lanes(dtype, host), packed)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_inner_tiles(dtype):
    call = function(tiles.inner_tile(dtype).address, 8)
    rows, columns = INNER_ROWS[host.registers], INNER_COLUMNS[host.registers]
    check_inner(call, dtype, rows, columns, lanes(dtype, host))


def test_numbers_of_a_that_lie_apart():
    a, b = numbers(8, 10, dtype="float32").T[::2], numbers(8, 16, dtype="float32")
    c = np.zeros((5, 16), "float32")
    call = function(tiles.outer_tile("float32", 5, 1).address, 14)
    width, one = lanes("float32", host), np.ones(1, "float32")
    for first in range(0, 16, width):
        call(
            a.ctypes.data, a.strides[0], a.strides[1], b[:, first:].ctypes.data,
            b.strides[0], 8, c[:, first:].ctypes.data, c.strides[0], 16 - first,
            one.ctypes.data, 0, 0, 0, 1,
        )  # fmt: skip
    np.testing.assert_allclose(c, a @ b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("features", OTHERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_other_processors(features, dtype):
    """The text is sound for them too; it runs where this processor has what they have."""
    target = cpu_target("x86_64-unknown-linux-gnu", "x86-64", features)
    outer, inner = Module(target), Module(target)
    OuterTile(outer, dtype, 4, 2).write("outer")
    InnerTile(inner, dtype).write("inner")
    objects = [build(target).compile(module.text()) for module in (outer, inner)]
    if not host.is_x86 or host.vector_bytes < target.vector_bytes:
        return
    library = load_objects(objects, ["outer", "inner"])
    width = lanes(dtype, target)
    check_outer(function(library.addresses[0], 14), dtype, 4, 2 * width)
    rows, columns = INNER_ROWS[target.registers], INNER_COLUMNS[target.registers]
    check_inner(function(library.addresses[1], 8), dtype, rows, columns, width)


@pytest.mark.skipif(not host.is_x86, reason="registers of twice the width are halved")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_code_under_masks(dtype):
    """That of processors with 64-byte vectors, which LLVM makes of what this one has."""
    target = replace(host, vector_bytes=64, registers=32)
    assert target.has_masks
    outer, inner = Module(target), Module(target)
    OuterTile(outer, dtype, 5, 2).write("outer")
    InnerTile(inner, dtype).write("inner")
    objects = [machine().compile(module.text()) for module in (outer, inner)]
    library = load_objects(objects, ["outer", "inner"])
    width = lanes(dtype, target)
    call = function(library.addresses[0], 14)
    check_outer(call, dtype, 5, 2 * width)
    rows, columns = INNER_ROWS[32], INNER_COLUMNS[32]
    check_inner(function(library.addresses[1], 8), dtype, rows, columns, width)


@pytest.mark.skipif(not host.is_x86, reason="registers of twice the width are halved")
def test_signs_of_zeros_without_beta():
    target = replace(host, vector_bytes=64, registers=32)
    module = Module(target)
    OuterTile(module, "float32", 1, 1).write("outer")
    library = load_objects([machine().compile(module.text())], ["outer"])
    a, b = np.array([1, -1], "float32"), np.zeros((2, 16), "float32")
    c, one = np.full(16, np.nan, "float32"), np.ones(1, "float32")
    for alpha in (1, -1):
        one[:] = alpha
        function(library.addresses[0], 14)(
            a.ctypes.data, 8, 4, b.ctypes.data, 64, 1, c.ctypes.data, 64, 16,
            one.ctypes.data, 0, c.ctypes.data, 64, 1,
        )  # fmt: skip
        np.testing.assert_array_equal(np.signbit(c), alpha < 0)


@pytest.mark.parametrize("least, most", [(8, 12), (12, 12), (6, 6), (2, 2)])
def test_heights_make_up_the_rows(least, most):
    for rows in range(1, 400):
        tiles, few, more = tiles_module.heights(rows, least, most)
        assert tiles * few + more == rows and 0 <= more < tiles
        assert few + (more > 0) <= most
        if any(rows % height == 0 for height in range(least, most + 1)):
            assert more == 0
