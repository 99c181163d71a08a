"""Networks trained on the emulated device as on the CPU, and their kernels as PTX."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.config import config
from symnet.kernels.cuda.cupy_driver import ptx_of
from symnet.kernels.gpus import EMULATED
from symnet.kernels.llvm.target import nvptx_target

Parameters = Sequence[Any]


def weights(random: Any, *shape: int) -> Any:
    return symnet.shared((random.normal(size=shape) * 0.3).astype("float32"))


def classes(p: Any, y: Any) -> Any:
    return T.nnet.categorical_crossentropy(p, y).mean()


def perceptron(x: Any, y: Any, random: Any) -> tuple[Any, Parameters]:
    """With dropout, in float32."""
    w, b, v = weights(random, 64, 40), weights(random, 40), weights(random, 40, 10)
    hidden = T.tanh(T.dot(x, w) + b)
    kept = symnet.random.RandomStream(5).bernoulli(hidden.shape, p=0.8)
    hidden = hidden * T.cast(kept, "float32")
    return classes(T.nnet.softmax(T.dot(hidden, v)), y), [w, b, v]


def convolutional(x: Any, y: Any, random: Any) -> tuple[Any, Parameters]:
    filters, v = weights(random, 4, 1, 3, 3), weights(random, 36, 10)
    image = x.reshape((x.shape[0], 1, 8, 8))
    maps = T.nnet.relu(T.nnet.conv2d(image, filters))
    pooled = T.signal.pool.pool_2d(maps, (2, 2), ignore_border=True)
    return classes(T.nnet.softmax(T.dot(pooled.flatten(2), v)), y), [filters, v]


def recurrent(x: Any, y: Any, random: Any) -> tuple[Any, Parameters]:
    u, w, v = weights(random, 8, 16), weights(random, 16, 16), weights(random, 16, 10)
    rows = x.reshape((x.shape[0], 8, 8)).dimshuffle(1, 0, 2)

    def step(row: Any, old: Any) -> Any:
        return T.nnet.sigmoid(T.dot(row, u) + T.dot(old, w))

    start = T.zeros((x.shape[0], 16), "float32")
    states, _ = symnet.scan(step, sequences=rows, outputs_info=[start])
    return classes(T.nnet.softmax(T.dot(states[-1], v)), y), [u, w, v]


MODELS: dict[str, Callable[..., tuple[Any, Parameters]]] = {
    f.__name__: f for f in (perceptron, convolutional, recurrent)
}


def train_step(name: str, device: str) -> tuple[Any, Parameters]:
    with config.change_flags(device=device, floatX="float32"):
        x, y = T.fmatrix("x"), T.lvector("y")
        cost, parameters = MODELS[name](x, y, np.random.default_rng(0))
        updates = symnet.optim.momentum(cost, parameters, 0.2, 0.9)
        return symnet.function([x, y], cost, updates=updates), parameters


@pytest.mark.parametrize("name", MODELS)
def test_training(name: str, gpu: str) -> None:
    random = np.random.default_rng(1)
    images = random.normal(size=(20, 64)).astype("float32")
    labels = np.arange(20) % 10
    costs, values = [], []
    for device in ("cpu", gpu):
        f, parameters = train_step(name, device)
        costs.append([float(f(images, labels)) for _ in range(8)])
        values.append([p.get_value() for p in parameters])
    np.testing.assert_allclose(costs[1], costs[0], rtol=1e-4)
    for native, found in zip(*values, strict=True):
        np.testing.assert_allclose(found, native, rtol=1e-3, atol=1e-4)
    assert costs[1][-1] < costs[1][0]


@pytest.mark.parametrize("architecture", ["sm_75", "sm_80", "sm_90", "sm_120"])
@pytest.mark.parametrize("name", MODELS)
def test_all_kernels_become_ptx(name: str, architecture: str) -> None:
    f, _ = train_step(name, "emulated")
    f(np.zeros((20, 64), "float32"), np.zeros(20, "int64"))
    (plan,) = f.engine.native[0].plans.values()
    assert f.device is EMULATED
    codes = plan.loaded.launched.codes  # also of kernels around products
    assert len(codes) > 5
    for source in codes:
        entry, text = ptx_of(source, nvptx_target(architecture))
        assert re.search(rf"\.entry {entry}\(", text.decode())
        assert not re.search(r"\bcall\b|\.extern", text.decode())
