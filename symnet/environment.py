"""What symnet finds on this machine, and what it does not."""

from __future__ import annotations

import platform

from symnet.config import config
from symnet.kernels.devices import every_device
from symnet.kernels.gpus import GPUS

PACKAGES = ("numpy", "scipy", "llvmlite", "cupy-cuda13x")


def show_config() -> None:
    """Print versions, settings, and the devices that functions can run on, with what is
    missing of those that cannot."""
    print("\n".join(config_lines()))


def config_lines() -> list[str]:
    """The lines that `show_config` prints."""
    lines = [f"symnet {version('symnet')}, Python {platform.python_version()}"]
    lines += [f"  {name} {version(name)}" for name in PACKAGES]
    lines += [
        f"kernels on disk: {config.cache_dir or 'none'}",
        f"floatX {config.floatX}, mode {config.mode}, device {config.device}",
        "devices:",
    ]
    for name, device in every_device().items():
        why = GPUS[name].missing() if name in GPUS else ""
        lines.append(f"  {name}: {why or device.description()}")
    return lines


def version(package: str) -> str:
    from importlib import metadata  # slow to import, and only needed here

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


__all__ = ["config_lines", "show_config"]
