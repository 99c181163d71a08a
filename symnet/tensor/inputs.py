"""Constructors of input variables, by dtype and rank."""

from __future__ import annotations

from symnet.ops import inputs as _inputs
from symnet.ops.inputs import *  # noqa: F403

__all__ = _inputs.__all__
