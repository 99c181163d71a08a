"""Quotients from whose lower part a power is taken out."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from symnet.graph.types import FLOATS
from symnet.graph.variables import Variable
from symnet.ops.arithmetic import add, neg, pow, reciprocal, sub, true_div
from symnet.ops.functions import exp
from symnet.rewriting.patterns import Match, Rule
from symnet.rewriting.rules.fractions import fraction_of
from symnet.rewriting.rules.logged import log_of, power_taken_out
from symnet.rewriting.rules.quotients import softmax_by_shift


def _quotient_by_shift(match: Match) -> Variable | None:
    """a / (w + exp(x)), for w of any sign: the power is taken out below the line."""
    if match.out.type.dtype not in FLOATS:
        return None
    fraction = fraction_of(match.out)
    below = [_lowered(v) for v in fraction.below]
    if not any(power is not None for _, power in below):
        return None
    above = [power_taken_out(v, log_of(v)) for v in fraction.above]
    raised, lowered = _summed(above), _summed(below)
    power = neg(lowered) if raised is None else sub(raised, lowered)
    fraction.above = [*(v for v, _ in above), exp(power)]
    fraction.below = [v for v, _ in below]
    whole: Variable = fraction.variable()
    return whole


def _summed(parts: Sequence[tuple[Variable, Variable | None]]) -> Any:
    powers: list[Any] = [power for _, power in parts if power is not None]
    return functools.reduce(add, powers) if powers else None


def _lowered(v: Variable) -> tuple[Variable, Variable | None]:
    """t and s, where v is t exp(s) of any sign and may overflow; of others rules know more."""
    found = log_of(v)
    if found is None or found.scaled is None or not found.over:
        return v, None
    return power_taken_out(v, found)


# Used once only, as `rules.logarithms.SHIFTS`.
WEIGHTED = [
    Rule("softmax_of_weighted_exponentials", true_div, softmax_by_shift),
    Rule("quotient_by_weighted_exponentials", true_div, _quotient_by_shift),
    Rule("reciprocal_of_weighted_exponentials", reciprocal, _quotient_by_shift),
    Rule("power_of_weighted_exponentials", pow, _quotient_by_shift),
]
