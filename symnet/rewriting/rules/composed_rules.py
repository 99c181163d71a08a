"""Operations that are defined by others are replaced by their definition."""

from __future__ import annotations

from symnet.ops.composed import Composed, expanded
from symnet.rewriting.patterns import Rule

COMPOSED: list[Rule] = [
    Rule("expand", Composed, lambda match: expanded(match.node)),
]
