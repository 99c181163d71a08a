"""Which plans are kept: those used last, whose temporaries together stay within a bound.

A plan owns the memory of its temporaries, so a function that has met many sizes would
hold many times what one call needs.  All functions of the process share one allowance,
`config.memory_kept`; beyond it the plans that were used longest ago are dropped.  The
latest plan of each function stays whatever its size: the next call will want it.
"""

from __future__ import annotations

from typing import Any, Protocol
from weakref import ref

from symnet.compile.plan.planner import Plan
from symnet.config import config

SMALL = 1 << 16  # bytes of an arena that are not worth counting


class Owner(Protocol):
    """Who keeps plans by key."""

    def drop(self, key: Any) -> bool:
        """Forget a plan, unless it is the latest; whether that was done."""


# In order of use.  Other threads change it too: only by single operations of a dict.
_known: dict[ref[Plan], tuple[ref[Owner], Any]] = {}


def keep(plan: Plan, key: Any, owner: Owner) -> None:
    """Note that `owner` uses a plan now, which it keeps under `key`; if that is new, drop
    what is too much."""
    if plan.loaded.memory_bytes < SMALL:
        return
    mark = ref(plan)
    new = _known.pop(mark, None) is None
    _known[mark] = ref(owner), key
    if new:
        trim()


def trim() -> None:
    """Drop the plans used longest ago until the others fit into the allowance."""
    total = 0
    marks = _known.copy()
    for mark in marks:
        plan = mark()
        if plan is None:
            _known.pop(mark, None)
        else:
            total += plan.loaded.memory_bytes
    for mark, (owner, key) in marks.items():
        if total <= config.memory_kept:
            return
        total -= _dropped(mark(), owner(), key)


def _dropped(plan: Plan | None, owner: Owner | None, key: Any) -> int:
    """Drop a plan if that can be; the bytes that are free then."""
    if plan is None or owner is None or not owner.drop(key):
        return 0
    return plan.loaded.memory_bytes


__all__ = ["keep", "trim"]
