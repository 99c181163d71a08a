"""The names of `theano.tensor.xlogx`."""

from __future__ import annotations

from symnet.ops.functions import xlogx, xlogy0

__all__ = ["xlogx", "xlogy0"]
