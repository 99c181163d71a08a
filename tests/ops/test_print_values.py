from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.ops.print_values import Print


def test_values_are_printed_when_computed(capsys: pytest.CaptureFixture[str]) -> None:
    x = T.dvector("x")
    f = symnet.function([x], Print("the product", ("shape", "mean"))(x * 2) + 1)
    np.testing.assert_array_equal(f([1.0, 3.0]), [3.0, 7.0])
    assert capsys.readouterr().out.splitlines() == [
        "the product shape = (2,)",
        "the product mean = 4.0",
    ]


def test_default_shows_the_array(capsys: pytest.CaptureFixture[str]) -> None:
    x = T.dvector("x")
    Print("x")(x).eval({x: [1.0, 2.0]})
    assert capsys.readouterr().out == "x __str__ = [1. 2.]\n"


def test_constants_are_printed_at_run_time(capsys: pytest.CaptureFixture[str]) -> None:
    f = symnet.function([], Print("c")(T.constant(np.float64(3))) + 1)
    assert capsys.readouterr().out == ""
    f()
    assert capsys.readouterr().out == "c __str__ = 3.0\n"


def test_own_function_and_gradient() -> None:
    seen: list[Any] = []
    x = T.dvector("x")
    shown = Print(
        "x", global_fn=lambda op, value: seen.append((op.message, value.copy()))
    )(x)
    gradient = T.grad(T.sqr(shown).sum(), x)
    np.testing.assert_array_equal(gradient.eval({x: [1.0, 2.0]}), [2.0, 4.0])
    (message, value), *_ = seen
    assert message == "x"
    np.testing.assert_array_equal(value, [1.0, 2.0])


def test_equality_and_pickling() -> None:
    assert Print("a") == Print("a") != Print("b")
    assert pickle.loads(pickle.dumps(Print("a", ("shape",)))) == Print("a", ("shape",))
    assert str(Print("a")) == "Print{a}"
