"""Quotients of exponentials: sigmoids, softmax, tanh, as they are written by hand.

A quotient is looked at as factors above and below its line.  A factor below that may
overflow goes together with one above that is a part of it, or with the number 1:
    a / (a + b)         is  sigmoid(log(a) - log(b))
    1 / (c + b)         is  sigmoid(log(c) - log(b)) / c
    a / a.sum()         is  softmax(log(a))
    (a - b) / (a + b)   is  tanh((log(a) - log(b)) / 2)
    1 / (exp(x) - 1)    is  reciprocal_expm1(x)
    i1(x) / i0(x)       is  bessel_ratio(x)
    1 / a               is  exp(-log(a))
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.graph.types import FLOATS
from symnet.graph.variables import Variable
from symnet.ops.arithmetic import (
    add,
    mul,
    neg,
    pow,
    reciprocal,
    sqr,
    sub,
    true_div,
)
from symnet.ops.base import constant
from symnet.ops.bessel_tails import bessel_ratio
from symnet.ops.elementwise import cast
from symnet.ops.functions import cosh, exp, expm1, sigmoid, sinh, softplus, tanh
from symnet.ops.linalg.products import Dot
from symnet.ops.nnet.logsumexp import LogSumExp
from symnet.ops.nnet.softmax import Softmax
from symnet.ops.reduce import sum as sum_over
from symnet.ops.shape import DimShuffle, dimshuffle
from symnet.ops.special import PER_ROOT_PI, erfc, erfcx, i0, i1, iv, ive
from symnet.ops.tails import log_erfc_slope, reciprocal_expm1
from symnet.rewriting.patterns import Match, Rule, number
from symnet.rewriting.rules.fractions import Fraction, fraction_of
from symnet.rewriting.rules.logged import (
    Logged,
    RewriteBudget,
    as_wide,
    log_of,
    negated,
    pure_log_of,
)
from symnet.rewriting.rules.logsums import log_sum, terms_of, weighed_powers, weighted
from symnet.rewriting.rules.powers import joined_powers
from symnet.rewriting.rules.saturation import Affine, affine_of
from symnet.rewriting.rules.totals import Total, moved, scaled, total_of

# ---- one factor below


def _quotient(match: Match) -> Variable | None:
    if match.out.type.dtype not in FLOATS:
        return None
    node = match.node
    if (
        node.op == true_div
        and (whole := _softmax(node.inputs[0], node.inputs[1], match)) is not None
    ):
        return whole
    fraction = fraction_of(match.out)
    changed = False
    for below in list(fraction.below):
        changed |= _settled(fraction, below, match)
    changed |= _sigmoid_by_exp(fraction)
    changed |= joined_powers(fraction.above)
    return fraction.variable() if changed else None


def _settled(fraction: Fraction, below: Variable, match: Match) -> bool:
    """Replace a factor below, and what it goes together with above, in the fraction."""
    for rule in (
        _softmax,
        _weighted_mean,
        _part_of_sum,
        _hyperbolic,
        _minus_one,
        _bessel,
        _ratio,
    ):
        for above in fraction.above:
            found = rule(above, below, match)
            if found is not None:
                _remove(fraction.above, above)
                _remove(fraction.below, below)
                if rule is _ratio:
                    found = _with_the_rest(found, fraction)
                fraction.above.append(found)
                return True
    found = _alone(below)
    if found is None:
        return False
    _remove(fraction.below, below)
    fraction.above.append(found)
    return True


def _with_the_rest(power: Variable, fraction: Fraction) -> Variable:
    """What else above may overflow goes into the same exponential: in a a / b that of
    a / b may be zero where a is infinite."""
    if power.owner is None or power.owner.op != exp:
        return power
    for factor in list(fraction.above):
        found = pure_log_of(factor)
        if found is not None and found.over and not found.shifts:
            _remove(fraction.above, factor)
            power = exp(add(power.owner.inputs[0], found.make()))
    return power


def _remove(factors: list[Variable], factor: Variable) -> None:
    del factors[next(k for k, f in enumerate(factors) if f is factor)]


def _alone(below: Variable) -> Variable | None:
    """1 / below."""
    node = below.owner
    if node is None:
        return None
    if node.op == exp:
        return exp(negated(node.inputs[0]))
    if node.op == sigmoid:
        return add(exp(negated(node.inputs[0])), 1)
    if node.op == sub and (inverse := _odds_and_one(affine_of(below))) is not None:
        return inverse
    whole = pure_log_of(below)
    if node.op == expm1 and whole is None:
        return reciprocal_expm1(node.inputs[0])
    if whole is None or not whole.over:
        return None
    if node.op == add:
        terms = terms_of(below)
        fixed = [t for t in terms if number(t) is not None and t.type.ndim == 0]
        rest = [pure_log_of(t) for t in terms if not any(t is f for f in fixed)]
        known = [one for one in rest if one is not None]
        total = sum(number(t) for t in fixed)
        if fixed and len(known) == len(rest) and total > 0:
            level = log_sum([one.make() for one in known])
            if total == 1:
                return sigmoid(negated(level))
            return mul(sigmoid(sub(math.log(total), level)), 1 / total)
    return exp(neg(whole.make()))


def _odds_and_one(form: Affine) -> Variable | None:
    """1 / (c (1 - sigmoid(x))): where x is large, nothing has the digits of what is below."""
    node, c = form.base.owner, form.shift
    if node is None or node.op != sigmoid or c != -form.factor or c <= 0:
        return None
    inverse: Variable = add(exp(node.inputs[0]), 1)
    return inverse if c == 1 else true_div(inverse, c)


def _part_of_sum(above: Variable, below: Variable, match: Match) -> Variable | None:
    """a / (a + b)."""
    node = below.owner
    if node is None:
        return None
    if node.op != add:
        return None
    terms = terms_of(below)
    place = next((k for k, t in enumerate(terms) if _alike(t, above)), None)
    if place is None:
        return _part_of_total(above, terms, match)
    whole, mine = pure_log_of(below), pure_log_of(above)
    rest = [pure_log_of(t) for k, t in enumerate(terms) if k != place]
    known = [one for one in rest if one is not None]
    if whole is None or mine is None or len(known) < len(rest) or not whole.risky:
        return None
    left, right = mine.make(), log_sum([one.make() for one in known])
    if number(left) == 0:
        return sigmoid(negated(right))
    return sigmoid(left if number(right) == 0 else sub(left, right))


def _part_of_total(
    above: Variable, terms: Sequence[Variable], match: Match
) -> Variable | None:
    """a / (a.sum() + b): a share of the sum, and the share of that."""
    for place, term in enumerate(terms):
        share = _softmax(above, term, match)
        if share is None:
            continue
        whole = pure_log_of(term)
        rest = [pure_log_of(t) for k, t in enumerate(terms) if k != place]
        known = [one for one in rest if one is not None]
        if whole is None or len(known) < len(rest):
            return None
        other = log_sum([one.make() for one in known])
        return mul(share, sigmoid(sub(whole.make(), other)))
    return None


def _bessel(above: Variable, below: Variable, match: Match) -> Variable | None:
    """Of modified Bessel functions of one argument the growth is the same."""
    top, bottom = _order_of(above), _order_of(below)
    if top is None or bottom is None or top[1] is not bottom[1]:
        return None
    (one, x), (other, _) = top, bottom
    if (number(one), number(other)) == (1, 0):
        return bessel_ratio(x)
    return true_div(ive(one, x), ive(other, x))


def _order_of(v: Variable) -> tuple[Variable, Variable] | None:
    """The order and the argument of a modified Bessel function."""
    node = v.owner
    if node is None or node.op not in (i0, i1, iv):
        return None
    if node.op == iv:
        return node.inputs[0], node.inputs[1]
    order = constant(0 if node.op == i0 else 1, dtype=v.type.dtype)
    return order, node.inputs[0]


def _ratio(above: Variable, below: Variable, match: Match) -> Variable | None:
    """Of what may both over- or underflow: a / b is exp(log(a) - log(b))."""
    if (x := _tail_beside_density(above, below, -1)) is not None:
        return mul(log_erfc_slope(x), -1 / PER_ROOT_PI)
    if (x := _tail_beside_density(below, above, -1)) is not None:
        return erfcx(x)
    top, bottom = pure_log_of(above), pure_log_of(below)
    if top is None or bottom is None or top.shifts or bottom.shifts:
        return None
    if not (top.over and bottom.over) and not (top.under and bottom.under):
        return None
    return exp(sub(top.make(), bottom.make()))


def _tail_beside_density(
    density: Variable, tail: Variable, sign: int
) -> Variable | None:
    """t of exp(sign t**2) and erfc(t), whose logarithms are large and nearly the same or
    opposite; also with factors within, as in exp(-x**2 / 2) / erfc(x / sqrt(2))."""
    top, bottom = density.owner, tail.owner
    if top is None or bottom is None or (top.op, bottom.op) != (exp, erfc):
        return None
    level, inner = affine_of(top.inputs[0]), affine_of(bottom.inputs[0])
    if level.shift or (square := _square(level.base)) is None:
        return None
    root, times = square
    # The factors were rounded, the root of two with them.
    near = 4 * np.finfo(density.type.dtype).eps
    size = sign * level.factor * times * root.factor**2
    same = (
        root.base is inner.base
        and math.isclose(size, inner.factor**2, rel_tol=near)
        and math.isclose(
            root.shift * inner.factor, inner.shift * root.factor, rel_tol=near
        )
    )
    return bottom.inputs[0] if same else None


def _square(v: Variable) -> tuple[Affine, float] | None:
    """u and c, where v is c u**2."""
    node = v.owner
    if node is None or node.op not in (sqr, pow, mul):
        return None
    root = affine_of(node.inputs[0])
    if node.op == mul:
        other = affine_of(node.inputs[1])
        same = root.base is other.base and (
            root.shift * other.factor == other.shift * root.factor
        )
        return (root, other.factor / root.factor) if same else None
    return (root, 1.0) if node.op == sqr or number(node.inputs[1]) == 2 else None


def _alike(a: Variable, b: Variable) -> bool:
    return a is b or (
        number(a) is not None and number(a) == number(b) and a.type.ndim == 0
    )


def _hyperbolic(above: Variable, below: Variable, match: Match) -> Variable | None:
    """(a - b) / (a + b)."""
    top, bottom = above.owner, below.owner
    if top is None or bottom is None:
        return None
    if top.op == sinh and bottom.op == cosh and top.inputs[0] is bottom.inputs[0]:
        return tanh(top.inputs[0])
    if top.op == cosh and bottom.op == sinh and top.inputs[0] is bottom.inputs[0]:
        return reciprocal(tanh(top.inputs[0]))
    if bottom.op != add:
        return None
    a, b = bottom.inputs
    if top.op == expm1:
        for power, one in ((a, b), (b, a)):
            made = power.owner
            if number(one) != 1 or made is None or made.op != exp:
                continue
            if made.inputs[0] is top.inputs[0]:
                return tanh(mul(made.inputs[0], 0.5))
        return None
    if top.op != sub or {*top.inputs} != {a, b}:
        return None
    left, right = (log_of(v) for v in top.inputs)
    if left is None or right is None or not (left.pure and right.pure):
        return None
    if not (left.over or right.over):
        return None
    return tanh(mul(_halved_difference(left.make(), right.make()), 0.5))


def _halved_difference(left: Any, right: Any) -> Any:
    if (
        right.owner is not None
        and right.owner.op == neg
        and right.owner.inputs[0] is left
    ):
        return mul(left, 2)
    return sub(left, right)


def _minus_one(above: Variable, below: Variable, match: Match) -> Variable | None:
    """exp(x) / (exp(x) - 1)."""
    top, bottom = above.owner, below.owner
    if top is None or bottom is None or top.op != exp or bottom.op != expm1:
        return None
    if top.inputs[0] is not bottom.inputs[0]:
        return None
    return neg(reciprocal_expm1(negated(top.inputs[0])))


def _sigmoid_by_exp(fraction: Fraction) -> bool:
    """sigmoid(x) exp(-x) is sigmoid(-x); exp(x**2) erfc(x) the inverse of a hazard;
    exp(x) exp(-log(sum)) one exponential."""
    powers = [f for f in fraction.above if f.owner is not None and f.owner.op == exp]
    for power in powers:
        assert power.owner is not None
        level = power.owner.inputs[0]
        for other in fraction.above:
            if other.owner is None or other is power:
                continue
            found: Variable | None = None
            inner = other.owner.inputs[0]
            if other.owner.op == sigmoid and _opposite(inner, level):
                found = sigmoid(level)
            elif (x := _tail_beside_density(power, other, 1)) is not None:
                found = erfcx(x)
            elif other.owner.op == sigmoid and _apart(inner, level):
                found = exp(sub(level, softplus(negated(inner))))
            elif other.owner.op == exp and _minus_total(inner):
                found = exp(sub(level, inner.owner.inputs[0]))  # type: ignore[union-attr]
            if found is not None:
                _remove(fraction.above, power)
                _remove(fraction.above, other)
                fraction.above.append(found)
                return True
    return False


def _opposite(a: Variable, b: Variable) -> bool:
    return any(x.owner is not None and x.owner.op == neg and x.owner.inputs[0] is y
               for x, y in ((a, b), (b, a)))  # fmt: skip


def _apart(a: Variable, b: Variable) -> bool:
    """Whether they are multiples of one variable, with different signs."""
    (x, c), (y, d) = _multiple(a), _multiple(b)
    return x is y and c * d < 0


def _multiple(v: Variable) -> tuple[Variable, float]:
    """x and c, where v is x times the number c."""
    if v.owner is not None and v.owner.op == neg:
        x, factor = _multiple(v.owner.inputs[0])
        return x, -factor
    x, factor = scaled(v)
    return (x, factor) if isinstance(factor, (int, float)) else (v, 1)


def _minus_total(v: Variable) -> bool:
    """Whether `v` is minus the logarithm of a sum of exponentials, its axes put back."""
    if v.owner is None or v.owner.op != neg:
        return False
    inner = v.owner.inputs[0]
    if inner.owner is not None and isinstance(inner.owner.op, DimShuffle):
        inner = inner.owner.inputs[0]
    return bool(inner.owner is not None and isinstance(inner.owner.op, LogSumExp))


# ---- sums over axes


def _softmax(above: Variable, below: Variable, match: Match) -> Variable | None:
    """exp(x) / exp(x).sum(axes), also where both are transposed."""
    total = total_of(below, match)
    if total is None:
        return None
    order: tuple[Any, ...] = tuple(range(above.type.ndim))
    core = above
    while core is not total.operand and (found := moved(core, match)) is not None:
        core, new = found
        order = tuple("x" if k == "x" else new[k] for k in order)
    operand, factor = (core, 1) if core is total.operand else scaled(total.operand)
    full = ("x",) * (len(order) - len(total.order)) + total.order
    if core is not operand or "x" in order or len(full) != len(order):
        return None
    if any(b != a and (b != "x" or a not in total.axes) for a, b in zip(order, full)):
        return None
    result = _normalised(core, total.axes)
    if result is None:
        return None
    result = result if core is above else dimshuffle(result, *order)
    return result if factor == 1 else true_div(result, factor)


def _normalised(x: Variable, axes: Sequence[int]) -> Variable | None:
    """x / x.sum(axes), the axes put back."""
    if 0 in x.type.shape:
        return None
    found = log_of(x)
    power = x.owner is not None and x.owner.op == exp
    if found is not None and found.pure and (found.risky or power):
        return Softmax(axes)(as_wide(found.make(), x))
    return None


def softmax_by_shift(match: Match) -> Variable | None:
    """w exp(x) / (w exp(x)).sum(axes), for weights of any sign, such as masks."""
    x, below = match.node.inputs
    total = total_of(below, match)
    if total is None or total.operand is not x or not total.restored:
        return None
    parts = weighted(x, RewriteBudget())
    if parts is None or x.type.dtype not in FLOATS or 0 in x.type.shape:
        return None
    weight, scale = parts
    level, axes = as_wide(scale.make(), x), total.axes
    powers: Any = mul(weight, weighed_powers(weight, level, axes)[0])
    whole = sum_over(powers, axis=list(axes), keepdims=True)
    return true_div(powers, whole)


def _weighted_mean(above: Variable, below: Variable, match: Match) -> Variable | None:
    """(w * exp(x)).sum(axes) / exp(x).sum(axes), and the same with dot."""
    bottom = total_of(below, match)
    if bottom is None or above.owner is None:
        return None
    powers = pure_log_of(bottom.operand)
    if powers is None or not powers.risky:
        return None
    if isinstance(above.owner.op, Dot):
        return _mean_by_dot(above, bottom, powers)
    top = total_of(above, match)
    if top is None or (top.axes, top.order) != (bottom.axes, bottom.order):
        return None
    product = top.operand.owner
    if product is None or product.op != mul:
        return None
    for weight, factor in (product.inputs, product.inputs[::-1]):
        if factor is bottom.operand and top.operand.type.ndim == factor.type.ndim:
            shares = Softmax(bottom.axes)(as_wide(powers.make(), factor))
            mean = sum_over(mul(weight, shares), axis=list(bottom.axes))
            kept = [k for k in range(factor.type.ndim) if k not in bottom.axes]
            return dimshuffle(
                mean, *["x" if k == "x" else kept.index(int(k)) for k in bottom.order]
            )
    return None


def _mean_by_dot(above: Variable, bottom: Total, powers: Logged) -> Variable | None:
    """dot(exp(x), w) / exp(x).sum(axis)."""
    assert above.owner is not None
    left, right = above.owner.inputs
    if left is not bottom.operand or bottom.axes != (left.type.ndim - 1,):
        return None
    fits = bottom.restored if right.type.ndim == 2 else bottom.dropped
    if not fits or (left.type.ndim == 1 and bottom.order not in ((), ("x",))):
        return None
    shares = Softmax(bottom.axes)(as_wide(powers.make(), left))
    return above.owner.applied_to(cast(shares, left.type.dtype), right)


QUOTIENTS = [
    Rule("quotient_of_exponentials", true_div, _quotient),
    Rule("reciprocal_of_exponentials", reciprocal, _quotient),
    Rule("power_of_exponentials", pow, _quotient),
    Rule("product_of_exponentials", mul, _quotient),
]
