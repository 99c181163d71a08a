"""Derivatives and loops: loops over gradients, as Theano's tutorial writes them, and
derivatives of every kind through loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.errors import DisconnectedInputError, NullTypeGradError
from symnet.gradient import disconnected_grad, verify_grad
from symnet.ifelse import ifelse
from symnet.scan_module import until
from tests.helpers import run

RNG = np.random.default_rng(17)
x, h, w = T.vector("x"), T.vector("h"), T.matrix("w")


# ---- loops over gradients


def test_a_jacobian_row_by_row():
    y = x**2
    rows, updates = symnet.scan(
        lambda i, y, x: symnet.grad(y[i], x),
        sequences=T.arange(y.shape[0]),
        non_sequences=[y, x],
    )
    assert not updates
    assert run(rows, {x: [4.0, 5.0]}).tolist() == [[8, 0], [0, 10]]


def test_a_hessian_row_by_row():
    slope = symnet.grad((x**3).sum() * x[0], x)
    rows, _ = symnet.scan(
        lambda i, g, x: symnet.grad(g[i], x),
        sequences=T.arange(slope.shape[0]),
        non_sequences=[slope, x],
    )
    np.testing.assert_allclose(
        run(rows, {x: [2.0, 3.0]}), [[12 * 4, 3 * 9], [3 * 9, 6 * 3 * 2]]
    )


def test_steps_down_a_gradient():
    """Gradient descent inside the loop."""
    start = T.scalar("start")
    rows, _ = symnet.scan(
        lambda v: v - 0.1 * symnet.grad((v - 3) ** 2, v), outputs_info=start, n_steps=4
    )
    want, v = [], 10.0
    for _ in range(4):
        v -= 0.2 * (v - 3)
        want.append(v)
    np.testing.assert_allclose(run(rows, {start: 10.0}), want)
    np.testing.assert_allclose(run(symnet.grad(rows[-1], start), {start: 1.0}), 0.8**4)


# ---- through loops


def recurrent(x, h, w):
    rows, _ = symnet.scan(lambda v, h, w: T.tanh(v + T.dot(h, w)), x, h, w)
    return rows


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_recurrent_network(dtype):
    point = [RNG.normal(size=s).astype(dtype) for s in ((4, 3), (3,), (3, 3))]
    verify_grad(recurrent, point)
    verify_grad(lambda *v: recurrent(*v)[-1], point)


def test_a_batch():
    verify_grad(recurrent, [RNG.normal(size=s) for s in ((3, 2, 4), (2, 4), (4, 4))])


def test_second_derivatives_by_differences():
    def slope(x, h, w):
        return symnet.grad(T.sqr(recurrent(x, h, w)).sum(), [x, h, w])

    point = [RNG.normal(size=s) * 0.5 for s in ((3, 2), (2,), (2, 2))]
    for k in range(3):
        verify_grad(lambda *v, k=k: slope(*v)[k], point, n_tests=1)


@pytest.mark.parametrize("truncate", [0, 1, 3, 10])
def test_truncated_gradients(truncate):
    """Only the last steps count; the state before them is as if it were given."""
    rows, _ = symnet.scan(
        lambda v, s: s * v, x, T.constant(2.0), truncate_gradient=truncate
    )
    value = np.array([2.0, 3.0, 5.0, 7.0, 11.0])
    want = np.prod(value) * 2 / value
    want[: max(5 - truncate, 0)] = 0
    np.testing.assert_allclose(run(symnet.grad(rows[-1], x), {x: value}), want)


def test_jacobian_and_hessian_of_a_loop():
    rows, _ = symnet.scan(lambda v, s: s * v, x, T.exp(x[0] * 0))
    value = {x: [1.0, 2.0, 3.0]}
    want = [[1, 0, 0], [2, 1, 0], [6, 3, 2]]
    assert run(symnet.gradient.jacobian(rows, x), value).tolist() == want
    second = run(symnet.gradient.hessian(rows[-1], x), value)
    np.testing.assert_allclose(second, [[0, 3, 2], [3, 0, 1], [2, 1, 0]])


def test_lop_and_rop_agree():
    u, v = T.matrix("u"), T.vector("v")
    rows, _ = symnet.scan(lambda e, s, w: T.tanh(T.dot(s, w) * e), x, h, w)
    along = (symnet.Rop(rows, h, v) * u).sum()
    back = (symnet.Lop(rows, h, u) * v).sum()
    values = {
        x: RNG.normal(size=4), h: RNG.normal(size=3), w: RNG.normal(size=(3, 3)),
        u: RNG.normal(size=(4, 3)), v: RNG.normal(size=3),
    }  # fmt: skip
    np.testing.assert_allclose(*run([along, back], values))


# ---- what is connected


def test_what_the_cost_does_not_use():
    rows, _ = symnet.scan(
        lambda v, a, b: [a * v, b * 2], x, [T.constant(1.0), h], n_steps=3
    )
    cost = rows[0].sum()
    with pytest.raises(DisconnectedInputError):
        symnet.grad(cost, h)
    value = {x: [1.0, 2.0, 3.0], h: [1.0, 2.0]}
    found = symnet.grad(cost, [x, h], disconnected_inputs="ignore")
    by_x, by_h = run(found, value)
    assert by_x.tolist() == [9, 4, 2]
    assert by_h.tolist() == [0, 0]


def test_nothing_flows_through_what_only_counts():
    """Sizes and positions."""
    n = T.lscalar("n")
    rows, _ = symnet.scan(lambda i, x: x[i] * 2, T.arange(n), non_sequences=x)
    found = symnet.grad(rows.sum(), x)
    assert run(found, {n: 2, x: [1.0, 2.0, 3.0]}).tolist() == [2, 2, 0]
    rows, _ = symnet.scan(lambda s: s * 2, outputs_info=h, n_steps=n)
    with pytest.raises(DisconnectedInputError):
        symnet.grad(rows.sum(), n)


def test_what_is_taken_as_constant():
    rows, _ = symnet.scan(lambda v, s: disconnected_grad(s) * v, x, T.constant(2.0))
    value = {x: [2.0, 3.0, 5.0]}
    assert run(symnet.grad(rows[-1], x), value).tolist() == [0, 0, 12]
    rows, _ = symnet.scan(lambda v, s: s * v, x, T.constant(2.0))
    found = symnet.grad(rows.sum() * x.sum(), x, consider_constant=[rows])
    assert run(found, value).tolist() == [4 + 12 + 60] * 3
    with pytest.raises(DisconnectedInputError):
        symnet.grad(rows[-1], x, consider_constant=[rows])


def test_a_step_that_has_no_gradient():
    rows, _ = symnet.scan(
        lambda v, s: symnet.gradient.undefined_grad(s) * v, x, T.constant(2.0)
    )
    with pytest.raises(symnet.NullTypeGradError, match="undefined_grad"):
        symnet.grad(rows[-1], x)


def test_a_counter_beside_a_float():
    """Integers pass nothing on, and stop nothing."""
    rows, _ = symnet.scan(
        lambda i, s, x: [i + 1, s * x[i]],
        outputs_info=[T.constant(0), T.constant(1.0)],
        non_sequences=x,
        n_steps=3,
    )
    found = symnet.grad(rows[1][-1], x)
    assert run(found, {x: [2.0, 3.0, 5.0]}).tolist() == [15, 10, 6]


def test_integers_as_if_they_were_real():
    i = T.lvector("i")
    rows, _ = symnet.scan(lambda k, s: s + k * 2.0, i, T.constant(0.0))
    found = symnet.grad(rows.sum(), i)
    assert run(found, {i: [1, 2, 3]}).tolist() == [6, 4, 2]


def test_complex_states():
    z = T.zscalar("z")
    rows, _ = symnet.scan(lambda s: s * s, outputs_info=z, n_steps=2)
    found = run(symnet.grad(T.real(rows[-1]), z), {z: 1 + 0.5j})
    np.testing.assert_allclose(found, np.conj(4 * (1 + 0.5j) ** 3))


def test_gradients_that_are_given():
    rows, _ = symnet.scan(lambda v, s: s + v * v, x, T.constant(0.0))
    given = T.vector("given")
    found = symnet.grad(None, x, known_grads={rows: given})
    got = run(found, {x: [1.0, 2.0, 3.0], given: [1.0, 0.0, 2.0]})
    np.testing.assert_allclose(got, [2 * 3, 4 * 2, 6 * 2])


# ---- how the loop backwards looks


def test_gradients_of_weights_are_sums_of_products():
    """The form that a rewrite makes one product of."""
    found = symnet.grad(recurrent(T.matrix("rows"), h, w).sum(), w)
    (node,) = [
        n for n in symnet.gof.graph.io_toposort([], [found])
        if str(n.op) == "Scan{gradient of scan}"
    ]  # fmt: skip
    new = node.op.split_outputs(node.op.inner_outputs).states
    sums = [v.owner for v in new if str(v.owner.op) == "add"]
    assert any(n.inputs[0].name == "d w" for n in sums)


def test_what_the_step_computed_is_not_computed_again():
    """Products and transcendental functions are stored on the way forward."""
    found = symnet.grad(recurrent(T.matrix("rows"), h, w).sum(), [h, w])
    (node,) = [
        n for n in symnet.gof.graph.io_toposort([], found)
        if str(n.op) == "Scan{gradient of scan}"
    ]  # fmt: skip
    inside = [str(n.op) for n in node.op.graph.order]
    assert "tanh" not in inside


@pytest.mark.parametrize("taps", [[-1], [-2, -1]])
@pytest.mark.parametrize("stops", [False, True])
def test_the_gradient_of_the_last_row_alone_is_no_array_of_all_rows(taps, stops):
    def step(v, *s):
        new = sum(s[1:], s[0]) * v
        return (new, until(T.gt(new.sum(), 1e9))) if stops else new

    first = T.matrix("first")
    info = first[0] if taps == [-1] else {"initial": first, "taps": taps}
    rows, _ = symnet.scan(step, T.matrix("rows"), info, n_steps=4)
    for cost, walked in ((rows[-1].sum(), 0), (T.sqr(rows).sum(), 1)):
        found = symnet.grad(cost, first)
        (node,) = [
            n for n in symnet.gof.graph.io_toposort([], [found])
            if str(n.op) == "Scan{gradient of scan}"
        ]  # fmt: skip
        names = [v.name for v in node.op.inner_inputs[: node.op.sequences]]
        assert names.count("d state") == walked


GAMMA: dict[str, Any] = {
    "loop": lambda k, x: symnet.scan(
        lambda s, k: T.gammainc(k, s + 1), outputs_info=x, non_sequences=k, n_steps=3
    )[0].sum(),
    "sequence": lambda k, x: symnet.scan(
        lambda k, s: T.gammainc(k * k, s + 1), sequences=T.stack([k, k + 1]), outputs_info=x
    )[0].sum(),
    "checkpoints": lambda k, x: symnet.scan_checkpoints(
        lambda s, k: T.gammainc(k, s + 1),
        outputs_info=x, non_sequences=k, n_steps=4, save_every_N=2,
    )[0].sum(),
    "condition": lambda k, x: ifelse(k > 0, T.gammainc(k, x + 1), x),
}  # fmt: skip


@pytest.mark.parametrize("name", list(GAMMA))
def test_what_has_no_gradient_by_one_input_has_it_by_the_others(name: str) -> None:
    """The incomplete gamma function has none by k: what loops and conditions read, but no
    state is made of, stands in nobody's way."""
    k, x = T.dscalars("kx")
    cost = GAMMA[name](k, x)
    slope = T.grad(cost, x)
    f = symnet.function([k, x], [cost, slope, T.grad(slope, x)])
    (more, up, _), (less, down, _) = f(1.2, 0.5 + 1e-6), f(1.2, 0.5 - 1e-6)
    _, first, second = f(1.2, 0.5)
    np.testing.assert_allclose(first, (more - less) / 2e-6, rtol=1e-6)
    np.testing.assert_allclose(second, (up - down) / 2e-6, rtol=1e-6)
    with pytest.raises(NullTypeGradError, match="incomplete gamma"):
        T.grad(cost, k)
