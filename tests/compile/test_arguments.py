"""What users say to `function`: every accepted form, and every refusal with its cure."""

from __future__ import annotations

import warnings
from collections import OrderedDict

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import In, Out, function, shared
from symnet.compile.arguments import (
    read_givens,
    read_inputs,
    read_outputs,
    read_pairs,
    read_request,
    read_updates,
)
from symnet.compile.fitting import fit, introduced
from symnet.config import config
from symnet.errors import MissingInputError, UnusedInputError
from symnet.graph.variables import Constant


def request(
    inputs, outputs=None, updates=None, givens=None, unused=None, no_defaults=False
):
    return read_request(inputs, outputs, updates, givens, no_defaults, None, unused)


# ---- inputs


def test_forms_of_inputs():
    x, y, z = T.dscalars("x", "y", "z")
    one, two, three = read_inputs([x, (y, 2.0), In(z, name="other", value=3.0)], None)
    assert (one.name, two.name, three.name) == ("x", "y", "other")
    assert (one.value, two.value, three.value) == (None, 2.0, 3.0)
    assert [i.allow_downcast for i in read_inputs([x, In(y, allow_downcast=False)], True)] == [
        True, False,
    ]  # fmt: skip
    assert read_inputs((x,), None)[0].variable is x and read_inputs([], None) == []


def test_forms_of_inputs_in_older_programs():
    x, y = T.dscalars("x", "y")
    ins = read_inputs([("n", x, 3.0), ((y, y + x), 5.0)], None)
    assert [(i.name, i.value) for i in ins] == [("n", 3.0), ("y", 5.0)]
    assert ins[1].update is not None and read_inputs([("n", x)], None)[0].name == "n"
    f = function([x, ("total", (y, y + x), 5.0)], y)
    assert [f(1.0), f(2.0), f["total"], f(1.0, total=0.0), f["total"]] == [
        5,
        6,
        8,
        0,
        1,
    ]


@pytest.mark.parametrize(
    "inputs, text",
    [
        (T.dscalar("x"), "list"),
        (In(T.dscalar("x")), "list"),
        ({"x": 1}, "list"),
        ("x", "list"),
        (["x"], "a variable, not str 'x'"),
        ([3], "a variable, not int"),
        ([shared(1.0, "s")], "shared variable s"),
        ([T.constant(1.0)], "constant"),
        ([[T.dscalar()]], "a variable, not list"),
        ([(T.dscalar(), 1.0, 2.0)], r"a variable, not \("),
        ([("name",)], r"a variable, not \('name',\)"),
        ([()], r"a variable, not \(\)"),
        ([((T.dscalar(), T.dscalar()),)], r"a variable, not \(\("),
    ],
)
def test_wrong_inputs(inputs, text):
    with pytest.raises(TypeError, match=text):
        read_inputs(inputs, None)


def test_an_input_listed_twice():
    x = T.dscalar("x")
    with pytest.raises(ValueError, match="x, float64 scalar is listed twice"):
        read_inputs([x, In(x)], None)


def test_results_may_be_inputs():
    """An inner variable as an input cuts the graph there."""
    x = T.dscalar("x")
    y = x * 2
    z = T.exp(y)
    for mode in ("FAST_RUN", "FAST_COMPILE", "DebugMode"):
        assert function([y], y + 1, mode=mode)(10.0) == 11.0
        assert function([x, y], x + z, mode=mode)(1.0, 0.0) == 2.0
        assert function([y, z], y + z, mode=mode)(1.0, 5.0) == 6.0
    one = In(y, value=4.0)
    assert function([one], y + 1)() == 5.0 and one.variable is y


# ---- outputs


def test_forms_of_outputs():
    x, y = T.dscalars("x", "y")
    assert read_outputs(None) == ([], "none", [])
    assert read_outputs(x) == ([x], "one", [])
    assert read_outputs(Out(x)) == ([x], "one", [])
    assert read_outputs((x, Out(y, borrow=True))) == ([x, y], "list", [])
    assert read_outputs([]) == ([], "list", [])
    assert read_outputs({"b": x, "a": y}) == ([y, x], "dict", ["a", "b"])
    (number, array), _, _ = read_outputs([2.5, np.arange(3)])
    assert isinstance(number, Constant) and array.data.shape == (3,)


@pytest.mark.parametrize(
    "outputs", ["text", {1: T.dscalar()}, [None], [["a"]], object()]
)
def test_wrong_outputs(outputs):
    with pytest.raises(TypeError):
        read_outputs(outputs)


# ---- pairs


def test_forms_of_pairs():
    x, y = T.dscalars("x", "y")
    pairs = [(x, 1), (y, 2)]
    for form in (
        pairs,
        tuple(pairs),
        dict(pairs),
        OrderedDict(pairs),
        dict(pairs).items(),
        iter(pairs),
    ):
        assert read_pairs(form, "updates") == pairs
    assert read_pairs((x, y), "givens") == [(x, y)]
    assert read_pairs([x, 3], "givens") == [(x, 3)]
    assert read_pairs([[x, 3]], "givens") == [(x, 3)]
    assert read_pairs(None, "givens") == read_pairs([], "givens") == []
    with pytest.raises(TypeError, match=r"updates=\[\(variable, expression\), ...\]"):
        read_pairs([(x, y, y)], "updates")


# ---- givens


def test_givens_take_values_and_variables():
    x, y = T.dvectors("x", "y")
    s = shared(np.ones(2))
    assert read_givens({x: y, y: s}) == {x: y, y: s}
    made = read_givens({x: [1.0, 2.0]})[x]
    assert isinstance(made, Constant)
    assert function([], x.sum(), givens={x: np.array([1.0, 2.0])})() == 3.0


@pytest.mark.parametrize(
    "givens, kind, text",
    [
        ({"x": 1}, TypeError, "use the variable itself"),
        ([(T.dvector("x"), T.dmatrix("y"))], TypeError, "ranks differ"),
        ([(T.fvector("x"), T.dvector("y"))], TypeError, r"astype\('float32'\)"),
        ([(T.lscalar("n"), T.dscalar("y"))], TypeError, "lose precision"),
    ],
)
def test_wrong_givens(givens, kind, text):
    with pytest.raises(kind, match=text):
        read_givens(givens)


def test_a_variable_given_twice():
    x, y = T.dvectors("x", "y")
    with pytest.raises(ValueError, match="twice"):
        read_givens([(x, y), (x, y + 1)])


def test_fit_casts_without_loss():
    x, f, i, n = T.dvector("x"), T.fvector("f"), T.ivector("i"), T.dscalar("n")
    assert fit(x, x, "given") is x
    assert fit(f, x, "given").dtype == fit(i, x, "given").dtype == "float64"
    assert fit(3, n, "given").dtype == "float64"
    with pytest.raises(TypeError, match="known sizes differ"):
        fit(T.constant(np.ones(3)), T.TensorType("float64", (2,))("two"), "given")
    with config.change_flags(floatX="float32"):
        assert (
            fit(i, f, "given").dtype == "float32"
        )  # an int32 for floatX, as in Theano


def test_a_given_value_may_broadcast_where_the_input_did():
    row = T.row("row")
    s = shared(np.ones((1, 3)))
    x = T.dmatrix("x")
    f = function([x], x + row, givens={row: s})
    np.testing.assert_array_equal(f(np.ones((2, 3))), np.full((2, 3), 2.0))


def test_where_a_wide_dtype_comes_from():
    x, n = T.fvector("x"), T.lvector("n")
    wide = T.exp(n.astype("float64"))  # the first float64
    total = (x + wide) * 2
    found = introduced(total, "float64")
    assert found.dtype == "float64" and found.owner.inputs[0].dtype != "float64"
    assert introduced(x, "float64") is None


# ---- updates


def test_updates_of_shared_variables_only():
    x, s = T.dscalar("x"), shared(1.0, "s")
    assert read_updates([(s, x)]) == {s: x}
    assert isinstance(read_updates({s: 3})[s], Constant)
    with pytest.raises(TypeError, match="symnet.shared"):
        read_updates([(x, x + 1)])
    with pytest.raises(ValueError, match="s, float64 scalar twice"):
        read_updates([(s, x), (s, x)])


def test_update_with_a_python_number_or_array():
    s, v = shared(np.float32(1.0)), shared(np.ones(2))
    function([], [], updates=[(s, 0.1), (v, [3.0, 4.0])])()
    assert s.get_value() == np.float32(0.1) and s.get_value().dtype == np.float32
    np.testing.assert_array_equal(v.get_value(), [3, 4])


def test_updates_with_givens():
    x, s = T.dscalar("x"), shared(1.0)
    f = function([], x, updates=[(s, s + x)], givens={x: s * 10})
    assert f() == 10.0 and s.get_value() == 11.0


# ---- default updates


def test_default_updates_follow_each_other():
    """A default update may use a variable that has one itself."""
    a, b = shared(1, "a"), shared(10, "b")
    a.default_update, b.default_update = a + b, b + 1
    f = function([], a)
    assert [int(f()) for _ in range(3)] == [1, 11, 22]
    assert b.get_value() == 13


def test_default_updates_behind_an_input_are_not_made():
    a = symnet.shared(0)
    a.default_update = a + 1
    b = 2 * a
    f = symnet.function([b], b)
    assert f(21) == 21 and a.get_value() == 0
    g = symnet.function([b], b + a)
    assert g(21) == 21 and a.get_value() == 1


def test_default_updates_are_left_out_on_demand():
    a, b = shared(1, "a"), shared(10, "b")
    a.default_update, b.default_update = a + 1, b + 1
    assert set(request([], a + b).updates) == {a, b}
    assert set(request([], a + b, no_defaults=True).updates) == set()
    assert set(request([], a + b, no_defaults=[a]).updates) == {b}
    assert request([], a, updates={a: a * 0}).updates[a].owner.op.name == "mul"
    assert set(request([], T.constant(1)).updates) == set()


# ---- states


def test_inputs_with_updates_need_a_value():
    x = T.dscalar("x")
    with pytest.raises(ValueError, match="value to start from"):
        request([In(x, update=x + 1)], x)


def test_states_are_kept_and_not_asked_for():
    x, n = T.dscalar("x"), T.lscalar("n")
    found = request([x, In(n, value=0, update=n + 1)], x + n)
    assert [i.variable for i in found.inputs] == [x] and list(found.states) == ["n"]
    f = function([x, In(n, value=0, update=n + 1)], x + n)
    assert [f(10.0) for _ in range(3)] == [10.0, 11.0, 12.0]
    assert f["n"] == 3 and "n" in f and "x" in f and "z" not in f
    with pytest.raises(KeyError):
        _ = f["z"]


# ---- missing and unused


def test_missing_inputs_are_named_with_their_first_use():
    x, y = T.dscalar("x"), T.dscalar("learning_rate")
    z = T.exp(y) * x
    with pytest.raises(MissingInputError) as error:
        request([x, In(T.dscalar("learning_rat"), value=1.0)], z)
    text = str(error.value)
    assert (
        "learning_rate, float64 scalar" in text and "did you mean learning_rat?" in text
    )
    assert "operation: exp" in text and "z = T.exp(y) * x" in text


def test_givens_of_what_is_not_used_are_warned_of():
    x, y, s = T.dvector("x"), T.dvector("y"), shared(1.0)
    s.default_update = s + y.sum()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function([x], x * 2 + s, givens={y: [1.0]})
        function([x], x, givens={y: [1.0]}, on_unused_input="ignore")
    with pytest.warns(UserWarning, match="givens replaces y, float64 vector") as caught:
        f = function([x], x * 2, givens={y: [1.0]})
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(f([1.0]), [2.0])


def test_missing_inputs_in_updates_and_givens():
    x, y, s = T.dscalar("x"), T.dscalar("y"), shared(0.0)
    with pytest.raises(MissingInputError, match="y, float64 scalar"):
        request([x], x, updates=[(s, y)])
    with pytest.raises(MissingInputError, match="y, float64 scalar"):
        request([], x, givens={x: y})


def test_unused_inputs():
    x, y = T.dscalars("x", "y")
    with pytest.raises(UnusedInputError, match="no output or update needs it"):
        request([x, y], x)
    with pytest.raises(UnusedInputError, match="givens replaces it"):
        request([x, y], x * y, givens={y: x})
    with pytest.warns(UserWarning, match="y, float64 scalar is not used"):
        request([x, y], x, unused="warn")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        request([x, y], x, unused="ignore")
        request([x, (y, 1.0)], x)  # a default value: it may stay unused
        with config.change_flags(on_unused_input="ignore"):
            request([x, y], x)
    with pytest.raises(ValueError, match="on_unused_input"):
        request([x], x, unused="sometimes")


def test_an_input_used_only_by_an_update_or_given_is_used():
    x, y, s = T.dscalar("x"), T.dscalar("y"), shared(0.0)
    with pytest.raises(UnusedInputError):
        request([x], [], updates=[(s, y * 0 + s)], givens={y: s})
    assert request([x], [], updates=[(s, x)]).inputs[0].variable is x
    assert request([x], y, givens={y: x * 2}).inputs[0].variable is x


def test_no_default_updates_is_a_truth_value_or_a_list():
    w = symnet.shared(0.0)
    w.default_update = w + 1
    with pytest.raises(TypeError, match="no_default_updates"):
        symnet.function([], w, no_default_updates=w)
    f = symnet.function([], w, no_default_updates=[w])
    assert (f(), f()) == (0, 0)


def test_what_is_no_expression_is_told_with_what_it_was_meant_for():
    s, x = shared(np.zeros(3), name="s"), T.dvector("x")
    with pytest.raises(
        TypeError, match="s, float64 vector cannot be updated with .*None"
    ):
        function([], [], updates=[(s, None)])
    with pytest.raises(TypeError, match="x, float64 vector cannot be given .*None"):
        function([], x, givens={x: None})
    s.default_update = "next"
    with pytest.raises(TypeError, match="s, float64 vector cannot be updated .*'next'"):
        function([], s)
    s.default_update = np.ones(3)
    function([], s)()
    np.testing.assert_array_equal(s.get_value(), np.ones(3))
