"""Functions of float32 as a GPU's hardware approximates them, for `config.gpu_approximate`.

Sines and cosines are left out: beyond a few turns the hardware's are wrong in all digits.
Source: "PTX ISA", floating-point instructions ex2, lg2, tanh, rcp (errors there).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log, log2

from symnet.kernels.llvm.text import Scope
from symnet.kernels.loopir.scalars import Scalar, cast, scalar, walk

INSTRUCTIONS = ("ex2", "lg2", "tanh")


def instruction(name: str, x: Scalar) -> Scalar:
    return scalar("approximate", (x,), "float32", name)


APPROXIMATE: dict[str, Callable[[Scalar], Scalar]] = {
    "exp": lambda x: instruction("ex2", x * log2(2.718281828459045)),
    "exp2": lambda x: instruction("ex2", x),
    "log": lambda x: instruction("lg2", x) * log(2),
    "log2": lambda x: instruction("lg2", x),
    "log10": lambda x: instruction("lg2", x) * (log(2) / log(10)),
    "tanh": lambda x: instruction("tanh", x),
    "sigmoid": lambda x: instruction("tanh", x * 0.5) * 0.5 + 0.5,
}


def approximated(roots: Sequence[Scalar]) -> list[Scalar]:
    """The `roots` with what the hardware approximates in place of functions of float32 and
    float16."""
    new: dict[Scalar, Scalar] = {}
    for node in walk(roots):
        args = tuple(new[a] for a in node.args)
        if node.op in APPROXIMATE and node.dtype in ("float32", "float16"):
            (x,) = args
            value = APPROXIMATE[node.op](cast(x, "float32"))
            new[node] = cast(value, node.dtype)
        elif all(a is b for a, b in zip(args, node.args, strict=True)):
            new[node] = node
        else:
            new[node] = scalar(node.op, args, node.dtype, node.value)
    return [new[root] for root in roots]


def write_instruction(scope: Scope, name: str, value: str) -> str:
    """The hardware's result.  LLVM has no name of its own for all of them."""
    return scope.emit(
        f'call float asm "{name}.approx.f32 $0, $1;", "=f,f"(float {value})'
    )
