"""The names of `theano.typed_list.type`."""

from __future__ import annotations

from symnet.graph.object_types import TypedListType

__all__ = ["TypedListType"]
