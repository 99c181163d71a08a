"""The names of `theano.tensor.nnet.corr`."""

from __future__ import annotations

from symnet.ops.nnet.conv_objects import CorrMM, CorrMM_gradInputs, CorrMM_gradWeights

__all__ = ["CorrMM", "CorrMM_gradInputs", "CorrMM_gradWeights"]
