"""Draws images, filters, and what is done to them: steps of `generate.Generator`."""

from __future__ import annotations

from typing import Any

import numpy as np

FLOATS = ["float32", "float32", "float64"]
BORDERS = ["valid", "valid", "full", "half", 0, 1, 2]
PAIRS = [[0, 1], [1, 0], [2, 0], [1, 2]]
MODES = ["max", "max", "sum", "average_inc_pad", "average_exc_pad"]


def begin_pictures(self: Any) -> None:
    """Leaves: images, filters that fit them in groups or keep their channels, the biases."""
    # By numbers of its own, so that the other programs stay what they were.
    if np.random.default_rng([self.program["seed"], 2]).integers(12) == 0:
        begin_large(self)
        return
    groups, own = self.one_of([1, 1, 2, 3]), self.one_of([1, 1, 2])
    usual = {"b": [1, 2, 3], "h": [1, 3, 4, 5, 7], "w": [1, 2, 4, 6], "o": [1, 2, 3],
             "t": [1, 2, 3], "u": [1, 2, 3]}  # fmt: skip
    first = {n: self.one_of(sizes) for n, sizes in usual.items()}
    if self.chance(0.1):
        first[self.one_of(["b", "h", "w", "o"])] = 0
    again = dict(first)
    if self.chance(0.4):
        again = {n: self.one_of([0, 1, *sizes, *sizes]) for n, sizes in usual.items()}
    self.program["sizes"] = [first, again]
    c = groups * own
    shapes: list[list[Any]] = [
        ["b", c, "h", "w"], ["b", c, "h", "w"], ["b", c, "w", "h"], ["h", "w"],
        ["o", c, "t", "u"], [c, c, "t", "t"], [c, own, "t", "u"], [c, 1, "u", "t"],
        [c], ["o"], [],
    ]  # fmt: skip
    dtype = "float16" if self.chance(0.1) else self.one_of(FLOATS)
    mixed = self.chance(0.1)
    for shape in shapes:
        kind = self.one_of(FLOATS) if mixed else dtype
        self.leaf(kind, shape, "normal", self.chance(0.5))


def begin_large(self: Any) -> None:
    """Leaves: images of 16 channels and filters of 3 x 3 taps, for which the CPU has forms
    of its own; too many numbers for many digits."""
    sizes = {"b": self.one_of([1, 2, 16, 17]), "h": self.one_of([5, 8, 9]),
             "w": self.one_of([4, 8, 11])}  # fmt: skip
    self.program["sizes"] = [sizes, {**sizes, "b": self.one_of([1, 16])}]
    self.most = 40_000
    dtype = self.one_of(["float32", "float32", "float64"])
    for shape in (
        ["b", 16, "h", "w"],
        [16, 16, 3, 3],
        [17, 16, 3, 3],
        [16],
        [16, 1, 3, 3],
    ):
        self.leaf(dtype, shape, "normal", self.chance(0.5))


def convolve(self: Any) -> None:
    x = self.pick_float(lambda a: a.ndim == 4)
    if x is None:
        return
    channels = self.values[x].shape[1]
    keeps = self.chance(0.4)  # the sizes of the image

    def fits(a: Any) -> bool:
        if a.ndim != 4 or (
            keeps and (a.shape[0] != channels or min(a.shape[2:]) % 2 == 0)
        ):
            return False
        return bool(
            a.shape[1] == channels or (a.shape[1] and channels % a.shape[1] == 0)
        )

    w = self.pick_float(fits)
    if w is None:
        return
    own = self.values[w].shape[1]
    border = self.one_of(BORDERS)
    if self.chance(0.4):
        border = [self.one_of(BORDERS + PAIRS), self.one_of(BORDERS + PAIRS)]
    strides = [self.one_of([1, 1, 2, 3]), self.one_of([1, 1, 2])]
    self.add(
        "convolve", [x, w], border="half" if keeps else border,
        strides=[1, 1] if keeps else strides,
        dilations=[self.one_of([1, 1, 1, 2]), self.one_of([1, 1, 2, 3])],
        groups=max(1, channels // own) if own else 1, flip=self.chance(0.5),
    )  # fmt: skip


def pool(self: Any) -> None:
    x = self.pick_float(lambda a: a.ndim >= 2)
    window = [self.one_of([1, 2, 2, 3, 5]), self.one_of([1, 2, 3])]
    strides = [self.one_of([1, 2, 3, n]) for n in window]
    ignore = self.chance(0.6)
    padding = [self.below(n) if ignore and self.chance(0.5) else 0 for n in window]
    if self.chance(0.2):  # keeps the sizes of the image
        window, strides, padding, ignore = [3, 3], [1, 1], [1, 1], True
    self.add(
        "pool", [x], window=window, strides=strides, padding=padding, ignore_border=ignore,
        mode=self.one_of(MODES),
    )  # fmt: skip


def bias(self: Any) -> None:
    """Added to each channel."""
    x = self.pick_float(lambda a: a.ndim == 4)
    if x is not None:
        old = self.values[x]
        fits = lambda a: a.dtype == old.dtype and a.shape == old.shape[1:2]  # noqa: E731
        self.add("bias", [x, self.pick_float(fits)])


def rectify(self: Any) -> None:
    self.add("rectify", [self.pick_float()])
