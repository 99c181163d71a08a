"""The names of `theano.tensor.nnet.sigm`."""

from __future__ import annotations

from symnet.ops.nnet.activations import (
    hard_sigmoid,
    sigmoid,
    softplus,
    ultra_fast_sigmoid,
)

__all__ = ["hard_sigmoid", "sigmoid", "softplus", "ultra_fast_sigmoid"]
