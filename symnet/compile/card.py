"""What notebooks show for a compiled function: what goes in and comes out, and what runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from symnet.compile.debugmode import DebugEngine
from symnet.compile.executable import Executable
from symnet.compile.lower.program import (
    If,
    Instruction,
    KernelLaunch,
    LibraryCall,
    Loop,
    every_instruction,
)
from symnet.graph.variables import Variable
from symnet.html_tables import escape, html_table
from symnet.times import time_text

MOST_LISTED = 8  # inputs, outputs or updates; the others are folded up
COUNTED: dict[type[Instruction], str] = {
    KernelLaunch: "kernel",
    LibraryCall: "library call",
    Loop: "loop",
    If: "condition",
}


def html_card(function: Any) -> str:
    """A table about a function (a `compile.Function`)."""
    request = function.request
    inputs = [_entry(i.name, i.variable, k) for k, i in enumerate(request.inputs)]
    keys = [str(key) for key in request.keys] or [v.name for v in request.outputs]
    outputs = [_entry(*pair, k) for k, pair in enumerate(zip(keys, request.outputs))]
    updates = [_entry(s.name, s, k) for k, s in enumerate(request.updates)]
    rows = [
        ("inputs", _listed(inputs)),
        ("outputs", _listed(outputs)),
        ("updates", _listed(updates)),
        ("mode", f"{escape(function.mode.name)} on {escape(function.device.name)}"),
        *_of_engine(function.engine),
        ("made in", time_text(function.made_seconds)),
    ]
    title = f"function {escape(function.name)}" if function.name else "function"
    shown = [(what, text) for what, text in rows if text]
    return f"<p><b>{title}</b></p>{html_table(shown)}"


def _entry(name: str | None, variable: Variable, place: int) -> str:
    """By its name, else by its place; the operation that makes it tells a user nothing."""
    shown = escape(name) if name else f"number {place}"
    return f"<code>{shown}</code>: {escape(str(variable.type))}"


def _listed(entries: Sequence[str]) -> str:
    """One a line; what is too much for a card can be folded out."""
    first, more = entries[:MOST_LISTED], entries[MOST_LISTED:]
    text = "<br>".join(first)
    if more:
        inside = "<br>".join(more)
        text += f"<details><summary>{len(more)} more</summary>{inside}</details>"
    return text


def _of_engine(engine: Any) -> list[tuple[str, str]]:
    """What runs, in how many plans, and in how much memory."""
    if isinstance(engine, DebugEngine):
        runs = f"{work_text(engine.engine)}; each call is computed three times and compared"
        return [("runs", runs)]
    if not isinstance(engine, Executable):
        return [("runs", "the graph as it stands, by NumPy; nothing is compiled")]
    plans = [plan for one in engine.native for plan in one.plans.values()]
    made = sum(one.plans_made for one in engine.native)
    seconds = sum(one.planning_seconds for one in engine.native)
    told = f"{made}, with machine code, in {time_text(seconds)}"
    memory = sum(plan.loaded.memory_bytes for plan in plans)
    return [
        ("runs", work_text(engine)),
        ("plans", told if made else "none yet: the first call compiles"),
        ("memory of temporaries", bytes_text(memory) if plans else ""),
    ]


def work_text(engine: Executable) -> str:
    """As "3 kernels, 2 library calls", and what NumPy does between them."""
    steps = [s for one in engine.native for s in every_instruction(one.program.steps)]
    counts = [(what, _count(steps, kind)) for kind, what in COUNTED.items()]
    counts.append(
        ("operation by NumPy", sum(len(s.reference) for s in engine.segments))
    )
    parts = [_many(number, what) for what, number in counts if number]
    return ", ".join(parts) or "nothing: results are there already"


def _count(steps: Iterable[Instruction], kind: type[Instruction]) -> int:
    return sum(isinstance(step, kind) for step in steps)


def _many(number: int, what: str) -> str:
    """As "1 kernel", "2 operations by NumPy"."""
    noun, _, rest = what.partition(" by ")
    text = f"{number} {noun}{'s' if number > 1 else ''}"
    return f"{text} by {rest}" if rest else text


def bytes_text(count: int) -> str:
    """A size of memory with three figures and its unit."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"
