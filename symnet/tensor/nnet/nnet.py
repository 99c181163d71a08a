"""The names of `theano.tensor.nnet.nnet`."""

# ruff: noqa: I001  (tables of names, several a line)
from __future__ import annotations

from symnet.ops.nnet.classification import (
    binary_crossentropy,
    categorical_crossentropy,
    confusion_matrix,
    crossentropy_categorical_1hot,
    crossentropy_softmax_1hot,
    crossentropy_softmax_1hot_with_bias,
    crossentropy_softmax_argmax_1hot_with_bias,
    crossentropy_softmax_max_and_argmax_1hot,
    crossentropy_softmax_max_and_argmax_1hot_with_bias,
    h_softmax,
    sigmoid_binary_crossentropy,
)
from symnet.ops.nnet.activations import (
    LogSoftmax,
    Softmax,
    elu,
    logsoftmax,
    logsumexp,
    relu,
    selu,
    softmax,
    softmax_graph,
    softmax_op,
    softmax_with_bias,
    softsign,
)

__all__ = [
    "LogSoftmax", "Softmax", "binary_crossentropy", "categorical_crossentropy",
    "confusion_matrix", "crossentropy_categorical_1hot", "crossentropy_softmax_1hot",
    "crossentropy_softmax_1hot_with_bias", "crossentropy_softmax_argmax_1hot_with_bias",
    "crossentropy_softmax_max_and_argmax_1hot",
    "crossentropy_softmax_max_and_argmax_1hot_with_bias", "elu", "h_softmax",
    "logsoftmax", "logsumexp", "relu", "selu", "sigmoid_binary_crossentropy", "softmax",
    "softmax_graph", "softmax_op", "softmax_with_bias", "softsign",
]  # fmt: skip
