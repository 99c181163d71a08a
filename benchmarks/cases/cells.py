"""Recurrent layers as an expert writes them for a framework that has a loop: the products
of the inputs for all steps before the loop, those of all gates as one.

They are made of a framework's names, and of its `scan(step, sequences, states, constants)`,
which calls `step(*elements, *states, *constants)` for the new states of each step and gives
the states of all steps.  Where a framework has a layer of its own, that is taken instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def layer(names: Any, kind: str) -> Callable[..., Any]:
    """A function from x (steps, batch, features), weights, biases and the state before the
    first step (batch, hidden), a NumPy array, to the states of all steps."""
    own = getattr(names, kind, None)
    if own is not None:
        return own  # type: ignore[no-any-return]
    return lambda *inputs: WRITTEN[kind](names, *inputs)


def elman(names: Any, x: Any, into: Any, again: Any, bias: Any, start: Any) -> Any:
    def step(signal: Any, state: Any, again: Any) -> Any:
        return [names.tanh(signal + names.dot(state, again))]

    return names.scan(step, [names.dot(x, into) + bias], [start], [again])[0]


def lstm(names: Any, x: Any, into: Any, again: Any, bias: Any, start: Any) -> Any:
    size = start.shape[1]

    def step(signal: Any, state: Any, cell: Any, again: Any) -> Any:
        gates = signal + names.dot(state, again)
        enter = names.sigmoid(gates[:, :size])
        keep = names.sigmoid(gates[:, size : 2 * size])
        candidate = names.tanh(gates[:, 2 * size : 3 * size])
        leave = names.sigmoid(gates[:, 3 * size :])
        cell = keep * cell + enter * candidate
        return [leave * names.tanh(cell), cell]

    return names.scan(step, [names.dot(x, into) + bias], [start, start], [again])[0]


def gru(names: Any, x: Any, into: Any, again: Any, bias: Any, start: Any) -> Any:
    size = start.shape[1]

    def step(signal: Any, state: Any, again: Any) -> Any:
        remembered = names.dot(state, again)
        gates = names.sigmoid(signal[:, : 2 * size] + remembered[:, : 2 * size])
        reset, update = gates[:, :size], gates[:, size:]
        candidate = names.tanh(
            signal[:, 2 * size :] + reset * remembered[:, 2 * size :]
        )
        return [update * state + (1 - update) * candidate]

    return names.scan(step, [names.dot(x, into) + bias], [start], [again])[0]


def plain_lstm(names: Any, x: Any, *weights: Any) -> Any:
    """The same as the textbook has it, each gate with weights of its own and everything in
    the step: what can be done at once is left for the compiler to find.

    weights: of the inputs, of the states and biases, each in the order input, forget,
    candidate, output; then the start.
    """

    def step(x: Any, state: Any, cell: Any, *weights: Any) -> Any:
        enter, keep, candidate, leave = (
            names.dot(x, into) + names.dot(state, again) + bias
            for into, again, bias in zip(weights[:4], weights[4:8], weights[8:])
        )
        cell = names.sigmoid(keep) * cell + names.sigmoid(enter) * names.tanh(candidate)
        return [names.sigmoid(leave) * names.tanh(cell), cell]

    *weights, start = weights  # type: ignore[assignment]
    return names.scan(step, [x], [start, start], list(weights))[0]


WRITTEN = {"elman": elman, "lstm": lstm, "gru": gru, "plain_lstm": plain_lstm}
