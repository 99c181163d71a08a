"""Conditions as native steps: only the branch that is taken is computed."""

from __future__ import annotations

import numpy as np
import pytest

import symnet.tensor as T
from symnet import function, grad, scan, shared
from symnet.compile.lower.program import If, Loop, every_instruction
from symnet.ifelse import ifelse

rng = np.random.default_rng(8)


def native_steps(f):
    assert not any(segment.reference for segment in f.engine.segments)
    return [s for n in f.engine.native for s in every_instruction(n.program.steps)]


def run_both(inputs, outputs, calls, native=True):
    """The function, after comparing each call with the reference."""
    reference = function(inputs, outputs, mode="FAST_COMPILE")
    f = function(inputs, outputs)
    for values in calls:
        for want, got in zip(reference(*values), f(*values), strict=True):
            assert want.dtype == got.dtype
            assert want.shape == got.shape
            np.testing.assert_allclose(got, want, rtol=1e-6)
    if native:
        assert any(isinstance(s, If) for s in native_steps(f))
    return f


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int64"])
def test_conditions_of_every_kind(dtype):
    c, x, y = T.TensorType(dtype, ())("c"), T.dmatrix("x"), T.dmatrix("y")
    out = ifelse(c, T.tanh(T.dot(x, y)), x * 2 + y)
    a, b = rng.random((3, 3)), rng.random((3, 3))
    numbers = [0, 1] if dtype == "bool" else [0, 1, 3, -1 if dtype[0] == "i" else 2]
    run_both([c, x, y], [out], [(np.dtype(dtype).type(n), a, b) for n in numbers])


def test_a_condition_that_is_computed():
    x, y = T.dvector("x"), T.dvector("y")
    out = ifelse(T.gt(x.sum(), 0), T.exp(x), y - x)
    a = rng.random(4)
    f = run_both([x, y], [out, x + 1], [(a, a), (-a, a)])
    (step,) = (s for s in native_steps(f) if isinstance(s, If))
    assert all(len(body.steps) == 1 for body in step.bodies)


def test_several_outputs_and_values_as_they_are():
    c, x, y = T.bscalar("c"), T.dvector("x"), T.dvector("y")
    five = T.constant(np.full(3, 5.0))
    yes, no = [x, x + y, five, x[::-1]], [y, y, x * 2, x]
    outputs = ifelse(c, yes, no)
    calls = [(np.int8(n), rng.random(3), rng.random(3)) for n in (0, 1)]
    f = run_both([c, x, y], outputs, calls)
    kept = calls[0][1].copy()
    f(*calls[0])
    np.testing.assert_array_equal(calls[0][1], kept)


def test_a_branch_that_is_not_taken_may_not_fit():
    """Sizes, and positions, are those of the branch that is taken."""
    c, x, y, k = T.lscalar("c"), T.dvector("x"), T.dvector("y"), T.lscalar("k")
    out = ifelse(T.gt(c, 0), x + y, x)
    calls = [(1, np.ones(3), np.ones(3)), (0, np.ones(3), np.ones(5))]
    f = run_both([c, x, y], [out], calls)
    with pytest.raises(ValueError, match="sizes do not agree"):
        f(1, np.ones(3), np.ones(5))
    picked = ifelse(T.lt(k, x.shape[0]), x[k], -1.0)
    f = run_both([k, x], [picked], [(2, np.arange(4.0)), (9, np.arange(4.0))])


def test_a_computed_condition_decides_what_must_fit():
    x, y = T.dvector("x"), T.dvector("y")
    out = ifelse(T.gt(x.sum(), 0), x + y, x)
    f = run_both([x, y], [out], [(np.ones(3), np.ones(3)), (-np.ones(3), np.ones(5))])
    with pytest.raises(ValueError, match="sizes do not agree"):
        f(np.ones(3), np.ones(5))


def test_branches_of_different_sizes():
    c, x, y = T.lscalar("c"), T.dvector("x"), T.dvector("y")
    out = ifelse(c, T.exp(x), y * 2)
    calls = [(n, rng.random(3), rng.random(5)) for n in (0, 1, 0)]
    run_both([c, x, y], [out, out.sum()], calls)
    out = ifelse(T.gt(x.sum(), 0), T.exp(x), y * 2)
    calls = [(s * rng.random(3), rng.random(5)) for s in (1, -1, 1)]
    run_both([x, y], [out, out.sum()], calls)


def test_conditions_in_branches():
    a, b, x = T.lscalar("a"), T.dscalar("b"), T.dvector("x")
    inner = ifelse(T.gt(b, 0), T.exp(x), T.sin(x))
    out = ifelse(a, inner * 2, T.sqrt(x))
    calls = [(n, s, rng.random(3)) for n in (0, 1) for s in (-1.0, 1.0)]
    f = run_both([a, b, x], [out], calls)
    assert sum(isinstance(s, If) for s in native_steps(f)) == 2


def test_gradients():
    c, x, y = T.lscalar("c"), T.dvector("x"), T.dvector("y")
    out = ifelse(c, T.exp(x) * y, (y**2) * 3)
    derivatives = grad(out.sum(), [x, y])
    calls = [(n, rng.random(3), rng.random(3)) for n in (0, 1)]
    run_both([c, x, y], [out, *derivatives], calls)


@pytest.mark.parametrize("rank", [0, 1])
def test_inside_a_loop(rank):
    xs, h0 = T.TensorType("float64", (None,) * (rank + 1))(), T.dvector()
    start = h0 if rank else h0[0]

    def step(x, h):
        return ifelse(T.gt(x.sum(), 0), T.tanh(h) + x, h * 0.5)

    hs, _ = scan(step, xs, start)
    shape = (7, 3)[: rank + 1]
    calls = [(rng.standard_normal(shape), rng.random(3)) for _ in range(3)]
    f = run_both([xs, h0], [hs], calls)
    (repeat,) = (s for s in native_steps(f) if isinstance(s, Loop))
    assert any(isinstance(s, If) for s in repeat.body.steps)
    cost = hs.sum()
    run_both([xs, h0], [cost, *grad(cost, [xs, h0])], calls)


def test_a_loop_in_a_branch():
    c, xs = T.lscalar(), T.dmatrix()
    hs, _ = scan(lambda x, h: T.tanh(h + x), xs, T.zeros((3,)))
    out = ifelse(c, hs[-1], xs.sum(0))
    f = run_both([c, xs], [out], [(n, rng.random((4, 3))) for n in (0, 1)])
    (choice,) = (s for s in native_steps(f) if isinstance(s, If))
    assert any(isinstance(s, Loop) for s in choice.bodies[0].steps)


def test_the_other_branch_is_neither_run_nor_compiled():
    c, table, k = T.lscalar(), T.dvector(), T.lvector()
    out = ifelse(c, table[k].sum(), table.sum())
    f = run_both([c, table, k], [out], [(0, np.ones(3), np.array([7]))])
    plan = next(reversed(f.engine.native[0].plans.values()))
    (task,) = (t for t in plan.tasks if hasattr(t, "bodies"))
    assert not task.bodies[0]
    assert task.bodies[1]
    with pytest.raises(IndexError):
        f(1, np.ones(3), np.array([7]))


def test_a_branch_that_fails_changes_nothing():
    x, table = T.dscalar(), T.dvector()
    total = shared(np.zeros(()))
    value = ifelse(T.gt(x, 0), table[T.cast(x, "int64") * T.ones(2, "int64")].sum(), x)
    f = function([x, table], value, updates=[(total, total + value)])
    f(1.0, np.ones(3))
    f(-1.0, np.ones(3))
    assert total.get_value() == 1.0
    with pytest.raises(IndexError):
        f(3.0, np.ones(3))
    assert total.get_value() == 1.0


def test_updates_by_branches():
    c, step = T.lscalar(), T.dvector()
    state = shared(np.zeros(3))
    f = function([c, step], [], updates=[(state, ifelse(c, state + step, state))])
    native_steps(f)
    for n in (1, 0, 1):
        f(n, np.ones(3))
    np.testing.assert_array_equal(state.get_value(), [2, 2, 2])
