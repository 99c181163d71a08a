"""What a call that does not fit into a device's memory says: what is largest, and whose lines
made it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from math import prod

import numpy as np

from symnet.compile.lower.program import Buffer, Program, every_instruction
from symnet.compile.plan.planner import Binding, Plan
from symnet.data_classes import dataclass
from symnet.errors import message
from symnet.graph.variables import Apply
from symnet.kernels.memory import NoRoom

SHOWN = 4  # arrays
CURE = (
    "use smaller minibatches or a smaller dtype, keep fewer shared variables there, or "
    "delete functions that are not needed any more: each keeps memory of its own"
)


@dataclass(frozen=True)
class Held:
    """An array of a call: its size in bytes, what it is, and the user's line."""

    size: int
    text: str
    line: object = None

    def __str__(self) -> str:
        where = f"; your line: {self.line}" if self.line is not None else ""
        return f"{amount(self.size)}: {self.text}{where}"


def with_largest(error: NoRoom, program: Program, plan: Plan) -> NoRoom:
    """The error with the largest arrays of the call."""
    arena = amount(plan.loaded.memory_bytes)
    what = f"{error}; the call's largest arrays (those between steps share {arena}):"
    lines = largest([*between_steps(program, plan), *handed(program, plan)])
    return NoRoom(message("\n".join([what, *lines]), cure=CURE))


def largest(arrays: Iterable[Held]) -> list[str]:
    """Lines that tell of the largest arrays, and what the others take."""
    every = sorted(arrays, key=lambda one: -one.size)
    lines = [f"  {one}" for one in every[:SHOWN]]
    if len(every) > SHOWN:
        rest = sum(one.size for one in every[SHOWN:])
        lines.append(f"  {amount(rest)}: {len(every) - SHOWN} more")
    return lines


def between_steps(program: Program, plan: Plan | Binding) -> Iterator[Held]:
    """The temporaries of a call."""
    makers = makers_of(program)
    for buffer, (_, size) in plan.arena.items():
        yield held(size, f"{buffer.dtype}, between steps", makers.get(buffer))


def handed(program: Program, plan: Plan) -> Iterator[Held]:
    """The outputs, inputs and shared variables of a call."""
    makers = makers_of(program)
    owners = plan.owners
    for number, size in plan.loaded.working.items():
        node = next(reversed(owners[number].nodes), None)
        yield held(size, "memory to work in", node)
    outputs = {b.position: node for b, node in makers.items() if b.kind == "output"}
    for number, (dtype, shape) in enumerate(plan.outputs):
        size = prod(shape) * np.dtype(dtype).itemsize
        text = f"{dtype} {shape}, output {number}"
        yield held(size, text, outputs.get(number))
    for kind, leaves in (("input", program.inputs), ("shared", program.shared)):
        for leaf in leaves:
            dtype, shape = leaf.type.dtype, plan.shapes[leaf]
            size = prod(shape) * np.dtype(dtype).itemsize
            yield Held(size, f"{dtype} {shape}, {kind} variable {leaf}")


def held(size: int, text: str, node: Apply | None) -> Held:
    if node is None:
        return Held(size, text)
    return Held(size, f"{text}, of {node.op}", node.origin)


def makers_of(program: Program) -> dict[Buffer, Apply]:
    """The operation that first writes to each piece of memory."""
    base = program.placement.base
    found: dict[Buffer, Apply] = {}
    for step in every_instruction(program.steps):
        for view in step.outputs:
            for node in islice(reversed(step.nodes), 1):
                found.setdefault(base(view.buffer), node)
                found.setdefault(view.buffer, node)
    return found


def amount(size: int) -> str:
    """Bytes in words.  Example: `amount(1_500_000)` is "1.5 MB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000  # type: ignore[assignment]
    return f"{size:.4g} TB"


__all__ = ["amount", "between_steps", "largest", "with_largest"]
