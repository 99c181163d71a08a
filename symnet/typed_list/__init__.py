"""The names of `theano.typed_list`: lists of arrays as values."""

from __future__ import annotations

from symnet.typed_list import basic
from symnet.typed_list.basic import *  # noqa: F403
from symnet.typed_list.type import TypedListType

__all__ = [*basic.__all__, "TypedListType"]
