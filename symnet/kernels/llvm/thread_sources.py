"""What code for a GPU's threads is made of: a kernel, or a routine."""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

from symnet.data_classes import dataclass
from symnet.kernels import routines
from symnet.kernels.legality import stages_of
from symnet.kernels.llvm.emit import emit
from symnet.kernels.llvm.object_code import source_digest
from symnet.kernels.llvm.target import Target
from symnet.kernels.llvm.thread_draws import emit_draws
from symnet.kernels.llvm.thread_totals import emit_totals
from symnet.kernels.loopir.scalars import Kernel
from symnet.kernels.routines import Categorical, MrgUniform, Places, Running
from symnet.kernels.variants import Variant


@dataclass(frozen=True, slots=True)
class KernelSource:
    """A kernel for arrays that lie as a variant says."""

    kernel: Kernel
    variant: Variant

    @property
    def text(self) -> str:
        """What it does: the same in every process, and different for another one."""
        return f"{self.variant.text}\n{self.kernel.text}"

    def names(self, name: str) -> list[str]:
        """Those of its functions, the first of which is `name`."""
        if self.variant.lanes != "parts":
            return [name]
        return [f"{name}{stage.suffix}" for stage in stages_of(self.kernel)]

    def emit(self, target: Target, name: str = "kernel") -> str:
        """The LLVM module."""
        return emit(self.kernel, self.variant, target, name)


@dataclass(frozen=True, slots=True)
class RoutineSource:
    """A draw of random numbers (see `thread_draws`), a running total, or places in order
    (see `thread_totals`)."""

    routine: MrgUniform | Categorical | Running | Places

    @property
    def text(self) -> str:
        routine = self.routine
        if isinstance(routine, Running):  # the axis is in the sizes
            routine = Running(routine.kind, routine.dtype, 0)
        return f"{routine!r} {_constants()}"

    def names(self, name: str) -> list[str]:
        return [name]

    def emit(self, target: Target, name: str = "routine") -> str:
        if isinstance(self.routine, (Running, Places)):
            return emit_totals(self.routine, target, name)
        return emit_draws(self.routine, target, name)


@cache
def _constants() -> str:
    """A name for what is outside of the folder that `kernel_cache.generator` names."""
    return source_digest(routines.__file__)


ThreadSource: TypeAlias = KernelSource | RoutineSource

__all__ = ["RoutineSource", "KernelSource", "ThreadSource"]
