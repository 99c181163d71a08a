"""DebugMode says which result is finite as a formula and not as computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.compile.debugmode import Unstable
from symnet.compile.widening import report_unstable, wide_values


def debug(inputs: Any, outputs: Any, **options: Any) -> Any:
    return symnet.function(inputs, outputs, mode="DebugMode", **options)


@pytest.mark.parametrize(("dtype", "large"), [("float32", 90.0), ("float64", 720.0)])
def test_the_step_that_overflows_is_named_with_its_line(
    dtype: str, large: float
) -> None:
    x = T.TensorType(dtype, (False,))("x")
    e = T.exp(x)  # marker: overflows
    f = debug([x], T.sqrt(e + T.sin(e)) / (3.0 + T.sqrt(e)))
    assert np.all(np.isfinite(f(np.array([1.0, 10.0], dtype))))
    with pytest.raises(Unstable) as error:
        f(np.array([1.0, 2 * large], dtype))
    text = str(error.value)
    assert "finite as a formula" in text and "exp" in text.splitlines()[0]
    assert "marker: overflows" in text and "to do: " in text


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_what_is_converted_on_the_way_is_judged(dtype: str) -> None:
    x = T.TensorType(dtype, (False,))("x")
    e = T.exp(T.cast(x, "float64") * 10.0)
    f = debug([x], T.sqrt(e + T.sin(e)) / (3.0 + T.sqrt(e)))
    with pytest.raises(Unstable, match="exp"):
        f(np.array([1, 100], dtype))


def test_values_in_a_wider_dtype() -> None:
    x = T.fvector("x")
    p = T.exp(x) / T.exp(x).sum()
    outputs = [p, p > 0.5, T.cast(p > 0.5, "float32"), x]
    given = {x: np.array([0.0, 200.0, 199.0], "float32")}
    found = wide_values(outputs, given)
    want = 1 / (1 + np.exp(-1.0))
    np.testing.assert_allclose(found[0], [np.exp(-200.0) * want, want, 1 - want], 1e-6)
    np.testing.assert_array_equal(found[1], [False, True, False])
    np.testing.assert_array_equal(found[2], [0, 1, 0])
    np.testing.assert_array_equal(found[3], given[x])


def test_lost_digits_are_named() -> None:
    x = T.fvector("x")
    near_one = T.sqrt(T.cos(x * 1e-6))
    f = debug([x], T.log(1.0 - near_one))  # marker: lost
    with pytest.raises(Unstable, match="log"):
        f(np.ones(2, "float32"))


def test_gradients_and_updates_are_judged() -> None:
    x, w = T.fvector("x"), symnet.shared(np.float32(3.0))
    cost = T.sum(T.sqrt(T.sqr(x * w)))  # at 0: a quotient of nothing
    squares = T.sqrt(T.exp(x * 60.0) + T.sin(x))
    f = debug([x], [], updates=[(w, T.sum(squares) * T.exp(-31.0 * x[0]))])
    with pytest.raises(Unstable):
        f(np.array([3.0], "float32"))
    assert w.get_value() == 3.0  # nothing is updated
    gradient = symnet.grad(T.sum(squares * T.exp(-31.0 * x)), x)
    with pytest.raises(Unstable):
        debug([x], gradient)(np.array([3.0], "float32"))
    assert np.isfinite(debug([x], cost)(np.ones(2, "float32")))


def test_what_is_infinite_by_meaning_is_no_fault() -> None:
    x = T.fvector("x")
    outputs = [1.0 / x, T.log(x), T.exp(x), x - x.max(), T.log(-x)]
    found = debug([x], outputs)(np.array([0.0, 100.0, np.inf, np.nan], "float32"))
    assert np.isinf(found[0][0]) and np.isinf(found[1][0])
    assert np.isinf(found[2][1])  # exp(100) is beyond float32 whoever computes it


def test_a_wide_number_that_only_roundings_make_is_none() -> None:
    """What exp(100) + exp(95) misses of exp(100) is beyond float32, and beyond the digits
    of longdouble that of exp(300) + exp(1); of exp(88.7) + exp(88) it is neither."""
    x = T.fvector("x")
    e = T.exp(x)
    f = debug([x], [e - e.sum(), e[0] - T.dot(e, T.ones_like(e))])
    for far in ([100.0, 95.0], [300.0, 1.0]):
        for found in f(np.array(far, "float32")):
            assert not np.any(np.isfinite(found))
    with pytest.raises(Unstable, match=r"formula \(-1\.65\d*e\+38\)"):
        f(np.array([88.7, 88.0], "float32"))


def test_a_wide_number_that_is_exact_stays_one() -> None:
    x = T.fvector("x")
    e = T.exp(x)
    for left in (e - e.max(), e - T.maximum(e, 1.0)):
        with pytest.raises(Unstable, match=r"formula \(0\)"):
            debug([x], left)(np.array([100.0, 1.0], "float32"))


@pytest.mark.parametrize(
    "form",
    [
        lambda x: T.log(1 + T.exp(x)),
        lambda x: 1 / (1 + T.exp(-x)),
        lambda x: T.exp(x) / T.exp(x).sum(),
        lambda x: T.log(T.sum(T.exp(x))),
        lambda x: T.switch(x > 0, x, T.exp(x) - 1),
    ],
)
def test_forms_that_are_made_stable_are_quiet(form: Any) -> None:
    x = T.fvector("x")
    y = form(x)
    f = debug([x], [y, symnet.grad(T.sum(y * y), x)])
    assert all(
        np.all(np.isfinite(a)) for a in f(np.array([-300, 0, 2, 500], "float32"))
    )


def test_complex_whole_and_empty_results() -> None:
    z, n, x = T.zvector("z"), T.lvector("n"), T.fvector("x")
    given = {z: np.array([np.inf + 0j]), n: np.array([3]), x: np.zeros(0, "float32")}
    outputs = [z * 2, n * 2, T.exp(x), x]
    found = [np.array([np.inf + 0j]), np.array([6]), given[x], given[x]]
    assert report_unstable(outputs, found, given) is None
    infinite = np.array([np.inf], "float32")
    assert report_unstable([x], [infinite], {x: infinite}) is None
