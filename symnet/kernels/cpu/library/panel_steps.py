"""Steps whose argument block begins with `PanelWords`: what they all have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from symnet.config import config
from symnet.kernels.cpu.jit.native import Native
from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.cpu.library.panels_code import PanelWords
from symnet.kernels.cpu.runtime import threads
from symnet.kernels.library import ITEM_BYTES
from symnet.kernels.llvm.emitted_function import EmittedFunction
from symnet.kernels.memory import LINE

Number = complex | None


def panel_step(
    code: Native[Any],
    layout: type[PanelWords],
    words: Mapping[str, int],
    routines: Mapping[str, EmittedFunction],
    *,
    dtype: str,
    total: int,
    cost_ns: float,
    shared_ns: float,
    slot_bytes: int = 0,
    numbers: tuple[Number, Number] = (1.0, 1.0),
    tail: Sequence[int] = (),
) -> CallArrangement:
    """The step, without the places of its pointers.

    words, routines: by the names of `layout`.
    shared_ns: from so much work on threads pay; slot_bytes: scratch memory of a thread.
    numbers: alpha and beta, or None: read from memory (see `number_slot`).
    tail: what stands behind the words.
    """
    slots = threads.use(config.num_threads) if slot_bytes else 0
    alpha, beta = numbers
    own = [(layout.alpha, layout.first)] if alpha is not None else []
    own += [(layout.beta, layout.other)] if beta is not None and beta != 0 else []
    first, other, one = (_word(number, dtype) for number in (alpha, beta, 1.0))
    packed = layout.pack(
        **words, item=ITEM_BYTES[dtype], slots=slots, slot_bytes=slot_bytes,
        flags=layout.count + len(tail), first=first, other=other, one=one,
    )  # fmt: skip
    return CallArrangement(
        code,
        (*packed, *tail, *[0] * slots),
        (),
        total,
        max(int(total * shared_ns / max(cost_ns, 1.0)), 1),
        cost_ns,
        scratch_bytes=slot_bytes * slots,
        scratch_slot=layout.scratch,
        routines=tuple((getattr(layout, name), r) for name, r in routines.items()),
        own_words=tuple(own),
    )


def with_words_of(
    step: CallArrangement, other: CallArrangement, start: int
) -> CallArrangement:
    """A step that has the words of another one among its own, from `start` on."""
    routines = ((start + word, routine) for word, routine in other.routines)
    own = ((start + word, start + place) for word, place in other.own_words)
    words = list(step.words)
    words[start : start + len(other.words)] = other.words
    return replace(
        step,
        words=tuple(words),
        routines=(*step.routines, *routines),
        own_words=(*step.own_words, *own),
        scratch_bytes=max(step.scratch_bytes, other.scratch_bytes),
    )


def number_slot(word: int, number: Number) -> int:
    """Where the address of a number is put: nowhere, if it is known."""
    return word if number is None else -1


def whole_lines(count: int) -> int:
    """So many bytes and up to a line more: the next piece of memory begins on a line."""
    return -(-count // LINE) * LINE


def _word(number: Number, dtype: str) -> int:
    """A number as the first bytes of a word."""
    word = np.zeros(1, np.int64)
    word.view(dtype)[0] = 0.0 if number is None else number.real
    return int(word[0])
