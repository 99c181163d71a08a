"""Where values lie: on the CPU, or where a user's function puts them."""

from __future__ import annotations

import pytest

import symnet.tensor as T
from symnet.graph.variables import Variable
from symnet.ops import transfer as module


def test_the_cpu_is_where_all_is() -> None:
    x = T.dvector()
    assert T.transfer(x, "cpu") is x
    assert x.transfer("cpu") is x
    assert T.transfer(2.0, "cpu").eval() == 2
    with pytest.raises(ValueError, match="no device 'dev0'"):
        x.transfer("dev0")


def test_targets_of_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TARGETS", [])

    def doubled(variable: Variable, target: str) -> Variable | None:
        return variable * 2 if target == "double" else None

    T.register_transfer(doubled)
    assert T.transfer(3.0, "double").eval() == 6
    with pytest.raises(ValueError, match="no device 'triple'"):
        T.transfer(3.0, "triple")
    with pytest.raises(TypeError, match="takes a function"):
        T.register_transfer("triple")  # type: ignore[arg-type]
