"""Recurrent cells, each the formulas of one step, and the loop over a sequence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import symnet
import symnet.tensor as T
from symnet import SharedVariable, Variable


@dataclass(frozen=True)
class Cell:
    """What happens in one step.

    step: from the input x(t) and the states before to the states after, the first of which
        is what others see of it.
    Shapes: x (n, features), each state (n, size).
    """

    name: str
    size: int
    states: int
    step: Callable[..., list[Variable]]
    parameters: list[SharedVariable]

    def start(self, n: Variable) -> list[Variable]:
        """States of zeros for n sequences."""
        return [
            T.zeros((n, self.size), symnet.config.floatX) for _ in range(self.states)
        ]

    def run(self, x: Variable, start: list[Variable] | None = None) -> list[Variable]:
        """All states at all times.  Shapes: x (steps, n, features) -> (steps, n, size)."""
        states, _ = symnet.scan(
            self.step,
            sequences=x,
            outputs_info=start or self.start(x.shape[1]),
            name=self.name,
            return_list=True,
        )
        return states  # type: ignore[no-any-return]


def weights(
    rng: np.random.Generator, fan_in: int, fan_out: int, name: str
) -> SharedVariable:
    """Normal with variance 1 / fan_in."""
    values = rng.normal(0, fan_in**-0.5, (fan_in, fan_out))
    return symnet.shared(values.astype(symnet.config.floatX), name)


def orthogonal(rng: np.random.Generator, size: int, name: str) -> SharedVariable:
    """A random rotation: applied again and again, it lets nothing grow or shrink.

    Source: Saxe, McClelland & Ganguli 2014.
    """
    rotation, triangle = np.linalg.qr(rng.normal(size=(size, size)))
    rotation *= np.sign(np.diag(triangle))
    return symnet.shared(rotation.astype(symnet.config.floatX), name)


def bias(size: int, name: str, value: float = 0) -> SharedVariable:
    return symnet.shared(np.full(size, value, symnet.config.floatX), name)


def elman(rng: np.random.Generator, features: int, size: int) -> Cell:
    """h = tanh(b + h W + x U).  Source: the workshop's slides `002`, RNN."""
    u = weights(rng, features, size, "U")
    w = orthogonal(rng, size, "W")
    b = bias(size, "b")

    def step(x: Variable, h: Variable) -> list[Variable]:
        return [T.tanh(b + T.dot(h, w) + T.dot(x, u))]

    return Cell("RNN", size, 1, step, [u, w, b])


def gru(rng: np.random.Generator, features: int, size: int) -> Cell:
    """The gated recurrent unit, without biases as the slides have it:

        z = sigmoid(x Wz + h Uz)          how much of the old state stays
        r = sigmoid(x Wr + h Ur)          how much of it the candidate sees
        candidate = tanh(x W + r * (h U))
        h = z * h + (1 - z) * candidate

    Source: the workshop's slides `002`, GRU (after Cho et al. 2014).
    """
    wz, wr, w = (weights(rng, features, size, name) for name in ("Wz", "Wr", "W"))
    uz, ur, u = (orthogonal(rng, size, name) for name in ("Uz", "Ur", "U"))

    def step(x: Variable, h: Variable) -> list[Variable]:
        z = T.nnet.sigmoid(T.dot(x, wz) + T.dot(h, uz))
        r = T.nnet.sigmoid(T.dot(x, wr) + T.dot(h, ur))
        candidate = T.tanh(T.dot(x, w) + r * T.dot(h, u))
        return [z * h + (1 - z) * candidate]

    return Cell("GRU", size, 1, step, [wz, wr, w, uz, ur, u])


def lstm(rng: np.random.Generator, features: int, size: int) -> Cell:
    """Long short-term memory: gates i (in), f (forget), o (out) and a cell c that adds up.

    The bias of the forget gate starts at 1: at first, everything is kept.
    Source: Hochreiter & Schmidhuber 1997; the forget gate of Gers et al. 2000.
    """
    inputs = [weights(rng, features, size, "W" + gate) for gate in "ifoc"]
    again = [orthogonal(rng, size, "U" + gate) for gate in "ifoc"]
    biases = [bias(size, "b" + gate, float(gate == "f")) for gate in "ifoc"]

    def step(x: Variable, h: Variable, c: Variable) -> list[Variable]:
        i, f, o, candidate = (
            T.dot(x, w) + T.dot(h, u) + b for w, u, b in zip(inputs, again, biases)
        )
        c = T.nnet.sigmoid(f) * c + T.nnet.sigmoid(i) * T.tanh(candidate)
        return [T.nnet.sigmoid(o) * T.tanh(c), c]

    return Cell("LSTM", size, 2, step, [*inputs, *again, *biases])
