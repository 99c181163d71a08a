"""Operations on signals and images: the modules of `theano.tensor.signal`."""

from __future__ import annotations

from symnet.tensor.signal import conv, downsample, pool

__all__ = ["conv", "downsample", "pool"]
