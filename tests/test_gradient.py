"""Derivatives of graphs: the contract of `grad` and its kin, and what they say when wrong."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest

from symnet.errors import (
    DisconnectedInputError,
    NotImplementedGradientError,
    NullTypeGradError,
)
from symnet.gradient import (
    disconnected_grad,
    grad,
    grad_clip,
    grad_not_implemented,
    grad_scale,
    grad_undefined,
    hessian,
    jacobian,
    subgraph_grad,
    sum_to,
    undefined_grad,
    verify_grad,
    zero_grad,
)
from symnet.graph.evaluate import evaluate
from symnet.graph.op import Op
from symnet.graph.traverse import toposort
from symnet.graph.types import DisconnectedType, NullType, TensorType
from symnet.graph.variables import Apply
from symnet.ops import functions as F
from symnet.ops.arithmetic import sgn, switch
from symnet.ops.complex_parts import complex, imag, real
from symnet.ops.elementwise import cast, elementwise
from symnet.ops.inputs import (
    fmatrix,
    fscalar,
    imatrix,
    matrix,
    scalar,
    vector,
    zscalar,
)
from symnet.ops.linalg.products import dot
from symnet.ops.shape import dimshuffle
from tests.helpers import run

RANDOM = np.random.default_rng(5)


# ---- forms and values


def test_wrt_gives_its_own_form():
    x, y = scalar("x"), scalar("y")
    cost = x * x * y
    at = {x: 3.0, y: 5.0}
    assert run(grad(cost, x), at) == 30.0
    assert [float(v) for v in run(grad(cost, [x, y]), at)] == [30.0, 9.0]
    pair = grad(cost, (x, y))
    assert isinstance(pair, tuple)
    assert [float(v) for v in run(pair, at)] == [30.0, 9.0]
    named = grad(cost, {"a": x, "b": y})
    assert list(named) == ["a", "b"]
    assert run(named["b"], at) == 9.0


def test_gradient_of_the_cost_itself_and_of_intermediates():
    x = scalar("x")
    square = x**2
    cost = F.exp(square)
    assert run(grad(cost, cost), {x: 1.0}) == 1.0
    np.testing.assert_allclose(run(grad(cost, square), {x: 2.0}), np.exp(4))
    both = grad(cost, [x, square])
    np.testing.assert_allclose(run(both, {x: 2.0}), [4 * np.exp(4), np.exp(4)])


def test_names():
    x, y = scalar("x"), scalar("y")
    cost = x * y
    cost.name = "cost"
    assert grad(cost, x).name == "(dcost/dx)"
    assert grad(cost, x, add_names=False).name is None


def test_a_variable_used_often_gets_the_sum():
    x = vector("x")
    cost = (x * x).sum() + (x[::-1] * 3).sum() + x[0]
    np.testing.assert_allclose(
        run(grad(cost, x), {x: np.array([1.0, 2.0])}), [2 + 3 + 1, 4 + 3]
    )


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3, 4), (4,)),
        ((3, 4), (1, 4)),
        ((3, 1), (1, 4)),
        ((), (3, 4)),
        ((1,), (3, 4)),
        ((2, 1, 3), (4, 1)),
        ((1, 1), (1, 1)),
        ((0, 3), (3,)),
        ((1, 3), (0, 3)),
    ],
)
def test_broadcasting_is_undone(left, right):
    a, b = RANDOM.normal(size=left), RANDOM.uniform(1, 2, size=right)
    verify_grad(lambda x, y: x * y + x / y, [a, b])
    verify_grad(lambda x, y: grad((x * x * y).sum(), x), [a, b])


def test_sum_to_stretches_what_is_smaller():
    x = matrix("x")
    one = sum_to(TensorType("float64", ())("g"), x)
    assert run(one.sum(), {x: np.zeros((2, 3)), one.owner.inputs[1]: 2.0}) == 12.0


def test_gradients_have_the_dtype_of_their_variables():
    x, y = fmatrix("x"), matrix("y")
    gradients = grad((x * y).sum(), [x, y])
    assert [g.type.dtype for g in gradients] == ["float32", "float64"]
    assert grad(cast(fscalar("z") ** 2, "float64"), [x], disconnected_inputs="ignore")


def test_integers_count_as_real_numbers():
    values = RANDOM.integers(-3, 4, size=(2, 3))
    weights, bias = RANDOM.normal(size=(3, 4)), RANDOM.normal(size=4)
    found = []
    for x in (imatrix("x"), matrix("x")):
        w, b = matrix("w"), vector("b")
        g = grad(F.sigmoid(dot(x, w) + b).sum(), x)
        assert g.type.dtype == "float64"
        found.append(run(g, {x: values, w: weights, b: bias}))
    np.testing.assert_allclose(*found)


def test_nothing_passes_an_integer_result():
    x = vector("x")
    cost = (cast(cast(x, "int64"), "float64") * x).sum()
    np.testing.assert_array_equal(run(grad(cost, x), {x: [2.5, -1.5]}), [2, -1])
    only = cast(cast(x, "int64"), "float64").sum()
    np.testing.assert_array_equal(run(grad(only, x), {x: [2.5, -1.5]}), [0, 0])
    np.testing.assert_array_equal(run(grad(sgn(x).sum(), x), {x: [2.5, 0]}), [0, 0])


def test_real_variables_of_a_complex_computation():
    x, y = scalar("x"), scalar("y")
    z = complex(x, y)
    cost = real(z * z)
    gradients = grad(cost, [x, y])
    assert [g.type.dtype for g in gradients] == ["float64"] * 2
    assert [float(g) for g in run(gradients, {x: 2.0, y: 3.0})] == [4.0, -6.0]
    c = zscalar("c")
    assert grad(imag(c * c), c).type.dtype == "complex128"


def test_second_and_third_order():
    x = scalar("x")
    value = F.sin(x) * F.exp(x)
    for want in (
        lambda x: np.exp(x) * (np.sin(x) + np.cos(x)),
        lambda x: 2 * np.exp(x) * np.cos(x),
        lambda x: 2 * np.exp(x) * (np.cos(x) - np.sin(x)),
    ):
        value = grad(value, x)
        np.testing.assert_allclose(run(value, {x: 0.7}), want(0.7), rtol=1e-12)


def test_no_operation_of_the_cost_is_differentiated_twice():
    calls = []
    double = elementwise(
        lambda x: x * 2.0,
        lambda g, out, x: (calls.append(1) or g * 2,),
        lambda xp, x: x * 2,
        name="test_double",
    )
    x = scalar("x")
    y = double(x)
    grad(y * y + y, [x, y])
    assert len(calls) == 1


def test_operations_off_the_way_are_not_differentiated():
    never = elementwise(
        lambda x: x,
        lambda g, out, x: pytest.fail("differentiated"),
        lambda xp, x: x.copy(),
        name="test_never",
    )
    x, y = scalar("x"), scalar("y")
    assert run(grad(x * never(y), x), {y: 4.0}) == 4.0


# ---- depth


def test_long_chains():
    x = vector("x")
    y = x
    for _ in range(10_000):
        y = y * x
    started = time.process_time()
    g = grad(y.sum(), x)
    assert time.process_time() - started < 6
    assert np.isfinite(evaluate([g.sum()], {x: np.array([0.5, 1.0])})[0])


def test_the_size_of_the_gradient_is_linear():
    def nodes(n):
        x = scalar("x")
        y = x
        for _ in range(n):
            y = F.tanh(y) * x + y
        return len(toposort([grad(y, x)]))

    assert nodes(80) < 2.2 * nodes(40)


# ---- what is not connected


def test_disconnected_inputs():
    x, y = vector("x"), vector("y")
    cost = (x**2).sum()
    with pytest.raises(DisconnectedInputError, match="does not depend on y"):
        grad(cost, [x, y])
    with pytest.warns(UserWarning, match="does not depend on y"):
        grad(cost, y, disconnected_inputs="warn")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zeros = grad(cost, y, disconnected_inputs="ignore")
    np.testing.assert_array_equal(run(zeros, {y: [1.0, 2.0]}), [0, 0])
    keywords = {"disconnected_inputs": "ignore"}
    assert grad(cost, y, return_disconnected="None", **keywords) is None
    found = grad(cost, y, return_disconnected="Disconnected", **keywords)
    assert isinstance(found.type, DisconnectedType)


def test_disconnected_names_the_break():
    x = vector("x")
    cost = (disconnected_grad(F.exp(x)) * 2).sum()
    with pytest.raises(DisconnectedInputError) as caught:
        grad(cost, x)
    text = str(caught.value)
    assert "not propagated through DisconnectedGrad" in text
    assert "test_gradient.py" in text and "the way from the cost" in text
    assert len(text.splitlines()) <= 25


def test_shapes_do_not_connect():
    x = matrix("x")
    with pytest.raises(DisconnectedInputError):
        grad(x.shape[0] * 1.5, x)
    g = grad((x / x.shape[0]).sum(), x)
    np.testing.assert_allclose(run(g, {x: np.ones((4, 1))}), np.full((4, 1), 0.25))


def test_consider_constant():
    x, y = scalar("x"), scalar("y")
    z = x * y
    cost = z * x
    assert run(grad(cost, x, consider_constant=[z]), {x: 3.0, y: 5.0}) == 15.0
    with pytest.raises(DisconnectedInputError):
        grad(cost, y, consider_constant=[z])


def test_wrong_settings():
    x = scalar("x")
    with pytest.raises(ValueError, match="disconnected_inputs"):
        grad(x * 2, x, disconnected_inputs="maybe")
    with pytest.raises(ValueError, match="return_disconnected"):
        grad(x * 2, x, return_disconnected="maybe")
    with pytest.raises(ValueError, match="null_gradients"):
        grad(x * 2, x, null_gradients="maybe")


# ---- wrong costs


def test_wrong_costs():
    x = vector("x")
    with pytest.raises(TypeError, match="rank 1") as caught:
        grad(x * 2, x)
    assert "test_gradient.py" in str(caught.value)
    with pytest.warns(UserWarning, match="the cost is int32"):
        slope = grad(x.sum().astype("int32"), x)
    np.testing.assert_array_equal(slope.eval({x: np.ones(2)}), np.zeros(2))
    with pytest.raises(TypeError, match="is complex128") as caught:
        grad((x * 1j).sum(), x)
    assert "T.real()" in str(caught.value)
    with pytest.raises(TypeError, match="is a variable"):
        grad(3.0, x)
    with pytest.raises(ValueError, match="neither"):
        grad(None, x)
    with pytest.raises(TypeError, match="is no variable"):
        grad(x.sum(), ["x"])


# ---- what is not defined


class Undefined(Op):
    """A user's op in Theano's manner; `gradient` is what its `grad` returns."""

    def __init__(self, gradient):
        self.gradient = gradient

    def make_node(self, x, y):
        return Apply(self, [x, y], [x.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = inputs[0] * inputs[1]

    def grad(self, inputs, output_gradients):
        return self.gradient(self, inputs, output_gradients[0])


def test_undefined_gradients():
    x, y = scalar("x"), scalar("y")
    op = Undefined(lambda op, v, g: [grad_undefined(op, 0, v[0], "a test"), g * v[0]])
    cost = op(x, y) * 2
    assert run(grad(cost, y), {x: 3.0, y: 1.0}) == 6.0
    with pytest.raises(NullTypeGradError, match="a test") as caught:
        grad(cost, x)
    assert "the way from the cost" in str(caught.value)
    assert isinstance(grad(cost, x, null_gradients="return").type, NullType)
    with pytest.raises(NullTypeGradError):  # through further operations
        deeper = scalar("deeper")
        grad(op(F.exp(deeper) + deeper, y), deeper)
    with pytest.raises(TypeError):
        grad(grad(undefined_grad(x) ** 2 + x, x), x)


def test_gradients_that_nobody_wrote():
    class Silent(Undefined):
        grad = Op.grad

    x, y = scalar("x"), scalar("y")
    with pytest.raises(NullTypeGradError, match="no gradient"):
        grad(Silent(None)(x, y), x)
    other = Undefined(lambda op, v, g: [grad_not_implemented(op, 0, v[0]), g])
    with pytest.raises(NullTypeGradError, match="not implemented"):
        grad(other(x, y), x)
    assert issubclass(NotImplementedGradientError, NullTypeGradError)


def test_user_ops_may_return_numbers_and_must_return_enough():
    x, y = scalar("x"), scalar("y")
    plain = Undefined(lambda op, v, g: [2, DisconnectedType()()])
    assert run(grad(plain(x, y), x), {x: 1.0, y: 1.0}) == 2.0
    with pytest.raises(DisconnectedInputError):
        grad(plain(x, y), y)
    with pytest.raises(ValueError, match="1 gradients for 2 inputs"):
        grad(Undefined(lambda op, v, g: [g])(x, y), x)


# ---- operations that change gradients on their way


def test_barriers():
    x = vector("x")
    values = {x: np.array([1.0, -2.0, 3.0])}
    for barrier, want in [
        (disconnected_grad, 3.0),
        (zero_grad, 3.0),
        (lambda v: grad_clip(v, -1, 1), [3 + 1, 3 - 1, 3 + 1]),
        (lambda v: grad_scale(v, -0.5), [3 - 1, 3 + 2, 3 - 3]),
    ]:
        cost = (barrier(x) ** 2).sum() + 3 * x.sum()
        np.testing.assert_allclose(run(cost, values), 14 + 6)
        np.testing.assert_allclose(run(grad(cost, x), values), np.zeros(3) + want)
    with pytest.raises(ValueError, match="above"):
        grad_clip(x, 1, -1)


# ---- known gradients


def test_known_gradients_replace_the_way_up():
    x = vector("x")
    hidden = F.tanh(x)
    cost = (hidden**2).sum()
    between = grad(cost, hidden)
    whole = grad(cost, x)
    parts = grad(None, x, known_grads={hidden: between})
    pairs = grad(None, x, known_grads=[(hidden, between)])
    values = {x: RANDOM.normal(size=4)}
    np.testing.assert_allclose(run(parts, values), run(whole, values))
    np.testing.assert_allclose(run(pairs, values), run(whole, values))
    given = grad(cost, x, known_grads={hidden: np.ones(4)})
    np.testing.assert_allclose(run(given, values), 1 - np.tanh(values[x]) ** 2)


@pytest.mark.parametrize("seed", [3, 3.0, np.array([3]), np.int8(3)])
def test_known_gradients_take_the_shape_and_dtype_of_their_variables(seed):
    for kind in ("float32", "float64"):
        x = TensorType(kind, (None, None))("x")
        for known in (x, x * 1):
            found = grad(None, x, known_grads={known: seed})
            assert found.type.dtype == kind and found.type.ndim == 2
            got = run(found, {x: np.zeros((2, 3), kind)})
            np.testing.assert_array_equal(got, np.full((2, 3), 3, kind), strict=True)


def test_subgraph_grad():
    x, w = vector("x"), matrix("w")
    hidden = F.tanh(dot(x, w))
    cost = (hidden**2).sum() + (w**2).sum()
    top, at_hidden = subgraph_grad([w], [hidden], cost=cost)
    bottom, at_x = subgraph_grad([w], [x], start={hidden: at_hidden[0]})
    values = {x: RANDOM.normal(size=3), w: RANDOM.normal(size=(3, 2))}
    want = run(grad(cost, [w, x]), values)
    np.testing.assert_allclose(run(top[0] + bottom[0], values), want[0])
    np.testing.assert_allclose(run(at_x[0], values), want[1])
    detailed = subgraph_grad([w], [x], start={hidden: at_hidden[0]}, details=True)
    assert len(detailed) == 4
    with pytest.raises(ValueError, match="neither"):
        subgraph_grad([w], [x])


# ---- the user's line


def test_gradients_carry_the_line_of_what_they_come_from():
    x = vector("x")
    y = F.exp(x)  # here
    g = grad(dimshuffle(switch(y > 0, y, 0), 0).sum(), x)
    origins = [node.origin for node in toposort([g])]
    assert all(o.filename.endswith("test_gradient.py") for o in origins)
    products = [o for o in origins if o.role == "gradient" and "# here" in o.text]
    assert products


@pytest.mark.parametrize("function", [grad, jacobian, hessian])
def test_several_variables_come_as_a_list(function):
    x, y = TensorType("float64", (None,))("x"), TensorType("float64", (None,))("y")
    cost = (x * y).sum()
    for more in ((y,), (None, y), ([x], y)):
        with pytest.raises(TypeError, match=r"grad\(cost, \[W, b\]\)"):
            function(cost, x, *more)
    with pytest.raises(TypeError, match=r"consider_constant=\[x\]"):
        function(cost, x, consider_constant=y)
