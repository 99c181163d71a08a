"""Loops that are wrong: each error names the sequence or state, the line, and the cure."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.errors import ShapeError
from symnet.scan_module import until

X, x, h = T.matrix("X"), T.vector("x"), T.vector("h")
s0, w = T.scalar("s0"), T.matrix("w")
W = symnet.shared(np.eye(2), "W")
f32 = symnet.shared(np.float32(1), "f32")


def told(kind, call):
    """The text of the error that a call raises."""
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    return str(caught.value)


# What is wrong; the error's class; what it says; the cure.  Lines are checked for all.
MADE = {
    "rank of a state": (
        lambda: symnet.scan(lambda v, a: T.outer(v, a), X, h),
        TypeError,
        "output 0 (h) starts with rank 1, and fn makes rank 2 of it",
        "the initial state has the rank of one step's value",
    ),
    "dtype of a state": (
        lambda: symnet.scan(lambda v, a: a * v, X, T.fvector("f")),
        TypeError,
        "output 0 (f) starts as float32, and fn makes float64 of it",
        "make the initial state float64, or cast what fn returns: .astype('float32')",
    ),
    "an integer state that becomes a float": (
        lambda: symnet.scan(lambda v, a: a + v, x, T.constant(np.int64(0), "count")),
        TypeError,
        "output 0 (count) starts as int64, and fn makes float64 of it",
        "make the initial state float64",
    ),
    "size of a state": (
        lambda: symnet.scan(
            lambda v, a: T.concatenate([v, a]), np.ones((2, 3)), np.zeros(3)
        ),
        ShapeError,
        "output 0 starts with size 3 along axis 0, and fn makes 6 of it",
        "give the initial state the size of one step's value",
    ),
    "dtype of a shared variable": (
        lambda: symnet.scan(lambda v: (v, {f32: v}), x),
        TypeError,
        "the shared variable f32 starts as float32, and fn makes float64 of it",
        ".astype('float32')",
    ),
    "a tap to come": (
        lambda: symnet.scan(lambda a: a, outputs_info={"initial": h, "taps": [1]}),
        ValueError,
        "output 0 (h): tap 1 asks for a value that is not computed yet",
        "taps of an output are negative",
    ),
    "the value itself as a tap": (
        lambda: symnet.scan(lambda a: a, outputs_info={"initial": h, "taps": 0}),
        ValueError,
        "output 0 (h): tap 0 asks for a value that is not computed yet",
        "-1 is its value after the step before",
    ),
    "a tap named twice": (
        lambda: symnet.scan(lambda a, b: a, {"input": x, "taps": [-1, -1]}),
        ValueError,
        "sequence 0 (x): a tap is named twice in [-1, -1]",
        "taps are ints",
    ),
    "no taps": (
        lambda: symnet.scan(lambda: 1, {"input": x, "taps": []}),
        ValueError,
        "sequence 0 (x): the list of taps is empty",
        "taps are ints",
    ),
    "a tap that is no int": (
        lambda: symnet.scan(lambda a: a, {"input": x, "taps": [0.5]}),
        TypeError,
        "sequence 0 (x): 0.5 is no tap",
        "taps are ints, such as taps=[-2, -1]",
    ),
    "taps of one number": (
        lambda: symnet.scan(
            lambda a, b: a, outputs_info={"initial": s0, "taps": [-1, -2]}, n_steps=2
        ),
        TypeError,
        "output 0 (s0) has taps [-1, -2], but its initial state is one number",
        "give the 2 values before the first step, oldest first, along axis 0",
    ),
    "too few initial rows": (
        lambda: symnet.scan(
            lambda a, b: a, x, {"initial": np.zeros((1, 2)), "taps": [-1, -3]}
        ),
        ShapeError,
        "output 0 has taps [-1, -3], but its initial state only 1 rows",
        "give the 3 values before the first step",
    ),
    "taps without initial state": (
        lambda: symnet.scan(lambda a: a, x, {"taps": [-1]}),
        ValueError,
        "output 0 has taps, but no initial state",
        "add initial=...",
    ),
    "no number of steps": (
        lambda: symnet.scan(lambda a: a, outputs_info=h),
        ValueError,
        "nothing says how many steps there are",
        "give n_steps=..., or a sequence",
    ),
    "a negative number of steps": (
        lambda: symnet.scan(lambda a: a, x, n_steps=-2),
        ValueError,
        "n_steps is negative: -2",
        "use go_backwards=True",
    ),
    "half a step": (
        lambda: symnet.scan(lambda a: a, x, n_steps=2.5),
        TypeError,
        "n_steps is an integer, not 2.5, float64 scalar",
        "give an int or an integer scalar",
    ),
    "a vector of steps": (
        lambda: symnet.scan(lambda a: a, x, n_steps=T.lvector("n")),
        TypeError,
        "n_steps is an integer, not n, int64 vector",
        "give an int or an integer scalar",
    ),
    "no elements for the taps": (
        lambda: symnet.scan(lambda a, b: a, {"input": np.zeros(0), "taps": [-1, 0]}),
        ValueError,
        "sequence 0 has 0 elements, but its taps [-1, 0] reach over 2",
        "give a longer sequence, or pad it",
    ),
    "too many outputs": (
        lambda: symnet.scan(lambda a: [a, a, a], x, [None, None]),
        ValueError,
        "fn returns 3 outputs, but outputs_info has 2 entries",
        "give each output an entry, in order: its initial state, or None",
    ),
    "too few outputs": (
        lambda: symnet.scan(lambda a, b: a, x, [s0, None]),
        ValueError,
        "fn returns 1 outputs, but outputs_info has 2 entries",
        "give each output an entry",
    ),
    "nothing returned": (
        lambda: symnet.scan(lambda a: None, x),
        TypeError,
        "fn returns no outputs and no updates",
        "return outputs, or (outputs, updates)",
    ),
    "something else returned": (
        lambda: symnet.scan(lambda a: [a, "a"], x),
        TypeError,
        "fn returns 'a'",
        "return outputs, or (outputs, updates)",
    ),
    "an update of a plain variable": (
        lambda: symnet.scan(lambda a: (a, {h: a}), x),
        TypeError,
        "fn updates h, which is no shared variable",
        "return outputs, or (outputs, updates)",
    ),
    "too many arguments": (
        lambda: symnet.scan(lambda a, b: a, x),
        TypeError,
        "fn does not take the 1 arguments that it gets: missing a required argument: 'b'",
        "fn takes the elements of the sequences, then for each output",
    ),
    "too few arguments": (
        lambda: symnet.scan(lambda a: a, x, [s0], non_sequences=w),
        TypeError,
        "fn does not take the 3 arguments that it gets: too many positional arguments",
        "then the non_sequences",
    ),
    "a scalar sequence": (
        lambda: symnet.scan(lambda a: a, s0),
        TypeError,
        "sequence 0 (s0) is a scalar: it has no elements to walk over",
        "pass it in non_sequences",
    ),
    "None as a sequence": (
        lambda: symnet.scan(lambda a: a, [x, None]),
        TypeError,
        "sequence 1 is None",
        "leave it out",
    ),
    "an unknown key": (
        lambda: symnet.scan(lambda a: a, {"input": x, "tap": 1}),
        ValueError,
        "sequence 0: there is no key 'tap'",
        "the keys are 'input' and 'taps'",
    ),
    "text as a sequence": (
        lambda: symnet.scan(lambda a: a, "abc"),
        TypeError,
        "sequence 0: 'abc' (str) is not numeric",
        "give symbolic variables, arrays or numbers",
    ),
    "until of a vector": (
        lambda: symnet.scan(lambda a: (a, until(a > 1)), X),
        TypeError,
        "until takes a scalar, not gt, bool vector",
        "reduce it with .all() or .any()",
    ),
    "strict": (
        lambda: symnet.scan(lambda a: a * W.sum(), x, strict=True),
        symnet.MissingInputError,
        "fn uses W, float64 matrix, which is not among non_sequences (strict=True)",
        "add it to non_sequences",
    ),
    "truncation": (
        lambda: symnet.scan(lambda a: a, x, truncate_gradient=0.5),
        TypeError,
        "truncate_gradient is 0.5",
        "give an int",
    ),
    "no function": (
        lambda: symnet.scan(x, x),
        TypeError,
        "fn is no function: x",
        "give a function of symbolic variables",
    ),
    "blocks of nothing": (
        lambda: symnet.scan(lambda a: a, x, checkpoint_every=0),
        ValueError,
        "blocks of 0 steps",
        "give a positive int",
    ),
    "a truncated gradient in blocks": (
        lambda: symnet.scan(lambda a: a, x, checkpoint_every=2, truncate_gradient=3),
        ValueError,
        "truncate_gradient goes with no checkpoint_every",
        "leave one of them out",
    ),
    "until in blocks": (
        lambda: symnet.scan(lambda a: (a, until(a > 1)), x, checkpoint_every=2),
        ValueError,
        "a loop in blocks cannot stop by until()",
        "leave checkpoint_every out",
    ),
}


@pytest.mark.parametrize("case", MADE)
def test_when_the_loop_is_made(case):
    call, kind, what, cure = MADE[case]
    text = told(kind, call)
    first, *rest = text.split("\n")
    assert what in first
    (line,) = [one for one in rest if one.startswith("  your line: ")]
    assert "test_scan_errors.py" in line
    assert rest[-1].startswith("  to do: ")
    assert cure in rest[-1]
    assert len(rest) < 20


MODES = ["FAST_COMPILE", "FAST_RUN"]


def called(mode, inputs, outputs, *arrays, updates=None):
    f = symnet.function(inputs, outputs, mode=mode, updates=updates)
    return lambda: f(*arrays)


@pytest.mark.parametrize("mode", MODES)
def test_sizes_in_a_step(mode):
    rows, _ = symnet.scan(lambda v, a: T.tanh(v + a), X, h, name="walk")
    call = called(mode, [X, h], rows, np.ones((3, 2)), np.ones(3))
    text = told(ShapeError, call)
    assert "sizes do not agree" in text
    assert "operation: add" in text
    assert "operand 0: X[t], float64 vector" in text
    assert "operand 1: h[t-1], float64 vector" in text
    assert "T.tanh(v + a)" in text


@pytest.mark.parametrize("mode", MODES)
def test_too_many_steps(mode):
    rows, _ = symnet.scan(lambda a: a, x, n_steps=5)
    text = told(ShapeError, called(mode, [x], rows, np.ones(3)))
    assert "sequence 0 (x) has fewer rows" in text
    assert "give a longer sequence, or a smaller n_steps" in text
    assert "n_steps=5" in text


@pytest.mark.parametrize("mode", MODES)
def test_fewer_elements_than_the_taps_reach(mode):
    rows, _ = symnet.scan(lambda a, b: a + b, {"input": x, "taps": [-2, 0]})
    f = symnet.function([x], rows, mode=mode)
    assert f(np.ones(2)).shape == (0,)
    text = told(ValueError, lambda: f(np.ones(1)))
    assert "a sequence is shorter than its taps reach (x)" in text
    assert "taps" in text.split("your line: ")[1]


@pytest.mark.parametrize("mode", MODES)
def test_fewer_rows_than_a_state_needs(mode):
    rows, _ = symnet.scan(
        lambda a, b: a, outputs_info={"initial": x, "taps": [-3, -1]}, n_steps=2
    )
    text = told(ShapeError, called(mode, [x], rows, np.ones(2)))
    assert "state 0 (x)" in text
    assert "initial rows" in text


@pytest.mark.parametrize("mode", MODES)
def test_a_state_that_grows(mode):
    rows, _ = symnet.scan(lambda a: T.concatenate([a, a]), outputs_info=x, n_steps=2)
    text = told(ShapeError, called(mode, [x], rows, np.ones(2)))
    assert "state 0 (x)" in text
    assert "(2,) to (4,)" in text or "2 and 4" in text


@pytest.mark.parametrize("mode", MODES)
def test_a_state_meant_to_be_broadcast(mode):
    """One initial row for a batch: the state would change its size."""
    first = T.TensorType("float64", (1, None))("first")
    rows, _ = symnet.scan(lambda v, a: v + a, T.tensor3("x3"), first)
    inputs = [rows.owner.inputs[0].owner.inputs[1], first]
    text = told(
        ShapeError, called(mode, inputs, rows, np.ones((2, 4, 3)), np.ones((1, 3)))
    )
    assert "state 0 (first)" in text


@pytest.mark.parametrize("mode", MODES)
def test_a_negative_number_of_steps(mode):
    n = T.lscalar("n")
    rows, _ = symnet.scan(lambda a: a * 2, outputs_info=x, n_steps=n)
    text = told(ValueError, called(mode, [x, n], rows, np.ones(2), -1))
    assert "n_steps is negative" in text


@pytest.mark.parametrize("mode", MODES)
def test_the_step_that_failed(mode):
    """The step, the operation in it, and the user's line in fn; and nothing is updated."""
    i, s = T.lvector("i"), symnet.shared(0, "s")
    rows, updates = symnet.scan(
        lambda k: (
            x[k] * 2,
            {s: s + 1},
        ),
        i,
    )
    f = symnet.function([x, i], rows, mode=mode, updates=updates)
    assert f(np.ones(2), [0, 1, -1]).tolist() == [2, 2, 2]
    text = told(IndexError, lambda: f(np.ones(2), [0, 1, 5]))
    assert "in step 2" in text
    assert "i[t]" in text
    assert "x[k] * 2" in text
    assert s.get_value() == 3
    assert f(np.ones(2), [0]).tolist() == [2]


def test_the_step_that_failed_in_a_loop_within_a_loop():
    i = T.lmatrix("i")
    rows, _ = symnet.scan(lambda row: symnet.scan(lambda k: x[k], row)[0], i)
    call = called("FAST_COMPILE", [x, i], rows, np.ones(2), [[0, 1], [1, 5]])
    text = told(IndexError, call)
    assert "in step 1: in step 1: index 5" in text


def test_a_users_own_op_that_fails():
    class Picky(symnet.Op):
        def make_node(self, v):
            return symnet.Apply(self, [v], [v.type()])

        def perform(self, node, inputs, outputs):
            if inputs[0] > 2:
                raise OSError("not this one")
            outputs[0][0] = inputs[0] * 1

    rows, _ = symnet.scan(lambda v: Picky()(v), x)
    with pytest.raises(OSError, match="not this one") as error:
        called(None, [x], rows, np.arange(5.0))()
    assert "in step 3: not this one" in error.value.__notes__


def test_strict_names_the_line_that_uses_a_shared_variable():
    weights = symnet.shared(np.eye(3), name="weights")
    with pytest.raises(ValueError, match="uses weights") as error:
        symnet.scan(lambda a: T.dot(a, weights), X, strict=True)
    assert "operation: Dot" in str(error.value)
    assert f"your line: {__file__}" in str(error.value)
