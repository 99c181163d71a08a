"""Rules of checks: they move outwards, so that they hide no form from other rules."""

from __future__ import annotations

from symnet.graph.op import Op
from symnet.graph.variables import Variable
from symnet.ops.base import TensorOp
from symnet.ops.checks import Checked
from symnet.rewriting.patterns import Match, Rule


def _outwards(match: Match) -> list[Variable] | None:
    """f(checked(x, y)) is checked(f(x), y): whether a check is made before or after."""
    node = match.node
    # A condition makes the checks of one of its branches only.
    if isinstance(node.op, Checked) or node.op.lazy:
        return None
    checks: list[tuple[Op, list[Variable]]] = []
    inputs = [_without_checks(v, checks) for v in node.inputs]
    if not checks:
        return None
    outputs = [*node.op.make_node(*inputs).outputs]
    for check, operands in reversed(checks):
        outputs = [check(v, *operands) for v in outputs]
    return outputs


def _without_checks(v: Variable, checks: list[tuple[Op, list[Variable]]]) -> Variable:
    """What is checked; the checks around it are added, the outermost first.  All at once:
    each would be a rewrite for every operation that it passes."""
    while v.owner is not None and isinstance(v.owner.op, Checked):
        check, (v, *operands) = v.owner.op, v.owner.inputs
        if (check, operands) not in checks:
            checks.append((check, operands))
    return v


def _made_anyway(match: Match) -> Variable | None:
    """checked(x, y) is x where making x checks the same."""
    value: Variable = match.node.inputs[0]
    return value if match.still_checked([match.out], value) else None


CHECKS: list[Rule] = [
    Rule("check_made_anyway", Checked, _made_anyway),
    Rule("check_outwards", TensorOp, _outwards, operands=(Checked,)),
]
