"""Python's operators, and Theano's methods, on variables."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from symnet.errors import message
from symnet.graph.origin import capture
from symnet.graph.variables import TensorLike, Variable, operand_text
from symnet.ops import arithmetic, comparison, whole_numbers
from symnet.ops.base import as_tensor
from symnet.ops.complex_parts import conj, imag, real
from symnet.ops.elementwise import cast
from symnet.ops.methods import method, on_the_left, prop, unary

BINARY: dict[str, Callable[..., Any]] = {
    "add": arithmetic.add,
    "sub": arithmetic.sub,
    "mul": arithmetic.mul,
    "truediv": arithmetic.true_div,
    "floordiv": arithmetic.int_div,
    "mod": arithmetic.mod,
    "pow": arithmetic.pow,
    "and": comparison.and_,
    "or": comparison.or_,
}
# `==` and `!=` stay identity: variables are keys of dictionaries.  T.eq and T.neq compare.
COMPARISON: dict[str, Callable[..., Any]] = {
    "lt": comparison.lt,
    "le": comparison.le,
    "gt": comparison.gt,
    "ge": comparison.ge,
}
# The comparison that the other operand is asked for; of other operators it is "r" and the name.
MIRRORED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}
UNARY: dict[str, Callable[..., Any]] = {
    "neg": arithmetic.neg,
    "abs": arithmetic.absolute,
    "invert": comparison.invert,
    "floor": whole_numbers.floor,
    "ceil": whole_numbers.ceil,
    "trunc": whole_numbers.trunc,
}


def _attach_operators() -> None:
    for name, function in {**BINARY, **COMPARISON}.items():
        method(f"__{name}__")(on_the_left(function, MIRRORED.get(name, f"r{name}")))
    for name, function in BINARY.items():
        method(f"__r{name}__")(_reflected(function))
    for name, function in UNARY.items():
        method(f"__{name}__")(unary(function))


def _reflected(function: Callable[..., Variable]) -> Callable[..., Any]:
    def apply(self: Variable, other: TensorLike) -> Variable:
        return function(other, self)

    return apply


_attach_operators()


@method("__divmod__")
def _divmod(self: Variable, other: TensorLike) -> tuple[Variable, Variable]:
    return arithmetic.divmod(self, other)


@method("__rdivmod__")
def _reflected_divmod(self: Variable, other: TensorLike) -> tuple[Variable, Variable]:
    return arithmetic.divmod(other, self)


@method("__pos__")
def _positive(self: Variable) -> Variable:
    return self


@method("__xor__")
def _xor(self: Variable, other: TensorLike) -> Variable:
    """Exclusive or.  Raises: TypeError for floats, where a power was meant."""
    return _exclusive_or(self, other, self, other)


@method("__rxor__")
def _reflected_xor(self: Variable, other: TensorLike) -> Variable:
    return _exclusive_or(other, self, self, other)


def _exclusive_or(left: Any, right: Any, variable: Variable, other: Any) -> Variable:
    operands = [as_tensor(left, truth=True), as_tensor(right, truth=True)]
    if any(np.dtype(v.type.dtype).kind not in "biu" for v in operands):
        raise TypeError(
            message(
                "^ is exclusive or, of integers and booleans only",
                operands=map(operand_text, operands),
                cure="for a power write x ** 2",
            )
        )
    result: Variable = comparison.xor(*operands)
    return result


@method("__round__")
def _round(self: Variable, ndigits: int | None = None) -> Variable:
    if ndigits is not None:
        raise TypeError(
            "round(x) of a variable takes no digits: scale, round, scale back"
        )
    return whole_numbers.round(self)


@method("__bool__")
def _truth(self: Variable) -> bool:
    """True, for the variable is there: so `if not x` finds what is absent or empty.

    Raises: TypeError for a comparison: the values compared do not exist yet.
    """
    if not _compares(self):
        return True
    if Equality.is_there and self.owner.op in (comparison.eq, comparison.neq):  # type: ignore[union-attr]
        text = "as in Theano, this is true because the comparison is there, whatever its values"
        cure = "`is None` asks for absence, T.switch and ifelse choose by values"
        warnings.warn(
            message(text, operands=[operand_text(self)], origin=capture(), cure=cure),
            stacklevel=2,
        )
        return True
    raise TypeError(
        message(
            "a comparison of variables has no truth value: their values do not exist yet",
            operands=[operand_text(self)],
            cure="write T.switch(condition, a, b) or ifelse(condition, a, b) instead of "
            "`if`, a & b, a | b, ~a instead of `and`, `or`, `not`, and T.and_(a < x, x < b) "
            "instead of a < x < b; T.eq compares; `is None` asks for absence",
        )
    )


class Equality:
    """Whether T.eq(x, y) and T.neq(x, y) count as what is there, as in Theano, in which only
    the operators < <= > >= have no truth value."""

    is_there = False


COMPARING = [
    comparison.lt, comparison.le, comparison.gt, comparison.ge, comparison.eq,
    comparison.neq,
]  # fmt: skip
COMBINING = [comparison.and_, comparison.or_, comparison.xor, comparison.invert]


def _compares(variable: Variable) -> bool:
    """Whether the variable is a comparison, or several by `&`, `|`, `~`, `all` or `any`."""
    stack, seen = [variable], set()
    while stack:
        node = stack.pop().owner
        if node is None or node in seen or node.outputs[0].type.dtype != "bool":
            continue
        seen.add(node)
        if node.op in COMPARING:
            return True
        if node.op in COMBINING or getattr(node.op, "kind", "") in ("all", "any"):
            stack += node.inputs
    return False


@method("__len__")
def _length(self: Variable) -> NoReturn:
    """Raises: TypeError always: sizes are known when a function runs."""
    raise TypeError(f"{self} has no len(): write x.shape[0] for its symbolic size")


@method("__int__", "__index__", "__float__", "__complex__")
def _number(self: Variable) -> NoReturn:
    """Raises: TypeError always: the value does not exist yet."""
    raise TypeError(
        message(
            "a symbolic variable is not a Python number",
            operands=[operand_text(self)],
            cure="T.cast(x, dtype) converts inside the graph; T.arange(n) and symnet.scan "
            "count to it; x.eval() computes the value",
        )
    )


@prop("ndim")
def _ndim(self: Variable) -> int:
    return int(self.type.ndim)


@prop("dtype")
def _dtype(self: Variable) -> str:
    return str(self.type.dtype)


@prop("broadcastable")
def _broadcastable(self: Variable) -> tuple[bool, ...]:
    return tuple(self.type.broadcastable)


@method("astype")
def _astype(self: Variable, dtype: Any) -> Variable:
    """The variable with each element converted to `dtype`."""
    return cast(self, dtype)


@method("clip")
def _clip(self: Variable, a_min: TensorLike, a_max: TensorLike) -> Variable:
    return arithmetic.clip(self, a_min, a_max)


method("round")(whole_numbers.round)
for _op in (
    arithmetic.log, arithmetic.sqrt, whole_numbers.ceil, whole_numbers.floor,
    whole_numbers.trunc,
):  # fmt: skip
    method(_op.name)(unary(_op))
method("conj", "conjugate")(unary(conj))
prop("real")(real)
prop("imag")(imag)
