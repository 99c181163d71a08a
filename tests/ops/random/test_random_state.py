"""`raw_random` and `RandomStreams` against NumPy's RandomState with the same seeds."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.kernels.cpu.library import distributions
from symnet.ops.random.random_state import (
    RandomFunction,
    StateDraw,
    pack_state,
    random_state_type,
    unpack_state,
)
from symnet.tensor import raw_random
from symnet.tensor.shared_randomstreams import RandomStreams

RandomState = np.random.RandomState
MODES = ["FAST_RUN", "FAST_COMPILE", "DebugMode"]
P = [0.2, 0.3, 0.5]
ROWS = np.array([[0.1, 0.4, 0.5], [0.3, 0.3, 0.4]])


def first_state(seed: int) -> Any:
    """The generator of the first draw of RandomStreams(seed)."""
    return RandomState(int(RandomState(seed).randint(2**30)))


CASES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "uniform": (lambda r: r.uniform((2, 3)), lambda s: s.uniform(size=(2, 3))),
    "uniform low": (
        lambda r: r.uniform((2, 3), low=np.array([0.0, 1.0, 2.0]), high=5),
        lambda s: s.uniform([0, 1, 2], 5, (2, 3)),
    ),
    "uniform as parameters": (
        lambda r: r.uniform(low=np.array([[0.0], [1.0]]), high=np.array([2.0, 3.0])),
        lambda s: s.uniform([[0], [1]], [2, 3]),
    ),
    "normal": (lambda r: r.normal((2, 3), 1, 2), lambda s: s.normal(1, 2, (2, 3))),
    "one normal": (lambda r: r.normal(), lambda s: s.normal()),
    "binomial": (lambda r: r.binomial((4,), 5, 0.3), lambda s: s.binomial(5, 0.3, 4)),
    "large binomial": (
        lambda r: r.binomial((50,), 1000, 0.7),
        lambda s: s.binomial(1000, 0.7, 50),
    ),
    "binomials": (
        lambda r: r.binomial(n=np.array([3, 40]), p=np.array([0.5, 0.9])),
        lambda s: s.binomial([3, 40], [0.5, 0.9]),
    ),
    "random_integers": (
        lambda r: r.random_integers((50,), 0, 9),
        lambda s: s.randint(0, 10, 50),
    ),
    "large random_integers": (
        lambda r: r.random_integers((5,), -(2**40), 2**41),
        lambda s: s.randint(-(2**40), 2**41 + 1, 5),
    ),
    "random_integers one": (lambda r: r.random_integers((3,), 4, 4), lambda s: [4] * 3),
    "poisson": (lambda r: r.poisson((50,), lam=3.0), lambda s: s.poisson(3.0, 50)),
    "large poisson": (lambda r: r.poisson((50,), lam=33.0), lambda s: s.poisson(33, 50)),
    "permutation": (
        lambda r: r.permutation((2,), n=5),
        lambda s: [s.permutation(5) for _ in range(2)],
    ),
    "one permutation": (lambda r: r.permutation(n=6), lambda s: s.permutation(6)),
    "multinomial": (
        lambda r: r.multinomial((4,), 6, P),
        lambda s: s.multinomial(6, P, 4),
    ),
    "multinomials": (
        lambda r: r.multinomial(n=np.array([5, 9]), pvals=ROWS),
        lambda s: [s.multinomial(n, p) for n, p in zip([5, 9], ROWS)],
    ),
    "multinomials by size": (
        lambda r: r.multinomial((3, -1), 4, ROWS[None, 0]),
        lambda s: [[s.multinomial(4, ROWS[0])] for _ in range(3)],
    ),
    "choice": (lambda r: r.choice((4,), 5), lambda s: s.choice(5, 4)),
    "choice p": (lambda r: r.choice((9,), 3, p=P), lambda s: s.choice(3, 9, p=P)),
    "choice of": (
        lambda r: r.choice((2, 2), np.array([5, 7, 9])),
        lambda s: s.choice([5, 7, 9], (2, 2)),
    ),
    "one choice": (lambda r: r.choice(a=7), lambda s: s.choice(7)),
    "choice without": (
        lambda r: r.choice((3,), 5, replace=False),
        lambda s: s.choice(5, 3, False),
    ),
    "choice without p": (
        lambda r: r.choice((2,), 3, replace=False, p=P),
        lambda s: s.choice(3, 2, False, P),
    ),
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CASES)
def test_numbers_are_numpys(name: str, mode: str) -> None:
    drawn, expected = CASES[name]
    f = symnet.function([], drawn(RandomStreams(42)), mode=mode)
    state = first_state(42)
    for _ in range(3):  # an odd number of normal numbers leaves one for the next call
        np.testing.assert_array_equal(f(), expected(state))


# Positions in a block of the twister's words, odd ones too: a number takes two words.
SKIPPED = [0, 1, 2, 311, 600, 621, 622, 623, 624, 625]
LONG_DRAWS: dict[str, tuple[Callable[[Any, int], Any], Callable[[Any, int], Any]]] = {
    "uniform": (
        lambda s, n: raw_random.uniform(s, (n,), -2.0, 3.0),
        lambda s, n: s.uniform(-2.0, 3.0, n),
    ),
    "normal": (
        lambda s, n: raw_random.normal(s, (n,), 1.0, 0.3),
        lambda s, n: s.normal(1.0, 0.3, n),
    ),
    "one trial": (
        lambda s, n: raw_random.binomial(s, (n,), 1, 0.3),
        lambda s, n: s.binomial(1, 0.3, n),
    ),
    "many trials": (
        lambda s, n: raw_random.binomial(s, (n,), 40, 0.7),
        lambda s, n: s.binomial(40, 0.7, n),
    ),
    "very many trials": (
        lambda s, n: raw_random.binomial(s, (n,), 10**9, 1e-8),
        lambda s, n: s.binomial(10**9, 1e-8, n),
    ),
    "by rejection": (
        lambda s, n: raw_random.binomial(s, (n,), 100, 0.4),
        lambda s, n: s.binomial(100, 0.4, n),
    ),
    "without a trial": (
        lambda s, n: raw_random.binomial(s, (n,), 0, 0.4),
        lambda s, n: s.binomial(0, 0.4, n),
    ),
    "without a chance": (
        lambda s, n: raw_random.binomial(s, (n,), 4, 0.0),
        lambda s, n: s.binomial(4, 0.0, n),
    ),
    "certain": (
        lambda s, n: raw_random.binomial(s, (n,), 3, 1.0),
        lambda s, n: s.binomial(3, 1.0, n),
    ),
    "integers": (
        lambda s, n: raw_random.random_integers(s, (n,), -3, 96),
        lambda s, n: s.randint(-3, 97, n),
    ),
    "all words": (
        lambda s, n: raw_random.random_integers(s, (n,), 0, 2**32 - 1),
        lambda s, n: s.randint(0, 2**32, n),
    ),
    "choice": (
        lambda s, n: raw_random.choice(s, (n,), 3, p=P),
        lambda s, n: s.choice(3, n, p=P),
    ),
}


@pytest.mark.parametrize("name", LONG_DRAWS)
def test_blocks_of_the_twister_are_passed_anywhere(name: str) -> None:
    drawn, expected = LONG_DRAWS[name]
    state, count = random_state_type(), T.lscalar()
    f = symnet.function([state, count], drawn(state, count))
    for skipped in SKIPPED:
        ours = RandomState(skipped)
        ours.randint(0, 2**32, skipped, dtype=np.uint32)
        numpys = unpack_state(pack_state(ours))
        for size in (0, 1, 2, 7, 311, 313, 1500):
            ours, numbers = f(ours, size)
            np.testing.assert_array_equal(numbers, expected(numpys, size))
            np.testing.assert_array_equal(pack_state(ours), pack_state(numpys))


def test_chances_at_which_the_last_bits_decide() -> None:
    """Chances that are the very numbers drawn, or what is left of one of them; those that
    take no number; numbers next to one, after which NumPy draws again."""
    u = RandomState(3).random_sample(2000)
    chances = RandomState(4).random_sample(2000)
    chances[::7] = u[::7]
    chances[1::7] = 1 - u[1::7]
    chances[2::7] = np.nextafter(1 - u[2::7], 0)
    chances[[3, 10, 400, 1999]] = [0.0, 1.0, 5e-324, 0.5]
    p = T.dvector()
    for trials in (1, 3):
        state = random_state_type()
        f = symnet.function([state, p], raw_random.binomial(state, None, trials, p)[1])
        for given in (chances, np.zeros(700), np.ones(700), chances[:0]):
            want = RandomState(3).binomial(trials, given)
            np.testing.assert_array_equal(f(RandomState(3), given), want)
    for single in (u[0], 1 - u[0]):
        f = symnet.function([state], raw_random.binomial(state, (50,), 1, single)[1])
        want = RandomState(3).binomial(1, single, 50)
        np.testing.assert_array_equal(f(RandomState(3)), want)


@pytest.mark.parametrize("chance", [np.nan, -0.1, 1.1])
def test_one_wrong_chance_among_many_is_refused(chance: float) -> None:
    numbers = symnet.shared(RandomState(5))
    p = T.dvector()
    following, sample = raw_random.binomial(numbers, None, 1, p)
    f = symnet.function([p], sample, updates=[(numbers, following)])
    before = pack_state(numbers.get_value())
    with pytest.raises(ValueError, match="probabilities from 0 to 1"):
        f(np.where(np.arange(900) == 700, chance, 0.5))
    np.testing.assert_array_equal(pack_state(numbers.get_value()), before)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes_are_rounded_from_float64(dtype: str) -> None:
    f = symnet.function([], RandomStreams(1).normal((9,), dtype=dtype))
    want = first_state(1).normal(size=9).astype(dtype)
    assert f().dtype == want.dtype
    RandomStreams(1)
    g = symnet.function([], RandomStreams(1).normal((9,), dtype=dtype))
    np.testing.assert_array_equal(g(), want)
    h = symnet.function([], RandomStreams(1).binomial((9,), 3, 0.5, dtype=dtype))
    np.testing.assert_array_equal(h(), first_state(1).binomial(3, 0.5, 9).astype(dtype))


def test_a_draw_is_native_but_for_one() -> None:
    if not distributions.available("binomial"):
        pytest.skip("this NumPy hides its functions")
    for name in (
        "uniform",
        "normal",
        "binomial",
        "poisson",
        "permutation",
        "multinomial",
    ):
        f = symnet.function([], CASES[name][0](RandomStreams(3)))
        f()
        assert "NumPy fallback" not in str(f.profile(repeat=3)), name


@pytest.mark.parametrize("kind", ["binomial", "poisson", "permutation", "multinomial"])
def test_without_numpys_functions_numbers_are_the_same(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributions, "available", lambda kind: False)
    drawn, expected = CASES[kind]
    f = symnet.function([], drawn(RandomStreams(9)))
    np.testing.assert_array_equal(f(), expected(first_state(9)))


def test_states_pack_and_unpack() -> None:
    state = RandomState(5)
    state.normal()
    again = unpack_state(pack_state(state))
    np.testing.assert_array_equal(again.normal(size=5), state.normal(size=5))
    with pytest.raises(TypeError, match="PCG64"):
        pack_state(RandomState(np.random.PCG64(1)))


def test_streams_get_seeds_in_turn() -> None:
    rng = RandomStreams(234)
    u, z = rng.uniform((2, 2)), rng.normal((2, 2))
    f = symnet.function([], [u, z])
    seeds = RandomState(234)
    a, b = (RandomState(int(seeds.randint(2**30))) for _ in range(2))
    for _ in range(2):
        first, second = f()
        np.testing.assert_array_equal(first, a.uniform(size=(2, 2)))
        np.testing.assert_array_equal(second, b.normal(size=(2, 2)))
    rng.seed(888)
    seeds = RandomState(888)
    a = RandomState(int(seeds.randint(2**30)))
    np.testing.assert_array_equal(f()[0], a.uniform(size=(2, 2)))
    rng.seed()
    np.testing.assert_array_equal(f()[0], first_state(234).uniform(size=(2, 2)))
    assert [len(pair) for pair in rng.updates()] == [2, 2]


def test_states_are_read_and_written_as_in_theanos_tutorial() -> None:
    u = RandomStreams(234).uniform((3,))
    f = symnet.function([], u)
    value = u.rng.get_value(borrow=True)
    value.seed(89234)
    u.rng.set_value(value, borrow=True)
    want = RandomState(89234)
    np.testing.assert_array_equal(f(), want.uniform(size=3))
    state = u.rng.get_value().get_state()
    one = f()
    value = u.rng.get_value(borrow=True)
    value.set_state(state)
    u.rng.set_value(value, borrow=True)
    np.testing.assert_array_equal(f(), one)


def test_items_of_streams() -> None:
    rng = RandomStreams(1)
    u = rng.uniform((2,))
    rng[u.update[0]] = RandomState(7)
    f = symnet.function([], u)
    np.testing.assert_array_equal(f(), RandomState(7).uniform(size=2))
    used = RandomState(7)
    used.uniform(size=2)
    np.testing.assert_array_equal(
        rng[u.update[1]].uniform(size=2), used.uniform(size=2)
    )
    with pytest.raises(KeyError):
        rng[u]


def test_functions_pickle_with_their_states() -> None:
    u = RandomStreams(3).uniform((4,))
    f = symnet.function([], u)
    f()
    g = pickle.loads(pickle.dumps(f))
    np.testing.assert_array_equal(f(), g())
    state = pickle.loads(pickle.dumps(u.rng))
    np.testing.assert_array_equal(
        state.get_value().uniform(size=2), u.rng.get_value().uniform(size=2)
    )
    assert isinstance(state.get_value(), RandomState)
    assert pickle.loads(pickle.dumps(random_state_type)) == random_state_type


def test_raw_random_with_a_state_as_input() -> None:
    state = raw_random.random_state_type()
    after, numbers = raw_random.uniform(state, (2,))
    given = symnet.In(state, value=RandomState(23), update=after, mutable=True)
    f = symnet.function([given], numbers)
    want = RandomState(23)
    for _ in range(2):
        np.testing.assert_array_equal(f(), want.uniform(size=2))
    g = symnet.function([state], [after, numbers])
    words, drawn = g(RandomState(3))
    want = RandomState(3)
    np.testing.assert_array_equal(drawn, want.uniform(size=2))
    np.testing.assert_array_equal(pack_state(words), pack_state(want))


def test_shared_states() -> None:
    source = RandomState(12)
    state = symnet.shared(source, "state")
    after, numbers = raw_random.normal(state, (3,))
    f = symnet.function([], numbers, updates=[(state, after)])
    np.testing.assert_array_equal(f(), RandomState(12).normal(size=3))
    np.testing.assert_array_equal(source.normal(size=3), RandomState(12).normal(size=3))


def test_symbolic_sizes() -> None:
    n, shape, x = T.lscalar(), T.lvector(), T.matrix()
    f = symnet.function([n], RandomStreams(5).normal((n, 2)))
    assert [f(k).shape for k in (0, 1, 3)] == [(0, 2), (1, 2), (3, 2)]
    g = symnet.function([shape], RandomStreams(5).uniform(shape, ndim=2))
    np.testing.assert_array_equal(g([2, 3]), first_state(5).uniform(size=(2, 3)))
    h = symnet.function([x], RandomStreams(5).binomial(size=x.shape, n=1, p=x))
    p = np.array([[0.1, 0.9], [1.0, 0.0]], x.dtype)
    np.testing.assert_array_equal(h(p), first_state(5).binomial(1, p))
    k = symnet.function([n], RandomStreams(5).permutation(n=n))
    np.testing.assert_array_equal(k(7), first_state(5).permutation(7))
    with pytest.raises(ValueError, match="negative"):
        f(-1)


def test_shuffle_row_elements() -> None:
    x = T.dtensor3()
    y = RandomStreams(6).shuffle_row_elements(x)
    f = symnet.function([x], [y, y.permutation])
    value = np.random.RandomState(0).normal(size=(2, 3, 4))
    shuffled, order = f(value)
    state = first_state(6)
    want = np.array([[state.permutation(4) for _ in range(3)] for _ in range(2)])
    np.testing.assert_array_equal(order, want)
    np.testing.assert_array_equal(shuffled, np.take_along_axis(value, want, -1))


def test_careful_probabilities_of_multinomials() -> None:
    """Sums a little above one, or a last class of next to no chance, as in Theano."""
    for p in ([0.5, 0.5000001], [0.3, 0.7, 0.0]):
        f = symnet.function([], RandomStreams(8).multinomial((500,), 7, np.array(p)))
        state, chances = first_state(8), np.array(p) * (1.0 - 5e-5)
        np.testing.assert_array_equal(f(), state.multinomial(7, chances, 500))


def test_inside_a_loop_streams_go_on() -> None:
    rng = RandomStreams(4)
    drawn, updates = symnet.scan(lambda k: rng.normal((3,)), sequences=[T.arange(5)])
    f = symnet.function([], drawn, updates=updates)
    state = first_state(4)
    for _ in range(2):
        np.testing.assert_array_equal(f(), [state.normal(size=3) for _ in range(5)])


def test_random_function() -> None:
    op = RandomFunction("exponential", T.dmatrix)
    after, numbers = op(symnet.shared(RandomState(2)), (2, 3), 1.5)
    f = symnet.function([], numbers)
    np.testing.assert_array_equal(f(), RandomState(2).exponential(1.5, (2, 3)))
    own = RandomFunction(
        lambda state, low, size: state.uniform(low, 1, size), T.dvector
    )
    g = symnet.function([], own(RandomState(2), (4,), 0.5)[1])
    np.testing.assert_array_equal(g(), RandomState(2).uniform(0.5, 1, 4))
    with pytest.raises(TypeError, match="no method"):
        RandomFunction("wrong", T.dvector)
    with pytest.raises(ValueError, match="rank"):
        symnet.function(
            [], RandomFunction("normal", T.dmatrix)(RandomState(1), (2,))[1]
        )()


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_parameters_that_turn_out_wrong(mode: str) -> None:
    x = T.dvector()
    rng = RandomStreams(1)
    for drawn, value in (
        (rng.binomial(n=1, p=x), 1.5), (rng.binomial(n=1, p=x), np.nan),
        (rng.normal(std=x), -1.0), (rng.poisson(lam=x, size=(1,)), -2.0),
    ):  # fmt: skip
        f = symnet.function([x], drawn, mode=mode)
        before = [state.array.copy() for state, _ in rng.updates()]
        with pytest.raises(ValueError):
            f(np.array([value]))
        after = [state.array for state, _ in rng.updates()]
        np.testing.assert_array_equal(before, after)


def test_wrong_input() -> None:
    rng = RandomStreams(1)
    with pytest.raises(ValueError, match="std must be at least 0"):
        rng.normal((2,), std=-1.0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        rng.binomial((2,), p=[0.5, 1.5])
    with pytest.raises(ValueError, match="at least 0"):
        rng.poisson((2,), lam=-1.0)
    with pytest.raises(ValueError, match="at least low"):
        rng.random_integers((2,), 5, 4)
    with pytest.raises(TypeError, match="a size is an integer"):
        rng.uniform((2.5,))
    with pytest.raises(ValueError, match="negative"):
        rng.uniform((-2,))
    with pytest.raises(TypeError, match="int32"):
        rng.uniform((2,), dtype="int32")
    with pytest.raises(ValueError, match="ndim is 3"):
        rng.uniform((2, 2), ndim=3)
    with pytest.raises(ValueError, match="length"):
        rng.uniform(T.lvector())
    with pytest.raises(ValueError, match="higher rank"):
        rng.uniform((2,), low=np.zeros((2, 2)))
    with pytest.raises(ValueError, match="-1 in the size"):
        rng.uniform((-1, 2), low=np.zeros(2))
    with pytest.raises(TypeError, match="integer"):
        rng.binomial((2,), n=1.5)
    with pytest.raises(TypeError, match="True or False"):
        rng.choice((2,), 3, replace=T.bscalar())
    with pytest.raises(ValueError, match="sum of 1"):
        rng.choice((2,), 3, p=[0.5, 0.1, 0.1])
    with pytest.raises(TypeError, match="no state"):
        raw_random.uniform(T.dvector(), (2,))
    with pytest.raises(TypeError):
        StateDraw("uniform")(RandomState(1), 0.0, 1.0, 2.5)
    with pytest.raises(TypeError, match="a size is an integer"):
        raw_random.permutation(RandomState(1), T.dscalar(), 3)


def test_probabilities_that_are_a_variable() -> None:
    p, n, size = T.dmatrix(), T.lvector(), T.lvector()
    state = random_state_type()
    f = symnet.function([state, n, p], raw_random.multinomial(state, None, n, p)[1])
    want = [RandomState(4)]
    expected = [want[0].multinomial(k, row) for k, row in zip([5, 9], ROWS)]
    np.testing.assert_array_equal(f(RandomState(4), [5, 9], ROWS), expected)
    g = symnet.function([state, size], raw_random.uniform(state, size, ndim=2)[1])
    assert g(RandomState(4), [2, 3]).shape == (2, 3)
    for wrong in ([2], [2, 3, 4]):
        with pytest.raises(ValueError):
            g(RandomState(4), wrong)
