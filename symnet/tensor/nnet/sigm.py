"""The names of `theano.tensor.nnet.sigm`."""

from __future__ import annotations

from symnet.ops.in_place import sigmoid_inplace
from symnet.ops.nnet.activations import (
    hard_sigmoid,
    sigmoid,
    softplus,
    ultra_fast_sigmoid,
)
from symnet.ops.nnet.activations import sigmoid as scalar_sigmoid
from symnet.ops.nnet.activations import softplus as scalar_softplus
from symnet.ops.scalar_names import ScalarSigmoid, ScalarSoftplus

__all__ = [
    "ScalarSigmoid", "ScalarSoftplus", "hard_sigmoid", "scalar_sigmoid",
    "scalar_softplus", "sigmoid", "sigmoid_inplace", "softplus", "ultra_fast_sigmoid",
]  # fmt: skip
