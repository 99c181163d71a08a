"""The names of `theano.tensor.raw_random`: draws from a generator's state."""

from __future__ import annotations

from symnet.ops.random.random_state import (
    RandomFunction,
    RandomStateType,
    random_state_type,
)
from symnet.ops.random.random_streams import RandomStreams as RandomStreamsBase
from symnet.ops.random.random_streams import (
    binomial,
    choice,
    multinomial,
    normal,
    permutation,
    poisson,
    random_integers,
    uniform,
)
from symnet.ops.random.random_streams import infer_ndim_bcast as _infer_ndim_bcast

__all__ = [
    "RandomFunction", "RandomStateType", "RandomStreamsBase", "_infer_ndim_bcast",
    "binomial", "choice", "multinomial", "normal", "permutation", "poisson",
    "random_integers", "random_state_type", "uniform",
]  # fmt: skip
