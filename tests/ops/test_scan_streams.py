"""Random streams in loops: they advance in every step, whoever forgets what."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import symnet
import symnet.tensor as T

RNG = np.random.default_rng(3)


def stream(value=1):
    """A stand-in for a random stream: a shared variable with a default update."""
    state = symnet.shared(np.int64(value), "stream")
    state.default_update = (state * 5 + 3) % 17
    return state


def draws(count, value=1):
    found = []
    for _ in range(count):
        found.append(value)
        value = (value * 5 + 3) % 17
    return found


def test_streams_advance_in_every_step():
    state = stream()
    rows, updates = symnet.scan(lambda: state * 1.0, n_steps=4)
    assert list(updates) == [state]
    f = symnet.function([], rows, updates=updates)
    assert [*f(), *f()] == draws(8)


def test_forgotten_updates_are_applied_with_a_warning():
    state = stream()
    rows, _ = symnet.scan(lambda: state * 1.0, n_steps=4)
    with pytest.warns(UserWarning, match="updates=updates") as caught:
        f = symnet.function([], rows)
    assert caught[0].filename == __file__
    assert [*f(), *f()] == draws(8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        f = symnet.function([], rows, no_default_updates=True)
    assert f().tolist() == f().tolist()


def test_streams_in_loops_within_loops():
    state = stream()

    def outer():
        return symnet.scan(lambda: state * 1.0, n_steps=2)

    rows, updates = symnet.scan(outer, n_steps=3)
    f = symnet.function([], rows, updates=updates)
    assert f().reshape(-1).tolist() == draws(6)
    assert f().reshape(-1).tolist() == draws(12)[6:]

    def forgetful():
        return symnet.scan(lambda: state * 1.0, n_steps=2)[0]

    state.set_value(1)
    with pytest.warns(UserWarning, match="updates"):
        rows, updates = symnet.scan(forgetful, n_steps=3)
    f = symnet.function([], rows, updates=updates)
    assert f().reshape(-1).tolist() == draws(6)


def test_a_stream_that_is_passed_is_drawn_once():
    """What comes in non_sequences is one value for all steps, as in Theano."""
    state = stream()
    mask = state * 2.0
    rows, updates = symnet.scan(lambda m: m + 0, non_sequences=mask, n_steps=3)
    assert not updates
    f = symnet.function([], rows)
    assert f().tolist() == [2, 2, 2]
    assert f().tolist() == [16, 16, 16]


def test_gradients_through_loops_that_draw():
    """The loop backwards reads the numbers that were drawn on the way forward."""
    state, w = stream(), T.scalar("w")
    rows, updates = symnet.scan(
        lambda h: T.tanh(h * w + state * 0.1), outputs_info=T.constant(0.5), n_steps=4
    )
    gradient = symnet.grad(rows[-1], w)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        f = symnet.function([w], [rows[-1], gradient], updates=updates)

    def forward(w, numbers):
        h = 0.5
        for number in numbers:
            h = np.tanh(h * w + number * 0.1)
        return h

    for numbers in (draws(4), draws(8)[4:]):
        value, slope = f(0.3)
        np.testing.assert_allclose(value, forward(0.3, numbers))
        e = 1e-6
        want = (forward(0.3 + e, numbers) - forward(0.3 - e, numbers)) / (2 * e)
        np.testing.assert_allclose(slope, want, rtol=1e-8)


def test_streams_in_blocks():
    state = stream()
    rows, updates = symnet.scan(lambda: state * 1.0, n_steps=7, checkpoint_every=3)
    f = symnet.function([], rows, updates=updates)
    assert [*f(), *f()] == draws(14)
