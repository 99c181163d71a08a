"""Steps of learning of every model of the notebooks 4 to 7 with the compiler checking
itself: what was written, what it was rewritten to and native code agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import optim
from symnet.compile.debugmode import DebugEngine
from symnet.datasets import Digits
from symnet.random import RandomStream
from tests.helpers import tutorial

CELLS = ["elman", "gru", "lstm"]
WORDS, FEATURES, SIZE, CLASSES = 7, 4, 5, 3


@pytest.fixture(autouse=True)
def checked() -> Iterator[None]:
    """Everything is compiled in DebugMode, with the notebooks' precision."""
    with symnet.change_flags(mode="DebugMode", floatX="float32"):
        yield


def moved(parameters: list[Any], learn: Any) -> bool:
    """Whether learning changes all parameters, to finite numbers."""
    before = [p.get_value() for p in parameters]
    learn()
    after = [p.get_value() for p in parameters]
    finite = all(np.isfinite(value).all() for value in after)
    return finite and all((a != b).any() for a, b in zip(before, after, strict=True))


# ---- recurrent networks


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("steps", [1, 6])
def test_adding(kind: str, steps: int) -> None:
    """What is asked for is asked for at the end only."""
    recurrent = tutorial("recurrent")
    rng = np.random.default_rng(1)
    cell = getattr(recurrent, kind)(rng, 2, SIZE)
    v, c = recurrent.weights(rng, SIZE, 1, "v"), recurrent.bias(1, "c", 1.0)
    x, wanted = T.tensor3("x"), T.vector("wanted")
    states = cell.run(x)
    error = T.mean((T.dot(states[0][-1], v)[:, 0] + c[0] - wanted) ** 2)
    everything = [*cell.parameters, v, c]
    gradients = optim.clip_norm(T.grad(error, everything), 1.0)
    updates = optim.adam(gradients, everything, 3e-3)
    train = symnet.function([x, wanted], error, updates=updates)
    data = rng.uniform(size=(steps, 3, 2)).astype(x.dtype)
    sums = data.sum(axis=(0, 2))
    learned = [v, c] if steps == 1 else everything  # the first state is zero
    assert moved(learned, lambda: [train(data, sums) for _ in range(2)])
    shown = symnet.function([x], states[-1])(data)
    assert shown.shape == (steps, 3, SIZE)


@pytest.mark.parametrize("kind", CELLS)
def test_sentences(kind: str) -> None:
    """Words by number, opinions after each word, and padding that does not count."""
    recurrent = tutorial("recurrent")
    rng = np.random.default_rng(0)
    embedding = recurrent.weights(rng, WORDS, FEATURES, "E")
    cell = getattr(recurrent, kind)(rng, FEATURES, SIZE)
    v, c = recurrent.weights(rng, SIZE, 1, "v"), recurrent.bias(1, "c")
    codes, labels = T.imatrix("codes"), T.ivector("labels")
    h = cell.run(embedding[codes.T])[0]
    counts = T.neq(codes.T, 0).dimshuffle(0, 1, "x")
    mean = T.cumsum(h * counts, axis=0) / T.maximum(T.cumsum(counts, axis=0), 1)
    opinions = T.nnet.sigmoid(T.dot(mean, v) + c)[:, :, 0]
    cost = T.nnet.binary_crossentropy(opinions[-1], labels).mean()
    right = T.mean(T.eq(opinions[-1] > 0.5, labels))
    parameters = [embedding, *cell.parameters, v, c]
    decay = 1e-5 * sum(T.sum(p**2) for p in parameters)
    updates = optim.adam(cost + decay, parameters, 1e-3)
    train = symnet.function([codes, labels], [cost, right], updates=updates)
    read = np.array([[0, 0, 3, 2], [1, 5, 6, 1], [0, 4, 2, 2]], "int32")
    said = np.array([1, 0, 1], "int32")
    assert moved(parameters, lambda: [train(read, said) for _ in range(2)])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_words_of_one_sentence(dtype: str) -> None:
    """Vectors instead of matrices; a network without memory as well."""
    symnet.config.floatX = dtype
    recurrent = tutorial("recurrent")
    rng = np.random.default_rng(0)
    U = recurrent.weights(rng, WORDS, SIZE, "U")
    W = recurrent.weights(rng, SIZE, SIZE, "W")
    V = recurrent.weights(rng, SIZE, WORDS, "V")
    b, c = recurrent.bias(SIZE, "b"), recurrent.bias(WORDS, "c")
    x, y = T.matrix("x"), T.lvector("y")
    h, _ = symnet.scan(
        lambda row, h: T.tanh(b + T.dot(h, W) + T.dot(row, U)), x, T.zeros(SIZE)
    )
    chances = T.nnet.softmax(T.dot(h, V) + c)
    cost = T.nnet.categorical_crossentropy(chances, y).mean()
    rows, after = np.eye(WORDS, dtype=x.dtype)[:-1], np.arange(1, WORDS)
    for parameters in ([U, W, V, b, c], [U, V, b, c]):
        updates = optim.adam(cost, parameters, 0.02)
        train = symnet.function([x, y], cost, updates=updates)
        assert isinstance(train.engine, DebugEngine)
        before = [p.get_value() for p in parameters]
        train(rows, after)
        now = [p.get_value() for p in parameters]
        assert all((a != b).any() for a, b in zip(before, now, strict=True))


@pytest.mark.parametrize("kind", CELLS)
def test_characters(kind: str) -> None:
    """The state goes on from piece to piece, and then the network writes."""
    recurrent = tutorial("recurrent")
    rng = np.random.default_rng(0)
    cell = getattr(recurrent, kind)(rng, FEATURES, SIZE)
    E = recurrent.weights(rng, WORDS, FEATURES, "E")
    V, c = recurrent.weights(rng, SIZE, WORDS, "V"), recurrent.bias(WORDS, "c")
    parameters = [E, *cell.parameters, V, c]
    streams, chunk, dtype = 3, 4, symnet.config.floatX
    text = symnet.shared(rng.integers(0, WORDS, (13, streams)).astype("int32"))
    kept = [symnet.shared(np.zeros((streams, SIZE), dtype)) for _ in range(cell.states)]

    piece, rate = T.lscalar("piece"), T.scalar("rate")
    codes = text[piece * chunk : (piece + 1) * chunk + 1]
    states = cell.run(E[codes[:-1]], kept)
    scores = (T.dot(states[0], V) + c).reshape((-1, WORDS))
    right = codes[1:].reshape((-1,))
    cost = -T.mean(T.nnet.logsoftmax(scores)[T.arange(right.shape[0]), right])
    gradients = optim.clip_norm(T.grad(cost, parameters), 5.0)
    updates = optim.adam(gradients, parameters, rate)
    goes_on = [(old, new[-1]) for old, new in zip(kept, states, strict=True)]
    train = symnet.function([piece, rate], cost, updates=[*updates, *goes_on])
    speed = np.asarray(0.01, dtype)
    assert moved([*parameters, *kept], lambda: [train(k, speed) for k in range(3)])

    first, count, warmth = T.ivector("first"), T.lscalar("count"), T.scalar("warmth")
    stream = RandomStream(5)

    def write_one(letter: Any, *states: Any) -> list[Any]:
        after = cell.step(E[letter], *states)
        chances = T.nnet.softmax((T.dot(after[0], V) + c) / warmth)
        return [T.cast(stream.categorical(chances), "int32"), *after]

    written, more = symnet.scan(
        write_one, outputs_info=[first, *cell.start(first.shape[0])], n_steps=count
    )
    write = symnet.function([first, count, warmth], written[0], updates=more)
    for many in (0, 1, 6):
        found = write(np.array([1, 2], "int32"), many, np.asarray(0.8, dtype))
        assert found.shape == (many, 2) and (found < WORDS).all()


# ---- layers that learn without labels


def binary(rng: np.random.Generator, rows: int) -> Any:
    return rng.integers(0, 2, (rows, WORDS)).astype(symnet.config.floatX)


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("steps", [1, 3])
def test_boltzmann_machine(steps: int, persistent: bool) -> None:
    pretraining = tutorial("pretraining")
    rng = np.random.default_rng(1)
    machine = pretraining.layer(rng, WORDS, SIZE)
    stream, data = RandomStream(2), binary(rng, 8)
    dreams = symnet.shared(data[:4]) if persistent else None

    def make(x: Any, rate: Any) -> Any:
        return pretraining.contrastive_divergence(
            machine, stream, x, rate, steps, dreams
        )

    learn = lambda: pretraining.learn(make, data, 2, 0.1, batch=4)  # noqa: E731
    assert moved(machine.parameters, learn)


def test_exact_likelihood_and_dreams() -> None:
    pretraining = tutorial("pretraining")
    rng = np.random.default_rng(0)
    machine = pretraining.layer(rng, WORDS, SIZE)
    x, data = T.matrix("x"), binary(rng, 6)
    everything = -pretraining.free_energy(machine, T.constant(binary(rng, 20)))
    likelihood = T.mean(-pretraining.free_energy(machine, x))
    likelihood -= T.log(T.sum(T.exp(everything)))
    gradients = T.grad(likelihood, machine.parameters)
    updates = [(p, p + g) for p, g in zip(machine.parameters, gradients, strict=True)]
    step = symnet.function([x], likelihood, updates=updates)
    assert moved(machine.parameters, lambda: step(data))

    chain, more = pretraining.gibbs(machine, RandomStream(1), x, 5)
    shown = [chain[-1], machine.down(machine.up(chain[-1]))]
    dream = symnet.function([x], shown, updates=more)
    states = [dream(data)[0] for _ in range(3)]
    assert not np.array_equal(states[0], states[1])


def test_deep_belief_network() -> None:
    """Two machines, one upon the other, then a classifier that begins with both."""
    pretraining = tutorial("pretraining")
    rng, stream = np.random.default_rng(1), RandomStream(2)
    data, layers = binary(rng, 24), []
    features = data
    for visible, hidden in ((WORDS, SIZE), (SIZE, FEATURES)):
        machine = pretraining.layer(rng, visible, hidden)
        divergence = pretraining.contrastive_divergence
        make = lambda x, rate: divergence(machine, stream, x, rate)  # noqa: B023, E731
        pretraining.learn(make, features, 1, 0.1, batch=12)
        features = pretraining.encode(machine, features)
        layers.append(machine)
    labels = rng.integers(0, CLASSES, 24).astype("int32")
    digits = Digits(data, labels, data[:5], labels[:5], "noise")
    wrong = pretraining.fine_tune(layers, digits, 24, 2, 0.05, CLASSES)
    assert len(wrong) == 2 and all(0 <= share <= 1 for share in wrong)


@pytest.mark.parametrize("lost", [0.0, 0.5])
def test_denoising_autoencoder(lost: float) -> None:
    pretraining = tutorial("pretraining")
    rng, stream = np.random.default_rng(1), RandomStream(3)
    coder = pretraining.layer(rng, WORDS, SIZE)
    make = lambda x, rate: pretraining.denoising(coder, stream, x, rate, lost)  # noqa: E731
    learn = lambda: pretraining.learn(make, binary(rng, 8), 2, 0.1, batch=4)  # noqa: E731
    assert moved(coder.parameters, learn)


def test_deep_autoencoder() -> None:
    """Through two numbers and back."""
    recurrent = tutorial("recurrent")
    rng = np.random.default_rng(0)
    sizes = [WORDS, SIZE, 2, SIZE, WORDS]
    layers = [
        (recurrent.weights(rng, *pair, "W"), recurrent.bias(pair[1], "b"))
        for pair in zip(sizes, sizes[1:])
    ]
    made = x = T.matrix("x")
    activations = [T.tanh, lambda signal: signal, T.tanh, T.nnet.sigmoid]
    for (W, b), activation in zip(layers, activations, strict=True):
        made = activation(T.dot(made, W) + b)
    entropy = T.nnet.binary_crossentropy(T.clip(made, 1e-6, 1 - 1e-6), x)
    cost = T.mean(T.sum(entropy, axis=1))
    parameters = [p for pair in layers for p in pair]
    updates = optim.adam(cost, parameters, 2e-3)
    train = symnet.function([x], cost, updates=updates)
    assert moved(parameters, lambda: [train(binary(rng, 6)) for _ in range(2)])
