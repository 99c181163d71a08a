"""Training steps of the workshop's networks, from resident data by minibatch index."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from benchmarks.cases.case import Case
from benchmarks.problem import Array, Training
from benchmarks.work import Product, dense

ROWS, PIXELS, CLASSES = 6000, 784, 10
PATCH = 4  # side of the square of pixels that one switch turns on or off


def images(rows: int = ROWS, pixels: int = PIXELS) -> tuple[Array, Array]:
    """Made-up images (float32 between 0 and 1, most of them dark) and their classes."""
    rng = np.random.default_rng(2)
    bright = rng.random((rows, pixels), dtype=np.float32) - np.float32(0.5)
    return np.maximum(bright, 0) * 2, rng.integers(0, CLASSES, rows)


def uniform(fan_in: int, fan_out: int, seed: int = 3) -> Array:
    """Weights between -b and b with b = sqrt(6 / (fan_in + fan_out)).

    Source: Glorot & Bengio 2010, equation 16.
    """
    bound = np.sqrt(6 / (fan_in + fan_out))
    rng = np.random.default_rng(seed)
    return rng.uniform(-bound, bound, (fan_in, fan_out)).astype(np.float32)


def nll_by_hand(scores: Array, classes: Array) -> Any:
    """Mean negative log-likelihood of softmax(scores); its gradient replaces scores."""
    rows, count = np.arange(len(classes)), len(classes)
    scores -= scores.max(axis=1, keepdims=True)
    picked = scores[rows, classes]
    np.exp(scores, out=scores)
    totals = scores.sum(axis=1)
    scores /= totals[:, None] * count
    scores[rows, classes] -= 1 / count
    return (np.log(totals) - picked).mean()


def perceptron(
    sizes: list[int],
    activation: str,
    batch: int,
    rows: int = ROWS,
    momentum: float = 0.0,
) -> Training:
    """Layers of the given sizes with tanh or relu between them, softmax at the end.

    With two sizes it is multinomial logistic regression.
    """
    data, classes = images(rows, sizes[0])
    parameters, products = [], []
    for layer, (fan_in, fan_out) in enumerate(zip(sizes, sizes[1:])):
        products += dense(batch, fan_in, fan_out, below=layer > 0)
        parameters += [uniform(fan_in, fan_out, layer), np.zeros(fan_out, np.float32)]

    def loss(names: Any, parameters: Any, x: Any, classes: Any) -> Any:
        *hidden, last = zip(parameters[::2], parameters[1::2])
        for weights, bias in hidden:
            x = getattr(names, activation)(names.dot(x, weights) + bias)
        return names.nll(names.dot(x, last[0]) + last[1], classes)

    by_hand = partial(perceptron_by_hand, activation)
    rate = 0.1 if activation == "tanh" else 0.01
    return Training(
        data, classes, parameters, loss, by_hand, batch, tuple(products), rate, momentum
    )


def perceptron_by_hand(
    activation: str, parameters: list[Array], x: Array, classes: Array
) -> tuple[Any, list[Array]]:
    weights, biases = parameters[::2], parameters[1::2]
    inputs = [x]
    for w, b in zip(weights[:-1], biases[:-1]):
        z = inputs[-1] @ w
        z += b
        inputs.append(
            np.tanh(z, out=z) if activation == "tanh" else np.maximum(z, 0, out=z)
        )
    gradient = inputs[-1] @ weights[-1]
    gradient += biases[-1]
    loss = nll_by_hand(gradient, classes)
    gradients: list[Array] = []
    for layer in reversed(range(len(weights))):
        output = inputs.pop()
        gradients[:0] = [output.T @ gradient, gradient.sum(axis=0)]
        if layer:
            gradient = gradient @ weights[layer].T
            gradient *= slope_in_place(activation, output)
    return loss, gradients


def slope_in_place(activation: str, output: Array) -> Array:
    """The activation's derivative where it gave `output`, which is used up."""
    if activation == "relu":
        return output > 0
    output *= output
    return np.subtract(1, output, out=output)


def switched(batch: int) -> Training:
    """The workshop's switched network.

    Inputs come in groups (here 49 squares of 4x4 pixels of a 28x28 image), and for each
    image and group m a switch s_m = sigmoid(x U + a)_m, computed from all inputs, scales
    the inputs of its group.  What is left goes through one sigmoid layer:
        output = sigmoid((x * (s G)) W + b)
    where G[m, i] is 1 if input i belongs to group m.  The cost is the mean over images of
    the cross-entropy summed over outputs, with the classes as rows of 0 and one 1.
    Weights start at 0.001 times uniform(-c, c), c = 4 sqrt(6 / (fan_in + fan_out)); U, a,
    W and b are all trained.
    Source: the workshop's slides "switched", equations 4 to 7.  They leave the number of
    groups open.
    """
    data, classes = images()
    labels = np.eye(CLASSES, dtype=np.float32)[classes]
    pixel = np.arange(PIXELS)
    side = 28 // PATCH
    group = pixel // 28 // PATCH * side + pixel % 28 // PATCH
    groups = (group == np.arange(side * side)[:, None]).astype(np.float32)
    parameters = [
        np.float32(0.004) * uniform(PIXELS, side * side, 4),
        np.zeros(side * side, np.float32),
        np.float32(0.004) * uniform(PIXELS, CLASSES, 5),
        np.zeros(CLASSES, np.float32),
    ]

    def loss(names: Any, parameters: Any, x: Any, labels: Any, groups: Any) -> Any:
        switch_weights, switch_bias, weights, bias = parameters
        switches = names.sigmoid(names.dot(x, switch_weights) + switch_bias)
        passed = x * names.dot(switches, groups)
        output = names.sigmoid(names.dot(passed, weights) + bias)
        terms = labels * names.log(output) + (1 - labels) * names.log(1 - output)
        return names.mean(-names.sum(terms, axis=1))

    products = (
        *dense(batch, PIXELS, len(groups), below=False),
        Product(batch, len(groups), PIXELS),
        Product(batch, PIXELS, len(groups), "b"),
        *dense(batch, PIXELS, CLASSES, below=True),
    )
    return Training(
        data,
        labels,
        parameters,
        loss,
        switched_by_hand,
        batch,
        products,
        constants=(groups,),
    )


def switched_by_hand(
    parameters: list[Array], x: Array, labels: Array, groups: Array
) -> tuple[Any, list[Array]]:
    switch_weights, switch_bias, weights, bias = parameters
    switches = sigmoid(x @ switch_weights + switch_bias)
    indicator = switches @ groups
    passed = x * indicator
    output = sigmoid(passed @ weights + bias)
    terms = labels * np.log(output) + (1 - labels) * np.log(1 - output)
    loss = -terms.sum(axis=1).mean()
    gradient = (output - labels) / len(x)
    into_switches = ((gradient @ weights.T) * x) @ groups.T
    into_switches *= switches * (1 - switches)
    return loss, [
        x.T @ into_switches,
        into_switches.sum(axis=0),
        passed.T @ gradient,
        gradient.sum(axis=0),
    ]


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def deep(layers: int) -> Training:
    """Many small tanh layers: here the compiler's work is measured, not the step's."""
    return perceptron([64] * layers + [CLASSES], "tanh", batch=32, rows=320)


LONG_TO_COMPILE = ("torch-compile", "pytensor-c", "pytensor-numba")

CASES = (
    Case(
        "logistic regression",
        partial(perceptron, [784, 10], "tanh", 600),
        0.75,
        0.5,
        compiled=True,
    ),
    Case("switched network", partial(switched, 100), 0.75),
    Case(
        "MLP batch 20",
        partial(perceptron, [784, 500, 10], "tanh", 20),
        0.75,
        0.5,
        compiled=True,
    ),
    Case("MLP batch 100", partial(perceptron, [784, 500, 10], "tanh", 100), 0.95),
    Case("MLP batch 600", partial(perceptron, [784, 500, 10], "tanh", 600), 0.95),
    Case(
        "relu momentum",
        partial(perceptron, [784, 1024, 1024, 10], "relu", 100, momentum=0.9),
        0.95,
    ),
    Case("deep MLP 10", partial(deep, 10), compiled=True, timed=False),
    Case(
        "deep MLP 50",
        partial(deep, 50),
        compiled=True,
        timed=False,
        slow=LONG_TO_COMPILE,
    ),
    Case(
        "deep MLP 100",
        partial(deep, 100),
        compiled=True,
        timed=False,
        slow=LONG_TO_COMPILE,
    ),
    Case(
        "deep MLP 200",
        partial(deep, 200),
        None,
        0.8,
        compiled=True,
        timed=False,
        slow=LONG_TO_COMPILE,
    ),
    Case(
        "wide MLP",
        partial(perceptron, [1000] * 11, "tanh", 4096, rows=4096),
        timed=False,
        weighed=True,
        slow=LONG_TO_COMPILE,
    ),
)
