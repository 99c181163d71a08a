from __future__ import annotations

import pytest
import sympy

from symnet.compile.pipeline import SIMPLIFY
from symnet.rewriting.patterns import Rule
from tests.rewriting.rules.tools import difference, provable

# What a rule takes for granted, beyond its variables being real: outside, both sides are
# NaN, as tests by value show.
DOMAINS = {"log_of_root": {"positive": True}, "log_of_square": {"positive": True}}


@pytest.mark.parametrize("rule", provable(SIMPLIFY), ids=lambda rule: rule.name)
def test_both_sides_are_equal(rule: Rule) -> None:
    assert difference(rule, DOMAINS.get(rule.name, {"real": True})) == 0


def test_most_scalar_rules_are_proven() -> None:
    assert len(provable(SIMPLIFY)) > 45


def test_a_wrong_rule_is_not_provable() -> None:
    from symnet.ops.arithmetic import sqr, sqrt
    from symnet.ops.functions import exp, sigmoid
    from symnet.rewriting.rules.stability import x

    assert difference(Rule("wrong", 1 / (2 + exp(-x)), sigmoid(x)), {"real": True}) != 0
    assert difference(Rule("wrong", sqr(sqrt(x)), sqrt(sqr(x))), {"real": True}) != 0
    assert sympy.simplify(0) == 0
