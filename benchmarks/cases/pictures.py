"""Convolutional networks on pictures: a LeNet's training step, a block of VGG's, a VGG."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.cases.case import Case
from benchmarks.cases.networks import images, nll_by_hand, uniform
from benchmarks.problem import Array, Gradient, Inference, Training
from benchmarks.work import Product, dense

SIDE = 28


def filters(outputs: int, channels: int, side: int, seed: int) -> Array:
    """Weights between -b and b with b = sqrt(6 / (fan_in + fan_out)), as `uniform`."""
    fan_in, fan_out = channels * side * side, outputs * side * side
    bound = np.sqrt(6 / (fan_in + fan_out))
    values = np.random.default_rng(seed).uniform(
        -bound, bound, (outputs, channels, side, side)
    )
    return values.astype(np.float32)


def convolution_products(
    places: int, channels: int, outputs: int, taps: int, below: bool = True
) -> list[Product]:
    """The products that a convolution and its gradients amount to."""
    inner = channels * taps
    found = [Product(places, inner, outputs), Product(inner, places, outputs, "a")]
    return [*found, Product(places, outputs, inner, "b")] if below else found


def lenet(batch: int) -> Training:
    """Two layers of 5x5 filters (20 and 50), each with 2x2 maxima and tanh, then 500 tanh
    units and 10 classes.

    Source: the LeNet of the Deep Learning Tutorials for Theano.
    """
    data, classes = images(rows=3000)
    parameters = [
        filters(20, 1, 5, 11), np.zeros(20, np.float32),
        filters(50, 20, 5, 12), np.zeros(50, np.float32),
        uniform(800, 500, 13), np.zeros(500, np.float32),
        uniform(500, 10, 14), np.zeros(10, np.float32),
    ]  # fmt: skip
    products = [
        *convolution_products(batch * 24 * 24, 1, 20, 25, below=False),
        *convolution_products(batch * 8 * 8, 20, 50, 25),
        *dense(batch, 800, 500, below=True),
        *dense(batch, 500, 10, below=True),
    ]

    def loss(names: Any, parameters: Any, x: Any, classes: Any) -> Any:
        first, a, second, b, hidden, c, last, d = parameters
        x = names.reshape(x, (-1, 1, SIDE, SIDE))
        for w, bias in ((first, a), (second, b)):
            pooled = names.pool(names.convolve(x, w, 0))
            x = names.tanh(pooled + names.reshape(bias, (1, -1, 1, 1)))
        x = names.tanh(names.dot(names.reshape(x, (-1, 800)), hidden) + c)
        return names.nll(names.dot(x, last) + d, classes)

    return Training(
        data, classes, parameters, loss, lenet_by_hand, batch, tuple(products), 0.1
    )


def block(batch: int) -> Gradient:
    """Two layers of 64 3x3 filters on 64 channels of 56x56, relu, and 2x2 maxima: the mean
    of the squares, with the gradients for both layers.

    Source: a block of Simonyan & Zisserman 2014, "Very deep convolutional networks".
    """
    rng = np.random.default_rng(21)
    x = rng.standard_normal((batch, 64, 56, 56), dtype=np.float32)
    places = batch * 56 * 56
    products = [
        *convolution_products(places, 64, 64, 9, below=False),
        *convolution_products(places, 64, 64, 9),
    ]

    def loss(names: Any, parameters: Any, x: Any) -> Any:
        for w in parameters:
            x = names.relu(names.convolve(x, w, 1))
        x = names.pool(x)
        return names.mean(x * x)

    parameters = [filters(64, 64, 3, 22), filters(64, 64, 3, 23)]
    return Gradient([x], parameters, loss, block_by_hand, tuple(products))


# Filters of each layer, one group for each size of the picture.
VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def vgg(
    batch: int,
    groups: Sequence[Sequence[int]] = VGG16,
    side: int = 224,
    units: Sequence[int] = (4096, 4096, 1000),
) -> Inference:
    """A VGG's scores: groups of 3x3 convolutions, each with relu, and after each group 2x2
    maxima; then layers of `units`.

    Source: Simonyan & Zisserman 2014, configuration D.  Weights are normal with variance
    2 / fan_in (He et al. 2015): so numbers neither grow nor vanish.
    """
    rng = np.random.default_rng(31)

    def normal(*shape: int, fan_in: int) -> Array:
        values = rng.standard_normal(shape, dtype=np.float32)
        return values * np.float32(np.sqrt(2 / fan_in))

    x = rng.standard_normal((batch, 3, side, side), dtype=np.float32)
    parameters, products, channels, size = [], [], 3, side
    for group in groups:
        for outputs in group:
            parameters += [
                normal(outputs, channels, 3, 3, fan_in=9 * channels),
                normal(outputs, fan_in=200),
            ]
            products.append(Product(batch * size * size, 9 * channels, outputs))
            channels = outputs
        size //= 2
    inputs = channels * size * size
    for outputs in units:
        parameters += [
            normal(inputs, outputs, fan_in=inputs),
            normal(outputs, fan_in=200),
        ]
        products.append(Product(batch, inputs, outputs))
        inputs = outputs

    def compute(names: Any, parameters: Any, x: Any) -> Any:
        pairs = iter(zip(parameters[::2], parameters[1::2]))
        for group in groups:
            for _ in group:
                w, bias = next(pairs)
                bias = names.reshape(bias, (1, -1, 1, 1))
                x = names.relu(names.convolve(x, w, 1) + bias)
            x = names.pool(x)
        x = names.reshape(x, (batch, channels * size * size))
        for number, (w, bias) in enumerate(pairs):
            x = names.dot(names.relu(x) if number else x, w) + bias
        return x

    return Inference([x], parameters, compute, (batch, units[-1]), tuple(products))


# ---- by hand


def windows(x: Array, w: Array, border: int) -> Array:
    """(images, channels, rows, columns, taps, taps)."""
    padded = np.pad(x, ((0, 0), (0, 0), (border, border), (border, border)))
    return np.lib.stride_tricks.sliding_window_view(padded, w.shape[2:], axis=(2, 3))


def convolve(x: Array, w: Array, border: int) -> Array:
    y = np.tensordot(windows(x, w, border), w, ((1, 4, 5), (1, 2, 3)))
    return np.ascontiguousarray(np.moveaxis(y, 3, 1))


def for_filters(x: Array, w: Array, border: int, gradient: Array) -> Array:
    return np.tensordot(gradient, windows(x, w, border), ((0, 2, 3), (0, 2, 3)))


def for_input(w: Array, border: int, gradient: Array) -> Array:
    mirrored = w[:, :, ::-1, ::-1].swapaxes(0, 1)
    return convolve(gradient, mirrored, w.shape[2] - 1 - border)


def in_squares(x: Array) -> Array:
    """2x2 squares as the last axis."""
    n, c, rows, columns = x.shape
    squares = x.reshape(n, c, rows // 2, 2, columns // 2, 2)
    return squares.transpose(0, 1, 2, 4, 3, 5).reshape(n, c, rows // 2, columns // 2, 4)


def for_maxima(x: Array, largest: Array, gradient: Array) -> Array:
    taken = (in_squares(x) == largest[..., None]) * gradient[..., None]
    n, c, rows, columns, _ = taken.shape
    taken = taken.reshape(n, c, rows, columns, 2, 2).transpose(0, 1, 2, 4, 3, 5)
    return taken.reshape(x.shape)


def lenet_by_hand(
    parameters: list[Array], x: Array, classes: Array
) -> tuple[Any, list[Array]]:
    first, a, second, b, hidden, c, last, d = parameters
    x = x.reshape(-1, 1, SIDE, SIDE)
    layers = []
    for w, bias in ((first, a), (second, b)):
        made = convolve(x, w, 0)
        largest = in_squares(made).max(axis=-1)
        output = np.tanh(largest + bias[:, None, None])
        layers.append((x, w, made, largest, output))
        x = output
    flat = x.reshape(len(x), -1)
    above = np.tanh(flat @ hidden + c)
    gradient = above @ last + d
    loss = nll_by_hand(gradient, classes)
    found = [above.T @ gradient, gradient.sum(axis=0)]
    gradient = gradient @ last.T * (1 - above**2)
    found = [flat.T @ gradient, gradient.sum(axis=0), *found]
    gradient = (gradient @ hidden.T).reshape(x.shape)
    for below, w, made, largest, output in reversed(layers):
        gradient *= 1 - output**2
        shift = gradient.sum(axis=(0, 2, 3))
        gradient = for_maxima(made, largest, gradient)
        found = [for_filters(below, w, 0, gradient), shift, *found]
        if below.shape[1] > 1:
            gradient = for_input(w, 0, gradient)
    return loss, found


def block_by_hand(parameters: list[Array], x: Array) -> tuple[Any, list[Array]]:
    first, second = parameters
    below = np.maximum(convolve(x, first, 1), 0)
    above = np.maximum(convolve(below, second, 1), 0)
    largest = in_squares(above).max(axis=-1)
    gradient = for_maxima(above, largest, 2 * largest / largest.size) * (above > 0)
    found = [for_filters(below, second, 1, gradient)]
    gradient = for_input(second, 1, gradient) * (below > 0)
    return np.mean(largest**2), [for_filters(x, first, 1, gradient), *found]


# PyTensor has no convolution of batches of images.
WITHOUT = ("pytensor-c", "pytensor-numba")
CASES = (
    Case("LeNet batch 64", partial(lenet, 64), 0.8, 0.4, compiled=True, slow=WITHOUT),
    Case("LeNet batch 500", partial(lenet, 500), 0.8, weighed=True, slow=WITHOUT),
    Case("3x3 convolutions", partial(block, 8), 0.7, slow=WITHOUT),
    Case("VGG-16, one picture", partial(vgg, 1), 0.9, slow=WITHOUT),
)
