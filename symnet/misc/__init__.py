"""The names of `theano.misc` that programs use."""

from __future__ import annotations

from symnet.misc import may_share_memory, pkl_utils

__all__ = ["may_share_memory", "pkl_utils"]
