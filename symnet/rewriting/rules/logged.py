"""The logarithm of a variable, taken before the variable under- or overflows.

Of a positive variable that is made by sums, products, quotients, powers and moves of
exponentials and the like, `log_of` gives the logarithm without that variable: of
`2 * exp(x)` it is `log(2) + x`.  It also tells whether the variable could leave the range
of floats.  Where it could not, the form as written is fine and stays.  How an operation's
result is looked at stands in `rules.logarithms`, `rules.logsums` and `rules.logmoves`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from symnet.data_classes import dataclass
from symnet.graph.types import FLOATS
from symnet.graph.variables import Apply, Constant, Variable
from symnet.ops.arithmetic import add, log, neg, second, sub
from symnet.ops.base import constant
from symnet.ops.elementwise import Cast, Elementwise
from symnet.rewriting.patterns import number

MOST_NODES = 100  # how many operations one logarithm looks at


@dataclass(frozen=True)
class Logged:
    """The logarithm of a variable.

    make: builds it.
    over, under: whether the variable may become infinite or zero where its logarithm is
        an ordinary number.
    signed: it may be negative; then the logarithm is NaN, as that of the variable is.
    zero: it may be exactly zero, where its logarithm has no derivative to go back through.
    shifts: the logarithm is that of another sum, from which the largest power was taken.
    scaled: builds t and s, of which the variable is t exp(s), where its sign is not known
        and t does neither over- nor underflow.
    smooth: t has the derivatives of the variable, also where that is zero.
    """

    make: Callable[[], Variable]
    over: bool = False
    under: bool = False
    signed: bool = False
    zero: bool = False
    shifts: bool = False
    scaled: Callable[[], tuple[Variable, Variable]] | None = None
    smooth: bool = False

    @property
    def risky(self) -> bool:
        return self.over or self.under

    @property
    def pure(self) -> bool:
        """Whether the logarithm may take the variable's place inside of sums."""
        return not (self.signed or self.zero)


Form = Callable[[Apply, Variable, "RewriteBudget"], Logged | None]

# How the logarithm of an operation's result is found, by the op or its class.
FORMS: dict[Any, Form] = {}


def form(*ops: Any) -> Callable[[Form], Form]:
    """Enter a function into `FORMS`."""

    def enter(function: Form) -> Form:
        FORMS.update(dict.fromkeys(ops, function))
        return function

    return enter


class RewriteBudget:
    """How many operations may still be looked at, and what was found of those before."""

    def __init__(self, left: int = MOST_NODES) -> None:
        self.left = left
        self.found: dict[Variable, Logged | None] = {}


def log_of(v: Variable, budget: RewriteBudget | None = None) -> Logged | None:
    """The logarithm of `v`; None where its sign is not known."""
    budget = budget or RewriteBudget()
    if v not in budget.found:
        budget.left -= 1
        budget.found[v] = _log_of(v, budget) if budget.left >= 0 else None
    return budget.found[v]


def _log_of(v: Variable, budget: RewriteBudget) -> Logged | None:
    if getattr(v.type, "dtype", None) not in FLOATS:
        return None
    if isinstance(v, Constant):
        return _of_constant(v)
    if v.owner is None:
        return None
    op = v.owner.op
    single = isinstance(op, Elementwise) and not isinstance(op, Cast)
    rule = FORMS.get(op if single else type(op))
    return None if rule is None else rule(v.owner, v, budget)


def pure_log_of(v: Variable) -> Logged | None:
    """The logarithm of `v`; None where it is not known, or `v` may be negative or zero."""
    found = log_of(v)
    return found if found is not None and found.pure else None


def plain(v: Variable, signed: bool = False) -> Logged:
    """The logarithm of what is fine as it is."""
    return Logged(lambda: log(v), signed=signed, zero=True)


def power_taken_out(
    v: Variable, found: Logged | None
) -> tuple[Variable, Variable | None]:
    """t and s, of which v is t exp(s), by what was found of its logarithm; v and None where
    that is not known."""
    if found is not None and found.scaled is not None:
        return found.scaled()
    if found is not None and found.pure and found.risky:
        return constant(1), found.make()
    return v, None


def joined_by(
    v: Variable, parts: Sequence[Logged], make: Callable[[], Variable]
) -> Logged:
    """The logarithm of what under- or overflows where any of its parts does."""
    signed, zero = any(p.signed for p in parts), any(p.zero for p in parts)
    over, under = any(p.over for p in parts), any(p.under for p in parts)
    if not (over or under):
        return Logged(lambda: log(v), signed=signed, zero=zero)
    return Logged(make, over, under, signed, zero, any(p.shifts for p in parts))


def shifted(v: Variable, shift: float) -> Variable:
    """v + shift, in which a constant that is there already takes it up."""
    if v.owner is not None and v.owner.op in (add, sub):
        x, there = v.owner.inputs
        if number(there) is not None and there.type.ndim == 0:
            before = number(there) if v.owner.op == add else -number(there)
            # The constant was rounded to its dtype.
            total = shift + before
            gone = abs(total) <= np.finfo(v.type.dtype).eps * abs(shift)
            return x if gone else shifted(x, total)
    return add(v, shift) if shift else v


def scaled_log(inner: Logged, scale: float) -> Logged:
    """The logarithm of `scale` times what `inner` is of."""
    if scale == 1:
        return inner
    return replace(
        inner, make=lambda: shifted(inner.make(), math.log(scale)), scaled=None
    )


def negated(v: Variable) -> Variable:
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


def small_constant(v: Variable) -> bool:
    return number(v) is not None and v.type.ndim == 0


def as_wide(value: Variable, model: Variable) -> Variable:
    """`value` with the dtype and the shape of `model`."""
    if value.type.dtype != model.type.dtype:
        value = Cast(model.type.dtype)(value)
    same = value.type.broadcastable == model.type.broadcastable
    return value if same else second(model, value)


def as_typed(value: Variable, model: Variable) -> Variable:
    same = value.type.dtype == model.type.dtype
    return value if same else Cast(model.type.dtype)(value)
