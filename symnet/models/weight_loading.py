"""A model's weights from files of other programs, each with its own conventions."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from symnet.data_classes import dataclass
from symnet.models.model import Model, check_shapes
from symnet.models.model_layers import DenseLayer, FlattenLayer, ImageShape
from symnet.models.stored_arrays import WeightFile
from symnet.models.weight_files import open_weights, write_weights

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Convention:
    """How a program stores what a model has as W and b.

    flips: its filters are moved over the image mirrored, as Theano's `conv2d` does.
    outputs_first: dense weights are (outputs, inputs), not (inputs, outputs).
    channels_last: filters are (rows, columns, channels, filters), and images are flattened
        pixel after pixel.
    preprocessing: the name in `images.PREPROCESSING` of what its networks are trained on.
    """

    name: str
    flips: bool = False
    outputs_first: bool = False
    channels_last: bool = False
    preprocessing: str = "torchvision"

    def stored_shape(self, shape: Shape) -> Shape:
        """The shape in a file of a parameter of this shape."""
        if len(shape) == 4 and self.channels_last:
            return (shape[2], shape[3], shape[1], shape[0])
        if len(shape) == 2 and self.outputs_first:
            return shape[::-1]
        return shape

    def ours(self, array: NDArray[Any], flattened: ImageShape | None) -> NDArray[Any]:
        """The stored array as the model has it.

        flattened: the shape of the image whose vector a dense layer takes.
        """
        if array.ndim == 4:
            if self.channels_last:
                array = array.transpose(3, 2, 0, 1)
            return array[:, :, ::-1, ::-1] if self.flips else array
        if array.ndim == 2:
            if self.outputs_first:
                array = array.T
            if self.channels_last and flattened is not None:
                channels, rows, columns = flattened
                pixels = array.reshape(rows, columns, channels, -1)
                array = pixels.transpose(2, 0, 1, 3).reshape(array.shape)
        return array


CONVENTIONS = {
    one.name: one
    for one in (
        Convention("symnet"),
        Convention("torch", outputs_first=True),
        Convention("caffe", outputs_first=True, preprocessing="caffe"),
        Convention("lasagne", flips=True, preprocessing="caffe"),
        # The zoo's networks come from Caffe, and are built with flip_filters=False.
        Convention("lasagne-zoo", preprocessing="caffe"),
        Convention("keras-theano", flips=True, preprocessing="caffe"),
        Convention("keras-tensorflow", channels_last=True, preprocessing="caffe"),
    )
}


def save_weights(model: Model, path: str | os.PathLike[str]) -> None:
    """Write the model's parameters by name, as `.npz` or `.safetensors`.

    Raises: ValueError for another ending; OSError.
    """
    write_weights(path, model.values())


def load_weights(
    model: Model,
    path: str | os.PathLike[str],
    convention: str | None = None,
    flip: bool | None = None,
    in_order: bool = False,
) -> Convention:
    """Read the model's parameters from a file; returns the convention that it follows.

    convention: a name in `CONVENTIONS`; None finds it out (see `find_convention`).
    flip: whether filters are mirrored, where that is not as the convention says.
    in_order: take the file's arrays in their order, whatever their names.
    Nothing is changed unless every parameter has an array of its shape, and no array is
    left over.
    Raises: WeightFileError as `open_weights`; ValueError with what is missing, unexpected
        or of another shape, for an unknown convention, and for arrays that are not floats.

    Example:
        model = models.vgg16()
        models.load_weights(model, "vgg16-397923af.pth")
    """
    file = open_weights(path)
    rule = _rule(find_convention(file, model) if convention is None else convention)
    if flip is not None:
        rule = replace(rule, flips=flip)
    names = _names(file, model, rule, in_order)
    wanted = {
        stored: rule.stored_shape(model.parameter_shapes[ours])
        for ours, stored in names.items()
    }
    shapes = {name: array.shape for name, array in file.arrays.items()}
    check_shapes(
        f"{file.path}: its arrays, taken as {rule.name}'s, and {model.name}",
        wanted,
        shapes,
    )
    for name, array in file.arrays.items():
        if array.dtype.kind != "f":
            raise ValueError(f"{file.path}: {name} has dtype {array.dtype}, no floats")
    flattened = _flattened(model)
    values = {
        ours: rule.ours(file.arrays[stored].read(), flattened.get(ours))
        for ours, stored in names.items()
    }
    model.assign(values)
    return rule


def _rule(name: str) -> Convention:
    if name not in CONVENTIONS:
        raise ValueError(
            f"no convention {name!r:.40}; there are {', '.join(CONVENTIONS)}"
        )
    return CONVENTIONS[name]


def find_convention(file: WeightFile, model: Model) -> str:
    """The name of the convention that a file follows, by its kind and names.

    Keras' two orders of axes are told apart by the shape of the first filters.
    Raises: ValueError where both fit.
    """
    if file.kind in CONVENTIONS:  # torch, lasagne, lasagne-zoo, caffe
        return file.kind
    if file.kind == "keras":
        return _keras_order(file, model)
    if file.kind == "theano":
        return "lasagne"  # in order; Theano's convolutions mirror filters
    if any(name in model.parameter_shapes for name in file.arrays):
        return "symnet"
    if file.arrays and all(name.startswith("arr_") for name in file.arrays):
        return "lasagne"  # numpy.savez(file, *get_all_param_values(network))
    torch = any(name.endswith((".weight", ".bias")) for name in file.arrays)
    return "torch" if torch else "symnet"


def _keras_order(file: WeightFile, model: Model) -> str:
    filters = [shape for shape in model.parameter_shapes.values() if len(shape) == 4]
    stored = [array.shape for array in file.arrays.values() if len(array.shape) == 4]
    orders = ("keras-theano", "keras-tensorflow")
    fitting = [
        name
        for name in orders
        if [CONVENTIONS[name].stored_shape(shape) for shape in filters] == stored
    ]
    if len(fitting) == 2:
        raise ValueError(
            f"{file.path}: the shapes of its filters fit both orders of axes; "
            f"say convention={orders[0]!r} or {orders[1]!r}"
        )
    return fitting[0] if fitting else orders[0]


def _names(
    file: WeightFile, model: Model, rule: Convention, in_order: bool
) -> dict[str, str]:
    """The model's names -> those in the file."""
    if in_order or rule.name.startswith(("lasagne", "keras")):
        if len(file.arrays) != len(model.parameter_shapes):
            raise ValueError(
                f"{file.path} has {len(file.arrays)} arrays, and {model.name} has "
                f"{len(model.parameter_shapes)} parameters"
            )
        return dict(zip(model.parameter_shapes, file.arrays))
    if rule.name == "torch":
        own = {name: _with_torchs_ending(name) for name in model.parameter_shapes}
        if not any(name in file.arrays for name in own.values()):
            return torchvision_names(model)
        return own
    if rule.name == "caffe":
        parts = {"W": "0", "b": "1"}
        pairs = ((name, name.rpartition(".")) for name in model.parameter_shapes)
        return {name: f"{layer}/{parts[part]}" for name, (layer, _, part) in pairs}
    return {name: name for name in model.parameter_shapes}


def _with_torchs_ending(name: str) -> str:
    layer, _, part = name.rpartition(".")
    return f"{layer}.{'weight' if part == 'W' else 'bias'}"


def torchvision_names(model: Model) -> dict[str, str]:
    """Name of each parameter -> "features.0.weight", "classifier.6.bias": the places of
    the layers before the flattening and behind it."""
    found, part, place = {}, "features", 0
    for layer, before in zip(model.layers, model.shapes):
        if isinstance(layer, FlattenLayer):
            part, place = "classifier", 0
            continue
        for name in layer.parameter_shapes(before):
            ours = f"{layer.name}.{name}"
            ending = _with_torchs_ending(ours).rpartition(".")[2]
            found[ours] = f"{part}.{place}.{ending}"
        place += 1
    return found


def _flattened(model: Model) -> dict[str, ImageShape]:
    """The weights that take a flattened image -> its shape.

    Layers that keep shapes may stand between.
    """
    image: ImageShape | None = None
    found: dict[str, ImageShape] = {}
    for layer, before in zip(model.layers, model.shapes):
        if isinstance(layer, FlattenLayer):
            image = before
        elif isinstance(layer, DenseLayer) and image is not None:
            found[f"{layer.name}.W"], image = image, None
    return found
