"""What a user reads when something goes wrong: the last lines name the operation, the
operands, the line of this very file, and what to do; the whole report is short."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.errors import (
    DisconnectedInputError,
    MissingInputError,
    NullTypeGradError,
    ShapeError,
    UnusedInputError,
)
from symnet.graph.origin import PACKAGE

LONGEST = 25
MODES = ["FAST_RUN", "FAST_COMPILE"]


def told(error: type[Exception], call: Callable[[], Any], *words: str) -> str:
    """The report that `call` ends in: of that error, short, and with these words."""
    with pytest.raises(error) as caught:
        call()
    lines = traceback.format_exception(caught.type, caught.value, caught.tb)
    report = "".join(lines)
    assert len(report.splitlines()) <= LONGEST, report
    text = str(caught.value)
    for word in words:
        assert word in text, f"{word!r} is not in:\n{text}"
    return text


# ---- errors of a run lead to the line that made the operation


@pytest.mark.parametrize("mode", MODES)
def test_a_plain_operation(mode: str) -> None:
    x, y = T.dmatrix("x"), T.dvector("y")
    f = symnet.function([x, y], x + y, mode=mode)  # this line
    told(
        ShapeError, lambda: f(np.ones((2, 3)), np.ones(2)),
        "operation: add", "x, float64 matrix", "y, float64 vector", "(2, 3)", "(2,)",
        f"{__file__}:", "# this line",
    )  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_inside_fused_operations(mode: str) -> None:
    x, y = T.dmatrix("x"), T.dvector("y")
    scaled = T.exp(x) * 2
    moved = scaled + y  # here sizes meet
    f = symnet.function([x, y], T.tanh(moved).sum(), mode=mode)
    told(
        ShapeError, lambda: f(np.ones((2, 3)), np.ones(2)),
        "operation: add", "(2, 3)", "(2,)", "# here sizes meet",
    )  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_in_a_gradient(mode: str) -> None:
    x, w = T.dmatrix("x"), symnet.shared(np.zeros((3, 4)), "w")
    cost = (T.dot(x, w) ** 2).sum()  # the product
    f = symnet.function([x], T.grad(cost, w), mode=mode)
    told(ShapeError, lambda: f(np.ones((2, 5))), "Dot", "w, float64", "# the product")
    y = T.dmatrix("y")
    weighted = T.grad((T.sqr(x) * y).sum(), x)  # only the gradient is wanted
    g = symnet.function([x, y], weighted, mode=mode)
    told(
        ShapeError,
        lambda: g(np.ones((2, 3)), np.ones((2, 4))),
        "mul",
        "# only the gradient",
    )


@pytest.mark.parametrize("mode", MODES)
def test_positions_out_of_range(mode: str) -> None:
    x, i = T.dmatrix("x"), T.lvector("i")
    f = symnet.function([x, i], x[i], mode=mode)  # the rows
    told(
        IndexError, lambda: f(np.ones((2, 5)), [0, 7]),
        "index 7", "size 2", "x, float64 matrix", "# the rows",
    )  # fmt: skip
    k = T.lscalar("k")
    g = symnet.function([x, k], x[k], mode=mode)  # one row
    told(IndexError, lambda: g(np.ones((2, 5)), 2), "x, float64 matrix", "# one row")


def test_frames_of_symnet_are_hidden_until_they_are_asked_for() -> None:
    x = T.dvector("x")
    f = symnet.function([x], x + x[:2])

    def inside() -> int:
        with pytest.raises(ShapeError) as caught:
            f([1.0, 2.0, 3.0])
        names = [entry.filename for entry in traceback.extract_tb(caught.tb)]
        return sum(name.startswith(PACKAGE) for name in names)

    assert inside() <= 2
    with symnet.config.change_flags(exception_verbosity="high"):
        assert inside() > 4


def test_an_own_op_keeps_its_frame() -> None:
    class Refuse(symnet.Op):
        __props__ = ()

        def make_node(self, x: Any) -> symnet.Apply:
            return symnet.Apply(self, [x], [x.type()])

        def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
            raise RuntimeError("not today")

    x = T.dvector("x")
    f = symnet.function([x], Refuse()(x))
    with pytest.raises(RuntimeError, match="not today") as caught:
        f([1.0])
    report = "".join(traceback.format_exception(caught.type, caught.value, caught.tb))
    assert "in perform" in report
    assert len(report.splitlines()) <= LONGEST


# ---- known sizes that do not fit fail on the line that combines them


def test_known_sizes_fail_where_they_meet() -> None:
    a, b = (T.TensorType("float64", (2, n))(f"a{n}") for n in (3, 4))
    cases: list[tuple[Callable[[], Any], str]] = [
        (lambda: a + b, "operation: add"),
        (lambda: T.dot(a, b), "operation: Dot"),
        (lambda: T.join(0, a, b), "Join"),
        (lambda: a.reshape((5,)), "reshape"),
        (lambda: T.set_subtensor(a[:1], np.zeros((1, 2))), "Subtensor"),
        (lambda: a[2], "2"),
    ]
    for call, word in cases:
        error = IndexError if word == "2" else ValueError
        with pytest.raises(error) as caught:
            call()
        assert word.lower() in str(caught.value).lower()
        assert len(str(caught.value).splitlines()) <= LONGEST


def test_ranks_and_dtypes_fail_where_they_meet() -> None:
    x, k = T.dmatrix("x"), T.lvector("k")
    told(TypeError, lambda: x[0.5], "index")
    told(TypeError, lambda: x ^ x, "x ** 2")
    told(TypeError, lambda: bool(x > 0), "T.switch")
    told(TypeError, lambda: len(k), "shape[0]")
    told(TypeError, lambda: float(k.sum()), ".eval()")


# ---- broadcasting: 1 and unknown sizes agree in updates


@pytest.mark.parametrize("mode", MODES)
def test_one_channel_trains_without_casts(mode: str) -> None:
    """A parameter with a size of 1 whose gradient does not know it, and the reverse."""
    start = np.arange(9.0).reshape(1, 1, 3, 3) / 9
    w = symnet.shared(start, "w")
    speed = symnet.shared(
        np.zeros((1, 1, 3, 3)), "speed", broadcastable=(True, True, False, False)
    )
    x = T.dtensor4("x")
    cost = ((w * x.mean(axis=0, keepdims=True)) ** 2).sum()
    slope = T.grad(cost, w)
    step = 0.9 * T.unbroadcast(speed, 0, 1) - 0.1 * slope
    f = symnet.function([x], cost, updates=[(speed, step), (w, w + step)], mode=mode)
    value = np.ones((2, 1, 3, 3))
    want, moved = start.copy(), np.zeros_like(start)
    for _ in range(3):
        moved = 0.9 * moved - 0.1 * 2 * want
        want = want + moved
        f(value)
    np.testing.assert_allclose(w.get_value(), want)
    np.testing.assert_allclose(speed.get_value(), moved)


@pytest.mark.parametrize("mode", MODES)
def test_a_size_that_turns_out_to_be_one(mode: str) -> None:
    x, row = T.dmatrix("x"), T.dmatrix("row")
    f = symnet.function([x, row], x * row, mode=mode)
    text = told(
        ShapeError, lambda: f(np.ones((2, 3)), np.ones((1, 3))), "row, float64 matrix"
    )
    assert "addbroadcast" in text or mode == "FAST_COMPILE"
    g = symnet.function([x, row], x * T.addbroadcast(row, 0), mode=mode)
    np.testing.assert_array_equal(
        g(np.ones((2, 3)), np.full((1, 3), 2.0)), np.full((2, 3), 2.0)
    )
    told(ValueError, lambda: g(np.ones((2, 3)), np.ones((2, 3))), "row")


# ---- dtypes


def test_an_update_of_higher_precision_names_its_source() -> None:
    w = symnet.shared(np.zeros(3, "float32"), "w")
    scaled = w * np.ones(3)  # float64 enters here
    later = scaled + 1
    told(
        TypeError, lambda: symnet.function([], [], updates=[(w, later)]),
        "w, float32 vector", "float64 comes from", "# float64 enters here",
        ".astype('float32')",
    )  # fmt: skip


def test_arguments_that_do_not_fit() -> None:
    x, k = T.fmatrix("x"), T.ivector("k")
    f = symnet.function([x, k], x.sum() + k.sum(), name="total")
    fine = np.ones((2, 2), "float32")
    told(TypeError, lambda: f(fine), "total", "misses", "k, int32 vector")
    told(TypeError, lambda: f(np.ones(3, "float32"), [1]), "argument 0 (x)", "rank 2")
    told(TypeError, lambda: f(np.ones((2, 2)), [1]), "float64", "allow_input_downcast")
    told(TypeError, lambda: f(fine, [1.5]), "argument 1 (k)")
    told(TypeError, lambda: f(fine, [1], z=2), "'z'", "x, k")
    told(TypeError, lambda: f(fine, k), "symbolic")


# ---- inputs, givens, updates


def test_an_unused_input() -> None:
    x, y = T.dmatrix("x"), T.dvector("y")
    told(
        UnusedInputError, lambda: symnet.function([x, y], x * 2),
        "y, float64 vector", "on_unused_input='ignore'",
    )  # fmt: skip
    told(
        UnusedInputError, lambda: symnet.function([x, y], x * y, givens={y: x[0]}),
        "y, float64 vector", "givens",
    )  # fmt: skip
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        symnet.function([x, y], x * 2, on_unused_input="warn")
    assert [str(one.message).split(",")[0] for one in seen] == ["the input y"]
    assert (
        symnet.function([x, y], x.sum(), on_unused_input="ignore")([[1.0]], [2.0]) == 1
    )
    told(ValueError, lambda: symnet.function([x], x, on_unused_input="no"), "'raise'")


def test_a_missing_input() -> None:
    learning_rate, x = T.dscalar("learning_rate"), T.dvector("x")
    learning_rats = T.dscalar("learning_rats")
    scaled = x * learning_rate  # who needs it
    told(
        MissingInputError, lambda: symnet.function([x, learning_rats], scaled),
        "learning_rate, float64 scalar", "did you mean learning_rats", "# who needs it",
        "givens={learning_rate: value}",
    )  # fmt: skip


def test_givens_and_updates_of_a_wrong_kind() -> None:
    x, w = T.dvector("x"), symnet.shared(np.zeros((2, 2)), "w")
    function = symnet.function
    told(TypeError, lambda: function([], x, givens={"x": 1}), "'x'", "variable itself")
    told(
        TypeError, lambda: function([], x, givens={x: w}), "ranks differ", "dimshuffle"
    )
    told(TypeError, lambda: function([x], x, updates=[(x, x)]), "shared variables")
    told(
        TypeError, lambda: function([x], x, updates=[(w, w.sum())]), "w, float64 matrix"
    )
    told(ValueError, lambda: function([x], x, updates=[(w, w), (w, w * 2)]), "twice")
    told(TypeError, lambda: function([x, w], x), "cannot be an input", "givens")
    told(TypeError, lambda: function(x, x), "[x, y]")


# ---- gradients


def test_a_gradient_by_what_the_cost_does_not_use() -> None:
    x, y = T.dvector("x"), T.dvector("y")
    cost = (x**2).sum()
    told(
        DisconnectedInputError, lambda: T.grad(cost, y),
        "y, float64 vector", "disconnected_inputs='ignore'",
    )  # fmt: skip
    zero = T.grad(cost, y, disconnected_inputs="ignore")
    np.testing.assert_array_equal(zero.eval({y: [1.0, 2.0]}), [0, 0])
    assert (
        T.grad(cost, y, disconnected_inputs="ignore", return_disconnected="None")
        is None
    )


def test_a_gradient_of_integers() -> None:
    k, x = T.lvector("k"), T.dvector("x")
    whole = (k * 2).sum()  # integers
    with pytest.warns(UserWarning, match="# integers"):
        assert T.grad(whole, k).eval({k: [1, 2]}).tolist() == [0, 0]
    told(TypeError, lambda: T.grad(x, x), "scalar")
    through = (x.astype("int64") * x).sum()
    np.testing.assert_array_equal(T.grad(through, x).eval({x: [2.5, 3.5]}), [2, 3])
    by_integer = T.grad((k * x).sum(), k)
    assert by_integer.dtype in ("float64", "int64")


def test_a_gradient_that_is_not_defined() -> None:
    order = T.dvector("order")
    wave = T.jv(order, 2.0)  # by its order
    cost = T.exp(wave).sum()
    text = told(
        NullTypeGradError, lambda: T.grad(cost, order),
        "order", "not defined", "the way from the cost", "# by its order",
    )  # fmt: skip
    way = text[text.index("the way") :]
    assert way.index("sum") < way.index("exp") < way.index("jv")
    nothing = T.grad(cost, order, null_gradients="return")
    assert type(nothing.type).__name__ == "NullType"


def test_a_gradient_that_nobody_wrote() -> None:
    class Half(symnet.Op):
        __props__ = ()

        def make_node(self, x: Any) -> symnet.Apply:
            return symnet.Apply(self, [x], [x.type()])

        def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
            outputs[0][0] = inputs[0] / 2

    x = T.dvector("x")
    cost = Half()(x).sum()
    told(NullTypeGradError, lambda: T.grad(cost, x), "Half", "grad(inputs", "the way")


# ---- pairs, replacements, gradients


def test_what_is_no_list_of_pairs() -> None:
    x, s = T.dvector("x"), symnet.shared(1.0, name="s")

    def refused(pairs: Any, what: str) -> None:
        told(TypeError, lambda: symnet.function([x], x, **{what: pairs}), what, "to do")

    for pairs in (5, s):
        refused(pairs, "updates")
        refused(pairs, "givens")
    told(TypeError, lambda: x.eval(3), "{variable: value}", "x.eval({x: value})")
    told(TypeError, lambda: symnet.clone(x, {"x": x}), "'x' is none", "not its name")
    assert symnet.clone(x + 1, {x: [1.0, 2.0]}).eval().tolist() == [2.0, 3.0]


def test_a_gradient_by_an_expression_written_again() -> None:
    x = T.dvector("x")
    told(
        DisconnectedInputError, lambda: symnet.grad(x.sum(), x[0]),
        "new variable each time", "grad(cost, x)[0]",
    )  # fmt: skip
    told(
        DisconnectedInputError,
        lambda: symnet.grad(x.sum(), T.dvector("y")),
        "very variable",
    )
    told(TypeError, lambda: T.jacobian(T.outer(x, x), x), "flatten()")
    m = T.dmatrix("m")
    told(TypeError, lambda: T.hessian(m.sum(), m), "reshape(shape)")


def test_a_swap_that_changes_nothing_is_told() -> None:
    used, other = symnet.shared(1.0, name="used"), symnet.shared(2.0, name="other")
    f = symnet.function([], used + 1)
    with pytest.warns(
        UserWarning, match="other, float64 scalar, which the function does not"
    ):
        assert f.copy(swap={other: used})() == 2.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f.copy(swap={used: other})() == 3.0
    told(
        TypeError,
        lambda: f.copy(swap={used: symnet.shared(np.ones(2))}),
        "one dtype and rank",
    )


def test_integers_of_more_than_64_bits() -> None:
    x = T.fvector("x")
    y = x * 10**20
    assert y.dtype == "float32"
    np.testing.assert_allclose(y.eval({x: [1.0, -2.0]}), [1e20, -2e20], rtol=1e-6)
    ends = symnet.function([x], x > 2**64)([2.0**63, 2.0**65])
    assert ends.tolist() == [False, True]
    told(TypeError, lambda: symnet.shared(2**70), "64 bits", "float(value)")
    told(TypeError, lambda: T.iscalar() & 2**70, "and_", "astype")
