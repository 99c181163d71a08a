"""The methods of variables, as type checkers read them, are those that are attached."""

from __future__ import annotations

import ast

import symnet.tensor as T
from symnet.graph.attached import Attached
from symnet.graph.variables import Variable
from tests.stubs import FILE, stub


def test_the_stub_is_up_to_date() -> None:
    """Otherwise: `python -m tests.stubs && ruff format symnet`."""
    assert ast.dump(ast.parse(FILE.read_text())) == ast.dump(ast.parse(stub()))


def test_variables_take_no_room_for_their_methods() -> None:
    assert issubclass(Variable, Attached)
    assert not vars(T.scalar())


def test_what_only_raises_is_not_declared() -> None:
    assert hasattr(Attached, "__float__")
    assert "__float__" not in FILE.read_text()
