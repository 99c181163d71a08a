"""Operations that users write: with a scalar body, with a Python function, with `perform`;
and numbers of Theano's random streams, which are those of NumPy's `RandomState`."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np

import symnet
import symnet.tensor as T
from symnet.kernels.loopir.scalars import call
from symnet.scalar import BinaryScalarOp, UnaryScalarOp, upgrade_to_float
from symnet.tensor.shared_randomstreams import RandomStreams
from tests.fuzz.calls import Call, alike, any_array, floats, of, one, two
from tests.fuzz.spaces import Unknown, _each


class Bump(UnaryScalarOp):
    """x / (1 + x x), with a body."""

    def body(self, x: Any) -> Any:
        return x / (1.0 + x * x)

    def grad(self, inputs: Any, gradients: Any) -> Any:
        (x,), (g,) = inputs, gradients
        return [g * (1 - x * x) / T.sqr(1 + x * x)]


class Blend(BinaryScalarOp):
    """x sin(y) + y, with a body and a Python function."""

    def body(self, x: Any, y: Any) -> Any:
        return x * call("sin", y) + y

    def impl(self, x: Any, y: Any) -> Any:
        return x * np.sin(y) + y

    def grad(self, inputs: Any, gradients: Any) -> Any:
        (x, y), (g,) = inputs, gradients
        return [g * T.sin(y), g * (x * T.cos(y) + 1)]


class Slow(UnaryScalarOp):
    """x x + 1, by Python."""

    def impl(self, x: Any) -> Any:
        return x * x + 1

    def grad(self, inputs: Any, gradients: Any) -> Any:
        return [2 * gradients[0] * inputs[0]]


class Performed(symnet.Op):
    """Sums from the last element on, by `perform`, which may work in its input's place."""

    __props__ = ()

    def make_node(self, x: Any) -> Any:
        x = T.as_tensor_variable(x)
        return symnet.Apply(self, [x], [x.type()])

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        x = inputs[0]
        outputs[0][0] = np.cumsum(x[::-1], axis=0, dtype=x.dtype)[::-1]

    def infer_shape(self, node: Any, shapes: Any) -> Any:
        return shapes

    def grad(self, inputs: Any, gradients: Any) -> Any:
        return [T.cumsum(gradients[0], axis=0)]


bump, blend = Bump(upgrade_to_float), Blend(upgrade_to_float)
slow, performed = Slow(), Performed()


def backward_sums(x: Any) -> Any:
    return np.cumsum(np.asarray(x)[::-1], axis=0)[::-1]


# ---- random streams

DRAWS = {
    "uniform": lambda g, size: g.uniform(size=size, low=-1.0, high=1.0),
    "normal": lambda g, size: g.normal(size=size, avg=0.5, std=0.25),
    "binomial": lambda g, size: g.binomial(size=size, n=3, p=0.375),
    "integers": lambda g, size: g.random_integers(size=size, low=-2, high=4),
}
NUMPYS = {
    "uniform": lambda g, size: g.uniform(-1.0, 1.0, size),
    "normal": lambda g, size: g.normal(0.5, 0.25, size),
    "binomial": lambda g, size: g.binomial(3, 0.375, size),
    "integers": lambda g, size: g.randint(-2, 5, size),
}


def symbolic_draw(s: Any, x: Any) -> Any:
    return DRAWS[s["law"]](RandomStreams(s["seed"]), x.shape)


class Streams:
    """NumPy's generators of a program's steps, which go on from call to call."""

    def __init__(self) -> None:
        self.made: dict[int, Any] = {}

    def of(self, s: Any) -> Any:
        if s["id"] not in self.made:
            first = np.random.RandomState(s["seed"]).randint(2**30)
            self.made[s["id"]] = np.random.RandomState(int(first))
        return self.made[s["id"]]


streams = Streams()


def begin_streams() -> None:
    """All streams begin anew, as those of functions that are made now."""
    streams.made.clear()


def drawn_numbers(s: Any, x: Any) -> Any:
    return NUMPYS[s["law"]](streams.of(s), np.shape(x))


def no_digits(m: Any, s: Any, x: Any) -> Any:
    raise Unknown("numbers that are drawn anew")


def draw_stream(self: Any) -> Any:
    """Not in a branch: a stream goes on whichever is taken."""
    if self.depth:
        return None
    return one(lambda a: a.ndim >= 1, law=of(*DRAWS), seed=of(0, 7, 4357))(self)


CALLS = {
    "bump": Call(
        lambda s, x: bump(x), lambda s, x: x / (1 + np.square(x)), one(floats),
        lambda m, s, x: _each(lambda v: v / (1 + v * v))(x),
    ),
    "blend": Call(
        lambda s, x, y: blend(x, y), lambda s, x, y: x * np.sin(y) + y, two(floats, alike),
        lambda m, s, x, y: _each(lambda v, w: v * mpmath.sin(w) + w)(x, y),
    ),
    "slow": Call(
        lambda s, x: slow(x), lambda s, x: x * x + 1,
        one(lambda a: a.dtype in ("float32", "float64", "int64")),
    ),
    "performed": Call(
        lambda s, x: performed(x), lambda s, x: backward_sums(x),
        one(lambda a: any_array(a) and a.dtype.kind == "f"),
    ),
    "draw": Call(symbolic_draw, drawn_numbers, draw_stream, no_digits),
}  # fmt: skip
