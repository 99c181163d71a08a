"""Rules of checks: they move outwards, so that they hide no form from other rules."""

from __future__ import annotations

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
    for place, operand in enumerate(node.inputs):
        below = operand.owner
        if below is not None and isinstance(below.op, Checked):
            value, *operands = below.inputs
            inputs = [*node.inputs[:place], value, *node.inputs[place + 1 :]]
            made = node.op.make_node(*inputs).outputs
            return [below.op(v, *operands) for v in made]
    return None


def _made_anyway(match: Match) -> Variable | None:
    """checked(x, y) is x where making x checks the same."""
    value: Variable = match.node.inputs[0]
    return value if match.still_checked([match.out], value) else None


CHECKS: list[Rule] = [
    Rule("check_made_anyway", Checked, _made_anyway),
    Rule("check_outwards", TensorOp, _outwards, operands=(Checked,)),
]
