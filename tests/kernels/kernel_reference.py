"""What a kernel means, by the reference device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.kernels.llvm import kernel_cache
from symnet.kernels.loopir.scalars import Kernel, Operand
from symnet.kernels.reference.interpret_launch import launch


def operand(dtype: str, axes: Sequence[int] = (), indexed: int = 0) -> Operand:
    return Operand(dtype, tuple(bool(a) for a in axes), indexed)


def spread(array: Any, described: Operand) -> Any:
    """A view with an axis for every loop axis (size 1 where it does not move)."""
    moving = [k for k, moves in enumerate(described.axes) if not moves]
    return np.expand_dims(array, [described.indexed + k for k in moving])


def expected(kernel: Kernel, sizes: Sequence[int], arrays: Sequence[Any]) -> list[Any]:
    """The outputs of a kernel, as new arrays."""
    operands = [*kernel.inputs, *(out.operand for out in kernel.outputs)]
    own = [np.array(a, order="C") for a in arrays]
    launch(kernel, sizes, [spread(a, o) for a, o in zip(own, operands, strict=True)])
    return own[len(kernel.inputs) :]


def forget_kernels() -> None:
    """Know no kernel any more, like a process that begins."""
    kernel_cache._known.clear()
    kernel_cache._recent.clear()
