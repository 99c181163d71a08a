"""Python's operators and Theano's methods on variables."""

from __future__ import annotations

import math
import operator

import numpy as np
import pytest

from symnet import function as compiled
from symnet import grad, shared
from symnet.graph.types import TensorType
from symnet.ifelse import ifelse
from symnet.ops import inputs, whole_numbers
from symnet.ops.alloc import alloc, full_like
from symnet.ops.arithmetic import neg, switch
from symnet.ops.base import constant
from symnet.ops.comparison import and_, eq, isnan, neq
from symnet.ops.elementwise import cast
from symnet.ops.functions import exp
from symnet.ops.indexing import nonzero, set_subtensor
from symnet.ops.joining import as_tensor_variable, stack
from symnet.ops.linalg.products import dot
from symnet.ops.nnet.activations import softmax
from symnet.ops.operators import Equality
from symnet.ops.reduce import all as all_
from symnet.ops.reduce import allclose, argmax
from symnet.ops.reduce import any as any_
from symnet.ops.reduce import sum as sum_
from symnet.ops.reshape import flatten
from symnet.ops.scan.step_graph import until
from symnet.ops.statistics import mean, std
from tests.helpers import run

X = np.array([1.5, -2.0, 3.25])
Y = np.array([2.0, 0.5, -1.0])


@pytest.mark.parametrize(
    "function",
    [
        operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv,
        operator.mod, operator.pow, operator.lt, operator.le, operator.gt, operator.ge,
    ],
)  # fmt: skip
def test_binary_operators_with_variables_numbers_and_arrays(function):
    x, y = inputs.dvectors("xy")
    values = {x: X, y: Y}
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(run(function(x, y), values), function(X, Y))
        np.testing.assert_array_equal(run(function(x, 2), {x: X}), function(X, 2))
        np.testing.assert_array_equal(run(function(2.0, x), {x: X}), function(2.0, X))
        np.testing.assert_array_equal(run(function(x, Y), {x: X}), function(X, Y))
        np.testing.assert_array_equal(run(function(Y, x), {x: X}), function(Y, X))
        np.testing.assert_array_equal(
            run(function(np.float64(2), x), {x: X}), function(2.0, X)
        )


@pytest.mark.parametrize("function", [operator.and_, operator.or_, operator.xor])
def test_logic_operators(function):
    x, y = inputs.lvectors("xy")
    a, b = np.array([5, 6, 0]), np.array([3, 6, 1])
    assert run(function(x, y), {x: a, y: b}).tolist() == function(a, b).tolist()
    assert run(function(6, x), {x: a}).tolist() == function(6, a).tolist()
    p = inputs.tensor("bool", shape=(None,))
    assert run(function(p, True), {p: [True, False]}).tolist() == [
        function(True, True),
        function(False, True),
    ]


def test_unary_operators():
    x = inputs.dvector("x")
    for function, want in [
        (operator.neg, -X), (abs, np.abs(X)), (math.floor, np.floor(X)),
        (math.ceil, np.ceil(X)), (math.trunc, np.trunc(X)), (round, np.round(X)),
    ]:  # fmt: skip
        assert run(function(x), {x: X}).tolist() == want.tolist()
    assert +x is x
    n = inputs.lvector("n")
    assert run(~n, {n: [0, 5]}).tolist() == [-1, -6]
    quotient, rest = divmod(n, 3)
    assert [v.tolist() for v in run([quotient, rest], {n: [7, -7]})] == [
        [2, -3],
        [1, 2],
    ]
    assert [v.tolist() for v in run(list(divmod(20, n)), {n: [7, -7]})] == [
        [2, -3],
        [6, -1],
    ]


def test_equality_is_identity():
    x, y = inputs.dscalars("xy")
    assert x == x and x != y
    assert {x: 1, y: 2}[y] == 2
    assert x in [y, x]


@pytest.mark.parametrize(
    "misuse, match",
    [
        (lambda x: 0 < x < 1, "truth value"), (int, "x.eval()"),
        (float, "x.eval()"), (len, r"x.shape\[0\]"), (lambda x: [1, 2][x], "Python number"),
        (lambda x: x ^ 2, r"x \*\* 2"), (lambda x: 2.0 ^ x, r"x \*\* 2"),
        (lambda x: x ^ 2.5, r"x \*\* 2"), (lambda x: x + "a", "not numeric|not an array"),
        (lambda x: x * None, "not numeric"), (lambda x: x & 1, "not defined for float64"),
        (lambda x: round(x, 2), "digits"),
    ],
)  # fmt: skip
def test_misuse_is_told(misuse, match):
    with pytest.raises(TypeError, match=match) as caught:
        misuse(inputs.dscalar("x"))
    assert len(str(caught.value).splitlines()) < 25


def test_equality_is_there_for_programs_written_for_theano(monkeypatch):
    monkeypatch.setattr(Equality, "is_there", True)
    x, y = inputs.dvectors("x", "y")
    for function in (eq, neq):
        with pytest.warns(UserWarning, match="because the comparison is there"):
            assert function(x, y)
    for value in (x < y, x >= y, eq(x, y) & (x < y), ~neq(x, y)):
        with pytest.raises(TypeError, match="truth value"):
            bool(value)


def test_every_variable_is_true_but_a_comparison():
    x, y, flag = inputs.vector("x"), inputs.vector("y"), TensorType("bool", ())("flag")
    true = [
        x, x.sum(), x[0], flag, shared(0.0), constant(0), x.shape, cast(x < y, "int8"),
        (x < y).sum(), isnan(x), switch(x < y, x, y),
    ]  # fmt: skip
    for variable in true:
        assert variable and variable and (variable or 1) is variable
    compared = [
        x < y, x <= y, x > y, x >= y, eq(x, y), neq(x, y), (x < y) & (y < 2), ~(x < y),
        (x < y).all(), (x < y).any(), allclose(x, y),
    ]  # fmt: skip
    for variable in compared:
        with pytest.raises(TypeError, match=r"T.switch(.|\n)*T.eq"):
            bool(variable)


def test_a_python_bool_is_no_variable():
    """It is what `a == b` gives, and every function that is to compute with it says so."""
    x, y = inputs.vector("x"), inputs.vector("y")
    mistakes = [
        mean, sum_, std, all_, any_, argmax, exp, neg, flatten, softmax, nonzero,
        lambda b: compiled([x, y], b), lambda b: compiled([x, y], [x, b]),
        lambda b: compiled([x, y], {"same": b}), lambda b: grad(b, x),
        lambda b: cast(b, "float32"), lambda b: and_(b, b), lambda b: eq(b, b),
        lambda b: switch(b, b, b), lambda b: until(b), lambda b: dot(b, x),
        lambda b: switch(b, x, y), lambda b: ifelse(b, x, y),
    ]  # fmt: skip
    for mistake in mistakes:
        for same in (x == y, x != y):
            with pytest.raises(TypeError, match=r"T\.eq"):
                mistake(same)


def test_a_python_bool_beside_variables_is_a_number():
    x, flag = inputs.vector("x"), TensorType("bool", ())("flag")
    for output, want in (
        (x * True, [2, 3]), (x + True, [3, 4]),
        (switch(flag, x, False), [0, 0]), (set_subtensor(x[:1], True), [1, 3]),
        (alloc(True, 2), [True, True]), (full_like(x, False), [0, 0]),
        (stack([flag, True]), [False, True]), (and_(flag, True), False),
        (constant(True), True), (as_tensor_variable(False), False),
        (sum_(np.bool_(True)), 1), (x.sum(keepdims=True), [5]),
    ):  # fmt: skip
        f = compiled([x, flag], output, on_unused_input="ignore")
        np.testing.assert_array_equal(f([2, 3], False), want)
    state = shared(False)
    compiled([], [], updates=[(state, True)])()
    assert compiled([], flag, givens={flag: True})() and state.get_value()


def test_the_users_line_is_kept():
    x = inputs.dscalar("x")
    y = 1 - x * 2
    assert y.owner.origin.text == "y = 1 - x * 2"


def test_attributes_and_methods():
    x = inputs.tensor("float32", (True, False), "x")
    assert (x.ndim, x.dtype, x.broadcastable) == (2, "float32", (True, False))
    value = X.astype("float32")[None]
    given = {x: value}
    assert run(x.astype("int8"), given).tolist() == [[1, -2, 3]]
    assert x.astype("float32") is x
    assert run(x.clip(-1, 2), given).tolist() == [[1.5, -1, 2]]
    for name in "sum prod mean var std min max ptp all any argmax argmin".split():
        want = getattr(np, name)(value, axis=1)
        np.testing.assert_allclose(
            run(getattr(x, name)(axis=1), given), want, rtol=1e-6
        )
    assert abs(run(x.norm(2), given) - np.linalg.norm(value)) < 1e-6
    assert x.real is x and run(x.imag, given).tolist() == [[0, 0, 0]]
    z = inputs.zvector()
    w = np.array([1 + 2j])
    assert run(z.conj(), {z: w}).tolist() == [1 - 2j]
    assert run(z.real, {z: w}).tolist() == [1] and run(z.imag, {z: w}).tolist() == [2]
    assert x.round().owner.op is whole_numbers.round_half_to_even


# ---- operands that are no numbers


class Scaled:
    """What a library multiplies, adds and compares by rules of its own."""

    def __radd__(self, other):
        return "added to", other

    def __rmod__(self, other):
        return "divided into", other

    def __rmatmul__(self, other):
        return "a product", other

    def __gt__(self, other):
        return "compared with", other


def test_an_operand_with_operators_of_its_own_is_asked():
    x = inputs.dmatrix("x")
    for variable in (x, x + 1, shared(1.0)):
        assert variable + Scaled() == ("added to", variable)
        assert variable % Scaled() == ("divided into", variable)
        assert variable @ Scaled() == ("a product", variable)
        assert (variable < Scaled()) == ("compared with", variable)


@pytest.mark.parametrize(
    "apply",
    [
        lambda x: x - Scaled(),
        lambda x: x >= Scaled(),
        lambda x: x + object(),
        lambda x: x * {},
        lambda x: x @ object(),
    ],
)
def test_one_without_them_is_refused_by_what_it_is(apply):
    with pytest.raises(TypeError, match="is not numeric"):
        apply(inputs.dmatrix("x"))
