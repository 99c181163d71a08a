"""Programs of every kind, to run on one device and on another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import symnet
import symnet.tensor as T
from symnet.ifelse import ifelse
from tests.helpers import reference_sort

x, y = T.matrix("x"), T.matrix("y")
X = np.random.default_rng(0).normal(size=(3, 4))


def on(device: str, inputs: Any, outputs: Any, **options: Any) -> Any:
    return symnet.function(inputs, outputs, device=device, **options)


def history() -> Any:
    """A loop with a state of two steps."""
    found, _ = symnet.scan(
        lambda row, older, old: T.tanh(row + 0.5 * old - older),
        sequences=x,
        outputs_info=[{"initial": T.zeros((2, 4)), "taps": [-2, -1]}],
    )
    return found


def recurrent() -> Any:
    """A loop whose weights are packed before it."""
    w = symnet.shared(np.eye(4) * 0.5 + 0.1)
    step = lambda row, old: T.tanh(row + T.dot(old, w))  # noqa: E731
    found, _ = symnet.scan(step, sequences=x, outputs_info=[T.zeros((5, 4))])
    return found


def until() -> Any:
    """A loop that stops early."""
    found, _ = symnet.scan(
        lambda old: (old * 2, symnet.scan_module.until(old.sum() > 50)),
        outputs_info=[abs(x)],
        n_steps=30,
    )
    return found[-1]


def long_vectors() -> Any:
    long = T.tile(x.flatten(), 90)
    return T.dot(long, long)


PROGRAMS: dict[str, Callable[[], Any]] = {
    "loops": lambda: T.nnet.softmax(T.exp(x) * x),
    "columns": lambda: (x - x.mean(0)) / x.std(0),
    "products": lambda: T.dot(x, x.T) + 2 * T.dot(x, y),
    "long vectors": long_vectors,
    "batches": lambda: T.batched_dot(T.stack([x, x]), T.stack([y, y])),
    "views": lambda: T.concatenate([x.T[::-1, 1:], y[:, :2]], axis=1),
    "positions": lambda: T.inc_subtensor(x[[0, 2, 0], 1], x[[1, -1, 0], 2]),
    "history": history,
    "the end of a history": lambda: history()[-1],
    "packed weights": recurrent,
    "until": until,
    "conditions": lambda: ifelse(T.gt(x.sum(), 0), T.exp(x), -x),
    "ordered": lambda: T.argmax(x, axis=1) + T.argmin(x, axis=0)[:3],
    "halves": lambda: T.cast(T.cast(x, "float16") * 3, "float64"),
    "sorted by NumPy": lambda: T.exp(reference_sort(x.T).T).sum(1),
}
