"""Powers and products of exponentials, which are computed in the exponent.

sqrt(a), a**c       is  exp(c log(a)), where a under- or overflows before its power does
                    (of softplus only where that is small: far out it is an ordinary x)
exp(a) exp(b)       is  exp(a + b), of which only one factor may be zero or infinite
exp(-exp(a)) b      is  exp(log(b) - exp(a)), which is zero however large b is
"""

from __future__ import annotations

from typing import Any

from symnet.graph.types import COMPLEX
from symnet.graph.variables import Constant, Variable
from symnet.ops.arithmetic import add, mul, neg, pow, sqrt, sub, switch, true_div
from symnet.ops.comparison import lt
from symnet.ops.functions import exp, expm1, softplus
from symnet.ops.tails import softplus_ratio
from symnet.rewriting.patterns import Match, Rule, number
from symnet.rewriting.rules.logged import Logged, as_wide, log_of, pure_log_of
from symnet.rewriting.rules.logsums import clipped_to_finite, is_shifted

# ---- roots and powers


def _root(match: Match) -> Variable | None:
    return _powered(match.node.inputs[0], 0.5)


def _power(match: Match) -> Variable | None:
    base, exponent = match.node.inputs
    value = number(exponent)
    if value is None:
        return _variable_power(base, exponent, match)
    if not isinstance(value, (int, float)) or exponent.type.ndim:
        return None
    # A whole power leaves the range where its base does; -1, -2 and -3 are quotients.
    if value % 1 == 0 and value >= -3:
        return None
    return _powered(base, value)


def _variable_power(
    base: Variable, exponent: Variable, match: Match
) -> Variable | None:
    """a**b as exp(b log(a)), where the derivative of a**b is made of log(a)."""
    dtypes = {v.type.dtype for v in (base, exponent, match.out)}
    found = pure_log_of(base) if len(dtypes) == 1 else None
    if found is None or not found.risky or found.shifts:
        return None
    # The zeroth power of zero and of infinity is one.
    power: Variable = exp(mul(exponent, clipped_to_finite(as_wide(found.make(), base))))
    return power


def _powered(base: Variable, exponent: float) -> Variable | None:
    if base.owner is not None and base.owner.op == exp:
        if base.type.dtype in COMPLEX and exponent % 1:
            return None  # of exp(z) a root does not know how often z went round
        return exp(_times(base.owner.inputs[0], exponent))
    if (part := _softplus_part(base)) is not None and part[1] > 0:
        return _powered_softplus(*part, exponent)
    found = log_of(base)
    if found is None or not (found.pure and found.risky) or found.shifts:
        return None
    return exp(_times(found.make(), exponent))


def _softplus_part(v: Variable) -> tuple[Variable, float] | None:
    """x and c, where `v` is c softplus(x)."""
    node = v.owner
    if node is None or node.op not in (softplus, neg, mul, true_div):
        return None
    if node.op == softplus:
        return node.inputs[0], 1.0
    if node.op == neg:
        inner = _softplus_part(node.inputs[0])
        return inner and (inner[0], -inner[1])
    given = node.inputs
    for part, factor in [given] if node.op == true_div else [given, given[::-1]]:
        c = number(factor) if factor.type.ndim == 0 else None
        if not isinstance(c, (int, float)) or not c:
            continue
        if (inner := _softplus_part(part)) is not None:
            return inner[0], inner[1] * (c if node.op == mul else 1 / c)
    return None


def _powered_softplus(x: Variable, factor: float, exponent: float) -> Variable:
    """(factor softplus(x))**exponent.  Only what decays goes into an exponential: of all
    of it the gradient at an infinite x would be infinity times zero."""
    decaying = switch(lt(x, 0), x, 0)
    rest = mul(softplus_ratio(x), factor) if factor != 1 else softplus_ratio(x)
    power = sqrt(rest) if exponent == 0.5 else pow(rest, exponent)
    result: Variable = mul(exp(_times(decaying, exponent)), power)
    return result


def _times(v: Any, factor: float) -> Any:
    if v.owner is not None and v.owner.op == neg:
        return mul(v.owner.inputs[0], -factor)
    return mul(v, factor)


# ---- products

MOST_TERMS = 6  # how deep a sum of products is looked at


def joined_powers(factors: list[Variable]) -> bool:
    """Make one of two factors, of which one may be zero where the other is infinite."""
    # What the other may be absorbed by: seldom is there any.
    exponents = [f for f in factors if _is_exp(f) or _may_vanish(f, MOST_TERMS)]
    for first in exponents:
        for second in factors:
            if second is first or not _alike(first, second):
                continue
            found = _joined(first, second)
            if found is not None:
                for used in (first, second):
                    del factors[next(k for k, f in enumerate(factors) if f is used)]
                factors.append(found)
                return True
    return False


def _joined(first: Variable, second: Variable) -> Variable | None:
    """The product of the two as one exponential, or as a sum of such."""
    one, other = (
        v.owner.inputs[0] if v.owner is not None and _is_exp(v) else None
        for v in (first, second)
    )
    if one is not None and other is not None and not _vanishes(one):
        if is_shifted(one) or is_shifted(other) or _vanishes(other):
            return None
        return exp(add(one, other))
    if not _may_vanish(first, MOST_TERMS):
        return None
    if other is None:
        found: Logged | None = log_of(second)
        if found is None or not (found.pure and found.over) or found.shifts:
            return None
        other = found.make()
    return _absorbed(first, other)


def _is_exp(v: Variable) -> bool:
    return v.owner is not None and v.owner.op == exp


def _may_vanish(v: Variable, depth: int) -> bool:
    """Whether all that is added to make `v` has a factor that vanishes."""
    node = v.owner
    if node is None or depth < 0:
        return False
    exponent = _exponent(v)
    if exponent is not None:
        return _vanishes(exponent)
    if node.op in (add, sub):
        return all(_may_vanish(u, depth - 1) for u in node.inputs)
    if node.op == mul:
        return any(_may_vanish(u, depth - 1) for u in node.inputs)
    return node.op in (neg, true_div) and _may_vanish(node.inputs[0], depth - 1)


def _absorbed(v: Variable, level: Variable) -> Variable:
    """v exp(level), of a `v` that may vanish: the level goes into the exponents."""
    node = v.owner
    assert node is not None
    exponent = _exponent(v)
    if exponent is not None:
        return exp(_sum(exponent, level))
    parts = list(node.inputs)
    for k, u in enumerate(parts):
        if node.op in (add, sub) or _may_vanish(u, MOST_TERMS):
            parts[k] = _absorbed(u, level)
            if node.op not in (add, sub):
                break
    return node.applied_to(*parts)


def _exponent(v: Variable) -> Variable | None:
    """a, where v is exp(a), or expm1(a) + 1 as in the gradient of expm1."""
    node = v.owner
    if node is None:
        return None
    if node.op == exp:
        return node.inputs[0]
    if node.op == add:
        for one, other in (node.inputs, node.inputs[::-1]):
            if number(one) == 1 and other.owner and other.owner.op == expm1:
                return other.owner.inputs[0]
    return None


def _alike(a: Variable, b: Variable) -> bool:
    """Whether one exponential of the two is no larger than each of them."""
    return a.type.broadcastable == b.type.broadcastable or 0 in (
        a.type.ndim, b.type.ndim
    )  # fmt: skip


def _vanishes(v: Variable) -> bool:
    """Whether `v` falls as fast as -exp(a) does."""
    node = v.owner
    if node is None:
        return False
    if node.op == neg:
        return _explodes(node.inputs[0])
    if node.op == sub:
        return _explodes(node.inputs[1]) or _vanishes(node.inputs[0])
    if node.op == add:
        return any(map(_vanishes, node.inputs))
    if node.op == mul:
        return any(
            (_explodes(x) and _negative(c)) or (_vanishes(x) and _positive(c))
            for c, x in (node.inputs, node.inputs[::-1])
        )
    return False


def _explodes(v: Variable) -> bool:
    """Whether `v` grows as fast as exp(a) does."""
    node = v.owner
    if node is not None and node.op in (add, sub):
        return any(map(_explodes, node.inputs[: 2 if node.op == add else 1]))
    found = log_of(v)
    return found is not None and found.pure and found.over


def _negative(v: Variable) -> bool:
    return isinstance(v, Constant) and bool((v.data < 0).all())


def _positive(v: Variable) -> bool:
    return isinstance(v, Constant) and bool((v.data > 0).all())


def _sum(a: Variable, b: Variable) -> Any:
    """a + b, so that infinities of both signs do not meet: in x - exp(y) + z the x and z
    come first."""
    node = a.owner
    if node is not None and node.op == sub and _explodes(node.inputs[1]):
        return sub(add(node.inputs[0], b), node.inputs[1])
    if node is not None and node.op == neg:
        return sub(b, node.inputs[0])
    return add(a, b)


POWERS = [
    Rule("root_of_exponentials", sqrt, _root),
    Rule("power_of_exponential_base", pow, _power),
]
