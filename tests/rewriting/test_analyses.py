"""What passes keep for those after them, and that it changes no result."""

from __future__ import annotations

from typing import Any

import pytest

from symnet.compile.pipeline import FIRST, MERGE, PASSES, SIMPLIFY, Pass
from symnet.graph.traverse import Graph
from symnet.graph.types import TensorType
from symnet.graph.variables import Constant, Variable
from symnet.ops.arithmetic import add, mul, neg, sqr
from symnet.ops.base import constant
from symnet.ops.elementwise import Cast, Elementwise
from symnet.ops.functions import exp, tanh
from symnet.ops.reduce import Reduce
from symnet.ops.reduce import sum as sum_over
from symnet.ops.shape import DimShuffle, dimshuffle
from symnet.rewriting.analyses import AnalysisCache
from symnet.rewriting.patterns import Match, Rule, pattern_vars, rule_table
from symnet.rewriting.rewriter import rewrite

x, y = pattern_vars("x y")


def vector(name: str) -> Any:
    return TensorType("float64", (None,))(name)


def counting(name: str, pattern: Any, **options: Any) -> tuple[Rule, list[Variable]]:
    """A rule that never applies, and the results for which it was tried."""
    seen: list[Variable] = []

    def look(match: Match) -> None:
        seen.append(match.out)

    return Rule(name, pattern, look, **options), seen


# ---- ops


def test_equal_ops_have_one_number() -> None:
    analyses = AnalysisCache()
    assert analyses.number(Cast("float32")) == analyses.number(Cast("float32"))
    assert analyses.number(Cast("float32")) != analyses.number(Cast("int8"))
    assert analyses.number(DimShuffle(["x", 0])) == analyses.number(
        DimShuffle(("x", 0))
    )
    assert analyses.number(exp) != analyses.number(tanh)
    numbers = {analyses.number(DimShuffle([0, *"x" * k])) for k in range(50)}
    assert len(numbers) == 50


def test_rules_are_chosen_by_the_ops_of_the_operands() -> None:
    a, b = vector("a"), vector("b")
    rules = [
        Rule("zero", x + 0, x),
        Rule("negative", x + (-y), x - y),
        Rule("any", x + y, x),
        Rule("of_sum", add, lambda m: None, operands=(Reduce, exp)),
        Rule("of_constant", add, lambda m: None, operands=(Constant,)),
        Rule("other", mul, lambda m: None),
    ]

    def names(result: Any) -> list[str]:
        found = AnalysisCache().candidates(rule_table(tuple(rules)), result.owner)
        return [rule.name for rule in found]

    assert names(a + b) == ["any"]
    assert names(a + 0) == names(0 + a) == ["zero", "any", "of_constant"]
    assert names(-a + b) == names(a + -b) == ["negative", "any"]
    assert names(a + exp(b)) == names(a + sum_over(b)) == ["any", "of_sum"]
    assert names(a * b) == ["other"]


def test_only_commutative_operands_are_looked_at_in_both_orders() -> None:
    rule = Rule("scaled", exp(x) / y, x)
    assert rule.fits([exp, None])
    assert not rule.fits([None, exp])
    assert not rule.fits([exp])


@pytest.mark.parametrize(
    "rule", [r for r in SIMPLIFY if isinstance(r.pattern, Variable)]
)
def test_no_rule_is_left_out_where_its_own_pattern_stands(rule: Rule) -> None:
    pattern: Any = rule.pattern
    node = pattern.owner
    made = [v.owner.op if v.owner else Constant if isinstance(v, Constant) else None
            for v in node.inputs]  # fmt: skip
    constants = [getattr(v, "constant", False) for v in node.inputs]
    makers = [Constant if c else m for m, c in zip(made, constants, strict=True)]
    assert rule.fits(makers)


# ---- operations that are settled


def test_an_operation_is_looked_at_once_by_the_same_rules() -> None:
    a = vector("a")
    rule, seen = counting("look", Elementwise)
    analyses = AnalysisCache()
    graph = rewrite(Graph([a], [exp(tanh(a))]), [rule], analyses=analyses)
    assert len(seen) == 2
    again = rewrite(graph, [rule], analyses=analyses)
    assert again is graph
    assert len(seen) == 2
    # Without what was found, as before.
    assert rewrite(graph, [rule]) is not graph
    assert len(seen) == 4


def test_what_is_new_is_looked_at() -> None:
    a = vector("a")
    rule, seen = counting("look", Elementwise)
    analyses = AnalysisCache()
    first = rewrite(Graph([a], [exp(a)]), [rule], analyses=analyses)
    longer = Graph([a], [sqr(first.outputs[0])])
    rewrite(longer, [rule], analyses=analyses)
    assert [v.owner.op for v in seen if v.owner] == [exp, sqr]


def test_only_rules_that_have_not_been_asked_may_have_something() -> None:
    a = vector("a")
    one, seen_one = counting("one", exp)
    two, seen_two = counting("two", exp)
    analyses = AnalysisCache()
    graph = rewrite(Graph([a], [exp(a)]), [one], analyses=analyses)
    rewrite(graph, [one, two], analyses=analyses)
    assert (len(seen_one), len(seen_two)) == (1, 1)
    rewrite(graph, [two], analyses=analyses)
    assert (len(seen_one), len(seen_two)) == (1, 1)


def test_a_rule_that_asks_for_users_is_asked_again() -> None:
    a = vector("a")

    def once(match: Match) -> Variable | None:
        inner = match.node.inputs[0]
        return tanh(a) if inner.owner and match.used_once(inner) else None

    rule = Rule("once", neg, once)
    analyses = AnalysisCache()
    power = exp(a)
    both = rewrite(Graph([a], [-power, power]), [rule], analyses=analyses)
    assert both.outputs[0].owner is not None and both.outputs[0].owner.op == neg
    single = Graph([a], both.outputs[:1])
    (new,) = rewrite(single, [rule], analyses=analyses).outputs
    assert new.owner is not None and new.owner.op == tanh


def test_constants_are_folded_where_that_was_not_done_before() -> None:
    analyses = AnalysisCache()
    value = exp(constant(0.0))
    graph = rewrite(Graph([], [value]), [], analyses=analyses)
    (folded,) = rewrite(graph, [], fold=True, analyses=analyses).outputs
    assert isinstance(folded, Constant) and folded.data == 1


def test_equals_are_made_one_in_a_graph_that_no_pass_has_seen() -> None:
    a = vector("a")
    analyses = AnalysisCache()
    graph = MERGE(Graph([a], [exp(a)]), analyses=analyses)
    other = Graph([a], [graph.outputs[0], exp(a)])
    left, right = MERGE(other, analyses=analyses).outputs
    assert left is right


def test_passes_with_analyses_do_what_they_do_without() -> None:
    a, b = vector("a"), vector("b")
    row = dimshuffle(b, "x", 0)
    outputs = [(exp(a) - 1) * 2 * 3 + (a + (-b)), sum_over(row * 1, 0), neg(neg(a)) / 1]
    with_, without = (Graph([a, b], outputs) for _ in range(2))
    analyses = AnalysisCache()
    for step in [step for step in PASSES if isinstance(step, Pass)]:
        with_ = step(with_, analyses=analyses)
        without = step(without, AnalysisCache())
        assert list(map(text, with_.outputs)) == list(map(text, without.outputs))
    assert FIRST(with_, analyses=analyses) is with_


def text(variable: Variable) -> str:
    if variable.owner is None:
        return str(variable)
    return f"{variable.owner.op}({', '.join(map(text, variable.owner.inputs))})"
