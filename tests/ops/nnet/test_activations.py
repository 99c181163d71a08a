"""Rectifiers and softmax.  Golden values: PyTorch 2.13.0, float64, on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from symnet.gradient import grad, verify_grad
from symnet.graph.evaluate import evaluate
from symnet.graph.types import TensorType
from symnet.ops.elementwise import cast
from symnet.ops.inputs import bmatrix, fmatrix, imatrix, matrix, scalar, tensor3, vector
from symnet.ops.nnet.activations import (
    LogSoftmax,
    Softmax,
    elu,
    leaky_relu,
    logsoftmax,
    logsumexp,
    maxout,
    prelu,
    relu,
    selu,
    softmax,
    softmax_with_bias,
    softsign,
)
from tests.helpers import run
from tests.ops.scalars import apply, samples

RANDOM = np.random.default_rng(3)
X = np.array([[1.0, -2.0, 3.0], [0.5, 0.25, -0.125]])
GOLDEN = {
    "softmax": [
        [0.11849965453500959, 0.005899750401902781, 0.8756005950630876],
        [0.43214049950399813, 0.3365513594105818, 0.23130814108542005],
    ],
    "logsoftmax": [
        [-2.1328452337275756, -5.132845233727576, -0.13284523372757556],
        [-0.8390045132806183, -1.0890045132806183, -1.4640045132806183],
    ],
    "elu": [[1.0, -1.296997075145081, 3.0], [0.5, 0.25, -0.1762546461231069]],
    "selu": [
        [1.0507009873554805, -1.5201664685956948, 3.1521029620664414],
        [0.5253504936777402, 0.2626752468388701, -0.2065821181135479],
    ],
    "softsign": [
        [0.5, -0.6666666666666666, 0.75],
        [0.3333333333333333, 0.2, -0.1111111111111111],
    ],
    "leaky": [[1.0, -0.2, 3.0], [0.5, 0.25, -0.0125]],
}
FUNCTIONS = {
    "softmax": softmax,
    "logsoftmax": logsoftmax,
    "elu": lambda x: elu(x, 1.5),
    "selu": selu,
    "softsign": softsign,
    "leaky": lambda x: relu(x, 0.1),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_values(name):
    x = matrix("x")
    np.testing.assert_allclose(
        run(FUNCTIONS[name](x), {x: X}), GOLDEN[name], rtol=1e-14
    )


@pytest.mark.parametrize("name", GOLDEN)
def test_gradients(name):
    function = FUNCTIONS[name]
    points = [X, RANDOM.normal(size=(1, 4)), RANDOM.normal(size=(0, 2))]
    for x in points:
        verify_grad(function, [x])
        verify_grad(lambda v: grad((function(v) ** 2).sum(), v), [x], n_tests=1)
    verify_grad(function, [X.astype("float32")])


# ---- rectifiers


def test_relu_and_elu_of_special_values():
    for dtype in ("float32", "float64"):
        x = samples(dtype)
        with np.errstate(all="ignore"):
            apply(relu, x, expected=np.maximum(x, 0))
            leaky = np.where(x > 0, x, x * x.dtype.type(0.1))
            apply(lambda v: relu(v, 0.1), x, expected=leaky)
            apply(elu, x, expected=np.where(x > 0, x, np.expm1(x)), rtol=1e-6)
            apply(softsign, x, expected=x / (1 + abs(x)))


def test_relu_takes_integers_and_variables():
    x, a = imatrix("x"), scalar("a")
    assert relu(x).type.dtype == "float64"
    found = run(relu(x, a), {x: [[-4, 4]], a: 0.25})
    assert found.tolist() == [[-1, 4]]
    verify_grad(relu, [X, np.array(0.3)])
    verify_grad(elu, [X, np.array(0.3)])
    verify_grad(relu, [X, np.array([0.3, 0.2, 0.1])])


def test_derivatives_at_zero():
    x = vector("x")
    for function, first in [
        (relu, 0.5),
        (lambda v: relu(v, 0.2), 0.6),
        (elu, 1),
        (softsign, 1),
    ]:
        one = grad(function(x).sum(), x)
        np.testing.assert_allclose(run(one, {x: [0.0]}), [first])
        second = grad(one.sum(), x)
        assert np.isfinite(run(second, {x: [0.0]})).all()
    twice = grad((grad(relu(x).sum(), x) * x).sum(), x)
    np.testing.assert_allclose(run(twice, {x: [0.0, 3.0]}), [0.5, 1])


def test_derivatives_for_large_arguments():
    x = fmatrix("x")
    large = np.array([[500.0, -500.0, 3e38, -3e38]], "float32")
    for function in (relu, elu, selu, softsign, lambda v: elu(v, 0.5)):
        first = grad(function(x).sum(), x)
        second = grad((first**2).sum(), x)
        assert np.isfinite(run([first, second], {x: large})).all()


# ---- softmax


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_any_axis(axis):
    x = RANDOM.normal(size=(2, 3, 4))
    v = tensor3("v")
    want = scipy.special.softmax(x, axis=axis)
    np.testing.assert_allclose(run(softmax(v, axis=axis), {v: x}), want)
    np.testing.assert_allclose(run(logsoftmax(v, axis=axis), {v: x}), np.log(want))
    total = scipy.special.logsumexp(x, axis=axis)
    np.testing.assert_allclose(run(logsumexp(v, axis=axis), {v: x}), total)
    for function in (softmax, logsoftmax, logsumexp):
        verify_grad(lambda v: function(v, axis=axis), [x])  # noqa: B023
    kept = run(logsumexp(v, axis=axis, keepdims=True), {v: x})
    assert kept.shape == scipy.special.logsumexp(x, axis=axis, keepdims=True).shape


def test_ranks():
    x = vector("x")
    values = {x: np.array([1.0, 2.0])}
    assert run(softmax(x), values).shape == (1, 2)  # as Theano
    assert run(softmax(x, axis=0), values).shape == (2,)
    with pytest.raises(TypeError, match="scalar"):
        softmax(scalar())
    with pytest.raises(ValueError, match="no axis 2"):
        softmax(matrix(), axis=2)


@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (3, 1), (1, 3), (5, 1000)])
def test_sizes(shape):
    x = RANDOM.normal(size=shape)
    v = matrix("v")
    want = scipy.special.softmax(x, axis=1)
    np.testing.assert_allclose(run(softmax(v), {v: x}), want)
    np.testing.assert_allclose(run(logsoftmax(v), {v: x}), np.log(want), atol=1e-14)


def test_large_arguments_stay_finite():
    x = fmatrix("x")
    large = np.array([[1e4, -1e4, 3e4], [-3e38, 0, 10], [88, 89, 90]], "float32")
    found = run(
        [softmax(x), logsoftmax(x), grad(logsoftmax(x)[:, 0].sum(), x)], {x: large}
    )
    assert all(np.isfinite(v).all() for v in found)
    np.testing.assert_allclose(found[0].sum(1), 1, rtol=1e-6)


def test_infinite_arguments():
    x = matrix("x")
    values = np.array([[-np.inf, 0.0, 1.0], [np.nan, 0.0, 1.0]])
    found = run(softmax(x), {x: values})
    np.testing.assert_allclose(found[0], scipy.special.softmax(values[0]))
    assert np.isnan(found[1]).all()
    assert run(logsoftmax(x), {x: values})[0, 0] == -np.inf


def test_dtypes():
    for x, dtype in [
        (imatrix(), "float64"),
        (bmatrix(), "float64"),
        (fmatrix(), "float32"),
    ]:
        assert softmax(x).type.dtype == logsoftmax(x).type.dtype == dtype
    half = TensorType("float16", (None, None))()
    assert run(softmax(half), {half: X}).dtype == np.float16


def test_the_definition_by_other_operations_is_the_reference():
    for op in (Softmax(0), Softmax(1), LogSoftmax(0), LogSoftmax(1)):
        x = TensorType("float64", (2, None))()
        node = op.make_node(x)
        by_definition = node.op.expand(*node.inputs)
        assert by_definition.type == node.outputs[0].type
        np.testing.assert_allclose(*evaluate([node.outputs[0], by_definition], {x: X}))


def test_softmax_with_bias():
    x, b = matrix("x"), vector("b")
    bias = np.array([0.5, -1.0, 2.0])
    found = run(softmax_with_bias(x, b), {x: X, b: bias})
    np.testing.assert_allclose(found, scipy.special.softmax(X + bias, axis=1))


def test_max_of_softmax():
    x = matrix("x")
    found = run(softmax(x).max(), {x: X})
    np.testing.assert_allclose(found, GOLDEN["softmax"][0][2])
    assert cast(found, "float32").type.dtype == "float32"


def test_slopes_of_channels():
    """Golden values: PyTorch 2.13.0, prelu and leaky_relu."""
    x, a = tensor3("x"), vector("a")
    value = np.arange(-6.0, 6).reshape(2, 3, 2)
    slopes = np.array([0.5, 0.25, 2.0])
    y = prelu(x, a)
    want = np.where(value > 0, value, value * slopes[:, None])
    np.testing.assert_allclose(run(y, {x: value, a: slopes}), want)
    by_a = run(grad(y.sum(), a), {x: value, a: slopes})
    np.testing.assert_allclose(by_a, np.minimum(value, 0).sum((0, 2)))
    got = run(leaky_relu(x), {x: value})
    np.testing.assert_allclose(got, np.where(value > 0, value, 0.01 * value))
    with pytest.raises(TypeError, match="channels along axis 1"):
        prelu(vector("v"), a)


def test_maxout():
    x = tensor3("x")
    value = RANDOM.integers(0, 9, (2, 6, 4)).astype(float)
    for axis, shape in ((1, (2, 3, 2, 4)), (-1, (2, 6, 2, 2)), (0, (1, 2, 6, 4))):
        y = maxout(x, 2, axis)
        want = value.reshape(shape).max(axis % 3 + 1)
        np.testing.assert_array_equal(run(y, {x: value}), want)
    with pytest.raises(ValueError, match="multiple|number of elements"):
        run(maxout(x, 4), {x: value})
    with pytest.raises(ValueError, match="1 at least"):
        maxout(x, 0)
