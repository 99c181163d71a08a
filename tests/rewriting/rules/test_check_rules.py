"""No rule loses a check of sizes: the compiled function refuses what NumPy refuses."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import symnet.tensor as T
from symnet import function
from symnet.compile.pipeline import simplified
from symnet.errors import ShapeError
from symnet.graph.traverse import Graph, toposort
from symnet.ops.checks import Checked, checked

# Formulas of a and b in which a rule can do without one of them, or without both.
FORMULAS = {
    "switch of equals": lambda a, b: T.switch(T.gt(a, 0), b, b),
    "switch known": lambda a, b: T.switch(1, b, a),
    "switch of a constant": lambda a, b: T.switch(T.zeros_like(a), a, b),
    "nested switch": lambda a, b: T.switch(a > 0, T.switch(a > 1, b, b), b),
    "difference with itself": lambda a, b: (a + b) - (a + b),
    "times zero": lambda a, b: (a * 0) + b,
    "factors cancel": lambda a, b: (T.exp(a) * b) / T.exp(a),
    "quotient cancels": lambda a, b: (b / T.exp(a)) * T.exp(a),
    "fills": lambda a, b: T.second(a, T.second(b, 1.0)),
    "only the shape": lambda a, b: T.zeros_like(a + b).shape,
    "only a size": lambda a, b: (a + b).size,
    "first row": lambda a, b: (a + b)[:1],
    "last row": lambda a, b: (a * b)[-1],
    "joined": lambda a, b: T.concatenate([(a + b).flatten(), b.flatten()])[-1:],
    "replaced part": lambda a, b: T.set_subtensor((a + b)[:], 0),
    "power zero": lambda a, b: (a + b) ** 0,
    "allocated": lambda a, b: T.alloc((a + b).sum() * 0, 3),
    "comparison": lambda a, b: T.eq(a + b, a + b),
    "counted": lambda a, b: T.arange((a + b).shape[0]),
    "reduced": lambda a, b: T.switch(a > 0, b, b).sum(),
    "maximum": lambda a, b: T.maximum(a + b, a + b),
}
SIZES = [(3, 4), (2, 4), (3, 1), (1, 4), (1, 1), (0, 4), (0, 0)]


def shape_of(variable, sizes):
    """`sizes`, where the type leaves them open."""
    tail = sizes[len(sizes) - variable.type.ndim :]
    return tuple(known or n for known, n in zip(variable.type.shape, tail))


def agree(a, b, first, second):
    """Whether the shapes fit: sizes of 1 stretch where the type says that they are 1."""
    for axis in range(-min(len(first), len(second)), 0):
        stretched = 1 in (a.type.shape[axis], b.type.shape[axis])
        if not stretched and first[axis] != second[axis]:
            return False
    return True


@pytest.mark.parametrize("name", FORMULAS)
def test_sizes_that_do_not_fit_are_refused(name):
    pairs = [
        (T.matrix("a"), T.matrix("b")), (T.col("a"), T.matrix("b")),
        (T.vector("a"), T.matrix("b")), (T.imatrix("a"), T.imatrix("b")),
        (T.ivector("a"), T.ivector("b")),
    ]  # fmt: skip
    for a, b in pairs:
        f = function([a, b], FORMULAS[name](a, b), on_unused_input="ignore")
        for one, two in itertools.product(SIZES, SIZES):
            first, second = shape_of(a, one), shape_of(b, two)
            values = np.ones(first, a.dtype), np.ones(second, b.dtype)
            if not agree(a, b, first, second):
                with pytest.raises(ShapeError, match=r"test_check_rules\.py"):
                    f(*values)
            elif 0 not in first + second:
                f(*values)


def test_check_rules_move_outwards_and_hide_no_form():
    c, x = T.col("c"), T.matrix("x")
    node = T.switch(c > 0, x, x).owner
    value = checked(x, node)
    graph = Graph([c, x], [T.log(T.exp(value) + 1).sum(axis=0)])
    (new,) = simplified(graph).outputs
    assert isinstance(new.owner.op, Checked)
    assert "softplus" in {str(n.op) for n in toposort([new])}


def test_a_check_that_is_made_anyway_goes():
    x, y = T.vector("x"), T.vector("y")
    total = x + y
    (new,) = simplified(Graph([x, y], [checked(total, (x * y).owner)])).outputs
    assert not isinstance(new.owner.op, Checked)
    (new,) = simplified(Graph([x, y], [checked(x, (x * y).owner)])).outputs
    assert isinstance(new.owner.op, Checked)


def test_values_and_gradients_pass_a_check():
    x, y = T.vector("x"), T.vector("y")
    value = checked(x * x, (x * y).owner)
    gradients = T.grad(value.sum(), [x, y], disconnected_inputs="ignore")
    for mode in ("FAST_RUN", "FAST_COMPILE", "DebugMode"):
        f = function([x, y], [value, *gradients], mode=mode)
        given = np.array([1.0, -2.0, 3.0])
        for got, want in zip(f(given, given), (given**2, 2 * given, 0 * given)):
            np.testing.assert_array_equal(got, want)
        with pytest.raises(ShapeError):
            f(given, given[:2])


def test_the_branch_not_taken_checks_nothing():
    from symnet.ifelse import ifelse

    n, x, y = T.lscalar("n"), T.vector("x"), T.vector("y")
    f = function([n, x, y], ifelse(n, T.switch(y > 0, x, x), x * 2))
    np.testing.assert_array_equal(f(0, np.ones(3), np.ones(2)), np.full(3, 2.0))
    with pytest.raises(ShapeError):
        f(1, np.ones(3), np.ones(2))


@pytest.mark.filterwarnings("error")
def test_any_number_of_checks_passes_an_operation_at_once():
    # One by one they were more rewrites than an operation may have.
    x = T.vector("x")
    others = [T.vector(f"y{k}") for k in range(70)]
    value = x
    for y in others:
        value = checked(value, (x * y).owner)
    f = function([x, *others], T.exp(value * 2) + value)
    given = np.array([0.5, -1.0])
    np.testing.assert_allclose(f(*[given] * 71), np.exp(given * 2) + given)
    for wrong in (1, 35, 70):
        arguments = [given] * 71
        arguments[wrong] = np.ones(3)
        with pytest.raises(ShapeError):
            f(*arguments)
