"""Native steps of routines whose operands have no gaps."""

from __future__ import annotations

import math
from collections.abc import Sequence

from symnet.kernels.cpu.library import radix_sort
from symnet.kernels.cpu.library.call_steps import LETTERS, CallArrangement
from symnet.kernels.cpu.library.draws import draw_step, offers_draw
from symnet.kernels.cpu.library.fourier_steps import fourier_step, offers_fourier
from symnet.kernels.cpu.library.matrix_functions import (
    function_step,
    offers_function,
    triangular_step,
)
from symnet.kernels.cpu.library.ordering import (
    largest_step,
    order_function,
    ordering_step,
)
from symnet.kernels.cpu.library.running_code import (
    has_code,
    places_step,
    running_step,
    selection_step,
    selects,
)
from symnet.kernels.cpu.library.sparse_steps import entries_step
from symnet.kernels.routines import (
    Dense,
    EntryCheck,
    EntryRows,
    Fourier,
    Largest,
    MatrixFunction,
    Ordering,
    Places,
    Running,
    SampledProduct,
    SparseProduct,
    TriangularSolve,
)

Shape = tuple[int, ...]


def offers_dense(routine: Dense) -> bool:
    """Whether there is native code for it on this machine, with this build of NumPy."""
    match routine:
        case MatrixFunction():
            return offers_function(routine)
        case TriangularSolve():
            return routine.dtype in LETTERS
        case Fourier():
            return offers_fourier(routine)
        case Ordering():
            return order_function(routine.dtype, routine.positions) is not None
        case Largest():
            return order_function(routine.dtype, True) is not None
        case Places() | Running():
            return has_code(routine.dtype)
        case SparseProduct() | SampledProduct() | EntryRows() | EntryCheck():
            return True
        case _:
            return offers_draw(routine)


def dense_step(
    routine: Dense, shapes: Sequence[Shape], sizes: Sequence[int] = ()
) -> CallArrangement:
    """The native step; `shapes` are those of the inputs, of what lies in the first output
    before (where that is so), and of the outputs, and so are the pointers.

    sizes: the integers of the call."""
    match routine:
        case MatrixFunction():
            return function_step(routine, shapes)
        case TriangularSolve():
            return triangular_step(routine, shapes[0], shapes[1])
        case Fourier():
            return fourier_step(routine, shapes)
        case Ordering() if radix_sort.sorts(routine, shapes[0][-1]):
            return radix_sort.radix_step(routine, shapes[0])
        case Ordering():
            return ordering_step(routine, shapes[0])
        case Largest() if selects(routine.dtype, shapes[0][-1], sizes[0]):
            return selection_step(routine.dtype, shapes[0], sizes[0])
        case Largest():
            return largest_step(routine, shapes[0], sizes[0])
        case Places():
            return places_step(routine, shapes[0][0], math.prod(shapes[1]))
        case Running():
            return running_step(routine, shapes[0])
        case SparseProduct() | SampledProduct() | EntryRows() | EntryCheck():
            return entries_step(routine, shapes)
        case _:
            return draw_step(routine, shapes)
