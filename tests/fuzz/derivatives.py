"""Graphs drawn at random, and their derivatives to the third order beside differences.

    python -m tests.fuzz.derivatives --seconds 600 --first 0

Every step makes a matrix of one size of earlier ones: functions with singular places behind
guards, rows picked, put and written over, products, loops, choices, operations of several.
The derivatives are those of a cost, with respect to the argument or to a step in between,
along random directions; each is judged by differences of the one before, which is judged
itself: the first by the cost.  Where the differences of several steps disagree, two pieces
of a function meet, and nothing is said.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import symnet
import symnet.tensor as T
from symnet.compile.modes import Mode
from symnet.errors import DisconnectedInputError
from symnet.ifelse import ifelse
from symnet.tensor import fft, nlinalg, slinalg
from symnet.tensor.signal.pool import pool_2d

SIZE, ORDERS, LARGEST = 3, 3, 20.0
EYE = np.eye(SIZE)
SCALES = np.array([[1.0], [1.1], [0.9]])  # so that rows that are picked twice differ
PICKS = ([0, 2, 2], [1, 1, 0], [2, 0, 1])
STEPS = (1e-4, 3e-5)

Pick = Callable[[int], int]  # a number below this one


def loop(step: Any, **more: Any) -> Any:
    return symnet.scan(step, **more)[0]


def of_graph(expression: Callable[[Any, Any], Any]) -> Any:
    a, b = T.dmatrices("a", "b")
    return symnet.OpFromGraph([a, b], [expression(a, b)])


TANHS = of_graph(lambda a, b: T.tanh(a) * b + T.exp(0.2 * a))
GATES = of_graph(lambda a, b: T.dot(a, b) * T.nnet.sigmoid(b))


def windows(x: Any) -> Any:
    rows = T.concatenate([x, x[:1] * 0.7]).dimshuffle("x", "x", 0, 1)
    return pool_2d(rows, (2, 3), ignore_border=True).sum() * x


def convolved(x: Any) -> Any:
    image = T.tile(x, (2, 2)).dimshuffle("x", "x", 0, 1)
    found = T.nnet.conv2d(image, x[:2, :2].dimshuffle("x", "x", 0, 1))
    return found[0, 0, :SIZE, :SIZE] * 0.3


def entropies(x: Any) -> Any:
    costs = T.nnet.categorical_crossentropy(T.nnet.softmax(x), np.array([0, 2, 1]))
    return costs.dimshuffle(0, "x") * x


def of_eigenvectors(x: Any) -> Any:
    values, vectors = nlinalg.eigh(x + x.T + np.diag([0.0, 2.0, 4.0]))
    return T.dot(vectors * T.exp(0.1 * values), vectors.T)


def of_singular_vectors(x: Any) -> Any:
    left, values, right = nlinalg.svd(x + np.diag([1.0, 3.0, 5.0]))
    return T.dot(left * T.tanh(values), right)


def of_factors(x: Any) -> Any:
    orthogonal, triangular = nlinalg.qr(x + 3 * EYE)
    return T.dot(orthogonal * 2, T.tanh(triangular))


def transformed(x: Any) -> Any:
    rows = T.concatenate([x, x[:, :1]], axis=1)
    return fft.irfft(fft.rfft(rows) * 1.3)[:, :SIZE]


ONE: dict[str, Callable[[Any, Pick], Any]] = {
    "exp": lambda x, p: T.exp(x * 0.3),
    "log": lambda x, p: T.log(x * x + 0.5),
    "guarded log": lambda x, p: T.switch(x > 0.2, T.log(x), 0.0),
    "sqrt": lambda x, p: T.sqrt(x * x + 0.3),
    "tanh": lambda x, p: T.tanh(x),
    "sigmoid": lambda x, p: T.nnet.sigmoid(x),
    "softmax": lambda x, p: T.nnet.softmax(x, axis=p(2)),
    "log softmax": lambda x, p: T.nnet.logsoftmax(x),
    "entropies": lambda x, p: entropies(x),
    "guarded inverse": lambda x, p: T.switch(abs(x) > 0.3, 1 / x, x),
    "backwards": lambda x, p: x[::-1],
    "transpose": lambda x, p: x.T,
    "rows": lambda x, p: x[np.array(PICKS[p(3)])] * SCALES,
    "columns": lambda x, p: x[:, np.array(PICKS[p(3)])] * SCALES.T,
    "one row": lambda x, p: x[p(3)] * SCALES,
    "one column": lambda x, p: x[:, p(3)] * SCALES,
    "first rows": lambda x, p: T.concatenate([x[:2], x[:1] * 0.8]),
    "elements": lambda x, p: x[np.array([0, 1, 2, 2]), np.array([1, 1, 0, 2])].sum() * x,
    "positive ones": lambda x, p: x * T.sqr(x[(x > 0.1).nonzero()]).sum() * 0.2,
    "taken": lambda x, p: T.take(x, [2, 0, 0], axis=p(2)) + x * SCALES,
    "joined": lambda x, p: T.concatenate([x[1:], x[:1] * 2]),
    "roll": lambda x, p: T.roll(x, 1, axis=p(2)),
    "reshape": lambda x, p: x.reshape((SIZE * SIZE,))[::-1].reshape((SIZE, SIZE)),
    "cumsum": lambda x, p: T.cumsum(x, axis=p(2)),
    "cumprod": lambda x, p: T.cumprod(x * 0.5 + 1, axis=p(2)),
    "sort": lambda x, p: T.sort(x * SCALES, axis=p(2)),
    "max": lambda x, p: (x + 0.01 * np.arange(9.0).reshape(3, 3)).max(axis=p(2), keepdims=True) * x,
    "prod": lambda x, p: x.prod(axis=p(2), keepdims=True) + x,
    "sum": lambda x, p: x.sum(axis=p(2), keepdims=True) * x * 0.3,
    "mean": lambda x, p: x - x.mean(axis=p(2), keepdims=True),
    "var": lambda x, p: x.var(axis=p(2), keepdims=True) * x,
    "norm": lambda x, p: x / T.sqrt(T.sqr(x).sum() + 0.1),
    "logsumexp": lambda x, p: T.log(T.exp(x).sum(axis=p(2), keepdims=True)) * x,
    "diagonal": lambda x, p: x * T.diag(x).dimshuffle(0, "x"),
    "filled diagonal": lambda x, p: T.fill_diagonal(x, 0.5) * x,
    "clip": lambda x, p: T.clip(x, -0.8, 0.9) + x * 0.1,
    "inverse": lambda x, p: nlinalg.matrix_inverse(x * 0.3 + 3 * EYE),
    "det": lambda x, p: x * nlinalg.det(x * 0.4 + 2 * EYE) * 0.1,
    "cholesky": lambda x, p: slinalg.cholesky(T.dot(x, x.T) * 0.3 + EYE),
    "eigenvectors": lambda x, p: of_eigenvectors(x),
    "singular vectors": lambda x, p: of_singular_vectors(x),
    "factors": lambda x, p: of_factors(x),
    "pseudo-inverse": lambda x, p: T.dot(nlinalg.pinv(x[:, :2] + 3 * EYE[:, :2]).T, x[:2]),
    "exponential": lambda x, p: slinalg.expm(x * 0.3),
    "slogdet": lambda x, p: x * nlinalg.slogdet(x + 3 * EYE)[1] * 0.3,
    "matrix power": lambda x, p: nlinalg.matrix_power(x * 0.4, 3),
    "kron": lambda x, p: slinalg.kron(x, x[:2, :2])[:SIZE, :SIZE] * 0.4,
    "transformed": lambda x, p: transformed(x),
    "elu": lambda x, p: T.nnet.elu(x) * x,
    "relu": lambda x, p: T.nnet.relu(x) * x + x,
    "softplus": lambda x, p: T.nnet.softplus(x),
    "x log x": lambda x, p: x * T.log(x * x + 1e-3),
    "gammaln": lambda x, p: T.gammaln(x * x + 1),
    "erf": lambda x, p: T.erf(x) * x,
    "power": lambda x, p: (x * x + 0.4) ** (x * 0.3),
    "abs": lambda x, p: abs(x) * x,
    "windows": lambda x, p: windows(x),
    "convolved": lambda x, p: convolved(x),
    "map": lambda x, p: loop(lambda r: T.tanh(r) * r.sum(), sequences=[x]),
    "fold": lambda x, p: loop(
        lambda r, h: T.tanh(h + r) * 0.7 + r * h, sequences=[x], outputs_info=[x[0]]
    ),
    "guarded fold": lambda x, p: loop(
        lambda r, h: T.switch(h > 0.2, T.log(abs(h) + 0.01), h) + r,
        sequences=[x], outputs_info=[x[0]], go_backwards=bool(p(2)),
    ),
    "last of a loop": lambda x, p: x * loop(
        lambda h: T.sqrt(h * h + 0.2) + 0.1 * h, outputs_info=[x], n_steps=3
    )[-1],
    "second of a loop": lambda x, p: x + loop(
        lambda h: T.exp(h * 0.2), outputs_info=[x], n_steps=3
    )[1],
    "two taps": lambda x, p: loop(
        lambda a, b: a * b * 0.5 + T.exp(0.1 * a), n_steps=3,
        outputs_info=[{"initial": T.exp(x[:2] * 0.2), "taps": [-2, -1]}],
    ),
}  # fmt: skip
PICKING = ["rows", "columns", "one row", "one column", "first rows", "elements"]
TWO: dict[str, Callable[[Any, Any, Pick], Any]] = {
    "mul": lambda x, y, p: x * y,
    "add": lambda x, y, p: x + y * 0.5,
    "sub": lambda x, y, p: x - y,
    "dot": lambda x, y, p: T.dot(x, y) * 0.4,
    "div": lambda x, y, p: x / (y * y + 0.6),
    "maximum": lambda x, y, p: T.maximum(x, y * 0.9 + 0.05) * y,
    "switch": lambda x, y, p: T.switch(x > y, x * y, T.exp(0.3 * y)),
    "guarded": lambda x, y, p: T.switch(y > 0.2, T.log(y) * x, x),
    "row set": lambda x, y, p: T.set_subtensor(x[p(3)], y[p(3)] * y[0]),
    "column added": lambda x, y, p: T.inc_subtensor(x[:, p(3)], y[1] * x[0]),
    "rows set": lambda x, y, p: T.set_subtensor(x[np.array([0, 2])], y[1:] * x[:2]),
    "rows added": lambda x, y, p: T.inc_subtensor(x[np.array([0, 0, 2])], y),
    "rows set twice": lambda x, y, p: T.set_subtensor(x[np.array([0, 0, 2])], y) * x,
    "set where": lambda x, y, p: T.set_subtensor(x[(y > 0).nonzero()], 0.3) * x,
    "ifelse": lambda x, y, p: ifelse(T.gt(x.sum(), y.sum()), x * y, T.exp(0.2 * x)),
    "tanhs": lambda x, y, p: TANHS(x, y),
    "gates": lambda x, y, p: GATES(x, y) * 0.4,
    "batched": lambda x, y, p: T.batched_dot(
        x.dimshuffle("x", 0, 1), y.dimshuffle("x", 0, 1)
    )[0] * 0.3,
    "solve": lambda x, y, p: slinalg.solve(x * 0.3 + 3 * EYE, y),
    "outer": lambda x, y, p: T.outer(x[0], y[:, 1]) + x,
    "recurrence": lambda x, y, p: loop(
        lambda r, h, c: T.tanh(T.dot(h, c) + r),
        sequences=[x], outputs_info=[y[0]], non_sequences=[y],
    ),
    "two states": lambda x, y, p: loop(
        lambda r, h, g: [h * g + r, T.exp(0.1 * h)], sequences=[x], outputs_info=[y[0], x[1]]
    )[p(2)],
    "logaddexp": lambda x, y, p: T.log(T.exp(x) + T.exp(y)),
    "power of both": lambda x, y, p: (x * x + 0.3) ** y,
    "angle": lambda x, y, p: T.arctan2(x, y * y + 0.5),
    "remainder": lambda x, y, p: x % (y * y + 1.5),
}  # fmt: skip
COSTS: list[Callable[[Any, Any], Any]] = [
    lambda x, w: (x * w).sum(),
    lambda x, w: (x[0] * x[-1]).sum(),
    lambda x, w: (T.tanh(x) * w).sum(),
    lambda x, w: x[1, 2] * x[0, 0] + x[2].sum(),
    lambda x, w: T.sqr(x * w).mean(),
]


class Case:
    """One graph: its steps' names, its cost, and where its derivatives are asked."""

    def __init__(self, seed: int) -> None:
        self.seed, self.rng = seed, np.random.default_rng(seed)
        self.x = T.dmatrix("x")
        self.names: list[str] = []
        made = [self.x]
        for _ in range(self.below(4) + 2):
            made.append(self.step(made))
        weights = self.rng.normal(size=(SIZE, SIZE))
        self.cost = COSTS[self.below(len(COSTS))](made[-1], weights)
        self.wrt = (
            self.x if self.rng.random() < 0.4 else made[self.below(len(made) - 1)]
        )
        self.argument = self.rng.uniform(-1.2, 1.5, (SIZE, SIZE))
        self.along = self.rng.normal(size=(ORDERS, SIZE, SIZE))

    def below(self, count: int) -> int:
        return int(self.rng.integers(count))

    def step(self, made: Sequence[Any]) -> Any:
        chance = self.rng.random()
        if chance < 0.65:
            names = PICKING if chance < 0.25 else list(ONE)
            name = names[self.below(len(names))]
            x = made[self.below(len(made))] if self.rng.random() < 0.4 else made[-1]
            self.names.append(name)
            return ONE[name](x, self.below)
        name = list(TWO)[self.below(len(TWO))]
        self.names.append(name)
        return TWO[name](made[-1], made[self.below(len(made))], self.below)

    def orders(self) -> list[Any]:
        """The cost, and each derivative along its direction.  By `Rop` the last, sometimes:
        forwards over backwards."""
        found = [self.cost]
        for k, along in enumerate(self.along):
            if k + 1 == ORDERS and self.seed % 4 == 0:
                pushed = T.Rop(
                    found[-1],
                    self.wrt,
                    T.constant(along),
                    disconnected_outputs="ignore",
                )
                found.append(pushed)
                continue
            slope = T.grad(found[-1], self.wrt, disconnected_inputs="ignore")
            found.append((slope * along).sum())
        return found

    def run(self) -> list[str]:
        """What is wrong with it."""
        value = self.argument
        if self.wrt is not self.x:
            value = symnet.function([self.x], self.wrt, mode="FAST_COMPILE")(value)
        usable = np.shape(value) == (SIZE, SIZE) and np.all(np.abs(value) < LARGEST)
        if not usable:
            return []
        try:
            orders = self.orders()
        except DisconnectedInputError:  # a cost that is linear in it
            return []
        mode = Mode(optimizer=None) if self.seed % 3 else "FAST_RUN"
        others = [] if self.wrt is self.x else [self.x]
        f = symnet.function(
            [*others, self.wrt], orders, mode=mode, on_unused_input="ignore"
        )
        given = [self.argument] * len(others)

        def values(at: Any) -> Any:
            return np.array([float(v) for v in f(*given, at)])

        return self.judge(values, value)

    def judge(self, values: Callable[[Any], Any], at: Any) -> list[str]:
        here, wrong = values(at), []
        for k, along in enumerate(self.along):
            wide, want, right, left = self.differences(values, at, along, k)
            scale = 1 + abs(want)
            smooth = (
                abs(wide - want) <= 1e-5 * scale and abs(right - left) <= 0.005 * scale
            )
            if not (np.isfinite(want) and smooth):
                break
            if not abs(here[k + 1] - want) <= 1e-4 * scale:
                wrong.append(f"order {k + 1} is {here[k + 1]}, by differences {want}")
        return wrong

    def differences(
        self, values: Callable[[Any], Any], at: Any, along: Any, k: int
    ) -> tuple[Any, Any, Any, Any]:
        """Central ones of two steps, and the two one-sided ones of the second."""
        found, middle = [], values(at)[k]
        for step in STEPS:
            more, less = (values(at + side * step * along)[k] for side in (1, -1))
            found.append((more - less) / (2 * step))
        return *found, (more - middle) / step, (middle - less) / step


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--first", type=int, default=0)
    asked = parser.parse_args()
    seed, until, finds = asked.first, time.monotonic() + asked.seconds, 0
    while time.monotonic() < until:
        case = Case(seed)
        try:
            wrong = case.run()
        except Exception as error:  # every graph is one that users may write
            wrong = [repr(error)]
        if wrong:
            finds += 1
            print(seed, case.names, *wrong, sep="\n    ", flush=True)
        seed += 1
    print(f"{seed - asked.first} graphs from number {asked.first}, {finds} wrong")
    return 1 if finds else 0


if __name__ == "__main__":
    raise SystemExit(main())
