"""Sorting in the form of Theano's operations: made first, then applied."""

from __future__ import annotations

from typing import Any

from symnet.data_classes import dataclass
from symnet.graph.variables import Variable
from symnet.ops.sorting import argsort, sort, topk_and_argtopk

__all__ = ["ArgSortOp", "SortOp", "TopKOp"]


@dataclass(frozen=True)
class SortOp:
    """`sort`, as `SortOp(kind)(x, axis)`.  kind, order: see `sort`."""

    kind: str = "quicksort"
    order: Any = None

    def __call__(self, input: Any, axis: Any = -1) -> Variable:
        return sort(input, axis, self.kind, self.order or None)


@dataclass(frozen=True)
class ArgSortOp:
    """`argsort`, as `ArgSortOp(kind)(x, axis)`.  kind, order: see `argsort`."""

    kind: str = "quicksort"
    order: Any = None

    def __call__(self, input: Any, axis: Any = -1) -> Variable:
        return argsort(input, axis, self.kind, self.order or None)


@dataclass(frozen=True)
class TopKOp:
    """The largest elements, their positions, or a list of both: `TopKOp(axis)(x, k)`.

    Raises: ValueError where neither is asked for.
    """

    axis: int | None = -1
    sorted: bool = True
    idx_dtype: str = "int64"
    return_values: bool = True
    return_indices: bool = True

    def __post_init__(self) -> None:
        if not (self.return_values or self.return_indices):
            raise ValueError("TopKOp: neither values nor positions are asked for")

    def __call__(self, x: Any, k: Any) -> Any:
        found = topk_and_argtopk(x, k, self.axis, self.sorted, self.idx_dtype)
        if self.return_values and self.return_indices:
            return found
        return found[0] if self.return_values else found[1]
