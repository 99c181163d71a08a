"""Products and quotients as factors above and below a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.data_classes import dataclass
from symnet.graph.variables import Variable
from symnet.ops.arithmetic import mul, neg, pow, reciprocal, sqr, true_div
from symnet.ops.base import constant
from symnet.ops.functions import expm1
from symnet.ops.shape import DimShuffle
from symnet.rewriting.patterns import number
from symnet.rewriting.rules.logged import pure_log_of

MOST_FACTORS = 8


@dataclass
class Fraction:
    """sign * the product of `above` / the product of `below`."""

    above: list[Variable]
    below: list[Variable]
    sign: int = 1

    def variable(self) -> Any:
        result = _multiplied(self.above)
        if self.below:
            result = true_div(result, _multiplied(self.below))
        return neg(result) if self.sign < 0 else result


def _multiplied(factors: Sequence[Variable]) -> Any:
    ones = [f for f in factors if number(f) == 1 and f.type.ndim == 0]
    rest = [f for f in factors if not any(f is one for one in ones)]
    result: Any = rest[0] if rest else constant(1)
    for factor in rest[1:]:
        result = mul(result, factor)
    return result


def fraction_of(v: Variable) -> Fraction:
    """What is multiplied and divided to make `v`; whole powers are taken apart."""
    found = Fraction([], [])
    stack = [(v, 1)]
    while stack:
        one, times = stack.pop()
        node = one.owner
        room = len(found.above) + len(found.below) + len(stack) < MOST_FACTORS
        inner = _taken_apart(one) if node is not None and room else None
        if inner is None:
            (found.above if times > 0 else found.below).extend([one] * abs(times))
        elif inner[0] is neg:
            found.sign *= 1 if times % 2 == 0 else -1
            stack.append((inner[1][0][0], times))
        else:
            stack += [(u, times * e) for u, e in reversed(inner[1])]
    return found


def _taken_apart(v: Variable) -> tuple[Any, list[tuple[Variable, int]]] | None:
    """The factors of `v` with their powers."""
    assert v.owner is not None
    op, inputs = v.owner.op, v.owner.inputs
    if op == mul:
        return mul, [(inputs[0], 1), (inputs[1], 1)]
    if op == true_div:
        return true_div, [(inputs[0], 1), (inputs[1], -1)]
    if op == neg:
        # exp(x) - 1 is positive the other way round.
        return None if _small(v) else (neg, [(inputs[0], 1)])
    if op == sqr:
        return sqr, [(inputs[0], 2)]
    if op == reciprocal:
        return reciprocal, [(inputs[0], -1)]
    if op == pow and (e := number(inputs[1])) in (-3, -2, -1, 1, 2, 3):
        return pow, [(inputs[0], int(e))]
    if isinstance(op, DimShuffle) and inputs[0].owner is not None:
        inner = inputs[0].owner
        if inner.op in (mul, true_div) and len(inner.inputs) == 2:
            power = 1 if inner.op == mul else -1
            rank = inputs[0].type.ndim
            parts = [u if u.type.ndim == 0 else op(u) for u in inner.inputs
                     if u.type.ndim in (0, rank)]  # fmt: skip
            if len(parts) == 2:
                return mul, [(parts[0], 1), (parts[1], power)]
    return None


def _small(v: Variable) -> bool:
    """Whether v is 1 - exp(-a) of a positive a that may underflow."""
    inner = v.owner.inputs[0].owner if v.owner is not None else None
    return inner is not None and inner.op == expm1 and pure_log_of(v) is not None
