"""Which inputs an operation reads as arrays, and in which way."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from symnet.graph.variables import Apply
from symnet.kernels.loopir import scalars
from symnet.kernels.loopir.scalars import Scalar
from symnet.ops.base import PointOp, ViewOp
from symnet.ops.elementwise import Elementwise
from symnet.ops.scan.loop import Scan


class Recorder:
    """Stands for an input of a PointOp and remembers how it was read."""

    def __init__(self, position: int, dtype: str, ndim: int) -> None:
        self.position, self.dtype = position, dtype
        self.sizes = tuple(scalars.literal(2, "int64") for _ in range(ndim))
        self.mark = scalars.scalar("argument", (), dtype, ("read", position))

    def here(self) -> Scalar:
        return self.mark

    def at(self, indices: Sequence[Scalar]) -> Scalar:
        return scalars.scalar("gather", indices, self.dtype, ("read", self.position))


def _positions(roots: Sequence[Scalar]) -> tuple[int, ...]:
    found = {
        node.value[1]
        for node in scalars.walk(roots)
        if isinstance(node.value, tuple) and node.value[0] == "read"
    }
    return tuple(sorted(found))


def _recorders(node: Apply) -> list[Recorder]:
    return [Recorder(k, v.type.dtype, v.type.ndim) for k, v in enumerate(node.inputs)]


@lru_cache(maxsize=4096)
def _elementwise_reads(
    op: Elementwise, dtypes: tuple[str, ...], dtype: str
) -> Sequence[int]:
    if op.accepts and any(d[0] == "c" for d in dtypes):
        return range(len(dtypes))
    marks = [Recorder(k, d, 0).mark for k, d in enumerate(dtypes)]
    return _positions([op.scalar(marks, dtype)])


def data_inputs(node: Apply) -> Sequence[int]:
    """The positions of the inputs whose elements the operation needs; the others serve
    by their sizes or as host integers."""
    op = node.op
    if isinstance(op, Elementwise):
        dtypes = tuple([v.type.dtype for v in node.inputs])
        return _elementwise_reads(op, dtypes, node.outputs[0].type.dtype)
    if isinstance(op, PointOp):
        index = [scalars.index(k) for k in range(node.outputs[0].type.ndim)]
        return _positions([op.point(node, _recorders(node), index)])
    if isinstance(op, ViewOp):
        return (0,)
    if hasattr(op, "arrange"):
        reads: Sequence[int] = op.reads(node)
        return reads
    if isinstance(op, Scan):
        return range(1, len(node.inputs))  # the number of steps is a host integer
    if hasattr(op, "write_view"):
        return (0, 1)
    if hasattr(op, "scatter"):
        index = [scalars.index(k) for k in range(op.scatter_rank(node))]
        positions, value = op.scatter(node, _recorders(node), index)
        return sorted({0, *_positions([*positions, value])})
    if hasattr(op, "parts"):
        return [k for k, v in enumerate(node.inputs) if op.is_part(node, k)]
    return range(len(node.inputs))
