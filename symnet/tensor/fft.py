"""The names of `theano.tensor.fft`."""

from __future__ import annotations

from symnet.ops.fourier import irfft, irfft_op, rfft, rfft_op
from symnet.ops.linalg.linalg_names import IRFFTOp, RFFTOp

__all__ = ["IRFFTOp", "RFFTOp", "irfft", "irfft_op", "rfft", "rfft_op"]
