"""The names of `theano.tensor.inplace`."""

from __future__ import annotations

from symnet.ops import in_place as _in_place
from symnet.ops.in_place import *  # noqa: F403

__all__ = _in_place.__all__
