"""One measured case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.problem import Problem


@dataclass(frozen=True)
class Case:
    """A named problem.

    make: builds it, with its data, from fixed seeds.
    goal: symnet's time over the fastest peer's is to be at most this.
    build_goal: its time to compile and call once, over JAX's, is to be at most this.
    warm_goal: the same where the compiled code is in a cache.
    aside: frameworks that are shown but are not peers here.
    timed: its calls are timed; compiled: its compilation is; weighed: its memory is.
    slow: frameworks that would take minutes to build it and are left out.
    """

    name: str
    make: Callable[[], Problem]
    goal: float | None = None
    build_goal: float | None = None
    warm_goal: float = 0.6
    aside: tuple[str, ...] = ()
    timed: bool = True
    compiled: bool = False
    weighed: bool = False
    slow: tuple[str, ...] = ()
