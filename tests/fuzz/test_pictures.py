"""Convolution and pooling as the fuzzer means them, beside loops and numbers by hand."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from tests.convolutions import direct
from tests.fuzz.generate import generate
from tests.fuzz.program import all_steps
from tests.fuzz.spaces import Arrays, Tie, Wide, widened

RNG = np.random.default_rng(8)
PLAIN = {"strides": [1, 1], "dilations": [1, 1], "groups": 1, "flip": False}
CASES: list[tuple[Any, dict[str, Any]]] = [
    ("valid", {}),
    ("full", {"flip": True}),
    ("half", {"strides": [2, 1]}),
    (1, {"dilations": [2, 1]}),
    (["half", [0, 2]], {"groups": 2, "flip": True}),
    ([[1, 0], "full"], {"groups": 4, "strides": [3, 2], "dilations": [1, 2]}),
]


@pytest.mark.parametrize("border, rest", CASES)
def test_a_convolution_is_that_of_loops(border: Any, rest: dict[str, Any]) -> None:
    step = {"border": border, **PLAIN, **rest}
    x = RNG.normal(size=(2, 4, 6, 5))
    w = RNG.normal(size=(4, 4 // step["groups"], 3, 2))
    sides = border if isinstance(border, list) else [border] * 2
    sides = tuple(tuple(b) if isinstance(b, list) else b for b in sides)
    wanted = direct(
        x, w, sides, step["strides"], step["dilations"], step["flip"], step["groups"]
    )
    np.testing.assert_allclose(Arrays.convolve(x, w, step), wanted, atol=1e-13)
    many = Wide.convolve(widened(x), widened(w), step)
    assert all(isinstance(v, mpmath.mpf) for v in many.ravel())
    np.testing.assert_allclose(many.astype(float), wanted, atol=1e-13)


def test_what_does_not_fit_means_nothing() -> None:
    step = {"border": "valid", **PLAIN}
    for shape in ((1, 3, 2, 2), (1, 2, 4, 2), (1, 2, 0, 1)):
        with pytest.raises(ValueError):
            Arrays.convolve(np.ones((1, 2, 3, 3)), np.ones(shape), step)


ROW = np.array([[1.0, 5.0, 2.0, 4.0, 3.0]])


@pytest.mark.parametrize("mode, window, stride, padding, ignore, wanted", [
    ("max", 2, 2, 0, True, [5, 4]),
    ("max", 2, 2, 0, False, [5, 4, 3]),
    ("max", 3, 1, 0, True, [5, 5, 4]),
    ("max", 3, 2, 1, True, [5, 5, 4]),
    ("sum", 3, 2, 1, True, [6, 11, 7]),
    ("average_inc_pad", 2, 2, 1, True, [0.5, 3.5, 3.5]),
    ("average_exc_pad", 2, 2, 1, True, [1, 3.5, 3.5]),
    ("average_inc_pad", 2, 2, 0, False, [3, 3, 3]),
    ("sum", 4, 2, 0, False, [12, 9]),  # a third window would hold nothing new
    ("sum", 2, 7, 0, False, [6]),
    ("sum", 6, 1, 0, True, []),
    ("sum", 6, 1, 0, False, [15]),
])  # fmt: skip
def test_pooling_is_as_by_hand(
    mode: str, window: int, stride: int, padding: int, ignore: bool, wanted: list[float]
) -> None:
    step = {"window": [1, window], "strides": [1, stride], "padding": [0, padding],
            "mode": mode, "ignore_border": ignore}  # fmt: skip
    np.testing.assert_array_equal(Arrays.pool(ROW, step), [wanted])
    many = Wide.pool(widened(ROW), step)
    np.testing.assert_array_equal(many.astype(float), [wanted])
    turned = {**step, "window": [window, 1], "strides": [stride, 1],
              "padding": [padding, 0]}  # fmt: skip
    np.testing.assert_array_equal(Arrays.pool(ROW.T, turned), np.transpose([wanted]))


def test_equal_maxima_are_a_tie() -> None:
    step = {"window": [1, 2], "strides": [1, 2], "padding": [0, 0], "mode": "max",
            "ignore_border": True}  # fmt: skip
    with pytest.raises(Tie):
        Wide.pool(widened([[1.0, 1.0]]), step)


def test_pictures_are_drawn_in_all_their_kinds() -> None:
    drawn = [generate(seed) for seed in range(3, 600, 5)]
    steps = [s for p in drawn for s in all_steps(p["steps"])]
    pools = [s for s in steps if s["do"] == "pool"]
    convolutions = [s for s in steps if s["do"] == "convolve"]
    assert {s["mode"] for s in pools} == {
        "max", "sum", "average_inc_pad", "average_exc_pad"
    }  # fmt: skip
    assert {s["ignore_border"] for s in pools} == {True, False}
    assert any(max(s["padding"]) for s in pools)
    assert {"valid", "full", "half", 1, 2} <= {
        s["border"] for s in convolutions if not isinstance(s["border"], list)
    }
    sides = [s["border"] for s in convolutions if isinstance(s["border"], list)]
    assert any(isinstance(b, list) for border in sides for b in border)
    assert {1, 2, 3} <= {s["groups"] for s in convolutions}
    assert {s["flip"] for s in convolutions} == {True, False}
    inside = [i["do"] for s in steps if s["do"] == "loop" for i in s["steps"]]
    assert {"convolve", "pool"} <= set(inside)
    assert any(p["descends"] for p in drawn) and any(p["updates"] for p in drawn)
    assert {x["dtype"] for p in drawn for x in p["leaves"]} == {
        "float16", "float32", "float64"
    }  # fmt: skip
