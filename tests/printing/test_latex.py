from __future__ import annotations

import re
from typing import Any

import pytest

import symnet
import symnet.tensor as T
from symnet.printing import latex
from symnet.printing.latex import symbol

x, y, z = T.dscalars("x", "y", "z")
m = T.dmatrix("M")
v = T.dvector("beta_1")


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (x - (y - z), r"x - \left(y - z\right)"),
        ((-x) ** 2, r"\left(-x\right)^{2}"),
        (x * (y + z) / z, r"\frac{x \, \left(y + z\right)}{z}"),
        (T.sqrt(abs(x)), r"\sqrt{\left|x\right|}"),
        (T.exp(-T.sqr(x)), r"e^{-x^{2}}"),
        (T.sqr(T.exp(x)), r"\left(e^{x}\right)^{2}"),
        (x * 2, r"2 \, x"),
        (x + 1e-7, r"x + 1 \cdot 10^{-7}"),
        (T.nnet.sigmoid(x), r"\sigma\left(x\right)"),
        (
            T.switch(x < y, x, y),
            r"\begin{cases}x & x < y \\ y & \text{otherwise}\end{cases}",
        ),
        (T.dot(m, v), r"\mathbf{M} \, \boldsymbol{\beta}_{1}"),
        (T.dot(v, v), r"\boldsymbol{\beta}_{1}^{\top} \, \boldsymbol{\beta}_{1}"),
        (m.T, r"\mathbf{M}^{\top}"),
        (m.sum(axis=0), r"\sum_{0} \mathbf{M}"),
        (m.mean(), r"\operatorname{mean}\left(\mathbf{M}\right)"),
        (m[1:, 0], r"{\mathbf{M}}_{1:, 0}"),
        (T.cast(x, "float32"), "x"),
    ],
    ids=str,
)
def test_latex(expression: Any, text: str) -> None:
    assert latex(expression) == text


def test_symbols() -> None:
    assert symbol("x") == "x"
    assert symbol("W_hid", 2) == r"\mathbf{W}_{\mathrm{hid}}"
    assert symbol("x12") == "x_{12}"
    assert symbol("alpha") == r"\alpha"
    assert symbol("x'") == "x'"
    assert symbol("50% of_it") == r"\mathrm{50\%\ of\_it}"


def test_named_results_have_lines_of_their_own() -> None:
    h = T.tanh(m)
    h.name = "h"
    text = latex(h.sum())
    assert text.splitlines() == [
        r"\begin{aligned}",
        r"& \sum \mathbf{h} \\",
        r"\mathbf{h} &= \tanh\left(\mathbf{M}\right)",
        r"\end{aligned}",
    ]
    assert latex(h.sum(), stop_on_name=True) == r"\sum \mathbf{h}"
    assert latex(h) == r"\mathbf{h} = \tanh\left(\mathbf{M}\right)"


def test_notebooks() -> None:
    assert (x + y)._repr_latex_() == r"$\displaystyle x + y$"
    long: Any = x
    for k in range(1000):
        long = long + T.dscalar(f"x{k}")
    assert long._repr_latex_() is None


def test_braces_are_balanced() -> None:
    cost = T.log(T.nnet.softmax(T.dot(m, m.T)))[0].mean() ** y / T.sqrt(x)
    gradient = T.grad(cost, m)
    for text in (latex(cost), latex(gradient)):
        assert text.count("{") == text.count("}")
        assert text.count(r"\left") == text.count(r"\right")


def test_operations_have_the_names_that_users_know() -> None:
    x, m, rows = T.dvector("x"), T.dmatrix("m"), T.lvector("r")
    random = symnet.random.RandomStream(1)
    images, filters = T.tensor4("i"), T.tensor4("k")
    loop, _ = symnet.scan(lambda a, s: a + s, x, T.constant(1.0))
    cost = -T.log(T.nnet.softmax(m))[T.arange(rows.shape[0]), rows].mean()
    shown = {
        r"\operatorname{sort}": T.sort(x),
        r"\operatorname{conv}\left(\mathbf{i}, {\mathbf{k}}_{:, :, ::-1, ::-1}\right)":
            T.nnet.conv2d(images, filters),
        r"\operatorname{normal}\left(3, 4\right)": random.normal((3, 4)),
        r"\operatorname{gamma}\left(": random.gamma((3,), shape=x[:3]),
        r"\left[\sum \mathbf{x}, 2\right]": T.stack([x.sum(), 2.0]),
        r"\operatorname{set\_subtensor}\left({\mathbf{x}}_{:2}, 1\right)":
            T.set_subtensor(x[:2], 1.0),
        r"\operatorname{inc\_subtensor}\left({\mathbf{x}}_{\mathbf{r}}, 1\right)":
            T.inc_subtensor(x[rows], 1.0),
        r"\log\operatorname{softmax}\left(\mathbf{m}\right)": T.grad(cost, m),
        r"\operatorname{scan}": loop[-1],
        r"\operatorname{search\_sorted}\left(\mathbf{x}": T.searchsorted(x, 1.0),
        r"\mathbf{x}": T.specify_shape(x, (3,)),
    }  # fmt: skip
    for part, variable in shown.items():
        text = latex(variable)
        assert part in text
        assert not re.search(r"[a-z][A-Z]\w*\\?[({]|Subtensor|Alloc|Demanded", text), (
            text
        )
