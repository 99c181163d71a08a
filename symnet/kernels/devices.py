"""The devices that there are, by name."""

from __future__ import annotations

from symnet.config import config, no_device
from symnet.kernels.cpu.cpu_device import CPU
from symnet.kernels.interface import Device
from symnet.kernels.reference.reference_device import REFERENCE

DEVICES: dict[str, Device] = {"cpu": CPU, "reference": REFERENCE}


def get_device(name: str | None = None) -> Device:
    """The device of that name (`config.device` where none is given).

    Raises: ValueError for another name, with those that there are."""
    known = DEVICES.get(config.device if name is None else name)
    if known is None:
        raise ValueError(no_device(name))
    return known


__all__ = ["CPU", "REFERENCE", "get_device"]
