"""What code for a GPU's threads is made of: a kernel, or a draw of random numbers."""

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
from symnet.kernels.loopir.scalars import Kernel
from symnet.kernels.routines import Categorical, MrgUniform
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
class DrawSource:
    """A routine that draws random numbers: see `thread_draws`."""

    routine: MrgUniform | Categorical

    @property
    def text(self) -> str:
        return f"{self.routine!r} {_constants()}"

    def names(self, name: str) -> list[str]:
        return [name]

    def emit(self, target: Target, name: str = "draw") -> str:
        return emit_draws(self.routine, target, name)


@cache
def _constants() -> str:
    """A name for what is outside of the folder that `kernel_cache.generator` names."""
    return source_digest(routines.__file__)


ThreadSource: TypeAlias = KernelSource | DrawSource

__all__ = ["DrawSource", "KernelSource", "ThreadSource"]
