"""The names of `theano.sandbox.linalg`: matrices, and what is known of them."""

from __future__ import annotations

from symnet.sandbox.linalg import ops
from symnet.sandbox.linalg.ops import *  # noqa: F403

__all__ = [*ops.__all__, "ops"]
