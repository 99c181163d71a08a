"""Affine forms: shift + factor * base, with whichever sums, products, quotients and signs
they are written; and the logarithms of those that reach the end of a function's range.

A function that saturates leaves `hi - f(x)` without digits, of which the logarithm has
many.  `TAILS` lists these ends, so `log(1 - p)`, `log(2 - p - 1)` and
`log(0.5 * (2 - 2 * p))` are found alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from symnet.data_classes import dataclass
from symnet.graph.types import FLOATS
from symnet.graph.variables import Apply, Variable
from symnet.ops.arithmetic import add, minimum, mul, neg, sub, switch, true_div
from symnet.ops.comparison import gt
from symnet.ops.functions import log1p, sigmoid, softplus, tanh
from symnet.ops.nnet.logsumexp import LogSumExp
from symnet.ops.nnet.softmax import Softmax
from symnet.ops.reduce import restore_axes
from symnet.ops.special import erf, erfc
from symnet.ops.tails import log1m_tanh, log_erfc
from symnet.rewriting.patterns import number
from symnet.rewriting.rules.logged import negated

MOST_STEPS = 12  # how many operations are taken apart


@dataclass(frozen=True)
class Affine:
    """shift + factor * base."""

    shift: float
    factor: float
    base: Variable

    def then(self, shift: float, factor: float) -> Affine:
        """shift + factor * this."""
        return Affine(shift + factor * self.shift, factor * self.factor, self.base)


def affine_of(v: Variable, depth: int = MOST_STEPS) -> Affine:
    """What `v` is made of, as far as numbers are added to it and multiply it."""
    whole, node = Affine(0.0, 1.0, v), v.owner
    if node is None or depth == 0 or v.type.dtype not in FLOATS:
        return whole
    if node.op == neg:
        return affine_of(node.inputs[0], depth - 1).then(0.0, -1.0)
    if node.op not in (add, sub, mul, true_div):
        return whole
    left, right = node.inputs
    a, b = _finite_number(left), _finite_number(right)
    if node.op == mul and (a or b):
        return affine_of(right if a else left, depth - 1).then(0.0, a or b or 1.0)
    if node.op == true_div and b:
        return affine_of(left, depth - 1).then(0.0, 1 / b)
    if node.op not in (add, sub):
        return whole
    sign = 1.0 if node.op == add else -1.0
    if b is not None:
        return affine_of(left, depth - 1).then(sign * b, 1.0)
    if a is not None:
        return affine_of(right, depth - 1).then(a, sign)
    return _combined(left, right, sign, depth) or whole


def _combined(
    left: Variable, right: Variable, sign: float, depth: int
) -> Affine | None:
    """The sum of what is affine in one variable."""
    a, b = affine_of(left, depth // 2), affine_of(right, depth // 2)
    factor = a.factor + sign * b.factor
    if a.base is not b.base or not factor:
        return None
    return Affine(a.shift + sign * b.shift, factor, a.base)


def _finite_number(v: Variable) -> float | None:
    value = number(v) if v.type.ndim == 0 else None
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


# ---- ends of ranges


@dataclass(frozen=True)
class Tail:
    """log(scale * |f(x) - end|) of a function f whose values reach up or down to `end`.

    sign: of end - f(x).
    """

    end: float
    sign: int
    make: Callable[[Apply], Variable]
    scale: float = 1.0


def _argument(make: Callable[[Any], Any], sign: int = 1) -> Callable[[Apply], Variable]:
    """`make` of what the function is applied to, or of minus that."""

    def made(node: Apply) -> Variable:
        (x,) = node.inputs
        result: Variable = make(x if sign > 0 else negated(x))
        return result

    return made


def _minus_softplus(x: Any) -> Any:
    return neg(softplus(x))


def _minus_softplus_of_twice(x: Any) -> Any:
    return neg(softplus(mul(x, 2)))


def _other_shares(node: Apply) -> Variable:
    """log(1 - softmax(x)): of more than a half the logarithm of what the others have."""
    axes, (x,), share = node.op.axes, node.inputs, node.outputs[0]
    most = gt(share, 0.5)
    others, whole = (
        restore_axes(LogSumExp(axes)(v), axes) for v in (switch(most, -math.inf, x), x)
    )
    less = log1p(neg(minimum(share, 0.5)))
    result: Variable = switch(most, sub(others, whole), less)
    return result


TAILS: dict[Any, tuple[Tail, ...]] = {
    sigmoid: (Tail(0, -1, _argument(_minus_softplus, -1)),
              Tail(1, 1, _argument(_minus_softplus))),
    tanh: (Tail(-1, -1, _argument(_minus_softplus_of_twice, -1), 0.5),
           Tail(1, 1, _argument(_minus_softplus_of_twice), 0.5),
           Tail(-1, -1, _argument(log1m_tanh, -1)), Tail(1, 1, _argument(log1m_tanh))),
    erf: (Tail(-1, -1, _argument(log_erfc, -1)), Tail(1, 1, _argument(log_erfc))),
    erfc: (Tail(0, -1, _argument(log_erfc)), Tail(2, 1, _argument(log_erfc, -1))),
    Softmax: (Tail(1, 1, _other_shares),),
}  # fmt: skip


def log_of_tail(form: Affine) -> tuple[Callable[[], Variable], float] | None:
    """The logarithm of scale * (distance from the end) and scale, where `form` is a
    positive multiple of how far a function is from an end of its range."""
    node = form.base.owner
    if node is None:
        return None
    tails = TAILS.get(node.op) or TAILS.get(type(node.op), ())
    fits = [
        tail for tail in tails
        if form.shift == -form.factor * tail.end and form.factor * tail.sign < 0
    ]  # fmt: skip
    if not fits:
        return None
    best = next((t for t in fits if t.scale == abs(form.factor)), fits[-1])
    return lambda: best.make(node), best.scale
