"""Sizes, positions and counts that show at a run only, odd but legal ones among them: every
mode gives what NumPy gives, and refuses what NumPy refuses."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.tensor import extra_ops

V, X = np.arange(5.0), np.arange(12.0).reshape(3, 4)
NUMBERS = [-2, -1, 0, 1, 3, 4]


def part(v, p):
    """What `split` gives of five elements."""
    if not 0 <= p <= 5:
        raise ValueError("a size is negative")
    return v[:p] if isinstance(v, np.ndarray) else T.split(v, [p, 5 - p], 2, axis=0)[0]


# Of a vector v, a matrix x and an integer p: the same in symnet and in NumPy.
SAME = {
    "slice": (lambda v, x, p: v[p:], lambda v, x, p: v[p:]),
    "slice of two": (lambda v, x, p: v[p : p + 2], lambda v, x, p: v[p : p + 2]),
    "index": (lambda v, x, p: v[p], lambda v, x, p: v[p]),
    "roll": (lambda v, x, p: T.roll(x, p, 1), lambda v, x, p: np.roll(x, p, 1)),
    "roll flat": (lambda v, x, p: T.roll(x, p), lambda v, x, p: np.roll(x, p)),
    "repeat": (lambda v, x, p: T.repeat(x, p, 0), lambda v, x, p: np.repeat(x, p, 0)),
    "repeat flat": (lambda v, x, p: T.repeat(x, p), lambda v, x, p: np.repeat(x, p)),
    "take": (lambda v, x, p: x.take(p, axis=0), lambda v, x, p: np.take(x, p, 0)),
    "tril": (lambda v, x, p: T.tril(x, p), lambda v, x, p: np.tril(x, p)),
    "triu": (lambda v, x, p: T.triu(x, p), lambda v, x, p: np.triu(x, p)),
    "clip": (lambda v, x, p: T.clip(v, p, 2), lambda v, x, p: np.clip(v, p, 2)),
    "broadcast_to": (
        lambda v, x, p: T.broadcast_to(x, (p, 3, 4)),
        lambda v, x, p: np.broadcast_to(x, (p, 3, 4)),
    ),
    "choose": (
        lambda v, x, p: T.choose(p, [v, v + 1, v + 2]),
        lambda v, x, p: np.choose(p, [v, v + 1, v + 2]),
    ),
    "split": (
        lambda v, x, p: T.split(v, [p, 5 - p], 2, axis=0)[0],
        lambda v, x, p: part(v, p),
    ),
}
for _mode in ("wrap", "clip"):
    SAME[f"take {_mode}"] = (
        lambda v, x, p, mode=_mode: x.take(p, mode=mode),
        lambda v, x, p, mode=_mode: np.take(x, p, mode=mode),
    )
    SAME[f"choose {_mode}"] = (
        lambda v, x, p, mode=_mode: T.choose(p, [v, v + 1], mode=mode),
        lambda v, x, p, mode=_mode: np.choose(p, [v, v + 1], mode=mode),
    )

# Of an integer alone.
MADE = {
    "zeros": (lambda p: T.zeros((p, 2)), lambda p: np.zeros((p, 2))),
    "zeros summed": (lambda p: T.zeros((p, p + 1)).sum(0), lambda p: np.zeros((p, p + 1)).sum(0)),
    "ones": (T.ones, np.ones),
    "alloc": (lambda p: T.alloc(2.0, p, 3), lambda p: np.full((p, 3), 2.0)),
    "full": (lambda p: T.full((2, p), 7.0), lambda p: np.full((2, p), 7.0)),
    "eye": (T.eye, np.eye),
    "eye wide": (lambda p: T.eye(2, p), lambda p: np.eye(2, p)),
    "eye diagonal": (lambda p: T.eye(3, 4, p), lambda p: np.eye(3, 4, p)),
    "tri": (T.tri, np.tri),
    "tri diagonal": (lambda p: T.tri(3, 4, p), lambda p: np.tri(3, 4, p)),
    "arange down": (lambda p: T.arange(p, -3, -2), lambda p: np.arange(p, -3, -2)),
    "arange step": (lambda p: T.arange(0, 5, p), lambda p: np.arange(0, 5, p)),
    "arange": (T.arange, np.arange),
    "bincount": (
        lambda p: extra_ops.bincount(T.constant([0, 1]), minlength=p),
        lambda p: np.bincount([0, 1], minlength=p),
    ),
}  # fmt: skip


def numpys(function, *arguments):
    """What NumPy gives; None where it refuses."""
    try:
        return np.asarray(function(*arguments))
    except (ValueError, IndexError, ZeroDivisionError):
        return None


def agree(f, values, want):
    if want is None:
        with pytest.raises(
            (ValueError, IndexError, ZeroDivisionError), match="your line"
        ):
            f(*values)
        return
    got = f(*values)
    got = got[0] if isinstance(got, list) else got
    assert got.shape == want.shape
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
@pytest.mark.parametrize("name", SAME)
def test_of_arrays(name, mode):
    ours, theirs = SAME[name]
    v, x, p = T.dvector("v"), T.dmatrix("x"), T.lscalar("p")
    output = ours(v, x, p)
    # The gradient, too, must be made for every number for which there is a value.
    slopes = T.grad((output * 2.0).sum(), [v, x], disconnected_inputs="ignore")
    f = symnet.function([v, x, p], output, mode=mode, on_unused_input="ignore")
    g = symnet.function([v, x, p], slopes, mode=mode, on_unused_input="ignore")
    for number in NUMBERS:
        want = numpys(theirs, V, X, number)
        agree(f, (V, X, number), want)
        if want is not None:
            assert [s.shape for s in g(V, X, number)] == [V.shape, X.shape]
            assert sum(s.sum() for s in g(V, X, number)) <= 2 * want.size


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
@pytest.mark.parametrize("name", MADE)
def test_of_a_number_alone(name, mode):
    ours, theirs = MADE[name]
    p = T.lscalar("p")
    f = symnet.function([p], ours(p), mode=mode)
    for number in NUMBERS:
        agree(f, (number,), numpys(theirs, number))


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_by_a_vector_of_counts(mode):
    v, s = T.dvector("v"), T.lvector("s")
    f = symnet.function([v, s], T.repeat(v, s, axis=0), mode=mode)
    g = symnet.function([v, s], T.grad(T.repeat(v, s, axis=0).sum(), v), mode=mode)
    for counts in ([1, 2, 0, 1, 3], [0] * 5, [2], [0], [1, -1, 1, 1, 1], [1, 2], []):
        want = numpys(np.repeat, V, np.array(counts, int), 0)
        agree(f, (V, counts), want)
        if want is not None:
            np.testing.assert_array_equal(g(V, counts), np.broadcast_to(counts, 5))


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_sizes_said_to_be_one(mode):
    x = T.dmatrix("x")
    outputs = [
        T.addbroadcast(x, 0) + T.zeros((5, 4)), x.squeeze(0),
        T.patternbroadcast(x, (True, False)), T.specify_shape(x, (1, 4)),
    ]  # fmt: skip
    for output in outputs:
        f = symnet.function([x], output, mode=mode)
        assert f(np.ones((1, 4))).sum() in (4, 20)
        for rows in (0, 2):
            with pytest.raises(ValueError, match="your line"):
                f(np.ones((rows, 4)))
