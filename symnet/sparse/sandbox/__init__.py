"""The names of `theano.sparse.sandbox`: `sp2` has random sparse matrices."""

from __future__ import annotations

from symnet.sparse.sandbox import sp2

__all__ = ["sp2"]
