"""Carrying out one step of the CPU's library, as the runner does."""

from __future__ import annotations

import ctypes

import numpy as np

FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 3)


def carry_out(step, arrays, at_once=0, words=None):
    """The items of a step, so many at a time (0: all), on the arrays of its pointers; its
    words, with which it can be carried out again."""
    words = np.array(step.words, np.int64) if words is None else words
    for slot, array in zip(step.pointer_slots, arrays, strict=True):
        if slot >= 0:
            words[slot] = array.ctypes.data
    scratch = np.full(step.scratch_bytes + 64, 255, np.uint8)  # NaN, if it is read
    if step.scratch_bytes:
        words[step.scratch_slot] = -(-scratch.ctypes.data // 64) * 64
    for word, routine in step.routines:
        words[word] = routine.address
    for word, other in step.own_words:
        words[word] = words.ctypes.data + 8 * other
    parts = [(step.address, step.total)]
    parts += [(code.address, total) for code, total in step.after]
    for address, total in parts:
        many = at_once or max(total, 1)
        for begin in range(0, total, many):
            end = min(begin + many, total)
            assert FUNCTION(address)(words.ctypes.data, begin, end) == 0
    return words
