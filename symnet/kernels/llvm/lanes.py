"""Instructions on a number of lanes, in the words of the loop IR."""

from __future__ import annotations

from collections.abc import Callable

from symnet.kernels.llvm.text import (
    REGISTER,
    Scope,
    is_float,
    is_signed,
    mangled,
    splat_constant,
    type_text,
)

COMPARE = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}


class Lanes:
    """Shorthand for writing instructions on `lanes` lanes (0: a scalar) into a scope."""

    def __init__(self, scope: Scope, lanes: int) -> None:
        self.scope = scope
        self.lanes = lanes

    def type(self, dtype: str) -> str:
        return type_text(REGISTER[dtype], self.lanes)

    def constant(self, value: float | str, dtype: str) -> str:
        return splat_constant(value, dtype, self.lanes)

    def binary(self, name: str, dtype: str, left: str, right: str) -> str:
        return self.scope.emit(f"{name} {self.type(dtype)} {left}, {right}")

    def compare(self, op: str, dtype: str, left: str, right: str) -> str:
        if is_float(dtype):
            return self.binary(f"fcmp {COMPARE.get(op, op)}", dtype, left, right)
        sign = "" if op in ("eq", "ne") else "s" if is_signed(dtype) else "u"
        return self.binary(f"icmp {sign}{op}", dtype, left, right)

    def select(self, condition: str, dtype: str, yes: str, no: str) -> str:
        kind = self.type(dtype)
        return self.scope.emit(
            f"select {self.type('bool')} {condition}, {kind} {yes}, {kind} {no}"
        )

    def intrinsic(self, name: str, dtype: str, *values: str) -> str:
        kind = self.type(dtype)
        function = f"llvm.{name}.{mangled(REGISTER[dtype], self.lanes)}"
        return self.scope.call(function, kind, [(kind, value) for value in values])

    def convert(self, how: str, source: str, dtype: str, value: str) -> str:
        return self.scope.emit(
            f"{how} {self.type(source)} {value} to {self.type(dtype)}"
        )


def rarely(
    on: Lanes,
    where: Lanes,
    condition: str,
    dtype: str,
    usual: str,
    other: Callable[[], str],
) -> str:
    """`usual`, but `other` in the lanes in which the condition holds, computed only if
    there are any.  `where` has the lanes of the condition (0: one for all lanes)."""
    scope, fresh = on.scope, on.scope.module.fresh
    before, rare, last, done = (fresh(s) for s in ("usual", "rare", "last", "done"))
    scope.line(f"br label %{before}")
    scope.label(before)
    some = condition
    if where.lanes:
        function = f"llvm.vector.reduce.or.{mangled('i1', where.lanes)}"
        some = scope.call(function, "i1", [(where.type("bool"), condition)])
    scope.line(f"br i1 {some}, label %{rare}, label %{done}")
    scope.label(rare)
    chosen = other()
    if where.lanes:
        chosen = on.select(condition, dtype, chosen, usual)
    scope.line(f"br label %{last}")
    scope.label(last)
    scope.line(f"br label %{done}")
    scope.label(done)
    return scope.emit(
        f"phi {on.type(dtype)} [ {usual}, %{before} ], [ {chosen}, %{last} ]"
    )
