"""Rules of parts of arrays and of writing to them.

A gradient with respect to a part is an array of zeros to which a little is added.  Such an
array is never made where it is only scaled and added to another one: the addition goes to
that other one directly.  (Scaling then leaves the untouched elements alone, also where the
factor is NaN or infinite.)
"""

from __future__ import annotations

from symnet.graph.variables import Apply, Constant, Variable
from symnet.ops.advanced import AdvancedIncSubtensor, AdvancedSubtensor, Stretched
from symnet.ops.arithmetic import add, mul, neg, second, sub, true_div
from symnet.ops.elementwise import Elementwise
from symnet.ops.shape import DimShuffle, dimshuffle
from symnet.ops.sizes import MakeVector
from symnet.ops.subtensor import IncSubtensor, Subtensor
from symnet.rewriting.patterns import Match, Rule, number
from symnet.rewriting.rules.shapes import filled


def increment_of_zeros(variable: Variable, match: Match) -> Apply | None:
    """The operation that adds to a part of zeros, if that makes `variable` and nothing
    else needs it.  Setting a part that has no position twice is adding, too."""
    node = variable.owner
    if node is None or not isinstance(node.op, (IncSubtensor, AdvancedIncSubtensor)):
        return None
    if node.op.set and isinstance(node.op, AdvancedIncSubtensor):
        return None
    value = filled(node.inputs[0])
    base = node.inputs[0] if value is None else value
    return node if number(base) == 0 and match.used_once(variable) else None


def adding(node: Apply) -> IncSubtensor | AdvancedIncSubtensor:
    """The op that adds where `node` writes."""
    if isinstance(node.op, IncSubtensor):
        return IncSubtensor(node.op.pattern, set=False)
    return AdvancedIncSubtensor(node.op.axes, node.op.place, set=False)


def _add_to_part(match: Match) -> Variable | None:
    """x + inc_subtensor(zeros[i], y) is inc_subtensor(x[i], y); with minus, of -y."""
    left, right = match.node.inputs
    minus = match.node.op == sub
    for whole, part in ((left, right), (right, left))[: 1 if minus else 2]:
        node = increment_of_zeros(part, match)
        if node is not None and match.same_shape(whole, part):
            zeros, y, *rest = node.inputs
            if not match.still_checked([zeros], whole):
                continue
            return adding(node)(whole, neg(y) if minus else y, *rest)
    return None


def _scaled_part(match: Match) -> Variable | None:
    """c * inc_subtensor(zeros[i], y) is inc_subtensor(zeros[i], c * y) for a scalar c."""
    op, inputs = match.node.op, match.node.inputs
    places = (0,) if op in (neg, true_div) else (0, 1)
    for place in places:
        node = increment_of_zeros(inputs[place], match)
        if node is None or any(v.type.ndim for k, v in enumerate(inputs) if k != place):
            continue
        base, y, *rest = node.inputs
        if match.out.type.dtype != base.type.dtype:
            continue
        operands = [y if k == place else v for k, v in enumerate(inputs)]
        return node.applied_to(base, op(*operands), *rest)
    return None


def _fill_written(match: Match) -> Variable | None:
    """A fill written to the part whose shape it has: the part has the shape anyway."""
    x, y, *rest = match.node.inputs
    value, fill = filled(y), y.owner
    if value is None or fill is None or fill.op != second:
        return None
    part = fill.inputs[0].owner
    if part is None or not isinstance(part.op, (Subtensor, AdvancedSubtensor)):
        return None
    if part.inputs[1:] != rest or not match.same_shape(part.inputs[0], x):
        return None
    if not match.still_checked(part.inputs[:1], x):
        return None
    places = ("pattern",) if isinstance(part.op, Subtensor) else ("axes", "place")
    if any(getattr(part.op, n) != getattr(match.node.op, n, None) for n in places):
        return None
    return match.node.applied_to(x, value, *rest)


def _part_just_written(match: Match) -> Variable | None:
    """set_subtensor(x[i], y)[i] is y, where y has the part's shape."""
    node = match.node.inputs[0].owner
    if node is None or not isinstance(node.op, IncSubtensor) or not node.op.set:
        return None
    if (
        node.op.pattern != match.node.op.pattern
        or node.inputs[2:] != match.node.inputs[1:]
    ):
        return None
    y = node.inputs[1]
    base = node.inputs[0]
    fits = match.same_shape(y, match.out) and match.still_checked([base], y)
    return y if fits else None


def _part_of_elementwise(match: Match) -> Variable | None:
    """f(x, y)[i] is f(x[i], y[i]): only what is asked for is computed."""
    whole, node = match.node.inputs[0], match.node.inputs[0].owner
    if (
        node is None
        or not isinstance(node.op, Elementwise)
        or not match.used_once(whole)
    ):
        return None
    operands = []
    for v in node.inputs:
        if v.type.ndim == 0:
            operands.append(v)
        elif match.same_shape(v, whole):
            operands.append(match.node.op(v, *match.node.inputs[1:]))
        else:
            return None
    return node.op(*operands)


def _whole(match: Match) -> Variable | None:
    """x[:, :] is x."""
    bare = all(entry == "::" for entry in match.node.op.pattern)
    return match.node.inputs[0] if bare else None


def _row_of_one(match: Match) -> Variable | None:
    """x[None][0] is x."""
    whole, first, *rest = match.node.inputs
    node, pattern = whole.owner, match.node.op.pattern
    if node is None or not isinstance(node.op, DimShuffle) or pattern[0] != "i":
        return None
    order = node.op.new_order
    if order[:1] != ("x",) or number(first) not in (0, -1):
        return None
    row = dimshuffle(node.inputs[0], order[1:])
    return Subtensor(pattern[1:])(row, *rest) if pattern[1:] else row


def _element_of_vector(match: Match) -> Variable | None:
    """One of the scalars of which a vector was made."""
    node, place = match.node.inputs[0].owner, match.node.inputs[1:]
    if (
        node is None
        or not isinstance(node.op, MakeVector)
        or match.node.op.pattern != ("i",)
    ):
        return None
    if not isinstance(place[0], Constant):
        return None
    return node.inputs[int(place[0].data)]


def _stretched_to_own_shape(match: Match) -> Variable | None:
    """Of index arrays that certainly are of one shape none is stretched."""
    own, *others = match.node.inputs
    have = match.known.sizes(own)
    for axis in range(-own.type.ndim, 0):
        if own.type.shape[axis] == 1:
            continue
        for v in others:
            stretches = v.type.ndim < -axis or v.type.shape[axis] == 1
            if not stretches and match.known.sizes(v)[axis] is not have[axis]:
                return None
    return own


INDEXING: list[Rule] = [
    Rule("stretched_to_own_shape", Stretched, _stretched_to_own_shape),
    Rule("add_to_part", add, _add_to_part),
    Rule("subtract_from_part", sub, _add_to_part),
    *[Rule(f"scaled_part_{op.name}", op, _scaled_part) for op in (mul, neg, true_div)],
    Rule("fill_written_inc", IncSubtensor, _fill_written),
    Rule("fill_written_advanced", AdvancedIncSubtensor, _fill_written),
    Rule("part_just_written", Subtensor, _part_just_written),
    Rule("part_of_elementwise", Subtensor, _part_of_elementwise),
    Rule("whole_part", Subtensor, _whole),
    Rule("row_of_one", Subtensor, _row_of_one),
    Rule("element_of_vector", Subtensor, _element_of_vector),
]
