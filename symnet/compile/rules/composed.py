"""Operations that are defined by others are replaced by their definition."""

from __future__ import annotations

from symnet.compile.patterns import Rule
from symnet.ops.composed import Composed, expanded

COMPOSED: list[Rule] = [
    Rule("expand", Composed, lambda match: expanded(match.node)),
]
