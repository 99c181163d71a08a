"""The names of `theano.gof.optdb`."""

from __future__ import annotations

from symnet.compile.databases import Query
from symnet.compile.databases import RewriteDatabase as DB

__all__ = ["DB", "Query"]
