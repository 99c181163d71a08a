"""Operations made of graphs: values, gradients, overrides, what is inside, errors."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from scipy import special
from scipy.sparse import csr_matrix

import symnet
import symnet.sparse as sparse
import symnet.tensor as T
from symnet import OpFromGraph, function
from symnet.errors import NullTypeGradError, UnusedInputError
from symnet.gradient import DisconnectedType, NullType, grad, verify_grad
from symnet.tensor.shared_randomstreams import RandomStreams

MODES = ("FAST_RUN", "FAST_COMPILE", "DebugMode")
A, B = np.array([1.0, 2.0, 0.5]), np.array([-1.0, 0.25, 3.0])


def gate(**options: Any) -> OpFromGraph:
    x, y = T.dvectors("x", "y")
    return OpFromGraph([x, y], [x * T.nnet.sigmoid(y), x - y], name="gate", **options)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("inline", [False, True])
def test_values(mode: str, inline: bool) -> None:
    a, b = T.dvectors("a", "b")
    product, difference = gate(inline=inline)(a, b)
    f = function([a, b], [product, difference], mode=mode)
    got = f(A, B)
    np.testing.assert_allclose(got[0], A * special.expit(B), rtol=1e-14)
    np.testing.assert_array_equal(got[1], A - B)
    assert "gate" not in {str(node.op) for node in f.maker.fgraph.toposort()}


@pytest.mark.parametrize("mode", MODES)
def test_sparse_matrices_inside_and_across(mode: str) -> None:
    """Made and used within, taken, given, and within a graph within a loop."""
    m, s = T.dmatrix("m"), sparse.csr_matrix("s", dtype="float64")
    value = np.array([[1.0, 0.0], [-2.0, 3.0]])
    inside = OpFromGraph([m], [sparse.dense_from_sparse(sparse.csc_from_dense(m) * 2)])
    doubled = inside(m)
    gradient = T.grad(T.sqr(doubled).sum(), m)
    got, slope = function([m], [doubled, gradient], mode=mode)(value)
    np.testing.assert_array_equal(got, 2 * value)
    np.testing.assert_array_equal(slope, 8 * value)
    rows, _ = symnet.scan(inside, outputs_info=m, n_steps=2)
    np.testing.assert_array_equal(function([m], rows[-1], mode=mode)(value), 4 * value)
    across = OpFromGraph([s], [s * 3])(s)
    given = function([s], across, mode=mode)(csr_matrix(value))
    np.testing.assert_array_equal(given.toarray(), 3 * value)


def test_it_is_fused_with_what_stands_around_it() -> None:
    a, b = T.dvectors("a", "b")
    f = function([a, b], T.tanh(gate()(a, b)[0]) + 1)
    f(A, B)
    assert len(f.engine.native[0].program.steps) == 1


def test_one_argument_twice() -> None:
    a = T.dvector("a")
    product, _ = gate()(a, a)
    slope = T.grad(product.sum(), a)
    s = special.expit(A)
    np.testing.assert_allclose(slope.eval({a: A}), s + A * s * (1 - s), rtol=1e-14)


@pytest.mark.parametrize("mode", MODES)
def test_nested_ones_and_their_second_derivatives(mode: str) -> None:
    x = T.dvector("x")
    square = OpFromGraph([x], [x**2])
    cube = OpFromGraph([x], [square(x) * x])
    a = T.dvector("a")
    first = T.grad(cube(a).sum(), a)
    second = T.grad(first.sum(), a)
    got = function([a], [cube(a), first, second], mode=mode)(A)
    for one, want in zip(got, (A**3, 3 * A**2, 6 * A)):
        np.testing.assert_allclose(one, want, rtol=1e-13)
    verify_grad(cube, [A])


def test_shared_variables_inside() -> None:
    s = symnet.shared(np.array([2.0, 3.0, 4.0]), "s")
    x = T.dvector("x")
    op = OpFromGraph([x], [x * s])
    a = T.dvector("a")
    y = op(a)
    f = function([a], [y, T.grad(y.sum(), s)], updates=[(s, s + 1)])
    got = f(A)
    np.testing.assert_array_equal(got[0], A * [2, 3, 4])
    np.testing.assert_array_equal(got[1], A)
    np.testing.assert_array_equal(f(A)[0], A * [3, 4, 5])
    twin = symnet.shared(np.zeros(3))
    np.testing.assert_array_equal(f.copy(swap={s: twin})(A)[0], np.zeros(3))


def test_random_streams_inside_go_on() -> None:
    drawn = RandomStreams(3).uniform((2,))
    x = T.dvector("x")
    f = function([x], OpFromGraph([x], [x + drawn])(x))
    first, second = f([0.0, 1.0]), f([0.0, 1.0])
    assert np.all(first != second)
    assert np.all(first >= [0, 1]) and np.all(first < [1, 2])


def test_inside_loops_and_conditions() -> None:
    x = T.dscalar("x")
    log = OpFromGraph([x], [T.log(x)])
    v = T.dvector("v")
    rows, _ = symnet.scan(lambda one, total: total + log(one), v, T.constant(0.0))
    c = T.lscalar("c")
    chosen = symnet.ifelse.ifelse(c, log(rows[-1]), rows[-1])
    slopes = T.grad(chosen, v)
    for mode in MODES:
        f = function([c, v], [chosen, slopes], mode=mode)
        total = np.log([2.0, 3.0]).sum()
        got = f(1, [2.0, 3.0])
        np.testing.assert_allclose(got[0], np.log(total))
        np.testing.assert_allclose(got[1], 1 / total / np.array([2.0, 3.0]))
        np.testing.assert_allclose(f(0, [2.0, 3.0])[1], [1 / 2, 1 / 3])


def test_what_a_choice_left_out_stays_zero() -> None:
    x = T.dvector("x")
    log, root = OpFromGraph([x], [T.log(x)]), OpFromGraph([x], [T.sqrt(x)])
    a = T.dvector("a")
    for op in (log, root):
        y = T.switch(a > 0, op(T.sqrt(a)), 0.0)
        slope = function([a], T.grad(y.sum(), a))([0.0, 4.0, -1.0])
        assert slope[0] == slope[2] == 0 and slope[1] > 0


# ---- overrides


def twice(inputs: Any, gradients: Any) -> list[Any]:
    x, y = inputs
    return [2 * gradients[0] * y, 3 * gradients[0] * x]


def test_gradients_of_a_function() -> None:
    x, y, g = T.dvectors("x", "y", "g")
    as_op = OpFromGraph([x, y, g], twice([x, y], [g]))
    for override in (twice, as_op):
        op = OpFromGraph([x, y], [x * y], grad_overrides=override)
        a, b = T.dvectors("a", "b")
        slopes = T.grad(op(a, b).sum(), [a, b])
        got = function([a, b], slopes)(A, B)
        np.testing.assert_array_equal(got[0], 2 * B)
        np.testing.assert_array_equal(got[1], 3 * A)


def test_gradients_one_by_one() -> None:
    x, w, b = T.dvectors("x", "w", "b")
    own = lambda inputs, gradients: gradients[0] * 5  # noqa: E731
    op = OpFromGraph([x, w, b], [x * w + b], grad_overrides=[own, "default", "default"])
    slopes = T.grad(op(x, w, b).sum(), [x, w, b])
    got = function([x, w, b], slopes, on_unused_input="ignore")(A, B, A)
    for one, want in zip(got, (np.full(3, 5.0), A, np.ones(3))):
        np.testing.assert_array_equal(one, want)

    nothing = [own, NullType("no")(), DisconnectedType()()]
    op = OpFromGraph([x, w, b], [x * w + b], grad_overrides=nothing)
    cost = op(x, w, b).sum()
    with pytest.raises(NullTypeGradError, match="no"):
        T.grad(cost, w)
    kept = T.grad(cost, b, disconnected_inputs="ignore", return_disconnected="None")
    assert kept is None
    assert op.connection_pattern() == [[True], [True], [False]]


def test_gradients_that_read_the_outputs() -> None:
    x = T.dvector("x")

    def override(inputs: Any, outputs: Any, gradients: Any) -> list[Any]:
        return [7 * outputs[0] * gradients[0]]

    op = OpFromGraph([x], [T.exp(x)], lop_overrides=override)
    slope = function([x], T.grad(op(x).sum(), x))(A)
    np.testing.assert_allclose(slope, 7 * np.exp(A), rtol=1e-14)


def test_products_with_the_jacobian() -> None:
    x, y, u, v = T.dvectors("x", "y", "u", "v")
    plain = OpFromGraph([x, y], [x * y])
    own = lambda inputs, points: [2 * inputs[1] * points[0]]  # noqa: E731
    overridden = OpFromGraph([x, y], [x * y], rop_overrides=own)
    got = function([x, y, u, v], T.Rop(plain(x, y), [x, y], [u, v]))(A, B, B, A)
    np.testing.assert_allclose(got, B * B + A * A, rtol=1e-14)
    inputs = {"on_unused_input": "ignore"}
    product = T.Rop(overridden(x, y), [x, y], [u, v])
    got = function([x, y, u, v], product, **inputs)(A, B, B, A)
    np.testing.assert_allclose(got, 2 * B * B, rtol=1e-14)


def test_what_depends_on_what() -> None:
    x, y, z = T.dvectors("x", "y", "z")
    op = OpFromGraph([x, y, z], [x * y, y * z])
    assert op.connection_pattern() == [[True, False], [True, True], [False, True]]
    a, b = op(x, y, z)
    outer = OpFromGraph([x, y, z], [a, symnet.gradient.disconnected_grad(b)])
    assert outer.connection_pattern() == [[True, False], [True, False], [False, False]]
    said = OpFromGraph([x], [T.round(x)], connection_pattern=[[False]])
    assert said.connection_pattern() == [[False]]


def test_pickles_and_equality() -> None:
    a, b = T.dvectors("a", "b")
    f = function([a, b], gate()(a, b))
    again = pickle.loads(pickle.dumps(f))
    np.testing.assert_array_equal(again(A, B)[0], f(A, B)[0])
    assert gate() == gate() and hash(gate()) == hash(gate())
    assert gate() != gate(grad_overrides=twice)
    copy = pickle.loads(pickle.dumps(gate(grad_overrides=twice)))
    assert copy == gate(grad_overrides=twice)


def test_test_values() -> None:
    with symnet.change_flags(compute_test_value="raise"):
        x, y = T.dscalar("x"), T.dscalar("y")
        x.tag.test_value, y.tag.test_value = 1.0, 2.0
        result = OpFromGraph([x], [x**3])(y)
        assert result.tag.test_value == 8
        assert T.grad(result, y).tag.test_value == 12


# ---- errors


def test_wrong_input() -> None:
    x, y = T.dvectors("x", "y")
    for error, make in (
        (TypeError, lambda: OpFromGraph([x], x)),
        (TypeError, lambda: OpFromGraph([1.0], [x])),
        (TypeError, lambda: OpFromGraph([x], [])),
        (ValueError, lambda: OpFromGraph([x, x], [x])),
        (TypeError, lambda: OpFromGraph([x], [x], givens={x: y})),
        (ValueError, lambda: OpFromGraph([x], [y])),
        (TypeError, lambda: OpFromGraph([x], [x], grad_overrides=3)),
        (TypeError, lambda: OpFromGraph([x], [x], grad_overrides=y)),
        (ValueError, lambda: OpFromGraph([x], [x], grad_overrides=["default"] * 2)),
        (ValueError, lambda: OpFromGraph([x], [x], rop_overrides=["default"] * 2)),
        (
            ValueError,
            lambda: OpFromGraph([x], [x], grad_overrides=twice, lop_overrides=twice),
        ),
        (UnusedInputError, lambda: OpFromGraph([x, y], [x], on_unused_input="raise")),
    ):
        with pytest.raises(error):
            make()


def test_wrong_arguments_name_the_line() -> None:
    m, v = T.dmatrix("m"), T.dvector("v")
    for given, what in (
        ((m, v), "input 0 is to be a float64 vector"),
        ((v,), "takes 2"),
    ):
        with pytest.raises(TypeError, match=what) as caught:
            gate()(*given)
        assert "test_from_graph.py" in str(caught.value)


def test_wrong_gradients_name_the_line() -> None:
    x = T.dvector("x")
    for override, error, what in (
        (lambda inputs, gradients: [gradients[0].sum()], TypeError, "rank 0"),
        (lambda inputs, gradients: [gradients[0]] * 2, ValueError, "gave 2 gradients"),
    ):
        op = OpFromGraph([x], [x], grad_overrides=override)
        with pytest.raises(error, match=what) as caught:
            T.grad(op(x).sum(), x)
        assert "test_from_graph.py" in str(caught.value)


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("kind", ["grad_overrides", "lop_overrides"])
def test_an_override_that_differentiates_sees_each_input_alone(inline, kind):
    """The same variable given thrice, and one that is made of another: a gradient by one
    input holds the others still."""
    a, b, c = T.dvectors("abc")

    def back(inputs, gradients):
        known = {inputs[0] * inputs[1] + inputs[2]: gradients[0]}
        return T.grad(None, inputs, known_grads=known, disconnected_inputs="ignore")

    override = back if kind == "grad_overrides" else lambda i, o, g: back(i, g)
    op = symnet.OpFromGraph([a, b, c], [a * b + c], inline=inline, **{kind: override})
    x = T.dvector("x")
    slope = symnet.function([x], T.grad(op(x, x, T.exp(x)).sum(), x))
    value = np.array([0.5, -1.0])
    np.testing.assert_allclose(slope(value), 2 * value + np.exp(value))


def test_gradients_are_stable_across_the_boundary() -> None:
    """The logarithm outside, the exponentials inside, or in a graph within the graph."""
    a, b, x = T.fmatrix(), T.fmatrix(), T.fmatrix("x")
    exponentials = OpFromGraph([a], [T.exp(a)])
    shares = OpFromGraph([b], [T.exp(b) / T.exp(b).sum(1, keepdims=True)])
    within = OpFromGraph([a], [-T.log(shares(a))])
    value = np.array([[200.0, 1.0, -300.0], [0.5, 0.25, 0.0]], "float32")
    wide = value.astype("float64")
    soft = np.exp(wide - wide.max(1, keepdims=True))
    soft /= soft.sum(1, keepdims=True)
    for cost, slope in (
        (T.log(exponentials(x).sum(1)).sum(), soft),
        (within(x)[:, 1].sum(), soft - np.array([0.0, 1.0, 0.0])),
    ):
        gradient = grad(cost, x)
        second = grad((gradient * np.arange(3, dtype="float32")).sum(), x)
        sums = (soft * np.arange(3)).sum(1, keepdims=True)
        for mode in ("FAST_RUN", "FAST_COMPILE"):
            found = function([x], [gradient, second], mode=mode)(value)
            np.testing.assert_allclose(found[0], slope, rtol=1e-5, atol=1e-6)
            want = soft * (np.arange(3) - sums)
            np.testing.assert_allclose(found[1], want, rtol=1e-5, atol=1e-6)


def test_an_override_keeps_its_gradient_beside_stable_forms() -> None:
    a, x = T.dvector(), T.dvector("x")
    op = OpFromGraph(
        [a], [T.exp(a)], lop_overrides=lambda inputs, outputs, flows: [flows[0] * 7]
    )
    gradient = grad(T.log(op(x)).sum(), x)
    np.testing.assert_allclose(function([x], gradient)(np.zeros(2)), [7.0, 7.0])
