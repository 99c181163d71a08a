"""Pooling in all modes, its gradients, and what fast loops make of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.ops.nnet.pool_functions import pool_2d, pool_3d
from symnet.ops.nnet.pooling import MODES
from tests.helpers import run

RNG = np.random.default_rng(11)

# window, stride, padding (with which no border can be kept)
CASES: list[tuple[tuple[int, ...], Any, Any]] = [
    ((2, 2), None, None),
    ((3, 3), (2, 2), None),
    ((2, 3), (1, 1), None),
    ((2, 1), (3, 2), None),
    ((3, 3), (2, 2), (1, 1)),
    ((3, 2), None, (2, 1)),
    ((5, 4), (1, 2), None),
    ((9, 9), None, None),
]


class ByHand:
    """Pooling by loops: the elements of each window, in an image with NaN for padding."""

    def __init__(
        self, mode: str, x: Any, window: Any, stride: Any, padding: Any, ignore: bool
    ) -> None:
        stride = window if stride is None else stride
        padding = (0,) * len(window) if padding is None else padding
        self.mode, self.lead = mode, x.ndim - len(window)
        pads = [(0, 0)] * self.lead + [(p, p) for p in padding]
        self.image = np.pad(x.astype(float), pads, constant_values=np.nan)
        self.inner = tuple(
            slice(p[0], n - p[1]) for p, n in zip(pads, self.image.shape, strict=True)
        )
        sizes = self.image.shape[self.lead :]
        self.places = [
            starts(n, w, s, ignore)
            for n, w, s in zip(sizes, window, stride, strict=True)
        ]
        self.window = window

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.image.shape[: self.lead], *map(len, self.places))

    def boxes(self) -> Any:
        for at in np.ndindex(*map(len, self.places)):
            corner = [p[k] for p, k in zip(self.places, at, strict=True)]
            box = [slice(c, c + w) for c, w in zip(corner, self.window, strict=True)]
            yield (..., *at), (..., *box)

    def count(self, part: Any) -> int:
        own = part[(0,) * self.lead]
        return {
            "average_inc_pad": own.size,
            "average_exc_pad": int((~np.isnan(own)).sum()),
        }.get(self.mode, 1)

    def value(self) -> Any:
        result = np.zeros(self.shape)
        join = np.nanmax if self.mode == "max" else np.nansum
        over = tuple(range(self.lead, self.image.ndim))
        for at, box in self.boxes():
            part = self.image[box]
            result[at] = join(part, axis=over) / self.count(part)
        return result

    def gradient(self, weights: Any) -> Any:
        result, value = np.zeros_like(self.image), self.value()
        every = (..., *[None] * len(self.window))
        for at, box in self.boxes():
            part = self.image[box]
            share = ~np.isnan(part)
            if self.mode == "max":
                share = part == value[at][every]
            result[box] += share * weights[at][every] / self.count(part)
        return result[self.inner]


def starts(n: int, w: int, s: int, ignore: bool) -> list[int]:
    """Where windows begin: those that fit; or each one until the end is covered."""
    if ignore:
        return [k for k in range(0, n, s) if k + w <= n]
    found = [0] if n else []
    while found and found[-1] + max(w, s) < n:
        found.append(found[-1] + s)
    return found


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("ignore", [True, False])
@pytest.mark.parametrize("mode", MODES)
def test_values_and_gradients(mode: str, ignore: bool, known: bool) -> None:
    """With ties, so that several elements are the maximum."""
    shape = (2, 3, 7, 8)
    x = T.TensorType("float64", shape if known else (None,) * 4)("x")
    r = T.dtensor4("r")
    value = RNG.integers(0, 4, shape).astype(float)
    for window, stride, padding in CASES:
        if padding and not ignore:
            continue
        judge = ByHand(mode, value, window, stride, padding, ignore)
        z = pool_2d(x, window, ignore, stride, padding, mode)
        weights = RNG.normal(size=judge.shape)
        slope = symnet.grad((z * r).sum(), x)
        f = symnet.function([x, r], [z, slope])
        got = f(value, weights)
        np.testing.assert_allclose(got[0], judge.value(), rtol=1e-14)
        np.testing.assert_allclose(
            got[1], judge.gradient(weights), rtol=1e-12, atol=1e-14
        )
        if known:
            assert z.type.shape == judge.shape
            run(z, {x: value})


@pytest.mark.parametrize("mode", MODES)
def test_sizes_that_only_a_call_knows(mode: str) -> None:
    x, r = T.dtensor3("x"), T.dtensor3("r")
    ws, stride, pad = T.lvectors("ws", "stride", "pad")
    z = pool_2d(x, ws, True, stride, pad, mode)
    f = symnet.function([x, r, ws, stride, pad], [z, symnet.grad((z * r).sum(), x)])
    value = RNG.integers(0, 4, (2, 7, 8)).astype(float)
    for window, s, p in CASES:
        numbers = [window, s or window, p or (0, 0)]
        judge = ByHand(mode, value, *numbers, True)
        weights = RNG.normal(size=judge.shape)
        got = f(value, weights, *map(np.array, numbers))
        np.testing.assert_allclose(got[0], judge.value(), rtol=1e-14)
        np.testing.assert_allclose(
            got[1], judge.gradient(weights), rtol=1e-12, atol=1e-14
        )
    z = pool_2d(x, ws, False, stride, None, mode)
    f = symnet.function([x, ws, stride], z)
    for window, s, p in CASES:
        if not p:
            judge = ByHand(mode, value, window, s, p, False)
            got = f(value, np.array(window), np.array(s or window))
            np.testing.assert_allclose(got, judge.value(), rtol=1e-14)
    for numbers in ([[0, 1], [1, 1]], [[1, 1], [1, -1]]):
        with pytest.raises(ValueError, match="below 1|sizes do not agree"):
            f(value, *map(np.array, numbers))


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "int64", "uint16"])
@pytest.mark.parametrize("mode", MODES)
def test_dtypes_are_kept(mode: str, dtype: str) -> None:
    x = T.TensorType(dtype, (None,) * 3)("x")
    value = RNG.integers(0, 30, (2, 9, 10)).astype(dtype)
    for window, stride, padding in CASES[:6]:
        z = pool_2d(x, window, True, stride, padding, mode)
        assert z.type.dtype == dtype
        want = ByHand(mode, value, window, stride, padding, True).value()
        if dtype[0] in "iu":
            want = want.astype("int64").astype(dtype)
        np.testing.assert_allclose(
            run(z, {x: value}), want, rtol=2e-3 if dtype == "float16" else 1e-6
        )
    if dtype[0] == "f":
        slope = symnet.grad(pool_2d(x, (3, 3), True, (2, 2), None, mode).sum(), x)
        assert slope.type.dtype == dtype
        judge = ByHand(mode, value, (3, 3), (2, 2), None, True)
        want = judge.gradient(np.ones(judge.shape))
        np.testing.assert_allclose(run(slope, {x: value}), want, rtol=2e-3)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ignore", [True, False])
def test_three_axes_and_any_leading_ones(mode: str, ignore: bool) -> None:
    for shape in [(5, 4, 3), (2, 1, 6, 5, 4)]:
        x = T.TensorType("float64", (None,) * len(shape))("x")
        value = RNG.integers(0, 5, shape).astype(float)
        for window, stride in [((2, 2, 2), None), ((3, 2, 3), (1, 2, 1))]:
            z = pool_3d(x, window, ignore, stride, mode=mode)
            judge = ByHand(mode, value, window, stride, None, ignore)
            slope = symnet.grad(z.sum(), x)
            got = symnet.function([x], [z, slope])(value)
            np.testing.assert_allclose(got[0], judge.value())
            np.testing.assert_allclose(got[1], judge.gradient(np.ones(judge.shape)))


def test_second_derivatives() -> None:
    """Of the maximum none but through what it is multiplied with."""
    rng = np.random.default_rng(3)
    value = rng.permutation(30).reshape(1, 5, 6) / 10.0
    for mode in MODES:
        for window, stride, padding in CASES[1:5:3]:

            def cost(x: Any) -> Any:
                z = pool_2d(x, window, True, stride, padding, mode)  # noqa: B023
                return symnet.grad((z**2).sum(), x)

            symnet.gradient.verify_grad(cost, [value], rng=rng, eps=1e-5)


def test_forward_derivatives_are_those_of_the_windows() -> None:
    x, v = T.dmatrix("x"), T.dmatrix("v")
    value, direction = RNG.permutation(30).reshape(5, 6) / 1.0, RNG.normal(size=(5, 6))
    for mode in MODES:
        z = pool_2d(x, (2, 3), True, (1, 2), (1, 0), mode)
        got = symnet.function([x, v], symnet.gradient.Rop(z, x, v))(value, direction)
        f = symnet.function([x], z)
        want = (f(value + 1e-4 * direction) - f(value - 1e-4 * direction)) / 2e-4
        np.testing.assert_allclose(got, want, rtol=1e-7, atol=1e-8)


def test_nan_and_infinities() -> None:
    x = T.dmatrix("x")
    value = np.array([[1, np.nan, -np.inf, -np.inf], [0, 2, -np.inf, -np.inf]])
    for padding in (None, (1, 1)):
        z = pool_2d(x, (2, 2), True, (2, 2), padding)
        slope = symnet.grad(z.sum(), x)
        got, back = symnet.function([x], [z, slope])(value)
        want = (
            [[np.nan, -np.inf]]
            if padding is None
            else [[1, np.nan, -np.inf], [0, 2, -np.inf]]
        )
        np.testing.assert_array_equal(got, want)
        assert back.shape == value.shape
        assert (back[:, 2 if padding is None else 3 :] == 1).all()
    ends = pool_2d(T.bmatrix("b"), (2, 2), False)
    low = np.full((3, 3), -128, "int8")
    np.testing.assert_array_equal(
        symnet.function([ends.owner.inputs[0]], ends)(low), low[:2, :2]
    )


def test_images_without_elements_or_smaller_than_a_window() -> None:
    x = T.dtensor3("x")
    for mode in MODES:
        z = pool_2d(x, (2, 2), True, mode=mode)
        f = symnet.function([x], [z, symnet.grad(z.sum(), x)])
        for shape in [(0, 4, 4), (3, 1, 4), (3, 0, 0), (2, 2, 2), (1, 3, 1)]:
            got, back = f(np.ones(shape))
            assert got.shape == (shape[0], shape[1] // 2, shape[2] // 2)
            assert back.shape == shape
        z = pool_2d(x, (2, 3), False, (1, 1), mode=mode)
        f = symnet.function([x], [z, symnet.grad(z.sum(), x)])
        for shape in [(0, 4, 4), (3, 1, 4), (2, 0, 3), (2, 1, 1)]:
            got, back = f(np.ones(shape))
            assert back.shape == shape and got.size <= math.prod(shape)


def test_images_that_do_not_lie_in_order() -> None:
    x = T.ftensor3("x")
    z = pool_2d(x, (2, 2), True)
    f = symnet.function([x], [z, symnet.grad((z**2).sum(), x)])
    base = RNG.integers(0, 9, (4, 12, 12)).astype("float32")
    for view in [base[::-1, ::-1, ::-1], base.transpose(2, 0, 1), base[:, ::2, 1::3]]:
        judge = ByHand("max", view, (2, 2), None, None, True)
        got, back = f(view)
        np.testing.assert_array_equal(got, judge.value())
        np.testing.assert_array_equal(back, judge.gradient(2 * judge.value()))


def test_a_maximum_is_one_loop_and_its_gradient_another() -> None:
    """Of known sizes: nothing is copied, and what follows is in the same loop."""
    x = T.TensorType("float32", (8, 3, 24, 24))("x")
    b = T.TensorType("float32", (3,))("b")
    z = T.tanh(pool_2d(x, (2, 2), True) + b.dimshuffle("x", 0, "x", "x"))
    f = symnet.function([x, b], z)
    assert len(f.engine.native[0].program.steps) == 1
    r = T.TensorType("float32", (8, 3, 12, 12))("r")
    slope = symnet.grad((pool_2d(x, (2, 2), True) * r).sum(), x)
    f = symnet.function([x, r], slope)
    # The maxima, the gradient in blocks, and these copied to the result.
    assert len(f.engine.native[0].program.steps) == 3


def test_numbers_of_pytorch() -> None:
    """torch.nn.functional.avg_pool2d(torch.arange(16.).view(1, 1, 4, 4), 3, 2, 1) and
    max_pool2d with the same arguments, PyTorch 2.13."""
    x = T.dtensor4("x")
    value = np.arange(16.0).reshape(1, 1, 4, 4)

    def pooled(mode: str) -> Any:
        return symnet.function([x], pool_2d(x, (3, 3), True, (2, 2), (1, 1), mode))(
            value
        )

    np.testing.assert_allclose(pooled("max")[0, 0], [[5, 7], [13, 15]])
    np.testing.assert_allclose(
        pooled("average_inc_pad")[0, 0], [[10 / 9, 24 / 9], [51 / 9, 90 / 9]]
    )
    np.testing.assert_allclose(pooled("average_exc_pad")[0, 0], [[2.5, 4], [8.5, 10]])


def test_wrong_ranks_and_dtypes() -> None:
    with pytest.raises(TypeError, match="pooling takes integers and floats"):
        pool_2d(T.zmatrix("z"), (2, 2))
    with pytest.raises(TypeError, match="pooling takes integers and floats"):
        pool_2d(T.TensorType("bool", (None, None))("b"), (2, 2))
    with pytest.raises(NotImplementedError, match="rank 2 at least"):
        pool_2d(T.dvector("v"), (2, 2))


def test_sequences_of_windows() -> None:
    """Pooling in a step of a loop."""
    x = T.dtensor3("x")
    rows, _ = symnet.scan(lambda one: pool_2d(one, (2, 2), True), x)
    f = symnet.function([x], [rows, symnet.grad((rows**2).sum(), x)])
    value = RNG.normal(size=(3, 4, 6))
    judge = ByHand("max", value, (2, 2), None, None, True)
    got, back = f(value)
    np.testing.assert_allclose(got, judge.value())
    np.testing.assert_allclose(back, judge.gradient(2 * judge.value()))
