"""The names of `theano.tensor.shared_randomstreams`: NumPy's random numbers."""

from __future__ import annotations

from symnet.ops.random.random_state import (
    RandomStateSharedVariable,
    randomstate_constructor,
)
from symnet.ops.random.random_streams import RandomStreams

__all__ = ["RandomStateSharedVariable", "RandomStreams", "randomstate_constructor"]
