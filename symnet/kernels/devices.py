"""The devices that there are, by name."""

from __future__ import annotations

from symnet.config import config, device_named
from symnet.kernels.cpu.cpu_device import CPU
from symnet.kernels.cuda.cupy_driver import CupyDriver, missing
from symnet.kernels.cuda.emulated_driver import EmulatedDriver
from symnet.kernels.cuda.gpu_device import Gpu
from symnet.kernels.interface import Device
from symnet.kernels.reference.reference_device import REFERENCE

CUDA = Gpu("cuda", CupyDriver, missing)
EMULATED = Gpu("emulated", EmulatedDriver)
GPUS = {gpu.name: gpu for gpu in (CUDA, EMULATED)}
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
    found = DEVICES[config.device if name is None else device_named(name)]
    if found is CUDA:
        CUDA.require()
    return found


__all__ = ["CPU", "CUDA", "EMULATED", "GPUS", "REFERENCE", "get_device"]
