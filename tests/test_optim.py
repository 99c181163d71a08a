"""Update builders against PyTorch's optimizers, step by step; limits and schedules."""

from __future__ import annotations

import importlib.util
import json
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import optim
from symnet.graph.evaluate import evaluate

GOLDEN = pathlib.Path(__file__).parent / "golden"
_spec = importlib.util.spec_from_file_location("make_optim", GOLDEN / "make_optim.py")
assert _spec is not None and _spec.loader is not None
make_optim = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make_optim)

Builder = Callable[[Any, list[Any]], list[Any]]


def scheduled(method: Any, schedule: Callable[[Any], Any]) -> Builder:
    def build(cost: Any, params: list[Any]) -> list[Any]:
        return method(cost, params, schedule(optim.step_counter()))

    return build


def decayed(cost: Any, params: list[Any]) -> list[Any]:
    gradients = optim.decay_weights(symnet.grad(cost, params), params, 0.05)
    return optim.momentum(gradients, params, 0.1)


def adamw(cost: Any, params: list[Any]) -> list[Any]:
    return optim.shrink_weights(optim.adam(cost, params, 0.05), params, 0.05 * 0.1)


BUILDERS: dict[str, Builder] = {
    "sgd": lambda cost, params: optim.sgd(cost, params, 0.3),
    "momentum": lambda cost, params: optim.momentum(cost, params, 0.1, 0.8),
    "nesterov": lambda cost, params: optim.nesterov(cost, params, 0.1, 0.8),
    "adagrad": lambda cost, params: optim.adagrad(cost, params, 0.2),
    "rmsprop": lambda cost, params: optim.rmsprop(cost, params, 0.02, 0.95),
    "adadelta": lambda cost, params: optim.adadelta(cost, params, 2.0, 0.8),
    "adam": lambda cost, params: optim.adam(cost, params, 0.05),
    "adam betas": lambda cost, params: optim.adam(cost, params, 0.05, 0.7, 0.95, 1e-3),
    "decayed": decayed,
    "adamw": adamw,
    "clipped values": lambda cost, params: optim.sgd(
        optim.clip_values(symnet.grad(cost, params), 0.1), params, 0.5
    ),
    "clipped norm": lambda cost, params: optim.sgd(
        optim.clip_norm(symnet.grad(cost, params), 0.3), params, 0.5
    ),
    "step": scheduled(optim.sgd, lambda s: optim.step_decay(s, 0.5, 0.5, 4)),
    "exponential": scheduled(optim.sgd, lambda s: optim.exponential_decay(s, 0.5, 0.9)),
    "cosine": scheduled(
        optim.sgd, lambda s: optim.cosine_decay(s, 0.5, make_optim.STEPS, 0.01)
    ),
    # PyTorch's LinearLR counts from 0: 0.2, 0.4, ..., 1 are five steps.
    "warmup": scheduled(optim.adam, lambda s: optim.linear_warmup(s, 0.1, 5)),
}


def trained(name: str, dtype: str) -> dict[str, list[np.ndarray]]:
    """The parameters after each step, by a compiled function."""
    given = {key: value.astype(dtype) for key, value in make_optim.problem().items()}
    w, b = symnet.shared(given["w"], "w"), symnet.shared(given["b"], "b")
    x, y = T.matrix("x", dtype=dtype), T.matrix("y", dtype=dtype)
    with symnet.change_flags(floatX=dtype):
        cost = T.sqr(T.tanh(T.dot(x, w) + b) - y).sum(axis=1).mean()
        step = symnet.function([x, y], cost, updates=BUILDERS[name](cost, [w, b]))
    seen: dict[str, list[np.ndarray]] = {"w": [], "b": []}
    for _ in range(make_optim.STEPS):
        step(given["x"], given["y"])
        seen["w"].append(w.get_value())
        seen["b"].append(b.get_value())
    return seen


def compare(name: str, dtype: str, expected: dict[str, Any], rtol: float) -> None:
    seen = trained(name, dtype)
    for key in ("w", "b"):
        assert all(value.dtype == dtype for value in seen[key])
        np.testing.assert_allclose(seen[key], expected[key], rtol=rtol, atol=rtol)


GOLDEN_STEPS = json.loads((GOLDEN / "optim.json").read_text())["steps"]


@pytest.mark.parametrize("name", BUILDERS)
def test_every_step_is_pytorchs(name: str) -> None:
    # PyTorch adds 1e-6 to the norm before it divides by it.
    rtol = 1e-5 if name == "clipped norm" else 1e-12
    compare(name, "float64", GOLDEN_STEPS[name], rtol)


@pytest.mark.parametrize("name", BUILDERS)
def test_float32_stays_float32(name: str) -> None:
    compare(name, "float32", GOLDEN_STEPS[name], 3e-5)


def test_the_stored_steps_are_those_of_the_pytorch_that_is_here() -> None:
    torch = pytest.importorskip("torch")
    for name, steps in make_optim.reference(torch).items():
        for key in ("w", "b"):
            np.testing.assert_allclose(GOLDEN_STEPS[name][key], steps[key], rtol=1e-9)


def parameter(value: Any, name: str | None = "w", dtype: str = "float32") -> Any:
    return symnet.shared(np.array(value, dtype), name)


@pytest.mark.parametrize(
    "method", [optim.sgd, optim.momentum, optim.nesterov, optim.adagrad, optim.rmsprop,
               optim.adadelta, optim.adam],
)  # fmt: skip
def test_rates_may_be_numbers_symbols_or_shared(method: Any) -> None:
    symbol, kept = T.dscalar("rate"), symnet.shared(np.float64(0.125))
    results = []
    for rate, arguments in ((0.125, []), (symbol, [symbol]), (kept, [])):
        w = parameter([1.0, -2.0, 3.0])
        updates = method((w**2).sum(), [w], rate)
        assert all(new.type.dtype == p.type.dtype for p, new in updates)
        step = symnet.function(arguments, updates=updates)
        for _ in range(3):
            step(*[0.125 for _ in arguments])
        results.append(w.get_value())
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_state_is_named_after_the_parameter_and_keeps_its_form() -> None:
    w = symnet.shared(np.ones((1, 3), np.float32), "w", broadcastable=(True, False))
    updates = optim.adam((w**2).sum(), [w])
    states = {p.name: p for p, _ in updates}
    assert list(states) == ["adam_count", "w_mean", "w_squares", "w"]
    assert states["w_mean"].type == w.type
    assert states["adam_count"].type.dtype == "int64"


def test_two_groups_of_parameters_share_one_counter() -> None:
    v, w, step = parameter(0.0, "v"), parameter(0.0, "w"), optim.step_counter()
    rate = optim.step_decay(step, 1.0, 0.5, 1)
    updates = optim.sgd([T.ones(())], [v], rate) + optim.sgd([T.ones(())], [w], rate)
    train = symnet.function([], updates=updates)
    for _ in range(3):
        train()
    assert step.get_value() == 3
    assert v.get_value() == w.get_value() == -(1 + 0.5 + 0.25)


def test_a_counter_stands_still_where_it_is_only_looked_at() -> None:
    step = optim.step_counter("s")
    look = symnet.function(
        [], optim.linear_decay(step, 1.0, 4), no_default_updates=True
    )
    assert look() == look() == 1.0
    assert step.name == "s" and step.get_value() == 0


@pytest.mark.parametrize(
    "schedule, expected",
    [
        (lambda s: optim.step_decay(s, 0.8, 0.5, 2), [0.8, 0.8, 0.4, 0.4, 0.2, 0.2]),
        (lambda s: optim.exponential_decay(s, 1.0, 0.5), [1, 0.5, 0.25, 1 / 8, 1 / 16, 1 / 32]),
        (lambda s: optim.inverse_time_decay(s, 1.0, 0.5), [1, 2 / 3, 1 / 2, 2 / 5, 1 / 3, 2 / 7]),
        (lambda s: optim.linear_decay(s, 1.0, 4, 0.2), [1, 0.8, 0.6, 0.4, 0.2, 0.2]),
        (lambda s: optim.cosine_decay(s, 2.0, 4, 1.0),
         [2, 1.5 + 0.5**1.5, 1.5, 1.5 - 0.5**1.5, 1, 1]),
        (lambda s: optim.linear_warmup(s, 0.8, 4), [0.2, 0.4, 0.6, 0.8, 0.8, 0.8]),
        (lambda s: optim.piecewise(s, [1, 4], [3, 2.0, 1.0]), [3, 2, 2, 2, 1, 1]),
        (lambda s: optim.linear_warmup(s, optim.exponential_decay(s, 1.0, 0.5), 2),
         [0.5, 0.5, 0.25, 0.125, 1 / 16, 1 / 32]),
        (lambda s: optim.step_decay(s // 3, 1.0, 0.5, 1), [1, 1, 1, 0.5, 0.5, 0.5]),
    ],
)  # fmt: skip
def test_schedules(schedule: Any, expected: Sequence[float]) -> None:
    for dtype, rtol in (("float32", 1e-6), ("float64", 1e-14)):
        with symnet.change_flags(floatX=dtype):
            follow = symnet.function([], schedule(optim.step_counter()))
        rates = [follow() for _ in expected]
        assert all(rate.dtype == dtype and rate.shape == () for rate in rates)
        np.testing.assert_allclose(rates, expected, rtol=rtol)


def test_late_steps_are_counted_exactly() -> None:
    step = symnet.shared(np.int64(2**24 + 1))
    with symnet.change_flags(floatX="float32"):
        late = evaluate([optim.linear_decay(step, 2.0**25, 2**25)], {})[0]
    assert late == 2**24 - 1


def test_gradients_below_the_bound_are_left_alone() -> None:
    gradients = [T.constant(np.array([3.0, 0.0])), T.constant(np.float64(4.0))]
    assert evaluate([optim.global_norm(gradients)], {})[0] == 5.0
    for bound, scale in ((10.0, 1.0), (5.0, 1.0), (1.0, 0.2)):
        clipped = evaluate(optim.clip_norm(gradients, bound), {})
        np.testing.assert_allclose(clipped[0], [3 * scale, 0])
        np.testing.assert_allclose(clipped[1], 4 * scale)


def test_no_gradient_at_all_is_clipped_to_none() -> None:
    zeros = T.constant(np.zeros(3, np.float32))
    assert not evaluate(optim.clip_norm([zeros], 1.0), {})[0].any()


def test_the_norm_of_large_float32_gradients_does_not_overflow() -> None:
    large = T.constant(np.full(2, 1e30, np.float32))
    clipped = evaluate(optim.clip_norm([large], 1.0), {})[0]
    assert clipped.dtype == np.float32
    np.testing.assert_allclose(clipped, 0.5**0.5, rtol=1e-6)


@pytest.mark.parametrize(
    "wrong, error, text",
    [
        (lambda: optim.sgd([T.vector()], [T.vector()]), TypeError, "shared variables"),
        (lambda: optim.sgd([T.vector()], [symnet.shared(np.zeros(2, int))]), TypeError, "floats"),
        (lambda: optim.sgd([], [parameter([1.0])]), ValueError, "0 gradients for 1"),
        (lambda: optim.sgd([T.vector()] * 2, [parameter([1.0])] * 2), ValueError, "more than"),
        (lambda: optim.sgd([T.vector()], [parameter([1.0])], T.vector()), TypeError, "scalar"),
        (lambda: optim.piecewise(optim.step_counter(), [4, 2], [1, 2, 3]), ValueError, "rising"),
        (lambda: optim.piecewise(optim.step_counter(), [4], [1]), ValueError, "one rate more"),
        (lambda: optim.cosine_decay(optim.step_counter(), 1.0, 0), ValueError, "at least one"),
    ],
)  # fmt: skip
def test_wrong_input_is_refused(wrong: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        wrong()


def test_many_repeated_parameters_are_named_once() -> None:
    w = parameter([1.0], "weights")
    with pytest.raises(ValueError, match="weights$"):
        optim.sgd([T.vector(), T.vector()], [w, w])
