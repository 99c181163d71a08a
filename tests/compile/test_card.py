"""What notebooks show for functions."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.compile.card import MOST_LISTED, bytes_text
from tests.helpers import reference_sort
from tests.test_html_tables import cells


def shown(function: symnet.Function[Any]) -> dict[str, str]:
    return {row[0]: row[1] for row in cells(function._repr_html_())}


def test_what_goes_in_comes_out_and_runs() -> None:
    x, w = T.dmatrix("x"), symnet.shared(np.ones((40, 30)), "w")
    cost = T.sqr(T.tanh(T.dot(x, w))).sum()
    updates = [(w, w - 0.1 * symnet.grad(cost, w))]
    step = symnet.function([x], [cost, T.exp(x)], updates=updates, name="step<1>")
    before = shown(step)
    assert before["inputs"] == "x: float64 matrix"
    assert before["outputs"] == "number 0: float64 scalar\nnumber 1: float64 matrix"
    assert before["updates"] == "w: float64 matrix"
    assert before["mode"] == "FAST_RUN on cpu"
    assert re.fullmatch(r"\d kernels, 2 library calls", before["runs"])
    assert before["plans"] == "none yet: the first call compiles"
    assert "memory of temporaries" not in before
    assert "<b>function step&lt;1&gt;</b>" in step._repr_html_()
    for rows in (50, 50, 20):
        step(np.ones((rows, 40)))
    after = shown(step)
    assert after["plans"].startswith("2, with machine code, in ")
    # At least the hidden layer of both plans.
    amount, unit = after["memory of temporaries"].split()
    assert unit == "kB" and float(amount) > 70 * 30 * 8 / 1000


def test_names_of_operations_do_not_leak() -> None:
    x = T.dvector()
    function = symnet.function([x], {"total": T.exp(x).sum(), "rest": x[1:]})
    card = shown(function)
    assert card["inputs"] == "number 0: float64 vector"
    assert sorted(card["outputs"].splitlines(), reverse=True) == [
        "total: float64 scalar",
        "rest: float64 vector",
    ]
    text = function._repr_html_()
    assert not re.search(r"Reduce|Subtensor|sum\{|exp", text)


@pytest.mark.parametrize(
    "mode, runs",
    [
        ("FAST_COMPILE", "the graph as it stands, by NumPy; nothing is compiled"),
        ("DebugMode", "1 kernel; each call is computed three times and compared"),
    ],
)
def test_other_modes(mode: str, runs: str) -> None:
    x = T.dvector("x")
    function = symnet.function([x], T.exp(x), mode=mode)
    function([1.0])
    assert shown(function)["runs"] == runs
    assert shown(function)["mode"] == f"{mode} on cpu"


def test_work_of_all_kinds() -> None:
    x = T.dvector("x")
    rows, _ = symnet.scan(lambda a, s: T.tanh(a + s), x, T.constant(1.0))
    assert "1 loop" in shown(symnet.function([x], rows))["runs"]
    sort = shown(symnet.function([x], T.exp(reference_sort(x))))
    assert sort["runs"].endswith("1 operation by NumPy")
    nothing = symnet.function([], [])
    nothing()
    assert shown(nothing)["runs"] == "nothing: results are there already"


def test_long_lists_are_folded_up() -> None:
    inputs = [T.dscalar(f"x{k}") for k in range(MOST_LISTED + 2)]
    text = symnet.function(inputs, sum(inputs[1:], inputs[0]))._repr_html_()
    assert "<summary>2 more</summary>" in text
    assert all(f"<code>{v.name}</code>" in text for v in inputs)


def test_a_freed_function_has_no_memory() -> None:
    x = T.dmatrix("x")
    function = symnet.function([x], T.dot(T.exp(x), x))
    function(np.eye(30))
    assert "memory of temporaries" in shown(function)
    function.free()
    assert "memory of temporaries" not in shown(function)


def test_sizes_in_words() -> None:
    texts = [bytes_text(n) for n in (0, 999, 1000, 2_500_000, 3_210_000_000)]
    assert texts == ["0 bytes", "999 bytes", "1 kB", "2.5 MB", "3.21 GB"]
