"""What a device cannot compute is refused when a function is made, never run elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

from symnet.compile.lower.program import KernelLaunch, Program, every_instruction
from symnet.errors import message
from symnet.graph.variables import Apply, operand_text
from symnet.kernels.interface import Device
from symnet.kernels.memory import HOST


class NotOnDevice(NotImplementedError):
    """An operation has no code for the device that a function is compiled for."""


def refuse_references(nodes: Iterable[Apply], device: Device) -> None:
    """Reference operations are NumPy's, which reads the host's memory only.

    Raises: NotOnDevice for the first where that is not the device's."""
    for node in nodes:
        if device.memory is not HOST:
            raise NotOnDevice(refusal(node, f"{node.op} has no code", device))


def refuse_functions(program: Program, device: Device) -> None:
    """Raises: NotOnDevice for a loop with a function of which the device has no code."""
    for step in every_instruction(program.steps):
        if isinstance(step, KernelLaunch) and (name := device.lacks(step.kernel)):
            called = (n for n in step.nodes if str(n.op) == name)
            node = next(called, step.nodes[-1])
            raise NotOnDevice(refusal(node, f"{name} has no code", device))


def refusal(node: Apply, what: str, device: Device) -> str:
    return message(
        f"{what} on the device {device.name!r}",
        operation=node.op,
        operands=[operand_text(v) for v in node.inputs],
        origin=node.origin,
        cure="compile the function with device='cpu', or compute this value by a "
        "function of its own on the CPU and hand it over as an argument",
    )


__all__ = ["NotOnDevice", "refuse_functions", "refuse_references"]
