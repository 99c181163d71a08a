"""Logarithms of differences of one function at two places that cancel far out."""

from __future__ import annotations

import math
from typing import Any

from symnet.graph.variables import Variable
from symnet.ops.arithmetic import absolute, add, maximum, minimum, mul, neg, sgn, sub
from symnet.ops.base import constant
from symnet.ops.functions import sigmoid, softplus, tanh
from symnet.ops.special import erf, erfc
from symnet.ops.tails import log1mexp, log_erf_gap
from symnet.rewriting.patterns import number
from symnet.rewriting.rules.logged import Logged, negated
from symnet.rewriting.rules.saturation import affine_of


def between_sigmoids(left: Variable, right: Variable) -> Logged | None:
    """The logarithm of sigmoid(a) - sigmoid(b), or of tanh(a) - tanh(b).

    sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), and tanh(a) is
    2 sigmoid(2 a) - 1."""
    if left.owner is None or right.owner is None or left.owner.op != right.owner.op:
        return None
    op, (a,), (b,) = left.owner.op, left.owner.inputs[:1], right.owner.inputs[:1]
    if op not in (sigmoid, tanh):
        return None

    def make() -> Variable:
        gap, top, bottom = _gap(b, a), a, b
        if op == tanh:
            gap, top, bottom = mul(gap, 2), mul(a, 2), mul(b, 2)
        tails: Any = neg(add(softplus(negated(top)), softplus(bottom)))
        whole = add(tails, log1mexp(gap))
        return add(whole, math.log(2)) if op == tanh else whole

    def scaled() -> tuple[Variable, Variable]:
        # sinh((a - b) / 2) / (2 cosh(a / 2) cosh(b / 2)), of which tanh has the sign.
        half, top, bottom = mul(_gap(a, b), 0.5), maximum(a, b), minimum(a, b)
        if op == tanh:
            half, top, bottom = _gap(a, b), mul(top, 2), mul(bottom, 2)
        tails = add(softplus(negated(top)), softplus(bottom))
        level = sub(softplus(mul(absolute(half), -2)), tails)
        return tanh(half), add(level, math.log(2)) if op == tanh else level

    return Logged(make, under=True, signed=True, zero=True, scaled=scaled, smooth=True)


def between_bounds(left: Variable, right: Variable) -> Logged | None:
    """The logarithm of erf(a) - erf(b), or of what has it in it, as the normal
    distribution's (1 + erf(x / sqrt(2))) / 2 at two bounds."""
    one, other = affine_of(left), affine_of(right)
    ends = one.base.owner, other.base.owner
    if one.factor != other.factor or one.shift != other.shift:
        return None
    if any(end is None or end.op not in (erf, erfc) for end in ends):
        return None
    (a, above), (b, below) = (
        (end.inputs[0], end.op == erf) for end in ends if end is not None
    )
    if above != below:
        return None
    factor = one.factor if above else -one.factor
    if factor < 0:
        a, b = b, a

    def scaled() -> tuple[Variable, Variable]:
        level = log_erf_gap(maximum(a, b), minimum(a, b))
        return sgn(sub(a, b)), add(level, math.log(abs(factor)))

    return Logged(
        lambda: add(log_erf_gap(a, b), math.log(abs(factor))),
        under=True, signed=True, zero=True, scaled=scaled,
    )  # fmt: skip


def _gap(b: Variable, a: Variable) -> Variable:
    """b - a; where both are one variable and a number, the numbers' difference."""
    (x, c), (y, d) = _without_shift(b), _without_shift(a)
    if x is y:
        return constant(c - d)
    return sub(b, a)


def _without_shift(v: Variable) -> tuple[Variable, float]:
    """x and c, where v is x + c and c a number."""
    node = v.owner
    if node is not None and node.op in (add, sub):
        x, c = node.inputs
        if number(c) is None and node.op == add:
            x, c = c, x
        if isinstance(number(c), (int, float)) and c.type.ndim == 0:
            return x, float(number(c)) * (1 if node.op == add else -1)
    return v, 0.0
