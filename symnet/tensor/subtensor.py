"""The names of `theano.tensor.subtensor`."""

# ruff: noqa: I001  (tables of names, several a line)
from __future__ import annotations

from symnet.ops.advanced import AdvancedIncSubtensor, AdvancedSubtensor
from symnet.ops.canonical_slices import get_canonical_form_slice
from symnet.ops.index_objects import (
    AdvancedBooleanIncSubtensor, AdvancedBooleanSubtensor,
    AdvancedIncSubtensor1, AdvancedSubtensor1, advanced_boolean_inc_subtensor,
    advanced_boolean_set_subtensor, advanced_boolean_subtensor,
    advanced_inc_subtensor, advanced_inc_subtensor1, advanced_set_subtensor,
    advanced_set_subtensor1, advanced_subtensor, advanced_subtensor1,
)  # fmt: skip
from symnet.ops.indexing import inc_subtensor, set_subtensor, take
from symnet.ops.theano_classes import IncSubtensor, Subtensor, get_idx_list

__all__ = [
    "AdvancedBooleanIncSubtensor", "AdvancedBooleanSubtensor",
    "AdvancedIncSubtensor", "AdvancedIncSubtensor1", "AdvancedSubtensor",
    "AdvancedSubtensor1", "IncSubtensor", "Subtensor",
    "advanced_boolean_inc_subtensor", "advanced_boolean_set_subtensor",
    "advanced_boolean_subtensor", "advanced_inc_subtensor",
    "advanced_inc_subtensor1", "advanced_set_subtensor", "advanced_set_subtensor1",
    "advanced_subtensor", "advanced_subtensor1", "get_canonical_form_slice", "get_idx_list",
    "inc_subtensor", "set_subtensor",
    "take",
]  # fmt: skip
