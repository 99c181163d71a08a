"""Rules of numerical stability: forms that keep their precision where others overflow,
cancel or round to nothing.  The results are never worse, and often differ for the better.

They are part of what a graph means: see `rewriting.stable`.
"""

from __future__ import annotations

from typing import Any

from symnet.graph.types import COMPLEX
from symnet.graph.variables import Apply, Variable
from symnet.ops.arithmetic import absolute, log, mul, neg, sqr, sqrt, sub, switch
from symnet.ops.comparison import eq
from symnet.ops.functions import (
    cos,
    cosh,
    exp,
    expm1,
    log1p,
    sigmoid,
    sin,
    sinh,
    softplus,
)
from symnet.ops.nnet.logsumexp import LogSumExp
from symnet.ops.nnet.softmax import LogSoftmax, Softmax
from symnet.ops.special import erf, erfc
from symnet.rewriting.patterns import Match, Rule, pattern_vars
from symnet.rewriting.rules.check_rules import CHECKS
from symnet.rewriting.rules.crossentropy import CROSSENTROPY
from symnet.rewriting.rules.determinant_rules import DETERMINANTS
from symnet.rewriting.rules.inverses import INVERSES
from symnet.rewriting.rules.logarithms import LOGARITHMS, SHIFTS
from symnet.rewriting.rules.logged import negated
from symnet.rewriting.rules.powers import POWERS
from symnet.rewriting.rules.quotients import QUOTIENTS
from symnet.rewriting.rules.reductions import is_reduction
from symnet.rewriting.rules.shifted_quotients import WEIGHTED
from symnet.rewriting.rules.totals import moved

(x,) = pattern_vars("x")


def is_real(match: Match) -> bool:
    return match.out.type.dtype not in COMPLEX


# ---- exponentials, logarithms, error functions

SCALAR = [
    Rule("log_of_square", log(sqr(x)), 2 * log(absolute(x)), is_real),
    Rule("log_of_root", log(sqrt(x)), 0.5 * log(x), is_real),
    Rule("log_of_one_plus", log(1 + x), log1p(x), is_real),
    Rule("log_of_one_minus", log(1 - x), log1p(-x), is_real),
    Rule("exp_minus_one", exp(x) - 1, expm1(x), is_real),
    Rule("one_minus_exp", 1 - exp(x), -expm1(x), is_real),
    Rule("one_minus_cosine", 1 - cos(x), 2 * sqr(sin(x / 2)), is_real),
    Rule("cosine_minus_one", cos(x) - 1, -2 * sqr(sin(x / 2)), is_real),
    Rule("cosh_minus_one", cosh(x) - 1, 2 * sqr(sinh(x / 2)), is_real),
    Rule("one_minus_cosh", 1 - cosh(x), -2 * sqr(sinh(x / 2)), is_real),
    Rule("one_minus_erf", 1 - erf(x), erfc(x)),
    Rule("one_minus_erfc", 1 - erfc(x), erf(x)),
    Rule("one_plus_erf", 1 + erf(x), lambda m: erfc(negated(m[x]))),
    Rule("difference_of_softplus", softplus(x) - softplus(-x), x),
    Rule("softplus_of_minus_less", softplus(-x) - softplus(x), -x),
    Rule("difference_of_negatives", -softplus(-x) - -softplus(x), x),
    Rule("exp_of_minus_softplus", exp(-softplus(x)),
         lambda m: sigmoid(negated(m[x]))),
]  # fmt: skip

# Not where a graph is differentiated: the derivative of 1 - s is s (1 - s), exact where s is
# small, and that of the other side would be exact on its own.
TAILS = [
    Rule("one_minus_sigmoid", 1 - sigmoid(x), lambda m: _other_side(m)),
]


def _other_side(match: Match) -> Variable | None:
    """sigmoid(-x), where it costs no more; not beside a gradient."""
    node = match.node.inputs[1]
    alone = match.used_once(node)
    return sigmoid(negated(match[x])) if alone else None


# ---- softmax


def made_by(variable: Variable, kind: Any) -> Apply | None:
    """The operation that makes `variable`, if it is of that class."""
    node = variable.owner
    return node if node is not None and isinstance(node.op, kind) else None


def _restored(variable: Variable, match: Match) -> tuple[Apply, tuple[int, ...]] | None:
    """The maximum (or LogSumExp) whose result `variable` is, if its axes are put back
    with size 1 (new axes in front may be left out, as broadcasting adds them)."""
    order: tuple[Any, ...] = tuple(range(variable.type.ndim))
    while (below := moved(variable, match)) is not None:
        variable, new = below
        order = tuple("x" if k == "x" else new[k] for k in order)
    found = is_reduction(variable, "max") or made_by(variable, LogSumExp)
    if found is None:
        return None
    rank, axes = found.inputs[0].type.ndim, tuple(found.op.axes)
    kept = iter(range(rank - len(axes)))
    wanted = tuple("x" if k in axes else next(kept) for k in range(rank))
    full = ("x",) * (rank - len(order)) + order
    return (found, axes) if full == wanted else None


def _exp_of_logsoftmax(match: Match) -> Variable | None:
    node = made_by(match.node.inputs[0], LogSoftmax)
    return None if node is None else Softmax(node.op.axes)(node.inputs[0])


def _softmax_of_shifted(match: Match) -> Variable | None:
    """softmax(x - max(x)): it subtracts the maximum itself."""
    node = match.node.inputs[0].owner
    if node is None or node.op != sub:
        return None
    operand, shift = node.inputs
    found = _restored(shift, match)
    if (
        found is None
        or found[0].inputs[0] is not operand
        or found[1] != match.node.op.axes
    ):
        return None
    return match.node.applied_to(operand)


def _logsoftmax_written_out(match: Match) -> Variable | None:
    """x - logsumexp(x)."""
    operand, shift = match.node.inputs
    found = _restored(shift, match)
    if found is None or not isinstance(found[0].op, LogSumExp):
        return None
    same = found[0].inputs[0] is operand
    return LogSoftmax(found[1])(operand) if same else None


def _share_by_logarithm(match: Match) -> Variable | None:
    """p log(p), as in an entropy, of p = softmax(x): zero where p is, though x may be
    minus infinity there, as masks make it."""
    bare = [_without_sign(v) for v in match.node.inputs]
    for k, (share, level) in enumerate((bare, bare[::-1])):
        p, logs = made_by(share, Softmax), made_by(level, LogSoftmax)
        if p is None or logs is None or p.op.axes != logs.op.axes:
            continue
        if p.inputs[0] is logs.inputs[0]:
            found = switch(eq(share, 0), 0, match.node.inputs[1 - k])
            return mul(match.node.inputs[k], found)
    return None


def _without_sign(v: Variable) -> Variable:
    return v.owner.inputs[0] if v.owner is not None and v.owner.op == neg else v


SOFTMAX = [
    Rule("share_by_its_logarithm", mul, _share_by_logarithm, operands=(Softmax, neg)),
    Rule("softmax_of_shifted", Softmax, _softmax_of_shifted),
    Rule("logsoftmax_of_shifted", LogSoftmax, _softmax_of_shifted),
    Rule("logsoftmax_written_out", sub, _logsoftmax_written_out),
    Rule("exp_of_logsoftmax", exp, _exp_of_logsoftmax),
]

# What the rewriter uses at any time, and what brings a graph into stable form at first.
STABILITY: list[Rule] = [
    *DETERMINANTS, *SOFTMAX, *LOGARITHMS, *POWERS, *INVERSES, *QUOTIENTS, *CROSSENTROPY,
    *SCALAR,
]  # fmt: skip
STABLE: list[Rule] = [*CHECKS, *STABILITY, *SHIFTS, *WEIGHTED]
# What a graph that runs gets besides.
STABLE_TO_RUN: list[Rule] = [*STABLE, *TAILS]
