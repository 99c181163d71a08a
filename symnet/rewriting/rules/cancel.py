"""Factors that cancel: (a / s) * s is a, where s is positive by its making.

A sigmoid or softmax is positive but may round to 0; then the product as written is
0/0.  Gradients of losses written with log(sigmoid(x)) or log(softmax(x)) are made of such
products, also with sums in between: (a/s - b) * s becomes a - b*s.
"""

from __future__ import annotations

from collections.abc import Sequence

from symnet.graph.variables import Variable
from symnet.ops.arithmetic import add, mul, neg, sub, true_div
from symnet.ops.base import constant
from symnet.ops.functions import cosh, exp, sigmoid, softplus
from symnet.ops.nnet.activations import Softmax
from symnet.rewriting.patterns import Match, Rule, number, pattern_vars

POSITIVE = (sigmoid, exp, softplus, cosh)
MOST_FACTORS = 12


class Factors:
    """sign * the product of `above` / the product of `below`."""

    __slots__ = ("sign", "above", "below")

    def __init__(
        self,
        sign: int = 1,
        above: Sequence[Variable] = (),
        below: Sequence[Variable] = (),
    ) -> None:
        self.sign, self.above, self.below = sign, list(above), list(below)

    def cancelled(self) -> int:
        """Cancel positive factors; how many there were."""
        count = 0
        for factor in list(self.below):
            if factor in self.above and is_positive(factor):
                self.above.remove(factor)
                self.below.remove(factor)
                count += 1
        return count

    def variable(self) -> Variable:
        result = _multiplied(self.above)
        if self.below:
            result = true_div(result, _multiplied(self.below))
        return neg(result) if self.sign < 0 else result


def _multiplied(factors: list[Variable]) -> Variable:
    result: Variable | None = None
    for factor in factors:
        result = factor if result is None else mul(result, factor)
    return constant(1) if result is None else result


def made_by_sigmoid(variable: Variable) -> bool:
    return variable.owner is not None and variable.owner.op == sigmoid


def is_positive(variable: Variable) -> bool:
    """Whether the exact value is above 0 everywhere."""
    node = variable.owner
    if node is None:
        return False
    if isinstance(node.op, Softmax) or any(node.op == op for op in POSITIVE):
        return True
    if node.op == sub and number(node.inputs[0]) == 1:  # 1 - sigmoid(x)
        inner = node.inputs[1].owner
        return inner is not None and (
            inner.op == sigmoid or isinstance(inner.op, Softmax)
        )
    return False


def factors_of(variable: Variable) -> Factors:
    """What is multiplied and divided to make `variable`."""
    product = Factors()
    stack = [(variable, True)]
    while stack:
        one, above = stack.pop()
        node = one.owner
        room = len(product.above) + len(product.below) + len(stack) < MOST_FACTORS
        op = node.op if node is not None and room else None
        if node is not None and op == mul:
            stack += [(v, above) for v in reversed(node.inputs)]
        elif node is not None and op == true_div:
            stack += [(node.inputs[1], not above), (node.inputs[0], above)]
        elif node is not None and op == neg:
            product.sign = -product.sign
            stack.append((node.inputs[0], above))
        else:
            (product.above if above else product.below).append(one)
    return product


def _cancel(match: Match) -> Variable | None:
    product = factors_of(match.out)
    if product.below and product.cancelled():
        return product.variable()
    return _cancel_in_sum(product)


def _cancel_in_sum(product: Factors) -> Variable | None:
    """(a/s + b) * s: multiplied out where that leaves no term divided by the like."""
    positive = [f for f in product.above if is_positive(f)]
    if not positive:
        return None
    for place, factor in enumerate(product.above):
        terms = terms_of(factor)
        others = product.above[:place] + product.above[place + 1 :]
        if len(terms) < 2 or not any(set(t.below) & set(positive) for t in terms):
            continue
        for term in terms:
            term.sign *= product.sign
            term.above += others
            term.cancelled()
        if not any(is_positive(f) for term in terms for f in term.below):
            return added(terms, product.below)
    return None


def terms_of(variable: Variable) -> list[Factors]:
    """What is added and subtracted to make `variable`."""
    terms: list[Factors] = []
    stack = [(variable, 1)]
    while stack:
        one, sign = stack.pop()
        node = one.owner
        op = (
            node.op
            if node is not None and len(terms) + len(stack) < MOST_FACTORS
            else None
        )
        if node is not None and op in (add, sub):
            stack.append((node.inputs[1], sign if op == add else -sign))
            stack.append((node.inputs[0], sign))
        elif node is not None and op == neg:
            stack.append((node.inputs[0], -sign))
        else:
            term = factors_of(one)
            term.sign *= sign
            terms.append(term)
    return terms


def added(terms: list[Factors], below: list[Variable]) -> Variable:
    result = terms[0].variable()
    for term in terms[1:]:
        result = add(result, term.variable())
    return true_div(result, _multiplied(below)) if below else result


x, y, z = pattern_vars("x y z")


def _sigmoid_y(match: Match) -> bool:
    return made_by_sigmoid(match[y])


# What is left of a cross-entropy of a sigmoid and of its gradient, also of its mean.
TARGETS = [
    Rule("sigmoid_against_target", x * (1 - y) + (x - 1) * y, x - y, _sigmoid_y),
    Rule("sigmoid_against_target_divided",
         true_div(x * (1 - y), z) + true_div((x - 1) * y, z),
         true_div(x - y, z), _sigmoid_y),
    Rule("sigmoid_against_target_scaled", x * (1 - y) * z + (x - 1) * y * z,
         (x - y) * z, _sigmoid_y),
]  # fmt: skip

CANCEL: list[Rule] = [
    *TARGETS,
    Rule("cancel_in_product", mul, _cancel),
    Rule("cancel_in_quotient", true_div, _cancel),
]
