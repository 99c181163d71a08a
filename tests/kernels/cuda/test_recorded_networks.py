"""Train steps of convolutional networks on resident data: recorded as a whole, and nothing
is moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.config import config
from symnet.kernels.cuda.device_array import Moved
from symnet.kernels.cuda.emulated_driver import EmulatedDriver
from symnet.kernels.cuda.gemm_work import ProductStep
from symnet.sandbox.rng_mrg import MRG_RandomStreams
from tests.kernels.programs import on

BATCH, CLASSES = 6, 10
PER_MAP = (True, False, True, True)
Made = tuple[Any, list[Any], list[tuple[Any, Any]]]


def weights(random: Any, *shape: int) -> Any:
    return symnet.shared((random.normal(size=shape) * 0.2).astype("float32"))


def lenet(x: Any, random: Any) -> Made:
    """Probabilities, parameters, and other updates."""
    first, second = weights(random, 6, 1, 5, 5), weights(random, 8, 6, 5, 5)
    biases = [weights(random, n) for n in (6, 8, 20, CLASSES)]
    hidden, last = weights(random, 128, 20), weights(random, 20, CLASSES)
    maps = x.reshape((BATCH, 1, 28, 28))
    for filters, bias in zip((first, second), biases):
        maps = T.nnet.conv2d(maps, filters)
        maps = T.signal.pool.pool_2d(maps, (2, 2), ignore_border=True)
        maps = T.tanh(maps + bias.dimshuffle("x", 0, "x", "x"))
    full = T.tanh(T.dot(maps.flatten(2), hidden) + biases[2])
    found = T.nnet.softmax(T.dot(full, last) + biases[3])
    return found, [first, second, hidden, last, *biases], []


def with_strides_and_averages(x: Any, random: Any) -> Made:
    """Strides instead of pooling, batch normalization with its running averages, depthwise
    filters, averages of windows, dropout by both generators."""
    first, second = weights(random, 6, 1, 3, 3), weights(random, 6, 1, 3, 3)
    gamma, beta = symnet.shared(np.ones(6, "float32")), weights(random, 6)
    mean = symnet.shared(np.zeros((1, 6, 1, 1), "float32"), broadcastable=PER_MAP)
    var = symnet.shared(np.ones((1, 6, 1, 1), "float32"), broadcastable=PER_MAP)
    last = weights(random, 6 * 3 * 3, CLASSES)
    maps = T.nnet.conv2d(
        x.reshape((BATCH, 1, 28, 28)), first, subsample=(2, 2), border_mode="half"
    )
    every = (gamma, beta)
    scale, shift = (v.dimshuffle("x", 0, "x", "x") for v in every)
    maps, *_, new_mean, new_var = T.nnet.bn.batch_normalization_train(
        maps, scale, shift, axes="spatial", running_mean=mean, running_var=var
    )
    maps = T.nnet.relu(maps)
    maps = T.nnet.conv2d(maps, second, subsample=(2, 2), num_groups=6)
    maps = T.signal.pool.pool_2d(
        maps, (2, 2), ignore_border=True, mode="average_exc_pad"
    )
    kept = symnet.random.RandomStream(5).bernoulli(maps.shape, p=0.8)
    maps = maps * T.cast(kept, "float32")
    kept = MRG_RandomStreams(5).binomial(maps.shape, p=0.8, dtype="float32")
    maps = maps * kept
    found = T.nnet.softmax(T.dot(maps.flatten(2), last))
    return found, [first, second, last, *every], [(mean, new_mean), (var, new_var)]


NETWORKS: dict[str, Callable[[Any, Any], Made]] = {
    one.__name__: one for one in (lenet, with_strides_and_averages)
}


def train_step(name: str, gpu: str) -> tuple[Any, list[Any]]:
    """By the number of the minibatch, without results."""
    random = np.random.default_rng(0)
    data = symnet.shared(random.normal(size=(5 * BATCH, 784)).astype("float32"))
    classes = symnet.shared(random.integers(0, CLASSES, 5 * BATCH))
    k, x, y = T.lscalar("k"), T.fmatrix("x"), T.lvector("y")
    with config.change_flags(floatX="float32"):
        found, parameters, more = NETWORKS[name](x, random)
        cost = T.nnet.categorical_crossentropy(found, y).mean()
        updates = [*symnet.optim.momentum(cost, parameters, 0.1, 0.9), *more]
    rows = slice(k * BATCH, (k + 1) * BATCH)
    givens = {x: data[rows], y: classes[rows]}
    f = on(gpu, [k], [], updates=updates, givens=givens)
    return f, [*parameters, *(variable for variable, _ in more)]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_is_recorded_as_a_whole_and_moves_nothing(name: str, gpu: str) -> None:
    """What can fail, and behind it what writes shared variables where they lie."""
    f, _ = train_step(name, gpu)
    for k in range(2):
        f(k)
    assert len(f.engine.segments) == 1
    (plan,) = f.engine.native[-1].plans.values()
    program = plan.loaded
    before = program.transfers.traffic
    for k in range(5):
        f(k)
    moved = program.transfers.traffic - before
    assert moved.to_device == Moved() and moved.to_host == Moved()
    told = f.profile(3, repeat=2).transfers
    assert told.to_device == Moved() and told.to_host == Moved()
    if program.driver.graphless or program.driver.productless:
        pytest.skip("no graphs of products here")
    pieces = [piece for piece, _ in program.recorded.pieces]
    assert program.direct and len(pieces) <= 2
    assert not any(isinstance(one, int) for one in pieces)
    works = program.launched.works.values()
    assert any(isinstance(step, ProductStep) for w in works for step in w.steps)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_learns_what_the_cpu_learns(name: str, gpu: str) -> None:
    found = []
    for device in (gpu, "cpu"):
        with config.change_flags(device=device):
            f, variables = train_step(name, device)
            for k in (0, 1, 1, 4, 2, 0, 3):
                f(k)
            found.append([one.get_value() for one in variables])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_replays_are_what_launches_give_bit_for_bit(
    gpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what the last thread gives first."""
    found = []
    for graphs, backwards in (("auto", False), ("off", False), ("off", True)):
        if gpu == "emulated":
            monkeypatch.setattr(EmulatedDriver, "backwards", backwards, raising=False)
        with config.change_flags(gpu_graphs=graphs):
            f, variables = train_step("lenet", gpu)
            for k in (0, 1, 2, 3):
                f(k)
        found.append([one.get_value().tobytes() for one in variables])
    assert found[0] == found[1] == found[2]


def test_a_convolution_of_what_moves_from_call_to_call(gpu: str) -> None:
    """Images and filters lie elsewhere in each call, so does the result."""
    random = np.random.default_rng(1)
    x, w = T.tensor4("x", "float64"), T.tensor4("w", "float64")
    f = on(gpu, [x, w], T.nnet.conv2d(x, w))
    native = on("cpu", [x, w], T.nnet.conv2d(x, w))
    kept = []
    for _ in range(4):
        given = [random.normal(size=s) for s in ((2, 6, 5, 5), (7, 6, 1, 1))]
        kept.append((f(*given), native(*given)))
    for one, other in kept:
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)
