"""`ifelse`: what is taken, what is computed for it, and what flows back."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import symnet
import symnet.sparse as sparse
import symnet.tensor as T
from symnet.graph.traverse import Graph, toposort
from symnet.ifelse import IfElse, ifelse
from symnet.ops.ifelse.branches import sink_branches
from symnet.printing import Print
from tests.helpers import run

MODES = ["FAST_COMPILE", "FAST_RUN", "DebugMode"]
x, y, c, m = T.vector("x"), T.vector("y"), T.scalar("c"), T.matrix("m")


class Seen(list):
    """Notes which of its probes are computed."""

    def probe(self, name):
        return Print(name, global_fn=lambda op, value: self.append(name))

    def take(self):
        found = sorted(set(self))
        self.clear()
        return found


def only_condition(variable):
    (node,) = [n for n in toposort([variable]) if isinstance(n.op, IfElse)]
    return node


# ---- values


@pytest.mark.parametrize("condition", [0.0, 1.0, -2.0, 0.5])
def test_a_number_as_the_condition(condition):
    out = ifelse(c, x + 1, y * 2)
    values = {c: condition, x: [1.0, 2.0], y: [3.0, 4.0]}
    assert run(out, values).tolist() == ([2, 3] if condition else [6, 8])


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float32"])
def test_dtypes_of_the_condition(dtype):
    test = T.TensorType(dtype, ())("test")
    out = ifelse(test, x, y)
    for truth in (0, 1):
        values = {test: np.array(truth, dtype), x: [1.0], y: [2.0]}
        assert run(out, values).tolist() == [1.0 if truth else 2.0]


def test_comparisons_and_constants():
    out = ifelse(T.lt(x.sum(), 3), x, y)
    assert run(out, {x: [1.0], y: [5.0]}).tolist() == [1]
    assert run(out, {x: [4.0], y: [5.0]}).tolist() == [5]
    for truth, want in ((np.bool_(True), 1), (T.constant(False), 5), (3, 1), (0.0, 5)):
        assert run(ifelse(truth, x, y), {x: [1.0], y: [5.0]}).tolist() == [want]


def test_several_outputs():
    out = ifelse(c, [x, y.sum(), 3], [y, x.sum(), 4.5], name="choice")
    assert isinstance(out, list)
    assert str(out[0].owner.op) == "IfElse{choice}"
    a, b, d = run(out, {c: 1, x: [1.0, 2.0], y: [3.0]})
    assert (a.tolist(), float(b), float(d)) == ([1, 2], 3, 3)
    a, b, d = run(out, {c: 0, x: [1.0, 2.0], y: [3.0]})
    assert (a.tolist(), float(b), float(d)) == ([3], 3, 4.5)
    assert len(ifelse(c, (x,), (y,))) == 1


def test_shapes_may_differ():
    out = ifelse(c, m, T.zeros((2, 5)))
    for condition, shape in ((1.0, (3, 1)), (0.0, (2, 5))):
        assert run(out, {c: condition, m: np.ones((3, 1))}).shape == shape
    assert ifelse(c, T.zeros((2, 3)), T.ones((2, 4))).type.shape == (2, None)


def test_what_comes_after_uses_the_shape_that_was_taken():
    out = ifelse(c, x, x[:2]) * 2 + 1
    assert run(out.shape[0], {c: 1.0, x: np.ones(5)}) == 5
    assert run(out, {c: 0.0, x: np.ones(5)}).tolist() == [3, 3]
    assert run(out, {c: 0.0, x: np.ones(0)}).tolist() == []


@pytest.mark.parametrize(
    ("a", "b", "dtype"),
    [
        (T.fvector("a"), T.dvector("b"), "float64"),
        (T.ivector("a"), T.lvector("b"), "int64"),
        (T.fscalar("a"), 1.5, "float32"),
        (2, T.fscalar("b"), "float32"),
        (T.bscalar("a"), T.constant(True), "int8"),
    ],
)
def test_the_common_dtype(a, b, dtype):
    assert ifelse(c, a, b).type.dtype == dtype


def test_within_each_other():
    out = ifelse(
        T.gt(c, 0),
        ifelse(T.gt(c, 10), x * 3, x * 2),
        ifelse(T.lt(c, -10), x * -2, x * -1),
    )
    for value, factor in ((20, 3), (5, 2), (-5, -1), (-20, -2)):
        assert run(out, {c: value, x: [1.0]}).tolist() == [factor]


def test_updates_of_shared_variables():
    s = symnet.shared(1.0, "s")
    f = symnet.function([c], [], updates={s: ifelse(c, s * 2, s + 10)})
    for value, want in ((1, 2), (0, 12), (1, 24)):
        f(value)
        assert s.get_value() == want


def test_givens_reach_into_branches():
    middle = x * 2
    out = ifelse(c, T.exp(middle), T.log(middle))
    f = symnet.function([c], out, givens={middle: np.ones(2)})
    assert f(0).tolist() == [0, 0]


# ---- only what is taken is computed


@pytest.mark.parametrize("mode", MODES[:2])
def test_only_the_branch_that_is_taken_runs(mode):
    seen = Seen()
    out = ifelse(c, seen.probe("yes")(x).sum(), seen.probe("no")(T.exp(x)).sum())
    f = symnet.function([c, x], out, mode=mode)
    f(1, [1.0])
    assert seen.take() == ["yes"]
    f(0, [1.0])
    assert seen.take() == ["no"]


@pytest.mark.parametrize("mode", MODES)
def test_what_would_fail_is_not_run(mode):
    """A position out of range in the branch that is not taken."""
    i = T.lscalar("i")
    out = ifelse(T.lt(i, x.shape[0]), x[i], -1.0)
    f = symnet.function([x, i], out, mode=mode)
    assert f([1.0, 2.0], 1) == 2
    assert f([1.0, 2.0], 7) == -1


@pytest.mark.parametrize("mode", MODES[:2])
def test_what_both_need_is_computed_once(mode):
    seen = Seen()
    both = seen.probe("both")(T.exp(x))
    out = ifelse(c, both.sum(), seen.probe("no")(both * 2).sum())
    f = symnet.function([c, x], [out, both], mode=mode)
    f(1, [1.0])
    assert seen == ["both"]


@pytest.mark.parametrize("mode", MODES[:2])
def test_the_condition_is_always_computed(mode):
    seen = Seen()
    out = ifelse(seen.probe("test")(x).sum(), x * 2, x)
    symnet.function([x], out, mode=mode)([1.0])
    assert seen.take() == ["test"]


@pytest.mark.parametrize("mode", MODES[:2])
def test_only_the_branch_that_was_taken_is_gone_back_through(mode):
    seen = Seen()

    class Note(symnet.Op):
        """The identity; its gradient notes that it is computed."""

        __props__ = ("name",)

        def __init__(self, name):
            self.name = name

        def make_node(self, v):
            return symnet.Apply(self, [v], [v.type()])

        def perform(self, node, inputs, outputs):
            seen.append(self.name)
            outputs[0][0] = inputs[0] * 1

        def grad(self, inputs, gradients):
            return [Note(f"back {self.name}")(gradients[0])]

    out = ifelse(c, T.log(Note("yes")(x)).sum(), T.sqr(Note("no")(x)).sum())
    f = symnet.function([c, x], symnet.grad(out, x), mode=mode)
    assert f(0, [-1.0, 0.0]).tolist() == [-2, 0]
    assert not any("yes" in name for name in seen.take())
    assert f(1, [1.0, 2.0]).tolist() == [1, 0.5]
    assert not any("no" in name for name in seen.take())


def test_sinking_leaves_what_others_need():
    a, b = T.exp(x), T.log(x)
    out = ifelse(c, (a + b).sum(), T.sin(y).sum())
    graph = sink_branches(Graph([c, x, y], [out, b]))
    outside = {str(n.op) for n in graph.toposort()}
    assert "log" in outside
    assert not {"exp", "sin", "add"} & outside
    node = only_condition(graph.outputs[0])
    assert node.inputs[1:] == [x, graph.outputs[1], y]
    assert [str(n.op) for n in node.op.then_graph.order][:2] == ["exp", "add"]
    assert sink_branches(graph).outputs == graph.outputs


def test_sinking_takes_whole_conditions_along():
    out = ifelse(c, ifelse(c + 1, T.exp(x), T.sin(x)), T.cos(x))
    graph = sink_branches(Graph([c, x], [out]))
    node = only_condition(graph.outputs[0])
    inner = sink_branches(Graph(node.op.then_inputs, node.op.then_outputs))
    assert {str(n.op) for n in inner.toposort()} == {"IfElse", "add", "neq"}


# ---- gradients


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("condition", [0.0, 1.0])
def test_gradients(mode, condition):
    out = ifelse(c, T.exp(x).sum() * y.sum(), (T.sin(x) * 3).sum())
    f = symnet.function([c, x, y], symnet.grad(out, [x, y]), mode=mode)
    a, b = np.array([0.1, 0.2]), np.array([2.0, 3.0, 4.0])
    for_x, for_y = f(condition, a, b)
    if condition:
        np.testing.assert_allclose(for_x, np.exp(a) * 9)
        np.testing.assert_allclose(for_y, np.full(3, np.exp(a).sum()))
    else:
        np.testing.assert_allclose(for_x, 3 * np.cos(a))
        assert for_y.tolist() == [0, 0, 0]


@pytest.mark.parametrize("mode", MODES)
def test_second_derivatives(mode):
    out = ifelse(c, (x**3).sum(), T.exp(x).sum())
    second = symnet.grad(symnet.grad(out, x).sum(), x)
    f = symnet.function([c, x], second, mode=mode)
    np.testing.assert_allclose(f(1, [2.0, 3.0]), [12, 18])
    np.testing.assert_allclose(f(0, [0.0, 1.0]), [1, np.e])


@pytest.mark.parametrize("mode", MODES)
def test_sparse_matrices_in_one_branch(mode):
    """They stay outside, when the gradient moves in what only one branch needs."""
    s = sparse.csr_from_dense(m)
    test = T.gt(sparse.sp_sum(s), 0)
    out = ifelse(test, T.tanh(sparse.sp_sum(s * s)), sparse.sp_sum(sparse.sin(s)))
    gradient = symnet.grad(out, m)
    again = symnet.grad((gradient**2).sum(), m)
    f = symnet.function([m], [out, gradient, again], mode=mode)
    above = np.array([[0.3, 0.0], [0.4, -0.2]])
    total, slope = (above**2).sum(), 1 - np.tanh((above**2).sum()) ** 2
    found = f(above)
    np.testing.assert_allclose(found[0], np.tanh(total))
    np.testing.assert_allclose(found[1], 2 * above * slope)
    want = 8 * above * slope**2 * (1 - 4 * total * np.tanh(total))
    np.testing.assert_allclose(found[2], want)
    below = np.array([[-0.3, 0.0], [0.2, -0.5]])
    found = f(below)
    np.testing.assert_allclose(found[0], np.sin(below).sum())
    np.testing.assert_allclose(found[1], np.cos(below) * (below != 0))
    want = -2 * np.cos(below) * np.sin(below)
    np.testing.assert_allclose(found[2], want)


def test_gradients_of_several_outputs():
    a, b = ifelse(c, [x * 2, x.sum()], [y, (x * y).sum()])
    cost = T.sqr(a).sum() + b
    values = {x: [1.0, 2.0], y: [3.0, 4.0]}
    for_x, for_y = run(symnet.grad(cost, [x, y]), {c: 1, **values})
    assert (for_x.tolist(), for_y.tolist()) == ([9, 17], [0, 0])
    for_x, for_y = run(symnet.grad(cost, [x, y]), {c: 0, **values})
    assert (for_x.tolist(), for_y.tolist()) == ([3, 4], [7, 10])


def test_gradients_by_intermediates():
    """Both what a branch alone uses, and what is used outside as well."""
    inner, outer = x * 2, x + 1
    out = ifelse(c, T.exp(inner).sum() + outer.sum(), T.sin(inner * outer).sum())
    cost = out + T.sqr(outer).sum()
    found = symnet.grad(cost, [inner, outer, x])
    a = np.array([0.3, 0.5])
    by_inner, by_outer, by_x = run(found, {c: 1, x: a})
    np.testing.assert_allclose(by_inner, np.exp(2 * a))
    np.testing.assert_allclose(by_outer, 1 + 2 * (a + 1))
    np.testing.assert_allclose(by_x, 2 * np.exp(2 * a) + 1 + 2 * (a + 1))
    by_inner, by_outer, by_x = run(found, {c: 0, x: a})
    slope = np.cos(2 * a * (a + 1))
    np.testing.assert_allclose(by_inner, slope * (a + 1))
    np.testing.assert_allclose(by_outer, slope * 2 * a + 2 * (a + 1))


def test_a_branch_without_gradient_does_not_spoil_the_other():
    """0 * infinity: the gradient of the branch not taken is not computed at all."""
    out = ifelse(T.gt(c, 0), T.sqrt(c), c * 0)
    slope = symnet.grad(out, c)
    assert run(slope, {c: 0.0}) == 0
    assert run(slope, {c: 4.0}) == 0.25


def test_the_condition_has_no_gradient():
    out = ifelse(c, x.sum(), y.sum())
    with pytest.raises(symnet.DisconnectedInputError):
        symnet.grad(out, c)
    assert run(symnet.grad(out * c, c), {c: 2.0, x: [3.0], y: [5.0]}) == 3


def test_integers_in_branches():
    n = T.lscalar("n")
    a, b = ifelse(c, [x.sum(), n], [x.max(), n + 1])
    assert run(symnet.grad(a * b, x), {c: 1, x: [1.0, 2.0], n: 3}).tolist() == [3, 3]


# ---- with loops


@pytest.mark.parametrize("mode", MODES)
def test_inside_a_loop(mode):
    def step(v, s, w):
        return ifelse(T.gt(v, 0), T.tanh(s * w), s + v)

    w = T.scalar("w")
    rows, _ = symnet.scan(step, x, T.constant(1.0), w)
    cost = T.sqr(rows).sum()
    f = symnet.function([x, w], [rows, *symnet.grad(cost, [x, w])], mode=mode)
    value = np.array([1.0, -2.0, 3.0, 1.0, -0.5])

    def forward(value, w):
        s, found = 1.0, []
        for v in value:
            s = np.tanh(s * w) if v > 0 else s + v
            found.append(s)
        return np.array(found)

    got, by_x, by_w = f(value, 0.7)
    np.testing.assert_allclose(got, forward(value, 0.7))
    e = 1e-6

    def slope(a, b):
        return ((forward(*a) ** 2).sum() - (forward(*b) ** 2).sum()) / (2 * e)

    np.testing.assert_allclose(
        by_w, slope((value, 0.7 + e), (value, 0.7 - e)), atol=1e-7
    )
    for k in range(5):
        d = np.eye(5)[k] * e
        want = slope((value + d, 0.7), (value - d, 0.7))
        np.testing.assert_allclose(by_x[k], want, atol=1e-7)


@pytest.mark.parametrize("mode", MODES)
def test_a_loop_inside(mode):
    rows, _ = symnet.scan(lambda v, s: s + v, x, T.constant(0.0))
    out = ifelse(c, rows[-1], T.constant(-1.0))
    f = symnet.function([c, x], [out, symnet.grad(out, x)], mode=mode)
    value, slope = f(1, [1.0, 2.0])
    assert (float(value), slope.tolist()) == (3, [1, 1])
    value, slope = f(0, [1.0, 2.0])
    assert (float(value), slope.tolist()) == (-1, [0, 0])
    value, slope = f(0, [])  # rows[-1] of no rows would fail
    assert (float(value), slope.tolist()) == (-1, [])


# ---- wrong input


@pytest.mark.parametrize(
    ("call", "what", "cure"),
    [
        (
            lambda: ifelse(c, x, m),
            "the branches differ in rank",
            "give both the same rank",
        ),
        (
            lambda: ifelse(c, [x], [x, x]),
            "1 values in the first",
            "both branches as many",
        ),
        (lambda: ifelse(x, x, x), "the condition is no scalar", "T.switch chooses"),
    ],
)
def test_branches_that_do_not_fit(call, what, cure):
    with pytest.raises(TypeError) as caught:
        call()
    text = str(caught.value)
    assert what in text
    assert cure in text
    assert "test_conditional.py" in text


def test_dtypes_that_would_lose_precision():
    with (
        symnet.config.change_flags(floatX="float32"),
        pytest.raises(TypeError, match="differ in dtype") as caught,
    ):
        ifelse(c, T.fvector("f"), T.lvector("l"))
    assert "cast the branches to one dtype, for instance .astype('float32')" in str(
        caught.value
    )


@pytest.mark.parametrize("mode", MODES[:2])
def test_what_fails_in_the_branch_that_is_taken(mode):
    out = ifelse(c, x + y, x)
    f = symnet.function([c, x, y], out, mode=mode)
    assert f(0, np.ones(2), np.ones(3)).tolist() == [1, 1]
    with pytest.raises(ValueError, match="sizes do not agree") as caught:
        f(1, np.ones(2), np.ones(3))
    assert "ifelse(c, x + y, x)" in str(caught.value)


# ---- the operation itself


def test_equality_and_pickling():
    a, b = ifelse(c, x * 2, y), ifelse(c, x * 2, y)
    assert a.owner.op == b.owner.op
    assert pickle.loads(pickle.dumps(a.owner.op)) == a.owner.op
    f = pickle.loads(pickle.dumps(symnet.function([c, x, y], a)))
    assert f(1, [1.0], [2.0]).tolist() == [2]
    assert f(0, [1.0], [2.0]).tolist() == [2]


CONDITIONS = {
    "as it is": lambda i: i,
    "float": lambda i: T.cast(i, "float32") > 0.5,
    "quotient": lambda i: T.gt(i / 2, 0),
    "product": lambda i: T.lt(i * 0.1, 0.05),
    "chosen": lambda i: T.switch(i, 1, 0),
}


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint8", "float32", "float64"])
@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_beside_what_only_a_reference_computes(
    name: str, dtype: str
) -> None:
    """Whatever dtype, and whether or not sizes depend on it; the value may change from
    call to call."""
    i, x, y = T.scalar("i", dtype=dtype), T.dvector("x"), T.dvector("y")
    values, others = np.array([3.0, 1, 2]), np.array([7.0, 8.0])
    for branch, computed in (
        (T.sort(x), np.sort),
        (T.cumsum(x), np.cumsum),
        (x * 2, lambda v: v * 2),
    ):
        chosen = ifelse(CONDITIONS[name](i), y, branch)
        f = symnet.function([i, x, y], [branch, chosen])
        for number in (1, 0, 1, 0):
            first, second = f(number, values, others)
            wanted = computed(values)
            np.testing.assert_allclose(first, wanted)
            if name == "product":
                number = 1 - number
            np.testing.assert_allclose(second, others if number else wanted)
