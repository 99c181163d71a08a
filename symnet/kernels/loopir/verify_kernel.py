"""A kernel is well formed: what whoever prints it takes for granted.

For tests and DebugMode: a pass that makes a wrong kernel is found where it is made, and
not by a wrong number or a crash in machine code.
"""

from __future__ import annotations

from dataclasses import replace
from weakref import WeakSet

from symnet.kernels.loopir.scalars import (
    ARITHMETIC,
    COMPARISON,
    LOGIC,
    PARTS,
    REDUCTIONS,
    ROUNDING,
    Kernel,
    Output,
    Scalar,
    walk,
)


class KernelError(RuntimeError):
    """A kernel that is not well formed: a bug of symnet."""


SAME = frozenset([*ARITHMETIC, *LOGIC, *ROUNDING, "copysign"])
_known: WeakSet[Kernel] = WeakSet()


def verify_kernel(kernel: Kernel) -> None:
    """Check the types and operands of a kernel.

    - loads and gathers name an input that there is, with its dtype and indices;
    - arguments and results of primitives have the dtypes that they must have;
    - a reduction has axes to run over, and what it does not cover is not used behind it:
      an output moves along every axis along which its value differs.

    Raises: KernelError, with the kernel's text.
    """
    if kernel in _known:
        return
    try:
        _verify(kernel)
    except _Wrong as wrong:
        raise KernelError(f"{wrong}\n{kernel.text}") from None
    _known.add(kernel)


class _Wrong(Exception):
    """What is wrong."""


def _demand(holds: bool, what: str) -> None:
    if not holds:
        raise _Wrong(what)


def _verify(kernel: Kernel) -> None:
    rank = kernel.rank
    _demand(len(kernel.reduced) == rank, "each axis is reduced or kept")
    operands = [*kernel.inputs, *(output.operand for output in kernel.outputs)]
    for before, operand in zip([None, *operands], operands, strict=False):
        if operand.behind:
            real = replace(operand, behind=False)
            _demand(before == real, "imaginary parts lie behind real ones")
        _demand(len(operand.axes) == rank, "an operand says of each axis if it moves")
    varying: dict[Scalar, frozenset[int]] = {}
    for output in kernel.outputs:
        for node in walk([*output.indices, output.value]):
            if node not in varying:
                _verify_scalar(node, kernel)
                varying[node] = _varying(node, kernel, varying)
        _verify_output(output, varying[output.value])


def _varying(
    node: Scalar, kernel: Kernel, known: dict[Scalar, frozenset[int]]
) -> frozenset[int]:
    """The axes along which a value differs."""
    found = frozenset[int]().union(*(known[a] for a in node.args))
    if node.op in ("load", "gather"):
        moves = kernel.inputs[node.value].axes
        return found.union(axis for axis, moving in enumerate(moves) if moving)
    if node.op == "index":
        return frozenset([node.value])
    if node.op == "reduce":
        return frozenset(axis for axis in found if not kernel.reduced[axis])
    return found


def _verify_output(output: Output, varying: frozenset[int]) -> None:
    operand, value = output.operand, output.value
    _demand(value.dtype == operand.dtype, "an output stores a value of its dtype")
    _demand(len(output.indices) == operand.indexed, "an output has all its indices")
    _demand(all(i.dtype == "int64" for i in output.indices), "indices are int64")
    _demand(output.mode in ("set", "add"), f"no mode {output.mode!r}")
    if not output.indices:
        lost = [axis for axis in sorted(varying) if not operand.axes[axis]]
        _demand(not lost, f"an output does not move along i{lost}, as its value does")


def _verify_scalar(node: Scalar, kernel: Kernel) -> None:
    op, dtypes = node.op, [a.dtype for a in node.args]
    _demand(node.dtype not in PARTS, f"{op}: {node.dtype}, but kernels are real")
    if op in ("load", "gather"):
        _verify_read(node, kernel)
    elif op == "index":
        inside = 0 <= node.value < kernel.rank
        _demand(inside and node.dtype == "int64", f"no axis {node.value}")
    elif op == "argument":
        raise _Wrong("a kernel has no arguments, but operands")
    elif op == "reduce":
        _verify_reduction(node, kernel)
    elif op in COMPARISON:
        alike = len(dtypes) == 2 and dtypes[0] == dtypes[1]
        _demand(alike and node.dtype == "bool", f"{op} of {dtypes}: {node.dtype}")
    elif op in SAME:
        alike = bool(dtypes) and all(d == node.dtype for d in dtypes)
        _demand(alike, f"{op} of {dtypes}: {node.dtype}")
    elif op == "select":
        _demand(dtypes == ["bool", node.dtype, node.dtype], f"select of {dtypes}")
    elif op in ("isnan", "isinf"):
        _demand(len(dtypes) == 1 and node.dtype == "bool", f"{op}: {node.dtype}")


def _verify_read(node: Scalar, kernel: Kernel) -> None:
    _demand(0 <= node.value < len(kernel.inputs), f"no operand {node.value}")
    operand = kernel.inputs[node.value]
    _demand(node.dtype == operand.dtype, f"operand {node.value} is {operand.dtype}")
    _demand(len(node.args) == operand.indexed, f"{node.op} of operand {node.value}")
    _demand(all(a.dtype == "int64" for a in node.args), "indices are int64")


def _verify_reduction(node: Scalar, kernel: Kernel) -> None:
    _demand(node.value in REDUCTIONS and len(node.args) == 1, f"no {node.value}")
    _demand(any(kernel.reduced), "a reduction without axes to run over")
    position = node.value in ("argmax", "argmin")
    dtype = "int64" if position else node.args[0].dtype
    _demand(node.dtype == dtype, f"{node.value} of {node.args[0].dtype}: {node.dtype}")
