"""The names of `theano.tensor.subtensor`."""

from __future__ import annotations

from symnet.ops.advanced import AdvancedIncSubtensor, AdvancedSubtensor
from symnet.ops.indexing import inc_subtensor, set_subtensor, take
from symnet.ops.subtensor import IncSubtensor, Subtensor

__all__ = [
    "AdvancedIncSubtensor", "AdvancedSubtensor", "IncSubtensor", "Subtensor",
    "inc_subtensor", "set_subtensor", "take",
]  # fmt: skip
