"""Logarithms of determinants, which overflow or vanish long before their logarithms do.

The determinant of 400 numbers of 0.01 on a diagonal is 0 in float64, and its logarithm
-1842.  So in log(k * det(a) / sqrt(det(b)) ...) each determinant is replaced by its sign,
and the logarithms of their absolute values are added: for a sign of 1 the logarithm of
what is left is 0, for -1 NaN and for 0 minus infinity, as before.
"""

from __future__ import annotations

from typing import Any

from symnet.graph.variables import Variable
from symnet.ops.arithmetic import (
    absolute,
    add,
    log,
    mul,
    neg,
    pow,
    sqr,
    sqrt,
    true_div,
)
from symnet.ops.functions import log2, log10
from symnet.ops.linalg.determinants import Det, slogdet
from symnet.rewriting.patterns import Match, Rule, number

# Of a factor: what stands in its place, and the logarithm of what was taken out.
Split = tuple[Variable, Variable]


def _split(factor: Variable) -> Split | None:
    """`factor` with determinants as their signs; None where it has none."""
    node = factor.owner
    if node is None:
        return None
    if isinstance(node.op, Det):
        sign, logarithm = slogdet(node.inputs[0])
        return sign, logarithm
    if node.op in (mul, true_div):
        return _split_pair(node.op, *node.inputs)
    exponent = _exponent(factor)
    inner = _split(node.inputs[0]) if exponent else None
    if inner is None:
        return None
    base, logarithm = inner
    changed: Variable = node.op(base, *node.inputs[1:])
    return changed, logarithm if exponent == 1 else mul(logarithm, exponent)


def _exponent(power: Variable) -> Any:
    """The exponent of what is a power of the operation's first input; 0 for others."""
    assert power.owner is not None
    op, inputs = power.owner.op, power.owner.inputs
    if op in (neg, absolute):
        return 1
    if op == sqr:
        return 2
    if op == sqrt:
        return 0.5
    exponent = number(inputs[1]) if op == pow else None
    return 0 if exponent is None or isinstance(exponent, complex) else exponent


def _split_pair(op: Any, left: Variable, right: Variable) -> Split | None:
    """The same for a product or quotient."""
    first, second = _split(left), _split(right)
    if first is None and second is None:
        return None
    changed = op(first[0] if first else left, second[0] if second else right)
    if second is None:
        assert first is not None
        return changed, first[1]
    taken = second[1] if op == mul else neg(second[1])
    return changed, taken if first is None else add(first[1], taken)


def _of_determinant(match: Match) -> Variable | None:
    split = _split(match.node.inputs[0])
    if split is None:
        return None
    op, (left, logarithm) = match.node.op, split
    if op != log:
        logarithm = true_div(logarithm, {log2: LOG_OF_2, log10: LOG_OF_10}[op])
    return add(op(left), logarithm)


LOG_OF_2, LOG_OF_10 = 0.6931471805599453, 2.302585092994046

DETERMINANTS = [
    Rule("log_of_determinant", log, _of_determinant),
    Rule("log2_of_determinant", log2, _of_determinant),
    Rule("log10_of_determinant", log10, _of_determinant),
]
