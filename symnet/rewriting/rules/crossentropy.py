"""The cross-entropy of a sigmoid, as it stands when its logarithms are in stable form.

a softplus(-x) + (1 - a) softplus(x), with any factors before both, anywhere in a sum.
"""

from __future__ import annotations

from symnet.graph.variables import Variable
from symnet.ops.arithmetic import add, mul, neg, sub, true_div
from symnet.ops.functions import sigmoid, softplus
from symnet.ops.nnet.classification import sigmoid_binary_crossentropy
from symnet.rewriting.patterns import Match, Rule, number
from symnet.rewriting.rules.cancel import Factors, added, terms_of

# What terms and factors are seen through down to a softplus.
PARTS = (softplus, add, sub, neg, mul, true_div)


def _written_out(match: Match) -> Variable | None:
    terms = terms_of(match.out)
    entropies = [term for term in terms if _arguments(term)]
    for k, first in enumerate(entropies):
        for second in entropies[k + 1 :]:
            pair = _pair(first, second) or _pair(second, first)
            if pair is not None:
                rest = [t for t in terms if t is not first and t is not second]
                return added([pair, *rest], [])
    return None


def _pair(first: Factors, second: Factors) -> Factors | None:
    """The cross-entropy of which these are the two terms, with their common factors."""
    if first.sign != second.sign or first.below != second.below:
        return None
    for x in _arguments(first):
        for y in _arguments(second):
            if not _opposite(x, y):
                continue
            mine, other = _without(first.above, x), _without(second.above, y)
            for target in mine:
                for complement in other:
                    if complements(target, complement) and _same(
                        mine, target, other, complement
                    ):
                        common = [f for f in mine if f is not target]
                        entropy = sigmoid_binary_crossentropy(y, target)
                        return Factors(first.sign, [*common, entropy], first.below)
    return None


def _arguments(term: Factors) -> list[Variable]:
    """What softplus is taken of among the factors."""
    return [f.owner.inputs[0] for f in term.above if f.owner and f.owner.op == softplus]


def _without(factors: list[Variable], x: Variable) -> list[Variable]:
    return [
        f
        for f in factors
        if not (f.owner and f.owner.op == softplus and f.owner.inputs[0] is x)
    ]


def _opposite(x: Variable, y: Variable) -> bool:
    return any(a.owner is not None and a.owner.op == neg and a.owner.inputs[0] is b
               for a, b in ((x, y), (y, x)))  # fmt: skip


def _same(
    mine: list[Variable], a: Variable, other: list[Variable], b: Variable
) -> bool:
    """Whether the factors are the same but for one of each."""
    return {f for f in mine if f is not a} == {f for f in other if f is not b} and len(
        mine
    ) == len(other)


def complements(a: Variable, b: Variable) -> bool:
    """Whether one is 1 minus the other.  Those of sigmoids do not count: as targets they
    would take the digits from an entropy."""
    if any(v.owner is not None and v.owner.op == sigmoid for v in (a, b)):
        return False
    for one, other in ((a, b), (b, a)):
        node = one.owner
        if node is not None and node.op == sub and node.inputs[1] is other:
            return bool(number(node.inputs[0]) == 1)
    return False


CROSSENTROPY = [
    Rule("crossentropy_of_sigmoid", add, _written_out, operands=PARTS),
    Rule("crossentropy_in_difference", sub, _written_out, operands=PARTS),
]
