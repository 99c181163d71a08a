"""Functions that are not arithmetic: C functions of float64, called lane by lane."""

from __future__ import annotations

from collections.abc import Sequence

from symnet.kernels.llvm.huge_angles import huge_angle
from symnet.kernels.llvm.primitives import apply
from symnet.kernels.llvm.text import REGISTER, Scope, type_text
from symnet.kernels.loopir.scalars import Scalar

ANGLES = {f"libm_{name}": name for name in ("sin", "cos", "tan")}


def external_symbol(function: str) -> str:
    """The name under which the linker finds such a function."""
    return f"symnet_{function}"


def write_external(
    scope: Scope, entry: Scope, node: Scalar, values: list[str], lanes: int
) -> str:
    """The result of a function of `values`, for each lane; `entry` has its memory.

    The lanes pass through memory in a loop: as many calls in a row would take longer to
    compile than all the rest.
    Raises: NotImplementedError where a point is a thread, for which there are sines of huge
    numbers (`huge_angles`), but no C functions.
    """
    if not lanes:
        return call_external(scope, node, values)
    dtypes = [*(a.dtype for a in node.args), node.dtype]
    kinds = [type_text(REGISTER[dtype], lanes) for dtype in dtypes]
    slots = [entry.emit(f"alloca {kind}") for kind in kinds]
    for kind, value, slot in zip(kinds, values, slots, strict=False):
        scope.line(f"store {kind} {value}, ptr {slot}")
    fresh = scope.module.fresh
    before, inside, after = map(fresh, ("before", "lane", "after"))
    lane, following = f"%{fresh()}", f"%{fresh()}"
    scope.line(f"br label %{before}")
    scope.label(before)
    scope.line(f"br label %{inside}")
    scope.label(inside)
    scope.line(f"{lane} = phi i64 [ 0, %{before} ], [ {following}, %{inside} ]")
    call_one(scope, node, slots, lane)
    scope.line(f"{following} = add i64 {lane}, 1")
    more = scope.emit(f"icmp ult i64 {following}, {lanes}")
    scope.line(f"br i1 {more}, label %{inside}, label %{after}")
    scope.label(after)
    return scope.emit(f"load {kinds[-1]}, ptr {slots[-1]}")


def call_one(scope: Scope, node: Scalar, slots: Sequence[str], lane: str) -> None:
    """Call a function on one lane of vectors in memory, the last of them its own."""
    places = [
        scope.emit(f"getelementptr {REGISTER[a.dtype]}, ptr {slot}, i64 {lane}")
        for a, slot in zip([*node.args, node], slots, strict=True)
    ]
    values = [
        scope.emit(f"load {REGISTER[a.dtype]}, ptr {place}")
        for a, place in zip(node.args, places, strict=False)
    ]
    result = call_external(scope, node, values)
    scope.line(f"store {REGISTER[node.dtype]} {result}, ptr {places[-1]}")


def call_external(scope: Scope, node: Scalar, values: Sequence[str]) -> str:
    arguments = []
    for value, argument in zip(values, node.args, strict=True):
        wide = apply(scope, "cast", "float64", [argument.dtype], [value], 0)
        arguments.append(("double", wide))
    if not scope.module.target.threads:
        result = scope.call(external_symbol(node.op), "double", arguments)
    elif node.op in ANGLES:
        result = huge_angle(scope, ANGLES[node.op], arguments[0][1])
    else:
        raise NotImplementedError(f"no instructions for {node.op} on a GPU")
    return apply(scope, "cast", node.dtype, ["float64"], [result], 0)
