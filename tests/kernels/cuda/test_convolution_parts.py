"""Convolutions as smaller ones: the parts together are the whole, element by element."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import prod

import numpy as np
import pytest

from symnet.kernels.cuda.convolution_parts import ConvolutionPart, cut, phases
from symnet.kernels.library import ConvolutionCall

Numbers = tuple[int, int, int]


def call_of(
    leading: Sequence[int],
    inputs: Numbers,
    taps: Numbers,
    sizes: Numbers,
    low: Numbers,
    steps: Sequence[Numbers],
) -> ConvolutionCall:
    """leading: groups, images, outputs, channels; steps: strides, dilations, spreads."""
    groups, images, outputs, channels = leading

    def strides(*shape: int) -> tuple[int, ...]:
        return tuple(8 * prod(shape[k + 1 :]) for k in range(len(shape)))

    return ConvolutionCall(
        "float64", groups, images, outputs, channels, inputs, taps, sizes, low,
        steps[0], steps[1], steps[2],
        strides(groups, images, channels, *inputs),
        strides(groups, outputs, channels, *taps),
        strides(groups, images, outputs, *sizes),
    )  # fmt: skip


def drawn(random: np.random.Generator, spread: int = 3) -> ConvolutionCall:
    """Small sizes of all kinds, with borders of all kinds."""

    def three(low: int, high: int) -> Numbers:
        a, b, c = (int(n) for n in random.integers(low, high + 1, 3))
        return a, b, c

    leading = [int(n) for n in random.integers(1, 4, 4)]
    steps = three(1, 3), three(1, 3), three(1, spread)
    return call_of(leading, three(1, 5), three(1, 3), three(1, 5), three(-4, 4), steps)


def places(strides: Sequence[int], index: Sequence[int]) -> int:
    return sum(s * k for s, k in zip(strides, index, strict=True))


def products_of(parts: Iterable[ConvolutionPart]) -> Counter[tuple[int, int, int]]:
    """Every product that is made: the bytes where x, w and y lie."""
    found: Counter[tuple[int, int, int]] = Counter()
    for part in parts:
        call, (x, w, y) = part.call, part.starts
        leading = (call.groups, call.images, call.outputs, call.channels)
        for g, n, o, c in np.ndindex(*leading):
            for p in np.ndindex(*call.sizes):
                for t in np.ndindex(*call.taps):
                    if (q := element(call, p, t)) is not None:
                        at = (
                            x + places(call.x_strides, (g, n, c, *q)),
                            w + places(call.w_strides, (g, o, c, *t)),
                            y + places(call.y_strides, (g, n, o, *p)),
                        )
                        found[at] += 1
    return found


def element(
    call: ConvolutionCall, place: Sequence[int], tap: Sequence[int]
) -> tuple[int, ...] | None:
    """The input's element that a place meets at a tap, by the equation."""
    found = []
    for k in range(3):
        behind = place[k] * call.strides[k] + tap[k] * call.dilations[k] - call.low[k]
        q, rest = divmod(behind, call.spreads[k])
        if rest or not 0 <= q < call.inputs[k]:
            return None
        found.append(q)
    return tuple(found)


@pytest.mark.parametrize("seed", range(12))
def test_phases_make_every_product_once_and_none_is_spread(seed: int) -> None:
    call = drawn(np.random.default_rng(seed), spread=4)
    found = phases(call)
    assert all(one.call.spreads == (1, 1, 1) for one in found)
    assert products_of(found) == products_of([ConvolutionPart(call)])
    results = Counter(
        one.starts[2] + places(one.call.y_strides, (0, 0, 0, *p))
        for one in found
        for p in np.ndindex(*one.call.sizes)
    )
    assert set(results.values()) == {1} and len(results) == prod(call.sizes)


def test_a_step_of_the_gradient_for_inputs_multiplies_no_zeros() -> None:
    """Strides of 2 x 2 and filters of 3 x 3: phases have 4, 2, 2 and 1 taps."""
    steps = ((1, 1, 1), (1, 1, 1), (1, 2, 2))
    call = call_of((1, 1, 1, 1), (1, 4, 4), (1, 3, 3), (1, 8, 8), (0, 1, 1), steps)
    assert sorted(prod(one.call.taps) for one in phases(call)) == [1, 2, 2, 4]
    assert sum(one.call.work for one in phases(call)) * 4 == call.work


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("most", [1, 100, 2000])
def test_what_is_cut_makes_every_product_once(seed: int, most: int) -> None:
    call = drawn(np.random.default_rng(seed), spread=1)

    def memory(part: ConvolutionPart) -> int:
        return 8 * part.call.inner * part.call.images * prod(part.call.sizes)

    found = list(cut(ConvolutionPart(call), memory, most))
    assert products_of(found) == products_of([ConvolutionPart(call)])
    smallest = 8
    assert all(memory(one) <= max(most, smallest) for one in found)
    # The first part that goes to a place writes there, those behind it add.
    written: set[int] = set()
    for one in found:
        sizes = (one.call.groups, one.call.images, one.call.outputs, *one.call.sizes)
        there = {
            one.starts[2] + places(one.call.y_strides, k) for k in np.ndindex(*sizes)
        }
        assert one.adds == (there <= written) and (one.adds or not there & written)
        written |= there


def test_what_is_read_again_is_the_smaller() -> None:
    """Images are cut where filters are small, channels where results are."""

    def memory(part: ConvolutionPart) -> int:
        return part.call.inner * part.call.images * prod(part.call.sizes)

    plain = ((1, 1, 1),) * 3
    forward = call_of((1, 64, 4, 8), (1, 9, 9), (1, 3, 3), (1, 7, 7), (0, 0, 0), plain)
    for one in cut(ConvolutionPart(forward), memory, 20_000):
        assert one.call.channels == 8 and one.call.images == 5 or one.call.images == 4
    back = call_of((1, 8, 4, 64), (1, 9, 9), (1, 7, 7), (1, 3, 3), (0, 0, 0), plain)
    for one in cut(ConvolutionPart(back), memory, 20_000):
        assert one.call.images == 8 and one.call.channels <= 8
