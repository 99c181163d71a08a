"""The workshop's networks, as expressions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import symnet
import symnet.tensor as T
from symnet import SharedVariable, Variable
from symnet.tensor.signal.pool import pool_2d


@dataclass(frozen=True)
class Network:
    """From images (n, pixels) to the classes that it sees in them, and the cost of that.

    Shapes: images (n, pixels), classes (n,) int32, predicted (n,), cost a scalar.
    """

    name: str
    images: Variable
    classes: Variable
    predicted: Variable
    cost: Variable
    parameters: list[SharedVariable]

    @property
    def errors(self) -> Variable:
        """The share of images that are taken for another class."""
        return T.mean(T.neq(self.predicted, self.classes))


def uniform(
    rng: np.random.Generator, fan_in: int, fan_out: int, scale: float = 1
) -> SharedVariable:
    """A shared matrix of weights between -b and b, b = scale * sqrt(6 / (fan_in + fan_out)).

    Source: Glorot & Bengio 2010, equation 16 (for tanh, scale 1).
    """
    bound = scale * np.sqrt(6 / (fan_in + fan_out))
    values = rng.uniform(-bound, bound, (fan_in, fan_out))
    return symnet.shared(values.astype(symnet.config.floatX))


def zeros(size: int) -> SharedVariable:
    return symnet.shared(np.zeros(size, symnet.config.floatX))


def perceptron(rng: np.random.Generator, sizes: Sequence[int], name: str) -> Network:
    """Layers of the given sizes with tanh between them and a softmax at the end.

    With two sizes (inputs and classes) this is multinomial logistic regression.
    """
    images, classes = T.matrix("images"), T.ivector("classes")
    weights = [uniform(rng, *pair) for pair in zip(sizes, sizes[1:])]
    biases = [zeros(size) for size in sizes[1:]]
    signal = images
    for w, b in zip(weights[:-1], biases[:-1]):
        signal = T.tanh(T.dot(signal, w) + b)
    probabilities = T.nnet.softmax(T.dot(signal, weights[-1]) + biases[-1])
    cost = T.mean(T.nnet.categorical_crossentropy(probabilities, classes))
    predicted = T.argmax(probabilities, axis=1)
    return Network(name, images, classes, predicted, cost, weights + biases)


def squares(side: int, patch: int) -> NDArray[Any]:
    """Which square of patch x patch pixels each pixel of an image belongs to.

    Shapes: (squares, side * side), with a one where the pixel is in the square.
    """
    row, column = np.divmod(np.arange(side * side), side)
    across = -(-side // patch)
    square = row // patch * across + column // patch
    belongs = square == np.arange(across * across)[:, None]
    floats: NDArray[Any] = belongs.astype(symnet.config.floatX)
    return floats


def switched(
    rng: np.random.Generator, side: int, classes: int, patch: int, name: str
) -> Network:
    """The switched network of the workshop's slides.

    The pixels come in groups, here squares.  Looking at the whole image X, switch m decides
    how much of its group passes, s_m = sigmoid(u_m X + a_m); one layer of sigmoids reads
    what has passed.  The cost is each class's cross-entropy, summed over classes.
    """
    groups = symnet.shared(squares(side, patch))
    n_switch, n_input = groups.get_value(borrow=True).shape
    images, numbers = T.matrix("images"), T.ivector("classes")
    switch_weights = uniform(rng, n_input, n_switch, scale=0.004)
    switch_bias = zeros(n_switch)
    weights, bias = uniform(rng, n_input, classes, scale=0.004), zeros(classes)

    switch = T.nnet.sigmoid(T.dot(images, switch_weights) + switch_bias)
    passed = images * T.dot(switch, groups)
    output = T.nnet.sigmoid(T.dot(passed, weights) + bias)
    labels = T.eq(numbers.dimshuffle(0, "x"), T.arange(classes))
    entropy = -T.sum(labels * T.log(output) + (1 - labels) * T.log(1 - output), axis=1)
    predicted, cost = T.argmax(output, axis=1), T.mean(entropy)
    parameters = [switch_weights, switch_bias, weights, bias]
    return Network(name, images, numbers, predicted, cost, parameters)


def filters(
    rng: np.random.Generator, outputs: int, channels: int, side: int
) -> SharedVariable:
    """Shared filters between -b and b, b = sqrt(6 / (fan_in + fan_out)), as `uniform`."""
    bound = np.sqrt(6 / ((channels + outputs) * side**2))
    values = rng.uniform(-bound, bound, (outputs, channels, side, side))
    return symnet.shared(values.astype(symnet.config.floatX))


def convolutional(
    rng: np.random.Generator, side: int, classes: int, name: str
) -> Network:
    """A LeNet: two layers of filters, each followed by the greatest of every 2x2 places and
    tanh, then 500 tanh units and a softmax.

    Filters are 5x5; images of 8x8 pixels have room for 3x3 and 2x2.
    Source: LeCun, Bottou, Bengio & Haffner 1998, in the form of the Deep Learning Tutorials.
    """
    images, numbers = T.matrix("images"), T.ivector("classes")
    signal = images.reshape((-1, 1, side, side))
    parameters: list[SharedVariable] = []
    channels, left = 1, side
    for outputs, size in ((20, 5 if side > 8 else 3), (50, 5 if side > 8 else 2)):
        w, b = filters(rng, outputs, channels, size), zeros(outputs)
        passed = pool_2d(T.nnet.conv2d(signal, w), (2, 2), ignore_border=True)
        signal = T.tanh(passed + b.dimshuffle("x", 0, "x", "x"))
        parameters += [w, b]
        channels, left = outputs, (left - size + 1) // 2
    hidden, last = uniform(rng, channels * left**2, 500), uniform(rng, 500, classes)
    hidden_bias, last_bias = zeros(500), zeros(classes)
    signal = T.tanh(T.dot(signal.flatten(2), hidden) + hidden_bias)
    probabilities = T.nnet.softmax(T.dot(signal, last) + last_bias)
    cost = T.mean(T.nnet.categorical_crossentropy(probabilities, numbers))
    predicted = T.argmax(probabilities, axis=1)
    parameters += [hidden, hidden_bias, last, last_bias]
    return Network(name, images, numbers, predicted, cost, parameters)
