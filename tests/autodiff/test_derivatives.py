"""What is handed in beside a cost: gradients and points of other sizes are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.errors import ShapeError


def array(*shape: int | None) -> Any:
    return T.TensorType("float64", shape)()


@pytest.mark.parametrize(
    "f", [T.exp, T.cumsum, T.sort, lambda x: x[::-1], lambda x: x + 1, T.sqr]
)
@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 5)])
def test_sizes_that_contradict(f: Any, shape: Any) -> None:
    x, given = array(3), array(*shape)
    y = f(x)
    asked = {
        "known_grads": lambda: T.grad(None, x, known_grads={y: given}),
        "start": lambda: symnet.subgraph_grad([x], [x], start={y: given}),
    }
    if len(shape) == 1:
        asked["an eval_point"] = lambda: T.Lop(y, x, given)
    for what, ask in asked.items():
        with pytest.raises(ShapeError, match=what) as found:
            ask()
        text = str(found.value)
        assert f"has shape {shape}, and its variable (3,)" in text
        assert f"your line: {__file__}" in text
    if len(shape) == 1:
        with pytest.raises(ShapeError, match="eval_point") as found:
            T.Rop(y, x, given)  # the line that asks
        assert "# the line that asks" in str(found.value)


def test_points_of_another_rank_name_the_line() -> None:
    x = array(3)
    y = T.exp(x)  # this line
    with pytest.raises(TypeError, match="rank of its variable") as found:
        T.Lop(y, x, array(2, 3))
    assert "# this line" in str(found.value)


def test_what_is_stretched_or_not_known_is_taken() -> None:
    x = array(3)
    y = 2 * x
    values = np.arange(3.0)
    for known in (T.constant(1.0), T.constant(np.ones(1)), T.constant(np.ones(3))):
        gradient = T.grad(None, x, known_grads={y: known})
        assert gradient.eval({x: values}).tolist() == [2, 2, 2]
    point = array(None)
    pulled = symnet.function([point], T.Lop(y, x, point))
    assert pulled(values).tolist() == [0, 2, 4]


def test_the_gradient_of_an_integer_cost_is_zero_with_a_warning() -> None:
    x, n = T.dvector("x"), T.lvector("n")
    for cost, v in ((T.neq(x, 1).sum(), x), (n.sum(), n), ((x > 0).all(), x)):
        with pytest.warns(UserWarning, match="zero everywhere"):
            found = T.grad(cost, v)
        assert found.dtype == "float64"
        assert found.eval({v: [1, 2]}).tolist() == [0, 0]
    with pytest.warns(UserWarning), pytest.raises(symnet.errors.DisconnectedInputError):
        T.grad(n.sum(), x)
    k = T.iscalar("k")
    with pytest.warns(UserWarning):
        assert T.grad(k, k).eval({k: 12}) == 1


def test_a_given_gradient_may_be_undefined_or_disconnected() -> None:
    x = T.dvector("x")
    y = x * 2
    null, cut = symnet.gradient.NullType(), symnet.gradient.DisconnectedType()
    with pytest.raises(symnet.errors.NullTypeGradError):
        T.grad(None, x, known_grads={y: null()})
    with pytest.raises(symnet.errors.DisconnectedInputError):
        T.grad(None, x, known_grads={y: cut()})


def test_what_products_with_jacobians_were_asked_of_is_no_unused_input() -> None:
    x, v = T.dvectors("x", "v")
    assert symnet.function([x, v], T.Rop(x * 2, x, v))([1], [3]).tolist() == [6]
    assert symnet.function([x, v], T.Lop(x * 2, x, v))([1], [3]).tolist() == [6]


def test_rop_keeps_what_it_is_taken_with_respect_to() -> None:
    """Also where the stable form of the whole would do without it."""
    x = T.dmatrix("x")
    u = T.log(T.exp(x).sum(axis=0, keepdims=True)) * x
    pushed = T.Rop((T.tanh(u) * x).sum(), u, T.ones_like(x))
    value, given = np.random.default_rng(0).normal(size=(2, 3, 3))
    found = symnet.function([x, u], pushed)(value, given)
    np.testing.assert_allclose(found, ((1 - np.tanh(given) ** 2) * value).sum())
