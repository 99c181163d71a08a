"""The names of `theano.tensor.nnet.sigm`."""

from __future__ import annotations

from symnet.ops.nnet.activations import (
    hard_sigmoid,
    sigmoid,
    softplus,
    ultra_fast_sigmoid,
)

from symnet.scalar import ScalarSigmoid, ScalarSoftplus
from symnet.tensor.inplace import InPlace

sigmoid_inplace = InPlace(sigmoid)
scalar_sigmoid, scalar_softplus = sigmoid, softplus

__all__ = [
    "ScalarSigmoid", "ScalarSoftplus", "hard_sigmoid", "scalar_sigmoid",
    "scalar_softplus", "sigmoid", "sigmoid_inplace", "softplus", "ultra_fast_sigmoid",
]  # fmt: skip
