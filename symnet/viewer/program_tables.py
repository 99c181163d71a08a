"""A compiled function's program as plain data: steps, kernels, memory, times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from symnet.compile.compiled_segment import CompiledSegment
from symnet.compile.executable import Executable
from symnet.compile.function import Function
from symnet.compile.lower.program import (
    Buffer,
    Instruction,
    KernelLaunch,
    Program,
    every_instruction,
)
from symnet.compile.memory.arena import lifetimes, moments_of
from symnet.compile.plan.planner import Plan
from symnet.compile.profile import Profile, row_of
from symnet.graph.variables import Apply, describe
from symnet.kernels.interface import Task
from symnet.printing.stages import BufferNames, numbered, numbered_tasks, step_lines
from symnet.times import time_text
from symnet.viewer.graph_tables import GraphTables, Record


class ProgramTables:
    """The program of one function.

    numbers: of its operations, in the tables.
    """

    def __init__(
        self,
        function: Function,
        tables: GraphTables,
        numbers: Mapping[Apply, int],
        profile: Profile | None,
    ) -> None:
        self.function, self.tables, self.numbers = function, tables, numbers
        self.kernels: list[str] = []
        self.codes: list[Record] = []
        self.profile = profile
        self.seconds: dict[Any, float] = {}
        if profile is not None:
            rows = [row.seconds for row in profile.rows]
            self.seconds = dict(zip(profile.steps, rows))

    def record(self) -> Record:
        """All parts, and the tables of kernels and code that their steps point into."""
        engine = self.function.engine
        parts: list[Record] = []
        if isinstance(engine, Executable):
            pairs = zip(engine.segments, engine.native, strict=True)
            for segment, native in pairs:
                parts.append(self._part(native))
                parts[-1]["reference"] = [self._reference(n) for n in segment.reference]
        return {
            "device": self.function.device.description() if parts else "NumPy",
            "mode": str(self.function.mode), "parts": parts, "kernels": self.kernels,
            "codes": self.codes, "profile": self._profile(),
        }  # fmt: skip

    def _profile(self) -> Record | None:
        profile = self.profile
        if profile is None or not profile.calls:
            return None
        rest = profile.rows[-1]
        return {
            "head": profile.head(), "seconds": profile.seconds,
            "rest": [rest.operation, rest.seconds, time_text(rest.seconds)],
        }  # fmt: skip

    # ---- steps

    def _part(self, native: CompiledSegment) -> Record:
        program = native.program
        plan = next(reversed(native.plans.values()), None)
        memory = BufferNames(program)
        moments = moments_of(program.steps)
        tasks = {}
        if plan is not None:
            found = numbered_tasks(plan.steps, plan.tasks)
            tasks = {step: task for _, step, task in found}
        steps = [
            self._step(number, step, memory, tasks.get(step), moments[step])
            for number, step in numbered(program.steps)
        ]
        return {
            "steps": steps, "moments": sum(1 for _ in every_instruction(program.steps)),
            "planned": plan is not None,
            "arena": arena_record(program, plan, memory) if plan else None,
            "arrays": array_records(program, plan) if plan else [],
        }  # fmt: skip

    def _step(
        self, number: str, step: Instruction, memory: BufferNames, task: Any,
        moments: tuple[int, int],
    ) -> Record:  # fmt: skip
        row = row_of(step, 0.0)
        record = {
            "number": number, "depth": number.count("."), "what": row.operation,
            "kind": row.kind, "line": self.tables.line(row.origin),
            "operations": self._known(step.nodes), "moments": list(moments),
            "text": step_lines(number, step, memory)[1:], "kernel": None, "codes": [],
            "work": "", **self._time(step),
        }  # fmt: skip
        if isinstance(step, KernelLaunch):
            record["kernel"] = entered(self.kernels, step.kernel.text)
        if isinstance(task, Task):
            record["work"] = self.function.device.work(task)
            record["codes"] = self._codes(task)
        return record

    def _reference(self, node: Apply) -> Record:
        return {
            "what": str(node.op), "line": self.tables.line(node.origin),
            "operations": self._known([node]), **self._time(node),
        }  # fmt: skip

    def _time(self, step: Instruction | Apply) -> Record:
        seconds = self.seconds.get(step)
        return {
            "seconds": seconds,
            "time": "" if seconds is None else time_text(seconds),
        }

    def _known(self, nodes: Sequence[Apply]) -> list[int]:
        return [self.numbers[node] for node in nodes if node in self.numbers]

    def _codes(self, task: Task) -> list[int]:
        """The code of a kernel or a draw: LLVM IR, on a GPU PTX, too."""
        device = self.function.device
        forms = {"llvm": "LLVM IR"} | (
            {"asm": "PTX"} if device.name.startswith("cuda") else {}
        )
        texts = [(title, device.code(task, form)) for form, title in forms.items()]
        return [
            entered(self.codes, {"title": title, "text": text})
            for title, text in texts if text
        ]  # fmt: skip


def entered(table: list[Any], value: Any) -> int:
    """The number of a value in a table, where it is entered if it is new."""
    if value not in table:
        table.append(value)
    return table.index(value)


# ---- memory


def arena_record(program: Program, plan: Plan, memory: BufferNames) -> Record:
    """Where temporaries lie, when they live, and when they take most.

    A buffer: name, dtype, offset, bytes, first and last moment, number of the step that
    writes it first.  live: bytes in use at each moment.  peak: the moment with most.
    """
    lives = lifetimes(program.steps, program.placement)
    writers = first_writers(program)
    buffers: list[Record] = [
        {
            "name": memory.name(buffer), "dtype": buffer.dtype, "offset": offset,
            "bytes": length, "first": lives[buffer][0], "last": lives[buffer][1],
            "step": writers.get(buffer, ""),
        }
        for buffer, (offset, length) in plan.arena.items()
    ]  # fmt: skip
    count = sum(1 for _ in every_instruction(program.steps))
    live = [
        sum(b["bytes"] for b in buffers if b["first"] <= moment <= b["last"])
        for moment in range(count)
    ]
    peak = max(range(count), key=live.__getitem__, default=0)
    return {
        "bytes": plan.loaded.arena_bytes, "buffers": buffers, "live": live, "peak": peak,
        "at_peak": [
            k for k, b in enumerate(buffers) if b["first"] <= peak <= b["last"]
        ],
    }  # fmt: skip


def first_writers(program: Program) -> dict[Buffer, str]:
    """The number of the step that writes each buffer first."""
    found: dict[Buffer, str] = {}
    for number, step in numbered(program.steps):
        for view in step.outputs:
            found.setdefault(program.placement.base(view.buffer), number)
    return found


def array_records(program: Program, plan: Plan) -> list[Record]:
    """The memory that does not lie in the arena: inputs, shared variables, constants,
    outputs."""
    return [
        {
            "kind": kind, "name": name, "dtype": dtype, "shape": list(shape),
            "bytes": int(np.prod(shape)) * np.dtype(dtype).itemsize,
        }
        for kind, name, dtype, shape in _arrays(program, plan)
    ]  # fmt: skip


def _arrays(
    program: Program, plan: Plan
) -> Iterator[tuple[str, str, str, Sequence[int]]]:
    for kind, leaves in (("input", program.inputs), ("shared", program.shared)):
        for leaf in leaves:
            yield kind, describe(leaf), leaf.type.dtype, plan.shapes[leaf]
    for number, buffer in enumerate(program.constants):
        data = np.asarray(buffer.data)
        yield "constant", buffer.name or str(number), str(data.dtype), data.shape
    for number, (dtype, shape) in enumerate(plan.outputs):
        yield "output", f"output {number}", dtype, shape
