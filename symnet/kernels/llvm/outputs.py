"""The outputs of a kernel at one point of the loops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from symnet.kernels.llvm.array_access import ArrayAccess
from symnet.kernels.llvm.points import Points
from symnet.kernels.llvm.primitives import apply
from symnet.kernels.loopir.scalars import Output, Scalar


class KernelOutputs:
    """Stores values to the places of outputs, and reads them back."""

    def __init__(self, points: Points, memory: ArrayAccess) -> None:
        self.points, self.memory = points, memory
        self.block, self.nest = points.block, points.nest
        first = len(self.nest.kernel.inputs)
        self.operand_of: dict[Output, int] = {
            out: first + k for k, out in enumerate(self.nest.kernel.outputs)
        }

    def store(
        self, outputs: Sequence[Output], between: Callable[[], None] | None = None
    ) -> None:
        """Write out values: all are computed before the first is stored, since an output
        may be the array that another value is read from.

        between: what else is to be done before that."""
        nest = self.nest
        for out in outputs:
            self.points.evaluate([*nest.indices_of[out], nest.value_of[out]])
        if between is not None:
            between()
        done = set[Output]()
        for out, following in pairwise(outputs):
            if self.are_parts(out, following):
                self.store_parts(out, following)
                done |= {out, following}
        for out in outputs:
            if out not in done:
                self.store_value(out, nest.value_of[out])

    def are_parts(self, out: Output, following: Output) -> bool:
        """Whether two outputs are parts of complex numbers that are stored together."""
        first, second = self.operand_of[out], self.operand_of[following]
        moves = self.nest.lane_dimension in self.nest.moving(first)
        lanes = self.block.lanes if moves else 0
        pair = self.memory.first_part(second, lanes)
        return pair == first and following.operand.behind and out.mode == "set"

    def store_parts(self, out: Output, following: Output) -> None:
        """Write real and imaginary parts to their places."""
        operand, lanes = self.operand_of[out], self.block.lanes
        values = [self.nest.value_of[one] for one in (out, following)]
        for copy in range(self.block.copies):
            here = self.block.writer.here()
            address = self.block.copy_pointer(here, operand, copy)
            re, im = (self.points.text(value, lanes, copy) for value in values)
            self.memory.store_parts(here, operand, address, re, im)

    def store_value(self, out: Output, value: Scalar) -> None:
        """Write a value to the place of an output."""
        operand = self.operand_of[out]
        moves = self.nest.lane_dimension in self.nest.moving(operand)
        lanes = self.block.lanes if moves else 0
        for copy in range(self.block.copies if lanes else 1):
            self.store_copy(out, operand, value, lanes, copy)

    def store_copy(
        self, out: Output, operand: int, value_of: Scalar, lanes: int, copy: int
    ) -> None:
        here = self.block.writer.here()
        address = self.block.copy_pointer(here, operand, copy if lanes else 0)
        if out.indices:
            places = [self.points.text(i, 0, 0) for i in self.nest.indices_of[out]]
            address = self.memory.indexed_pointer(here, operand, address, places)
        value = self.points.text(value_of, lanes, copy)
        if self.nest.variant.atomic:
            self.memory.add_at(here, operand, address, value)
            return
        if out.mode == "add":
            dtype = out.operand.dtype
            old = self.memory.load_at(here, operand, address, lanes)
            value = apply(here, "add", dtype, [dtype, dtype], [old, value], lanes)
        self.memory.store_at(here, operand, address, value, lanes)

    def restore(self, out: Output, value: Scalar) -> None:
        """Make a value known by reading it from the place of an output."""
        operand = self.operand_of[out]
        scope, lanes = self.points.home(value), self.points.lanes_of(value)
        copies = range(self.block.copies if lanes else 1)
        scope.values[value] = tuple(
            [self.memory.load(scope, operand, lanes, c) for c in copies]
        )
