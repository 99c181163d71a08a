"""The names of `theano.sandbox` that programs use."""

from __future__ import annotations

from symnet.sandbox import rng_mrg

__all__ = ["rng_mrg"]
