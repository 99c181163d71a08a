"""What is replaced after a gradient was taken is in the gradient, or refused."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import clone, function, grad
from symnet.graph.traverse import leaves
from symnet.graph.variables import Constant
from symnet.rewriting.bypassed import clone_between

Z = np.array([-1.0, 0.5, 2.0])


def logistic():
    z = T.vector("z")
    p = 1 / (1 + T.exp(-z))
    return z, p, -T.log(p).sum()


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_a_replaced_probability_is_refused(mode):
    z, p, cost = logistic()
    g = grad(cost, z)
    other = T.vector("other")
    with pytest.raises(ValueError, match="stable form without it") as error:
        function([z, other], [cost, g], givens={p: other}, mode=mode)
    assert f"your line: {__file__}" in str(error.value)
    with pytest.raises(ValueError, match="grad\\(cost"):
        function([p, z], [2 * g], mode=mode)


def test_named_variables_stay():
    z, p, cost = logistic()
    g, _ = grad(cost, [z, p])
    other = T.vector("other")
    f = function([z, other], [cost, g], givens={p: other})
    value, gradient = f(Z, np.full(3, 0.25))
    np.testing.assert_allclose(value, -3 * np.log(0.25))
    # dcost/dp at the replacement, times dp/dz as p is made of z
    p_at_z = 1 / (1 + np.exp(-Z))
    np.testing.assert_allclose(gradient, -1 / 0.25 * p_at_z * (1 - p_at_z))


def test_what_a_gradient_goes_through_is_replaced():
    z, p, cost = logistic()
    g = grad(cost, z)
    f = function([z], [cost, g], givens={z: 2 * z})
    np.testing.assert_allclose(f(Z)[1], 1 / (1 + np.exp(-2 * Z)) - 1)
    values = function([z], cost, givens={p: T.exp(z)})(Z)  # no gradient in it
    np.testing.assert_allclose(values, -Z.sum())


def test_a_gradient_of_the_replaced_graph():
    z, p, cost = logistic()
    replaced = symnet.clone(cost, {p: T.exp(z)})
    np.testing.assert_allclose(function([z], grad(replaced, z))(Z), -1)


# ---- other ways of replacing, and other gradients


def other_gradients(z, cost):
    """Gradients whose graphs are copies of those that were walked, or inside a loop."""
    terms = -T.log(1 / (1 + T.exp(-z)))
    in_steps, _ = symnet.scan(lambda k: k * grad(cost, z), T.arange(3))
    return {
        "grad": grad(cost, z),
        "Rop": T.Rop(cost, z, T.ones_like(z)),
        "Lop": T.Lop(cost, z, T.ones_like(cost)),
        "hessian": T.hessian(cost, z),
        "second order": grad(grad(cost, z).sum(), z),
        "in a loop": in_steps,
        "jacobian": T.jacobian(T.stack([cost, terms.sum()]), z),
    }


@pytest.mark.parametrize("name", list(other_gradients(*logistic()[::2])))
def test_no_way_of_replacing_changes_half_of_it(name):
    z, p, cost = logistic()
    g = other_gradients(z, cost)[name]
    other = T.vector("other")
    for outputs in (g, [2 * g, cost]):
        with pytest.raises(ValueError, match="stable form without it"):
            symnet.clone(outputs, replace={p: other})
    with pytest.raises(ValueError, match="stable form without it"):
        g.eval({p: np.ones(3), z: Z})
    with pytest.raises(ValueError, match="stable form without it"):
        function([z, other], g, givens={p: other})
    with pytest.raises(ValueError, match="stable form without it"):
        symnet.scan(lambda k: symnet.clone(k * g, {p: k * p}), T.arange(3.0))


def test_copies_of_gradients_remember_too():
    z, p, cost = logistic()
    y, other = T.vectors("y", "other")
    # p and the gradient of z, with y for z: that p is made of y
    g, q = symnet.clone([grad(cost, z), p], replace={z: y})
    with pytest.raises(ValueError, match="stable form without it"):
        symnet.clone(g, replace={q: other})
    f = function([y], symnet.clone(g, replace={y: 2 * y}))
    np.testing.assert_allclose(f(Z), 1 / (1 + np.exp(-2 * Z)) - 1)


def test_a_gradient_taken_in_a_step_remembers():
    z, other = T.vectors("z", "other")
    q = T.exp(-z)

    def step(k):
        p = 1 / (1 + q * k)
        return grad(-T.log(p).sum() * k, z)

    rows, _ = symnet.scan(step, T.arange(1.0, 3.0))
    fine = grad(-T.log(1 / (1 + q)).sum(), [z, q])[0]
    np.testing.assert_allclose(
        function([z], [rows[0], fine])(Z), [1 / (1 + np.exp(-Z)) - 1] * 2
    )
    with pytest.raises(ValueError, match="stable form without it"):
        function([z, other], rows, givens={q: other})
    assert function([other], fine, givens={q: other})(Z).shape == (3,)


# ---- Theano's clone


def test_clone_of_one_or_several():
    x, z = T.dvectors("x", "z")
    assert isinstance(clone([x + 1]), list)
    copied = clone(x * 2, {x: z})
    assert leaves([copied])[0] is z or z in leaves([copied])
    assert clone(x) is x


def test_clone_checks_types_when_strict():
    x = T.dvector("x")
    with pytest.raises(TypeError, match="replaced by"):
        clone(x * 2, {x: T.fvector("z")})
    with pytest.raises(TypeError, match="replaced by"):
        clone(x * 2, {x: T.dmatrix("z")})
    loose = clone(T.tanh(x), {x: T.fvector("z")}, strict=False)
    assert loose.dtype == "float32"


def test_clone_with_fresh_inputs_keeps_constants_and_the_values_of_shared_variables():
    x, s = T.dvector("x"), symnet.shared(np.ones(3), "s")
    copied = clone(x * s + 2.0, share_inputs=False)
    kept = leaves([copied])
    assert x not in kept and s not in kept
    assert [v.name for v in kept if type(v) is type(x)] == ["x"]
    assert any(isinstance(v, Constant) for v in kept)
    (other,) = [v for v in kept if isinstance(v, type(s))]
    s.set_value(np.full(3, 5.0))
    assert other.get_value().tolist() == [5, 5, 5]


def test_clone_between_inputs_and_outputs():
    x, y, s = T.dvector("x"), T.dvector("y"), symnet.shared(np.ones(2), "s")
    middle = T.exp(x) * 2.0
    outputs = [middle + y * s, x]
    for copies, orphans in ((True, None), (True, False), (False, None), (False, True)):
        (new,), made = clone_between([middle], outputs, copies, orphans)
        found = leaves(made)
        assert (new is middle) is not copies and len(made) == 2
        assert new.type == middle.type and middle not in found
        fresh = copies if orphans is None else orphans
        assert (y in found) is not fresh and (made[1] is x) is not fresh
        assert (s in found) is not fresh
    for orphans in (None, True, False):
        (new,), made = clone_between([x], [middle, x], True, orphans)
        assert made[1] is new and new is not x and new.name == "x"
        f = symnet.function([new], made)
        np.testing.assert_allclose(f([0.0, 1.0])[0], [2, 2 * np.e])
    (old,), made = clone_between([x], [middle, x], False, True)
    assert old is x and made[1] is x and leaves(made)[0] is x
