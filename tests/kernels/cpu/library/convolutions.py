"""Convolutions as calls of the CPU's library, and by their equation."""

from __future__ import annotations

import itertools

import numpy as np

from symnet.kernels.cpu.library.convolution_steps import convolution_step
from symnet.kernels.library import ConvolutionCall
from tests.kernels.cpu.library.steps import carry_out

ONES = (1, 1, 1)


def by_the_equation(x, w, low, sizes, strides, dilations, spreads):
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


def run(call, x, w, y, at_once=0):
    """Carry out the step of a call, so many items at a time (0: all)."""
    carry_out(convolution_step(call), (x, w, y), at_once)
    return y


def check(x, w, low, sizes, *steps, at_once=0):
    y = np.full((*x.shape[:2], w.shape[1], *sizes), np.nan, x.dtype)
    call = call_of(x, w, y, low, *steps)
    run(call, x, w, y, at_once)
    want = by_the_equation(x, w, low, sizes, *(steps or (ONES,) * 3))
    np.testing.assert_allclose(
        y, want, rtol=2e-4, atol=2e-4 if y.itemsize == 4 else 1e-12
    )
    return call


def array(rng, dtype, *shape):
    return rng.normal(size=shape).astype(dtype)
