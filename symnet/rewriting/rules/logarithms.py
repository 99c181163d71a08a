"""Logarithms of what is made of exponentials: taken before it under- or overflows.

Of a positive variable that is made by sums, products, quotients, powers and moves of
exponentials and the like, `log_of` gives the logarithm without that variable: of
`2 * exp(x)` it is `log(2) + x`.  It also tells whether the variable could leave the range
of floats.  Where it could not, the form as written is fine and stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from symnet.graph.types import FLOATS
from symnet.graph.variables import Apply, Constant, Variable
from symnet.ops.advanced import AdvancedIncSubtensor, AdvancedSubtensor
from symnet.ops.alloc import Alloc
from symnet.ops.arithmetic import (
    absolute,
    add,
    log,
    maximum,
    minimum,
    mul,
    neg,
    pow,
    reciprocal,
    second,
    sqr,
    sqrt,
    sub,
    switch,
    true_div,
)
from symnet.ops.barriers import zero_grad
from symnet.ops.base import constant
from symnet.ops.classification import Pick
from symnet.ops.diagonal import Diagonal
from symnet.ops.elementwise import Cast, Elementwise, cast
from symnet.ops.functions import (
    cosh,
    erf,
    erfc,
    exp,
    exp2,
    expm1,
    log1p,
    log2,
    log10,
    sigmoid,
    softplus,
)
from symnet.ops.joining import Join, Split
from symnet.ops.linalg import Dot
from symnet.ops.logsumexp import LogSumExp
from symnet.ops.reduce import Reduce, restore_axes
from symnet.ops.reduce import max as max_over
from symnet.ops.reduce import sum as sum_over
from symnet.ops.shape import DimShuffle, Reshape
from symnet.ops.sizes import ForgetShape, ShapeI, SpecifyShape
from symnet.ops.softmax import LogSoftmax, Softmax
from symnet.ops.subtensor import IncSubtensor, Subtensor
from symnet.ops.tails import log1mexp, log_erfc, logaddexp
from symnet.rewriting.patterns import Match, Rule, number

MOST_NODES = 40  # how many operations one logarithm looks at


@dataclass(frozen=True)
class Logged:
    """The logarithm of a variable.

    make: builds it.
    over, under: whether the variable may become infinite or zero where its logarithm is
        an ordinary number.
    signed: it may be negative; then the logarithm is NaN, as that of the variable is.
    zero: it may be exactly zero, where its logarithm has no derivative to go back through.
    """

    make: Callable[[], Variable]
    over: bool = False
    under: bool = False
    signed: bool = False
    zero: bool = False

    @property
    def risky(self) -> bool:
        return self.over or self.under

    @property
    def pure(self) -> bool:
        """Whether the logarithm may take the variable's place inside of sums."""
        return not (self.signed or self.zero)


class Budget:
    """How many operations may still be looked at."""

    def __init__(self, left: int = MOST_NODES) -> None:
        self.left = left


def log_of(v: Variable, budget: Budget | None = None) -> Logged | None:
    """The logarithm of `v`; None where its sign is not known."""
    budget = budget or Budget()
    budget.left -= 1
    if getattr(v.type, "dtype", None) not in FLOATS or budget.left < 0:
        return None
    if isinstance(v, Constant):
        return _of_constant(v)
    if v.owner is None:
        return None
    op = v.owner.op
    single = isinstance(op, Elementwise) and not isinstance(op, Cast)
    form = FORMS.get(op if single else type(op))
    return None if form is None else form(v.owner, v, budget)


def plain(v: Variable, signed: bool = False) -> Logged:
    """The logarithm of what is fine as it is."""
    return Logged(lambda: log(v), signed=signed, zero=True)


def joined_by(
    v: Variable, parts: Sequence[Logged], make: Callable[[], Variable]
) -> Logged:
    """The logarithm of what under- or overflows where any of its parts does."""
    signed, zero = any(p.signed for p in parts), any(p.zero for p in parts)
    over, under = any(p.over for p in parts), any(p.under for p in parts)
    if not (over or under):
        return Logged(lambda: log(v), signed=signed, zero=zero)
    return Logged(make, over, under, signed, zero)


def negated(v: Any) -> Any:
    """-v without a second sign."""
    if isinstance(v, Constant) and number(v) is not None:
        return constant(-number(v), dtype=None if v.weak else v.type.dtype)
    if v.owner is not None and v.owner.op == neg:
        return v.owner.inputs[0]
    if v.owner is not None and v.owner.op == sub:
        return sub(v.owner.inputs[1], v.owner.inputs[0])
    return neg(v)


def _of_constant(v: Constant) -> Logged | None:
    data = np.asarray(v.data)
    if data.size == 0 or not np.all(data >= 0):
        return None
    value = number(v)
    if value is not None and v.type.ndim == 0:
        return Logged(lambda: constant(math.log(value) if value else -math.inf))
    with np.errstate(divide="ignore"):
        return Logged(lambda: constant(np.log(data)))


# ---- exponentials and what is made of them


def _shifted(v: Variable) -> bool:
    """Whether `v` is x minus a maximum of x: its exponential is at most 1, and once 1."""
    if v.owner is None or v.owner.op != sub:
        return False
    x, top = v.owner.inputs
    while top.owner is not None and not isinstance(top.owner.op, Reduce):
        if len(top.owner.inputs) != 1:
            return False
        top = top.owner.inputs[0]
    return (
        top.owner is not None
        and top.owner.op.kind == "max"
        and top.owner.inputs[0] is x
    )


def _exp(node: Apply, v: Variable, budget: Budget) -> Logged:
    (x,) = node.inputs
    risky = not _shifted(x)
    return Logged(lambda: x, risky, risky)


def _exp2(node: Apply, v: Variable, budget: Budget) -> Logged:
    (x,) = node.inputs
    return Logged(lambda: mul(x, math.log(2)), True, True)


def _sigmoid(node: Apply, v: Variable, budget: Budget) -> Logged:
    (x,) = node.inputs
    return Logged(lambda: neg(softplus(negated(x))), under=True)


def _softmax(node: Apply, v: Variable, budget: Budget) -> Logged:
    return Logged(lambda: LogSoftmax(node.op.axes)(node.inputs[0]), under=True)


def _erfc(node: Apply, v: Variable, budget: Budget) -> Logged:
    return Logged(lambda: log_erfc(node.inputs[0]), under=True)


def _cosh(node: Apply, v: Variable, budget: Budget) -> Logged:
    (x,) = node.inputs
    return Logged(lambda: sub(logaddexp(x, neg(x)), math.log(2)), over=True)


def _expm1(node: Apply, v: Variable, budget: Budget) -> Logged:
    (x,) = node.inputs
    return Logged(
        lambda: add(x, log1mexp(negated(x))), over=True, signed=True, zero=True
    )


def _nonnegative(node: Apply, v: Variable, budget: Budget) -> Logged:
    return plain(v)


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
            and len(stack) + len(terms) < 12
        ):
            stack += reversed(one.owner.inputs)
        else:
            terms.append(one)
    return terms


def _add(node: Apply, v: Variable, budget: Budget) -> Logged | None:
    if (whole := _two_tails(node)) is not None:
        return log_of(whole, budget)
    terms = terms_of(v)
    found = [log_of(term, budget) for term in terms]
    logs = [
        f
        for t, f in zip(terms, found)
        if f is not None and f.pure and (f.risky or _small_constant(t))
    ]
    values = [(t, f) for t, f in zip(terms, found) if f not in logs]
    if any(f is not None and f.risky for _, f in values):
        return None
    signed = any(f is None or f.signed for _, f in values)
    over = any(f.over for f in logs)
    under = all(f.under for f in logs) and not values
    if not (over or under):
        return None if signed else Logged(lambda: log(v), zero=not logs)
    if not values:
        return Logged(lambda: log_sum([f.make() for f in logs]), over, under)
    return Logged(
        lambda: _beside([t for t, _ in values], log_sum([f.make() for f in logs])),
        over, under, signed, zero=signed,
    )  # fmt: skip


def _beside(terms: Sequence[Any], level: Variable) -> Variable:
    """log(a + b + ... + exp(level)), the terms of any sign."""
    total = terms[0]
    for term in terms[1:]:
        total = add(total, term)
    top = clipped_to_finite(zero_grad(maximum(level, 0)))
    scaled = add(mul(total, exp(neg(top))), exp(sub(level, top)))
    return add(log(scaled), top)  # type: ignore[no-any-return]


def log_sum(logs: Sequence[Any]) -> Variable:
    """log(exp(a) + exp(b) + ...)."""
    if len(logs) == 1:
        return logs[0]  # type: ignore[no-any-return]
    ones = [a for a in logs if number(a) == 0]
    rest = [a for a in logs if number(a) != 0] + ones[1:]
    total: Any = rest[0]
    for one in rest[1:]:
        total = logaddexp(total, one)
    return softplus(total) if ones else total  # type: ignore[no-any-return]


def _sub(node: Apply, v: Variable, budget: Budget) -> Logged | None:
    left, right = node.inputs
    one = number(left) == 1
    if one and (rest := complement(right, budget)) is not None:
        return rest
    a, b = log_of(left, budget), log_of(right, budget)
    if a is None or b is None or not (a.pure and b.pure):
        return None
    if not (a.over or b.over or (a.under and b.under)):
        return None
    return Logged(
        lambda: log_difference(a.make(), b.make()), True, True, signed=True, zero=True
    )


def log_difference(a: Any, b: Any) -> Variable:
    """log(exp(a) - exp(b))."""
    if number(a) == 0:
        return log1mexp(b)  # type: ignore[no-any-return]
    return add(a, log1mexp(sub(b, a) if number(b) != 0 else negated(a)))  # type: ignore[no-any-return]


def complement(v: Variable, budget: Budget) -> Logged | None:
    """The logarithm of 1 - v, where v is made so that it is not taken apart by that."""
    budget.left -= 1
    node = v.owner
    if node is None or budget.left < 0:
        return None
    op = node.op
    if op == sigmoid:
        return Logged(lambda: neg(softplus(node.inputs[0])), under=True)
    if op == exp:
        return Logged(
            lambda: log1mexp(node.inputs[0]), under=True, signed=True, zero=True
        )
    if op == erf:
        return Logged(lambda: log_erfc(node.inputs[0]), under=True)
    if op == neg and (inner := node.inputs[0].owner) is not None and inner.op == erf:
        return Logged(lambda: log_erfc(negated(inner.inputs[0])), under=True)
    if op == sub and number(node.inputs[0]) == 1:
        rest = log_of(node.inputs[1], budget)
        return rest if rest is not None and rest.risky else None
    if (tail := half_of_erfc(v)) is not None:
        return Logged(lambda: sub(log_erfc(negated(tail)), math.log(2)), under=True)
    if isinstance(op, (*MOVES, Cast)):
        inner_log = complement(node.inputs[0], budget)
        return None if inner_log is None else _moved(node, v, [inner_log])
    if isinstance(op, Join):
        parts = [complement(one, budget) for one in node.inputs]
        known = [one for one in parts if one is not None]
        return _moved(node, v, known) if len(known) == len(parts) else None
    return None


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


def _two_tails(node: Apply) -> Variable | None:
    """1 + erf(x) and c + c erf(x), as erfc(-x) and c erfc(-x)."""
    for c, other in (node.inputs, node.inputs[::-1]):
        if (value := number(c)) is None:
            continue
        inner = other.owner
        if inner is not None and inner.op == erf and value == 1:
            return erfc(negated(inner.inputs[0]))  # type: ignore[no-any-return]
        if inner is not None and inner.op == mul:
            for factor, tail in (inner.inputs, inner.inputs[::-1]):
                if number(factor) == value and tail.owner and tail.owner.op == erf:
                    return mul(c, erfc(negated(tail.owner.inputs[0])))  # type: ignore[no-any-return]
    return None


# ---- products and powers


def _product(node: Apply, v: Variable, budget: Budget) -> Logged | None:
    left, right = node.inputs
    if node.op == true_div and _small_constant(right) and number(right) > 0:
        return _scaled(left, -math.log(number(right)), v, budget)
    a, b = log_of(left, budget), log_of(right, budget)
    if node.op == true_div and b is not None:
        b = replace(b, over=b.under, under=b.over)
    unknown = [x for x, one in ((left, a), (right, b)) if one is None]
    if len(unknown) == 2 or (unknown and isinstance(unknown[0], Constant)):
        return None
    # One factor of unknown sign decides about that of the product.
    a, b = a or plain(left, signed=True), b or plain(right, signed=True)
    if a.signed and b.signed:
        return None
    join = add if node.op == mul else sub
    return joined_by(v, [a, b], lambda: _joined(join, a.make(), b.make()))


def _joined(join: Any, a: Variable, b: Variable) -> Variable:
    if number(b) == 0:
        return a
    if number(a) == 0:
        return b if join == add else negated(b)
    return join(a, b)  # type: ignore[no-any-return]


def _small_constant(v: Variable) -> bool:
    return number(v) is not None and v.type.ndim == 0


def _scaled(x: Variable, shift: float, v: Variable, budget: Budget) -> Logged | None:
    inner = log_of(x, budget)
    if inner is None:
        return None
    return joined_by(v, [inner], lambda: add(inner.make(), shift))


def _neg(node: Apply, v: Variable, budget: Budget) -> Logged | None:
    inner = node.inputs[0].owner
    if inner is None:
        return None
    if inner.op == expm1:
        return Logged(
            lambda: log1mexp(inner.inputs[0]), under=True, signed=True, zero=True
        )
    if inner.op == sub:
        return log_of(sub(inner.inputs[1], inner.inputs[0]), budget)
    return None


def _power(x: Variable, exponent: float, v: Variable, budget: Budget) -> Logged | None:
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


def _sqr(node: Apply, v: Variable, budget: Budget) -> Logged | None:
    return _power(node.inputs[0], 2, v, budget)


def _sqrt(node: Apply, v: Variable, budget: Budget) -> Logged | None:
    return _power(node.inputs[0], 0.5, v, budget)


def _reciprocal(node: Apply, v: Variable, budget: Budget) -> Logged | None:
    return _power(node.inputs[0], -1, v, budget)


def _pow(node: Apply, v: Variable, budget: Budget) -> Logged | None:
    exponent = number(node.inputs[1])
    if exponent is None or isinstance(exponent, complex) or node.inputs[1].type.ndim:
        return None
    return _power(node.inputs[0], float(exponent), v, budget)


# ---- reductions and products of matrices


def _reduce(node: Apply, v: Variable, budget: Budget) -> Logged | None:
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
    x: Variable, axes: Sequence[int], v: Variable, budget: Budget
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

    def make() -> Variable:
        level = cast(as_wide(scale.make(), x), dtype)
        top = top_of(level, axes)
        powers = exp(sub(level, restore_axes(top, axes)))
        return add(log(sum_over(mul(weight, powers), axis=list(axes))), top)  # type: ignore[no-any-return]

    return Logged(make, scale.over, scale.under, signed=True, zero=True)


def weighted(x: Variable, budget: Budget) -> tuple[Variable, Logged] | None:
    """x as a weight of any sign and a positive factor that may under- or overflow."""
    node = x.owner
    if node is None or node.op != mul:
        return None
    for weight, factor in (node.inputs, node.inputs[::-1]):
        scale = log_of(factor, budget)
        if scale is not None and scale.risky and scale.pure:
            return weight, scale
    return None


def top_of(level: Any, axes: Sequence[int]) -> Variable:
    """The largest element, which the gradient need not go through: the result does not
    depend on what is taken out.  An infinite one is not taken out."""
    top: Any = zero_grad(max_over(level, axis=list(axes)))
    return clipped_to_finite(top)


def clipped_to_finite(top: Variable) -> Variable:
    largest = float(np.finfo(top.type.dtype).max)
    return maximum(minimum(top, largest), -largest)  # type: ignore[no-any-return]


def _dot(node: Apply, v: Variable, budget: Budget) -> Logged | None:
    """exp(x) times a matrix: the largest x of each row (or column) is taken out."""
    left, right = node.inputs
    if left.type.dtype != right.type.dtype:
        return None
    for x, first in ((left, True), (right, False)):
        scale = log_of(x, budget)
        if scale is not None and scale.risky and scale.pure:
            return Logged(
                lambda: _log_of_dot(node, scale.make(), first),  # noqa: B023
                scale.over, scale.under, signed=True, zero=True,
            )  # fmt: skip
    return None


def _log_of_dot(node: Apply, level: Variable, first: bool) -> Variable:
    left, right = node.inputs
    x = left if first else right
    level = as_wide(level, x)
    axis = x.type.ndim - 1 if first else max(x.type.ndim - 2, 0)
    top: Any = top_of(level, [axis])
    powers = exp(sub(level, restore_axes(top, [axis])))
    product = log(node.op(powers, right) if first else node.op(left, powers))
    # Rows keep their place in front, columns behind.
    if first and right.type.ndim == 2 and top.type.ndim:
        top = restore_axes(top, [top.type.ndim])
    return add(product, top)  # type: ignore[no-any-return]


# ---- what moves elements, or chooses among them

MOVES = (
    DimShuffle, Reshape, Subtensor, AdvancedSubtensor, Pick, Split, Diagonal, Alloc,
    SpecifyShape, ForgetShape,
)  # fmt: skip


def _moves(node: Apply, v: Variable, budget: Budget) -> Logged | None:
    count = len(node.inputs) if isinstance(node.op, Join) else 1
    parts = [log_of(one, budget) for one in node.inputs[:count]]
    known = [one for one in parts if one is not None]
    return _moved(node, v, known) if len(known) == len(parts) else None


def _moved(node: Apply, v: Variable, parts: Sequence[Logged]) -> Logged:
    """The operation on logarithms in the place of its first operands."""
    rest = node.inputs[len(parts) :]

    def make() -> Variable:
        logs = [as_wide(one.make(), x) for one, x in zip(parts, node.inputs)]
        return node.op(*logs, *rest, return_list=True)[v.index]  # type: ignore[no-any-return]

    return joined_by(v, parts, make)


def as_wide(value: Variable, model: Variable) -> Variable:
    """`value` with the dtype and the shape of `model`."""
    if value.type.dtype != model.type.dtype:
        value = Cast(model.type.dtype)(value)
    same = value.type.broadcastable == model.type.broadcastable
    return value if same else second(model, value)


def _second(node: Apply, v: Variable, budget: Budget) -> Logged | None:
    model, x = node.inputs
    inner = log_of(x, budget)
    if inner is None:
        return None
    return replace(inner, make=lambda: second(model, inner.make()))


def _cast(node: Apply, v: Variable, budget: Budget) -> Logged | None:
    if _is_count(v):
        return Logged(lambda: log(v))
    inner = log_of(node.inputs[0], budget)
    return None if inner is None else _moved(node, v, [inner])


def _is_count(v: Variable) -> bool:
    """Whether `v` is a number of elements: a product of sizes."""
    node = v.owner
    if node is None:
        return isinstance(v, Constant) and v.type.ndim == 0 and number(v) > 0
    if isinstance(node.op, Cast):
        return _is_count(node.inputs[0])
    if node.op == mul:
        return all(map(_is_count, node.inputs))
    return isinstance(node.op, ShapeI)


def _written(node: Apply, v: Variable, budget: Budget) -> Logged | None:
    """set_subtensor(x[...], y)."""
    if not node.op.set:
        return None
    return _of_all(node, v, budget, 0, 2)


def _switch(node: Apply, v: Variable, budget: Budget) -> Logged | None:
    return _of_all(node, v, budget, 1, 3)


def _of_all(
    node: Apply, v: Variable, budget: Budget, start: int, end: int
) -> Logged | None:
    parts = [log_of(one, budget) for one in node.inputs[start:end]]
    known = [one for one in parts if one is not None]
    if len(known) < len(parts):
        return None

    def make() -> Variable:
        logs = [
            as_typed(one.make(), x) for one, x in zip(known, node.inputs[start:end])
        ]
        return node.op(*node.inputs[:start], *logs, *node.inputs[end:])  # type: ignore[no-any-return]

    return joined_by(v, known, make)


def as_typed(value: Variable, model: Variable) -> Variable:
    same = value.type.dtype == model.type.dtype
    return value if same else Cast(model.type.dtype)(value)


def _extremum(node: Apply, v: Variable, budget: Budget) -> Logged | None:
    parts = [log_of(one, budget) for one in node.inputs]
    known = [one for one in parts if one is not None and one.pure]
    if len(known) < 2:
        return None
    largest = node.op == maximum
    over = (any if largest else all)(one.over for one in known)
    under = (all if largest else any)(one.under for one in known)
    if not (over or under):
        return Logged(lambda: log(v))
    return Logged(lambda: node.op(*[one.make() for one in known]), over, under)


Form = Callable[[Apply, Variable, Budget], Logged | None]

FORMS: dict[Any, Form] = {
    exp: _exp, exp2: _exp2, expm1: _expm1, sigmoid: _sigmoid, erfc: _erfc, cosh: _cosh,
    softplus: _nonnegative, absolute: _nonnegative, Softmax: _softmax,
    add: _add, sub: _sub, neg: _neg, mul: _product, true_div: _product,
    sqr: _sqr, sqrt: _sqrt, reciprocal: _reciprocal, pow: _pow,
    Reduce: _reduce, Dot: _dot,
    switch: _switch, maximum: _extremum, minimum: _extremum,
    second: _second, Cast: _cast, Join: _moves,
    IncSubtensor: _written, AdvancedIncSubtensor: _written,
    **dict.fromkeys(MOVES, _moves),
}  # fmt: skip


# ---- rules


def _log(match: Match) -> Variable | None:
    found = log_of(match.node.inputs[0])
    return found.make() if found is not None and found.risky else None


def _log_to_base(base: float) -> Callable[[Match], Variable | None]:
    def replacement(match: Match) -> Variable | None:
        found = _log(match)
        return None if found is None else true_div(found, math.log(base))

    return replacement


def _log1p(match: Match) -> Variable | None:
    """log(1 + v)."""
    (v,) = match.node.inputs
    if (rest := complement(negated(v), Budget())) is not None and rest.risky:
        return rest.make()
    found = log_of(v)
    if found is None or found.signed or not found.over:
        return None
    return log_sum([constant(0), found.make()])


LOGARITHMS = [
    Rule("log_of_exponentials", log, _log),
    Rule("log2_of_exponentials", log2, _log_to_base(2)),
    Rule("log10_of_exponentials", log10, _log_to_base(10)),
    Rule("log1p_of_exponentials", log1p, _log1p),
]
