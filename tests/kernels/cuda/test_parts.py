"""Few long rows and columns, whose parts a GPU shares out, judged by NumPy in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.config import config
from tests.kernels.programs import on

TOLERANCE = {"float16": 4e-3, "float32": 2e-6, "float64": 1e-13}
# Below the mark, just beyond it, and with a last part of one.
ROWS = [(1, 4095), (2, 4096), (3, 6145), (513, 4100)]
COLUMNS = [(255, 3), (256, 1), (641, 5), (300, 700)]


def softmax(x: Any, axis: int) -> Any:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def close(found: Any, wanted: Any, dtype: str) -> None:
    scale = TOLERANCE[dtype]
    np.testing.assert_allclose(found, wanted, rtol=10 * scale, atol=scale)


@pytest.mark.parametrize("shape", ROWS + COLUMNS)
@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_several_passes(gpu: str, dtype: str, shape: tuple[int, int]) -> None:
    """Softmax, its logarithm, logsumexp, standard deviation and what is standardised."""
    x, axis = T.matrix("x", dtype), 1 if shape in ROWS else 0
    kept = {"axis": axis, "keepdims": True}
    outputs = [
        T.exp(x - x.max(**kept)) / T.exp(x - x.max(**kept)).sum(**kept),
        T.log(T.exp(x).sum(axis)), x.std(axis), (x - x.mean(**kept)) / (x.std(**kept) + 1),
        T.argmax(x, axis), T.std(x), T.log(T.exp(x).sum()),
    ]  # fmt: skip
    value = np.random.default_rng(0).normal(size=shape).astype(dtype)
    found = on(gpu, [x], outputs)(value)
    exact = value.astype("float64")
    sums = np.log(np.exp(exact).sum(axis))
    centred = exact - exact.mean(axis, keepdims=True)
    wanted = [
        softmax(exact, axis), sums, exact.std(axis),
        centred / (exact.std(axis, keepdims=True) + 1),
        exact.argmax(axis), exact.std(), np.log(np.exp(exact).sum()),
    ]  # fmt: skip
    for one, other in zip(found, wanted, strict=True):
        close(one, other, dtype)


@pytest.mark.parametrize("axis", [0, 1])
def test_gradients(gpu: str, axis: int) -> None:
    """Of softmax and of its logarithm, by their formulas."""
    shape = (2, 5000) if axis else (400, 3)
    x, g = T.dmatrix("x"), T.dmatrix("g")
    turned = (lambda y: y) if axis else (lambda y: y.T)
    cost = (turned(T.nnet.softmax(turned(x))) * g).sum()
    logs = (turned(T.nnet.logsoftmax(turned(x))) * g).sum()
    random = np.random.default_rng(1)
    value, weights = random.normal(size=shape), random.normal(size=shape)
    found = on(gpu, [x, g], [T.grad(cost, x), T.grad(logs, x)])(value, weights)
    s = softmax(value, axis)
    wanted = [
        s * (weights - (weights * s).sum(axis, keepdims=True)),
        weights - s * weights.sum(axis, keepdims=True),
    ]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint16", "bool"])
@pytest.mark.parametrize("shape", [(3, 5000), (900, 4)])
def test_integers(gpu: str, dtype: str, shape: tuple[int, int]) -> None:
    x, axis = T.matrix("x", dtype), int(shape[1] > 4)
    value = np.random.default_rng(2).integers(0, 2, shape).astype(dtype)
    value[:, -1] = 0
    outputs = [x.sum(axis), T.all(x, axis), T.any(x, axis)]
    wanted = [value.sum(axis), value.all(axis), value.any(axis)]
    if dtype != "bool":
        outputs += [x.max(axis), T.argmin(x, axis), T.prod(x + 1, axis)]
        more = value.astype("uint64" if dtype == "uint16" else "int64") + 1
        wanted += [value.max(axis), value.argmin(axis), more.prod(axis)]
    for one, other in zip(on(gpu, [x], outputs)(value), wanted, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("axis", [0, 1])
def test_not_a_number_and_infinities(gpu: str, axis: int) -> None:
    """A row each of minus infinities, of one NaN, of one infinity in the last part."""
    value = np.random.default_rng(3).normal(size=(4, 6145))
    value[0], value[1, 5000], value[2, -1], value[3, 7] = (
        -np.inf,
        np.nan,
        np.inf,
        -np.inf,
    )
    x = T.dmatrix("x")
    turned = x if axis else x.T
    outputs = [
        T.nnet.softmax(turned), T.log(T.exp(turned).sum(1)), turned.max(1), T.argmax(turned, 1)
    ]  # fmt: skip
    found = on(gpu, [x], outputs)(value if axis else np.ascontiguousarray(value.T))
    with np.errstate(all="ignore"):
        # No class has any weight where all is minus infinity, or infinite.
        np.testing.assert_allclose(found[0][3], softmax(value, 1)[3], rtol=1e-12)
        assert np.isnan(found[0][:2]).all() and np.isnan(found[0][2, -1])
        np.testing.assert_allclose(found[1], np.log(np.exp(value).sum(1)), rtol=1e-12)
    np.testing.assert_array_equal(found[2], value.max(1))
    np.testing.assert_array_equal(found[3], value.argmax(1))


def test_a_long_sum_is_exact_whatever_the_cut(gpu: str) -> None:
    """A million roundings that would all go one way, in two columns and in one row."""
    x = T.fmatrix("x")
    value = np.full((1_000_000, 2), 0.1, "float32")
    f = on(gpu, [x], [x.sum(0), x.T.sum(1), x.sum()])
    exact = value.astype("float64").sum(0)
    for one, wanted in zip(f(value), [exact, exact, exact.sum()], strict=True):
        np.testing.assert_allclose(one, wanted, rtol=5e-7)
    assert f(value)[0].tobytes() == f(value)[0].tobytes()


@pytest.mark.parametrize("shape", [(2, 9001), (1, 4096), (40, 4097), (2000, 3)])
@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_the_same_bits_as_the_cpu(gpu: str, dtype: str, shape: tuple[int, int]) -> None:
    """With the flag, of several passes too; without it columns differ."""
    x = T.matrix("x", dtype)
    outputs = [
        T.nnet.softmax(x), x.std(1), T.log(T.exp(x).sum(1)), T.std(x), x.sum(0), x.std(0),
        T.argmax(x * x.sum(1, keepdims=True), 1), (x / (1 + x.max(1, keepdims=True))).min(1),
    ]  # fmt: skip
    value = np.random.default_rng(4).normal(size=shape).astype(dtype)
    if shape[0] > 1:
        value[1, 2] = np.inf
    with config.change_flags(portable_sums="on"):
        found, other = (on(d, [x], outputs)(value) for d in ("cpu", gpu))
    for one, two in zip(found, other, strict=True):
        number = one == one
        np.testing.assert_array_equal(number, two == two)
        assert one[number].tobytes() == two[number].tobytes()


def test_positions_out_of_range_in_a_part(gpu: str) -> None:
    x, places = T.dmatrix("x"), T.lvector("places")
    outputs = [T.log(T.exp(x[:, places]).sum(1)), x.T[places].sum(0)]
    value = np.random.default_rng(5).normal(size=(2, 50))
    where = np.arange(5000) % 50
    f = on(gpu, [x, places], outputs)
    picked = value[:, where]
    np.testing.assert_allclose(f(value, where)[0], np.log(np.exp(picked).sum(1)))
    np.testing.assert_allclose(f(value, where)[1], picked.sum(1))
    where[4321] = 50
    with pytest.raises(IndexError):
        f(value, where)


def test_in_place_updates_wait_for_all_passes(gpu: str) -> None:
    """The new value lies over the old one, which each pass reads."""
    random = np.random.default_rng(6)
    start, value = random.normal(size=3), random.normal(size=(3, 5000))
    with config.change_flags(device=gpu):
        state = symnet.shared(start)
        x = T.dmatrix("x")
        total = T.exp(x * state.dimshuffle(0, "x")).sum(1)
        step = symnet.function([x], [], updates=[(state, T.log(total) + state)])
        for _ in range(3):
            step(value)
    wanted = start
    for _ in range(3):
        wanted = np.log(np.exp(value * wanted[:, None]).sum(1)) + wanted
    np.testing.assert_allclose(state.get_value(), wanted, rtol=1e-9)
