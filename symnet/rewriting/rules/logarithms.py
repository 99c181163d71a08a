"""Logarithms of functions, products and powers; and the rules that find logarithms."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from symnet.graph.types import FLOATS
from symnet.graph.variables import Apply, Constant, Variable
from symnet.ops.arithmetic import (
    absolute,
    add,
    log,
    maximum,
    mul,
    neg,
    pow,
    reciprocal,
    sqr,
    sqrt,
    sub,
    switch,
    true_div,
)
from symnet.ops.barriers import zero_grad
from symnet.ops.base import constant
from symnet.ops.bessel_tails import bessel_ratio, log_i0, log_iv
from symnet.ops.comparison import gt
from symnet.ops.elementwise import Elementwise
from symnet.ops.functions import (
    cosh,
    exp,
    exp2,
    expm1,
    log1p,
    log2,
    log10,
    sigmoid,
    sinh,
    softplus,
)
from symnet.ops.nnet.softmax import LogSoftmax, Softmax
from symnet.ops.special import erfc, i0, i1, iv
from symnet.ops.tails import (
    log1mexp,
    log1mexp_exp,
    log_cosh,
    log_erfc,
    log_softplus,
    softplus_ratio,
)
from symnet.rewriting.patterns import Match, Rule, number
from symnet.rewriting.rules.complements import (
    complement,
    log_of_affine,
    one_minus_exp,
    small_power,
)
from symnet.rewriting.rules.logged import (
    Logged,
    RewriteBudget,
    as_typed,
    as_wide,
    form,
    joined_by,
    log_of,
    negated,
    plain,
    power_taken_out,
    shifted,
)
from symnet.rewriting.rules.logsums import clipped_to_finite, is_shifted, log_sum, split
from symnet.rewriting.rules.saturation import affine_of

# ---- exponentials and what is made of them


@form(exp)
def _exp(node: Apply, v: Variable, budget: RewriteBudget) -> Logged:
    (x,) = node.inputs
    if is_shifted(x):
        return Logged(lambda: x, scaled=lambda: (constant(1), x))
    return Logged(lambda: x, True, True)


@form(exp2)
def _exp2(node: Apply, v: Variable, budget: RewriteBudget) -> Logged:
    (x,) = node.inputs
    return Logged(lambda: mul(x, math.log(2)), True, True)


@form(sigmoid)
def _sigmoid(node: Apply, v: Variable, budget: RewriteBudget) -> Logged:
    (x,) = node.inputs
    return Logged(lambda: neg(softplus(negated(x))), under=True)


@form(Softmax)
def _softmax(node: Apply, v: Variable, budget: RewriteBudget) -> Logged:
    return Logged(lambda: LogSoftmax(node.op.axes)(node.inputs[0]), under=True)


@form(erfc)
def _erfc(node: Apply, v: Variable, budget: RewriteBudget) -> Logged:
    return Logged(lambda: log_erfc(node.inputs[0]), under=True)


@form(i0)
def _i0(node: Apply, v: Variable, budget: RewriteBudget) -> Logged:
    return Logged(lambda: log_i0(node.inputs[0]), over=True)


@form(i1)
def _i1(node: Apply, v: Variable, budget: RewriteBudget) -> Logged:
    (x,) = node.inputs
    return Logged(
        lambda: add(log_i0(x), log(bessel_ratio(x))),
        over=True, signed=True, zero=True,
    )  # fmt: skip


@form(iv)
def _iv(node: Apply, v: Variable, budget: RewriteBudget) -> Logged:
    return Logged(lambda: log_iv(*node.inputs), over=True, signed=True, zero=True)


@form(cosh)
def _cosh(node: Apply, v: Variable, budget: RewriteBudget) -> Logged:
    (x,) = node.inputs
    return Logged(lambda: log_cosh(x), over=True)


@form(sinh)
def _sinh(node: Apply, v: Variable, budget: RewriteBudget) -> Logged:
    (x,) = node.inputs
    return Logged(
        lambda: sub(add(x, log1mexp(mul(x, -2))), math.log(2)),
        over=True, signed=True, zero=True,
    )  # fmt: skip


@form(expm1)
def _expm1(node: Apply, v: Variable, budget: RewriteBudget) -> Logged:
    (x,) = node.inputs
    inner = small_power(x, budget)
    if inner is not None:
        return Logged(
            lambda: add(x, log1mexp_exp(inner.make())), over=True, under=inner.under
        )
    return Logged(
        lambda: add(x, log1mexp(negated(x))), over=True, signed=True, zero=True
    )


@form(softplus)
def _softplus(node: Apply, v: Variable, budget: RewriteBudget) -> Logged:
    return Logged(lambda: log_softplus(node.inputs[0]), under=True)


@form(softplus_ratio)
def _positive(node: Apply, v: Variable, budget: RewriteBudget) -> Logged:
    return Logged(lambda: log(v))


@form(absolute)
def _nonnegative(node: Apply, v: Variable, budget: RewriteBudget) -> Logged:
    inner = log_of(node.inputs[0], budget)
    return inner if inner is not None and inner.pure else plain(v)


# ---- products and powers


@form(mul, true_div)
def _product(node: Apply, v: Variable, budget: RewriteBudget) -> Logged | None:
    left, right = node.inputs
    if (part := affine_of(v)).base is not v:
        whole = log_of_affine(v, budget)
        if whole is not None or not part.shift:
            return whole
    a, b = log_of(left, budget), log_of(right, budget)
    if node.op == true_div and b is not None:
        b = replace(b, over=b.under, under=b.over)
    unknown = [x for x, one in ((left, a), (right, b)) if one is None]
    if len(unknown) == 2 or (unknown and isinstance(unknown[0], Constant)):
        return None
    # One factor of unknown sign decides about that of the product.
    a, b = a or plain(left, signed=True), b or plain(right, signed=True)
    if (a.signed or b.signed) and (a.scaled or b.scaled) and not _whole(a, b):
        return _product_of_any_sign(node, a, b)
    if a.signed and b.signed:
        return None
    join = add if node.op == mul else sub
    return joined_by(v, [a, b], lambda: _joined(join, a.make(), b.make()))


def _whole(a: Logged, b: Logged) -> bool:
    """Whether one is a difference whose logarithm is known, and the other is positive."""
    signed = [one for one in (a, b) if one.signed]
    return len(signed) == 1 and signed[0].scaled is not None and not signed[0].shifts


def _product_of_any_sign(node: Apply, a: Logged, b: Logged) -> Logged:
    """Powers are taken out of both factors; the rest stays under the logarithm."""

    def scaled() -> tuple[Variable, Variable]:
        pairs = list(map(power_taken_out, node.inputs, (a, b)))
        powers = [constant(0) if power is None else power for _, power in pairs]
        rest = node.applied_to(*(factor for factor, _ in pairs))
        return rest, _joined(add if node.op == mul else sub, *powers)

    def make() -> Variable:
        rest, power = scaled()
        return add(log(rest), power)

    # What was shifted may underflow, though it does not overflow.
    over = a.over or b.over
    return Logged(make, over, True, True, True, shifts=True, scaled=scaled)


def _joined(join: Elementwise, a: Variable, b: Variable) -> Variable:
    if number(b) is not None and b.type.ndim == 0:
        return shifted(a, number(b) if join == add else -number(b))
    if number(a) is not None and a.type.ndim == 0 and join == add:
        return shifted(b, number(a))
    if number(a) == 0:
        return negated(b)
    return join(a, b)


@form(neg)
def _neg(node: Apply, v: Variable, budget: RewriteBudget) -> Logged | None:
    if (whole := log_of_affine(v, budget)) is not None:
        return whole
    inner = node.inputs[0].owner
    if inner is None:
        return None
    if inner.op == neg:
        return log_of(inner.inputs[0], budget)
    if inner.op == expm1:
        return one_minus_exp(inner.inputs[0], budget)
    if inner.op == sub:
        return log_of(sub(inner.inputs[1], inner.inputs[0]), budget)
    if inner.op == add and all(x.owner and x.owner.op == neg for x in inner.inputs):
        return log_of(add(*map(negated, inner.inputs)), budget)
    return None


def _power(
    x: Variable, exponent: float, v: Variable, budget: RewriteBudget
) -> Logged | None:
    if not exponent or not math.isfinite(exponent):
        return None
    if exponent % 2 == 0 and x.type.dtype in FLOATS:
        inner = log_of(x, budget)
        if inner is None or inner.signed or not inner.risky:
            # x**2 may be zero or infinite where x is neither.
            return Logged(lambda: mul(log(absolute(x)), exponent), zero=True)
    else:
        inner = log_of(x, budget) or plain(x, signed=True)
    if exponent < 0:
        inner = replace(inner, over=inner.under, under=inner.over)
    return joined_by(v, [inner], lambda: mul(inner.make(), exponent))


@form(sqr)
def _sqr(node: Apply, v: Variable, budget: RewriteBudget) -> Logged | None:
    return _power(node.inputs[0], 2, v, budget)


@form(sqrt)
def _sqrt(node: Apply, v: Variable, budget: RewriteBudget) -> Logged | None:
    return _power(node.inputs[0], 0.5, v, budget)


@form(reciprocal)
def _reciprocal(node: Apply, v: Variable, budget: RewriteBudget) -> Logged | None:
    return _power(node.inputs[0], -1, v, budget)


@form(pow)
def _pow(node: Apply, v: Variable, budget: RewriteBudget) -> Logged | None:
    exponent = number(node.inputs[1])
    if exponent is None or isinstance(exponent, complex) or node.inputs[1].type.ndim:
        return None
    return _power(node.inputs[0], float(exponent), v, budget)


# ---- rules


def _log(match: Match) -> Variable | None:
    found = log_of(match.node.inputs[0])
    fits = found is not None and found.risky and not found.shifts
    return found.make() if found is not None and fits else None


def _log_by_shift(match: Match) -> Variable | None:
    found = log_of(match.node.inputs[0])
    fits = found is not None and found.risky and found.shifts
    return found.make() if found is not None and fits else None


def _log_to_base(base: float) -> Callable[[Match], Variable | None]:
    def replacement(match: Match) -> Variable | None:
        found = log_of(match.node.inputs[0])
        # Also where it shifts: what comes of it is a logarithm to base e.
        return true_div(found.make(), math.log(base)) if found and found.risky else None

    return replacement


def _log1p(match: Match) -> Variable | None:
    """log(1 + v)."""
    (v,) = match.node.inputs
    if (rest := complement(negated(v), RewriteBudget())) is not None and rest.risky:
        return rest.make()
    found = log_of(v)
    if found is None or not found.pure or not found.over or found.shifts:
        return None
    return log_sum([constant(0), found.make()])


def _log1p_by_shift(match: Match) -> Variable | None:
    """log(1 + w exp(a)), for w of any sign: the power is taken out where it is large."""
    (v,) = match.node.inputs
    if match.out.type.dtype not in FLOATS or v.type.dtype != match.out.type.dtype:
        return None
    weight, scale = split(v, RewriteBudget())
    if weight is None or scale is None or not scale.over:
        return None
    level = as_wide(scale.make(), v)
    top: Variable = clipped_to_finite(zero_grad(maximum(level, 0)))
    rest = mul(weight, exp(sub(level, top)))
    # Where nothing is taken out, what is small keeps its digits.
    found = switch(gt(top, 0), log(add(exp(neg(top)), rest)), log1p(rest))
    return as_typed(add(found, top), match.out)


LOGARITHMS = [
    Rule("log_of_exponentials", log, _log),
    Rule("log2_of_exponentials", log2, _log_to_base(2)),
    Rule("log10_of_exponentials", log10, _log_to_base(10)),
    Rule("log1p_of_exponentials", log1p, _log1p),
]

# These are right, but they may not be used over and over: the algebra hides that a power
# is taken out already.
SHIFTS = [
    Rule("log_of_weighted_exponentials", log, _log_by_shift),
    Rule("log1p_of_weighted_exponentials", log1p, _log1p_by_shift),
]
