"""NanGuardMode: what stops a call, what it names, what is let pass."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import function, shared
from symnet.compile import NanGuardMode
from symnet.compile.nanguardmode import NanGuardError
from symnet.typed_list import make_list


def message_of(f: Any, *arguments: Any) -> str:
    with pytest.raises(NanGuardError) as caught:
        f(*arguments)
    text = str(caught.value)
    assert "test_nanguardmode.py" in text  # the user's line
    return text


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex128"])
def test_arguments(dtype: str) -> None:
    x = T.vector("x", dtype=dtype)
    f = function([x], x * 2, mode=NanGuardMode())
    np.testing.assert_array_equal(f(np.ones(3, dtype)), np.full(3, 2, dtype))
    assert f(np.ones(0, dtype)).size == 0
    for bad, what in ((np.nan, "1 NaN of 3"), (np.inf, "1 infinite of 3")):
        text = message_of(f, np.array([1, bad, 2], dtype))
        assert "the argument x" in text and what in text
    if dtype != "float16":  # it ends below
        assert "1 beyond 1e+10 of 1" in message_of(f, np.array([-2e10], dtype))


@pytest.mark.parametrize("nan", [False, True])
@pytest.mark.parametrize("inf", [False, True])
@pytest.mark.parametrize("big", [False, True])
def test_what_is_an_error(nan: bool, inf: bool, big: bool) -> None:
    if not (nan or inf or big):
        with pytest.raises(ValueError, match="must be an error"):
            NanGuardMode(nan, inf, big)
        return
    x = T.dvector("x")
    f = function([x], -x, mode=NanGuardMode(nan, inf, big))
    np.testing.assert_array_equal(f([1.0, -9e9]), [-1.0, 9e9])
    # An infinity is beyond every bound, as in Theano.
    for value, stops in (
        (np.nan, nan),
        (np.inf, inf or big),
        (1e11, big),
        (-1e11, big),
    ):
        if stops:
            message_of(f, [1.0, value])
        else:
            np.testing.assert_array_equal(f([1.0, value]), [-1.0, -value])


def test_the_first_operation_is_named() -> None:
    x = T.dvector("x")
    root = T.sqrt(x - 1)  # of what is negative
    f = function([x], T.exp(root).sum(), mode="NanGuardMode")
    text = message_of(f, [1.0, 0.0])
    assert "the result of sqrt" in text and "root = T.sqrt(x - 1)" in text
    assert "from -1 to 0" in text  # the operand


def test_gradients_are_results_like_others() -> None:
    x = T.dvector("x")
    f = function([x], T.grad(T.sqrt(x).sum(), x), mode=NanGuardMode())
    np.testing.assert_allclose(f([4.0]), [0.25])
    assert "gradient of" in message_of(f, [4.0, 0.0])


def test_a_failed_call_changes_nothing() -> None:
    w = shared(np.array([1.0, 4.0]), "w")
    x = T.dscalar("x")
    f = function([x], updates=[(w, w / x)], mode=NanGuardMode())
    f(2.0)
    np.testing.assert_array_equal(w.get_value(), [0.5, 2.0])
    assert "the result of" in message_of(f, 0.0)
    np.testing.assert_array_equal(w.get_value(), [0.5, 2.0])
    w.set_value(np.array([np.nan, 1.0]))
    assert "the shared variable w" in message_of(f, 2.0)


def test_inside_loops_and_conditions() -> None:
    x = T.dvector("x")
    rows, _ = symnet.scan(lambda one, p: T.log(one) * p, x, T.constant(1.0))
    f = function([x], rows, mode=NanGuardMode())
    np.testing.assert_allclose(f([2.0, 3.0]), np.cumprod(np.log([2.0, 3.0])))
    assert "the result of log" in message_of(f, [2.0, -1.0])
    c = T.lscalar("c")
    chosen = symnet.ifelse.ifelse(c, T.log(x), x)
    f = function([c, x], chosen, mode=NanGuardMode())
    np.testing.assert_array_equal(f(0, [-1.0]), [-1.0])
    assert "the result of log" in message_of(f, 1, [-1.0])


def test_what_raises_no_alarm() -> None:
    x = T.dvector("x")
    constant = T.switch(x > 0, x, T.constant(-np.inf)).max()  # a constant is deliberate
    streams = symnet.tensor.shared_randomstreams.RandomStreams(1)
    outputs = [streams.normal((3,)), T.zeros((0, 2)), x.argmax(), T.exp(-x)]
    f = function([x], outputs, mode=NanGuardMode())
    first, second = f([1.0, 2.0]), f([1.0, 2.0])
    assert np.all(first[0] != second[0])
    text = message_of(function([x], constant, mode=NanGuardMode()), [1.0, -1.0])
    assert "the result of" in text
    with pytest.raises(IndexError):
        function([x], x[T.cast(x, "int64")], mode=NanGuardMode())([7.0])


def test_a_variable_may_be_exempt() -> None:
    x = T.dvector("x")
    y = T.log(x)
    y.tag.nan_guard_mode_check = False
    f = function([x], T.maximum(y, 0.0), mode=NanGuardMode(optimizer=None))
    np.testing.assert_array_equal(f([0.0, 1.0]), [0.0, 0.0])


def test_a_users_operation_is_named() -> None:
    @symnet.compile.as_op([T.dvector], [T.dvector])
    def spoil(x: Any) -> Any:
        return x * np.nan

    x = T.dvector("x")
    f = function([x], spoil(x) + 1, mode=NanGuardMode())
    assert "spoil" in message_of(f, [1.0])


def test_modes_are_values() -> None:
    mode = NanGuardMode(True, False, True)
    assert pickle.loads(pickle.dumps(mode)) == mode != NanGuardMode()
    assert mode.excluding("fusion") != mode
    x = T.dvector("x")
    f = pickle.loads(pickle.dumps(function([x], T.log(x), mode=NanGuardMode())))
    with pytest.raises(NanGuardError):
        f([-1.0])


def test_functions_that_return_lists_are_guarded_too() -> None:
    x, w = T.dvector("x"), shared(1.0)
    pair = make_list([x, T.log(x)])
    f = function([x], pair, updates={w: w + 1}, mode="NanGuardMode")
    np.testing.assert_allclose(f([1.0, 2.0]), [[1, 2], np.log([1, 2])])
    assert w.get_value() == 2
    assert "log" in message_of(f, [-1.0, 2.0])
    assert w.get_value() == 2
