"""Library calls of a program, bound to sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from symnet.compile.program import CallStep

Shape = Callable[[Sequence[Any]], tuple[int, ...]]


def arrange_call(step: CallStep, shape: Shape) -> list[Any]:
    """The native calls of a step, with the words they are called with."""
    raise NotImplementedError(step.routine)
