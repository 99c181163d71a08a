"""The rewrite engine, with rules made for the tests."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from symnet.compile.function import function
from symnet.compile.pipeline import PASSES, Change, rewrite_graph
from symnet.config import config
from symnet.errors import ShapeError
from symnet.graph.evaluate import evaluate
from symnet.graph.op import Op
from symnet.graph.traverse import Graph
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Constant, Variable
from symnet.ops.alloc import alloc
from symnet.ops.arithmetic import add, mul, neg, second, sqr, sqrt, sub, true_div
from symnet.ops.base import constant
from symnet.ops.creation import arange
from symnet.ops.functions import exp, expm1, tanh
from symnet.ops.rearrange import tile
from symnet.ops.reduce import Reduce
from symnet.ops.reduce import sum as sum_over
from symnet.ops.reshape import reshape
from symnet.rewriting.patterns import Match, Rule, instantiate, number, pattern_vars
from symnet.rewriting.rewriter import (
    Fired,
    RewriteError,
    RewriteWarning,
    Trace,
    conform,
    rewrite,
)
from symnet.rewriting.selection import FAST_COMPILE

x, y = pattern_vars("x y")
(c,) = pattern_vars("c", constant=True)


def vector(name: str, dtype: str = "float64", size: int | None = None) -> Variable:
    return TensorType(dtype, (size,))(name)


def matrix(name: str) -> Variable:
    return TensorType("float64", (None, None))(name)


def run(
    outputs: list[Variable], rules: Sequence[Rule] = (), **options: bool
) -> list[Variable]:
    return rewrite(Graph([], outputs), rules, **options).outputs


# ---- merging


def test_equal_operations_are_made_one() -> None:
    a, b = vector("a"), vector("b")
    first, second_ = run([exp(a + b), exp(a + b)])
    assert first is second_
    left, right = run([a * b, b * a])
    assert left is right
    left, right = run([a - b, b - a])
    assert left is not right


def test_equal_constants_are_made_one() -> None:
    a = vector("a")
    left, right = run([a + 2.5, a + 2.5])
    assert left is right
    zero, minus_zero = run([a + np.float64(0.0), a + np.float64(-0.0)])
    assert zero is not minus_zero
    nan, other = run([a + np.nan, a + np.nan])
    assert nan is other
    assert (
        run([a + np.float64(1), a.astype("float32") + np.float32(1)])[0].type.dtype
        == "float64"
    )


def test_the_users_graph_is_not_touched() -> None:
    a = vector("a")
    inner = (a + 0).owner
    output = exp(inner.outputs[0])
    before = output.owner.inputs[0]
    (new,) = run([output], [Rule("zero", x + 0, x)])
    assert new.owner.inputs[0] is a and output.owner.inputs[0] is before
    output.name = "named"
    (again,) = run([output], [Rule("zero", x + 0, x)])
    assert again.name == "named" and a.name == "a"


def test_ops_with_several_outputs() -> None:
    class Both(Op):
        __props__ = ()

        def make_node(self, v: Variable) -> Apply:
            return Apply(self, [v], [v.type(), v.type()])

    a = vector("a")
    outputs = [*Both()(a + 0), *Both()(a + 0)]
    new = run(outputs, [Rule("zero", x + 0, x)])
    assert new[0] is new[2] and new[1] is new[3] and new[0].owner.inputs == [a]
    swap = Rule("swap", Both(), lambda m: [m.node.inputs[0], neg(m.node.inputs[0])])
    new = run([outputs[1], outputs[0]], [swap])
    assert new[1] is outputs[0].owner.inputs[0] and new[0].owner.op == neg
    with pytest.raises(RewriteError, match="rule short gave 1 results for 2"):
        run([outputs[0]], [Rule("short", Both, lambda m: [m.node.inputs[0]])])


def test_inputs_of_a_graph_are_not_looked_into() -> None:
    a = vector("a")
    given = a + 0
    graph = rewrite(Graph([given], [exp(given)]), [Rule("zero", x + 0, x)])
    assert graph.outputs[0].owner.inputs[0] is given


# ---- patterns


def test_commutative_operations_match_both_orders() -> None:
    a, b = vector("a"), vector("b")
    rule = Rule("both", exp(x) * y + 1, sub(y, x))
    for output in (exp(a) * b + 1, 1 + exp(a) * b, 1 + b * exp(a), b * exp(a) + 1):
        (new,) = run([output], [rule])
        assert new.owner.op == sub and new.owner.inputs == [b, a]
    (same,) = run([b * exp(a) - 1], [rule])
    assert same.owner.op == sub and same.owner.inputs[1] is not a


def test_a_variable_stands_for_one_thing() -> None:
    a, b = vector("a"), vector("b")
    rule = Rule("square", x * x, sqr(x))
    assert run([a * b], [rule])[0].owner.op == mul
    assert run([(a + b) * (b + a)], [rule])[0].owner.op == sqr


def test_constants_match_by_value() -> None:
    rule = Rule("one", x * 1, x)
    for dtype in ("int8", "float16", "float32", "float64", "complex128"):
        a = vector("a", dtype)
        assert run([a * np.ones((), dtype)], [rule]) == [a]
        assert run([a * np.full((), 2, dtype)], [rule])[0] is not a
    assert number(constant(np.ones(3))) is None and number(constant(3)) == 3
    assert number(constant(np.zeros(0))) is None and number(vector("a")) is None


def test_conditions_and_functions() -> None:
    a = vector("a")
    rule = Rule("large", x + c, x, lambda m: number(m[c]) > 10)
    assert run([a + 5.0], [rule])[0] is not a
    assert run([a + 50.0], [rule]) == [a]
    nothing = Rule("never", add, lambda m: None)
    assert run([a + 5.0], [nothing])[0].owner.op == add


def test_rules_by_class() -> None:
    a = matrix("a")
    rule = Rule(
        "sum",
        Reduce,
        lambda m: m.node.inputs[0].sum() if m.node.op.axes == (0,) else None,
    )
    (new,) = run([sum_over(a, 0) * 0 + 1], [Rule("other", Reduce, lambda m: None)])
    assert new is not None
    with pytest.raises(RewriteError, match="rule sum gave"):
        run([sum_over(a, 0)], [rule])


def test_the_first_rule_wins() -> None:
    a = vector("a")
    special, general = (
        Rule("special", exp(x) - 1, expm1(x)),
        Rule("general", x - y, neg(x)),
    )
    assert run([exp(a) - 1], [special, general])[0].owner.op == expm1
    assert run([exp(a) - 1], [general, special])[0].owner.op == neg
    by_class = Rule("class", type(sub), lambda m: None)
    assert run([exp(a) - 1], [by_class, special])[0].owner.op == expm1


def test_numbers_of_a_replacement_take_the_dtype_around_them() -> None:
    for dtype in ("float32", "float64", "int16"):
        (a,) = [vector("a", dtype)]
        assert instantiate(x * 2.0, {x: a}).type.dtype == dtype
    assert instantiate(x * 0.5, {x: vector("a", "float32")}).type.dtype == "float32"


# ---- replacements are made to fit


def test_a_lost_dtype_is_cast_back() -> None:
    a = vector("a", "float32")
    (new,) = run(
        [exp(a)], [Rule("wide", exp, lambda m: m.node.inputs[0].astype("float64"))]
    )
    assert new.type.dtype == "float32"


def test_a_lost_shape_is_filled() -> None:
    a, b = vector("a"), TensorType("float64", ())("b")
    (new,) = run([a * b], [Rule("right", mul, lambda m: m.node.inputs[1])])
    assert new.type == a.type
    values = {a: np.zeros(3), b: np.array(2.0)}
    assert evaluate([new], values)[0].tolist() == [2, 2, 2]
    row, column = (
        TensorType("float64", (1, None))("r"),
        TensorType("float64", (None, 1))("c"),
    )
    (new,) = run([row + column], [Rule("left", add, lambda m: m.node.inputs[0])])
    values = {row: np.arange(3.0)[None], column: np.zeros((2, 1))}
    assert evaluate([new], values)[0].tolist() == [[0, 1, 2]] * 2


def test_a_lost_known_size_is_put_back() -> None:
    a, b = vector("a", size=3), vector("b")
    (new,) = run([a + b], [Rule("right", add, lambda m: m.node.inputs[1])])
    assert new.type.shape == (3,)
    one = TensorType("float64", (1,))("one")
    assert conform(b, one, "test").type.shape == (1,)


def test_what_cannot_fit_is_an_error() -> None:
    a = matrix("a")
    with pytest.raises(RewriteError, match="rule wrong gave"):
        run([sum_over(a, 0)], [Rule("wrong", Reduce, lambda m: a)])


# ---- termination


def test_rules_that_undo_each_other_are_named() -> None:
    a, b = vector("a"), vector("b")
    rules = [Rule("there", x + y, x - y), Rule("back", x - y, x + y)]
    with pytest.warns(RewriteWarning, match="there, back"):
        (new,) = run([a + b], rules)
    assert new.owner.op in (add, sub)


def test_a_rule_that_grows_its_result_is_stopped() -> None:
    a = vector("a")
    with pytest.warns(RewriteWarning, match="grow"):
        (new,) = run([exp(a)], [Rule("grow", exp(x), exp(x + 1))])
    assert new.owner.op == exp


def test_a_long_chain_is_linear_and_does_not_recurse() -> None:
    a, b = vector("a"), vector("b")
    rules = [
        Rule("zero", x + 0, x),
        Rule("twice", neg(neg(x)), x),
        Rule("one", x * 1, x),
    ]

    def seconds(length: int) -> float:
        output = a
        for step in range(length):
            output = (output + b, output * 1, neg(output), output + 0)[step % 4]
        start = time.process_time()
        (new,) = run([output], rules, fold=True)
        assert new is not output
        return time.process_time() - start

    few, many = (min(seconds(n) for _ in range(3)) for n in (500, 4_000))
    assert many < 24 * few  # eight times as many; squared it would be 64 times


# ---- what is recorded


def test_origins_and_names_pass_to_what_is_new() -> None:
    a = vector("a")
    output = exp(a) - 1
    output.name = "result"
    (new,) = run([output], [Rule("expm1", exp(x) - 1, expm1(x))])
    assert new.name == "result" and new.owner.origin is output.owner.origin
    assert new.owner.origin.filename == __file__


def test_every_use_of_a_rule_is_told() -> None:
    a = vector("a")
    fired: list[Fired] = []
    output = neg(neg(a + 0))
    rules = [Rule("zero", x + 0, x), Rule("twice", neg(neg(x)), x)]
    rewrite(Graph([a], [output]), rules, fired.append)
    assert [f.rule for f in fired] == ["zero", "twice"]
    assert fired[1].after is a and fired[0].after is a


# ---- constants


def test_constants_are_folded() -> None:
    a = vector("a")
    (new,) = run([a * (sqrt(constant(4.0)) + 1)], fold=True)
    assert isinstance(new.owner.inputs[1], Constant) and new.owner.inputs[1].data == 3
    three = sqr(constant(3.0))
    (new,) = run([three], fold=True)
    assert new.tag.origin is three.owner.origin


def test_large_results_are_not_folded() -> None:
    (new,) = run([alloc(1.0, 1000, 1000)], fold=True)
    assert new.owner is not None
    (new,) = run([second(constant(np.zeros(5000)), 1.0)], fold=True)
    assert isinstance(new, Constant)
    (new,) = run([arange(5000)], fold=True)
    assert new.owner is not None
    (new,) = run([arange(5)], fold=True)
    assert isinstance(new, Constant)


def test_what_raises_is_left_to_the_run() -> None:
    class Fails(Op):
        __props__ = ()

        def make_node(self, v: Variable) -> Apply:
            return Apply(self, [v], [v.type()])

        def compute(self, *rest: object) -> list[object]:
            raise RuntimeError("never")

    output = Fails()(constant(1.0))
    assert run([output], fold=True) == [output]


def test_an_op_can_ask_not_to_be_folded() -> None:
    class Random(Op):
        __props__ = ()
        foldable = False

        def make_node(self, v: Variable) -> Apply:
            return Apply(self, [v], [v.type()])

        def compute(
            self, node: Apply, arrays: list[object], xp: object
        ) -> list[object]:
            return arrays

    output = Random()(constant(1.0))
    assert run([output], fold=True) == [output]


# ---- passes


def test_passes_are_traced() -> None:
    a = vector("a")
    trace = Trace()
    graph = rewrite_graph(Graph([a], [tanh(a * 1) + 0]), trace=trace)
    assert trace.rules() == ["multiply_one", "add_zero"]
    needed = ["merge", "simplify", "simplify again", "library"]
    assert [name for name, _ in trace.graphs] == needed
    others = ["write out", "stable", "branches", "scans", "simplify scans"]
    assert {step.name for step in PASSES} == {*needed, *others}
    assert graph.outputs[0].owner.inputs == [a]


def test_passes_that_have_nothing_to_do_are_left_out() -> None:
    a = vector("a")
    trace = Trace()
    rewrite_graph(Graph([a], [tanh(a)]), trace=trace)
    names = [name for name, _ in trace.graphs]
    assert names == ["merge", "simplify", "library"]


def test_fast_compile_does_only_what_is_needed() -> None:
    a = vector("a")
    graph = rewrite_graph(Graph([a], [tanh(a * 1)]), FAST_COMPILE)
    assert graph.outputs[0].owner.inputs[0].owner.op == mul


def test_no_rules_undo_each_other_on_deep_mixtures() -> None:
    """Random expressions: the same values, no warning."""
    rng = np.random.default_rng(5)
    a, b = vector("a"), vector("b")
    values = {a: rng.normal(size=4), b: rng.normal(size=4) + 3}
    for _ in range(60):
        pool: list[Variable] = [
            a,
            b,
            constant(2.0),
            constant(-1.0),
            constant(0.0),
            constant(1.0),
        ]
        for _ in range(12):
            f = (add, sub, mul, true_div)[rng.integers(4)]
            g = (neg, tanh, sqr, lambda v: v)[rng.integers(4)]
            left, right = (pool[k] for k in rng.integers(len(pool), size=2))
            pool.append(g(f(left, right)))
        output = second(a, pool[-1])
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error", RewriteWarning)
            graph = rewrite_graph(Graph([a, b], [output]))
        (want,), (got,) = evaluate([output], values), evaluate(graph.outputs, values)
        sure = np.isfinite(want) & (np.abs(want) < 1e6)
        np.testing.assert_allclose(got[sure], want[sure], rtol=1e-6, atol=1e-9)


# ---- what is at fault is left out


@pytest.fixture
def as_users_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("symnet.rewriting.rewriter._left_out", set())
    monkeypatch.setattr(config, "on_rewrite_error", "warn")


def failing(match: Match) -> Variable:
    raise ZeroDivisionError("a slip in the rule")


@pytest.mark.usefixtures("as_users_have_it")
@pytest.mark.parametrize(
    "replacement",
    [
        failing,
        lambda m: matrix("b"),  # another rank
        lambda m: [m.node.inputs[0]] * 2,  # another number of results
        lambda m: vector("b").astype("complex64"),
        lambda m: vector("b", size=4),  # another known size
    ],
)
def test_a_rule_at_fault_is_left_out_with_one_warning(replacement: Any) -> None:
    a = vector("a", size=3)
    faulty = Rule("faulty", exp, replacement)
    with pytest.warns(RewriteWarning, match="rule faulty") as caught:
        found = run([exp(a) + 0, exp(exp(a)) + 0], [faulty, Rule("zero", x + 0, x)])
    assert [v.owner.op for v in found] == [exp, exp]
    assert found[0].type == exp(a).type
    text = str(caught[0].message)
    assert len(caught) == 1 and "please report" in text and "your line" in text
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run([exp(a)], [faulty])


@pytest.mark.usefixtures("as_users_have_it")
def test_a_pass_at_fault_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(graph: Graph, _: Any) -> Graph:
        raise ZeroDivisionError("a slip in the pass")

    def another_type(graph: Graph, _: Any) -> Graph:
        return Graph(graph.inputs, [v.astype("float32") for v in graph.outputs])

    slips = (Change("broken", broken), Change("changes", another_type))
    monkeypatch.setattr("symnet.compile.pipeline.PASSES", (*slips, *PASSES))
    a = vector("a")
    with pytest.warns(RewriteWarning) as caught:
        (found,) = rewrite_graph(Graph([a], [exp(a) - 1])).outputs
    assert found.owner.op == expm1
    first, second_ = (str(one.message) for one in caught)
    assert "pass broken" in first and "pass changes" in second_


def test_in_tests_a_rule_at_fault_raises() -> None:
    with pytest.raises(ZeroDivisionError, match="a slip"):
        run([exp(vector("a"))], [Rule("faulty", exp, failing)])


def test_a_size_that_is_one_does_not_become_known() -> None:
    """It would stretch where an array of unknown size is refused."""
    one, a = vector("one", size=1), matrix("a")
    flat = reshape(tile(one, (2,)), (-1, 2))
    (found,) = rewrite_graph(Graph([one], [flat])).outputs
    assert found.type == flat.type == TensorType("float64", (None, 2))
    total = function([one, a], flat + a)
    assert total(np.ones(1), np.ones((1, 2))).tolist() == [[2.0, 2.0]]
    with pytest.raises(ShapeError, match="sizes do not agree"):
        total(np.ones(1), np.ones((3, 2)))
