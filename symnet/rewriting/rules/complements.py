"""Logarithms of 1 - v, and of what is affine in v, from what v is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

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
    switch,
    true_div,
)
from symnet.ops.elementwise import Cast
from symnet.ops.functions import exp, softplus, tanh
from symnet.ops.ifelse.conditional import IfElse, ifelse
from symnet.ops.joining import Join
from symnet.ops.tails import log1mexp, log1mexp_exp, log_cosh, logaddexp
from symnet.rewriting.patterns import number
from symnet.rewriting.rules.logged import (
    Logged,
    RewriteBudget,
    as_typed,
    joined_by,
    log_of,
    negated,
    plain,
    scaled_log,
    small_constant,
)
from symnet.rewriting.rules.logmoves import MOVES, branches_of, moved_logs
from symnet.rewriting.rules.saturation import Affine, affine_of, log_of_tail


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
    return replace(inner, make=lambda: second(ones, inner.make()), scaled=None)


def complement(v: Variable, budget: RewriteBudget) -> Logged | None:
    """The logarithm of 1 - v, where v is made so that it is not taken apart by that."""
    return _of_affine(affine_of(v).then(1.0, -1.0), budget)


def log_of_affine(v: Variable, budget: RewriteBudget) -> Logged | None:
    """The logarithm of `v`, where it is shift + factor * base and its digits, or all of it,
    are lost in the sum."""
    form = affine_of(v)
    if form.base is v:
        return None
    if form.shift or form.factor < 0:
        return _of_affine(form, budget)
    inner = log_of(form.base, budget)
    return inner and joined_by(v, [inner], scaled_log(inner, form.factor).make)


def _of_affine(form: Affine, budget: RewriteBudget) -> Logged | None:
    budget.left -= 1
    node = form.base.owner
    if node is None or budget.left < 0 or form.base.type.dtype not in FLOATS:
        return None
    if (tail := log_of_tail(form)) is not None:
        make, scale = tail
        return scaled_log(Logged(make, under=True), abs(form.factor) / scale)
    if form.shift == 0:
        inner = log_of(form.base, budget) if form.factor > 0 else None
    elif node.op == add and (mixed := _of_mixture(form, node, budget)) is not None:
        return mixed
    elif form.shift == -form.factor > 0:
        inner = _one_minus(form.base, node, budget)
    else:
        inner = None
    if inner is not None:
        return scaled_log(inner, abs(form.factor)) if inner.risky else None
    if isinstance(node.op, (*MOVES, Cast, Join)):
        count = node.nin if isinstance(node.op, Join) else 1
        parts = [
            _of_affine(affine_of(one).then(form.shift, form.factor), budget)
            for one in node.inputs[:count]
        ]
        known = [one for one in parts if one is not None]
        return moved_logs(node, form.base, known) if len(known) == count else None
    if isinstance(node.op, IfElse):
        branches = branches_of(form.base)
        return _of_choice(form, node, branches, budget) if branches else None
    is_switch = node.op == switch
    return _of_choice(form, node, node.inputs[1:], budget) if is_switch else None


def _of_choice(
    form: Affine, node: Apply, sides: Sequence[Variable], budget: RewriteBudget
) -> Logged | None:
    """The logarithm of what is affine in either of two."""
    choose: Any = switch if node.op == switch else ifelse
    condition = node.inputs[0]
    forms = [affine_of(one).then(form.shift, form.factor) for one in sides]
    found = [_of_affine(one, budget) for one in forms]
    if not any(found):
        return None
    parts = [a or plain(_written(b), signed=True) for a, b in zip(found, forms)]
    logs = [as_typed(one.make(), x) for one, x in zip(parts, sides)]
    return joined_by(form.base, parts, lambda: choose(condition, *logs))


def _written(form: Affine) -> Variable:
    result: Variable = add(mul(form.base, form.factor), form.shift)
    return result


def _one_minus(v: Variable, node: Apply, budget: RewriteBudget) -> Logged | None:
    """The logarithm of 1 - v, where v is no function that saturates."""
    op = node.op
    if op == exp:
        return one_minus_exp(node.inputs[0], budget)
    if op in (sqr, pow, mul):
        return _complement_of_product(v, node, budget)
    if (others := _other_part(node)) is not None:
        whole = log_of(others, budget)
        return whole if whole is not None and whole.risky else None
    if (odds := _reciprocal_odds(node)) is not None:
        level = log_of(odds, budget)
        if level is None or not (level.pure and level.risky):
            return None
        return Logged(lambda: neg(softplus(negated(level.make()))), under=level.under)
    return None


def _complement_of_product(
    v: Variable, node: Apply, budget: RewriteBudget
) -> Logged | None:
    """The logarithm of 1 - v, where v is a power or a product of what reaches one."""
    x = node.inputs[0]
    square = node.op == sqr or (node.op == pow and number(node.inputs[1]) == 2)
    square = square or (node.op == mul and node.inputs[1] is x)
    if square and x.owner is not None and x.owner.op == tanh:
        return Logged(lambda: mul(log_cosh(x.owner.inputs[0]), -2), under=True)  # type: ignore[union-attr]
    level = log_of(x if square else v, budget)
    if level is None or not (level.pure and level.under) or level.over:
        return None
    return one_minus_exp(mul(level.make(), 2) if square else level.make(), budget)


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


def _other_part(node: Apply) -> Variable | None:
    """b / (a + b), where the node makes a / (a + b)."""
    below = node.inputs[1].owner if node.op == true_div else None
    if below is None or below.op != add or number(node.inputs[0]) is not None:
        return None
    for a, b in (below.inputs, below.inputs[::-1]):
        if a is node.inputs[0]:
            return true_div(b, node.inputs[1])
    return None


def _of_mixture(form: Affine, node: Apply, budget: RewriteBudget) -> Logged | None:
    """The logarithm of 1 - (c p + d q), where c + d is 1 and p and q reach one."""
    parts = [affine_of(x).then(0.0, form.factor) for x in node.inputs]
    left = form.shift + sum(part.factor + part.shift for part in parts)
    if abs(left) > np.finfo(form.base.type.dtype).eps / 2 * abs(form.shift):
        return None
    logs = [
        _of_affine(Affine(-part.factor, part.factor, part.base), budget)
        for part in parts
        if part.factor < 0
    ]
    known = [one for one in logs if one is not None and one.pure]
    if len(known) < 2:
        return None
    under = all(one.under for one in known)
    return Logged(
        lambda: logaddexp(known[0].make(), known[1].make()),
        over=any(one.over for one in known), under=under,
    )  # fmt: skip


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
