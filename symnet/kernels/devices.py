"""The devices that there are, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symnet.config import config, device_named
from symnet.kernels.cpu.cpu_device import CPU
from symnet.kernels.interface import Device
from symnet.kernels.memory import FINDERS
from symnet.lazy import imported_when_called, imported_when_used

if TYPE_CHECKING:
    from symnet.kernels.gpus import every_gpu, memory_on_gpu, required_gpu
    from symnet.kernels.reference import reference_device
else:
    every_gpu = imported_when_called("symnet.kernels.gpus", "every_gpu")
    memory_on_gpu = imported_when_called("symnet.kernels.gpus", "memory_on_gpu")
    required_gpu = imported_when_called("symnet.kernels.gpus", "required_gpu")
    reference_device = imported_when_used("symnet.kernels.reference.reference_device")

# By name.  The reference device and the GPUs (see `gpus`) are imported when they are first
# asked for.
DEVICES: dict[str, Device] = {
    "cpu": CPU,
}


def get_device(name: str | None = None) -> Device:
    """The device of that name (`config.device` where none is given).

    Raises: ValueError for another name, with those that there are; RuntimeError for a GPU
    that is not there, with what is missing."""
    asked = config.device if name is None else device_named(name)
    if asked == "reference":
        return reference_device.REFERENCE
    return DEVICES[asked] if asked in DEVICES else required_gpu(asked)


def every_device() -> dict[str, Device]:
    """Those of `DEVICES`, the reference device, and the GPUs: of each kind the first one, and
    all that are there."""
    return DEVICES | {"reference": reference_device.REFERENCE} | every_gpu()


FINDERS.append(memory_on_gpu)

__all__ = ["CPU", "DEVICES", "every_device", "get_device"]
