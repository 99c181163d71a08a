"""Recurrent programs in Theano's style, small, in all modes against loops in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import symnet as theano
import symnet.tensor as T

MODES = ["FAST_COMPILE", "FAST_RUN", "DebugMode"]
BATCHES = [None, 3]  # None: vectors instead of matrices
VOCABULARY, FEATURES, HIDDEN, SLOTS, LETTERS = 6, 3, 4, 5, 3

Array = Any


@dataclass
class Program:
    """A cost with what it is made of.

    values: the arrays of the inputs, by variable; parameters: shared variables, by name;
    numpy: the cost, from the parameters and the inputs as float64.
    """

    cost: Any
    values: dict[Any, Array]
    parameters: dict[str, Any]
    numpy: Callable[..., Any]
    more: list[Any] = field(default_factory=list)

    def arrays(self) -> list[Array]:
        given = [
            *(p.get_value() for p in self.parameters.values()),
            *self.values.values(),
        ]
        return [a.astype("float64") if a.dtype.kind == "f" else a for a in given]


def parameters(rng: np.random.Generator, dtype: str, **shapes: Any) -> dict[str, Any]:
    return {
        name: theano.shared((rng.normal(size=shape) / 2).astype(dtype), name)
        for name, shape in shapes.items()
    }


def variable(name: str, dtype: str, batch: int | None, rank: int) -> Any:
    """A variable of a rank that is one less where there is no batch."""
    return T.TensorType(dtype, (None,) * (rank - (batch is None)))(name)


def rows(batch: int | None) -> tuple[int, ...]:
    return () if batch is None else (batch,)


def start(batch: int | None, size: int, dtype: str) -> Any:
    return T.zeros((*rows(batch), size), dtype)


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# ---- the programs


def language_model(dtype: str, steps: int, batch: int | None) -> Program:
    """Words looked up and the softmax made inside the step, the cross-entropy outside."""
    rng = np.random.default_rng(0)
    p = parameters(
        rng, dtype, E=(VOCABULARY, FEATURES), U=(FEATURES, HIDDEN), W=(HIDDEN, HIDDEN),
        V=(HIDDEN, VOCABULARY), b=(HIDDEN,), c=(VOCABULARY,), h0=(HIDDEN,),
    )  # fmt: skip
    words = variable("words", "int32", batch, 2)
    after = variable("after", "int32", batch, 2)

    def step(word: Any, h: Any, E: Any, U: Any, W: Any, V: Any, b: Any, c: Any) -> Any:
        h = T.tanh(T.dot(E[word], U) + T.dot(h, W) + b)
        return h, T.nnet.softmax(T.dot(h, V) + c)

    first = p["h0"] if batch is None else T.alloc(p["h0"], words.shape[1], HIDDEN)
    (h, chances), _ = theano.scan(
        step, sequences=words, outputs_info=[first, None],
        non_sequences=[p[name] for name in "EUWVbc"],
    )  # fmt: skip
    flat = chances.reshape((-1, VOCABULARY))
    cost = T.nnet.categorical_crossentropy(flat, after.flatten()).sum()

    def numpy(E: Array, U: Array, W: Array, V: Array, b: Array, c: Array, h: Array,
              words: Array, after: Array) -> Array:  # fmt: skip
        cost = 0.0
        for word, right in zip(words, after, strict=True):
            h = np.tanh(E[word] @ U + h @ W + b)
            chances = softmax(h @ V + c).reshape(-1, VOCABULARY)
            cost -= np.log(chances[np.arange(len(chances)), right]).sum()
        return cost

    numbers = [rng.integers(0, VOCABULARY, (steps, *rows(batch))) for _ in range(2)]
    values = {v: n.astype("int32") for v, n in zip((words, after), numbers)}
    return Program(cost, values, p, numpy, [h, chances])


def bidirectional(dtype: str, steps: int, batch: int | None) -> Program:
    """Two loops over the same rows, one of them from the end."""
    rng = np.random.default_rng(1)
    p = parameters(
        rng, dtype, Uf=(FEATURES, HIDDEN), Wf=(HIDDEN, HIDDEN), Ub=(FEATURES, HIDDEN),
        Wb=(HIDDEN, HIDDEN), V=(2 * HIDDEN, 2),
    )  # fmt: skip
    x = variable("x", dtype, batch, 3)

    def step(row: Any, h: Any, u: Any, w: Any) -> Any:
        return T.tanh(T.dot(row, u) + T.dot(h, w))

    h0 = start(batch, HIDDEN, dtype)
    ahead, _ = theano.scan(step, x, h0, [p["Uf"], p["Wf"]])
    back, _ = theano.scan(step, x, h0, [p["Ub"], p["Wb"]], go_backwards=True)
    both = T.concatenate([ahead, back[::-1]], axis=x.ndim - 1)
    answers = T.nnet.sigmoid(T.dot(both, p["V"]))
    cost = T.sqr(answers).sum() + ahead[-1:].sum() - back[-1:].sum()

    def read(x: Array, u: Array, w: Array) -> Array:
        h, found = np.zeros((*rows(batch), HIDDEN)), []
        for row in x:
            h = np.tanh(row @ u + h @ w)
            found.append(h)
        return np.array(found).reshape((*x.shape[:-1], HIDDEN))

    def numpy(Uf: Array, Wf: Array, Ub: Array, Wb: Array, V: Array, x: Array) -> Array:
        ahead, back = read(x, Uf, Wf), read(x[::-1], Ub, Wb)
        signal = np.concatenate([ahead, back[::-1]], axis=-1) @ V
        return (
            ((1 + np.exp(-signal)) ** -2.0).sum() + ahead[-1:].sum() - back[-1:].sum()
        )

    rows_of_x = rng.normal(size=(steps, *rows(batch), FEATURES)).astype(dtype)
    return Program(cost, {x: rows_of_x}, p, numpy, [answers])


def attention(dtype: str, steps: int, batch: int | None) -> Program:
    """Every step reads a fixed memory: a sum weighted by how like its slots are to h."""
    rng = np.random.default_rng(2)
    p = parameters(
        rng, dtype, Q=(HIDDEN, FEATURES), W=(HIDDEN, HIDDEN), R=(FEATURES, HIDDEN),
        U=(2, HIDDEN),
    )  # fmt: skip
    x, memory = variable("x", dtype, batch, 3), variable("memory", dtype, batch, 3)

    def step(row: Any, h: Any, read: Any, memory: Any) -> Any:
        h = T.tanh(T.dot(row, p["U"]) + T.dot(h, p["W"]) + T.dot(read, p["R"]))
        asked = T.dot(h, p["Q"])
        if batch is None:
            weights = T.nnet.softmax(T.dot(memory, asked))[0]  # of a vector: one row
            return h, T.dot(weights, memory), weights
        like = (memory * asked.dimshuffle(0, "x", 1)).sum(axis=2)
        weights = T.nnet.softmax(like)
        return h, T.sum(weights.dimshuffle(0, 1, "x") * memory, axis=1), weights

    infos = [start(batch, HIDDEN, dtype), start(batch, FEATURES, dtype), None]
    (h, read, weights), _ = theano.scan(step, x, infos, non_sequences=memory)
    cost = T.sqr(read).sum() + h.sum() + (weights**3).sum()

    def numpy(Q: Array, W: Array, R: Array, U: Array, x: Array, memory: Array) -> Array:
        h, cost = np.zeros((*rows(batch), HIDDEN)), 0.0
        read = np.zeros((*rows(batch), FEATURES))
        for row in x:
            h = np.tanh(row @ U + h @ W + read @ R)
            weights = softmax(np.einsum("...sd,...d->...s", memory, h @ Q))
            read = np.einsum("...s,...sd->...d", weights, memory)
            cost += (read**2).sum() + h.sum() + (weights**3).sum()
        return cost

    shapes = (steps, *rows(batch), 2), (*rows(batch), SLOTS, FEATURES)
    values = {v: rng.normal(size=s).astype(dtype) for v, s in zip((x, memory), shapes)}
    return Program(cost, values, p, numpy, [weights])


def words_of_letters(dtype: str, steps: int, batch: int | None) -> Program:
    """A loop in a loop: the inner one reads the letters of a word."""
    rng = np.random.default_rng(3)
    square = (HIDDEN, HIDDEN)
    p = parameters(
        rng, dtype, E=(VOCABULARY, FEATURES), U=(FEATURES, HIDDEN), W=square, A=square,
        B=square,
    )  # fmt: skip
    words = variable("words", "int64", batch, 3)

    def letter(number: Any, h: Any) -> Any:
        return T.tanh(T.dot(p["E"][number], p["U"]) + T.dot(h, p["W"]))

    def word(letters: Any, state: Any) -> Any:
        read, _ = theano.scan(letter, letters, T.zeros_like(state))
        state = T.tanh(T.dot(read[-1], p["A"]) + T.dot(state, p["B"]))
        return state, read.sum()

    infos = [start(batch, HIDDEN, dtype), None]
    (states, sums), _ = theano.scan(word, words, infos)
    cost = T.sqr(states).sum() + T.sqr(sums).sum() + states[-1:].sum()

    def numpy(E: Array, U: Array, W: Array, A: Array, B: Array, words: Array) -> Array:
        state, cost = np.zeros((*rows(batch), HIDDEN)), 0.0
        for letters in words:
            h, total = np.zeros_like(state), 0.0
            for number in letters:
                h = np.tanh(E[number] @ U + h @ W)
                total += h.sum()
            state = np.tanh(h @ A + state @ B)
            cost += (state**2).sum() + total**2
        return cost + (state.sum() if steps else 0)

    numbers = rng.integers(0, VOCABULARY, (steps, LETTERS, *rows(batch)))
    return Program(cost, {words: numbers}, p, numpy, [states])


# ---- all of them


def slopes(program: Program) -> Iterator[tuple[Array, float]]:
    """For each parameter a direction, and the slope of the cost along it by differences."""
    rng = np.random.default_rng(4)
    arrays, step = program.arrays(), 1e-6
    for k in range(len(program.parameters)):
        direction = rng.normal(size=arrays[k].shape)
        moved = [[*arrays], [*arrays]]
        for sign, one in zip((1, -1), moved):
            one[k] = arrays[k] + sign * step * direction
        ahead, behind = (program.numpy(*one) for one in moved)
        yield direction, (ahead - behind) / (2 * step)


@pytest.mark.parametrize(
    "make", [language_model, bidirectional, attention, words_of_letters]
)
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(
    "dtype, steps", [("float64", 0), ("float64", 1), ("float64", 4), ("float32", 4)]
)
def test_programs(make: Any, dtype: str, steps: int, batch: int | None) -> None:
    rough, fine = (3e-4, 1e-4) if dtype == "float32" else (1e-6, 1e-10)
    program = make(dtype, steps, batch)
    gradients = T.grad(program.cost, list(program.parameters.values()))
    results = [program.cost, *gradients, *program.more]
    found = []
    for mode in MODES:
        f = theano.function(list(program.values), results, mode=mode)
        found.append(f(*program.values.values()))
    for got in found:
        for one, want in zip(got, found[0], strict=True):
            assert one.dtype == want.dtype and one.shape == want.shape
            np.testing.assert_allclose(one, want, rtol=fine, atol=fine)
        np.testing.assert_allclose(
            got[0], program.numpy(*program.arrays()), rtol=fine, atol=fine
        )
        for gradient, (direction, slope) in zip(got[1:], slopes(program)):
            along = np.sum(gradient * direction)
            np.testing.assert_allclose(along, slope, rtol=rough, atol=10 * rough)
