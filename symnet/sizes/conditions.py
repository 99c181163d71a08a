"""Conditions on sizes: which follow from which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.kernels.loopir.scalars import Scalar
from symnet.kernels.loopir.views import known


def implied(
    demands: frozenset[Any], held: frozenset[Any], shape: Sequence[Scalar] = ()
) -> bool:
    """Whether all of `demands` hold where `held` do, as far as is seen at once: by
    equalities taken together, and products that are positive by their factors.

    shape: of a result.  That it is not empty is not asked: no element of it can be wrong.
    """
    if demands <= held:
        return True
    ones: dict[Scalar, Scalar] = {}

    def one_of(value: Scalar) -> Scalar:
        while value in ones:
            value = ones[value]
        return value

    positive: set[Scalar] = set(shape)
    for condition in held:
        if not isinstance(condition, Scalar):
            continue
        if condition.op == "eq":
            left, right = map(one_of, condition.args)
            if left is not right:
                ones[left] = right
        elif condition.op == "gt" and known(condition.args[1]) == 0:
            positive.update(factors(condition.args[0]))

    def holds(condition: Any) -> bool:
        if not isinstance(condition, Scalar) or condition in held:
            return condition in held
        if condition.op == "eq":
            return one_of(condition.args[0]) is one_of(condition.args[1])
        positives = condition.op == "gt" and known(condition.args[1]) == 0
        return positives and all(f in positive for f in factors(condition.args[0]))

    return all(map(holds, demands))


def factors(value: Scalar) -> list[Scalar]:
    """The factors of a product of sizes."""
    if value.op != "mul":
        return [value]
    return [factor for part in value.args for factor in factors(part)]
