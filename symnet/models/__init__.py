"""Convolutional networks with names, and their weights from files.

    from symnet import models

    model = models.vgg16()
    models.load_weights(model, "vgg16.pth")
    classify = symnet.function([x], model(x))

`python -m symnet.models` classifies images and prints summaries.
"""

# ruff: noqa: I001  (tables of names, several a line)
from __future__ import annotations

from symnet.models.architectures import (
    ARCHITECTURES, VGG16, VGG19, alexnet, alexnet_2012, lenet5, vgg, vgg16, vgg19,
)  # fmt: skip
from symnet.models.images import (
    CAFFE, DIGITS, PREPROCESSING, TORCHVISION, ImageFileError, Preprocessing, find_images,
    ranked, read_image, read_labels,
)  # fmt: skip
from symnet.models.initialisers import glorot_uniform, he_normal
from symnet.models.model import Model
from symnet.models.model_layers import (
    ActivationLayer, ConvLayer, DenseLayer, DropoutLayer, FlattenLayer, LayerBase,
    MaxPoolLayer, ResponseNormLayer,
)  # fmt: skip
from symnet.models.model_summary import count_parameters, summary
from symnet.models.stored_arrays import WeightFileError
from symnet.models.weight_files import open_weights, read_weights, write_weights
from symnet.models.weight_loading import CONVENTIONS, load_weights, save_weights

__all__ = [
    "ARCHITECTURES", "CAFFE", "CONVENTIONS", "DIGITS", "PREPROCESSING", "TORCHVISION",
    "VGG16", "VGG19", "ActivationLayer", "ConvLayer", "DenseLayer", "DropoutLayer",
    "FlattenLayer", "ImageFileError", "LayerBase", "MaxPoolLayer", "Model",
    "Preprocessing", "ResponseNormLayer", "WeightFileError", "alexnet", "alexnet_2012",
    "count_parameters", "find_images", "glorot_uniform", "he_normal", "lenet5",
    "load_weights", "open_weights", "ranked", "read_image", "read_labels",
    "read_weights", "save_weights", "summary", "vgg", "vgg16", "vgg19", "write_weights",
]  # fmt: skip
