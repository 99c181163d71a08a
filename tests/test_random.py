"""`symnet.random`: Philox against its published numbers, distributions against SciPy's."""

from __future__ import annotations

import math
import os
import pathlib
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

import symnet
import symnet.tensor as T
from symnet.kernels.loopir import interpret
from symnet.kernels.loopir import scalars as loops
from symnet.kernels.loopir.philox_body import philox
from symnet.ops.random.philox import DRAWS, PhiloxDraw, PhiloxVariates
from symnet.ops.random.philox_reference import blocks
from symnet.random import RandomStream

ROOT = pathlib.Path(__file__).parent.parent
N = 20_000
# Salmon et al. publish these with their library (kat_vectors): counter, key, block.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2,
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]  # fmt: skip


def plain_block(counter: Any, key: Any) -> list[int]:
    """Philox-4x32-10 in Python's integers."""
    a, b, c, d = counter
    k, m = key
    for _ in range(10):
        left, right = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = (
            (right >> 32) ^ b ^ k, right & 0xFFFFFFFF, (left >> 32) ^ d ^ m, left & 0xFFFFFFFF,
        )  # fmt: skip
        k, m = (k + 0x9E3779B9) & 0xFFFFFFFF, (m + 0xBB67AE85) & 0xFFFFFFFF
    return [a, b, c, d]


def run(variable: Any, **options: Any) -> Any:
    return symnet.function([], variable, **options)()


@pytest.mark.parametrize(("counter", "key", "block"), KNOWN)
def test_published_blocks(counter: Any, key: Any, block: Any) -> None:
    scalars = [loops.argument(k, "uint32") for k in range(6)]
    words = philox(scalars[:4], scalars[4:])
    given = [np.uint32(n) for n in (*counter, *key)]
    assert [int(w) for w in interpret.evaluate(words, given)] == list(block)
    assert plain_block(counter, key) == list(block)


def test_blocks_of_positions() -> None:
    places = np.array([0, 1, 2**32 - 1, 2**32, 2**64 - 1], np.uint64)
    found = np.array(blocks(places, 7, 2**63 + 12345)).T
    for place, block in zip(places.tolist(), found.tolist(), strict=True):
        counter = (place & 0xFFFFFFFF, place >> 32, 7, 0)
        assert block == plain_block(counter, ((2**63 + 12345) & 0xFFFFFFFF, 2**31))


@pytest.mark.parametrize("sizes", [(), (11,), (0,), (3, 5), (2, 3, 4), (5, 1, 1)])
@pytest.mark.parametrize(
    ("kind", "dtype"), [(k, d) for k, v in DRAWS.items() for d in v]
)
def test_native_draws_are_the_reference(kind: str, dtype: str, sizes: Any) -> None:
    state = symnet.shared(np.array([2**40 + 77, 3, 2**32 - 5], np.uint64))
    drawn = PhiloxDraw(kind, dtype)(state[0], state[1], state[2], *sizes)
    native, reference = run(drawn), run(drawn, mode="FAST_COMPILE")
    assert native.shape == reference.shape == sizes
    assert native.dtype == reference.dtype == dtype
    if kind != "normal":
        np.testing.assert_array_equal(native, reference)
    else:
        rough = {"float16": 2e-3, "float32": 3e-6, "float64": 1e-14}[dtype]
        np.testing.assert_allclose(native, reference, rtol=rough, atol=rough)


@pytest.mark.parametrize(
    "shape", [(31,), (33,), (300_001,), (3, 41), (5, 8), (4, 9), (2, 3, 100), (700, 3)]
)
@pytest.mark.parametrize("kind, dtype", [("bits", "uint32"), ("uniform", "float32")])
def test_interleaved_words(kind: str, dtype: str, shape: Any) -> None:
    """Whichever way a loop goes through a draw, it meets the same numbers."""
    state = symnet.shared(np.array([5, 3, 2**32 - 5], np.uint64))
    drawn = PhiloxDraw(kind, dtype)(state[0], state[1], state[2], *shape)
    expected = run(drawn, mode="FAST_COMPILE")
    other = np.random.default_rng(1).random(shape[::-1]).astype("float32")
    np.testing.assert_array_equal(run(drawn.T * 1), expected.T)
    mixed = run(T.switch(drawn % 2 < 1, symnet.shared(other).T, drawn))
    np.testing.assert_allclose(
        mixed, np.where(expected % 2 < 1, other.T, expected), rtol=1e-12
    )
    wide = T.cast(drawn, "float64")
    for axis in (None, *range(len(shape))):
        found, largest = run([wide.sum(axis), drawn.max(axis)])
        np.testing.assert_allclose(found, expected.sum(axis, "float64"), rtol=1e-12)
        np.testing.assert_array_equal(largest, expected.max(axis))


def test_words_of_a_block() -> None:
    """Eight blocks serve 32 neighbours; all four words of each are used, once."""
    state = symnet.shared(np.array([5, 3, 7], np.uint64))
    drawn = run(PhiloxDraw("bits", "uint32")(state[0], state[1], state[2], 2, 40))
    for row in range(2):
        words = np.array(blocks(np.arange(7, 23, dtype=np.uint64), 3, 5, row))
        np.testing.assert_array_equal(drawn[row, :32], words[:, :8].ravel())
        np.testing.assert_array_equal(drawn[row, 32:], words[0, 8:])


CONTINUOUS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "uniform": (lambda r: r.uniform((N,), -1, 3), stats.uniform(-1, 4)),
    "uniform float32": (
        lambda r: r.uniform((N,), -1, 3, dtype="float32"), stats.uniform(-1, 4),
    ),
    "normal": (lambda r: r.normal((N,), 2, 0.5), stats.norm(2, 0.5)),
    "normal float32": (lambda r: r.normal((N,), dtype="float32"), stats.norm()),
    "truncated_normal": (
        lambda r: r.truncated_normal((N,), 1, 3, -1, 2.5), stats.truncnorm(-1, 2.5, 1, 3),
    ),
    "upper tail": (
        lambda r: r.truncated_normal((N,), 1, 3, 7, np.inf), stats.truncnorm(7, np.inf, 1, 3),
    ),
    "lower tail": (
        lambda r: r.truncated_normal((N,), 1, 3, -9, -8.5), stats.truncnorm(-9, -8.5, 1, 3),
    ),
    "upper half": (
        lambda r: r.truncated_normal((N,), 0, 1, 0, np.inf), stats.halfnorm(),
    ),
    "exponential": (lambda r: r.exponential((N,), 3.0), stats.expon(scale=3)),
    "gumbel": (lambda r: r.gumbel((N,), 1, 2), stats.gumbel_r(1, 2)),
    "gamma": (lambda r: r.gamma((N,), 2.5, 2.0), stats.gamma(2.5, scale=2)),
    "small gamma": (lambda r: r.gamma((N,), 0.3), stats.gamma(0.3)),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_distributions(name: str) -> None:
    drawn, law = CONTINUOUS[name]
    x = run(drawn(RandomStream(12)))
    assert stats.kstest(x.astype(float), law.cdf).pvalue > 1e-3
    assert abs(x.mean() - law.mean()) < 5 * law.std() / math.sqrt(N)
    assert abs(x.std() / law.std() - 1) < 0.05


DISCRETE: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "bernoulli": (lambda r: r.bernoulli((N,), 0.3), stats.bernoulli(0.3).pmf),
    "binomial": (lambda r: r.binomial((N,), 10, 0.3), stats.binom(10, 0.3).pmf),
    "large binomial": (lambda r: r.binomial((N,), 200, 0.4), stats.binom(200, 0.4).pmf),
    "poisson": (lambda r: r.poisson((N,), 2.0), stats.poisson(2).pmf),
    "large poisson": (lambda r: r.poisson((N,), 40.0), stats.poisson(40).pmf),
    "integers": (lambda r: r.integers((N,), 3, 9), stats.randint(3, 9).pmf),
    "categorical": (
        lambda r: r.categorical([1.0, 2.0, 0.0, 5.0], (N,)),
        lambda k: np.array([1, 2, 0, 5])[np.clip(k, 0, 3)] / 8 * (k < 4),
    ),
    "logits": (
        lambda r: r.categorical(size=(N,), logits=np.log([0.2, 0.8])),
        lambda k: np.array([0.2, 0.8])[np.clip(k, 0, 1)] * (k < 2),
    ),
    "choice": (lambda r: r.choice(5, (N,)), stats.randint(0, 5).pmf),
    "choice p": (
        lambda r: r.choice(3, (N,), p=[0.5, 0.3, 0.2]),
        lambda k: np.array([0.5, 0.3, 0.2])[np.clip(k, 0, 2)] * (k < 3),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_distributions(name: str) -> None:
    drawn, chance = DISCRETE[name]
    x = run(drawn(RandomStream(31)))
    assert x.dtype == "int64"
    values = np.arange(x.max() + 1)
    expected = chance(values) * N
    counts = np.bincount(x, minlength=len(values))
    assert not counts[expected == 0].any()
    common = expected > 5
    rest = [counts[~common].sum()], [N - expected[common].sum()]
    seen = np.concatenate(
        [counts[common], rest[0]] if rest[1][0] > 1 else [counts[common]]
    )
    want = np.concatenate(
        [expected[common], rest[1]] if rest[1][0] > 1 else [expected[common]]
    )
    assert stats.chisquare(seen, want * seen.sum() / want.sum()).pvalue > 1e-4


def test_streams_and_calls_are_independent() -> None:
    rng = RandomStream(5)
    f = symnet.function([], [rng.normal((2000,)) for _ in range(6)])
    rows = np.array([*f(), *f()])
    correlation = np.corrcoef(rows) - np.eye(12)
    assert abs(correlation).max() < 6 / math.sqrt(2000)
    shifted = np.corrcoef(rows[:, 1:].ravel(), rows[:, :-1].ravel())[0, 1]
    assert abs(shifted) < 6 / math.sqrt(rows.size)
    assert len(set(rows.ravel().tolist())) == rows.size


PROGRAM = """
import hashlib, symnet
rng = symnet.random.RandomStream(3)
drawn = [rng.normal((300_001,), dtype="float32"), rng.poisson((50_001,), 3.0),
         rng.permutation(40, size=(500,)), rng.uniform((1000, 333)).sum(0)]
f = symnet.function([], drawn)
f()
print(hashlib.sha256(b"".join(a.tobytes() for a in f())).hexdigest())
"""


def test_threads_do_not_change_the_numbers() -> None:
    found = set()
    for threads in ("1", "2", "3"):
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SYMNET_NUM_THREADS": threads,
        }
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True,
            timeout=120, check=True,
        )  # fmt: skip
        found.add(done.stdout)
    assert len(found) == 1


def test_seed_state_pickle_copy() -> None:
    rng = RandomStream(7)
    x, y = rng.normal((5,)), rng.integers((3,), 100)
    f = symnet.function([], [x, y])
    first, second = f(), f()
    assert not np.array_equal(first[0], second[0])
    other = symnet.function([], [RandomStream(7).normal((5,))])
    np.testing.assert_array_equal(other()[0], first[0])
    rng.seed()
    np.testing.assert_array_equal(f()[0], first[0])
    copy = pickle.loads(pickle.dumps(f))
    again, third = copy(), f()
    np.testing.assert_array_equal(again[0], second[0])
    np.testing.assert_array_equal(third[1], second[1])
    rng.seed(8)
    assert not np.array_equal(f()[0], first[0])
    assert x.rng.get_value().tolist()[2] == 5
    assert [state for state, _ in rng.updates()] == [x.rng, y.rng]
    still = symnet.function([], x, no_default_updates=True)
    np.testing.assert_array_equal(still(), still())
    a, b = RandomStream(), RandomStream()
    assert a.key != b.key


def test_a_sample_used_twice_is_the_same_sample() -> None:
    x = RandomStream(1).normal((4,))
    np.testing.assert_array_equal(run(x - x), np.zeros(4))
    once, twice = run([x, x * 2])
    np.testing.assert_array_equal(once * 2, twice)


def test_draws_inside_loops_never_repeat() -> None:
    rng = RandomStream(2)

    def step(carried: Any) -> Any:
        return carried + rng.normal((3,)) * (rng.poisson((3,), 50.0) + 1)

    rows, updates = symnet.scan(step, outputs_info=T.zeros(3), n_steps=20)
    f = symnet.function([], rows, updates=updates)
    first, second = f(), f()
    steps = np.diff(np.concatenate([[np.zeros(3)], first]), axis=0)
    assert len(np.unique(np.round(steps, 9))) == 60
    assert not np.isclose(first, second).any()


def test_a_draw_before_a_loop_is_one_number_where_it_is_handed_in() -> None:
    drawn = RandomStream(5).normal((3,))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows, updates = symnet.scan(
            lambda k, mask: mask * 2, sequences=T.arange(4), non_sequences=drawn
        )
    once, each = symnet.function([], [drawn, rows], updates=updates)()
    np.testing.assert_array_equal(each, np.tile(once * 2, (4, 1)))


def test_one_that_is_not_is_drawn_anew_in_each_step_and_that_is_said() -> None:
    drawn = RandomStream(5).normal((3,)) + 1
    with pytest.warns(UserWarning, match="drawn anew in each of its steps") as caught:
        rows, updates = symnet.scan(lambda k: drawn * 2, sequences=T.arange(4))
    assert "test_random.py" in str(caught[0].message)
    assert caught[0].filename == __file__
    found = symnet.function([], rows, updates=updates)()
    assert len(np.unique(found)) == 12


@pytest.mark.parametrize("mode", ["FAST_RUN", "DebugMode"])
def test_permutations_and_choices(mode: str) -> None:
    rng = RandomStream(3)
    a = np.arange(12.0).reshape(4, 3)
    n = T.lscalar()
    made = [
        rng.permutation(10), rng.permutation(5, size=(2,)), rng.shuffle(a),
        rng.choice(10, (2, 4), replace=False), rng.choice(a, (2,)),
        rng.choice(4, (2, 2), p=[0.1, 0.2, 0.3, 0.4], replace=False),
        rng.multinomial(10, [0.2, 0.3, 0.5]), rng.multinomial(n, [[0.2, 0.8], [1, 0]]),
        rng.choice(3), rng.permutation(0), rng.permutation(n),
    ]  # fmt: skip
    f = symnet.function([n], made, mode=mode)
    for _ in range(3):
        one, many, rows, some, two, weighted, counts, table, single, none, symbolic = f(
            6
        )
        assert sorted(one) == list(range(10))
        assert [sorted(r) for r in many.tolist()] == [list(range(5))] * 2
        assert sorted(rows.tolist()) == a.tolist()
        assert len(set(some.ravel().tolist())) == 8
        assert all(row in a.tolist() for row in two.tolist())
        assert sorted(weighted.ravel()) == [0, 1, 2, 3]
        assert counts.sum() == 10
        assert table.sum(1).tolist() == [6, 6]
        assert table[1].tolist() == [6, 0]
        assert single in (0, 1, 2)
        assert none.shape == (0,)
        assert sorted(symbolic) == list(range(6))


def test_all_permutations_are_as_likely() -> None:
    rows = run(RandomStream(9).permutation(4, size=(24_000,)))
    numbers = rows @ np.array([64, 16, 4, 1])
    counts = np.unique(numbers, return_counts=True)[1]
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-4


def test_sizes_from_parameters_and_variables() -> None:
    rng = RandomStream(4)
    m, n = T.matrix(), T.lscalar()
    f = symnet.function(
        [m, n], [rng.normal(loc=m), rng.uniform((n, 2)), rng.poisson(lam=m)]
    )
    for rows in (0, 1, 7):
        a, b, c = f(np.full((rows, 3), 5.0, m.dtype), rows)
        assert a.shape == c.shape == (rows, 3)
        assert b.shape == (rows, 2)
    big = symnet.function([m], rng.normal(loc=m, scale=0))
    value = np.arange(6.0).reshape(2, 3).astype(m.dtype)
    np.testing.assert_array_equal(big(value), value)
    two = rng.normal(loc=np.zeros((3, 1)), scale=np.ones(4))
    assert run(two).shape == (3, 4)


def test_truncated_beyond_where_normal_numbers_are() -> None:
    rng = RandomStream(6)
    for lower, upper, want in ((50.0, np.inf, 50.0), (-np.inf, -40.0, -40.0)):
        x = run(rng.truncated_normal((9,), 2.0, 3.0, lower, upper))
        np.testing.assert_allclose(x, 2 + 3 * want)


def test_integers_that_the_dtype_does_not_hold() -> None:
    rng = RandomStream(6)
    for low, high, dtype in ((0, 300, "int8"), (-1, 3, "uint8"), (0, 3, "bool")):
        with pytest.raises(ValueError, match=f"do not fit {dtype}"):
            rng.integers((3,), low, high, dtype=dtype)
    assert set(run(rng.integers((99,), -128, 128, dtype="int8"))) <= set(
        range(-128, 128)
    )


def test_gradients_where_numbers_can_be_reparameterised() -> None:
    rng = RandomStream(6)
    loc, scale = T.dscalar(), T.dscalar()
    for drawn in (
        rng.normal((9,), loc, scale), rng.gumbel((9,), loc, scale),
        rng.truncated_normal((9,), loc, scale),
    ):  # fmt: skip
        f = symnet.function(
            [loc, scale], [drawn, *symnet.grad(drawn.sum(), [loc, scale])]
        )
        x, by_loc, by_scale = f(2.0, 3.0)
        assert by_loc == pytest.approx(9)
        assert by_scale == pytest.approx(((x - 2) / 3).sum())
    spread = rng.exponential((9,), scale)
    f = symnet.function([scale], [spread.sum(), symnet.grad(spread.sum(), scale)])
    total, by_scale = f(4.0)
    assert by_scale == pytest.approx(total / 4)
    shape = T.dscalar()
    with pytest.raises(symnet.NullTypeGradError, match="gamma"):
        symnet.grad(rng.gamma((3,), shape).sum(), shape)


def test_integers_of_wide_ranges() -> None:
    for low, high in ((0, 2**63 - 1), (-(2**62), 2**62), (5, 6), (-3, 2**40)):
        x = run(RandomStream(1).integers((5000,), low, high)).astype(float)
        assert x.min() >= low
        assert x.max() < high + 1
        wide = (x - low) / (high - low)
        if high - low > 1000:
            assert stats.kstest(wide, stats.uniform.cdf).pvalue > 1e-3


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_parameters_that_turn_out_wrong(mode: str) -> None:
    x = T.dvector()
    rng = RandomStream(1)
    for drawn, value in (
        (rng.poisson(lam=x), -1.0), (rng.poisson(lam=x), 1e19), (rng.poisson(lam=x), np.nan),
        (rng.binomial(n=5, p=x), 1.5), (rng.gamma(shape=x), -0.1),
    ):  # fmt: skip
        f = symnet.function([x], drawn, mode=mode)
        with pytest.raises(ValueError):
            f(np.array([1.0, value]))


def test_wrong_input() -> None:
    rng = RandomStream(1)
    wrong: list[tuple[type[Exception], str, Callable[[], Any]]] = [
        (ValueError, "scale must be at least 0", lambda: rng.normal((2,), scale=-1.0)),
        (ValueError, "between 0 and 1", lambda: rng.bernoulli((2,), 1.5)),
        (ValueError, "between 0 and 1", lambda: rng.binomial((2,), 3, [0.5, 2.0])),
        (TypeError, "n is an integer", lambda: rng.binomial((2,), 2.5, 0.5)),
        (ValueError, "at least 0", lambda: rng.poisson((2,), -1.0)),
        (ValueError, "high must be above low", lambda: rng.integers((2,), 3, 3)),
        (TypeError, "a size is an integer", lambda: rng.uniform((2.5,))),
        (ValueError, "negative", lambda: rng.uniform((2, -1))),
        (TypeError, "int8", lambda: rng.uniform((2,), dtype="int8")),
        (ValueError, "higher rank", lambda: rng.normal((2,), np.zeros((2, 2)))),
        (ValueError, "more elements", lambda: rng.normal((1, 2), np.zeros((3, 2)))),
        (TypeError, "one of them", lambda: rng.categorical()),
        (ValueError, "vector of classes", lambda: rng.categorical(0.5)),
        (TypeError, "needs the probabilities", lambda: rng.multinomial(3)),
        (ValueError, "cannot be drawn", lambda: rng.choice(3, (4,), replace=False)),
        (TypeError, "shuffle takes an array", lambda: rng.shuffle(3)),
        (TypeError, "takes no size", lambda: rng.permutation(np.zeros(3), size=2)),
        (TypeError, "real dtype", lambda: rng.poisson((2,), 1.0, dtype="complex64")),
        (ValueError, "seed", lambda: RandomStream(-1)),
        (TypeError, "seed", lambda: RandomStream("a")),
        (TypeError, "uint64", lambda: PhiloxDraw("bits", "uint32")(1, 2, 3, 4)),
        (TypeError, "not int64", lambda: PhiloxDraw("uniform", "int64")),
    ]  # fmt: skip
    for kind, text, action in wrong:
        with pytest.raises(kind, match=text):
            action()
    with pytest.raises(ValueError, match="more classes"):
        n = T.lscalar()
        symnet.function([n], rng.choice(3, (n,), replace=False, p=[0.2, 0.3, 0.5]))(4)


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_a_choice_among_too_few_possible_ones_fails(mode: str) -> None:
    p = T.dvector()
    drawn = RandomStream(1).choice(3, (2,), replace=False, p=p)
    draw = symnet.function([p], drawn, mode=mode)
    assert sorted(draw(np.array([0.5, 0.0, 0.5]))) == [0, 2]
    for chances in ([1.0, 0.0, 0.0], [np.nan, 0.5, 0.5], [0.2, 0.0, 0.0]):
        with pytest.raises(ValueError, match="choice: fewer elements"):
            draw(np.array(chances))


def test_variates_have_their_own_counters() -> None:
    """A number depends on its position alone: a part is drawn as the whole is."""
    state = np.array([5, 6, 0], np.uint64)
    mean = T.constant(np.array(3.5))
    whole = run(PhiloxVariates("poisson")(state, mean, mean, 100))
    state[2] = 40
    part = run(PhiloxVariates("poisson")(state, mean, mean, 60))
    np.testing.assert_array_equal(whole[40:], part)


def test_a_wrong_parameter_names_the_line_and_the_cure() -> None:
    with pytest.raises(ValueError) as error:
        RandomStream(1).normal((2,), scale=-1.0)
    assert f"your line: {__file__}" in str(error.value)
    assert "to do: give normal a scale that is at least 0" in str(error.value)
