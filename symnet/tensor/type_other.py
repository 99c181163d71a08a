"""The names of `theano.tensor.type_other`: values that are no arrays."""

from __future__ import annotations

from symnet.graph.object_types import SliceType
from symnet.graph.types import NoneTypeT, none_type_t
from symnet.ops.named_types import NoneConst

__all__ = ["NoneConst", "NoneTypeT", "SliceType", "none_type_t"]
