"""Random first values: their spread, by the formulas of their sources."""

from __future__ import annotations

import numpy as np
import pytest

from symnet.models.initialisers import fans, glorot_uniform, he_normal


def test_fans() -> None:
    assert fans((64, 3, 7, 7)) == (147, 3136)
    assert fans((30, 20)) == (30, 20)
    with pytest.raises(ValueError, match=r"not \(3,\)"):
        fans((3,))


@pytest.mark.parametrize("shape", [(200, 300), (100, 50, 3, 3)])
def test_spread(shape: tuple[int, ...]) -> None:
    inputs, outputs = (200, 300) if len(shape) == 2 else (450, 900)
    drawn = glorot_uniform(np.random.default_rng(0), shape)
    limit = np.sqrt(6 / (inputs + outputs))
    assert 0.99 * limit < np.abs(drawn).max() <= limit
    np.testing.assert_allclose(drawn.var(), 2 / (inputs + outputs), rtol=0.03)
    drawn = he_normal(np.random.default_rng(0), shape)
    np.testing.assert_allclose(drawn.var(), 2 / inputs, rtol=0.03)
    assert abs(drawn.mean()) < 4 * drawn.std() / np.sqrt(drawn.size)
    kurtosis = np.mean(drawn**4) / drawn.var() ** 2
    assert abs(kurtosis - 3) < 0.1


def test_a_seed_gives_the_same_values() -> None:
    for initialise in (glorot_uniform, he_normal):
        one, two, other = (
            initialise(np.random.default_rng(seed), (5, 6)) for seed in (1, 1, 2)
        )
        np.testing.assert_array_equal(one, two)
        assert (one != other).any()


def test_without_elements() -> None:
    for initialise in (glorot_uniform, he_normal):
        assert initialise(np.random.default_rng(0), (0, 0)).shape == (0, 0)
