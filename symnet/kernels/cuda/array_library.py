"""Calls of libraries by a library of arrays in NumPy's language: on a GPU CuPy, whose products
are cuBLAS's; on an emulated one NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.kernels.call_places import CallPlaces
from symnet.kernels.cuda.array_routines import ArrayLibrary, answer, has_answer
from symnet.kernels.interface import Place
from symnet.kernels.library import Call, DenseCall, GemmCall, Unwind
from symnet.kernels.routines import MatrixProduct, Routine

# What products are made in, where it is not their own dtype.
WIDER = {"float16": "float32"}
# Terms of a sum that are left to one product of the library: longer ones are made of parts,
# added in pairs, so that roundings that all go one way do not add up.
LONGEST_SUM = 4096

Places = Sequence[Place | None]


def offers(routine: Routine, library: ArrayLibrary) -> bool:
    """Whether there is one of these for a routine."""
    if not isinstance(routine, MatrixProduct):
        return has_answer(routine, library)
    return not routine.packed and np.dtype(routine.dtype).kind in "fciu"


def run_call(
    call: Call, places: Places, memory: CallPlaces[Any], library: ArrayLibrary
) -> None:
    """Do what a call says.  library: of the arrays that `memory` gives.

    Raises: Refused."""
    with np.errstate(all="ignore"):
        if isinstance(call, GemmCall):
            gemm(call, places, memory, library.xp)
        elif isinstance(call, DenseCall):
            arrays = [
                array_at(memory, place, dtype, shape, None)
                for place, (dtype, shape) in zip(places, call.operands, strict=True)
            ]
            answer(call, arrays, library)
        else:
            assert isinstance(call, Unwind), f"no library for {call}"
            unwind(call, places, memory)


def gemm(call: GemmCall, places: Places, memory: CallPlaces[Any], xp: Any) -> None:
    (m, n, k), batch = call.sizes, [size for size, *_ in call.loops]
    shapes = ((m, k), (k, n), (m, n))
    steps = [tuple(loop[1 + o] for loop in call.loops) for o in range(3)]
    a, b, c = (
        array_at(memory, place, call.dtype, (*batch, *shape), (*step, *strides))
        for place, shape, step, strides in zip(
            (places[1], places[2], places[4]), shapes, steps, call.strides, strict=True
        )
    )
    if not c.size:
        return
    if (wide := WIDER.get(call.dtype)) is not None:
        a, b = a.astype(wide), b.astype(wide)
    result = factor(call.alpha, places[0], call, memory) * product(a, b, xp)
    if call.beta is None or call.beta != 0:
        result = result + factor(call.beta, places[3], call, memory) * c
    c[...] = result


def factor(
    known: complex | None, place: Place | None, call: GemmCall, memory: CallPlaces[Any]
) -> Any:
    """A number that a product is multiplied with; one in memory stays there."""
    if known is not None:
        return np.dtype(call.dtype).type(known)
    return array_at(memory, place, call.dtype, (), None)


def product(a: Any, b: Any, xp: Any) -> Any:
    """The product of matrices, in parts where its sums are long."""
    length = a.shape[-1]
    if length <= LONGEST_SUM:
        return xp.matmul(a, b)
    half = length // 2
    left = product(a[..., :half], b[..., :half, :], xp)
    return left + product(a[..., half:], b[..., half:, :], xp)


def unwind(call: Unwind, places: Places, memory: CallPlaces[Any]) -> None:
    ring = array_at(memory, places[0], "uint8", (call.slots, call.row_bytes), None)
    rows = array_at(memory, places[2], "uint8", (call.kept, call.row_bytes), None)
    assert places[1] is not None
    iterations = int(memory.number(places[1], "int64"))
    for k in range(call.kept):
        row = call.depth + iterations - call.kept + k
        rows[k] = ring[row % call.slots] if row >= 0 else 0


def array_at(
    memory: CallPlaces[Any],
    place: Place | None,
    dtype: str,
    shape: Sequence[int],
    strides: Sequence[int] | None,
) -> Any:
    assert place is not None, "an operand of a call has no place"
    return memory.array(place, dtype, shape, strides)


__all__ = ["offers", "run_call"]
