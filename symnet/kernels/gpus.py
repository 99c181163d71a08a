"""The GPUs that there are, by name.  Imported when a program first names one."""

from __future__ import annotations

from symnet.kernels.cuda.cupy_driver import CupyDriver, missing, number_of_gpus
from symnet.kernels.cuda.emulated_driver import EMULATED_GPUS, EmulatedDriver
from symnet.kernels.cuda.gpu_device import Gpu, GpuKind, Gpus
from symnet.kernels.memory import Memory

GPUS = Gpus(
    {
        "emulated": GpuKind(EmulatedDriver, lambda: EMULATED_GPUS, lambda number: ""),
        "cuda": GpuKind(CupyDriver, number_of_gpus, missing),
    }
)
# The first ones.
CUDA, EMULATED = GPUS["cuda"], GPUS["emulated"]


def required_gpu(name: str) -> Gpu:
    """Raises: RuntimeError for one that is not there, with what is missing."""
    found = GPUS[name]
    found.require()
    return found


def every_gpu() -> dict[str, Gpu]:
    """The first one of each kind, there or not, and all others that are there."""
    return dict(GPUS)


def memory_on_gpu(name: str) -> Memory | None:
    """The memory that a pickle names, where it is a GPU's."""
    found = GPUS.get(name)
    return found.memory if found is not None else None


__all__ = ["CUDA", "EMULATED", "GPUS", "every_gpu", "memory_on_gpu", "required_gpu"]
