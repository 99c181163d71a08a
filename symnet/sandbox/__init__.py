"""The names of `theano.sandbox` that programs use."""

from __future__ import annotations

from symnet.sandbox import linalg, multinomial, rng_mrg

__all__ = ["linalg", "multinomial", "rng_mrg"]
