"""The names of `theano.tensor.fft`."""

from __future__ import annotations

from symnet.ops.fourier import irfft, irfft_op, rfft, rfft_op

__all__ = ["irfft", "irfft_op", "rfft", "rfft_op"]
