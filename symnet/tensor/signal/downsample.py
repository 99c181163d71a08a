"""The names of `theano.tensor.signal.downsample`, the older form of `pool`."""

from __future__ import annotations

from symnet.ops.nnet.pool_functions import (
    DownsampleFactorMaxGradGrad,
    max_pool_2d,
    max_pool_2d_same_size,
    pool_2d,
)
from symnet.ops.nnet.pool_functions import MaxPoolGrad as DownsampleFactorMaxGrad
from symnet.ops.nnet.pool_functions import Pool as DownsampleFactorMax

__all__ = [
    "DownsampleFactorMax", "DownsampleFactorMaxGrad", "DownsampleFactorMaxGradGrad",
    "max_pool_2d", "max_pool_2d_same_size", "pool_2d",
]  # fmt: skip
