"""Training by minibatches that a symbolic index picks from shared data."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from networks import Network

import symnet
import symnet.tensor as T
from symnet import optim
from symnet.datasets import Digits


@dataclass(frozen=True)
class Settings:
    """How long to train, and how: gradient descent whose rate falls with every epoch."""

    epochs: int
    rate: float
    rate_decay: float = 0.9
    weight_decay: float = 1e-4
    momentum: float = 0.0
    batch: int = 20
    seed: int = 1


@dataclass(frozen=True)
class Report:
    """What came of it.  Times in seconds; compiling covers making both functions and the
    first call of each, which compiles the kernels."""

    compiling: float
    training: float
    steps: int
    costs: list[float]  # the mean over each epoch
    accuracies: list[float]  # on the test images, after each epoch

    @property
    def step(self) -> float:
        return self.training / max(1, self.steps - 1)  # without the first


Watcher = Callable[[int, float, float], None]  # epoch, mean cost, test accuracy


def train(network: Network, data: Digits, settings: Settings, watch: Watcher) -> Report:
    """Train on the training part; after each epoch, `watch` hears how it goes."""
    rng = np.random.default_rng(settings.seed)
    began = time.perf_counter()
    step, errors, batches = compiled(network, data, settings)
    order = rng.permutation(batches)
    losses = [step(order[0])]
    errors()
    compiling = time.perf_counter() - began
    training = 0.0
    costs: list[float] = []
    accuracies: list[float] = []
    for epoch in range(1, settings.epochs + 1):
        began = time.perf_counter()
        losses += [step(k) for k in order[len(losses) :]]
        training += time.perf_counter() - began
        costs.append(float(np.mean(losses)))
        losses, order = [], rng.permutation(batches)
        accuracies.append(1 - float(errors()))
        watch(epoch, costs[-1], accuracies[-1])
    steps = settings.epochs * batches
    return Report(compiling, training, steps, costs, accuracies)


def compiled(
    network: Network, data: Digits, settings: Settings
) -> tuple[symnet.Function, symnet.Function, int]:
    """A training step by minibatch number, the share of errors on the test images, and the
    number of minibatches."""
    images, classes = symnet.shared(data.train_images), symnet.shared(data.train_labels)
    batches = len(data.train_images) // settings.batch
    index = T.lscalar("index")
    rows = slice(index * settings.batch, (index + 1) * settings.batch)
    step = symnet.function(
        [index],
        network.cost,
        updates=updates(network, settings, batches),
        givens={network.images: images[rows], network.classes: classes[rows]},
    )
    seen = {
        network.images: symnet.shared(data.test_images),
        network.classes: symnet.shared(data.test_labels),
    }
    return step, symnet.function([], network.errors, givens=seen), batches


def updates(network: Network, settings: Settings, batches: int) -> list[optim.Update]:
    epoch = optim.step_counter() // batches
    rate = optim.exponential_decay(epoch, settings.rate, settings.rate_decay)
    parameters = network.parameters
    gradients = symnet.grad(network.cost, parameters)
    gradients = optim.decay_weights(gradients, parameters, settings.weight_decay)
    if settings.momentum:
        return optim.momentum(gradients, parameters, rate, settings.momentum)
    return optim.sgd(gradients, parameters, rate)
