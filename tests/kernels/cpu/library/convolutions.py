"""What tests of convolutions share: the equation itself, calls, memory with guards."""

from __future__ import annotations

import ctypes
import itertools
import mmap

import numpy as np

from symnet.kernels.library import ConvolutionCall

ONES = (1, 1, 1)


def by_the_equation(x, w, low, sizes, strides=ONES, dilations=ONES, spreads=ONES):
    """The sum over all places and taps that meet an element, one by one."""
    y = np.zeros((*x.shape[:2], w.shape[1], *sizes))
    for p in itertools.product(*map(range, sizes)):
        for t in itertools.product(*map(range, w.shape[3:])):
            steps = zip(p, strides, t, dilations, low, strict=True)
            places = [a * s + b * d - far for a, s, b, d, far in steps]
            q = [k // e for k, e in zip(places, spreads, strict=True)]
            met = all(k % e == 0 for k, e in zip(places, spreads, strict=True))
            if met and all(0 <= k < n for k, n in zip(q, x.shape[3:], strict=True)):
                y[:, :, :, *p] += np.einsum(
                    "gnc,goc->gno", x[:, :, :, *q], w[:, :, :, *t]
                )
    return y


def call_of(x, w, y, low, strides=ONES, dilations=ONES, spreads=ONES):
    return ConvolutionCall(
        x.dtype.name, x.shape[0], x.shape[1], w.shape[1], x.shape[2], x.shape[3:],
        w.shape[3:], y.shape[3:], tuple(low), strides, dilations, spreads,
        x.strides, w.strides, y.strides,
    )  # fmt: skip


def array(rng, dtype, *shape):
    return rng.normal(size=shape).astype(dtype)


class GuardedMemory:
    """Arrays that end (or begin) where a page ends (begins), beside one that may not be
    touched."""

    def __init__(self, place):
        self.place, self.kept = place, []
        self.libc = ctypes.CDLL(None, use_errno=True)

    def guarded(self, values):
        page = mmap.PAGESIZE
        room = -(-values.nbytes // page) * page
        memory = mmap.mmap(-1, room + 2 * page)
        self.kept.append(memory)
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        for guard in (start, start + page + room):
            assert self.libc.mprotect(ctypes.c_void_p(guard), page, 0) == 0
        offset = page if self.place == "first" else page + room - values.nbytes
        found = np.frombuffer(memory, values.dtype, values.size, offset)
        found = found.reshape(values.shape)
        found[...] = values
        return found
