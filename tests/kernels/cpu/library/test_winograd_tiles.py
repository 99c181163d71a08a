"""The transforms of Winograd's forms against matrices in float64."""

from __future__ import annotations

import ctypes

import llvmlite.binding as llvm
import numpy as np
import pytest

from symnet.kernels.cpu.library.tiles import lanes
from symnet.kernels.cpu.library.winograd_forms import POINTS, minimal_filter
from symnet.kernels.cpu.library.winograd_tiles import (
    FilterTransform,
    GradientTransform,
    InputTransform,
    OutputTransform,
    TapTransform,
    filter_transform,
    gradient_transform,
    input_transform,
    output_transform,
    tap_transform,
)
from symnet.kernels.llvm.machine import build, machine
from symnet.kernels.llvm.object_code import load_objects
from symnet.kernels.llvm.target import cpu_target
from symnet.kernels.llvm.text import Module
from tests.kernels.targets import TARGETS

rng = np.random.default_rng(11)
host = machine().target
WIDE = dict.fromkeys(["avx512f", "avx512bw", "avx512dq", "avx512vl"], True)
OTHERS = [{}, {"avx2": True, "fma": True}, {"avx2": True, "fma": True, **WIDE}]
WRITERS = (
    InputTransform, FilterTransform, OutputTransform, GradientTransform, TapTransform
)  # fmt: skip
ARGUMENTS = (12, 8, 7, 12, 5)
CASES = [(dtype, m) for dtype in ("float32", "float64") for m in POINTS]
EXACT = {
    "float32": {"rtol": 1e-4, "atol": 2e-4},
    "float64": {"rtol": 1e-10, "atol": 1e-10},
}


def text_of(writer, target, dtype, m):
    module = Module(target)
    writer(module, dtype, m).write("transform")
    return module.text()


def function(address, count):
    return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * count)(address)


def numbers(*shape, dtype):
    return rng.normal(size=shape).astype(dtype)


def matrices(outputs):
    form = minimal_filter(outputs)
    found = (form.inputs, form.filters, form.results)
    return [np.array([[float(f) for f in row] for row in matrix]) for matrix in found]


def check_inputs(call, dtype, m, width):
    check_spread(call, dtype, m, width, matrices(m)[0])


def check_gradients(call, dtype, m, width):
    check_spread(call, dtype, m, width, matrices(m)[2].T)


def check_spread(call, dtype, m, width, b):
    size, reach = b.shape
    channels, height, columns = 3, 9, 5 * width
    x = numbers(channels, height, columns, dtype=dtype)
    zeros = np.pad(x, ((0, 0), (size, size), (9 * m, 9 * m * width)))
    for count, top, left in (
        (1, 0, 0), (width - 1, -1, -1), (width, 5, 1), (3 * width + 2, 8, -2),
        (2, -size, 4), (2, 2, -2 * m), (1, height, columns),
    ):  # fmt: skip
        v = np.full((size**2, channels, count + 2), np.nan, dtype)
        call(
            x.ctypes.data + top * x.strides[1] + left * x.itemsize, x.strides[1],
            x.strides[0], top, left, height, columns, count, channels, v.ctypes.data,
            v.strides[1], v.strides[0],
        )  # fmt: skip
        assert np.isnan(v[:, :, count:]).all()
        for tile in range(count):
            at = 9 * m + left + tile * m
            d = zeros[:, size + top : size + top + reach, at : at + reach]
            want = (b @ d.astype(float) @ b.T).reshape(channels, -1).T
            np.testing.assert_allclose(v[:, :, tile], want, **EXACT[dtype])


def check_filters(call, dtype, m, width):
    g, size = matrices(m)[1], m + 2
    for channels in (width, width + 1, 2 * width + 3):
        w = numbers(2, channels + 1, 3, 3, dtype=dtype)[:, 1:]
        u = np.full((size**2, 2, channels + 1), np.nan, dtype)
        call(
            w.ctypes.data, w.strides[0], w.strides[1], 2, channels, u.ctypes.data,
            u.strides[1], u.strides[0],
        )  # fmt: skip
        want = np.moveaxis(g @ w.astype(float) @ g.T, (2, 3), (0, 1))
        want = want.reshape(size**2, 2, channels)
        np.testing.assert_allclose(u[:, :, :channels], want, **EXACT[dtype])
        assert np.isnan(u[:, :, channels:]).all()


def check_outputs(call, dtype, m, width):
    a, size = matrices(m)[2], m + 2
    for count, rows, columns in (
        (1, m, m), (width, 1, m * width), (width + 1, m - 1, m * width + 1),
        (2 * width + 1, m, 2 * m * width + 2),
    ):  # fmt: skip
        products = np.full((size**2, count + width), np.nan, dtype)  # not looked at
        products[:, :count] = numbers(size**2, count, dtype=dtype)
        y = np.full((m + 1, count * m + 3), -7, dtype)

        def found(products=products, y=y, rows=rows, columns=columns, count=count):
            return call(
                products.ctypes.data, products.strides[0], y.ctypes.data, y.strides[0],
                rows, columns, count,
            )  # fmt: skip

        assert found() == 0
        tiles = products[:, :count].astype(float).reshape(size, size, count)
        whole = np.einsum("ij,jkt,lk->itl", a, tiles, a).reshape(m, count * m)
        want = np.full_like(y, -7)
        want[:rows, :columns] = whole[:rows, :columns]
        np.testing.assert_allclose(y, want, **EXACT[dtype])
        for number in (np.nan, np.inf, -np.inf):
            for matrix in (0, size + 1, size**2 - 1):
                kept, products[matrix, 0] = products[matrix, 0], number
                wrong = found()
                products[matrix, 0] = kept
                assert wrong == 1 or rows < m


def check_taps(call, dtype, m, width):
    g, size = matrices(m)[1], m + 2
    for channels in (1, width - 1, width, 2 * width + 1):
        sums = np.full((size**2, channels + width), np.nan, dtype)  # not looked at
        sums[:, :channels] = numbers(size**2, channels, dtype=dtype)
        y = np.full((channels + 1, 2, 9), -7, dtype)

        def found(sums=sums, y=y, channels=channels):
            return call(
                sums.ctypes.data, sums.strides[0], y.ctypes.data, y.strides[0], channels
            )

        assert found() == 0
        squares = sums[:, :channels].astype(float).reshape(size, size, channels)
        want = np.full_like(y, -7)
        want[:channels, 0] = np.einsum("ji,jkc,kl->cil", g, squares, g).reshape(-1, 9)
        np.testing.assert_allclose(y, want, **EXACT[dtype])
        for number in (np.nan, np.inf):
            kept, sums[size + 1, channels - 1] = sums[size + 1, channels - 1], number
            assert found() == 1
            sums[size + 1, channels - 1] = kept


CHECKS = (check_inputs, check_filters, check_outputs, check_gradients, check_taps)


@pytest.mark.parametrize("dtype, m", CASES)
def test_transforms(dtype, m):
    routines = (
        input_transform, filter_transform, output_transform, gradient_transform,
        tap_transform,
    )  # fmt: skip
    for routine, count, check in zip(routines, ARGUMENTS, CHECKS, strict=True):
        call = function(routine(dtype, m).address, count)
        check(call, dtype, m, lanes(dtype, host))


@pytest.mark.parametrize("features", OTHERS)
@pytest.mark.parametrize("dtype, m", CASES)
def test_other_processors(features, dtype, m):
    """The text is sound for them too; it runs where this processor has what they have."""
    target = cpu_target("x86_64-unknown-linux-gnu", "x86-64", features)
    objects, names = [], ["inputs", "filters", "outputs", "gradients", "taps"]
    for writer, name in zip(WRITERS, names, strict=True):
        module = Module(target)
        writer(module, dtype, m).write(name)
        objects.append(build(target).compile(module.text()))
    if not host.is_x86 or host.vector_bytes < target.vector_bytes:
        return
    library = load_objects(objects, names)
    for place, count, check in zip(library.addresses, ARGUMENTS, CHECKS, strict=True):
        check(function(place, count), dtype, m, lanes(dtype, target))


@pytest.mark.parametrize("dtype, m", CASES)
def test_arm(dtype, m):
    target = TARGETS["neon"]
    texts = [text_of(writer, target, dtype, m) for writer in WRITERS]
    for text in texts:
        with llvm.parse_assembly(text, llvm.create_context()) as module:
            module.verify()
    try:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        llvm.Target.from_triple(target.triple)
    except RuntimeError:
        pytest.skip("this LLVM knows only its own processor")
    for text in texts:
        assert build(target).compile(text)


@pytest.mark.parametrize("kind", ["avx2", "avx512", "neon"])
@pytest.mark.parametrize("writer", WRITERS)
def test_text(writer, kind, golden):
    """F(2, 3) shows all that F(4, 3) is made of, in fewer lines."""
    text = text_of(writer, TARGETS[kind], "float32", 2)
    golden(f"kernels/{writer.__name__}.{kind}.txt", text)
