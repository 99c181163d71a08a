"""Draws of random numbers as native steps: which there are, and where their pointers go."""

from __future__ import annotations

import numpy as np
import pytest

from symnet.kernels.cpu.cpu_device import CPU
from symnet.kernels.cpu.library import distributions, mrg31k3p
from symnet.kernels.cpu.library.draws import draw_step, offers_draw
from symnet.kernels.routines import (
    NORMS,
    TWISTER_WORDS,
    Categorical,
    MatrixProduct,
    MrgUniform,
    NumpyDistribution,
)


def test_the_cpu_offers_what_it_has_code_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert CPU.offers(MrgUniform("float32")) and not CPU.offers(MrgUniform("int32"))
    assert CPU.offers(Categorical(counts=True, narrow=False))
    assert CPU.offers(
        NumpyDistribution("uniform", "twister")
    )  # needs no function of NumPy's
    assert CPU.offers(MatrixProduct("complex64"))
    assert not CPU.offers(MatrixProduct("int64"))
    monkeypatch.setattr(distributions, "numpy_function", lambda name: None)
    assert not offers_draw(NumpyDistribution("poisson", "twister"))
    assert not offers_draw(NumpyDistribution("gamma", "philox"))
    assert offers_draw(NumpyDistribution("normal", "twister"))


def test_a_state_that_is_moved_on_in_place_needs_one_pointer() -> None:
    """The old one lies where the new one will be."""
    shapes = [(4, 6), (4, 6), (3, 5)]  # the old states, the new ones, the sample
    found = draw_step(MrgUniform("float32"), shapes)
    assert found.pointer_slots == (-1, mrg31k3p.STATE, mrg31k3p.SAMPLE)
    words = (TWISTER_WORDS,)
    draw, shapes = (
        NumpyDistribution("normal", "twister"),
        [(), (7,), words, words, (7,)],
    )
    found = draw_step(draw, shapes)
    assert found.pointer_slots == (
        distributions.FIRST, distributions.SECOND, -1,
        distributions.STATE, distributions.RESULT,
    )  # fmt: skip
    # One number for all draws, one for each; one state, so one item after another.
    assert found.words[distributions.FIRST_STEP] == 0
    assert found.words[distributions.SECOND_STEP] == 8
    assert found.total == found.grain == 7


@pytest.mark.parametrize(
    ("kind", "shapes", "steps", "count", "width"),
    [
        ("permutation", [(), (), (3, 5)], (0, 0), 3, 5),
        ("multinomial", [(), (4,), (3, 4)], (0, 0), 3, 4),
        ("multinomial", [(3,), (3, 4), (3, 4)], (8, 32), 3, 4),
        ("search", [(6,), (), (2, 3)], (0, 6), 6, 1),
        ("uniform", [(2, 3), (), (2, 3)], (8, 0), 6, 1),
    ],
)
def test_how_parameters_are_walked(
    kind: str,
    shapes: list[tuple[int, ...]],
    steps: tuple[int, int],
    count: int,
    width: int,
) -> None:
    words = (TWISTER_WORDS,)
    first, second, result = shapes
    draw = NumpyDistribution(kind, "twister")
    step = draw_step(draw, [first, second, words, words, result])
    places = (distributions.FIRST_STEP, distributions.SECOND_STEP)
    assert tuple(step.words[place] for place in places) == steps
    assert step.words[distributions.WIDTH] == width and step.total == count


def test_what_mrg31k3p_is_multiplied_with() -> None:
    assert all(np.dtype(k).type(v) == v for k, v in NORMS.items())
