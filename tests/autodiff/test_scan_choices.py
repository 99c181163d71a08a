"""Steps of a loop that a cost does not read give no gradient, whatever they compute.

Each cost is written again in many digits, without the steps that it does not read;
derivatives of that are the judge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.graph.traverse import toposort
from symnet.ifelse import ifelse
from symnet.ops.scan.loop import Scan
from symnet.scan_module import until

STEPS = 6
AT = 2.5  # log(log(log(2.5))) is no number


def loop(step: Callable[..., Any], *starts: Any, **more: Any) -> Any:
    return symnet.scan(step, outputs_info=list(starts), n_steps=STEPS, **more)[0]


def logs(x: Any) -> Any:
    return loop(T.log, x)


def two_taps(x: Any) -> Any:
    first = T.stack([x, x + 1, x * 2])
    return loop(lambda a, b: T.log(b - a), {"initial": first, "taps": [-3, -1]})


def two_taps_by_hand(x: Any) -> Any:
    first, second, third = x, x + 1, x * 2
    fourth = mp.log(third - first)
    return fourth + third * 0 + second * 0


def pair(x: Any) -> Any:
    return loop(lambda h, s: [T.log(h), s * h], x, x + 1)


def vectors(x: Any) -> Any:
    return loop(T.log, T.stack([x, x * 8, x - 1.5]))


def over_a_sequence(x: Any) -> Any:
    rows = T.log(x - T.arange(6.0))
    return symnet.scan(lambda v, h: h * v, sequences=rows, outputs_info=[x])[0]


def with_a_factor(x: Any) -> Any:
    return loop(lambda h, c: T.log(h) * c, x, non_sequences=x * 3)


def both_ways(x: Any) -> Any:
    """One variable is a state and collected."""

    def step(h: Any) -> Any:
        y = T.log(h + 1)
        return [y, y]

    return loop(step, x, None)


def read_before(x: Any) -> Any:
    """What is collected is the state that a step reads; the next one is of elsewhere."""
    y = T.log(T.log(x))
    return loop(lambda h: [y, h], x, None)[1]


def halves(x: Any, last: int) -> Any:
    """What log(h + 1) makes of x, up to a step."""
    h, rows = x, []
    for _ in range(last):
        h = mp.log(h + 1)
        rows.append(h)
    return rows


# Each as a loop, and without the steps beyond.
COSTS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "one row": (lambda x: logs(x)[1], lambda x: mp.log(mp.log(x))),
    "the first row": (lambda x: logs(x)[0] ** 2, lambda x: mp.log(x) ** 2),
    "some rows": (lambda x: logs(x)[:2].sum(), lambda x: mp.log(x) + mp.log(mp.log(x))),
    "rows by number": (lambda x: logs(x)[[0, 1, 0]].sum(),
                       lambda x: 2 * mp.log(x) + mp.log(mp.log(x))),
    "from behind": (lambda x: logs(x)[::-1][4], lambda x: mp.log(mp.log(x))),
    "a switch": (lambda x: T.switch(np.arange(STEPS) < 2, logs(x), 0).sum(),
                 lambda x: mp.log(x) + mp.log(mp.log(x))),
    "a switch of what is no number": (
        lambda x: T.switch(T.isnan(logs(x)) | T.isinf(logs(x)), 0, T.sqr(logs(x))).sum(),
        lambda x: mp.log(x) ** 2 + mp.log(mp.log(x)) ** 2),
    "roots": (lambda x: loop(lambda h: T.sqrt(h - 1), x)[1],
              lambda x: mp.sqrt(mp.sqrt(x - 1) - 1)),
    "what overflows": (lambda x: loop(T.exp, x)[1], lambda x: mp.exp(mp.exp(x))),
    "a later tap": (lambda x: two_taps(x)[0], two_taps_by_hand),
    "a state through another": (lambda x: pair(x)[1][1] + pair(x)[0][0],
                                lambda x: (x + 1) * x * mp.log(x) + mp.log(x)),
    "a state that is not read": (lambda x: pair(x)[1][1],
                                 lambda x: (x + 1) * x * mp.log(x)),
    "one element": (lambda x: vectors(x)[1, 1], lambda x: mp.log(mp.log(8 * x))),
    "one element of the last row": (
        lambda x: T.switch(np.array([0, 1, 0]), loop(lambda h: T.log(h + 1), T.stack(
            [x, x, T.log(x - AT)]))[-1], 0).sum(),
        lambda x: halves(x, STEPS)[-1]),
    "a row by a mask": (
        lambda x: T.switch(T.eq(np.arange(STEPS), 1)[:, None] & (np.arange(3) < 2),
                           vectors(x), 0).sum(),
        lambda x: mp.log(mp.log(x)) + mp.log(mp.log(8 * x))),
    "a sequence": (lambda x: over_a_sequence(x)[1], lambda x: x * mp.log(x) * mp.log(x - 1)),
    "what stays the same": (lambda x: with_a_factor(x)[1],
                            lambda x: mp.log(mp.log(x) * 3 * x) * 3 * x),
    "collected": (lambda x: loop(lambda h: [T.log(h), h * h], x, None)[1][1],
                  lambda x: mp.log(x) ** 2),
    "a condition": (lambda x: ifelse(T.gt(x, 0), logs(x)[1], x), lambda x: mp.log(mp.log(x))),
    "until": (lambda x: loop(lambda h: (T.log(h), until(T.isnan(h))), x)[1],
              lambda x: mp.log(mp.log(x))),
    "the state before is collected": (
        lambda x: read_before(x)[0] * 2 + read_before(x)[-1],
        lambda x: x * 2 + mp.log(mp.log(x))),
    "a state that is collected": (
        lambda x: both_ways(x)[1][:2].sum() + both_ways(x)[0][-1],
        lambda x: sum(halves(x, 2)) + halves(x, STEPS)[-1]),
}  # fmt: skip


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
@pytest.mark.parametrize("name", COSTS)
def test_values_and_derivatives(name: str, mode: str) -> None:
    cost, exact = COSTS[name]
    x = T.dscalar("x")
    outputs = [cost(x)]
    outputs.append(symnet.grad(outputs[0], x))
    outputs.append(symnet.grad(outputs[1], x))
    found = symnet.function([x], outputs, mode=mode)(AT)
    with mp.workdps(40):
        want = [float(mp.diff(exact, mp.mpf(AT), order)) for order in range(3)]
    np.testing.assert_allclose([float(v) for v in found], want, rtol=1e-11)


def test_initial_rows_that_are_not_read() -> None:
    """The elements of which no step is read are not gone back through."""
    x = T.dvector("x")
    start = T.log(x)
    cost = loop(lambda h: T.sqrt(h + 2), start)[1, 0]
    (found,) = symnet.function([x], [symnet.grad(cost, x)])(np.array([2.0, 0.0]))
    with mp.workdps(30):
        want = mp.diff(lambda v: mp.sqrt(mp.sqrt(mp.log(v) + 2) + 2), 2)
    np.testing.assert_allclose(found, [float(want), 0], rtol=1e-12)


def test_a_truncated_gradient() -> None:
    x = T.dscalar("x")
    cost = loop(T.log, x, truncate_gradient=5)[1]  # the first step is not gone back to
    assert symnet.function([x], symnet.grad(cost, x), on_unused_input="ignore")(AT) == 0
    with_all = loop(T.log, x, truncate_gradient=6)[1]
    found = symnet.function([x], symnet.grad(with_all, x))(AT)
    np.testing.assert_allclose(found, 1 / (AT * np.log(AT)), rtol=1e-13)


@pytest.mark.parametrize(
    "step", [T.tanh, lambda h: h * 0.5, lambda h: T.nnet.sigmoid(h) * h]
)
def test_loops_that_need_no_flags_carry_none(step: Any) -> None:
    x = T.dvector("x")
    gradient = symnet.grad(loop(step, x)[2].sum(), x)
    loops = [node for node in toposort([gradient]) if isinstance(node.op, Scan)]
    assert loops
    for node in loops:
        assert all(v.type.dtype == "float64" for v in node.op.inner_inputs)


def test_a_last_row_carries_no_flags() -> None:
    x = T.dvector("x")
    gradient = symnet.grad(loop(T.log, x)[-1].sum(), x)
    for node in toposort([gradient]):
        if isinstance(node.op, Scan):
            assert all(v.type.dtype == "float64" for v in node.op.inner_inputs)
