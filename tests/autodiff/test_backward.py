"""Errors that arise while a gradient is made name the operation and the user's line."""

from __future__ import annotations

from typing import Any

import pytest

import symnet
import symnet.tensor as T
from symnet.autodiff import backward
from symnet.ifelse import ifelse


def of_size_three(name: str) -> Any:
    return T.TensorType("float64", (3,))(name)


def breaking(error: Exception) -> Any:
    """`tanh`, whose gradient raises an error."""

    def fails(*_: Any) -> Any:
        raise error

    return fails


class Special(Exception):
    """An error that is made of more than a text."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@pytest.mark.parametrize(
    "error", [ValueError("broken"), TypeError("broken"), IndexError("broken")]
)
def test_an_error_names_what_is_differentiated(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    x = of_size_three("x")
    y = T.tanh(x)  # this line
    monkeypatch.setattr(type(y.owner.op), "L_op", breaking(error))
    for ask in (
        lambda: T.grad(y.sum() * 1, x),
        lambda: T.Lop(y, x, T.ones_like(y)),
        lambda: T.Rop(y, x, T.ones_like(x)),
        lambda: T.jacobian(y, x),
    ):
        with pytest.raises(type(error), match="broken") as found:
            ask()
        text = str(found.value)
        assert "in the gradient of: " in text and "your line: " in text
        assert text.count("in the gradient of") == 1


def test_an_error_of_another_kind_has_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    x = of_size_three("x")
    y = T.tanh(x)  # this line
    monkeypatch.setattr(type(y.owner.op), "L_op", breaking(Special(7)))
    with pytest.raises(Special) as found:
        T.Lop(y, x, T.ones_like(y))
    assert found.value.code == 7
    (note,) = found.value.__notes__
    assert "in the gradient of: tanh" in note and "# this line" in note


def test_sizes_that_contradict_within_a_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An operation whose gradient does not fit what else flows to its operand."""
    x, five = of_size_three("x"), T.TensorType("float64", (5,))("five")
    y = T.cumsum(x)  # this line
    monkeypatch.setattr(type(y.owner.op), "L_op", lambda *_: [five])
    with pytest.raises(ValueError, match="do not agree") as found:
        T.grad((y * x).sum(), x)
    text = str(found.value)
    assert "3 and 5" in text or "5 and 3" in text
    assert "your line: " in text and "in the gradient of: " in text


def test_in_loops_and_conditions_the_line_is_that_inside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = of_size_three("x")

    def step(v: Any) -> Any:
        return T.cumsum(T.stack([v, v]))[1]  # the step

    rows, _ = symnet.scan(step, x)
    chosen = ifelse(T.gt(x.sum(), 0), T.cumsum(x), x)  # the step
    kind = type(T.cumsum(x).owner.op)
    monkeypatch.setattr(kind, "L_op", breaking(ValueError("broken")))
    for y in (rows, chosen):
        with pytest.raises(ValueError, match="broken") as found:
            T.grad(y.sum(), x)
        text = str(found.value)
        assert "in the gradient of: Cumulative" in text and "# the step" in text
        assert text.count("your line") == 1


def test_a_note_is_not_told_twice() -> None:
    node = T.exp(of_size_three("x")).owner
    with (
        pytest.raises(ValueError) as found,
        backward.told_by(node),
        backward.told_by(node),
    ):
        raise ValueError("broken")
    assert str(found.value).count("in the gradient of") == 1
