"""Recurrent networks, sampling by a chain, and loops whose cost is the loop itself."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks.cases import cells
from benchmarks.cases.by_hand import (
    elman_by_hand,
    gru_by_hand,
    lstm_by_hand,
    plain_lstm_by_hand,
)
from benchmarks.cases.case import Case
from benchmarks.cases.networks import CLASSES, uniform
from benchmarks.problem import Array, Formula, Gradient, Sampling, Training
from benchmarks.work import dense, through_time

LOOPED = (
    "numpy",
    "torch",
    "torch-compile",
    "tensorflow",
)  # by an interpreter, or no loop


def recurrent(fan_in: int, hidden: int, gates: int) -> list[Array]:
    """Weights of inputs (fan_in, gates * hidden) and states, and biases."""
    into = [uniform(fan_in, hidden, seed) for seed in range(gates)]
    again = [uniform(hidden, hidden, 10 + seed) for seed in range(gates)]
    rng = np.random.default_rng(20)
    bias = rng.normal(0, 0.1, gates * hidden).astype(np.float32)
    return [np.hstack(into), np.hstack(again), bias]


def sequences(steps: int, batch: int, features: int) -> Array:
    rng = np.random.default_rng(21)
    return rng.standard_normal((steps, batch, features), dtype=np.float32)


def elman(steps: int, batch: int, features: int, hidden: int, batches: int) -> Training:
    """Sequences told apart by the last state of a recurrent network of tanh units:
    h(t) = tanh(x(t) U + h(t-1) W + b), then softmax."""
    data = sequences(batches * steps, batch, features)
    data = data.reshape(batches, steps, batch, features)
    labels = np.random.default_rng(22).integers(0, CLASSES, (batches, batch))
    start = np.zeros((batch, hidden), np.float32)
    output = [uniform(hidden, CLASSES), np.zeros(CLASSES, np.float32)]
    parameters = recurrent(features, hidden, 1) + output

    def loss(names: Any, parameters: Any, x: Any, classes: Any) -> Any:
        *weights, out, bias = parameters
        states = cells.layer(names, "elman")(x[0], *weights, start)
        return names.nll(names.dot(states[-1], out) + bias, classes[0])

    products = through_time(steps, batch, features, hidden, 1)
    products += dense(batch, hidden, CLASSES, below=True)
    return Training(data, labels, parameters, loss, elman_by_hand, 1, products)


def lstm(steps: int, batch: int, features: int, hidden: int) -> Gradient:
    """The mean square of all states of a layer of long short-term memory without peepholes,
    its gates in the order input, forget, candidate, output.

    Source: Gers, Schmidhuber & Cummins 2000 (with the forget gate).
    """
    return layer("lstm", 4, lstm_by_hand, steps, batch, features, hidden)


def gru(steps: int, batch: int, features: int, hidden: int) -> Gradient:
    """The mean square of all states of a layer of gated recurrent units, in the order reset,
    update, candidate: the reset gate scales the candidate's product with the state, as the
    workshop's slides `002` have it."""
    return layer("gru", 3, gru_by_hand, steps, batch, features, hidden)


def layer(
    kind: str,
    gates: int,
    by_hand: Any,
    steps: int,
    batch: int,
    features: int,
    hidden: int,
) -> Gradient:
    start = np.zeros((batch, hidden), np.float32)

    def loss(names: Any, parameters: Any, x: Any) -> Any:
        return names.mean(cells.layer(names, kind)(x, *parameters, start) ** 2)

    arrays = [sequences(steps, batch, features)]
    products = through_time(steps, batch, features, hidden, gates)
    parameters = recurrent(features, hidden, gates)
    return Gradient(arrays, parameters, loss, by_hand, products)


def plain_lstm(steps: int, batch: int, features: int, hidden: int) -> Gradient:
    """The LSTM with twelve parameters instead of three and everything in the step."""
    problem = layer("plain_lstm", 4, plain_lstm_by_hand, steps, batch, features, hidden)
    parts = [np.split(p, 4, axis=-1) for p in problem.parameters]
    parameters = [np.ascontiguousarray(part) for group in parts for part in group]
    return replace(problem, parameters=parameters)


def boltzmann(visible: int, hidden: int, batch: int, steps: int) -> Sampling:
    rng = np.random.default_rng(23)
    data = (rng.random((600, visible)) < 0.2).astype(np.float32)
    biases = [np.zeros(visible, np.float32), np.zeros(hidden, np.float32)]
    return Sampling(data, [uniform(visible, hidden), *biases], steps, batch)


def affine(steps: int, size: int | None, dtype: str = "float64") -> Formula:
    """What is left after so many times x <- a x + b, of a scalar or a vector."""
    arrays = [np.full(() if size is None else size, 0.5, dtype)]
    arrays += [np.array(0.999, dtype), np.array(0.25, dtype)]

    def compute(names: Any, x: Any, a: Any, b: Any) -> Any:
        return names.repeat(lambda x, a, b: a * x + b, steps, x, a, b)

    return Formula(
        compute, arrays, arrays[0].shape, tolerance=1e-9 if dtype == "float64" else 1e-4
    )


CASES = (
    Case(
        "Elman RNN step",
        partial(elman, 50, 32, 64, 128, 8),
        0.75,
        slow=("torch-compile",),
    ),
    Case(
        "LSTM",
        partial(lstm, 100, 16, 128, 128),
        0.9,
        0.8,
        warm_goal=0.8,
        compiled=True,
        slow=("torch-compile",),
    ),
    Case(
        "LSTM written plainly",
        partial(plain_lstm, 100, 16, 128, 128),
        slow=("torch-compile",),
    ),
    Case("GRU", partial(gru, 100, 16, 128, 128), 0.7, slow=("torch-compile",)),
    Case(
        "RBM CD-15", partial(boltzmann, 784, 500, 20, 15), 0.8, slow=("torch-compile",)
    ),
    Case(
        "scalar loop 10,000",
        partial(affine, 10_000, None),
        0.5,
        aside=LOOPED,
        slow=("torch-compile",),
    ),
    Case(
        "last state 1,000",
        partial(affine, 1_000, 256, "float32"),
        timed=False,
        weighed=True,
        slow=("torch-compile",),
    ),
    Case(
        "last state 100,000",
        partial(affine, 100_000, 256, "float32"),
        timed=False,
        weighed=True,
        slow=("torch-compile",),
    ),
)
