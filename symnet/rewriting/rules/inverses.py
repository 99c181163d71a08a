"""Inverse hyperbolic functions of what overflows, or comes too near to one.

arcsinh(a), arccosh(a)  are  log(2 a), where a is large: log(a) does not overflow
arctanh(a)              is   (log(1 + a) - log(1 - a)) / 2, where 1 - a is known by itself
arctanh(tanh(x))        is   x, and so is arcsinh(sinh(x)); arctanh(2 sigmoid(x) - 1) is x / 2
arccosh(1 + t)          is   2 arcsinh(sqrt(t / 2)), as of hyperbolic distances
"""

from __future__ import annotations

import math

from symnet.graph.types import FLOATS
from symnet.graph.variables import Variable
from symnet.ops.arithmetic import add, minimum, mul, sqrt, sub, switch
from symnet.ops.comparison import gt
from symnet.ops.functions import (
    arccosh,
    arcsinh,
    arctanh,
    log1p,
    sigmoid,
    sinh,
    tanh,
)
from symnet.rewriting.patterns import Match, Rule, number
from symnet.rewriting.rules.complements import complement
from symnet.rewriting.rules.logged import RewriteBudget, as_wide, pure_log_of
from symnet.rewriting.rules.saturation import affine_of


def _of_large(match: Match) -> Variable | None:
    """log(2 a) in the place of arcsinh(a) and arccosh(a), where a is large."""
    node = match.node
    (a,) = node.inputs
    # sinh and exp of complex numbers are periodic.
    if a.type.dtype not in FLOATS or match.out.type.dtype != a.type.dtype:
        return None
    if a.owner is not None and (node.op, a.owner.op) == (arcsinh, sinh):
        return a.owner.inputs[0]
    found = pure_log_of(a)
    if found is None or not found.over or found.shifts:
        return None
    # 1 / (2 a)**2, by which the two differ, is less than the last bit from here on.
    far = 8.0 if a.type.dtype == "float16" else 20.0
    level = as_wide(found.make(), match.out)
    near = node.op(minimum(a, math.exp(far + 1)))
    result: Variable = switch(gt(level, far), add(level, math.log(2)), near)
    return result


def _arctanh(match: Match) -> Variable | None:
    (a,) = match.node.inputs
    if match.out.type.dtype not in FLOATS or match.out.type.dtype != a.type.dtype:
        return None
    if a.owner is not None and a.owner.op == tanh:
        return a.owner.inputs[0]
    part = affine_of(a)
    made = part.base.owner
    ends = (part.shift, part.factor) in ((-1.0, 2.0), (1.0, -2.0))
    if made is not None and made.op == sigmoid and ends:  # tanh(x / 2), or minus that
        return mul(made.inputs[0], part.factor / 4)
    rest = complement(a, RewriteBudget())
    if pure_log_of(a) is None or rest is None or not rest.risky or rest.shifts:
        return None
    half: Variable = mul(sub(log1p(a), rest.make()), 0.5)
    return half


def _of_one_and_more(match: Match) -> Variable | None:
    """arccosh(1 + t), of which a small t keeps its digits."""
    node = match.node
    if match.out.type.dtype not in FLOATS or node.inputs[0].type != match.out.type:
        return None
    a = node.inputs[0].owner
    if a is None or a.op != add:
        return None
    for one, t in (a.inputs, a.inputs[::-1]):
        if number(one) == 1 and one.type.ndim == 0:
            return mul(arcsinh(sqrt(mul(t, 0.5))), 2)
    return None


INVERSES = [
    Rule("arccosh_of_one_and_more", arccosh, _of_one_and_more),
    Rule("arcsinh_of_exponentials", arcsinh, _of_large),
    Rule("arccosh_of_exponentials", arccosh, _of_large),
    Rule("arctanh_of_what_saturates", arctanh, _arctanh),
]
