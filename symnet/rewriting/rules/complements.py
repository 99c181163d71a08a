"""Logarithms of 1 - v, from what v is made of."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from symnet.graph.types import FLOATS, TensorType
from symnet.graph.variables import Apply, Constant, Variable
from symnet.ops.alloc import Alloc
from symnet.ops.arithmetic import (
    add,
    mul,
    neg,
    pow,
    reciprocal,
    second,
    sqr,
    sub,
    true_div,
)
from symnet.ops.elementwise import Cast
from symnet.ops.functions import exp, sigmoid, softplus, tanh
from symnet.ops.joining import Join
from symnet.ops.special import erf, erfc
from symnet.ops.tails import (
    log1m_tanh,
    log1mexp,
    log1mexp_exp,
    log_cosh,
    log_erfc,
)
from symnet.rewriting.patterns import number
from symnet.rewriting.rules.logged import (
    Logged,
    RewriteBudget,
    log_of,
    negated,
    small_constant,
)
from symnet.rewriting.rules.logmoves import MOVES, moved_logs


def is_one(v: Variable) -> bool:
    """Whether v is 1, or an array of ones as `ones_like` makes it."""
    if isinstance(v, Constant):
        return (
            isinstance(v.type, TensorType)
            and v.data.size > 0
            and bool(np.all(v.data == 1))
        )
    node = v.owner
    if node is None:
        return False
    if node.op == second:
        return is_one(node.inputs[1])
    return isinstance(node.op, (Alloc, Cast)) and is_one(node.inputs[0])


def shaped_as(ones: Variable, inner: Logged) -> Logged:
    """The logarithm where ones stood beside: these may have stretched it."""
    if number(ones) is not None:
        return inner
    return replace(inner, make=lambda: second(ones, inner.make()))


def complement(v: Variable, budget: RewriteBudget) -> Logged | None:
    """The logarithm of 1 - v, where v is made so that it is not taken apart by that."""
    budget.left -= 1
    node = v.owner
    if node is None or budget.left < 0 or v.type.dtype not in FLOATS:
        return None
    op = node.op
    if op == sigmoid:
        return Logged(lambda: neg(softplus(node.inputs[0])), under=True)
    if op == exp:
        return one_minus_exp(node.inputs[0], budget)
    if (tail := _tail(v)) is not None:
        return tail
    if op == sqr or (op == pow and number(node.inputs[1]) == 2):
        return _complement_of_square(node.inputs[0], budget)
    if op == sub and number(node.inputs[0]) == 1:
        rest = log_of(node.inputs[1], budget)
        return rest if rest is not None and rest.risky else None
    if (odds := _reciprocal_odds(node)) is not None:
        level = log_of(odds, budget)
        if level is None or not (level.pure and level.risky):
            return None
        return Logged(lambda: neg(softplus(negated(level.make()))), under=level.under)
    if (half := half_of_erfc(v)) is not None:
        return Logged(lambda: sub(log_erfc(negated(half)), math.log(2)), under=True)
    if isinstance(op, (*MOVES, Cast, Join)):
        count = node.nin if isinstance(op, Join) else 1
        parts = [complement(one, budget) for one in node.inputs[:count]]
        known = [one for one in parts if one is not None]
        return moved_logs(node, v, known) if len(known) == count else None
    return None


def _tail(v: Variable) -> Logged | None:
    """The logarithm of 1 - v, where v is the erf or tanh of something, or minus that."""
    node, sign = v.owner, 1
    if node is not None and node.op == neg:
        node, sign = node.inputs[0].owner, -1
    if node is None or node.op not in (erf, tanh):
        return None
    x = node.inputs[0]
    if node.op == erf:
        return Logged(lambda: log_erfc(x if sign > 0 else negated(x)), under=True)
    return Logged(lambda: log1m_tanh(x if sign > 0 else negated(x)), under=True)


def _complement_of_square(v: Variable, budget: RewriteBudget) -> Logged | None:
    """The logarithm of 1 - v**2."""
    if v.owner is not None and v.owner.op == tanh:
        return Logged(lambda: mul(log_cosh(v.owner.inputs[0]), -2), under=True)  # type: ignore[union-attr]
    level = log_of(v, budget)
    if level is None or not (level.pure and level.under) or level.over:
        return None
    return one_minus_exp(mul(level.make(), 2), budget)


def one_minus_exp(x: Variable, budget: RewriteBudget) -> Logged:
    """The logarithm of 1 - exp(x)."""
    inner = small_power(_opposite(x), budget)
    if inner is not None:
        return Logged(lambda: log1mexp_exp(inner.make()), under=True)
    return Logged(lambda: log1mexp(x), under=True, signed=True, zero=True)


def small_power(v: Variable, budget: RewriteBudget) -> Logged | None:
    """The logarithm of v, where v is positive and may under- or overflow itself."""
    found = log_of(v, budget)
    fits = found is not None and found.pure and found.risky and not found.shifts
    return found if fits else None


def _opposite(v: Variable) -> Variable:
    """-v, the sign taken from a factor if one has it."""
    node = v.owner
    if node is not None and node.op in (mul, true_div):
        a, b = node.inputs
        for k, factor in enumerate((a, b)):
            made = factor.owner
            signed = made is not None and made.op == neg
            if signed or (small_constant(factor) and number(factor) < 0):
                other = (negated(a), b) if k == 0 else (a, negated(b))
                return node.applied_to(*other)
    return negated(v)


def _reciprocal_odds(node: Apply) -> Variable | None:
    """u, where the node makes 1 / (1 + u)."""
    if node.op == reciprocal:
        below = node.inputs[0]
    elif node.op == true_div and number(node.inputs[0]) == 1:
        below = node.inputs[1]
    else:
        return None
    if below.owner is None or below.owner.op != add:
        return None
    a, b = below.owner.inputs
    if number(a) == 1:
        return b
    return a if number(b) == 1 else None


def half_of_erfc(v: Variable) -> Variable | None:
    """x, where v is erfc(x) / 2."""
    node = v.owner
    if node is None or node.op not in (mul, true_div):
        return None
    a, b = node.inputs
    pairs = ((a, number(b)), (b, number(a))) if node.op == mul else ((a, number(b)),)
    for tail, factor in pairs:
        half = factor == (0.5 if node.op == mul else 2)
        if half and tail.owner is not None and tail.owner.op == erfc:
            return tail.owner.inputs[0]
    return None
