"""Calls in less memory: what is made again gives the same numbers, and less waits."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.compile.function import Function
from symnet.config import config
from symnet.random import RandomStream
from symnet.shared import SharedVariable

Model = tuple[list[Any], Any, list[SharedVariable], list[Any]]
WIDE, ROWS = 32, 512


def weights(rng: np.random.Generator, *shape: int) -> SharedVariable:
    value = rng.normal(size=shape) / shape[0] ** 0.5
    return symnet.shared(value.astype(np.float32))


def deep(layer: Callable[[Any, Any, int], Any], depth: int = 12) -> Model:
    rng = np.random.default_rng(0)
    x = T.fmatrix("x")
    value, parameters = x, []
    for number in range(depth):
        parameters.append(weights(rng, WIDE, WIDE))
        value = layer(value, parameters[-1], number)
    data = rng.normal(size=(ROWS, WIDE)).astype(np.float32)
    return [x], T.mean(value**2), parameters, [data]


def plain(depth: int = 12) -> Model:
    return deep(lambda x, w, _: T.tanh(T.dot(x, w)), depth)


def residual(depth: int = 12) -> Model:
    return deep(lambda x, w, _: x + 0.1 * T.dot(T.nnet.relu(T.dot(x, w)), w.T), depth)


def normalised() -> Model:
    def layer(x: Any, w: Any, _: int) -> Any:
        z = T.dot(x, w)
        return T.nnet.elu((z - z.mean(0)) / T.sqrt(z.var(0) + 1e-4))

    return deep(layer)


def drawn() -> Model:
    stream = RandomStream(3)
    return deep(
        lambda x, w, _: T.tanh(T.dot(x, w)) * stream.bernoulli(x.shape, 0.5, "float32")
    )


def drawn_in_turn() -> Model:
    """Draws that may fail, for which writes of parameters would wait."""
    stream = T.shared_randomstreams.RandomStreams(3)
    return deep(lambda x, w, _: T.tanh(T.dot(x, w)) * stream.binomial(x.shape, p=0.5))


def looked_up() -> Model:
    """Positions that may be out of range, for which writes would wait as well."""
    rng = np.random.default_rng(1)
    places = T.lvector("places")

    def layer(x: Any, w: Any, number: int) -> Any:
        return T.tanh(T.dot(x, w))[places]

    inputs, cost, parameters, data = deep(layer)
    return [*inputs, places], cost, parameters, [*data, rng.integers(0, ROWS, ROWS)]


def convolved() -> Model:
    rng = np.random.default_rng(0)
    x = T.ftensor4("x")
    value, parameters = x, []
    for channels, filters in ((1, 6), (6, 6), (6, 6), (6, 6), (6, 6), (6, 4)):
        value_rng = rng.normal(size=(filters, channels, 3, 3)) * 0.3
        parameters.append(symnet.shared(value_rng.astype(np.float32)))
        value = T.nnet.relu(T.nnet.conv2d(value, parameters[-1], border_mode="half"))
    data = rng.normal(size=(8, 1, 12, 12)).astype(np.float32)
    return [x], T.mean(value**2), parameters, [data]


MODELS = [plain, residual, normalised, drawn, drawn_in_turn, looked_up, convolved]


def trained(model: Model, **options: Any) -> Function:
    inputs, cost, parameters, _ = model
    steps = zip(parameters, T.grad(cost, parameters), strict=True)
    updates = [(p, p - np.float32(0.1) * g) for p, g in steps]
    return symnet.function(inputs, cost, updates=updates, **options)


def taken(function: Function) -> int:
    """The bytes of the latest plans' temporaries."""
    natives = function.engine.native
    return sum(next(reversed(n.plans.values())).loaded.memory_bytes for n in natives)


def values(parameters: Sequence[SharedVariable]) -> list[Any]:
    return [p.get_value() for p in parameters]


@pytest.mark.parametrize("make", MODELS)
def test_less_memory_same_bits(make: Callable[[], Model]) -> None:
    model, again = make(), make()
    usual = trained(model)
    costs = [usual(*model[3]) for _ in range(3)]
    limit = taken(usual) * 0.9
    bounded = trained(again, memory_limit=limit)
    assert [bounded(*again[3]) for _ in range(3)] == costs
    assert taken(bounded) <= limit
    for a, b in zip(values(model[2]), values(again[2]), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("make", [plain, residual])
def test_deeper_networks_need_a_smaller_part(make: Callable[[int], Model]) -> None:
    """What has to be kept grows as the square root of the depth."""
    for depth, part in ((12, 0.7), (36, 0.4)):
        usual, data = trained(make(depth)), make(depth)[3]
        usual(*data)
        limit = taken(usual) * part
        bounded = trained(make(depth), memory_limit=limit)
        bounded(*data)
        assert taken(bounded) <= limit


def test_values_by_hand() -> None:
    model = plain()
    before = [p.astype(np.float64) for p in values(model[2])]
    usual = trained(plain())
    usual(*model[3])
    bounded = trained(model, memory_limit=taken(usual) * 0.7)
    cost = bounded(*model[3])
    layers = [model[3][0].astype(np.float64)]
    for w in before:
        layers.append(np.tanh(layers[-1] @ w))
    np.testing.assert_allclose(cost, (layers[-1] ** 2).mean(), rtol=1e-5)
    slope = 2 * layers[-1] / layers[-1].size
    for w, now, x, y in zip(
        before[::-1], values(model[2])[::-1], layers[-2::-1], layers[:0:-1], strict=True
    ):
        slope = slope * (1 - y**2)
        np.testing.assert_allclose(now, w - 0.1 * x.T @ slope, rtol=1e-4, atol=1e-6)
        slope = slope @ w.T


def test_what_fits_is_computed_once() -> None:
    model = plain()
    usual = trained(plain())
    usual(*model[3])
    bounded = trained(model, memory_limit=taken(usual) * 0.7)
    small = model[3][0][: ROWS // 2]
    bounded(small)
    first = bounded.engine
    bounded(*model[3])
    second = bounded.engine
    assert second is not first
    bounded(small)
    assert bounded.engine is first
    bounded(*model[3])
    assert bounded.engine is second  # found again, not made again
    assert len(bounded.within.programs) == 2


def test_no_room() -> None:
    model = plain()
    before = values(model[2])
    function = trained(model, memory_limit=10_000)
    with pytest.raises(MemoryError) as told:
        function(*model[3])
    text = str(told.value)
    assert "more than memory_limit, 10 kB" in text
    assert "with values made again; the largest arrays:" in text
    assert "test_memory_limit.py" in text and "your line" in text
    assert "to do: use smaller minibatches" in text
    assert all(np.array_equal(a, b) for a, b in zip(before, values(model[2])))
    function(model[3][0][:1])  # what fits is computed


def test_loops_are_kept() -> None:
    x, w = T.matrix("x"), symnet.shared(np.eye(4))
    rows, _ = symnet.scan(lambda r, s: T.tanh(T.dot(s, w) + r), x, T.zeros(4))
    function = symnet.function([x], T.grad(rows.sum(), w), memory_limit=100)
    with pytest.raises(MemoryError, match="loops, conditions and results"):
        function(np.ones((50, 4)))


def test_with_operations_of_users() -> None:
    """A graph in several programs: each keeps the limit."""

    @symnet.as_op(itypes=[T.fmatrix], otypes=[T.fmatrix])
    def shown(x: Any) -> Any:
        return x * 2

    def make() -> tuple[Function, Any]:
        inputs, cost, parameters, data = plain()
        gradients = T.grad(cost, parameters)
        value = shown(sum(gradients))
        return (inputs, value, parameters, gradients), data

    (inputs, value, _, gradients), data = make()
    usual = symnet.function(inputs, [value.sum(), *gradients])
    expected = usual(*data)
    bounded = symnet.function(
        inputs, [value.sum(), *gradients], memory_limit=taken(usual) * 0.9
    )
    for a, b in zip(expected, bounded(*data), strict=True):
        assert np.array_equal(a, b)
    assert taken(bounded) <= taken(usual) * 0.9


@pytest.mark.parametrize("device", ["emulated", "reference"])
def test_on_devices(device: str) -> None:
    with config.change_flags(device=device):
        model, again = plain(), plain()
        usual = trained(model)
        costs = [usual(*model[3]) for _ in range(2)]
        limit = taken(usual) * 0.75
        bounded = trained(again, memory_limit=limit)
    assert [bounded(*again[3]) for _ in range(2)] == costs
    assert taken(bounded) <= limit


def test_copies_and_pickles_keep_it() -> None:
    model = plain()
    function = trained(model, memory_limit=1000)
    for twin in (function.copy(), pickle.loads(pickle.dumps(function))):
        with pytest.raises(MemoryError, match="memory_limit, 1 kB"):
            twin(*model[3])


def test_profile_and_memory_given_back() -> None:
    model = plain()
    usual = trained(plain())
    usual(*model[3])
    function = trained(model, memory_limit=taken(usual) * 0.7, profile=True)
    for _ in range(3):
        function(*model[3])
    products = [r for r in function.profile().rows if r.operation.startswith("Dot")]
    assert len(products) > 12 + 11  # those forward, those back, and what is made again
    function.free()
    function(*model[3])


def test_wrong_limits() -> None:
    x = T.vector("x")
    for wrong in ("1GB", True, [1]):
        with pytest.raises(TypeError, match="a number of bytes, as 500e6"):
            symnet.function([x], x * 2, memory_limit=wrong)
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError, match="from 0 on"):
            symnet.function([x], x * 2, memory_limit=wrong)
    symnet.function([x], x * 2, memory_limit=float("inf"))(np.ones(2))
    for mode in ("DebugMode", "FAST_COMPILE"):
        with pytest.warns(UserWarning, match="memory_limit is kept by native programs"):
            symnet.function([x], x * 2, mode=mode, memory_limit=10)
