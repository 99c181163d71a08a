"""A convolution as smaller ones, each of which is a convolution of the same kind.

Where the input is spread, an output place p meets an element q only at every few taps:

    q e = p s + t d - low

so places that are e / gcd(s, e) apart form a convolution of their own, without a spread,
with those taps that are e / gcd(d, e) apart.  No zero is multiplied.  A part whose memory
would be too large is cut along its axes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from math import gcd
from typing import Any

from symnet.data_classes import dataclass
from symnet.kernels.library import ConvolutionCall

X, W, Y = range(3)  # operands of a ConvolutionCall
# The axes by a letter: group, image, output, channel, taps along three axes, places.
TAPS, PLACES = "ijk", "pqr"
LETTERS = f"gnoc{TAPS}{PLACES}"
CONTRACTED = f"c{TAPS}"
STRIDES = ("x_strides", "w_strides", "y_strides")
# Where the strides of an operand along an axis stand: group, second, third, and three.
AXES = (f"gnc{PLACES}", f"goc{TAPS}", f"gno{PLACES}")


@dataclass(frozen=True, slots=True)
class ConvolutionPart:
    """A convolution of pieces of the operands.  starts: how many bytes they begin behind
    these; adds: whether what is in y is added to."""

    call: ConvolutionCall
    starts: tuple[int, int, int] = (0, 0, 0)
    adds: bool = False

    @property
    def sizes(self) -> dict[str, int]:
        """The size of each axis."""
        call = self.call
        leading = (call.groups, call.images, call.outputs, call.channels)
        every = (*leading, *call.taps, *call.sizes)
        return dict(zip(LETTERS, every, strict=True))

    def narrowed(self, letter: str, first: int, count: int) -> ConvolutionPart:
        """The positions from `first` on along an axis."""
        call, starts = self.call, list(self.starts)
        changes: dict[str, Any] = {}
        for operand, (name, axes) in enumerate(zip(STRIDES, AXES, strict=True)):
            window = operand == X and letter in PLACES  # its axes are those of elements
            if letter in axes and not window:
                starts[operand] += first * getattr(call, name)[axes.index(letter)]
        for name, letters, steps in (
            ("sizes", PLACES, call.strides),
            ("taps", TAPS, call.dilations),
        ):
            if letter in letters:
                k = letters.index(letter)
                changes[name] = with_number(getattr(call, name), k, count)
                low = call.low[k] - first * steps[k]
                changes["low"] = with_number(call.low, k, low)
        if not changes:
            names = dict(zip("gnoc", ("groups", "images", "outputs", "channels")))
            changes[names[letter]] = count
        adds = self.adds or (first > 0 and letter in CONTRACTED)
        return ConvolutionPart(
            replace(call, **changes), (starts[0], starts[1], starts[2]), adds
        )


def with_number(numbers: tuple[int, ...], k: int, number: int) -> tuple[int, ...]:
    return (*numbers[:k], number, *numbers[k + 1 :])


def phases(call: ConvolutionCall) -> list[ConvolutionPart]:
    """The convolution as ones whose inputs are not spread; places that meet no tap are in
    one without taps."""
    found = [ConvolutionPart(call)]
    for k in range(3):
        found = [one for part in found for one in phases_along(part, k)]
    return found


def phases_along(part: ConvolutionPart, k: int) -> Iterator[ConvolutionPart]:
    call = part.call
    s, d, e, low = call.strides[k], call.dilations[k], call.spreads[k], call.low[k]
    if e == 1:
        yield part
        return
    apart, taps_apart = e // gcd(s, e), e // gcd(d, e)
    for p in range(min(apart, call.sizes[k])):
        places = -(-(call.sizes[k] - p) // apart)
        tap = next((t for t in range(taps_apart) if (p * s + t * d - low) % e == 0), 0)
        behind = p * s + tap * d - low
        taps = -(-(call.taps[k] - tap) // taps_apart) if tap < call.taps[k] else 0
        changed = {
            "sizes": places, "strides": s * apart // e, "spreads": 1, "low": -(behind // e),
            "taps": 0 if behind % e else taps, "dilations": d * taps_apart // e,
        }  # fmt: skip
        w_strides, y_strides = (
            with_number(strides, 3 + k, strides[3 + k] * step)
            for strides, step in (
                (call.w_strides, taps_apart),
                (call.y_strides, apart),
            )
        )
        x, w, y = part.starts
        w += tap * call.w_strides[3 + k]
        y += p * call.y_strides[3 + k]
        narrow: dict[str, Any] = {
            n: with_number(getattr(call, n), k, v) for n, v in changed.items()
        }
        narrow |= {"w_strides": w_strides, "y_strides": y_strides}
        yield ConvolutionPart(replace(call, **narrow), (x, w, y), part.adds)


def cut(
    part: ConvolutionPart, memory: Callable[[ConvolutionPart], int], most: int
) -> Iterator[ConvolutionPart]:
    """Parts of a part in order, each of which needs no more than `most` bytes, if there are
    such.

    First the batch is cut, which is images or, in a gradient for filters, channels: the one
    of both by which less has to be read again.
    """
    sizes = dict(part.sizes)
    per_place = sizes["o"] * sizes["c"] * sizes["i"] * sizes["j"] * sizes["k"]
    results = sizes["n"] * sizes["o"] * sizes["p"] * sizes["q"] * sizes["r"]
    batch = "n" if per_place <= results else "c"
    for letter in f"{batch}g{'nc'.replace(batch, '')}{PLACES}{TAPS}o":
        while sizes[letter] > 1 and memory(box(part, sizes)) > most:
            sizes[letter] = -(-sizes[letter] // 2)
    whole = part.sizes
    # What is contracted goes on where the first part of it has been.
    order = [one for one in LETTERS if one not in CONTRACTED] + list(CONTRACTED)
    for firsts in product(*(range(0, whole[one], sizes[one]) for one in order)):
        found = part
        for letter, first in zip(order, firsts, strict=True):
            count = min(sizes[letter], whole[letter] - first)
            found = found.narrowed(letter, first, count)
        yield found


def box(part: ConvolutionPart, sizes: dict[str, int]) -> ConvolutionPart:
    """The first part of these sizes."""
    for letter, size in sizes.items():
        part = part.narrowed(letter, 0, size)
    return part


__all__ = [
    "CONTRACTED",
    "PLACES",
    "TAPS",
    "W",
    "X",
    "Y",
    "ConvolutionPart",
    "cut",
    "phases",
]
