"""Reference evaluation: values, and errors that name operation, operands and line."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import function
from symnet.compile.debugmode import Unstable
from symnet.errors import MissingInputError, ShapeError
from symnet.graph.evaluate import evaluate, value_of
from symnet.graph.op import Op
from symnet.graph.variables import Apply


class Failing(Op):
    """Raises `error` when it is computed."""

    __props__ = ()

    def __init__(self, error):
        self.error = error

    def make_node(self, x):
        return Apply(self, [x], [x.type()])

    def compute(self, node, arrays, xp):
        raise self.error


class Unlucky(Exception):
    def __init__(self, left, right):
        super().__init__(left, right)


def test_values_of_leaves_constants_and_shared_variables():
    x, s, c = T.dvector("x"), symnet.shared(np.ones(2), "s"), T.constant([3.0, 4.0])
    got = evaluate([x, s, c, x * s + c], {x: np.array([1.0, 2.0])})
    for one, want in zip(got, [[1, 2], [1, 1], [3, 4], [4, 6]]):
        np.testing.assert_array_equal(one, want)
    assert value_of(c, {}) is c.data


class Counted(Op):
    """Doubles, and counts how often."""

    __props__ = ()
    count = 0

    def make_node(self, x):
        return Apply(self, [x], [x.type()])

    def compute(self, node, arrays, xp):
        Counted.count += 1
        return [arrays[0] * 2]


@pytest.mark.parametrize("chosen", [0, 1])
def test_where_not_all_is_needed_nothing_is_computed_twice(chosen):
    x, c = T.dvector("x"), T.bscalar("c")
    y = Counted()(x)
    one = symnet.ifelse.ifelse(c, y + 1, y * 3)
    Counted.count = 0
    got = evaluate([one, y, one + y, y], {x: np.ones(2), c: np.int8(chosen)})
    want = [3 if chosen else 6, 2, 5 if chosen else 8, 2]
    assert [v.tolist() for v in got] == [[n, n] for n in want]
    assert Counted.count == 1


def test_a_value_may_be_given_for_any_variable():
    x, s = T.dvector("x"), symnet.shared(np.ones(2))
    y = T.exp(x)
    got = evaluate([y * 2, s + 1], {y: np.array([5.0]), s: np.array([1.0, 7.0])})
    np.testing.assert_array_equal(got[0], [10])
    np.testing.assert_array_equal(got[1], [2, 8])


def test_a_leaf_without_value():
    x = T.dvector("x")
    with pytest.raises(MissingInputError, match="x, float64 vector"):
        evaluate([x + 1], {})


def test_errors_gain_the_operation_and_the_line():
    x, y = T.dvectors("x", "y")
    total = x + y
    with pytest.raises(ShapeError) as error:
        evaluate([total], {x: np.ones(3), y: np.ones(4)})
    text = str(error.value)
    for part in (
        "3 and 4",
        "operation: add",
        "x, float64 vector",
        "(4,)",
        "total = x + y",
    ):
        assert part in text


@pytest.mark.parametrize(
    "error",
    [ValueError, TypeError, IndexError, ZeroDivisionError, np.linalg.LinAlgError],
)
def test_errors_keep_their_class(error):
    x = T.dvector("x")
    with pytest.raises(error, match="bad luck") as caught:
        evaluate([Failing(error("bad luck"))(x)], {x: np.ones(2)})
    assert type(caught.value) is error and "operation: Failing" in str(caught.value)
    assert isinstance(caught.value.__cause__, error)


def test_errors_of_other_classes_are_kept_as_they_are():
    x, error = T.dvector("x"), Unlucky(1, 2)
    with pytest.raises(Unlucky) as caught:
        evaluate([Failing(error)(x)], {x: np.ones(2)})
    assert caught.value is error
    assert (
        "operation: Failing" in error.__notes__[0] and "your line" in error.__notes__[0]
    )


def test_what_is_not_implemented_says_so_itself():
    x = T.dvector("x")
    with pytest.raises(NotImplementedError):
        evaluate([Failing(NotImplementedError("later"))(x)], {x: np.ones(2)})


def test_each_operation_is_computed_once():
    calls = []

    class Counting(Op):
        __props__ = ()

        def make_node(self, x):
            return Apply(self, [x], [x.type()])

        def compute(self, node, arrays, xp):
            calls.append(xp)
            return [arrays[0] + 1]

    x = T.dvector("x")
    y = Counting()(x)
    evaluate([y, y * 2, y + y], {x: np.ones(2)})
    assert calls == [np]


class Halved(Op):
    """A user's operation: what NumPy says of it is the user's."""

    __props__ = ()

    def make_node(self, x):
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = np.asarray(inputs[0] / 0)


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE", "DebugMode"])
def test_numpys_error_settings_are_for_users_code(mode):
    """Infinities and NaN are results, in every mode and while constants are folded."""
    x, factor = T.dvector("x"), T.constant(1e200)
    results = [
        x / 0, T.exp(factor) * x, T.prod(x), T.grad(T.prod(x), x), T.log(x - x),
        T.nlinalg.det(T.outer(x, x) * factor), T.cumprod(x), T.nnet.softmax(x * factor),
    ]  # fmt: skip
    given = np.array([1e300, 1e300, 1e-300])
    with np.errstate(all="raise"):
        for result in results:
            try:
                function([x], result, mode=mode)(given)
            except Unstable:
                assert mode == "DebugMode"  # it says that itself
        with pytest.raises(FloatingPointError):
            function([x], Halved()(x), mode=mode)(given)
