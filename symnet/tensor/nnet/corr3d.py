"""The names of `theano.tensor.nnet.corr3d`."""

from __future__ import annotations

from symnet.ops.nnet.conv_objects import (
    Corr3dMM,
    Corr3dMM_gradInputs,
    Corr3dMM_gradWeights,
)

__all__ = ["Corr3dMM", "Corr3dMM_gradInputs", "Corr3dMM_gradWeights"]
