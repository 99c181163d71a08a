"""MRG31k3p against its recurrences written out, and what Theano draws from it."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
from scipy import stats

import symnet
import symnet.tensor as T
from symnet.ops.random.mrg import MRGUniform, PickFromUniform
from symnet.sandbox.rng_mrg import (
    M1,
    M2,
    A1p72,
    A2p134,
    MRG_RandomStreams,
    ff_2p72,
    ff_2p134,
    guess_n_streams,
    multMatVect,
)

NORMS = {"float64": 2.0**-31, "float32": np.float32(4.6566126e-10)}


class Plain:
    """One stream in Python's integers. Source: L'Ecuyer and Touzin 2000, section 4."""

    def __init__(self, state: Any) -> None:
        self.x, self.y = [int(n) for n in state[:3]], [int(n) for n in state[3:]]

    def step(self) -> int:
        x = (2**22 * self.x[1] + (2**7 + 1) * self.x[2]) % M1
        y = (2**15 * self.y[0] + (2**15 + 1) * self.y[2]) % M2
        self.x, self.y = [x, *self.x[:2]], [y, *self.y[:2]]
        return x - y + M1 if x <= y else x - y

    @property
    def state(self) -> list[int]:
        return [*self.x, *self.y]


def power(matrix: Any, exponent: int, modulus: int) -> Any:
    """matrix ** (2 ** exponent) in Python's integers."""
    result = np.array(matrix, object)
    for _ in range(exponent):
        result = result.dot(result) % modulus
    return result


def jumped(state: Any, exponent: int) -> list[int]:
    """A state 2 ** exponent steps on."""
    x = power([[0, 2**22, 129], [1, 0, 0], [0, 1, 0]], exponent, M1)
    y = power([[2**15, 0, 2**15 + 1], [1, 0, 0], [0, 1, 0]], exponent, M2)
    x = x.dot(np.array([int(n) for n in state[:3]], object)) % M1
    y = y.dot(np.array([int(n) for n in state[3:]], object)) % M2
    return [*map(int, x), *map(int, y)]


def expected(states: Any, count: int, dtype: str) -> tuple[Any, Any]:
    """(states after, numbers): sample k comes from stream k % streams."""
    streams = [Plain(state) for state in states]
    draws = [streams[k % len(streams)].step() for k in range(count)]
    if dtype == "float16":
        norm = float(np.float16(3.0458e-05))
        numbers = [np.float16(((d & 0x7FFF) + 1) * norm) for d in draws]
    else:
        numbers = [np.dtype(dtype).type(d) * NORMS[dtype] for d in draws]
    return np.array([s.state for s in streams], np.int32), np.array(numbers, dtype)


def some_states(streams: int) -> Any:
    return np.random.RandomState(streams).randint(1, M2, (streams, 6)).astype(np.int32)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    ("streams", "count"),
    [(1, 1), (1, 9), (3, 2), (5, 23), (8, 16), (17, 100), (40, 7), (4, 0)],
)
@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_uniform_against_the_recurrences(
    dtype: str, streams: int, count: int, mode: str
) -> None:
    states = some_states(streams)
    outputs = MRGUniform(dtype)(T.constant(states), count)
    after, numbers = symnet.function([], outputs, mode=mode)()
    want_after, want = expected(states, count, dtype)
    assert numbers.dtype == dtype
    np.testing.assert_array_equal(after, want_after)
    np.testing.assert_array_equal(numbers, want)


def test_the_largest_draws_stay_inside() -> None:
    assert np.float32(M1) * NORMS["float32"] < 1
    assert np.float32(1) * NORMS["float32"] > 0
    assert np.float16(32768 * float(np.float16(3.0458e-05))) < 1


def test_numbers_that_others_publish() -> None:
    """Substreams of streams of seed 12345, as the package SSJ of L'Ecuyer draws them."""
    rng = MRG_RandomStreams(12345)
    f = symnet.function([], rng.uniform((5, 7), dtype="float64", nstreams=7))
    g = symnet.function([], rng.uniform((5, 7), dtype="float64", nstreams=7))
    first, second = f().T, g().T
    np.testing.assert_allclose(first[0], [
        0.7353244530968368, 0.6142074400559068, 0.11007806099951267,
        0.6487741703167558, 0.36619443260133266,
    ], rtol=1e-15)  # fmt: skip
    np.testing.assert_allclose(first[6], [
        0.5435514179989696, 0.330895590595901, 0.49919482320547104,
        0.9409166998229921, 0.8276205519214272,
    ], rtol=1e-15)  # fmt: skip
    np.testing.assert_allclose(second[0, :2], [0.5180770065635443, 0.2319392478093505])


def test_streams_lie_where_theano_has_them() -> None:
    rng = MRG_RandomStreams(seed=12345)
    first = [12345] * 6
    states = rng.get_substream_rstates(3, "float32")
    want = [first, jumped(first, 72), jumped(jumped(first, 72), 72)]
    np.testing.assert_array_equal(states, want)
    np.testing.assert_array_equal(rng.rstate, jumped(first, 134))
    np.testing.assert_array_equal(ff_2p72(first), jumped(first, 72))
    np.testing.assert_array_equal(ff_2p134(first), jumped(first, 134))
    np.testing.assert_array_equal(
        multMatVect(np.array(first), A1p72, M1, A2p134, M2),
        [*jumped(first, 72)[:3], *jumped(first, 134)[3:]],
    )


def test_a_draw_uses_the_streams_that_theano_guesses() -> None:
    assert [guess_n_streams(s) for s in [(1,), (6,), (7,), (30, 10), (1000, 1000)]] == [
        1, 6, 1, 50, 15360,
    ]  # fmt: skip
    assert guess_n_streams((T.iscalar(), 3)) == 15360
    with pytest.warns(UserWarning, match="does not tell"):
        guess_n_streams(T.ivector(), warn=True)
    rng = MRG_RandomStreams(7)
    u = rng.uniform((6, 5))
    assert u.rstate.get_value().shape == (5, 6)
    states = np.array([[7] * 6])
    for _ in range(4):
        states = np.vstack([states, jumped(states[-1], 72)])
    f = symnet.function([], u)
    after, first = expected(states, 30, f().dtype.name)
    rng.seed()
    np.testing.assert_array_equal(f().ravel(), first)
    np.testing.assert_array_equal(f().ravel(), expected(after, 30, first.dtype.name)[1])


def test_normal_is_box_and_muller_by_halves() -> None:
    rng = MRG_RandomStreams(99)
    f = symnet.function([], rng.normal((3, 5), 1.0, 2.0, dtype="float64", nstreams=4))
    states = MRG_RandomStreams(99).get_substream_rstates(4, "float64")
    for _ in range(2):
        states, u = expected(states, 16, "float64")
        radius, angle = np.sqrt(-2 * np.log(u[:8])), 2 * np.pi * u[8:]
        z = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:15]
        np.testing.assert_allclose(f(), 1 + 2 * z.reshape(3, 5), rtol=1e-12)


def test_truncated_normal() -> None:
    n = 40_000
    x = symnet.function([], MRG_RandomStreams(3).truncated_normal((n,), 2.0, 3.0))()
    assert x.shape == (n,)
    assert abs(x - 2).max() <= 2 * 3 / 0.87962566103423978 * (1 + 1e-6)
    assert abs(x.mean() - 2) < 5 * 3 / math.sqrt(n)
    assert abs(x.std() / 3 - 1) < 0.02
    wide = stats.truncnorm(-2, 2, loc=2, scale=3 / 0.87962566103423978)
    assert stats.kstest(x, wide.cdf).pvalue > 1e-3


@pytest.mark.parametrize("dtype", ["int64", "int8", "float32", "bool"])
def test_binomial(dtype: str) -> None:
    rng = MRG_RandomStreams(5)
    p = np.array([[0.1], [0.9]])
    x = symnet.function([], rng.binomial((2, 20_000), p=p, dtype=dtype))()
    assert x.dtype == dtype
    np.testing.assert_allclose(x.mean(1), [0.1, 0.9], atol=0.015)
    q = T.matrix()
    f = symnet.function([q], rng.binomial(size=q.shape, p=q))
    np.testing.assert_array_equal(f(np.array([[0.0, 1.0]], q.dtype)), [[0, 1]])


def theano_counts(chances: Any, uniform: Any, draws: int) -> Any:
    """The first class at which the sum exceeds the number."""
    counts = np.zeros(chances.shape, int)
    for k, u in enumerate(uniform):
        row, total = k % len(chances), 0.0
        for m, chance in enumerate(chances[row]):
            total += float(chance)
            if total > u:
                counts[row, m] += 1
                break
    assert len(uniform) == draws * len(chances)
    return counts


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
@pytest.mark.parametrize(
    ("rows", "classes", "draws"), [(3, 4, 1), (1, 1, 5), (7, 9, 6), (0, 3, 2)]
)
def test_multinomial_counts(mode: str, rows: int, classes: int, draws: int) -> None:
    source = np.random.RandomState(rows)
    chances = source.dirichlet(np.ones(classes), rows).reshape(rows, classes)
    uniform = source.uniform(size=rows * draws)
    p, u = T.dmatrix(), T.dvector()
    f = symnet.function([p, u], PickFromUniform(True, False)(p, u, draws), mode=mode)
    np.testing.assert_array_equal(
        f(chances, uniform), theano_counts(chances, uniform, draws)
    )


def test_classes_without_any_chance_are_not_drawn() -> None:
    f = symnet.function(
        [], MRG_RandomStreams(1).multinomial(pvals=np.array([[-2.0, 2.0]]))
    )
    np.testing.assert_array_equal(f(), [[0, 0]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_choice_without_replacement(dtype: str) -> None:
    p = np.random.RandomState(0).dirichlet(np.ones(6), 50).astype(dtype)
    rng = MRG_RandomStreams(8)
    f = symnet.function([], rng.choice(size=4, p=p, replace=False))
    g = symnet.function([], rng.choice(size=4, p=p, replace=False), mode="DebugMode")
    for x in (f(), f(), g()):
        assert x.shape == (50, 4)
        assert all(
            len(set(row)) == 4 and set(row) <= set(range(6)) for row in x.tolist()
        )
    first = np.concatenate([f()[:, 0] for _ in range(400)]).reshape(-1, 50)
    for column in (0, 17):
        counts = np.bincount(first[:, column], minlength=6)
        chance = p[column].astype(float) / p[column].astype(float).sum()
        assert stats.chisquare(counts, 400 * chance).pvalue > 1e-4
    with pytest.warns(DeprecationWarning):
        rng.multinomial_wo_replacement(pvals=p, n=2)
    with pytest.raises(ValueError, match="more classes"):
        symnet.function([], rng.choice(size=7, p=p, replace=False))()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_uniform_is_uniform(dtype: str) -> None:
    rng = MRG_RandomStreams(2)
    x = symnet.function([], rng.uniform((300, 100), -1.0, 3.0, dtype=dtype))()
    assert x.dtype == dtype
    assert x.min() >= -1
    assert x.max() <= 3
    pvalue = stats.kstest(x.ravel().astype(float), stats.uniform(-1, 4).cdf).pvalue
    assert pvalue > (1e-3 if dtype != "float16" else 1e-8)
    rows = np.corrcoef(x.astype(float))
    assert abs(rows - np.eye(300)).max() < 6 / math.sqrt(100)


def test_symbolic_sizes_and_ranks() -> None:
    n, shape = T.lscalar(), T.lvector()
    rng = MRG_RandomStreams(4)
    f = symnet.function([n], rng.uniform((n, 2)))
    assert [f(k).shape for k in (0, 1, 30_000)] == [(0, 2), (1, 2), (30_000, 2)]
    g = symnet.function([shape], rng.normal(shape, ndim=3))
    assert g([2, 1, 3]).shape == (2, 1, 3)
    x = T.matrix()
    h = symnet.function([x], rng.normal(x.shape, avg=x))
    assert h(np.zeros((4, 5), x.dtype)).shape == (4, 5)
    with pytest.raises(ValueError, match="negative"):
        f(-1)


def test_seed_state_pickle_copy() -> None:
    rng = MRG_RandomStreams(11)
    u, z = rng.uniform((20,)), rng.normal((7,))
    f = symnet.function([], [u, z])
    first, second = f(), f()
    assert not np.array_equal(first[0], second[0])
    rng.seed(11)
    for again, want in ((f(), first), (f(), second)):
        np.testing.assert_array_equal(again[0], want[0])
        np.testing.assert_array_equal(again[1], want[1])
    other = pickle.loads(pickle.dumps(f))
    np.testing.assert_array_equal(other()[0], f()[0])
    state = u.rstate.get_value()
    one = f()[0]
    u.rstate.set_value(state)
    np.testing.assert_array_equal(f()[0], one)
    assert [len(entry) for entry in rng.updates()] == [4, 4]
    still = symnet.function([], u, no_default_updates=True)
    np.testing.assert_array_equal(still(), still())


def test_draws_inside_a_loop_never_repeat() -> None:
    rng = MRG_RandomStreams(6)
    draws, updates = symnet.scan(lambda k: rng.uniform((5,)), sequences=[T.arange(6)])
    f = symnet.function([], draws, updates=updates)
    numbers = np.concatenate([f(), f()]).ravel()
    assert len(set(numbers.tolist())) == 60
    state = rng.state_updates[0][0]
    plain = expected(
        MRG_RandomStreams(6).get_substream_rstates(len(state.array), ""), 0, "float64"
    )[0]
    for row in numbers.reshape(12, 5):
        plain, want = expected(plain, 5, row.dtype.name)
        np.testing.assert_array_equal(row, want)


def test_gradients_pass_by_place_and_scale() -> None:
    mean, deviation = T.dscalar(), T.dscalar()
    z = MRG_RandomStreams(1).normal((50,), mean, deviation, dtype="float64")
    f = symnet.function(
        [mean, deviation], [z, *symnet.grad(z.sum(), [mean, deviation])]
    )
    numbers, by_mean, by_deviation = f(1.0, 2.0)
    assert by_mean == pytest.approx(50)
    assert by_deviation == pytest.approx(((numbers - 1) / 2).sum())


@pytest.mark.parametrize(
    "seed", [0, -3, M2, [0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0], [M1, 1, 1, 1, 1, 1]]
)
def test_seeds_out_of_range(seed: Any) -> None:
    with pytest.raises(ValueError, match="seed"):
        MRG_RandomStreams(seed)


@pytest.mark.parametrize("seed", ["a", 1.5, [1, 2], None])
def test_seeds_of_another_kind(seed: Any) -> None:
    with pytest.raises(TypeError, match="seed"):
        MRG_RandomStreams(seed)


def test_wrong_input() -> None:
    rng = MRG_RandomStreams()
    with pytest.raises(ValueError, match="negative"):
        rng.uniform((2, -1))
    with pytest.raises(TypeError, match="a size is an integer"):
        rng.uniform((2.5,))
    with pytest.raises(TypeError, match="int64"):
        rng.uniform((2,), dtype="int64")
    with pytest.raises(ValueError, match="std must be at least 0"):
        rng.normal((2,), std=-1.0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        rng.binomial((2,), p=1.5)
    with pytest.raises(NotImplementedError, match="n = 1"):
        rng.binomial((2,), n=3)
    with pytest.raises(ValueError, match="more elements"):
        rng.uniform((1, 3), low=np.zeros((2, 3)))
    with pytest.raises(ValueError, match="higher rank"):
        rng.uniform((3,), low=np.zeros((2, 3)))
    with pytest.raises(TypeError, match="keyword"):
        rng.uniform((2,), wrong=1)
    with pytest.raises(TypeError, match="needs the probabilities"):
        rng.multinomial()
    with pytest.raises(NotImplementedError, match="matrix"):
        rng.multinomial(pvals=np.ones(3))
    with pytest.raises(NotImplementedError, match="without replacement"):
        rng.choice(p=np.ones((1, 3)))
    with pytest.raises(TypeError, match="int32 matrix"):
        MRGUniform("float32")(T.dmatrix(), 3)
    with pytest.raises(TypeError, match="complex64"):
        MRGUniform("complex64")
