"""The names of `theano.tensor.nnet.ctc`."""

from __future__ import annotations

from symnet.ops.nnet.alignments import ConnectionistTemporalClassification, ctc

__all__ = ["ConnectionistTemporalClassification", "ctc"]
