"""What a kernel means, in NumPy: each scalar an array over the whole loop nest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.kernels.llvm import kernel_cache
from symnet.kernels.loopir.interpret import MEANING
from symnet.kernels.loopir.scalars import Kernel, Operand, Scalar, walk

REDUCE = {
    "sum": np.add.reduce,
    "prod": np.multiply.reduce,
    "max": np.maximum.reduce,
    "min": np.minimum.reduce,
    "all": np.logical_and.reduce,
    "any": np.logical_or.reduce,
}
FUNCTIONS = {"exp": np.exp, "log": np.log, "tanh": np.tanh, "sin": np.sin}


def operand(dtype: str, axes: Sequence[int] = (), indexed: int = 0) -> Operand:
    return Operand(dtype, tuple(bool(a) for a in axes), indexed)


def spread(array: Any, axes: Sequence[bool], indexed: int = 0) -> Any:
    """An operand with an axis for every loop axis (size 1 where it does not move)."""
    shape = iter(array.shape[indexed:])
    return array.reshape(
        array.shape[:indexed] + tuple(next(shape) if m else 1 for m in axes)
    )


class Reference:
    """Evaluates kernels; float sums are made in long double."""

    def __init__(
        self, kernel: Kernel, sizes: Sequence[int], arrays: Sequence[Any]
    ) -> None:
        self.kernel, self.sizes = kernel, tuple(sizes)
        self.arrays = [np.asarray(a).copy() for a in arrays]
        self.reduced = tuple(k for k, r in enumerate(kernel.reduced) if r)

    def run(self) -> list[Any]:
        """The outputs, as new arrays."""
        kernel = self.kernel
        first = len(kernel.inputs)
        roots = [r for out in kernel.outputs for r in (*out.indices, out.value)]
        values: dict[Scalar, Any] = {}
        with np.errstate(all="ignore"):
            for node in walk(roots):
                args = [values[a] for a in node.args]
                values[node] = np.asarray(self.value(node, args)).astype(
                    node.dtype, copy=False
                )
        results = []
        for k, out in enumerate(kernel.outputs):
            target = self.arrays[first + k]
            value = values[out.value].astype(out.operand.dtype)
            if out.indices:
                self.scatter(target, out, [values[i] for i in out.indices], value)
            else:
                full = spread(target, out.operand.axes)
                full[...] = np.broadcast_to(
                    value, np.broadcast_shapes(value.shape, full.shape)
                )
                target[...] = full.reshape(target.shape)
            results.append(target)
        return results

    def value(self, node: Scalar, args: list[Any]) -> Any:
        if node.op == "literal":
            return np.array(
                float(node.value) if isinstance(node.value, str) else node.value
            )
        if node.op == "load":
            return spread(self.arrays[node.value], self.kernel.inputs[node.value].axes)
        if node.op == "gather":
            source = self.kernel.inputs[node.value]
            array = spread(self.arrays[node.value], source.axes, source.indexed)
            shape = np.broadcast_shapes(
                *(a.shape for a in args), array.shape[source.indexed :]
            )
            rest = np.indices(shape, sparse=True)
            inner = array.shape[source.indexed :]
            places = [np.zeros_like(r) if n == 1 else r for r, n in zip(rest, inner)]
            return array[(*args, *places)]
        if node.op == "index":
            shape = [1] * len(self.sizes)
            shape[node.value] = self.sizes[node.value]
            return np.arange(self.sizes[node.value]).reshape(shape)
        if node.op == "reduce":
            return self.reduce(node, args[0])
        if node.op in ("cast", "bitcast"):
            return MEANING[node.op](args[0], node.dtype)
        return MEANING.get(node.op, FUNCTIONS.get(node.op))(*args)

    def reduce(self, node: Scalar, array: Any) -> Any:
        array = array.reshape((1,) * (len(self.sizes) - array.ndim) + array.shape)
        shape = tuple(
            n if k in self.reduced else array.shape[k] for k, n in enumerate(self.sizes)
        )
        array = np.broadcast_to(array, np.broadcast_shapes(shape, array.shape))
        if node.value in ("argmax", "argmin"):
            moved = np.moveaxis(array, self.reduced, range(-len(self.reduced), 0))
            flat = moved.reshape(*moved.shape[: -len(self.reduced)], -1)
            result = getattr(np, node.value)(flat, axis=-1)
            return np.expand_dims(result, self.reduced)
        if node.value in ("sum", "prod"):
            wide = np.longdouble if np.dtype(node.dtype).kind == "f" else node.dtype
            array = array.astype(wide)
        neutral: dict[str, Any] = {}
        if 0 in [self.sizes[k] for k in self.reduced] and node.value in ("max", "min"):
            neutral["initial"] = -np.inf if node.value == "max" else np.inf
        return REDUCE[node.value](array, axis=self.reduced, keepdims=True, **neutral)

    def scatter(self, target: Any, out: Any, indices: list[Any], value: Any) -> None:
        moving = spread(target, out.operand.axes, out.operand.indexed)
        for point in np.ndindex(*self.sizes):
            where = tuple(
                int(np.broadcast_to(i, self.sizes)[point]) for i in indices
            ) + tuple(p if m else 0 for p, m in zip(point, out.operand.axes))
            item = np.broadcast_to(value, self.sizes)[point]
            moving[where] = moving[where] + item if out.mode == "add" else item


def expected(kernel: Kernel, sizes: Sequence[int], arrays: Sequence[Any]) -> list[Any]:
    """The outputs of a kernel, as new arrays."""
    return Reference(kernel, sizes, arrays).run()


def forget_kernels() -> None:
    """Know no kernel any more, like a process that begins."""
    kernel_cache._known.clear()
    kernel_cache._recent.clear()
