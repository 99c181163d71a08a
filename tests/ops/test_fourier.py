"""Fourier transforms against NumPy's, in all modes, with gradients of both orders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.errors import ShapeError
from symnet.gradient import grad, verify_grad
from symnet.graph.types import TensorType
from symnet.tensor import fft

SHAPES = [(1, 1), (1, 2), (2, 7), (3, 16), (0, 4), (2, 3, 5), (2, 4, 6), (1, 2, 3, 4)]
NORMS = [None, "ortho", "no_norm"]


def numbers(shape: tuple[int, ...], dtype: str = "float64") -> Any:
    return np.random.default_rng(5).normal(size=shape).astype(dtype)


def pairs(values: Any) -> Any:
    return np.stack([values.real, values.imag], -1)


def near(dtype: str) -> float:
    return {"float16": 3e-2, "float32": 1e-4, "float64": 1e-12}[dtype]


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE", "DebugMode"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_there_and_back(shape: tuple[int, ...], dtype: str, mode: str) -> None:
    value, axes = numbers(shape, dtype), tuple(range(1, len(shape)))
    x = TensorType(dtype, (None,) * len(shape))()
    for norm in NORMS:
        there = fft.rfft(x, norm)
        back = fft.irfft(there, norm, is_odd=bool(shape[-1] % 2))
        f = symnet.function([x], [there, back], mode=mode)
        got, again = f(value)
        exact = numbers(shape, dtype).astype("float64")
        want = np.fft.rfftn(exact, axes=axes, norm="ortho" if norm == "ortho" else None)
        np.testing.assert_allclose(got, pairs(want), atol=near(dtype) * 10)
        scale = np.prod(shape[1:]) if norm == "no_norm" else 1
        if not (shape[-1] == 1 and value.size == 0):
            np.testing.assert_allclose(again, exact * scale, atol=near(dtype) * scale)
        assert got.dtype == again.dtype == dtype
        if mode == "FAST_RUN":
            assert len(f.engine.segments) == 1  # no NumPy between programs


@pytest.mark.parametrize("layout", ["F", "backwards", "apart"])
def test_however_arrays_lie(layout: str) -> None:
    value = numbers((3, 4, 6))
    given = {
        "F": np.asfortranarray(value),
        "backwards": value[::-1].copy()[::-1],
        "apart": np.repeat(value, 2, -1)[..., ::2],
    }[layout]
    x = T.dtensor3()
    f = symnet.function([x], fft.rfft(x))
    np.testing.assert_allclose(
        f(given), pairs(np.fft.rfftn(value, axes=(1, 2))), atol=1e-12
    )
    g = symnet.function([x], fft.rfft(x.dimshuffle(2, 0, 1)))
    want = np.fft.rfftn(value.transpose(2, 0, 1), axes=(1, 2))
    np.testing.assert_allclose(g(given), pairs(want), atol=1e-12)


@pytest.mark.parametrize("shape", [(2, 1), (2, 5), (2, 6), (1, 3, 4), (1, 2, 5)])
@pytest.mark.parametrize("norm", NORMS)
def test_gradients(shape: tuple[int, ...], norm: str | None) -> None:
    odd = bool(shape[-1] % 2)
    value = numbers(shape)
    weight = numbers((*shape[:-1], shape[-1] // 2 + 1, 2))
    verify_grad(lambda v: fft.rfft(v, norm) * weight, [value])
    verify_grad(lambda v: fft.irfft(v, norm, odd) * value, [weight])
    for function, at in ((lambda v: fft.rfft(v, norm), value),
                         (lambda v: fft.irfft(v, norm, odd), weight)):  # fmt: skip
        verify_grad(lambda v, g=function: grad((g(v) ** 3).sum(), v), [at])


def test_sizes_of_the_transform() -> None:
    """Other axes are cut, or filled up with zeros, as NumPy's are."""
    x, value = T.dtensor3(), numbers((2, 4, 6))
    for s in ((4, 6), (3, 8), (6, 5), (1, 1)):
        f = symnet.function([x], fft.rfft_op(x, s))
        want = np.fft.rfftn(value, s=s, axes=(1, 2))
        np.testing.assert_allclose(f(value), pairs(want), atol=1e-12)
        n = T.lvector()
        g = symnet.function([x, n], fft.rfft_op(x, [n[0], n[1]]))
        np.testing.assert_allclose(g(value, s), pairs(want), atol=1e-12)
    y, value = T.dtensor4(), numbers((2, 4, 6, 2))
    whole = value[..., 0] + 1j * value[..., 1]
    for s in (None, (4, 10), (3, 8), (5, 7), (6, 15)):
        f = symnet.function([y], fft.irfft_op(y, s))
        want = np.fft.irfftn(whole, s=s, axes=(1, 2), norm="forward")
        np.testing.assert_allclose(f(value), want, atol=1e-12)


def test_integers_and_half_precision() -> None:
    x = T.lmatrix()
    value = np.arange(10).reshape(2, 5)
    got = symnet.function([x], fft.rfft(x))(value)
    np.testing.assert_allclose(got, pairs(np.fft.rfft(value)), atol=1e-5)
    h = TensorType("float16", (None, None))()
    small = numbers((2, 8), "float16")
    got = symnet.function([h], fft.rfft(h))(small)
    assert got.dtype == np.float16
    np.testing.assert_allclose(got, pairs(np.fft.rfft(small)), atol=near("float16"))


def test_what_is_refused() -> None:
    with pytest.raises(TypeError, match="first axis counts"):
        fft.rfft(T.dvector())
    with pytest.raises(TypeError, match="first axis counts"):
        fft.irfft(T.dmatrix())
    with pytest.raises(TypeError, match="real numbers"):
        fft.rfft(T.zmatrix())
    with pytest.raises(ValueError, match="norm"):
        fft.rfft(T.dmatrix(), "half")
    with pytest.raises(ValueError, match="is_odd"):
        fft.irfft(T.dtensor3(), is_odd=3)
    x = T.dmatrix()
    f = symnet.function([x], fft.rfft(x))
    with pytest.raises(ValueError, match="size 0"):
        f(np.zeros((2, 0)))
    y = T.dtensor3()
    g = symnet.function([y], fft.irfft(y))
    with pytest.raises(ShapeError, match="imaginary"):
        g(np.zeros((2, 3, 3)))


def test_a_convolution_by_transforms() -> None:
    """Inside a loop, where products of pairs are fused between the calls."""
    x, w = numbers((3, 16)), numbers((16,))
    rows, kernel = T.dmatrix(), T.dvector()

    def step(row: Any, k: Any) -> Any:
        a, b = fft.rfft(row[None])[0], fft.rfft(k[None])[0]
        real = a[:, 0] * b[:, 0] - a[:, 1] * b[:, 1]
        imaginary = a[:, 0] * b[:, 1] + a[:, 1] * b[:, 0]
        return fft.irfft(T.stack([real, imaginary], axis=1)[None])[0]

    found, _ = symnet.scan(step, rows, non_sequences=kernel)
    f = symnet.function([rows, kernel], found)
    want = [
        [sum(row[(i - j) % 16] * w[j] for j in range(16)) for i in range(16)]
        for row in x
    ]
    np.testing.assert_allclose(f(x, w), want, atol=1e-12)
