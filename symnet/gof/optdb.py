"""The names of `theano.gof.optdb`."""

from __future__ import annotations

from symnet.compile.databases import EquilibriumDB, Query, SequenceDB
from symnet.compile.databases import RewriteDatabase as DB

__all__ = ["DB", "EquilibriumDB", "Query", "SequenceDB"]
