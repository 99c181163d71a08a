"""The benchmarks' own arithmetic: gradients by hand, checks, medians and ratios."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from benchmarks import report, worker
from benchmarks.cases import CASES, networks
from benchmarks.cases.case import Case
from benchmarks.frameworks import theano_style, with_numpy
from benchmarks.problem import Formula, Program, Training


def small_training(name: str) -> Training:
    if name == "switched":
        return networks.switched(4)
    sizes = {"logistic": [6, 4], "tanh": [6, 5, 4, 3], "relu": [6, 5, 4]}[name]
    activation = "relu" if name == "relu" else "tanh"
    return networks.perceptron(sizes, activation, batch=8, rows=16)


@pytest.mark.parametrize("name", ["logistic", "tanh", "relu", "switched"])
def test_gradients_by_hand_are_those_of_the_loss(name: str) -> None:
    problem = small_training(name)
    if name != "switched":
        classes = problem.labels % problem.parameters[-1].size
        problem = dataclasses.replace(problem, labels=classes)
    rng = np.random.default_rng(0)
    # Away from the symmetric start, where a wrong gradient could be zero as well.
    at = [p + 0.1 * rng.standard_normal(p.shape) for p in problem.parameters]
    x = problem.data[: problem.batch].astype(np.float64)
    y = problem.labels[: problem.batch]
    constants = [constant.astype(np.float64) for constant in problem.constants]

    def loss(parameters: list[Any]) -> Any:
        return problem.by_hand(parameters, x, y, *constants)[0]

    gradients = problem.by_hand(at, x, y, *constants)[1]
    step = 1e-6
    for k, gradient in enumerate(gradients):
        direction = rng.standard_normal(gradient.shape)
        ahead, behind = (
            [p + sign * step * direction if j == k else p for j, p in enumerate(at)]
            for sign in (1, -1)
        )
        slope = (loss(ahead) - loss(behind)) / (2 * step)
        assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_momentum_is_as_documented() -> None:
    problem = dataclasses.replace(
        small_training("relu"), momentum=0.9, rate=0.5, labels=np.arange(16) % 4
    )
    program = with_numpy.NumPy().training(problem)
    losses = [program.function() for _ in range(2)]
    velocity = [np.zeros_like(p) for p in problem.parameters]
    parameters = [p.astype(np.float64) for p in problem.parameters]
    for k in range(2):
        x, y = problem.data[8 * k : 8 * k + 8], problem.labels[8 * k : 8 * k + 8]
        gradients = problem.by_hand(parameters, x, y)[1]
        velocity = [0.9 * v - 0.5 * g for v, g in zip(velocity, gradients)]
        parameters = [p + v for p, v in zip(parameters, velocity)]
    expected = problem.moved(losses[-1], parameters)
    assert worker.largest_error(program.values(losses[-1]), expected) < 1e-5


def test_a_wrong_result_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong:
        def formula(self, problem: Formula) -> Program:
            return Program(lambda: np.float64(3.0), lambda out: [np.asarray(out)])

    answer = worker.Worker(Wrong()).prepare("scalar call")
    assert "error" in answer["wrong"]


def test_every_formula_agrees_with_its_float64_reference() -> None:
    served = worker.Worker(with_numpy.NumPy())
    for name in ("scalar call", "elementwise 1e3", "elementwise 1e5"):
        answer = served.prepare(name)
        assert answer["error"] < CASES[name].make().tolerance
        assert served.time(0.001)["seconds"] > 0


@pytest.mark.parametrize(
    "name",
    [
        "scalar call",
        "shared counter",
        "elementwise 1e3",
        "softmax columns",
        "logistic regression",
        "switched network",
        "MLP batch 20",
    ],
)
def test_symnet_computes_a_case_right(name: str) -> None:
    served = worker.Worker(theano_style.load("symnet"))
    assert "build" in served.prepare(name)


def test_errors_are_relative_to_each_array() -> None:
    right = [np.array([1.0, -4.0]), np.array([1e-3])]
    values = [np.array([1.0, -4.4]), np.array([1e-3])]
    assert worker.largest_error(values, right) == pytest.approx(0.1)
    assert worker.largest_error([np.ones(3)], [np.ones(2)]) == float("inf")
    bad = [np.ones(1), np.array([np.nan])]
    assert not worker.largest_error(bad, [np.ones(1), np.ones(1)]) <= 1


def test_ratios_are_paired_by_round_and_to_the_fastest_peer() -> None:
    found = {
        "symnet": {"seconds": [1e-3, 3e-3, 2e-3]},
        "jax": {"seconds": [2e-3, 6e-3, 4e-3]},
        "numpy": {"seconds": [1e-3, 1e-3, 1e-3]},
        "torch": {"absent": "no module"},
    }
    case = Case("case", lambda: None, goal=0.4, aside=("numpy",))  # type: ignore[arg-type]
    line = report.call_row(case, found, ["symnet", "jax", "numpy", "torch"])
    assert line == ["case", "0.50 **>** 0.4", "jax", "2 ms", "4 ms", "1 ms", ""]


def test_durations_have_three_digits() -> None:
    shown = [report.duration(s) for s in (12.345, 0.0999, 1e-3, 4.56e-5, 7.89e-8)]
    assert shown == ["12.3 s", "99.9 ms", "1 ms", "45.6 us", "78.9 ns"]
