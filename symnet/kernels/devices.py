"""The devices that there are, by name."""

from __future__ import annotations

from symnet.config import config, device_named
from symnet.kernels.cpu.cpu_device import CPU
from symnet.kernels.cuda.cupy_driver import CupyDriver, missing, number_of_gpus
from symnet.kernels.cuda.emulated_driver import EMULATED_GPUS, EmulatedDriver
from symnet.kernels.cuda.gpu_device import Gpu, GpuKind, Gpus
from symnet.kernels.interface import Device
from symnet.kernels.memory import FINDERS, Memory
from symnet.kernels.reference.reference_device import REFERENCE

GPUS = Gpus(
    {
        "emulated": GpuKind(EmulatedDriver, lambda: EMULATED_GPUS, lambda number: ""),
        "cuda": GpuKind(CupyDriver, number_of_gpus, missing),
    }
)
CUDA, EMULATED = GPUS["cuda"], GPUS["emulated"]
# By name; of GPUs the first ones, see `every_device` and `GPUS` for the others.
DEVICES: dict[str, Device] = {
    "cpu": CPU,
    "reference": REFERENCE,
    "emulated": EMULATED,
    "cuda": CUDA,
}


def get_device(name: str | None = None) -> Device:
    """The device of that name (`config.device` where none is given).

    Raises: ValueError for another name, with those that there are; RuntimeError for a GPU
    that is not there, with what is missing."""
    asked = config.device if name is None else device_named(name)
    found = DEVICES[asked] if asked in DEVICES else GPUS[asked]
    if isinstance(found, Gpu):
        found.require()
    return found


def every_device() -> dict[str, Device]:
    """Those of `DEVICES`, and all other GPUs that are there, each behind the first one."""
    found: dict[str, Device] = {}
    for name, device in DEVICES.items():
        found[name] = device
        if name in GPUS:
            found |= {other: GPUS[other] for other in GPUS.of_kind(name)}
    return found


def memory_on_gpu(name: str) -> Memory | None:
    """The memory that a pickle names, where it is a GPU's."""
    found = GPUS.get(name)
    return found.memory if found is not None else None


FINDERS.append(memory_on_gpu)

__all__ = ["CPU", "CUDA", "EMULATED", "GPUS", "REFERENCE", "every_device", "get_device"]
