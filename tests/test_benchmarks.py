"""The benchmarks' own arithmetic: gradients by hand, checks, medians and ratios."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from benchmarks import report, worker
from benchmarks.cases import CASES, loops, networks, pictures
from benchmarks.cases.case import Case
from benchmarks.frameworks import theano_style, with_numpy
from benchmarks.problem import Array, Formula, Program, Training


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

    assert_gradients(lambda p: problem.by_hand(p, x, y, *constants), at, rng)


def assert_gradients(by_hand: Any, at: list[Array], rng: np.random.Generator) -> None:
    """Compare with the slope of the loss along a random direction of each parameter."""

    def loss(parameters: list[Array]) -> Any:
        return by_hand(parameters)[0]

    gradients = by_hand(at)[1]
    assert len(gradients) == len(at)
    step = 1e-6
    for k, gradient in enumerate(gradients):
        direction = rng.standard_normal(gradient.shape)
        ahead, behind = (
            [p + sign * step * direction if j == k else p for j, p in enumerate(at)]
            for sign in (1, -1)
        )
        slope = (loss(ahead) - loss(behind)) / (2 * step)
        assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", ["elman", "lstm", "plain_lstm", "gru"])
def test_gradients_through_time_are_those_of_the_loss(name: str) -> None:
    rng = np.random.default_rng(0)
    arrays: list[Array]
    if name == "elman":
        training = loops.elman(4, 3, 5, 6, batches=2)
        arrays, by_hand = [training.data[:1], training.labels[:1]], training.by_hand
        parameters = training.parameters
    else:
        problem = getattr(loops, name)(4, 3, 5, 6)
        arrays, by_hand, parameters = (
            problem.arrays,
            problem.by_hand,
            problem.parameters,
        )
    at = [p + 0.3 * rng.standard_normal(p.shape) for p in parameters]
    x = arrays[0].astype(np.float64)
    assert_gradients(lambda p: by_hand(p, x, *arrays[1:]), at, rng)


def test_a_chain_moves_by_the_difference_of_statistics() -> None:
    """All weights zero, and hardly moved: every unit is a fair coin, however long the
    chain is."""
    problem = loops.boltzmann(400, 30, batch=20, steps=2)
    small = 1e-6
    coins = [np.zeros_like(p) for p in problem.parameters]
    problem = dataclasses.replace(problem, parameters=coins, rate=20 * small)
    for framework in (with_numpy.NumPy(), theano_style.load("symnet")):
        program = framework.sampling(problem)
        program.function()
        weights, visible, hidden = (m / small for m in program.values(None))
        first, second = problem.data[:20], problem.data[20:40]
        tossed = first.sum(0) - visible  # heads of 20 tosses for each visible unit
        assert tossed.mean() == pytest.approx(10, abs=6 * np.sqrt(5 / 400))
        assert tossed.var() == pytest.approx(5, rel=0.5)
        np.testing.assert_allclose(hidden, 0, atol=1e-3)
        expected = np.repeat(visible[:, None] / 2, 30, axis=1)
        np.testing.assert_allclose(weights, expected, atol=1e-3)
        program.function()
        again = second.sum(0) - (program.values(None)[1] / small - visible)
        assert 0.5 < np.mean(np.abs(again - tossed) > 0.5) < 1  # other numbers


def test_a_sure_machine_has_one_result() -> None:
    sure = loops.boltzmann(40, 30, batch=20, steps=3).sure()
    assert np.abs(sure.reference()[0]).max() >= 1
    program = with_numpy.NumPy().sampling(sure)
    assert (
        worker.largest_error(program.values(program.function()), sure.reference())
        < 1e-6
    )


def test_steps_that_keep_their_states_are_told_from_those_that_do_not() -> None:
    builds = {
        "last state 1,000": {"symnet": {"growth": [1.0]}, "numpy": {"growth": [0.5]}},
        "last state 100,000": {
            "symnet": {"growth": [98.0]},
            "numpy": {"growth": [0.5]},
        },
    }
    (line,) = report.remarks_on_steps(builds)
    assert "symnet 97.0 MB, numpy 0.0 MB" in line and "**>** 1 MB" in line
    assert list(report.remarks_on_steps({})) == []


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
        "Elman RNN step",
        "LSTM",
        "LSTM written plainly",
        "GRU",
        "RBM CD-15",
        "scalar loop 10,000",
    ],
)
def test_symnet_computes_a_case_right(name: str) -> None:
    served = worker.Worker(theano_style.load("symnet"))
    assert "build" in served.prepare(name)


def test_a_trained_network_says_the_same_everywhere() -> None:
    problem = pictures.vgg(2, ((16, 16), (24,)), side=16, units=(20, 10))
    assert problem.reference(with_numpy.Names)[0].shape == problem.shape == (2, 10)
    first = problem.products[0]
    assert (first.m, first.k, first.n) == (2 * 16 * 16, 27, 16)
    for framework in (with_numpy.NumPy(), theano_style.load("symnet")):
        assert worker.Worker(framework).checked(problem)["error"] < 1e-6


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
