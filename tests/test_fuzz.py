"""Random typed graphs: the compiled program against the reference, with updates.

Each example draws a program of a dozen or so operations over arrays whose sizes are
drawn too (0 and 1 among them), compiles it, and calls it twice, so that updates of
shared variables feed the second call.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import symnet
import symnet.tensor as T
from symnet.compile.agreement import agree
from symnet.graph.evaluate import evaluate

EXAMPLES = int(os.environ.get("SYMNET_FUZZ_EXAMPLES", "150"))

UNARY = [
    T.tanh, T.exp, T.neg, T.abs_, T.sqr, T.nnet.sigmoid, T.nnet.softplus, T.floor, T.sgn,
    lambda x: x * 2 - 1, lambda x: T.clip(x, -0.5, 0.5), lambda x: 1 / (1 + T.sqr(x)),
    lambda x: T.switch(T.gt(x, 0), x, x * 0.1), lambda x: T.log(1 + T.exp(x)),
    lambda x: T.cast(T.cast(x * 3, "int32"), x.dtype),
]  # fmt: skip
BINARY = [
    T.add, T.sub, T.mul, T.maximum, T.minimum, lambda x, y: x / (1 + T.abs_(y)),
    lambda x, y: T.switch(T.lt(x, y), x, y), lambda x, y: T.eq(x, y).astype(x.dtype) + y,
]  # fmt: skip
REDUCTIONS = ["sum", "max", "min", "mean", "prod", "argmax", "any_positive"]


class Builder:
    """Draws operations; knows of every variable its concrete shape."""

    def __init__(self, draw) -> None:
        self.draw = draw
        self.dtype = draw(st.sampled_from(["float32", "float64"]))
        self.sizes = draw(st.lists(st.integers(0, 5), min_size=3, max_size=3))
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.pool = []  # (variable, concrete shape)
        self.values = {}
        self.shared = []

    def leaf(self, shape, as_shared):
        value = self.rng.normal(size=shape).astype(self.dtype)
        if as_shared:
            variable = symnet.shared(value)
            self.shared.append(variable)
        else:
            variable = T.TensorType(self.dtype, (False,) * len(shape))()
            self.values[variable] = value
        self.pool.append((variable, tuple(shape)))

    def pick(self, condition=lambda shape: True):
        fitting = [entry for entry in self.pool if condition(entry[1])]
        return self.draw(st.sampled_from(fitting)) if fitting else None

    def add(self, variable, shape):
        if variable.dtype != self.dtype:
            variable = T.cast(variable, self.dtype)
        if max(shape, default=0) <= 40 and len(shape) <= 4:
            self.pool.append((variable, tuple(shape)))

    STEPS = ["unary", "binary", "reduce", "shuffle", "slice", "reshape", "join", "dot",
             "softmax", "write", "index", "broadcast"]  # fmt: skip

    def step(self):
        getattr(self, self.draw(st.sampled_from(self.STEPS)))()

    def unary(self):
        x, shape = self.pick()
        self.add(self.draw(st.sampled_from(UNARY))(x), shape)

    def binary(self):
        x, shape = self.pick()
        y, _ = self.pick(lambda s: s == shape)
        self.add(self.draw(st.sampled_from(BINARY))(x, y), shape)

    def broadcast(self):
        x, shape = self.pick(lambda s: len(s) >= 1) or (None, None)
        if x is None:
            return
        axis = self.draw(st.integers(0, len(shape) - 1))
        y, size = self.pick(lambda s: s == (shape[axis],)) or (None, None)
        if y is None:
            return
        pattern = ["x"] * len(shape)
        pattern[axis] = 0
        op = self.draw(st.sampled_from(BINARY))
        self.add(op(x, y.dimshuffle(*pattern)), shape)

    def reduce(self):
        x, shape = self.pick(lambda s: len(s) >= 1) or (None, None)
        if x is None:
            return
        axes = self.draw(
            st.lists(
                st.integers(0, len(shape) - 1),
                min_size=1,
                max_size=len(shape),
                unique=True,
            )
        )
        kind = self.draw(st.sampled_from(REDUCTIONS))
        keep = self.draw(st.booleans())
        count = int(np.prod([shape[a] for a in axes]))
        if count == 0 and kind in ("max", "min", "argmax", "mean"):
            return
        if kind == "any_positive":
            result = T.any(T.gt(x, 0), axis=axes, keepdims=keep)
        elif kind == "argmax":
            axes = axes[:1]
            result = T.argmax(x, axis=axes[0], keepdims=keep)
        else:
            result = getattr(T, kind)(x, axis=axes, keepdims=keep)
        if keep:
            left = [1 if a in axes else n for a, n in enumerate(shape)]
        else:
            left = [n for a, n in enumerate(shape) if a not in axes]
        if keep and self.draw(st.booleans()):
            self.add(x - T.cast(result, self.dtype), shape)
        elif not keep:
            self.add(result, left)

    def shuffle(self):
        x, shape = self.pick(lambda s: len(s) >= 2) or (None, None)
        if x is not None:
            order = self.draw(st.permutations(range(len(shape))))
            self.add(x.dimshuffle(*order), [shape[k] for k in order])

    def slice(self):
        x, shape = self.pick(lambda s: len(s) >= 1) or (None, None)
        if x is None:
            return
        bound = st.one_of(st.none(), st.integers(-6, 6))
        index = []
        for n in shape:
            if n and self.draw(st.integers(0, 3)) == 0:
                index.append(self.draw(st.integers(-n, n - 1)))
            else:
                step = self.draw(st.sampled_from([None, 1, 2, -1, -2]))
                index.append(slice(self.draw(bound), self.draw(bound), step))
        self.add(x[tuple(index)], np.empty(shape)[tuple(index)].shape)

    def reshape(self):
        x, shape = self.pick()
        total = int(np.prod(shape))
        if total and self.draw(st.booleans()):
            self.add(x.reshape((-1, shape[-1] if shape else 1)),
                     (total // (shape[-1] if shape else 1), shape[-1] if shape else 1))  # fmt: skip
        else:
            self.add(x.flatten(), (total,))

    def join(self):
        x, shape = self.pick(lambda s: len(s) >= 1) or (None, None)
        if x is None:
            return
        axis = self.draw(st.integers(0, len(shape) - 1))

        def others(s):
            pairs = enumerate(zip(s, shape))
            return len(s) == len(shape) and all(
                a == b for k, (a, b) in pairs if k != axis
            )

        y, other = self.pick(others)
        joined = list(shape)
        joined[axis] += other[axis]
        self.add(T.concatenate([x, y], axis=axis), joined)

    def dot(self):
        x, shape = self.pick(lambda s: len(s) in (1, 2)) or (None, None)
        if x is None:
            return
        y, other = self.pick(lambda s: len(s) in (1, 2) and s[0] == shape[-1]) or (
            None,
            None,
        )
        if y is not None:
            self.add(T.dot(x, y) * 0.5, [*shape[:-1], *other[1:]])

    def softmax(self):
        x, shape = self.pick(lambda s: len(s) == 2 and s[1] > 0) or (None, None)
        if x is not None:
            self.add(T.nnet.softmax(x), shape)

    def write(self):
        x, shape = self.pick(lambda s: len(s) >= 1 and s[0] > 0) or (None, None)
        if x is None:
            return
        row = self.draw(st.integers(-shape[0], shape[0] - 1))
        y, _ = self.pick(lambda s: s == shape[1:]) or (0.25, ())
        write = self.draw(st.sampled_from([T.set_subtensor, T.inc_subtensor]))
        self.add(write(x[row], y), shape)

    def index(self):
        x, shape = self.pick(lambda s: len(s) >= 1 and s[0] > 0) or (None, None)
        if x is None:
            return
        positions = self.draw(
            st.lists(st.integers(-shape[0], shape[0] - 1), min_size=0, max_size=6)
        )
        rows = np.array(positions, dtype="int64")
        if self.draw(st.booleans()):
            self.add(x[rows], (len(positions), *shape[1:]))
        else:
            write = self.draw(st.sampled_from([T.set_subtensor, T.inc_subtensor]))
            self.add(write(x[rows], 0.5), shape)


@st.composite
def programs(draw, kind=Builder):
    builder = kind(draw)
    m, n, k = builder.sizes
    shapes = [(), (m,), (n,), (m, n), (n, k), (m, n), (m, n, k)]
    for shape in shapes:
        builder.leaf(shape, draw(st.booleans()))
    for _ in range(draw(st.integers(1, 14))):
        builder.step()
    made = [
        entry for entry in builder.pool if entry[0].owner is not None
    ] or builder.pool
    outputs = draw(st.lists(st.sampled_from(made), min_size=1, max_size=3))
    updates = {}
    for shared in builder.shared:
        shape = shared.get_value().shape
        fitting = [v for v, s in builder.pool if s == shape and v is not shared]
        if fitting and draw(st.booleans()):
            updates[shared] = draw(st.sampled_from(fitting))
    return builder, [v for v, _ in outputs], updates


@pytest.mark.filterwarnings("ignore")
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="SYMNET_FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(programs())
def test_compiled_program_agrees_with_reference(program):
    builder, outputs, updates = program
    f = symnet.function(
        list(builder.values), outputs, updates=updates, on_unused_input="ignore"
    )
    arguments = list(builder.values.values())
    copies = [a.copy() for a in arguments]
    for _ in range(2):
        expected = evaluate([*outputs, *updates.values()], builder.values)
        expected = [np.array(a) for a in expected]
        found = f(*arguments)
        found += [s.get_value() for s in updates]
        for got, want in zip(found, expected, strict=True):
            finite = np.abs(want[np.isfinite(want)]) if want.dtype.kind == "f" else want
            assert agree(got, want, float(np.max(finite, initial=1.0)))
    for array, copy in zip(arguments, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
