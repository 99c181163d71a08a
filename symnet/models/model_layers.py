"""The layers that convolutional networks are made of, as data.

A layer says which parameters it has, which shape it gives, how many multiply-adds it costs,
and which expression it is.  Shapes are those of one image, (channels, rows, columns), or of
one vector, (n,); expressions have the batch as their first axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, TypeAlias

import symnet.tensor as T
from symnet.data_classes import dataclass
from symnet.errors import ShapeError, message
from symnet.graph.variables import Variable
from symnet.models.initialisers import Initialiser, glorot_uniform
from symnet.random import RandomStream
from symnet.tensor.nnet import conv2d, relu
from symnet.tensor.signal.pool import pool_2d

ImageShape: TypeAlias = tuple[int, ...]
Parameters: TypeAlias = Mapping[str, Variable]


@dataclass(frozen=True)
class LayerBase:
    """What all layers share; a layer without parameters has no more than `apply`.

    name: unique within a model; parameters are named after it, "conv1.W" and "conv1.b".

    >>> models.FlattenLayer("flat").parameter_shapes((3, 4, 5))
    {}
    >>> isinstance(models.DenseLayer("output", 10), models.LayerBase)
    True
    """

    name: str

    def parameter_shapes(self, shape: ImageShape) -> dict[str, tuple[int, ...]]:
        """Name ("W", "b") -> shape, for inputs of this shape."""
        return {}

    def output_shape(self, shape: ImageShape) -> ImageShape:
        """Raises: ShapeError where inputs of this shape do not fit the layer."""
        return shape

    def multiply_adds(self, shape: ImageShape) -> int:
        """Products that are added up for one input, as papers count them: those of
        convolutions and dense layers alone."""
        return 0

    def apply(
        self, x: Variable, parameters: Parameters, random: RandomStream | None
    ) -> Variable:
        """The layer's output.  random: for layers that draw; None when not training."""
        raise NotImplementedError


@dataclass(frozen=True)
class ConvLayer(LayerBase):
    """Filters moved over an image, plus a bias for each.

    Shapes: (c, h, w) -> (filters, h', w'), h' = (h + 2 pad - size) // stride + 1; the
        parameters are W (filters, c // groups, size, size) and b (filters,).
    groups: channels and filters fall into as many groups, each with filters of its own.
    The filters are not flipped: it is the correlation that PyTorch, Caffe and TensorFlow
    compute.  Theano and Lasagne flip them unless told otherwise.

    >>> layer = models.ConvLayer("conv1", 16, 3, pad=1)
    >>> layer.output_shape((3, 32, 32)), layer.parameter_shapes((3, 32, 32))
    ((16, 32, 32), {'W': (16, 3, 3, 3), 'b': (16,)})
    """

    filters: int
    size: int
    stride: int = 1
    pad: int = 0
    groups: int = 1
    initialise: Initialiser = field(default=glorot_uniform, repr=False)

    def parameter_shapes(self, shape: ImageShape) -> dict[str, tuple[int, ...]]:
        self.output_shape(shape)
        filters = (self.filters, shape[0] // self.groups, self.size, self.size)
        return {"W": filters, "b": (self.filters,)}

    def output_shape(self, shape: ImageShape) -> ImageShape:
        rows, columns = _places(self, shape, self.size, self.stride, self.pad)
        if shape[0] % self.groups or self.filters % self.groups:
            raise ShapeError(
                message(
                    f"{shape[0]} channels and {self.filters} filters cannot be divided "
                    f"into {self.groups} groups",
                    operation=self,
                )
            )
        return self.filters, rows, columns

    def multiply_adds(self, shape: ImageShape) -> int:
        filters = self.parameter_shapes(shape)["W"]
        return math.prod(filters) * math.prod(self.output_shape(shape)[1:])

    def apply(
        self, x: Variable, parameters: Parameters, random: RandomStream | None
    ) -> Variable:
        y = conv2d(
            x, parameters["W"],
            border_mode=(self.pad, self.pad), subsample=(self.stride, self.stride),
            filter_flip=False, num_groups=self.groups,
        )  # fmt: skip
        return y + parameters["b"].dimshuffle("x", 0, "x", "x")


@dataclass(frozen=True)
class MaxPoolLayer(LayerBase):
    """The maximum of each window of size x size; windows beyond the edge are left out.

    Shapes: (c, h, w) -> (c, h', w'), h' = (h - size) // stride + 1.
    stride: that of the windows; None means size.

    >>> models.MaxPoolLayer("pool1", 2).output_shape((16, 33, 32))
    (16, 16, 16)
    """

    size: int
    stride: int | None = None

    def output_shape(self, shape: ImageShape) -> ImageShape:
        return shape[0], *_places(self, shape, self.size, self.stride or self.size, 0)

    def apply(
        self, x: Variable, parameters: Parameters, random: RandomStream | None
    ) -> Variable:
        stride = self.stride or self.size
        window = (self.size, self.size)
        return pool_2d(x, window, ignore_border=True, stride=(stride, stride))


@dataclass(frozen=True)
class ResponseNormLayer(LayerBase):
    """Local response normalisation across channels:
    y_i = x_i / (k + alpha * sum over the n channels around i of x_j^2)^beta.

    Shapes: (c, h, w), kept.  n: odd.
    Source: Krizhevsky, Sutskever & Hinton 2012, section 3.3, with its numbers.

    >>> models.ResponseNormLayer("norm1").output_shape((16, 8, 8))
    (16, 8, 8)
    """

    n: int = 5
    k: float = 2.0
    alpha: float = 1e-4
    beta: float = 0.75

    def output_shape(self, shape: ImageShape) -> ImageShape:
        if self.n % 2 == 0:
            raise ShapeError(f"{self}: n, the number of channels, is odd")
        return shape

    def apply(
        self, x: Variable, parameters: Parameters, random: RandomStream | None
    ) -> Variable:
        # The sum over neighbours is a correlation along the channels with ones: the image
        # is seen as (batch, 1, channels, pixels).
        pixels = x.shape[2] * x.shape[3]
        squares = T.sqr(x).reshape((x.shape[0], 1, x.shape[1], pixels))
        ones = T.ones((1, 1, self.n, 1), dtype=x.dtype)
        around = conv2d(squares, ones, border_mode=(self.n // 2, 0))
        return x / (self.k + self.alpha * around.reshape(x.shape)) ** self.beta


@dataclass(frozen=True)
class FlattenLayer(LayerBase):
    """An image as a vector, channel after channel, row after row.

    Shapes: (c, h, w) -> (c * h * w,).

    >>> models.FlattenLayer("flat").output_shape((3, 4, 5))
    (60,)
    """

    def output_shape(self, shape: ImageShape) -> ImageShape:
        return (math.prod(shape),)

    def apply(
        self, x: Variable, parameters: Parameters, random: RandomStream | None
    ) -> Variable:
        return x.flatten(2)


@dataclass(frozen=True)
class DenseLayer(LayerBase):
    """x W + b: every output sees every input.

    Shapes: (n,) -> (units,); the parameters are W (n, units) and b (units,).

    >>> models.DenseLayer("output", 10).parameter_shapes((50,))
    {'W': (50, 10), 'b': (10,)}
    """

    units: int
    initialise: Initialiser = field(default=glorot_uniform, repr=False)

    def parameter_shapes(self, shape: ImageShape) -> dict[str, tuple[int, ...]]:
        self.output_shape(shape)
        return {"W": (shape[0], self.units), "b": (self.units,)}

    def output_shape(self, shape: ImageShape) -> ImageShape:
        if len(shape) != 1:
            raise ShapeError(
                message(
                    f"a dense layer takes vectors, not arrays of shape {shape}",
                    operation=self,
                    cure="put a FlattenLayer before it",
                )
            )
        return (self.units,)

    def multiply_adds(self, shape: ImageShape) -> int:
        return math.prod(self.parameter_shapes(shape)["W"])

    def apply(
        self, x: Variable, parameters: Parameters, random: RandomStream | None
    ) -> Variable:
        return T.dot(x, parameters["W"]) + parameters["b"]


@dataclass(frozen=True)
class ActivationLayer(LayerBase):
    """A function of each number, `relu` unless another is given.  Shapes: kept.

    >>> models.ActivationLayer("relu1").output_shape((16, 8, 8))
    (16, 8, 8)
    """

    function: Callable[[Any], Any] = field(default=relu, repr=False)

    def apply(
        self, x: Variable, parameters: Parameters, random: RandomStream | None
    ) -> Variable:
        result: Variable = self.function(x)
        return result


@dataclass(frozen=True)
class DropoutLayer(LayerBase):
    """In training, each number is zero with probability `rate`, and what is left is
    divided by 1 - rate, so that its mean stays.  Otherwise x itself.  Shapes: kept.

    Source: Srivastava et al. 2014, section 10, in the form that scales in training.

    >>> models.DropoutLayer("dropout", 0.3).output_shape((50,))
    (50,)
    """

    rate: float = 0.5

    def output_shape(self, shape: ImageShape) -> ImageShape:
        if not 0 <= self.rate < 1:
            raise ValueError(f"{self}: a rate lies between 0 and 1, 1 excluded")
        return shape

    def apply(
        self, x: Variable, parameters: Parameters, random: RandomStream | None
    ) -> Variable:
        if random is None or self.rate == 0:
            return x
        kept = random.bernoulli(x.shape, p=1 - self.rate)
        return x * T.cast(kept, x.dtype) / (1 - self.rate)


def _places(
    layer: LayerBase, shape: ImageShape, size: int, stride: int, pad: int
) -> tuple[int, int]:
    """How many places a window has along rows and columns.

    Raises: ShapeError where it has none, or the input is no image.
    """
    if len(shape) == 3:
        rows, columns = ((n + 2 * pad - size) // stride + 1 for n in shape[1:])
        if rows > 0 and columns > 0:
            return rows, columns
    raise ShapeError(
        message(
            f"{layer.name}: windows of {size}x{size} have no place in an input of shape "
            f"{shape} with {pad} rows of padding",
            operation=layer,
            cure="give larger images, (channels, rows, columns)",
        )
    )
