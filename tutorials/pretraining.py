"""Layers that learn from images without labels: restricted Boltzmann machines and denoising
autoencoders; and the network that is built upon them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import symnet
import symnet.tensor as T
from symnet import SharedVariable, Variable, optim
from symnet.datasets import Digits
from symnet.random import RandomStream

# What a training step writes: (variable, its new value).
Updates = Sequence[tuple[SharedVariable, Variable]]


def draw(stream: RandomStream, chances: Variable) -> Variable:
    """0 or 1, each 1 with its chance."""
    return stream.bernoulli(p=chances, dtype="floatX")


def small_weights(
    rng: np.random.Generator, visible: int, hidden: int
) -> SharedVariable:
    values = rng.normal(0, 0.05, (visible, hidden))
    return symnet.shared(values.astype(symnet.config.floatX), "W")


def zeros(size: int, name: str) -> SharedVariable:
    return symnet.shared(np.zeros(size, symnet.config.floatX), name)


@dataclass(frozen=True)
class Layer:
    """Weights W (visible, hidden), biases b of the visible and c of the hidden units."""

    W: SharedVariable
    b: SharedVariable
    c: SharedVariable

    @property
    def parameters(self) -> list[SharedVariable]:
        return [self.W, self.b, self.c]

    def up(self, x: Variable) -> Variable:
        """P(h = 1 | x).  Shapes: (n, visible) -> (n, hidden)."""
        return T.nnet.sigmoid(T.dot(x, self.W) + self.c)

    def down(self, h: Variable) -> Variable:
        """P(x = 1 | h).  Shapes: (n, hidden) -> (n, visible)."""
        return T.nnet.sigmoid(T.dot(h, self.W.T) + self.b)


def layer(rng: np.random.Generator, visible: int, hidden: int) -> Layer:
    return Layer(
        small_weights(rng, visible, hidden), zeros(visible, "b"), zeros(hidden, "c")
    )


def free_energy(machine: Layer, x: Variable) -> Variable:
    """-log of the sum over all h of exp(-E(x, h)).  Shapes: (n, visible) -> (n,).

    The energy is E(x, h) = -b'x - c'h - h'Wx, so the sum is a product over hidden units.
    """
    signal = T.dot(x, machine.W) + machine.c
    return -T.dot(x, machine.b) - T.sum(T.nnet.softplus(signal), axis=1)


def gibbs(
    machine: Layer, stream: RandomStream, x: Variable, steps: int
) -> tuple[Variable, dict[SharedVariable, Variable]]:
    """Hidden and visible units drawn in turn, `steps` times: all visible ones, and the
    updates that move the stream on.  Shapes: (n, visible) -> (steps, n, visible)."""

    def turn(x: Variable) -> Variable:
        return draw(stream, machine.down(draw(stream, machine.up(x))))

    return symnet.scan(turn, outputs_info=x, n_steps=steps, name="Gibbs")  # type: ignore[no-any-return]


def contrastive_divergence(
    machine: Layer,
    stream: RandomStream,
    x: Variable,
    rate: Variable,
    steps: int = 1,
    dreams: SharedVariable | None = None,
) -> tuple[Variable, Updates]:
    """CD-k: the reconstruction error, and the updates of one step of learning.

    The gradient of the difference of two free energies: of the images, and of what a chain
    of k steps makes of them, which is held fixed.  With `dreams`, a shared variable of
    visible units, the chain goes on from there instead ("persistent" CD).
    Source: Hinton 2002; Tieleman 2008 for the persistent chain.
    """
    chain, moved = gibbs(machine, stream, x if dreams is None else dreams, steps)
    end = chain[-1]
    cost = T.mean(free_energy(machine, x)) - T.mean(free_energy(machine, end))
    gradients = T.grad(cost, machine.parameters, consider_constant=[end])
    updates = optim.sgd(gradients, machine.parameters, rate)
    error = T.mean(T.sqr(x - machine.down(machine.up(x))))
    kept = [] if dreams is None else [(dreams, end)]
    return error, [*updates, *moved.items(), *kept]


def wake_sleep(
    recognition: Layer,
    generative: Layer,
    top: Layer,
    stream: RandomStream,
    x: Variable,
    rate: Variable | float,
) -> tuple[list[Variable], Updates]:
    """The up-down algorithm for two layers: what both phases cost, and the updates.

    Awake, images are recognised, h ~ P(h | x), and the generative weights learn to say x
    from h; the top machine takes one step of CD from h and is left at a dream h'.  Asleep,
    h' is drawn as an image, x' ~ P(x | h'), and the recognition weights learn to find h'.
    Costs: -ln P(x | h) and -ln P(h' | x'), the mean over images.
    Source: Hinton, Osindero & Teh 2006, appendix B; Hinton et al. 1995 for wake-sleep.
    """
    h = draw(stream, recognition.up(x))
    dream = draw(stream, top.down(draw(stream, top.up(h))))
    seen = draw(stream, generative.down(dream))
    wake = surprise(generative.down(h), x)
    sleep = surprise(recognition.up(seen), dream)
    divergence = T.mean(free_energy(top, h)) - T.mean(free_energy(top, dream))
    learned = [
        (wake, [generative.W, generative.b]),
        (divergence, top.parameters),
        (sleep, [recognition.W, recognition.c]),
    ]
    updates: list[tuple[SharedVariable, Variable]] = []
    for cost, parameters in learned:
        gradients = T.grad(cost, parameters, consider_constant=[h, dream, seen])
        updates += optim.sgd(gradients, parameters, rate)
    return [wake, sleep], updates


def surprise(chances: Variable, drawn: Variable) -> Variable:
    """-ln of the chance of what was drawn, summed over units, the mean over rows."""
    kept = T.clip(chances, 1e-6, 1 - 1e-6)
    return T.mean(T.sum(T.nnet.binary_crossentropy(kept, drawn), axis=1))


def denoising(
    coder: Layer, stream: RandomStream, x: Variable, rate: Variable, lost: float
) -> tuple[Variable, Updates]:
    """The cross-entropy of images that are rebuilt from damaged ones, and the updates.

    Each pixel is put out with chance `lost`.
    Source: Vincent et al. 2008, "Extracting and composing robust features".
    """
    damaged = x * stream.bernoulli(x.shape, p=1 - lost, dtype="floatX")
    rebuilt = T.clip(coder.down(coder.up(damaged)), 1e-6, 1 - 1e-6)
    entropy = T.sum(T.nnet.binary_crossentropy(rebuilt, x), axis=1)
    cost = T.mean(entropy)
    return cost, optim.sgd(cost, coder.parameters, rate)


def learn(
    make: Callable[[Variable, Variable], tuple[Variable, Updates]],
    data: NDArray[Any],
    epochs: int,
    rate: float,
    batch: int = 20,
) -> list[float]:
    """Run through the data; make(x, rate) gives what is watched and the updates.

    The rate falls evenly, towards zero at the end.  Returns the mean of what is watched
    over each epoch.
    """
    x, index, speed = T.matrix("x"), T.lscalar("index"), T.scalar("rate")
    watched, updates = make(x, speed)
    shared = symnet.shared(data)
    rows = shared[index * batch : (index + 1) * batch]
    step = symnet.function([index, speed], watched, updates=updates, givens={x: rows})
    batches = len(data) // batch
    order = np.random.default_rng(0)
    means: list[float] = []
    for epoch in range(epochs):
        now = data.dtype.type(rate * (1 - epoch / epochs))
        seen = [step(k, now) for k in order.permutation(batches)]
        means.append(float(np.mean(seen)))
    return means


def encode(coder: Layer, data: NDArray[Any]) -> NDArray[Any]:
    """What the hidden units make of the images."""
    x = T.matrix("x")
    return symnet.function([x], coder.up(x))(data)


@dataclass(frozen=True)
class Classifier:
    """Layers of sigmoid units with a softmax on top, as `fine_tune` trains it."""

    layers: list[Layer]
    top: list[SharedVariable]

    def chances(self, x: Variable) -> Variable:
        for each in self.layers:
            x = each.up(x)
        return T.nnet.softmax(T.dot(x, self.top[0]) + self.top[1])


def fine_tune(
    layers: Sequence[Layer],
    data: Digits,
    labelled: int,
    epochs: int,
    rate: float,
    classes: int = 10,
) -> list[float]:
    """Train a classifier that begins with copies of the layers; the first `labelled` images
    of the training part count.  Returns the share of errors on the test part by epoch."""
    copies = [
        Layer(*(symnet.shared(p.get_value()) for p in one.parameters)) for one in layers
    ]
    width = layers[-1].c.get_value().size
    top = [
        symnet.shared(np.zeros((width, classes), symnet.config.floatX)),
        zeros(classes, "b"),
    ]
    net = Classifier(copies, top)
    x, y = T.matrix("x"), T.ivector("y")
    chances = net.chances(x)
    cost = T.mean(T.nnet.categorical_crossentropy(chances, y))
    wrong = T.mean(T.neq(T.argmax(chances, axis=1), y))
    trained = [p for one in copies for p in (one.W, one.c)] + top
    step = symnet.function(
        [x, y], cost, updates=optim.momentum(cost, trained, rate, 0.9)
    )
    test = symnet.function([x, y], wrong)
    images, labels = data.train_images[:labelled], data.train_labels[:labelled]
    rng = np.random.default_rng(0)
    errors: list[float] = []
    for _ in range(epochs):
        order = rng.permutation(len(images))
        for k in np.split(order, range(20, len(order), 20)):
            step(images[k], labels[k])
        errors.append(float(test(data.test_images, data.test_labels)))
    return errors
