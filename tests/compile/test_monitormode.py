"""MonitorMode: what is seen of a run, and what ends it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import function, shared
from symnet.compile import MonitorMode
from symnet.compile.monitormode import detect_nan


def test_everything_is_seen_before_and_after() -> None:
    seen: list[Any] = []

    def before(i: int, node: Any, fn: Any) -> None:
        assert all(cell[0] is None for cell in fn.outputs)
        seen.append((i, str(node.op), [float(cell[0]) for cell in fn.inputs]))

    def after(i: int, node: Any, fn: Any) -> None:
        assert i == seen[-1][0]
        seen.append([float(cell[0]) for cell in fn.outputs])

    x = T.dscalar("x")
    f = function([x], T.exp(x) * 3, mode=MonitorMode(before, after, optimizer=None))
    assert f(0.0) == 3
    assert seen == [(0, "exp", [0.0]), [1.0], (1, "mul", [1.0, 3.0]), [3.0]]


def test_detect_nan_prints_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    x = T.dscalar("x")
    f = function([x], T.log(x) * x, mode=MonitorMode(post_func=detect_nan))
    f(1.0)
    assert capsys.readouterr().out == ""
    assert np.isnan(f(0.0))
    printed = capsys.readouterr().out
    assert "NaN detected" in printed and "test_monitormode.py" in printed


def test_what_a_watcher_raises_ends_the_call() -> None:
    def stop(i: int, node: Any, fn: Any) -> None:
        raise KeyError("enough")

    w = shared(1.0)
    f = function([], updates=[(w, w + 1)], mode=MonitorMode(post_func=stop))
    with pytest.raises(KeyError, match="enough"):
        f()
    assert w.get_value() == 1


def test_only_the_branch_that_is_taken_is_computed() -> None:
    seen = []
    c, x = T.lscalar("c"), T.dscalar("x")
    y = symnet.ifelse.ifelse(c, T.exp(x), T.log(x))
    watch = MonitorMode(post_func=lambda i, node, fn: seen.append(str(node.op)))
    assert function([c, x], y, mode=watch)(1, 0.0) == 1
    assert "log" not in seen


def test_wrong_watchers() -> None:
    with pytest.raises(TypeError, match="no function"):
        MonitorMode(pre_func=3)
    with pytest.raises(ValueError, match="linker of its own"):
        MonitorMode(linker="py")
