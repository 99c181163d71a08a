"""Convolutional networks by name: LeNet-5, AlexNet, VGG.

Their layers are in the order and bear the names of their sources, because files of weights
go by them: `features.0` of torchvision is the first layer of the list, `classifier.0` the
first behind the flattening; "conv1_1" and "fc6" are Caffe's names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import symnet.tensor as T
from symnet.models.initialisers import he_normal
from symnet.models.model import Model
from symnet.models.model_layers import (
    ActivationLayer,
    ConvLayer,
    DenseLayer,
    DropoutLayer,
    FlattenLayer,
    LayerBase,
    MaxPoolLayer,
    ResponseNormLayer,
)

# The numbers of filters in each of VGG's five groups of convolutions.
# Source: Simonyan & Zisserman 2014, table 1, columns D and E.
VGG16 = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)
VGG19 = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)


def lenet5(classes: int = 10, seed: int = 0) -> Model:
    """Two convolutions and two dense layers for digits of 28x28 pixels.

    Input: (1, 28, 28), numbers from 0 to 1.  431,080 parameters for ten classes.
    Source: LeCun, Bottou, Bengio & Haffner 1998, in the form of the Deep Learning
        Tutorials for Theano: 20 and 50 filters of 5x5, maxima of 2x2, tanh, 500 units.
    """
    layers = [
        ConvLayer("conv1", 20, 5),
        MaxPoolLayer("pool1", 2),
        ActivationLayer("tanh1", T.tanh),
        ConvLayer("conv2", 50, 5),
        MaxPoolLayer("pool2", 2),
        ActivationLayer("tanh2", T.tanh),
        FlattenLayer("flatten"),
        DenseLayer("hidden", 500),
        ActivationLayer("tanh3", T.tanh),
        DenseLayer("output", classes),
    ]
    return Model("lenet5", (1, 28, 28), layers, seed)


def alexnet(
    classes: int = 1000,
    seed: int = 0,
    input_shape: Sequence[int] = (3, 224, 224),
    filters: Sequence[int] = (64, 192, 384, 256, 256),
    units: int = 4096,
) -> Model:
    """AlexNet for one processor, as torchvision has it: no groups, no normalisation.

    Input: (3, 224, 224), see `images.TORCHVISION`.  61,100,840 parameters.
    filters, units: of the convolutions and the dense layers; smaller ones for tests.
    Source: Krizhevsky 2014, "One weird trick for parallelizing convolutional neural
        networks", and torchvision's alexnet.  torchvision's average pooling before the
        flattening changes nothing at this size of image, and is left out.
    """
    one, two, three, four, five = filters
    layers = [
        ConvLayer("conv1", one, 11, stride=4, pad=2, initialise=he_normal),
        ActivationLayer("relu1"),
        MaxPoolLayer("pool1", 3, stride=2),
        ConvLayer("conv2", two, 5, pad=2, initialise=he_normal),
        ActivationLayer("relu2"),
        MaxPoolLayer("pool2", 3, stride=2),
        ConvLayer("conv3", three, 3, pad=1, initialise=he_normal),
        ActivationLayer("relu3"),
        ConvLayer("conv4", four, 3, pad=1, initialise=he_normal),
        ActivationLayer("relu4"),
        ConvLayer("conv5", five, 3, pad=1, initialise=he_normal),
        ActivationLayer("relu5"),
        MaxPoolLayer("pool5", 3, stride=2),
        FlattenLayer("flatten"),
        DropoutLayer("dropout6"),
        DenseLayer("fc6", units, initialise=he_normal),
        ActivationLayer("relu6"),
        DropoutLayer("dropout7"),
        DenseLayer("fc7", units, initialise=he_normal),
        ActivationLayer("relu7"),
        DenseLayer("fc8", classes),
    ]
    return Model("alexnet", input_shape, layers, seed)


def alexnet_2012(
    classes: int = 1000,
    seed: int = 0,
    input_shape: Sequence[int] = (3, 227, 227),
    filters: Sequence[int] = (96, 256, 384, 384, 256),
    units: int = 4096,
) -> Model:
    """AlexNet as it won in 2012: two groups in three of its layers, normalised responses.

    Input: (3, 227, 227), see `images.CAFFE`.  60,965,224 parameters.
    Source: Krizhevsky, Sutskever & Hinton 2012, section 3.5.  It says 224; its sizes need
        227, as in Caffe.  Normalisation comes before pooling, as there.
    """
    one, two, three, four, five = filters
    layers = [
        ConvLayer("conv1", one, 11, stride=4, initialise=he_normal),
        ActivationLayer("relu1"),
        ResponseNormLayer("norm1"),
        MaxPoolLayer("pool1", 3, stride=2),
        ConvLayer("conv2", two, 5, pad=2, groups=2, initialise=he_normal),
        ActivationLayer("relu2"),
        ResponseNormLayer("norm2"),
        MaxPoolLayer("pool2", 3, stride=2),
        ConvLayer("conv3", three, 3, pad=1, initialise=he_normal),
        ActivationLayer("relu3"),
        ConvLayer("conv4", four, 3, pad=1, groups=2, initialise=he_normal),
        ActivationLayer("relu4"),
        ConvLayer("conv5", five, 3, pad=1, groups=2, initialise=he_normal),
        ActivationLayer("relu5"),
        MaxPoolLayer("pool5", 3, stride=2),
        FlattenLayer("flatten"),
        DenseLayer("fc6", units, initialise=he_normal),
        ActivationLayer("relu6"),
        DropoutLayer("dropout6"),
        DenseLayer("fc7", units, initialise=he_normal),
        ActivationLayer("relu7"),
        DropoutLayer("dropout7"),
        DenseLayer("fc8", classes),
    ]
    return Model("alexnet_2012", input_shape, layers, seed)


def vgg16(classes: int = 1000, seed: int = 0) -> Model:
    """VGG with 16 layers of weights: `vgg` with configuration D.

    Input: (3, 224, 224), see `images`.  138,357,544 parameters.
    """
    return vgg("vgg16", VGG16, classes, seed)


def vgg19(classes: int = 1000, seed: int = 0) -> Model:
    """VGG with 19 layers of weights: `vgg` with configuration E.

    Input: (3, 224, 224), see `images`.  143,667,240 parameters.
    """
    return vgg("vgg19", VGG19, classes, seed)


def vgg(
    name: str,
    groups: Sequence[Sequence[int]],
    classes: int = 1000,
    seed: int = 0,
    input_shape: Sequence[int] = (3, 224, 224),
    units: int = 4096,
) -> Model:
    """Groups of 3x3 convolutions, each followed by maxima of 2x2, and three dense layers.

    groups: the numbers of filters of each group's convolutions.
    Source: Simonyan & Zisserman 2014, section 2.1.
    Example: a VGG of ten layers for images of 32x32 pixels.
        vgg("vgg10", [(16, 16), (32, 32), (64, 64, 64)], 10, input_shape=(3, 32, 32))
    """
    layers: list[LayerBase] = []
    for group, filters in enumerate(groups, 1):
        for number, count in enumerate(filters, 1):
            at = f"{group}_{number}"
            layers += [
                ConvLayer(f"conv{at}", count, 3, pad=1, initialise=he_normal),
                ActivationLayer(f"relu{at}"),
            ]
        layers.append(MaxPoolLayer(f"pool{group}", 2))
    layers += [
        FlattenLayer("flatten"),
        DenseLayer("fc6", units, initialise=he_normal),
        ActivationLayer("relu6"),
        DropoutLayer("dropout6"),
        DenseLayer("fc7", units, initialise=he_normal),
        ActivationLayer("relu7"),
        DropoutLayer("dropout7"),
        DenseLayer("fc8", classes),
    ]
    return Model(name, input_shape, layers, seed)


# By the name that the command knows them by.
ARCHITECTURES: dict[str, Callable[..., Model]] = {
    "lenet5": lenet5,
    "alexnet": alexnet,
    "alexnet_2012": alexnet_2012,
    "vgg16": vgg16,
    "vgg19": vgg19,
}
