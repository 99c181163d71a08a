"""Types of single numbers, and how the types of an operation's results follow from those of
its operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symnet.data_classes import dataclass
from symnet.graph.types import COMPLEX, TensorType
from symnet.ops.base import upcast

Types = Sequence[TensorType]
Preference = Callable[..., Sequence[TensorType]]


class ScalarType(TensorType):
    """The type of single numbers of a dtype: that of arrays of rank 0, printed as the
    dtype alone."""

    __slots__ = ()

    def __init__(self, dtype: Any) -> None:
        super().__init__(dtype)

    def __repr__(self) -> str:
        return self.dtype

    def __reduce__(self) -> tuple[Any, ...]:
        return ScalarType, (self.dtype,)


def scalar_type(dtype: str) -> ScalarType:
    """The type of single numbers of a dtype."""
    return ScalarType(dtype)


def upcast_out(*types: TensorType) -> list[TensorType]:
    """The common dtype of the operands."""
    return [scalar_type(upcast(*[t.dtype for t in types]))]


def same_out(*types: TensorType) -> list[TensorType]:
    """The dtype of the only operand."""
    return [types[0]]


def upgrade_to_float(*types: TensorType) -> list[TensorType]:
    """The common dtype of the operands, integers counted as the float that holds them:
    those of up to 16 bits as float32, others as float64."""
    dtypes = []
    for t in types:
        kind = np.dtype(t.dtype)
        small = "float32" if kind.itemsize <= 2 else "float64"
        dtypes.append(small if kind.kind in "biu" else t.dtype)
    return [scalar_type(upcast(*dtypes))]


def upgrade_to_float64(*types: TensorType) -> list[TensorType]:
    return [scalar_type("float64")]


def int_out(*types: TensorType) -> list[TensorType]:
    return [scalar_type("int64")]


def float_out(*types: TensorType) -> list[TensorType]:
    return [scalar_type("float64")]


def real_out(*types: TensorType) -> list[TensorType]:
    """The dtype of the operand, of a complex one that of its parts."""
    parts = {"complex64": "float32", "complex128": "float64"}
    return [scalar_type(parts.get(types[0].dtype, types[0].dtype))]


@dataclass(frozen=True)
class NoComplex:
    """The same preference, which refuses complex operands.  Raises: TypeError."""

    preference: Preference

    def __call__(self, *types: TensorType) -> Sequence[TensorType]:
        for t in types:
            if t.dtype in COMPLEX:
                raise TypeError(f"complex numbers are not supported, here {t.dtype}")
        return self.preference(*types)


upgrade_to_float_no_complex = NoComplex(upgrade_to_float)
upcast_out_no_complex = NoComplex(upcast_out)
same_out_nocomplex = NoComplex(same_out)
int_out_nocomplex = NoComplex(int_out)
float_out_nocomplex = NoComplex(float_out)


class transfer_type:
    """Results of the types of the operands at these positions; None: of their common
    dtype."""

    def __init__(self, *transfer: int | None) -> None:
        self.transfer = transfer

    def __call__(self, *types: TensorType) -> list[TensorType]:
        common = upcast_out(*types)[0]
        return [common if k is None else types[k] for k in self.transfer]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, transfer_type) and self.transfer == other.transfer

    def __hash__(self) -> int:
        return hash(self.transfer)


class specific_out:
    """Results of these types, whatever the operands are."""

    def __init__(self, *spec: TensorType) -> None:
        self.spec = spec

    def __call__(self, *types: TensorType) -> list[TensorType]:
        return list(self.spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, specific_out) and self.spec == other.spec

    def __hash__(self) -> int:
        return hash(self.spec)


class ComplexError(NotImplementedError):
    """An operation is not defined for complex numbers."""


class IntegerDivisionError(Exception):
    """Theano's error for `/` of integers under a setting of old; never raised here."""


__all__ = [
    "ComplexError", "IntegerDivisionError", "NoComplex", "Preference", "ScalarType",
    "Types", "float_out", "float_out_nocomplex", "int_out", "int_out_nocomplex",
    "real_out", "same_out", "same_out_nocomplex", "scalar_type", "specific_out",
    "transfer_type", "upcast_out", "upcast_out_no_complex", "upgrade_to_float",
    "upgrade_to_float64", "upgrade_to_float_no_complex",
]  # fmt: skip
