"""Logarithms of sums, differences, reductions and products of matrices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from symnet.graph.types import FLOATS
from symnet.graph.variables import Apply, Constant, Variable
from symnet.ops.arithmetic import (
    add,
    log,
    maximum,
    minimum,
    mul,
    neg,
    pow,
    sqr,
    sub,
    switch,
    true_div,
)
from symnet.ops.barriers import Barrier, zero_grad
from symnet.ops.base import constant
from symnet.ops.comparison import eq
from symnet.ops.cumulative import Cumulative
from symnet.ops.elementwise import Cast, cast
from symnet.ops.functions import exp, softplus
from symnet.ops.linalg.products import Dot
from symnet.ops.nnet.logcumsumexp import LogCumSumExp
from symnet.ops.nnet.logsumexp import LogSumExp
from symnet.ops.reduce import Reduce, restore_axes, top_over
from symnet.ops.reduce import sum as sum_over
from symnet.ops.shape import DimShuffle
from symnet.ops.tails import (
    log1mexp,
    logaddexp,
)
from symnet.rewriting.patterns import number
from symnet.rewriting.rules.complements import (
    complement,
    is_one,
    log_of_affine,
    shaped_as,
)
from symnet.rewriting.rules.gaps import between_bounds, between_sigmoids
from symnet.rewriting.rules.logged import (
    Logged,
    RewriteBudget,
    as_wide,
    form,
    joined_by,
    log_of,
    negated,
    power_taken_out,
    small_constant,
)

MOST_TERMS = 12  # of a sum, that are looked at one by one
# How much of a maximum is looked at: that of so many terms, and what stands around it.  Less
# would take a sum for one from which no power has been taken out, again and again.
MOST_OPERANDS = 8 * MOST_TERMS


def is_shifted(v: Variable) -> bool:
    """Whether `v` is x minus something that is at least x: exp(v) is at most 1."""
    node = v.owner
    if node is not None and node.op == minimum and number(node.inputs[1]) is not None:
        node = node.inputs[0].owner
    if node is None or node.op not in (sub, neg):
        return False
    level = node.inputs[0] if node.op == sub else None
    stack, seen = [node.inputs[-1]], 0
    while stack and seen < MOST_OPERANDS:
        top, seen = stack.pop(), seen + 1
        if top is level:
            return True
        if level is None and number(top) is not None and number(top) >= 0:
            return True
        made = top.owner
        if made is None:
            continue
        if isinstance(made.op, (DimShuffle, Cast, Barrier)) or (
            isinstance(made.op, Reduce) and made.op.kind == "max"
        ):
            stack.append(made.inputs[0])
        elif made.op == maximum:
            stack += made.inputs
        elif made.op == switch and number(made.inputs[1]) == -math.inf:
            stack.append(
                made.inputs[2]
            )  # as `weighed_powers` leaves out what is masked
        elif made.op == minimum:
            stack += [
                x
                for x, y in (made.inputs, made.inputs[::-1])
                if isinstance(y, Constant)
            ]
    return False


# ---- sums and differences


def terms_of(v: Variable) -> list[Variable]:
    """What is added to make `v`."""
    terms: list[Variable] = []
    stack = [v]
    while stack:
        one = stack.pop()
        if (
            one.owner is not None
            and one.owner.op == add
            and len(stack) + len(terms) < MOST_TERMS
        ):
            stack += reversed(one.owner.inputs)
        else:
            terms.append(one)
    return terms


@form(add)
def _add(node: Apply, v: Variable, budget: RewriteBudget) -> Logged | None:
    if (whole := log_of_affine(v, budget)) is not None:
        return whole
    for one, other in (node.inputs, node.inputs[::-1]):
        if _are_ones(one) and (far := complement(negated(other), budget)) is not None:
            return shaped_as(one, far)
    terms = terms_of(v)
    found = [log_of(term, budget) for term in terms]
    logs = [
        f for t, f in zip(terms, found)
        if f is not None and f.pure and (f.risky or small_constant(t))
    ]  # fmt: skip
    rest = [(t, f) for t, f in zip(terms, found) if not any(f is one for one in logs)]
    if any(f is None and _holds_powers(t, budget) for t, f in rest):
        return _sum_of_any_sign(v, budget)
    parts = [split(t, budget) for t, _ in rest]
    levels = [*logs, *(scale for _, scale in parts if scale is not None)]
    fixed = any(scale is None for _, scale in parts)
    signed = any(f is None or f.signed for _, f in rest)
    over = any(f.over for f in levels)
    under = all(f.under for f in levels) and not fixed
    if not (over or under):
        return None if signed else Logged(lambda: log(v), zero=not logs)
    if not rest:
        return Logged(lambda: log_sum([f.make() for f in logs]), over, under)
    return _by_scale(
        lambda: _balanced([(None, f) for f in logs] + parts), over, under, signed
    )


def _by_scale(
    scaled: Callable[[], tuple[Variable, Variable]],
    over: bool,
    under: bool,
    signed: bool = True,
) -> Logged:
    """log(t exp(s)) = log(t) + s."""

    def make() -> Variable:
        total, power = scaled()
        return add(log(total), power)

    return Logged(make, over, under, signed, signed, shifts=True, scaled=scaled)


def _balanced(
    parts: Sequence[tuple[Any, Logged | None]],
) -> tuple[Variable, Variable]:
    """w exp(a) + v exp(b) + ..., from which the largest power is taken out, and that."""
    levels = [scale.make() if scale is not None else constant(0) for _, scale in parts]
    top: Any = levels[0]
    for level in levels[1:]:
        top = maximum(top, level)
    top = clipped_to_finite(zero_grad(top))
    total: Any = None
    for (weight, _), level in zip(parts, levels):
        power = exp(neg(top) if number(level) == 0 else sub(level, top))
        term = power if weight is None else mul(weight, power)
        total = term if total is None else add(total, term)
    return total, top


def log_sum(logs: Sequence[Variable]) -> Variable:
    """log(exp(a) + exp(b) + ...)."""
    if len(logs) == 1:
        return logs[0]
    ones = [a for a in logs if number(a) == 0]
    rest = [a for a in logs if number(a) != 0] + ones[1:]
    total: Any = rest[0]
    for one in rest[1:]:
        total = logaddexp(total, one)
    return softplus(total) if ones else total


def _are_ones(v: Variable) -> bool:
    """Whether `v` is an array of ones: of a number the affine form tells."""
    return not small_constant(v) and is_one(v)


@form(sub)
def _sub(node: Apply, v: Variable, budget: RewriteBudget) -> Logged | None:
    if (whole := log_of_affine(v, budget)) is not None:
        return whole
    left, right = node.inputs
    if _are_ones(left) and (rest := complement(right, budget)) is not None:
        return shaped_as(left, rest)
    gap = between_sigmoids(left, right) or between_bounds(left, right)
    if gap is not None:
        return gap
    a, b = log_of(left, budget), log_of(right, budget)
    if a is None or b is None or not (a.pure and b.pure):
        return _sum_of_any_sign(v, budget)
    if not (a.over or b.over or (a.under and b.under)):
        return None
    return Logged(
        lambda: log_difference(a.make(), b.make()), True, True, signed=True, zero=True
    )


def _sum_of_any_sign(v: Variable, budget: RewriteBudget) -> Logged | None:
    """x - exp(a) + y, and the like."""
    parts = []
    for sign, term in _signed_terms(v):
        weight, level = split(term, budget)
        if sign < 0:
            weight = constant(-1) if weight is None else neg(weight)
        parts.append((weight, level))
    levels = [scale for _, scale in parts if scale is not None]
    if not any(one.over for one in levels):
        return None
    under = len(levels) == len(parts) and all(one.under for one in levels)
    return _by_scale(lambda: _balanced(parts), True, under)


def _holds_powers(v: Variable, budget: RewriteBudget) -> bool:
    """Whether a term of a difference may overflow."""
    if v.owner is None or v.owner.op not in (sub, neg):
        return False
    parts = (split(term, budget) for _, term in _signed_terms(v))
    return any(level is not None and level.over for _, level in parts)


def _signed_terms(v: Variable) -> list[tuple[int, Variable]]:
    """What is added to make `v`, or (-1) taken away."""
    terms: list[tuple[int, Variable]] = []
    stack = [(1, v)]
    while stack:
        sign, one = stack.pop()
        node = one.owner
        if node is None or len(stack) + len(terms) >= MOST_TERMS:
            terms.append((sign, one))
        elif node.op in (add, sub):
            other = sign if node.op == add else -sign
            stack += [(other, node.inputs[1]), (sign, node.inputs[0])]
        elif node.op == neg:
            stack.append((-sign, node.inputs[0]))
        else:
            terms.append((sign, one))
    return terms


def log_difference(a: Any, b: Any) -> Variable:
    """log(exp(a) - exp(b))."""
    if number(a) == 0:
        return log1mexp(b)
    return add(a, log1mexp(sub(b, a) if number(b) != 0 else negated(a)))


# ---- reductions and products of matrices


@form(Reduce)
def _reduce(node: Apply, v: Variable, budget: RewriteBudget) -> Logged | None:
    op, (x,) = node.op, node.inputs
    if not op.axes or op.dtype not in FLOATS or 0 in x.type.shape:
        return None
    if op.kind == "sum":
        return _sum(x, op.axes, v, budget)
    if op.dtype != x.type.dtype:
        return None
    inner = log_of(x, budget)
    if inner is None or not inner.pure:
        return None
    if op.kind == "prod":
        return joined_by(
            v, [inner], lambda: sum_over(as_wide(inner.make(), x), axis=list(op.axes))
        )
    if op.kind in ("max", "min"):
        return joined_by(v, [inner], lambda: op(as_wide(inner.make(), x)))
    return None


def _sum(
    x: Variable, axes: Sequence[int], v: Variable, budget: RewriteBudget
) -> Logged | None:
    dtype = v.type.dtype
    inner = log_of(x, budget)
    if inner is not None and not inner.signed and (inner.pure or not inner.risky):
        return joined_by(
            v, [inner], lambda: LogSumExp(axes)(cast(as_wide(inner.make(), x), dtype))
        )
    parts = weighted(x, budget)
    if parts is None:
        return None
    weight, scale = parts

    def scaled() -> tuple[Variable, Variable]:
        level = cast(as_wide(scale.make(), x), dtype)
        powers, top = weighed_powers(weight, level, axes)
        return sum_over(mul(weight, powers), axis=list(axes)), top

    return _by_scale(scaled, scale.over, scale.under)


def split(v: Variable, budget: RewriteBudget) -> tuple[Variable | None, Logged | None]:
    """v as a weight of any sign (None: 1) and a positive factor that may under- or
    overflow (None: 1)."""
    found = log_of(v, budget)
    if found is not None and found.pure and found.risky:
        return None, found
    node = v.owner
    if found is not None and node is not None and node.op == sub and found.smooth:
        factor, power = power_taken_out(v, found)
        return factor, None if power is None else Logged(lambda: power, under=True)
    if (even := _whole_power(v, budget)) is not None:
        return even
    if node is None or node.op not in (mul, true_div) or budget.left < 0:
        return v, None
    (weight, scale), (other, below) = (split(x, budget) for x in node.inputs)
    if scale is None and below is None:
        return v, None
    if node.op == true_div and below is not None:
        inverse = below
        below = replace(
            inverse, make=lambda: neg(inverse.make()),
            over=inverse.under, under=inverse.over,
        )  # fmt: skip
    if node.op == true_div and other is not None:
        weight, other = true_div(1 if weight is None else weight, other), None
    weights = [w for w in (weight, other) if w is not None]
    scales = [s for s in (scale, below) if s is not None]
    total = (
        scales[0]
        if len(scales) == 1
        else joined_by(v, scales, lambda: add(scales[0].make(), scales[1].make()))
    )
    return (
        mul(*weights) if len(weights) == 2 else weights[0] if weights else None
    ), total


def _whole_power(
    v: Variable, budget: RewriteBudget
) -> tuple[Variable, Logged | None] | None:
    """`split` of x**2 and the like, where x is of any sign: (w exp(a))**2 is w**2 exp(2 a)."""
    node = v.owner
    if node is None or node.op not in (sqr, pow) or budget.left < 0:
        return None
    times = 2 if node.op == sqr else number(node.inputs[1])
    if times not in (2, 3, 4, 6, 8) or v.type.ndim != node.inputs[0].type.ndim:
        return None
    weight, level = split(node.inputs[0], budget)
    if weight is None or level is None:
        return None
    scale = level
    return node.applied_to(weight, *node.inputs[1:]), replace(
        scale, make=lambda: mul(scale.make(), times)
    )


def weighted(x: Variable, budget: RewriteBudget) -> tuple[Variable, Logged] | None:
    """A weight that is not 1 and a factor that is not 1, whose product is x."""
    weight, scale = split(x, budget)
    return None if weight is None or scale is None else (weight, scale)


def top_of(level: Any, axes: Sequence[int]) -> Variable:
    """The largest element, which the gradient need not go through: the result does not
    depend on what is taken out.  An infinite one is not taken out."""
    top: Any = zero_grad(top_over(level, axes))
    return clipped_to_finite(top)


def weighed_powers(
    weight: Variable, level: Any, axes: Sequence[int]
) -> tuple[Variable, Variable]:
    """exp(level - top) and top, the largest level of a weight other than zero: beside one
    that is masked the others would underflow."""
    top = top_of(switch(eq(weight, 0), -math.inf, level), axes)
    # What is masked may be larger; zero times infinity would be NaN.
    most = math.floor(math.log(np.finfo(level.type.dtype).max))
    return exp(minimum(sub(level, restore_axes(top, axes)), most)), top


def clipped_to_finite(top: Variable) -> Variable:
    largest = float(np.finfo(top.type.dtype).max)
    return maximum(minimum(top, largest), -largest)


@form(Cumulative)
def _running(node: Apply, v: Variable, budget: RewriteBudget) -> Logged | None:
    op, (x,) = node.op, node.inputs
    inner = log_of(x, budget)
    if inner is None or inner.signed or (inner.risky and not inner.pure):
        return None
    log_op = {"add": LogCumSumExp(op.axis), "mul": Cumulative(op.axis, "add")}
    made = log_op.get(op.mode, op)
    return joined_by(v, [inner], lambda: made(as_wide(inner.make(), x)))


@form(Dot)
def _dot(node: Apply, v: Variable, budget: RewriteBudget) -> Logged | None:
    """w exp(x) times a matrix: the largest x of each row (or column) is taken out."""
    left, right = node.inputs
    if left.type.dtype != right.type.dtype:
        return None
    both = log_of(left, budget), log_of(right, budget)
    known = [one for one in both if one is not None and one.pure and one.risky]
    if len(known) == 2 and 1 in (left.type.ndim, right.type.ndim):
        return _dot_of_powers(node, *known)
    if len(known) == 2:
        one, other = known
        return _by_scale(
            lambda: _doubly_scaled_dot(node, one.make(), other.make()),
            one.over or other.over, one.under or other.under, signed=False,
        )  # fmt: skip
    for x, first in ((left, True), (right, False)):
        weight, scale = split(x, budget)
        if scale is not None:
            return _by_scale(
                lambda: _scaled_dot(node, weight, scale.make(), first),  # noqa: B023
                scale.over, scale.under,
            )  # fmt: skip
    return None


def _dot_of_powers(node: Apply, one: Logged, other: Logged) -> Logged:
    """exp(x) times exp(y), of which one is a vector: log(sum(exp(x + y)))."""
    left, right = node.inputs
    rank = max(left.type.ndim, right.type.ndim)
    axis = rank - 1 if right.type.ndim == 1 else rank - 2

    def make() -> Variable:
        a, b = as_wide(one.make(), left), as_wide(other.make(), right)
        if left.type.ndim == 1 < rank:
            a = restore_axes(a, [1])
        return LogSumExp([axis])(add(a, b))

    return Logged(make, one.over or other.over, one.under or other.under)


def _doubly_scaled_dot(
    node: Apply, one: Variable, other: Variable
) -> tuple[Variable, Variable]:
    """exp(x) times exp(y), two matrices: the largest x of each row and the largest y of
    each column are taken out."""
    a, b = map(as_wide, (one, other), node.inputs)
    rows, columns = (restore_axes(top_of(v, [k]), [k]) for v, k in ((a, 1), (b, 0)))
    return node.op(exp(sub(a, rows)), exp(sub(b, columns))), add(rows, columns)


def _scaled_dot(
    node: Apply, weight: Variable | None, level: Variable, first: bool
) -> tuple[Variable, Variable]:
    left, right = node.inputs
    x = left if first else right
    level = as_wide(level, x)
    axis = x.type.ndim - 1 if first else max(x.type.ndim - 2, 0)
    if weight is None:
        top: Any = top_of(level, [axis])
        powers = exp(sub(level, restore_axes(top, [axis])))
    else:
        powers, top = weighed_powers(weight, level, [axis])
        powers = mul(weight, powers)
    product = node.op(powers, right) if first else node.op(left, powers)
    # Rows keep their place in front, columns behind.
    if first and right.type.ndim == 2 and top.type.ndim:
        top = restore_axes(top, [top.type.ndim])
    return product, top
