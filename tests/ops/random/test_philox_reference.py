"""The reference of Philox against published blocks, NumPy's rules and SciPy's
distributions; native draws against the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import symnet
from symnet.kernels.cpu.library import distributions
from symnet.ops.random.philox import PhiloxVariates
from symnet.ops.random.philox_reference import CountedBits, blocks, variates_reference
from tests.test_random import KNOWN, plain_block

STATE = np.array([2**40 + 77, 3, 2**32 - 5], np.uint64)
EMPTY = np.zeros(())


@pytest.mark.parametrize(("counter", "key", "block"), KNOWN)
def test_published_blocks(counter: Any, key: Any, block: Any) -> None:
    """`kat_vectors` of the authors' library Random123."""
    place = np.array([counter[0] | counter[1] << 32], np.uint64)
    found = blocks(place, counter[2], key[0] | key[1] << 32, counter[3])
    assert [int(word[0]) for word in found] == list(block)


def test_words_come_block_by_block_of_the_elements_own_counter() -> None:
    bits = CountedBits(STATE, 4)
    key = (int(STATE[0]) & 0xFFFFFFFF, int(STATE[0]) >> 32)
    for element in (2, 0, 3):
        place = int(STATE[2]) + element
        bits.begin(element)
        counter = (place & 0xFFFFFFFF, place >> 32, 3)
        expected = [w for n in range(12) for w in plain_block((*counter, n), key)]
        assert [bits.word() for _ in range(48)] == expected
        bits.begin(element)
        assert bits.wide() == expected[0] | expected[1] << 32
        assert bits.word() == expected[2]


def test_whole_numbers_are_drawn_with_the_bits_they_have() -> None:
    bits = CountedBits(STATE, 2000)
    found = []
    for element in range(2000):
        bits.begin(element)
        found.append(bits.below(4))
    assert stats.chisquare(np.bincount(found, minlength=5)).pvalue > 1e-3
    bits.begin(0)
    words = [bits.word() for _ in range(30)]
    bits.begin(0)
    fitting = [w & 7 for w in words if w & 7 <= 4]
    assert [bits.below(4) for _ in range(5)] == fitting[:5]
    bits.begin(1)
    wide = bits.wide()
    bits.begin(1)
    assert bits.below(2**64 - 1) == wide


CASES = [
    ("poisson", 0.0, 0.0), ("poisson", 1e-3, 0.0), ("poisson", 3.0, 0.0),
    ("poisson", 40.0, 0.0), ("poisson", 1e6, 0.0), ("gamma", 0.0, 0.0),
    ("gamma", 0.3, 0.0), ("gamma", 1.0, 0.0), ("gamma", 2.5, 0.0), ("gamma", 1e4, 0.0),
    ("binomial", 0, 0.5), ("binomial", 10, 0.3), ("binomial", 200, 0.4),
    ("binomial", 1000, 0.97), ("binomial", 7, 0.0), ("binomial", 7, 1.0),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "first", "second"), CASES)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (37,), (5, 8)])
def test_native_numbers_are_the_reference(
    kind: str, first: float, second: float, shape: tuple[int, ...]
) -> None:
    state, whole = symnet.shared(STATE), np.int64 if kind == "binomial" else np.float64
    op = PhiloxVariates(kind)
    for size in ((), shape):
        one = np.full(size, first, whole)
        other = np.full(size, second, np.float64)
        drawn = op(state, one, other, *shape)
        native = symnet.function([], drawn)()
        expected = symnet.function([], drawn, mode="FAST_COMPILE")()
        assert native.dtype == expected.dtype
        if kind == "gamma":  # C's pow and log may differ from those that NumPy links
            np.testing.assert_allclose(native, expected, rtol=1e-14)
        else:
            np.testing.assert_array_equal(native, expected)


@pytest.mark.parametrize("shape", [(0,), (1,), (2,), (100,), (3, 5), (4, 0), (0, 3)])
def test_native_permutations_are_the_reference(shape: tuple[int, ...]) -> None:
    drawn = PhiloxVariates("permutation")(symnet.shared(STATE), EMPTY, EMPTY, *shape)
    native = symnet.function([], drawn)()
    expected = symnet.function([], drawn, mode="FAST_COMPILE")()
    np.testing.assert_array_equal(native, expected)
    rows = expected.reshape(int(np.prod(shape[:-1])), shape[-1])
    assert all(sorted(row) == list(range(shape[-1])) for row in rows)


@pytest.mark.parametrize(
    ("kind", "first", "second", "distribution"),
    [
        ("poisson", 4.0, 0.0, stats.poisson(4)),
        ("binomial", 20, 0.4, stats.binom(20, 0.4)),
        ("gamma", 2.5, 0.0, stats.gamma(2.5)),
    ],
)
def test_the_reference_has_the_distribution(
    kind: str, first: float, second: float, distribution: Any
) -> None:
    whole = "int64" if kind != "gamma" else "float64"
    one, other = np.array(first), np.array(second)
    found = variates_reference(kind, STATE, one, other, (4000,), whole)
    assert abs(found.mean() - distribution.mean()) < 5 * distribution.std() / 4000**0.5
    assert abs(found.var() / distribution.var() - 1) < 0.15
    if kind == "gamma":
        assert stats.kstest(found, distribution.cdf).pvalue > 1e-3


def test_a_fault_in_the_native_generator_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The reference does not run the code that it judges: here next_uint64 has 32 bits."""
    shape, right = np.array(2.5), distributions.counter_generator
    drawn = PhiloxVariates("gamma")(symnet.shared(STATE), shape, shape, 50)
    expected = symnet.function([], drawn, device="cpu")()

    def exchanged() -> tuple[int, ...]:
        state, _, narrow, real, raw = right()
        return (state, narrow, narrow, real, raw)

    monkeypatch.setattr(distributions, "counter_generator", exchanged)
    reference = symnet.function([], drawn, mode="FAST_COMPILE")()
    np.testing.assert_allclose(reference, expected, rtol=1e-14)
    assert not np.allclose(symnet.function([], drawn, device="cpu")(), expected)


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("poisson", -1.0, 0.0), ("poisson", np.nan, 0.0), ("gamma", -0.1, 0.0),
        ("gamma", np.nan, 0.0), ("binomial", -1, 0.5), ("binomial", 3, 1.5),
        ("binomial", 3, np.nan),
    ],
)  # fmt: skip
def test_parameters_that_there_are_not(kind: str, first: float, second: float) -> None:
    whole = np.int64 if kind == "binomial" else np.float64
    one, other = np.array(first, whole), np.array(second)
    drawn = PhiloxVariates(kind)(symnet.shared(STATE), one, other, 4)
    for mode in ("FAST_RUN", "FAST_COMPILE"):
        with pytest.raises(ValueError, match=kind):
            symnet.function([], drawn, mode=mode)()
