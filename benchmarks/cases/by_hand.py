"""Back-propagation through time in NumPy, derived by hand: the reference of the recurrent
cases in float64, and a peer in float32.

Products that need no state are taken for all steps at once, before or after the loop.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.cases.networks import nll_by_hand
from benchmarks.problem import Array, logistic


def product(x: Array, weights: Array) -> Array:
    """Of all steps at once.  Shapes: (steps, batch, in), (in, out) -> (steps, batch, out)."""
    flat = x.reshape(-1, x.shape[-1]) @ weights
    return flat.reshape(*x.shape[:-1], -1)


def summed_product(x: Array, gradient: Array) -> Array:
    """x' gradient, summed over steps and batch."""
    return x.reshape(-1, x.shape[-1]).T @ gradient.reshape(-1, gradient.shape[-1])


def with_start(states: Array) -> Array:
    """The state before each step, which is zero before the first."""
    before = np.empty_like(states)
    before[0] = 0
    before[1:] = states[:-1]
    return before


def elman_by_hand(
    parameters: list[Array], x: Array, classes: Array
) -> tuple[Any, list[Array]]:
    into, again, bias, out, out_bias = parameters
    x = x[0]
    states = product(x, into)
    states += bias
    state = np.zeros_like(states[0])
    for signal in states:
        signal += state @ again
        state = np.tanh(signal, out=signal)
    scores = states[-1] @ out
    scores += out_bias
    loss = nll_by_hand(scores, classes[0])  # scores are their own gradient now
    gradients = [states[-1].T @ scores, scores.sum(0)]
    below = np.empty_like(states)
    backwards = scores @ out.T
    for t in reversed(range(len(states))):
        np.multiply(states[t], states[t], out=below[t])
        np.subtract(1, below[t], out=below[t])
        below[t] *= backwards
        backwards = below[t] @ again.T
    first = [summed_product(x, below), summed_product(with_start(states), below)]
    return loss, [*first, below.sum((0, 1)), *gradients]


def lstm_by_hand(parameters: list[Array], x: Array) -> tuple[Any, list[Array]]:
    into, again, bias = parameters
    size = len(again)
    gates = product(x, into)
    gates += bias
    states, cells = (np.empty((*x.shape[:2], size), x.dtype) for _ in range(2))
    squashed = np.empty_like(cells)
    state = cell = np.zeros_like(states[0])
    for t, gate in enumerate(gates):
        gate += state @ again
        logistic(gate[:, : 2 * size])
        np.tanh(gate[:, 2 * size : 3 * size], out=gate[:, 2 * size : 3 * size])
        logistic(gate[:, 3 * size :])
        enter, keep, candidate, leave = np.split(gate, 4, axis=1)
        cell = np.multiply(keep, cell, out=cells[t])
        cell += enter * candidate
        state = np.multiply(leave, np.tanh(cell, out=squashed[t]), out=states[t])
    loss = np.mean(states**2)
    below = lstm_backwards(gates, states, cells, squashed, again)
    first = [summed_product(x, below), summed_product(with_start(states), below)]
    return loss, [*first, below.sum((0, 1))]


def plain_lstm_by_hand(parameters: list[Array], x: Array) -> tuple[Any, list[Array]]:
    """With each gate's weights apart: four of inputs, four of states, four biases."""
    groups = [np.concatenate(parameters[k : k + 4], axis=-1) for k in (0, 4, 8)]
    loss, gradients = lstm_by_hand(groups, x)
    return loss, [part for whole in gradients for part in np.split(whole, 4, axis=-1)]


def lstm_backwards(
    gates: Array, states: Array, cells: Array, squashed: Array, again: Array
) -> Array:
    """The gradient by what goes into the gates, of the mean square of the states.

    Shapes: gates (steps, batch, 4 * hidden) as the result; the others (.., hidden).
    """
    size, below = states.shape[-1], np.empty_like(gates)
    by_state = states * (2 / states.size)
    before = with_start(cells)
    through = np.zeros_like(states[0])
    by_cell = np.zeros_like(states[0])
    for t in reversed(range(len(gates))):
        enter, keep, candidate, leave = np.split(gates[t], 4, axis=1)
        by_output = by_state[t] + through
        by_cell += by_output * leave * (1 - squashed[t] ** 2)
        part = below[t]
        part[:, :size] = by_cell * candidate * enter * (1 - enter)
        part[:, size : 2 * size] = by_cell * before[t] * keep * (1 - keep)
        part[:, 2 * size : 3 * size] = by_cell * enter * (1 - candidate**2)
        part[:, 3 * size :] = by_output * squashed[t] * leave * (1 - leave)
        by_cell *= keep
        through = part @ again.T
    return below


def gru_by_hand(parameters: list[Array], x: Array) -> tuple[Any, list[Array]]:
    into, again, bias = parameters
    size = len(again)
    gates = product(x, into)
    gates += bias
    states, remembered = (np.empty((*x.shape[:2], size), x.dtype) for _ in range(2))
    state = np.zeros_like(states[0])
    for t, gate in enumerate(gates):
        again_now = state @ again
        gate[:, : 2 * size] += again_now[:, : 2 * size]
        logistic(gate[:, : 2 * size])
        reset, update, candidate = np.split(gate, 3, axis=1)
        remembered[t] = again_now[:, 2 * size :]
        candidate += reset * remembered[t]
        np.tanh(candidate, out=candidate)
        state = np.subtract(state, candidate, out=states[t])
        state *= update
        state += candidate
    loss = np.mean(states**2)
    below, below_again = gru_backwards(gates, states, remembered, again)
    first = [summed_product(x, below), summed_product(with_start(states), below_again)]
    return loss, [*first, below.sum((0, 1))]


def gru_backwards(
    gates: Array, states: Array, remembered: Array, again: Array
) -> tuple[Array, Array]:
    """The gradients by what goes into the gates from below and from the state, of the mean
    square of the states; they differ in the candidate, which the reset gate scales.

    Shapes: gates (steps, batch, 3 * hidden) as the results; the others (.., hidden).
    """
    size = states.shape[-1]
    below, below_again = np.empty_like(gates), np.empty_like(gates)
    by_state = states * (2 / states.size)
    before = with_start(states)
    through = np.zeros_like(states[0])
    for t in reversed(range(len(gates))):
        reset, update, candidate = np.split(gates[t], 3, axis=1)
        by_output = by_state[t] + through
        by_candidate = by_output * (1 - update) * (1 - candidate**2)
        part = below[t]
        part[:, :size] = by_candidate * remembered[t] * reset * (1 - reset)
        part[:, size : 2 * size] = by_output * (before[t] - candidate)
        part[:, size : 2 * size] *= update * (1 - update)
        part[:, 2 * size :] = by_candidate
        below_again[t] = part
        below_again[t, :, 2 * size :] *= reset
        through = below_again[t] @ again.T
        through += by_output * update
    return below, below_again
