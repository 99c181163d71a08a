"""Functions to look at."""

from __future__ import annotations

from typing import Any

import numpy as np

import symnet
import symnet.tensor as T


def training_step(**options: Any) -> symnet.Function:
    """Logistic regression, with a named hidden layer."""
    x, y = T.dmatrix("x"), T.lvector("y")
    w = symnet.shared(np.full((4, 3), 0.5), "w")
    hidden = T.tanh(T.dot(x, w))
    hidden.name = "hidden"
    p = T.nnet.softmax(hidden)
    cost = -T.mean(T.log(p)[T.arange(y.shape[0]), y])
    cost.name = "cost"
    updates = [(w, w - 0.1 * T.grad(cost, w))]
    return symnet.function([x, y], cost, updates=updates, name="step", **options)


ARGUMENTS = (np.ones((5, 4)), [0, 1, 2, 0, 1])


def loop_and_branch() -> symnet.Function:
    """A scan, and an ifelse on its result."""
    u, start = T.dmatrix("u"), T.dvector("start")
    states, _ = symnet.scan(
        lambda row, last: T.tanh(row + last), sequences=u, outputs_info=start
    )
    total = states[-1].sum()
    chosen = symnet.ifelse.ifelse(total > 1, T.exp(total), total * 2)
    return symnet.function([u, start], [states, chosen])
