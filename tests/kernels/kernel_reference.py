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


def samples(dtype: str, count: int, seed: int = 0) -> Any:
    """Numbers of all sizes with the special ones among them."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype).kind
    if kind == "b":
        return rng.random(count) < 0.5
    if kind in "iu":
        limits = np.iinfo(dtype)
        wide = rng.integers(limits.min, limits.max, count, dtype=dtype, endpoint=True)
        small = rng.integers(0 if kind == "u" else -9, 9, count).astype(dtype)
        values = np.where(rng.random(count) < 0.5, wide, small)
        special = [limits.min, limits.max, 0, 1, 2, limits.max // 2]
    else:
        values = rng.standard_normal(count) * 10.0 ** rng.integers(-3, 4, count)
        values = values.astype(dtype)
        special = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.5, 2.5, 0.5]
        special = [float(s) for s in special]
    places = rng.choice(count, min(count // 2, 2 * len(special)), replace=False)
    values[places] = np.resize(np.array(special, dtype), len(places))
    return values


def same(got: Any, want: Any, ulps: int = 0) -> None:
    if not ulps or got.dtype.kind != "f":
        np.testing.assert_array_equal(got, want)
        return
    eps = float(np.finfo(got.dtype).eps)
    np.testing.assert_allclose(
        got, want, rtol=ulps * eps, atol=float(np.finfo(got.dtype).tiny)
    )
