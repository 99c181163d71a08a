"""Host integers as Python: scalars that decide sizes, printed as one Python function."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from symnet.graph.types import INTEGERS
from symnet.kernels.loopir import scalars
from symnet.kernels.loopir.scalars import Scalar, walk
from symnet.kernels.loopir.views import choose, combine

_INFIX = {
    "add": "+", "sub": "-", "mul": "*",
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=",
    "and": "&", "or": "|", "xor": "^",
}  # fmt: skip
_FOLDABLE = ("add", "sub", "mul", "floordiv", "mod", "minimum", "maximum",
             "lt", "le", "gt", "ge", "eq", "ne")  # fmt: skip
_CALLS = {
    "minimum": "min", "maximum": "max", "abs": "abs", "floordiv": "floor_divide", "div": "divide",
    "mod": "modulo", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "rint": "rint",
    "sqrt": "sqrt",
}  # fmt: skip
HOST_OPS = frozenset(
    [*_INFIX, *_CALLS, "neg", "not", "select", "cast", "literal", "argument"]
)


def on_host(value: Scalar) -> bool:
    """Whether Python can compute this scalar from its arguments."""
    return fold(value) is not None


def fold(value: Scalar, done: dict[Scalar, Scalar] | None = None) -> Scalar | None:
    """The same expression with what is known of its integers computed and equals made one;
    None where Python cannot compute it from its arguments.

    done: what came of expressions so far, for what is made of them; more is put in.
    """
    done = {} if done is None else done
    stack = [value]
    while stack:
        node = stack[-1]
        if node not in done:
            if node.op not in HOST_OPS or node.dtype[0] == "c":
                return None
            waiting = [a for a in node.args if a not in done]
            if waiting:
                stack += waiting[::-1]
                continue
            found = _folded(node, [done[a] for a in node.args]) if node.args else node
            done[node] = done[found] = found  # what is folded already stays as it is
        stack.pop()
    return done[value]


def _folded(node: Scalar, args: Sequence[Scalar]) -> Scalar:
    """One step of an expression on arguments that are folded."""
    integers = all(a.dtype in ("int64", "bool") for a in args)
    if node.op in _FOLDABLE and integers and node.dtype in ("int64", "bool"):
        return combine(node.op, args[0], args[1])
    if node.op == "select" and integers:
        return choose(args[0], args[1], args[2])
    if node.op == "cast" and node.dtype == "int64" and integers:
        return _widen(args[0])
    return scalars.scalar(node.op, args, node.dtype, node.value)


def _widen(value: Scalar) -> Scalar:
    if value.op == "literal":
        return scalars.literal(int(value.value), "int64")
    return scalars.cast(value, "int64")


def print_function(results: Sequence[Scalar], name: str = "host") -> str:
    """Python source of a function from the host arguments to the tuple of results."""
    lines = [f"def {name}(a):"]
    names: dict[int, str] = {}
    for node in walk(results):
        if node.op == "literal":
            names[id(node)] = f"({node.value})"
        elif node.op == "argument":
            names[id(node)] = f"a[{node.value}]"
        else:
            names[id(node)] = f"t{len(names)}"
            lines.append(f"    {names[id(node)]} = {_expression(node, names)}")
    inner = ", ".join(names[id(r)] for r in results)
    lines.append(f"    return ({inner}{',' if len(results) == 1 else ''})")
    return "\n".join(lines)


def _expression(node: Scalar, names: dict[int, str]) -> str:
    """Python for one step.  Python's integers do not wrap and its floats are doubles:
    smaller dtypes are restored after each step (sizes themselves never leave int64)."""
    text = _step(node, names)
    whole = node.op in ("select", "minimum", "maximum", "cast")
    if whole or node.dtype in ("bool", "int64", "float64"):
        return text
    return f"cast({text}, {node.dtype!r})"


def _step(node: Scalar, names: dict[int, str]) -> str:
    args = [names[id(a)] for a in node.args]
    if node.op in _INFIX:
        return f"{args[0]} {_INFIX[node.op]} {args[1]}"
    if node.op == "select":
        return f"{args[1]} if {args[0]} else {args[2]}"
    if node.op == "neg":
        return f"-{args[0]}"
    if node.op == "not":
        return f"not {args[0]}" if node.dtype == "bool" else f"~{args[0]}"
    if node.op == "cast":
        return f"cast({args[0]}, {node.dtype!r})"
    return f"{_CALLS[node.op]}({', '.join(args)})"


def _floor_divide(a: Any, b: Any) -> Any:
    return a // b if b else 0


def _modulo(a: Any, b: Any) -> Any:
    return a % b if b else 0


def _divide(a: Any, b: Any) -> float:
    if b:
        return float(a / b)
    return math.copysign(math.inf, a) if a else math.nan


def _sqrt(a: Any) -> float:
    return math.sqrt(a) if a >= 0 else math.nan


def _rounded(function: Callable[[float], int]) -> Callable[[float], float]:
    return lambda a: function(a) if math.isfinite(a) else a


_BITS = {d: 8 * np.dtype(d).itemsize for d in INTEGERS}


def _cast(value: Any, dtype: str) -> Any:
    """A Python number as the dtype would hold it: integers wrap, floats are rounded."""
    if dtype == "bool":
        return bool(value)
    if dtype not in _BITS:
        with np.errstate(over="ignore"):
            return float(np.dtype(dtype).type(value))
    bits = _BITS[dtype]
    number = int(value) if math.isfinite(value) else -(2**63)
    number %= 1 << bits
    return number - (1 << bits) if dtype[0] == "i" and number >> (bits - 1) else number


_NAMES: dict[str, Any] = {
    "floor_divide": _floor_divide, "modulo": _modulo, "divide": _divide, "cast": _cast,
    "min": min, "max": max, "abs": abs, "sqrt": _sqrt, "floor": _rounded(math.floor),
    "ceil": _rounded(math.ceil), "trunc": _rounded(math.trunc), "rint": _rounded(round),
    "inf": math.inf, "nan": math.nan,
}  # fmt: skip


def make_function(
    results: Sequence[Scalar],
) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """A Python function from the list of host arguments to the values of `results`."""
    return _function(print_function(results))


@lru_cache(256)
def _function(text: str) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """What the text defines.  Python takes some 20 microseconds a line to compile it, and
    programs for arrays of as many axes often have the same."""
    space = dict(_NAMES)
    exec(compile(text, "<sizes>", "exec"), space)
    function: Callable[[Sequence[Any]], tuple[Any, ...]] = space["host"]
    return function
