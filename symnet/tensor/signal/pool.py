"""The names of `theano.tensor.signal.pool`."""

from __future__ import annotations

from symnet.ops.nnet.pool_functions import (
    AveragePoolGrad,
    DownsampleFactorMaxGradGrad,
    MaxPoolGrad,
    Pool,
    max_pool_2d_same_size,
    pool_2d,
    pool_3d,
)

__all__ = [
    "AveragePoolGrad", "DownsampleFactorMaxGradGrad", "MaxPoolGrad", "Pool",
    "max_pool_2d_same_size", "pool_2d", "pool_3d",
]  # fmt: skip
