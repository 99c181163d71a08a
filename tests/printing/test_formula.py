from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.printing import pp

x, y, z = T.dscalars("x", "y", "z")
m, n = T.dmatrices("m", "n")
v = T.dvector("v")
i = T.lscalar("i")
labels = T.lvector("labels")


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (x - (y - z), "x - (y - z)"),
        ((x - y) - z, "x - y - z"),
        (x + (y + z), "x + (y + z)"),
        (-(x**2), "-x ** 2"),
        ((-x) ** 2, "(-x) ** 2"),
        (x ** (y**z), "x ** y ** z"),
        ((x**y) ** z, "(x ** y) ** z"),
        (2**-x, "2 ** -x"),
        (x * (y + z) / z, "x * (y + z) / z"),
        (x / (y * z), "x / (y * z)"),
        (x // y % z, "x // y % z"),
        (abs(x) - 2.5, "|x| - 2.5"),
        (x * -3.0, "x * -3"),
        ((x < y) & (y >= z), "(x < y) & (y >= z)"),
        (~T.eq(x, y), "~(x == y)"),
        (T.sqr(x + y), "(x + y) ** 2"),
        (T.exp(x) * T.maximum(y, z), "exp(x) * maximum(y, z)"),
        (T.switch(x > 0, x, 0.0), "switch(x > 0, x, 0)"),
        (i * x, "float64(i) * x"),
        (T.dot(m, n) + v, "m @ n + v"),
        (T.dot(m, n.T), "m @ n.T"),
        (m.dimshuffle(0, "x", 1), "m.dimshuffle(0, 'x', 1)"),
        (m.dimshuffle("x", 0, 1) * 2, "m * 2"),
        (m.sum(), "sum(m)"),
        (m.sum(axis=0), "sum(m, axis=0)"),
        (m / m.sum(axis=1, keepdims=True), "m / sum(m, axis=1, keepdims=True)"),
        (m.mean(), "mean(m)"),
        (T.argmax(m, axis=1), "argmax(m, axis=1)"),
        (m.mean(axis=0), "mean(m, axis=0)"),
        (m[1:i, ::-1], "m[1:i, ::-1]"),
        (m[i] * m[:, 0], "m[i] * m[:, 0]"),
        (m[:-1], "m[:-1]"),
        (T.set_subtensor(m[i], v), "set_subtensor(m[i], v)"),
        (T.inc_subtensor(m[:2], 1.0), "inc_subtensor(m[:2], 1)"),
        (m[T.arange(labels.shape[0]), labels], "m[arange(labels.shape[0]), labels]"),
        (T.inc_subtensor(v[labels], 1.0), "inc_subtensor(v[labels], 1)"),
        (T.zeros((i, 3)) + m, "alloc(0, i, 3) + m"),
        (T.nnet.softmax(m), "softmax(m)"),
        (T.as_tensor_variable(np.float64("inf")) * x, "inf * x"),
        (T.as_tensor_variable(np.arange(3.0)) * x, "[0., 1., 2.] * x"),
    ],
    ids=str,
)
def test_formula(expression: Any, text: str) -> None:
    assert pp(expression) == text


def test_formulas_of_operators_mean_what_they_say() -> None:
    """Python itself reads them back."""
    values = {"x": 1.7, "y": -0.6, "z": 2.3}
    rng = np.random.default_rng(0)
    for _ in range(200):
        pool: list[Any] = [x, y, z]
        for _ in range(6):
            a, b = (pool[k] for k in rng.integers(len(pool), size=2))
            make = rng.integers(5)
            pool.append([a + b, a - b, a * b, -a, a / b][make])
        text = pp(pool[-1]).split(" where ")
        names = dict(values)
        for definition in reversed(text[1].split(", ") if len(text) > 1 else []):
            name, formula = definition.split(" = ")
            names[name] = eval(formula, {}, names)
        want = pool[-1].eval({x: 1.7, y: -0.6, z: 2.3}) if pool[-1].owner else None
        if want is not None and np.isfinite(want):
            np.testing.assert_allclose(eval(text[0], {}, names), want, rtol=1e-9)


def test_what_comes_twice_is_named_once() -> None:
    e = T.exp(x + y * z)
    assert pp(e * e + e) == "a * a + a where a = exp(x + y * z)"
    a = T.dscalar("a")
    assert pp(T.exp(a + y * z) * T.exp(a + y * z)).count("exp") == 2
    shared = T.exp(a + y * z)
    assert pp(shared * shared) == "b * b where b = exp(a + y * z)"


def test_stopping_at_names() -> None:
    h = T.tanh(m)
    h.name = "hidden"
    assert pp(h**2) == "tanh(m) ** 2"
    assert pp(h**2, stop_on_name=True) == "hidden ** 2"
    assert pp(h, stop_on_name=True) == "tanh(m)"


def test_functions_and_lists_have_a_line_for_each_result() -> None:
    w = symnet.shared(np.zeros(3), "w")
    f = symnet.function([v], [v * 2], updates=[(w, w - v)])
    assert pp(f) == "output 0: v * 2\nupdate of w: w - v"
    assert pp([x + y, x]) == "x + y\nx"


def test_size_stays_linear() -> None:
    shared: Any = x
    for _ in range(500):
        shared = shared + shared
    assert len(pp(shared)) < 30_000
    long: Any = x
    for _ in range(20_000):
        long = long + y
    assert pp(long) == "x" + " + y" * 20_000


def test_numbers_have_the_digits_of_their_dtype() -> None:
    x = T.fvector("x")
    assert pp(x * np.float32(0.1)) == "x * 0.1"
    assert pp(T.fscalar("s") + np.float32(1e-8)) == "s + 1e-08"
