"""A network of layers with its parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symnet.config import config
from symnet.errors import ShapeError, message
from symnet.graph.variables import Variable, operand_text
from symnet.lazy import cached_property
from symnet.models.model_layers import ConvLayer, DenseLayer, ImageShape, LayerBase
from symnet.ops.base import as_tensor
from symnet.random import RandomStream
from symnet.shared import SharedVariable, shared
from symnet.tensor.nnet import softmax


class Model:
    """Layers, one after the other, that end in scores of classes.

    name: what it is called.  input_shape: (channels, rows, columns) of one image.
    seed: of the parameters' first values and of dropout.
    Dtypes: of parameters floatX, as it is when they are first asked for.
    Raises: ShapeError where a layer does not fit the one before; ValueError for two layers
        of one name.

    Example:
        model = models.lenet5()
        x = T.tensor4("x")
        classify = symnet.function([x], model(x))
        cost = T.nnet.categorical_crossentropy(model(x, training=True), y).mean()
        updates = optim.momentum(cost, model.parameters.values())

    `parameters` are made when first asked for, so that shapes and numbers of parameters of
    a large network cost nothing.

    >>> layers = [models.FlattenLayer("flat"), models.DenseLayer("output", 10)]
    >>> model = models.Model("linear", (1, 8, 8), layers, seed=1)
    >>> x = T.dtensor4("x")
    >>> model(x).eval({x: np.zeros((2, 1, 8, 8))}).shape
    (2, 10)
    >>> list(model.parameters)
    ['output.W', 'output.b']
    """

    def __init__(
        self,
        name: str,
        input_shape: Sequence[int],
        layers: Sequence[LayerBase],
        seed: int = 0,
    ) -> None:
        self.name, self.seed = name, seed
        self.input_shape: ImageShape = tuple(input_shape)
        self.layers = tuple(layers)
        names = [layer.name for layer in self.layers]
        twice = sorted({one for one in names if names.count(one) > 1})
        if twice:
            raise ValueError(f"{name}: two layers are named {', '.join(twice)}")
        # The shape before each layer, and that of the output.
        self.shapes: list[ImageShape] = [self.input_shape]
        for layer in self.layers:
            self.shapes.append(layer.output_shape(self.shapes[-1]))

    def __repr__(self) -> str:
        sizes = "x".join(map(str, self.input_shape))
        return f"<Model {self.name}, {len(self.layers)} layers, input {sizes}>"

    # ---- parameters

    @cached_property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name ("conv1.W") -> shape, in the order of the layers."""
        return {
            f"{layer.name}.{part}": shape
            for layer, before in zip(self.layers, self.shapes)
            for part, shape in layer.parameter_shapes(before).items()
        }

    @cached_property
    def parameters(self) -> dict[str, SharedVariable]:
        """Name -> shared variable, in the order of the layers.

        At first weights are drawn by their layer's initialiser, and biases are 0.
        """
        rng = np.random.default_rng(self.seed)
        found = {}
        for layer, before in zip(self.layers, self.shapes):
            for part, shape in layer.parameter_shapes(before).items():
                if part == "W" and isinstance(layer, (ConvLayer, DenseLayer)):
                    value: Any = layer.initialise(rng, shape)
                else:
                    value = np.zeros(shape)
                name = f"{layer.name}.{part}"
                value = np.asarray(value, dtype=config.floatX)
                found[name] = shared(value, name, borrow=True)
        return found

    def assign(self, values: Mapping[str, Any]) -> None:
        """Make arrays the values of all parameters; they become floatX.

        Raises: ValueError where one is missing, unexpected, or of another shape, before
            anything is changed.
        """
        shapes = {name: np.shape(value) for name, value in values.items()}
        check_shapes(f"values for {self.name}", self.parameter_shapes, shapes)
        if "parameters" in self.__dict__:
            for name, variable in self.parameters.items():
                variable.set_value(np.asarray(values[name], dtype=variable.dtype))
        else:  # nobody need draw what is replaced at once
            fresh = {
                name: shared(np.asarray(values[name], dtype=config.floatX), name)
                for name in self.parameter_shapes
            }
            self.__dict__["parameters"] = fresh

    def values(self) -> dict[str, np.ndarray[Any, Any]]:
        """Name -> a copy of the parameter's value."""
        return {name: p.get_value() for name, p in self.parameters.items()}

    # ---- expressions

    def __call__(self, x: Any, training: bool = False) -> Variable:
        """The probabilities of the classes: the softmax of `scores`.

        Shapes: x (n, *input_shape) -> (n, classes).
        training: whether dropout drops.
        Raises: TypeError, ShapeError where x cannot be a batch of such images.
        """
        return softmax(self.scores(x, training))

    def scores(self, x: Any, training: bool = False) -> Variable:
        """The output of the last layer.  Shapes: as `__call__`."""
        return list(self.outputs(x, training).values())[-1]

    def outputs(self, x: Any, training: bool = False) -> dict[str, Variable]:
        """The output of each layer by the layer's name, as to look at feature maps."""
        x = as_tensor(x)
        self._check_input(x)
        random = RandomStream(self.seed) if training else None
        found = {}
        for layer in self.layers:
            own = {
                name.rpartition(".")[2]: self.parameters[name]
                for name in self.parameter_shapes
                if name.rpartition(".")[0] == layer.name
            }
            found[layer.name] = x = layer.apply(x, own, random)
        return found

    def _check_input(self, x: Variable) -> None:
        wanted = (None, *self.input_shape)
        if x.type.ndim != len(wanted):
            raise TypeError(
                message(
                    f"{self.name} takes a batch of images, an array of rank {len(wanted)}",
                    operands=[operand_text(x)],
                )
            )
        pairs = zip(x.type.shape[1:], self.input_shape)
        if any(known is not None and known != size for known, size in pairs):
            raise ShapeError(
                message(
                    f"{self.name} takes images of shape {self.input_shape}",
                    operands=[operand_text(x)],
                )
            )


def check_shapes(
    what: str,
    wanted: Mapping[str, tuple[int, ...]],
    found: Mapping[str, tuple[int, ...]],
) -> None:
    """Raises: ValueError that lists what is missing, unexpected or of another shape."""
    missing = [name for name in wanted if name not in found]
    unexpected = [name for name in found if name not in wanted]
    misshaped = [
        f"{name} {found[name]}, not {wanted[name]}"
        for name in wanted
        if name in found and tuple(found[name]) != tuple(wanted[name])
    ]
    lists = {
        "missing": missing,
        "unexpected": unexpected,
        "of another shape": misshaped,
    }
    lines = [f"  {word}: {_some(names)}" for word, names in lists.items() if names]
    if lines:
        raise ValueError("\n".join([f"{what} do not fit", *lines]))


def _some(names: Sequence[str], most: int = 10) -> str:
    shown = [name if len(name) < 90 else name[:87] + "..." for name in names[:most]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
