"""Rules of numerical stability: forms that keep their precision where others overflow,
cancel or round to nothing.  The results are never worse, and often differ for the better.
"""

from __future__ import annotations

from typing import Any

from symnet.graph.types import COMPLEX
from symnet.graph.variables import Apply, Variable
from symnet.ops.advanced import AdvancedSubtensor
from symnet.ops.arithmetic import (
    absolute,
    log,
    mul,
    sqr,
    sqrt,
    sub,
    true_div,
)
from symnet.ops.classification import Pick
from symnet.ops.functions import (
    erf,
    erfc,
    exp,
    expm1,
    log1p,
    sigmoid,
    softplus,
)
from symnet.ops.logsumexp import LogSumExp
from symnet.ops.nnet import LogSoftmax, Softmax
from symnet.ops.shape import DimShuffle, Reshape
from symnet.ops.subtensor import Subtensor
from symnet.rewriting.patterns import Match, Rule, pattern_vars
from symnet.rewriting.rules.determinants import DETERMINANTS
from symnet.rewriting.rules.reductions import is_reduction

x, y = pattern_vars("x y")


def is_real(match: Match) -> bool:
    return match.out.type.dtype not in COMPLEX


# ---- exponentials, logarithms, sigmoids

SCALAR = [
    Rule("log_of_exp", log(exp(x)), x, is_real),
    Rule("log_of_sigmoid", log(sigmoid(x)), -softplus(-x)),
    Rule("log_of_one_minus_sigmoid", log(1 - sigmoid(x)), -softplus(x)),
    Rule("log_of_square", log(sqr(x)), 2 * log(absolute(x)), is_real),
    Rule("log_of_root", log(sqrt(x)), 0.5 * log(x), is_real),
    Rule("log_of_one_plus", log(1 + x), log1p(x), is_real),
    Rule("log_of_one_minus", log(1 - x), log1p(-x), is_real),
    Rule("log1p_of_exp", log1p(exp(x)), softplus(x), is_real),
    Rule("log1p_of_minus_sigmoid", log1p(-sigmoid(x)), -softplus(x)),
    Rule("exp_minus_one", exp(x) - 1, expm1(x), is_real),
    Rule("one_minus_exp", 1 - exp(x), -expm1(x), is_real),
    Rule("one_minus_erf", 1 - erf(x), erfc(x)),
    Rule("one_minus_erfc", 1 - erfc(x), erf(x)),
    Rule("one_plus_erf", 1 + erf(x), erfc(-x)),
    Rule("exp_by_one_plus_exp", true_div(exp(x), 1 + exp(x)), sigmoid(x), is_real),
    Rule("divide_by_one_plus_exp", true_div(y, 1 + exp(x)), y * sigmoid(-x), is_real),
]


# ---- softmax


def made_by(variable: Variable, kind: Any) -> Apply | None:
    """The operation that makes `variable`, if its op is `kind` (an op, class or classes)."""
    node = variable.owner
    if node is None:
        return None
    fits = (
        isinstance(node.op, kind)
        if isinstance(kind, (type, tuple))
        else node.op == kind
    )
    return node if fits else None


def _log_of_softmax(match: Match) -> Variable | None:
    """Also of a part of a softmax, or of one with its axes moved."""
    steps = []
    variable = match.node.inputs[0]
    while node := made_by(
        variable, (DimShuffle, Reshape, Subtensor, AdvancedSubtensor, Pick)
    ):
        steps.append(node)
        variable = node.inputs[0]
    softmax = made_by(variable, Softmax)
    if softmax is None:
        return None
    result: Variable = LogSoftmax(softmax.op.axis)(softmax.inputs[0])
    for node in reversed(steps):
        result = node.op(result, *node.inputs[1:])
    return result


def _exp_of_logsoftmax(match: Match) -> Variable | None:
    node = made_by(match.node.inputs[0], LogSoftmax)
    return None if node is None else Softmax(node.op.axis)(node.inputs[0])


def reduced_axis(variable: Variable, kind: str) -> tuple[Variable, int] | None:
    """(x, axis) where `variable` is a reduction of x over one axis, which is put back
    with size 1 (new axes in front may be left out, as broadcasting adds them)."""
    order: tuple[int | str, ...] | None = None
    if node := made_by(variable, DimShuffle):
        order, variable = node.op.new_order, node.inputs[0]
    found = is_reduction(variable, kind)
    if found is None or len(found.op.axes) != 1:
        return None
    operand, (axis,) = found.inputs[0], found.op.axes
    rank = operand.type.ndim
    kept = iter(range(rank - 1))
    wanted = tuple("x" if k == axis else next(kept) for k in range(rank))
    if order is None:
        order = tuple(range(rank - 1))
    full = ("x",) * (rank - len(order)) + order
    return (operand, axis) if full == wanted else None


def _softmax_written_out(match: Match) -> Variable | None:
    """exp(x) / exp(x).sum(axis, keepdims=True)."""
    powers, total = match.node.inputs
    found = reduced_axis(total, "sum")
    node = made_by(powers, exp)
    if node is None or found is None or found[0] is not powers:
        return None
    return Softmax(found[1])(node.inputs[0])  # type: ignore[no-any-return]


def _product_of_softmax_parts(match: Match) -> Variable | None:
    """exp(x) * (y / exp(x).sum(axis, keepdims=True)), as the gradient of a logsumexp."""
    for powers, other in (match.node.inputs, match.node.inputs[::-1]):
        node = made_by(powers, exp)
        parts = _divided_by_total(other) if node is not None else None
        if node is not None and parts is not None and parts[1] is powers:
            return mul(parts[0], Softmax(parts[2])(node.inputs[0]))  # type: ignore[no-any-return]
    return None


def _divided_by_total(variable: Variable) -> tuple[Variable, Variable, int] | None:
    """(y, x, axis) where `variable` is y / x.sum(axis), with the axis put back."""
    moved = made_by(variable, DimShuffle)
    quotient = made_by(moved.inputs[0] if moved else variable, true_div)
    if quotient is None:
        return None
    numerator, total = quotient.inputs
    if moved is None:
        found = reduced_axis(total, "sum")
        return None if found is None else (numerator, *found)
    if total.type.ndim != quotient.outputs[0].type.ndim:
        return None  # an axis in front of it comes from broadcasting
    found = reduced_axis(moved.op(total), "sum")
    if found is None:
        return None
    small = numerator.type.ndim == 0
    return (numerator if small else moved.op(numerator), *found)


def _softmax_of_shifted(match: Match) -> Variable | None:
    """softmax(x - max(x)): it subtracts the maximum itself."""
    node, axis = made_by(match.node.inputs[0], sub), match.node.op.axis
    if node is None:
        return None
    operand, shift = node.inputs
    found = reduced_axis(shift, "max")
    return match.node.op(operand) if found == (operand, axis) else None


def _log_of_sum_of_exp(match: Match) -> Variable | None:
    """log(sum(exp(x))), as one operation that takes the maximum out first."""
    total = is_reduction(match.node.inputs[0], "sum")
    powers = made_by(total.inputs[0], exp) if total is not None else None
    if total is None or powers is None or powers.outputs[0].type.dtype in COMPLEX:
        return None
    operand, axes = powers.inputs[0], total.op.axes
    if not axes or total.op.dtype != operand.type.dtype or _is_shifted(operand):
        return None
    return LogSumExp(axes)(operand)  # type: ignore[no-any-return]


def _is_shifted(variable: Variable) -> bool:
    """Whether `variable` is x minus its maximum."""
    node = made_by(variable, sub)
    if node is None:
        return False
    shift = node.inputs[1]
    if below := made_by(shift, DimShuffle):
        shift = below.inputs[0]
    top = is_reduction(shift, "max")
    return top is not None and top.inputs[0] is node.inputs[0]


SOFTMAX = [
    Rule("softmax_written_out", true_div, _softmax_written_out),
    Rule("product_of_softmax_parts", mul, _product_of_softmax_parts),
    Rule("softmax_of_shifted", Softmax, _softmax_of_shifted),
    Rule("log_of_softmax", log, _log_of_softmax),
    Rule("exp_of_logsoftmax", exp, _exp_of_logsoftmax),
    Rule("log_of_sum_of_exp", log, _log_of_sum_of_exp),
]

STABILITY: list[Rule] = [*DETERMINANTS, *SOFTMAX, *SCALAR]
