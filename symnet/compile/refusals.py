"""What a device has no code for is computed on the host by NumPy, and that is said; but for
operations that take arrays in the device's memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from symnet.compile.lower.program import KernelLaunch, Program, every_instruction
from symnet.errors import message
from symnet.graph.variables import Apply, operand_text
from symnet.kernels.devices import CPU, get_device
from symnet.kernels.interface import Device
from symnet.kernels.memory import HOST
from symnet.ops.base import lowering_of
from symnet.ops.lowerings import PointLoop, has_arrays


class HostFallback(UserWarning):
    """An operation without code for a device is computed on the host in each call: its
    operands are brought there, and its results back.  Or a function from a pickle runs on
    the CPU, because its device is not there."""


class NotOnDevice(NotImplementedError):
    """A loop uses a function of which the device has no code, where it cannot be taken
    out."""


def stays_there(node: Apply, device: Device) -> bool:
    """Whether a reference operation runs on arrays in the device's memory."""
    return device.memory is not HOST and node.op.device_arrays and has_arrays(node)


def tell_of_references(nodes: Iterable[Apply], device: Device) -> None:
    """Warn of operations that NumPy computes on the host, where arrays do not lie there:
    once for each operation and line."""
    if device.memory is HOST:
        return
    away = (node for node in nodes if not stays_there(node, device))
    told = {(str(node.op), str(node.origin)): node for node in away}
    for node in told.values():
        text = told_of(
            node,
            f"{node.op} has no code on the device {device.name!r}: NumPy computes it on the "
            "host, where its operands are brought in each call",
            "look at f.profile().transfers for what that costs; or compute this value by a "
            "function with device='cpu' and hand it over as an argument",
        )
        warnings.warn(text, HostFallback, stacklevel=2)


def device_or_host(name: str) -> Device:
    """The device of a function from a pickle; where it is not there the CPU, to whose memory
    the function's shared variables come then, and a warning."""
    try:
        return get_device(name)
    except RuntimeError as error:
        text = f"a function from a pickle runs on the CPU instead of {name!r}: {error}"
        warnings.warn(text, HostFallback, stacklevel=2)
        return CPU


def without_code(programs: Iterable[Program], device: Device) -> dict[Apply, str]:
    """The operations whose loops use functions of which the device has no code, with the
    error that says so: all at once, so that programs are built once more and not once for
    each."""
    found: dict[Apply, str] = {}
    for step in (step for program in programs for step in program.steps):
        for one in every_instruction([step]):
            names = device.lacks(one.kernel) if isinstance(one, KernelLaunch) else ()
            for name in sorted(names):
                called = [n for n in one.nodes if computes(n, name)]
                for node in called or one.nodes[-1:]:
                    what = f"{name} has no code on the device {device.name!r}"
                    cure = "compile the function with device='cpu'"
                    # Of a loop or a choice all is computed elsewhere.
                    outer = node if one is step else step.nodes[0]
                    found[outer] = told_of(node, what, cure)
    return found


def computes(node: Apply, function: str) -> bool:
    """Whether an operation's own formula has a function."""
    lowering = lowering_of(node)
    return isinstance(lowering, PointLoop) and function in lowering.operations


def told_of(node: Apply, what: str, cure: str) -> str:
    return message(
        what,
        operation=node.op,
        operands=[operand_text(v) for v in node.inputs],
        origin=node.origin,
        cure=cure,
    )


__all__ = [
    "HostFallback",
    "NotOnDevice",
    "stays_there",
    "tell_of_references",
    "without_code",
]
