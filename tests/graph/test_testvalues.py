"""Test values flow along while a graph is built."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.config import config
from symnet.errors import MissingInputError
from symnet.graph.testvalues import get_test_value


def test_results_get_test_values() -> None:
    x, w = T.dmatrix("x"), symnet.shared(np.full(3, 2.0), "w")
    x.tag.test_value = [[1, 2, 3]]
    with config.change_flags(compute_test_value="raise"):
        y = T.exp(x * w) + 1
        slope = T.grad(y.sum(), w)
        first, second = T.max_and_argmax(y, axis=1)
    np.testing.assert_allclose(y.tag.test_value, np.exp([[2, 4, 6]]) + 1)
    np.testing.assert_allclose(slope.tag.test_value, [1, 2, 3] * np.exp([2, 4, 6]))
    assert second.tag.test_value == [2]
    assert first.tag.test_value.shape == (1,)
    assert get_test_value(w) is w.array
    assert not hasattr((x * 2).tag, "test_value")


def test_mistakes_show_where_they_are_made() -> None:
    x, w = T.dmatrix("x"), symnet.shared(np.zeros((4, 2)), "w")
    x.tag.test_value = np.ones((5, 3))
    with config.change_flags(compute_test_value="ignore"):
        with pytest.raises(ValueError) as caught:
            T.dot(x, w)  # here
        text = str(caught.value)
        assert "(5, 3)" in text and "(4, 2)" in text and "# here" in text
        x.tag.test_value = np.ones(3)
        with pytest.raises(TypeError, match="rank 1"):
            x * 2


def test_inputs_without_test_value() -> None:
    x = T.dvector("x")
    with config.change_flags(compute_test_value="ignore"):
        assert not hasattr((x * 2).tag, "test_value")
    with (
        config.change_flags(compute_test_value="raise"),
        pytest.raises(
            MissingInputError, match=r"x has no test value(.|\n)*tag.test_value"
        ),
    ):
        x * 2
    with (
        config.change_flags(compute_test_value="warn"),
        warnings.catch_warnings(record=True) as seen,
    ):
        warnings.simplefilter("always")
        x * 2
    (only,) = seen
    assert __file__ in str(only.message) and "x has no test value" in str(only.message)


def test_compiling_computes_no_test_values() -> None:
    x, w = T.dvector("x"), symnet.shared(np.ones(3, "float32"))
    with config.change_flags(compute_test_value="off"):
        y = T.log(T.exp(x) / T.exp(x).sum()) * 1 + 0 * x
    with config.change_flags(compute_test_value="raise", warn_float64="raise"):
        f = symnet.function([x], y)
        g = symnet.function([], w * 2)
    np.testing.assert_allclose(f([1.0, 1.0]), np.log([0.5, 0.5]))
    assert g().dtype == "float32"


def test_float64_is_told() -> None:
    with config.change_flags(warn_float64="raise"):
        x = T.fvector("x")
        x * 2.0
        with pytest.raises(TypeError, match="float64") as caught:
            x * np.ones(3)
        assert __file__ in str(caught.value)
        with pytest.raises(TypeError):
            T.dmatrix()
    with config.change_flags(warn_float64="warn"), pytest.warns(match="float64 matrix"):
        T.dmatrix()


@pytest.mark.parametrize("setting", ["raise", "warn"])
def test_derivatives_of_loops_have_test_values(
    setting: str, recwarn: pytest.WarningsRecorder
) -> None:
    """Inside of a loop's derivative are leaves that have none."""
    with config.change_flags(compute_test_value=setting):
        u, w = T.dvector("u"), symnet.shared(np.array([2.0, 3.0]), "w")
        u.tag.test_value = np.array([1.0, 4.0])
        each, _ = symnet.scan(lambda a, b: (a * b).sum(), [u], non_sequences=[w])
        slope = symnet.grad((each**2).sum(), w)
        curved = symnet.gradient.hessian((u**3).sum(), u)
        turned = symnet.gradient.jacobian(each, w)
        sums = u.sum() * 5
    np.testing.assert_allclose(slope.tag.test_value, [170, 170])
    np.testing.assert_allclose(curved.tag.test_value, [[6, 0], [0, 24]])
    np.testing.assert_allclose(turned.tag.test_value, [[1, 1], [4, 4]])
    assert sums.tag.test_value == 25
    assert not recwarn.list
