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
    leaky_relu,
    logsoftmax,
    logcumsumexp,
    logsumexp,
    maxout,
    prelu,
    relu,
    selu,
    softmax,
    softmax_graph,
    softmax_op,
    softmax_with_bias,
    softsign,
)
from symnet.ops.nnet.activations import logsoftmax as logsoftmax_op
from symnet.ops.nnet.dropping import dropout
from symnet.ops.nnet.named_parts import (
    CrossentropyCategorical1Hot,
    CrossentropyCategorical1HotGrad,
    CrossentropySoftmax1HotWithBiasDx,
    CrossentropySoftmaxArgmax1HotWithBias,
    Prepend_scalar_constant_to_each_row,
    Prepend_scalar_to_each_row,
    SoftmaxGrad,
    SoftmaxWithBias,
    crossentropy_categorical_1hot_grad,
    crossentropy_softmax_1hot_with_bias_dx,
    prepend_0_to_each_row,
    prepend_1_to_each_row,
    prepend_scalar_to_each_row,
    softmax_grad,
)
from symnet.ops.nnet.response_normalization import local_response_normalization

__all__ = [
    "CrossentropyCategorical1Hot", "CrossentropyCategorical1HotGrad",
    "CrossentropySoftmax1HotWithBiasDx", "CrossentropySoftmaxArgmax1HotWithBias",
    "Prepend_scalar_constant_to_each_row", "Prepend_scalar_to_each_row", "SoftmaxGrad",
    "SoftmaxWithBias", "crossentropy_categorical_1hot_grad",
    "crossentropy_softmax_1hot_with_bias_dx", "dropout", "leaky_relu",
    "local_response_normalization", "logsoftmax_op", "maxout", "prelu",
    "prepend_0_to_each_row", "prepend_1_to_each_row", "prepend_scalar_to_each_row",
    "softmax_grad",
    "LogSoftmax", "Softmax", "binary_crossentropy", "categorical_crossentropy",
    "confusion_matrix", "crossentropy_categorical_1hot", "crossentropy_softmax_1hot",
    "crossentropy_softmax_1hot_with_bias", "crossentropy_softmax_argmax_1hot_with_bias",
    "crossentropy_softmax_max_and_argmax_1hot",
    "crossentropy_softmax_max_and_argmax_1hot_with_bias", "elu", "h_softmax",
    "logcumsumexp", "logsoftmax", "logsumexp", "relu", "selu",
    "sigmoid_binary_crossentropy", "softmax",
    "softmax_graph", "softmax_op", "softmax_with_bias", "softsign",
]  # fmt: skip
