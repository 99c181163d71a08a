"""The names of `theano.tensor.nnet.ctc`."""

from __future__ import annotations

from symnet.ops.nnet.alignments import ConnectionistTemporalClassification, ctc

__all__ = ["ConnectionistTemporalClassification", "ctc", "ctc_available"]


def ctc_available() -> bool:
    """Whether `ctc` can be computed: it can, without Baidu's library, which Theano needed.

    >>> T.nnet.ctc.ctc_available()
    True
    """
    return True
