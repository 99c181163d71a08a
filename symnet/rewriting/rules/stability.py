"""Rules of numerical stability: forms that keep their precision where others overflow,
cancel or round to nothing.  The results are never worse, and often differ for the better.

They are part of what a graph means: see `rewriting.stable`.
"""

from __future__ import annotations

from typing import Any

from symnet.graph.types import COMPLEX
from symnet.graph.variables import Apply, Variable
from symnet.ops.arithmetic import absolute, log, sqr, sqrt, sub
from symnet.ops.functions import (
    erf,
    erfc,
    exp,
    expm1,
    log1p,
    sigmoid,
    softplus,
)
from symnet.ops.nnet.logsumexp import LogSumExp
from symnet.ops.nnet.softmax import LogSoftmax, Softmax
from symnet.rewriting.patterns import Match, Rule, pattern_vars
from symnet.rewriting.rules.checks import CHECKS
from symnet.rewriting.rules.crossentropy import CROSSENTROPY
from symnet.rewriting.rules.determinants import DETERMINANTS
from symnet.rewriting.rules.logarithms import LOGARITHMS, SHIFTS
from symnet.rewriting.rules.logged import negated
from symnet.rewriting.rules.quotients import QUOTIENTS, WEIGHTED, moved
from symnet.rewriting.rules.reductions import is_reduction

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
    Rule("one_minus_erf", 1 - erf(x), erfc(x)),
    Rule("one_minus_erfc", 1 - erfc(x), erf(x)),
    Rule("one_plus_erf", 1 + erf(x), lambda m: erfc(negated(m[x]))),
    Rule("root_of_exp", sqrt(exp(x)), exp(0.5 * x), is_real),
    Rule("exp_of_minus_softplus", exp(-softplus(x)),
         lambda m: sigmoid(negated(m[x]))),
]  # fmt: skip


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
    return match.node.op(operand)  # type: ignore[no-any-return]


def _logsoftmax_written_out(match: Match) -> Variable | None:
    """x - logsumexp(x)."""
    operand, shift = match.node.inputs
    found = _restored(shift, match)
    if found is None or not isinstance(found[0].op, LogSumExp):
        return None
    same = found[0].inputs[0] is operand
    return LogSoftmax(found[1])(operand) if same else None


SOFTMAX = [
    Rule("softmax_of_shifted", Softmax, _softmax_of_shifted),
    Rule("logsoftmax_of_shifted", LogSoftmax, _softmax_of_shifted),
    Rule("logsoftmax_written_out", sub, _logsoftmax_written_out),
    Rule("exp_of_logsoftmax", exp, _exp_of_logsoftmax),
]

# What the rewriter uses at any time, and what brings a graph into stable form at first.
STABILITY: list[Rule] = [
    *DETERMINANTS, *SOFTMAX, *LOGARITHMS, *QUOTIENTS, *CROSSENTROPY, *SCALAR,
]  # fmt: skip
STABLE: list[Rule] = [*CHECKS, *STABILITY, *SHIFTS, *WEIGHTED]
