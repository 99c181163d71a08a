"""Cross-entropies.  Golden values: PyTorch 2.13.0, float64, on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from symnet.compile.function import function as compiled
from symnet.errors import ShapeError
from symnet.gradient import grad, verify_grad
from symnet.graph.evaluate import evaluate
from symnet.graph.types import TensorType
from symnet.ops.base import constant
from symnet.ops.functions import exp, sigmoid
from symnet.ops.inputs import fmatrix, ivector, lvector, matrix, scalar, tensor3, vector
from symnet.ops.nnet.activations import softmax
from symnet.ops.nnet.classification import (
    CrossentropySoftmax1Hot,
    binary_crossentropy,
    categorical_crossentropy,
    confusion_matrix,
    crossentropy_categorical_1hot,
    crossentropy_softmax_1hot,
    crossentropy_softmax_1hot_with_bias,
    crossentropy_softmax_argmax_1hot_with_bias,
    crossentropy_softmax_max_and_argmax_1hot,
    crossentropy_softmax_max_and_argmax_1hot_with_bias,
    h_softmax,
    pick,
    sigmoid_binary_crossentropy,
)
from tests.helpers import run

RANDOM = np.random.default_rng(3)
X = np.array([[1.0, -2.0, 3.0], [0.5, 0.25, -0.125]])
LARGE = np.array([[1e4, -1e4, 3e4], [-3e38, 0, 10], [88, 89, 90]], "float32")


# ---- picking


@pytest.mark.parametrize("dtype", "int8 uint8 int32 int64 uint64".split())
def test_pick(dtype):
    x, y = matrix("x"), TensorType(dtype, (None,))("y")
    numbers = np.array([2, 0], dtype)
    found = run(pick(x, y), {x: X, y: numbers})
    np.testing.assert_array_equal(found, [3.0, 0.5])
    gradient = grad((pick(x, y) * np.array([1.0, 2.0])).sum(), x)
    want = np.array([[0, 0, 1.0], [2.0, 0, 0]])
    np.testing.assert_array_equal(run(gradient, {x: X, y: numbers}), want)


def test_pick_counts_from_the_end():
    x, y = matrix("x"), lvector("y")
    numbers = np.array([-1, -3])
    np.testing.assert_array_equal(run(pick(x, y), {x: X, y: numbers}), [3.0, 0.5])
    verify_grad(lambda x: pick(x, constant(numbers)) ** 2, [X])


@pytest.mark.parametrize(
    "shape", [(4, 2, 3), (1, 1, 3), (0, 2, 3), (2, 0, 3), (1, 2, 1)]
)
def test_pick_of_higher_ranks(shape):
    x = RANDOM.normal(size=shape)
    numbers = RANDOM.integers(0, shape[-1], size=shape[:-1])
    v, y = tensor3("v"), TensorType("int64", (None, None))("y")
    want = np.take_along_axis(x, numbers[..., None], -1)[..., 0]
    np.testing.assert_array_equal(run(pick(v, y), {v: x, y: numbers}), want)
    verify_grad(lambda v: pick(v, constant(numbers)) ** 2, [x])


@pytest.mark.parametrize("number", [3, -4, 100])
def test_numbers_out_of_range(number):
    x, y = matrix("x"), lvector("y")
    for output in (pick(x, y), categorical_crossentropy(softmax(x), y)):
        with pytest.raises(IndexError):
            run(output, {x: X, y: np.array([0, number])})


def test_wrong_class_numbers():
    x = matrix("x")
    with pytest.raises(TypeError, match="integers"):
        pick(x, vector())
    with pytest.raises(TypeError, match="one axis less"):
        pick(x, TensorType("int64", (None, None))())
    with pytest.raises(ShapeError, match="axis 0"):
        pick(np.ones((2, 3)), np.array([1, 2, 0]))
    y = lvector("y")
    with pytest.raises(ValueError):
        run(pick(x, y), {x: X, y: np.array([0, 1, 1])})


# ---- several classes


def test_golden_values_of_the_mean():
    x, y = matrix("x"), ivector("y")
    cost = categorical_crossentropy(softmax(x), y).mean()
    found = run([cost, grad(cost, x)], {x: X, y: [2, 0]})
    np.testing.assert_allclose(found[0], 0.48592487350409697, rtol=1e-14)
    want = [
        [0.05924982726750479, 0.00294987520095139, -0.062199702468456186],
        [-0.28392975024800093, 0.1682756797052909, 0.11565407054271001],
    ]
    np.testing.assert_allclose(found[1], want, rtol=1e-13)


def test_both_forms_of_the_target_agree():
    x = matrix("x")
    numbers = np.array([2, 0])
    one_hot = np.eye(3)[numbers]
    for probabilities in (softmax(x), sigmoid(x)):
        by_number = categorical_crossentropy(probabilities, constant(numbers))
        by_vector = categorical_crossentropy(probabilities, constant(one_hot))
        np.testing.assert_allclose(*run([by_number, by_vector], {x: X}))
        gradients = [grad(c.sum(), x) for c in (by_number, by_vector)]
        np.testing.assert_allclose(*run(gradients, {x: X}), atol=1e-15)


@pytest.mark.parametrize("shape", [(4, 5), (1, 1), (1, 5), (4, 1), (0, 5), (2, 3, 4)])
def test_gradients(shape):
    x = RANDOM.normal(size=shape)
    numbers = constant(RANDOM.integers(0, shape[-1], size=shape[:-1]))
    dense = constant(RANDOM.uniform(size=shape))
    for target in (numbers, dense):
        for inner in (softmax, sigmoid):

            def function(v, inner=inner, target=target):
                return categorical_crossentropy(inner(v), target)

            verify_grad(function, [x])
            verify_grad(lambda v: grad((function(v) ** 2).sum(), v), [x], n_tests=1)  # noqa: B023


def test_large_scores_stay_finite_without_rewrites():
    x = fmatrix("x")
    for target in (np.array([1, 0, 2]), np.eye(3, dtype="float32")):
        cost = categorical_crossentropy(softmax(x), constant(target)).sum()
        for value in evaluate([cost, grad(cost, x)], {x: LARGE}):
            assert np.isfinite(value).all()
        assert all(np.isfinite(v).all() for v in run([cost, grad(cost, x)], {x: LARGE}))


def test_the_definition_by_other_operations_is_the_reference():
    x, y = TensorType("float64", (2, None))(), TensorType("int32", (None,))()
    node = CrossentropySoftmax1Hot().make_node(x, y)
    by_definition = node.op.expand(*node.inputs)
    assert by_definition.type == node.outputs[0].type
    values = {x: X, y: np.array([2, 0], "int32")}
    np.testing.assert_allclose(*evaluate([node.outputs[0], by_definition], values))


def test_ranks():
    with pytest.raises(TypeError, match="rank mismatch"):
        categorical_crossentropy(matrix(), scalar())
    with pytest.raises(TypeError, match="integers"):
        categorical_crossentropy(matrix(), vector())


def test_theanos_names():
    x, b, y = matrix("x"), vector("b"), lvector("y")
    bias, numbers = np.array([0.5, -1.0, 2.0]), np.array([2, 1])
    p = scipy.special.softmax(X + bias, axis=1)
    want = [-np.log(p[[0, 1], numbers]), p, p.max(1), p.argmax(1)]
    values = {x: X, b: bias, y: numbers}
    for function, which in [
        (crossentropy_softmax_max_and_argmax_1hot_with_bias, [0, 1, 2, 3]),
        (crossentropy_softmax_argmax_1hot_with_bias, [0, 1, 3]),
        (crossentropy_softmax_1hot_with_bias, [0, 1]),
    ]:
        found = run(function(x, b, y), values)
        for got, k in zip(found, which, strict=True):
            np.testing.assert_allclose(got, want[k])
    for function in (
        crossentropy_softmax_max_and_argmax_1hot,
        crossentropy_softmax_1hot,
    ):
        np.testing.assert_allclose(run(function(x + b, y), values)[0], want[0])
    direct = run(crossentropy_categorical_1hot(x, y), {x: p, y: numbers})
    np.testing.assert_allclose(direct, want[0])


# ---- two classes


def test_golden_values_of_two_classes():
    x, t = matrix("x"), matrix("t")
    target = np.array([[0.2, 1.0, 0.0], [0.5, 0.75, 1.0]])
    value = [
        [1.1132616875182229, 2.1269280110429727, 3.048587351573742],
        [0.7240769841801067, 0.6384394198788436, 0.7575990353171691],
    ]
    slope = [
        [0.5310585786300048, -0.8807970779778824, 0.9525741268224334],
        [0.1224593312018546, -0.18782349911420193, -0.5312093733737562],
    ]
    for cost in (
        sigmoid_binary_crossentropy(x, t),
        binary_crossentropy(sigmoid(x), t),
        binary_crossentropy(1 * sigmoid(x), t),
    ):
        found = run([cost, grad(cost.sum(), x)], {x: X, t: target})
        np.testing.assert_allclose(found[0], value, rtol=1e-13)
        np.testing.assert_allclose(found[1], slope, rtol=1e-12)


def test_gradients_of_two_classes():
    target = RANDOM.uniform(size=(2, 3))
    functions = (
        sigmoid_binary_crossentropy,
        lambda x, t: binary_crossentropy(sigmoid(x), t),
    )
    for function in functions:
        verify_grad(function, [X, target])
        verify_grad(lambda x, t: grad(function(x, t).sum(), [x, t]), [X, target])  # noqa: B023
    at_zero = np.zeros((1, 3))
    x = matrix("x")
    slope = grad(sigmoid_binary_crossentropy(x, 0.25).sum(), x)
    np.testing.assert_allclose(run(slope, {x: at_zero}), 0.25 + at_zero)


def test_large_scores_of_two_classes():
    x, t = fmatrix("x"), fmatrix("t")
    target = np.array([[1, 0, 1], [0, 1, 0], [0.5, 1, 0]], "float32")
    cost = binary_crossentropy(sigmoid(x), t)
    found = run([cost, grad(cost.sum(), x)], {x: LARGE, t: target})
    assert all(np.isfinite(v).all() for v in found)
    exact = np.logaddexp(0, LARGE.astype("float64")) - LARGE.astype("float64") * target
    np.testing.assert_allclose(found[0], exact, rtol=1e-6, atol=1e-30)


# ---- classes counted, and in two levels


def test_confusion_matrix():
    actual, predicted = np.array([2, 0, 2, 2, 0, 1]), np.array([0, 0, 2, 2, 0, 2])
    x, y = lvector("x"), lvector("y")
    found, order = run(confusion_matrix(x, y), {x: actual, y: predicted})
    assert order.tolist() == [0, 1, 2]
    assert found.tolist() == [[2, 0, 0], [0, 0, 1], [1, 0, 2]]
    with pytest.raises(ValueError, match="vectors"):
        confusion_matrix(matrix(), y)


def test_h_softmax():
    batch, features, classes, each, outputs = 4, 3, 2, 3, 5
    arrays = [
        RANDOM.normal(size=s)
        for s in [(batch, features), (features, classes), (classes,),
                  (classes, features, each), (classes, each)]
    ]  # fmt: skip
    x, w1, b1, w2, b2 = arrays
    outer = scipy.special.softmax(x @ w1 + b1, axis=1)
    inner = scipy.special.softmax(np.einsum("bf,cfe->bce", x, w2) + b2, axis=2)
    want = (outer[:, :, None] * inner).reshape(batch, -1)
    numbers = (batch, outputs, classes, each)
    inputs = [TensorType("float64", (None,) * a.ndim)() for a in arrays]
    values = dict(zip(inputs, arrays))
    every = h_softmax(inputs[0], *numbers, *inputs[1:])
    np.testing.assert_allclose(run(every, values), want[:, :outputs])
    target = np.array([0, 4, 3, 2])
    y = lvector("y")
    one = h_softmax(inputs[0], *numbers, *inputs[1:], target=y)
    np.testing.assert_allclose(
        run(one, {**values, y: target}), want[np.arange(batch), target]
    )
    verify_grad(
        lambda *v: h_softmax(v[0], *numbers, *v[1:], target=constant(target)), arrays
    )


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE", "DebugMode"])
@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8", "uint64"])
def test_what_numbers_no_class_is_refused(dtype, mode):
    """Also where only the gradient is computed."""
    x, y = TensorType("float64", (None, None))("x"), TensorType(dtype, (None,))("y")
    scores = np.random.default_rng(0).standard_normal((4, 3))
    right, wrong = np.array([0, 1, 2, 0], dtype), [3, np.iinfo(dtype).max]
    wrong += [-1, -3, -4, np.iinfo(dtype).min] if dtype[0] == "i" else []
    entropies = [
        categorical_crossentropy(softmax(x), y), categorical_crossentropy(exp(x), y),
        crossentropy_softmax_1hot(x, y)[0],
        crossentropy_softmax_max_and_argmax_1hot_with_bias(x, x[0], y)[0],
    ]  # fmt: skip
    for entropy in entropies:
        for output in (entropy, grad(entropy.sum(), x)):
            f = compiled([x, y], output, mode=mode)
            assert np.isfinite(f(scores, right)).all()
            for number in wrong:
                with pytest.raises(IndexError, match="class|out of range"):
                    f(scores, np.array([0, 1, number, 0], dtype))
