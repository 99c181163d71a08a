"""Loops that were computed wrongly in Theano or its heirs: each stays right here, by
reference and natively."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.scan_module import until

RNG = np.random.default_rng(11)
MODES = ["FAST_COMPILE", "FAST_RUN", "DebugMode"]
pytestmark = pytest.mark.parametrize("mode", MODES)


def compiled(inputs, outputs, mode):
    return symnet.function(inputs, outputs, mode=mode, on_unused_input="ignore")


def test_two_loops_of_one_body(mode):
    """Their states must not mix where one of them is carried as the sequence's element."""
    x, a, b = T.vector("x"), T.scalar("a"), T.scalar("b")

    def body(v, first, second):
        return [v, first + second * v]

    one, _ = symnet.scan(body, x, [a, T.constant(1.0)])
    two, _ = symnet.scan(body, x, [b, T.constant(1.0)])
    f = compiled([x, a, b], [*one, *two], mode)
    value = RNG.normal(size=5)

    def steps(first):
        second, rows = 1.0, []
        for v in value:
            first, second = v, first + second * v
            rows.append((first, second))
        return np.array(rows).T

    got = f(value, 2.0, -3.0)
    np.testing.assert_allclose(got[:2], steps(2.0))
    np.testing.assert_allclose(got[2:], steps(-3.0))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_higher_derivatives(mode, order):
    """x^32 by five squarings."""
    x = T.scalar("x")
    rows, _ = symnet.scan(lambda v: v * v, outputs_info=x, n_steps=5)
    found, want = rows[-1], 1.0
    for k in range(order):
        found = symnet.grad(found, x)
        want *= 32 - k
    if order == 4 and mode == "DebugMode":
        pytest.skip("slow: the same graphs as by reference and natively")
    got = compiled([x], found, mode)(0.95)
    np.testing.assert_allclose(got, want * 0.95 ** (32 - order), rtol=1e-11)


@pytest.mark.parametrize("taps", [[-1], [-2], [-3, -1]])
def test_gradient_of_a_loop_that_stops(mode, taps):
    """It was shifted by the number of taps."""
    depth = -min(taps)
    first, w, limit = T.vector("first"), T.scalar("w"), T.scalar("limit")

    def fn(*arguments):
        *read, w = arguments
        new = w * sum(read[1:], read[0]) + 0.1
        return new, until(T.gt(new, limit))

    info = first[0] if taps == [-1] else {"initial": first, "taps": taps}
    rows, _ = symnet.scan(fn, outputs_info=info, non_sequences=w, n_steps=20)
    weights = T.arange(rows.shape[0]) + 1.0
    cost = (rows * weights).sum()
    f = compiled([first, w, limit], symnet.grad(cost, [first, w]), mode)

    def value(first, w):
        history, total = list(first), 0.0
        for count in range(1, 21):
            history.append(w * sum(history[tap] for tap in taps) + 0.1)
            total += count * history[-1]
            if history[-1] > 2.0:
                break
        return total

    start, e = np.linspace(0.4, 0.6, depth), 1e-6
    got = f(start, 1.2, 2.0)
    for k in range(depth):
        step = np.zeros(depth)
        step[k] = e
        want = (value(start + step, 1.2) - value(start - step, 1.2)) / (2 * e)
        np.testing.assert_allclose(got[0][k], want, rtol=1e-7)
    want = (value(start, 1.2 + e) - value(start, 1.2 - e)) / (2 * e)
    np.testing.assert_allclose(got[1], want, rtol=1e-7)


def test_gradient_after_another_number_of_steps(mode):
    """The number of steps of the call before must not linger."""
    x, w = T.vector("x"), T.scalar("w")
    rows, _ = symnet.scan(
        lambda a, b, p, q, w: w * p * a + q * b,
        {"input": x, "taps": [0, -1]},
        {"initial": np.array([0.5, -0.5]), "taps": [-1, -2]},
        w,
    )
    f = compiled([x, w], [rows, *symnet.grad(rows.sum(), [x, w])], mode)
    for n in (6, 2, 9, 1, 6):
        value = np.linspace(-1, 1, n)
        e = 1e-6

        def forward(v, w):
            history = [0.5, -0.5]
            for k in range(1, len(v)):
                history.append(w * history[-1] * v[k] + history[-2] * v[k - 1])
            return np.array(history[2:])

        got = f(value, 0.7)
        np.testing.assert_allclose(got[0], forward(value, 0.7), atol=1e-14)
        assert got[1].shape == (n,)
        for k in range(n):
            step = np.zeros(n)
            step[k] = e
            want = forward(value + step, 0.7).sum() - forward(value - step, 0.7).sum()
            np.testing.assert_allclose(got[1][k], want / (2 * e), atol=1e-8)
        want = forward(value, 0.7 + e).sum() - forward(value, 0.7 - e).sum()
        np.testing.assert_allclose(got[2], want / (2 * e), atol=1e-8)


def test_many_outputs(mode):
    """No output is written over by another."""
    x = T.matrix("x")
    count = 12
    rows, _ = symnet.scan(
        lambda v, *s: (
            [s[k] + (k + 1) * v for k in range(count)] + [v * k for k in range(count)]
        ),
        x,
        [T.zeros((3,)) for _ in range(count)] + [None] * count,
    )
    f = compiled([x], rows, mode)
    value = RNG.normal(size=(7, 3))
    for k, got in enumerate(f(value)):
        want = value.cumsum(0) * (k + 1) if k < count else value * (k - count)
        np.testing.assert_allclose(got, want, atol=1e-12)


def test_a_state_handed_on_and_swapped(mode):
    x = T.vector("x")
    rows, _ = symnet.scan(
        lambda v, a, b, c: [b, a, a, c + v],
        x,
        [T.constant(1.0), T.constant(2.0), None, T.constant(0.0)],
    )
    a, b, collected, c = compiled([x], rows, mode)(np.arange(4.0))
    assert a.tolist() == [2, 1, 2, 1]
    assert b.tolist() == [1, 2, 1, 2]
    assert collected.tolist() == [1, 2, 1, 2]
    assert c.tolist() == [0, 1, 3, 6]


def test_a_cloned_loop_with_other_inputs(mode):
    x, y = T.vector("x"), T.vector("y")
    rows, _ = symnet.scan(lambda v, s: s * 0.5 + v, x, T.constant(1.0))
    other = symnet.clone(rows, {x: y * 2})
    f = compiled([x, y], [rows, other], mode)
    got = f(np.arange(3.0), np.ones(5))
    np.testing.assert_allclose(got[0], [0.5, 1.25, 2.625])
    np.testing.assert_allclose(got[1], [2.5, 3.25, 3.625, 3.8125, 3.90625])


def test_results_of_an_earlier_call_stay(mode):
    """Memory that is used again must not be what was handed out."""
    x = T.matrix("x")
    rows, _ = symnet.scan(lambda v, s: s + v, x, T.zeros((4,)))
    f = compiled([x], rows, mode)
    kept = [f(np.full((50, 4), float(k))) for k in range(4)]
    for k, array in enumerate(kept):
        np.testing.assert_array_equal(array, np.full((50, 4), float(k)).cumsum(0))


def test_gradient_by_an_intermediate_that_feeds_a_loop(mode):
    """It was zero."""
    x, w = T.matrix("x"), T.matrix("w")
    fed, passed, start = T.tanh(x), T.exp(w), x[0] * 2
    rows, _ = symnet.scan(lambda v, h, p: T.tanh(T.dot(h, p) + v), fed, start, passed)
    cost = T.sqr(rows).sum()
    values = RNG.normal(size=(3, 2)), RNG.normal(size=(2, 2)) - 1
    f = compiled([x, w], symnet.grad(cost, [fed, passed, start]), mode)
    got = f(*values)
    g = symnet.function([fed, passed, start], cost, mode="FAST_COMPILE")
    arrays = [np.tanh(values[0]), np.exp(values[1]), values[0][0] * 2]
    e = 1e-6
    for which, array in enumerate(arrays):
        for at in np.ndindex(array.shape):
            ends = []
            for sign in (1, -1):
                moved = [a.copy() for a in arrays]
                moved[which][at] += sign * e
                ends.append(g(*moved))
            np.testing.assert_allclose(
                got[which][at], (ends[0] - ends[1]) / (2 * e), atol=1e-7
            )


def test_gradient_of_the_last_state_alone(mode):
    x, h = T.matrix("x"), T.vector("h")
    rows, _ = symnet.scan(lambda v, h: T.sin(h) * v, x, h)
    f = compiled([x, h], symnet.grad(rows[-1].sum(), h), mode)
    value, state = RNG.normal(size=(4, 3)), RNG.normal(size=3)
    want, s = np.ones(3), state
    for v in value:
        want, s = want * np.cos(s) * v, np.sin(s) * v
    np.testing.assert_allclose(f(value, state), want, rtol=1e-12)


def test_sequences_that_are_views(mode):
    """Reversed, transposed and strided ones."""
    x = T.matrix("x")
    for view in (x[::-1], x.T, x[::2, 1:], x.T[::-1], x[:, ::-2]):
        rows, _ = symnet.scan(lambda v, s: s * 2 + v, view, T.zeros_like(view[0]))
        value = RNG.normal(size=(5, 4))
        array = symnet.function([x], view, mode="FAST_COMPILE")(value)
        s, want = np.zeros(array.shape[1]), []
        for v in array:
            s = s * 2 + v
            want.append(s)
        np.testing.assert_allclose(compiled([x], rows, mode)(value), want)


def test_rop_through_a_loop(mode):
    x, h, u = T.matrix("x"), T.vector("h"), T.vector("u")
    rows, _ = symnet.scan(lambda v, h: T.tanh(h * v), x, h)
    f = compiled([x, h, u], symnet.Rop(rows[-1], h, u), mode)
    value, state, along = (
        RNG.normal(size=(3, 2)),
        RNG.normal(size=2),
        RNG.normal(size=2),
    )
    want, s = along, state
    for v in value:
        s = np.tanh(s * v)
        want = want * v * (1 - s * s)
    np.testing.assert_allclose(f(value, state, along), want, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_stable_form_of_which_one_half_stays_the_same(mode, dtype):
    """exp(x) could be computed before the loop, where it overflows."""
    x, s0 = (T.TensorType(dtype, (False,))() for _ in range(2))

    def step(s):
        new = T.log(T.exp(x) + T.exp(s))
        return new, T.log(1 + T.exp(x)) - new  # two results, one made of the other

    (s, below), _ = symnet.scan(step, outputs_info=[s0, None], n_steps=3)
    gradients = symnet.grad(s[-1].sum(), [x, s0])
    f = symnet.function([x, s0], [s, below, *gradients], mode=mode)
    a = np.array([-800.0, 3.0, 800.0, 400.0, 0.5], dtype)
    b = np.array([1.0, 800.0, -800.0, 400.0, -0.5], dtype)
    rows = [b]
    for _ in range(3):
        rows.append(np.logaddexp(a.astype("float64"), rows[-1]))
    found, differences, by_x, by_s0 = f(a, b)
    np.testing.assert_allclose(found, rows[1:], rtol=1e-6)
    zeros = np.zeros(5)
    expected = np.logaddexp(zeros, a.astype("float64")) - np.array(rows[1:])
    np.testing.assert_allclose(differences, expected, rtol=1e-5, atol=1e-4)
    with np.errstate(over="ignore"):  # a state ends as log(3 exp(x) + exp(s0))
        share = 1 / (1 + 3 * np.exp(a.astype("float64") - b))
    np.testing.assert_allclose(by_s0, share, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(by_x, 1 - share, rtol=1e-4, atol=1e-6)


def log_sum(a, b):
    return T.log(T.exp(a) + T.exp(b))


# What stands outside of a loop, and steps whose stable form would not go through it.
BYPASSED = {
    "log(exp(v) + exp(s))": (lambda x: log_sum(x, 2 * x), lambda s, v, x: log_sum(v, s)),
    "log(exp(s) + v)": (lambda x: T.exp(x), lambda s, v, x: T.log(T.exp(s) + v)),
    "log(exp(s) + v) of a sum": (
        lambda x: 1 + T.exp(x), lambda s, v, x: T.log(T.exp(s) + v)
    ),
    "the same value beside it": (
        lambda x: T.log(1 + T.exp(x)),
        lambda s, v, x: s * v + T.log(1 + T.exp(s)) * T.nnet.softplus(x),
    ),
    "what it is equal to beside it": (
        lambda x: T.log(T.exp(x)), lambda s, v, x: s * T.exp(v) + T.log(1 + T.exp(s)) * x
    ),
    "log(s * s * sigmoid(x))": (
        lambda x: T.nnet.sigmoid(x), lambda s, v, x: T.log(s * s * v) + T.log(1 + T.exp(s))
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BYPASSED)
def test_a_stable_form_of_a_step_goes_through_what_stands_outside(mode, name):
    """Its gradient, and another value in its place, are those of the step as written."""
    outside, step = BYPASSED[name]
    x, free = T.dscalar("x"), T.dscalar("free")

    def last(v):
        s, _ = symnet.scan(
            lambda s: step(s, v, x), outputs_info=T.constant(0.3), n_steps=2
        )
        return s[-1]

    v = outside(x)
    total = last(v)
    by_v = compiled([x], [symnet.grad(total, v), v], mode)
    value = by_v(0.7)[1]
    plain = compiled([x, free], last(free), mode)
    h = 1e-6
    slope = (plain(0.7, value + h) - plain(0.7, value - h)) / (2 * h)
    np.testing.assert_allclose(by_v(0.7)[0], slope, rtol=1e-7)
    replaced = compiled([x, free], symnet.clone(total, {v: free}), mode)
    np.testing.assert_allclose(replaced(0.7, 0.4), plain(0.7, 0.4), rtol=1e-12)
    assert abs(replaced(0.7, 0.4) - plain(0.7, value)) > 1e-3
