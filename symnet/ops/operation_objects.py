"""Functions in Theano's form of an operation: made with settings, then called with arrays.

`Tile(2)(x, reps)` is `tile(x, reps, 2)`.  Such an object is no node of a graph: a call
builds the expression that the function gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from symnet.graph.variables import Apply, Variable
from symnet.ops.alloc import empty
from symnet.ops.arithmetic import switch
from symnet.ops.base import as_tensor, constant
from symnet.ops.comparison import eq
from symnet.ops.creation import bartlett, eye, tri
from symnet.ops.cumulative import cumprod, cumsum
from symnet.ops.diagonal import (
    alloc_diag,
    diagonal,
    fill_diagonal,
    fill_diagonal_offset,
)
from symnet.ops.indexing import nonzero
from symnet.ops.picks import choose
from symnet.ops.positions import (
    permute_row_elements,
    ravel_multi_index,
    unravel_index,
)
from symnet.ops.rearrange import diff, repeat, tile
from symnet.ops.reduce import all as all_over
from symnet.ops.reduce import any as any_over
from symnet.ops.reduce import argmax, max_and_argmax
from symnet.ops.reduce import prod as prod_over
from symnet.ops.reduce import sum as sum_over
from symnet.ops.reshape import flatten
from symnet.ops.shape import moveaxis
from symnet.ops.sizes import MakeVector
from symnet.ops.statistics import mean

__all__ = [
    "All", "AllocDiag", "AllocEmpty", "Any_", "Argmax", "Bartlett", "Choose",
    "CpuContiguous", "CumOp", "CumprodOp", "CumsumOp", "DiffOp", "ExtractDiag",
    "Eye", "FillDiagonal", "FillDiagonalOffset", "Flatten", "MaxAndArgmax", "Mean",
    "Nonzero", "OperationObject", "PermuteRowElements", "Prod", "ProdWithoutZeros",
    "RavelMultiIndex", "RepeatOp", "ScalarFromTensor", "Sum", "TensorFromScalar",
    "Tile", "Tri", "UnravelIndex", "cpu_contiguous", "scalar_from_tensor",
    "tensor_from_scalar",
]  # fmt: skip

REQUIRED = object()


class OperationObject:
    """A function with its settings; two of one class and equal settings are equal."""

    function: ClassVar[Callable[..., Any]]
    defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, *given: Any, **named: Any) -> None:
        """Settings in their order, or by name.  Raises: TypeError for others."""
        names = list(self.defaults)
        settings = {**self.defaults, **dict(zip(names, given)), **named}
        if len(given) > len(names) or set(settings) != set(names):
            raise TypeError(f"the settings of {type(self).__name__}: {names or 'none'}")
        missing = [name for name, value in settings.items() if value is REQUIRED]
        if missing:
            raise TypeError(f"{type(self).__name__} needs {', '.join(missing)}")
        self.settings = settings
        vars(self).update(settings)

    def __call__(self, *inputs: Any, name: str | None = None) -> Any:
        result = type(self).function(*inputs, **self.settings)
        if name is not None:
            result.name = name
        return result

    def make_node(self, *inputs: Any) -> Apply:
        """The last operation of the expression that a call builds."""
        result = self(*inputs)
        last: Apply = (result[0] if isinstance(result, (list, tuple)) else result).owner
        return last

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *map(str, self.settings.items())))

    def __repr__(self) -> str:
        settings = ", ".join(f"{k}={v!r}" for k, v in self.settings.items())
        return f"{type(self).__name__}({settings})"


def operation_object(
    name: str, function: Callable[..., Any], **defaults: Any
) -> type[OperationObject]:
    """The class of objects that call `function(*inputs, **settings)`."""
    contents = {
        "function": staticmethod(function),
        "defaults": defaults,
        "__doc__": f"See `{getattr(function, '__name__', name)}`.",
        "__module__": __name__,
    }
    return type(name, (OperationObject,), contents)


def _diagonal_matrix(v: Any, offset: int, axis1: int, axis2: int) -> Variable:
    return moveaxis(alloc_diag(v, offset), (-2, -1), (axis1, axis2))


def _product_without_zeros(x: Any, axis: Any, dtype: Any, acc_dtype: Any) -> Variable:
    x = as_tensor(x)
    one = constant(1, dtype=x.type.dtype)
    return prod_over(switch(eq(x, 0), one, x), axis, dtype, False, acc_dtype)


def _cumulated(x: Any, axis: Any, mode: str) -> Variable:
    if mode not in ("add", "mul"):
        raise ValueError(f"CumOp: mode is 'add' or 'mul', not {mode!r}")
    return cumsum(x, axis) if mode == "add" else cumprod(x, axis)


def same_scalar(x: Any) -> Variable:
    """A scalar: symnet's tensors of rank 0 are what Theano's scalars are.

    Raises: AsTensorError for another rank.
    """
    return as_tensor(x, ndim=0, truth=True)


def vector_of(*elements: Any) -> Variable:
    """The int64 vector of scalars."""
    return MakeVector("int64")(*elements)


def same_tensor(x: Any) -> Variable:
    """`x`: functions lay arrays out as their kernels need them, C-contiguous if in doubt."""
    return as_tensor(x)


AllocEmpty = operation_object(
    "AllocEmpty", lambda *shape, dtype: empty(shape, dtype), dtype=REQUIRED
)
AllocDiag = operation_object("AllocDiag", _diagonal_matrix, offset=0, axis1=0, axis2=1)
ExtractDiag = operation_object(
    "ExtractDiag",
    lambda x, offset, axis1, axis2, view: diagonal(x, offset, axis1, axis2),
    offset=0, axis1=0, axis2=1, view=False,
)  # fmt: skip
Argmax = operation_object("Argmax", argmax, axis=REQUIRED)
MaxAndArgmax = operation_object(
    "MaxAndArgmax", lambda x, axis: list(max_and_argmax(x, axis)), axis=REQUIRED
)
Mean = operation_object("Mean", mean, axis=None)
Sum = operation_object("Sum", sum_over, axis=None, dtype=None, acc_dtype=None)
Prod = operation_object(
    "Prod", prod_over, axis=None, dtype=None, acc_dtype=None, no_zeros_in_input=False
)
ProdWithoutZeros = operation_object(
    "ProdWithoutZeros", _product_without_zeros, axis=None, dtype=None, acc_dtype=None
)
All = operation_object("All", all_over, axis=None)
Any_ = operation_object("Any", any_over, axis=None)
Eye = operation_object("Eye", lambda n, m, k, dtype: eye(n, m, k, dtype), dtype=None)
Tri = operation_object("Tri", lambda N, M, k, dtype: tri(N, M, k, dtype), dtype=None)
Tile = operation_object("Tile", tile, ndim=REQUIRED)
Flatten = operation_object("Flatten", flatten, outdim=1)
Nonzero = operation_object("Nonzero", lambda a: list(nonzero(a)))
Choose = operation_object(
    "Choose", lambda a, choices, mode: choose(a, choices, mode=mode), mode="raise"
)
PermuteRowElements = operation_object("PermuteRowElements", permute_row_elements)
Bartlett = operation_object("Bartlett", bartlett)
DiffOp = operation_object("DiffOp", diff, n=1, axis=-1)
RepeatOp = operation_object("RepeatOp", repeat, axis=None)
CumOp = operation_object("CumOp", _cumulated, axis=None, mode="add")
CumsumOp = operation_object("CumsumOp", cumsum, axis=None)
CumprodOp = operation_object("CumprodOp", cumprod, axis=None)
FillDiagonal = operation_object("FillDiagonal", fill_diagonal)
FillDiagonalOffset = operation_object("FillDiagonalOffset", fill_diagonal_offset)
UnravelIndex = operation_object(
    "UnravelIndex",
    lambda indices, dims, ndim, order: unravel_index(indices, dims, order, ndim),
    ndim=REQUIRED, order="C",
)  # fmt: skip
RavelMultiIndex = operation_object(
    "RavelMultiIndex",
    lambda *indices_and_dims, mode, order: ravel_multi_index(
        indices_and_dims[:-1], indices_and_dims[-1], mode, order
    ),
    mode="raise", order="C",
)  # fmt: skip
ScalarFromTensor = operation_object("ScalarFromTensor", same_scalar)
TensorFromScalar = operation_object("TensorFromScalar", same_scalar)
CpuContiguous = operation_object("CpuContiguous", same_tensor)

scalar_from_tensor = ScalarFromTensor()
tensor_from_scalar = TensorFromScalar()
cpu_contiguous = CpuContiguous()
