"""Where the time of a compiled function goes: by step, by the user's line, by operation.

Native steps are timed by the runner itself, NumPy's operations by the executable; what is
left of a call (arguments, results, the way from Python to native code and back) is a row
of its own, so that the rows add up to the time of the calls.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from time import perf_counter, perf_counter_ns
from typing import Any, TextIO, TypeVar

import numpy as np

from symnet.compile.compiled_segment import CompiledSegment
from symnet.compile.executable import Executable
from symnet.compile.lower.program import (
    If,
    Instruction,
    KernelLaunch,
    LibraryCall,
    Linearise,
    Loop,
    every_instruction,
    regions_of,
)
from symnet.compile.plan.planner import Plan
from symnet.data_classes import dataclass
from symnet.graph.evaluate import compute
from symnet.graph.origin import Origin
from symnet.graph.variables import Apply
from symnet.html_tables import escape, html_table
from symnet.kernels.memory import Traffic
from symnet.ops.elementwise import Cast
from symnet.ops.shape import DimShuffle
from symnet.times import time_text

T = TypeVar("T")
SECONDS = 0.3  # `f.profile(*args)` calls the function for about so long
MOST_CALLS, FEWEST_CALLS = 2000, 3
LONGEST_NAME = 48  # of the operations of a loop
LONGEST_LINE = 64  # of the user's program

OVERHEAD = "the call itself: arguments, results"
FALLBACK = "NumPy fallback"
THERE = "array library"


@dataclass(frozen=True)
class ProfileRow:
    """One step: seconds for each call; kind is "loop", "library", "copy", "control"
    (what a loop or condition costs beside the steps inside it, which have rows of their
    own), FALLBACK, THERE (an operation that takes arrays in a GPU's memory; the time to
    begin it), or "overhead"; the operations fused in it."""

    operation: str
    kind: str
    seconds: float
    nodes: Sequence[Apply] = ()

    @property
    def origin(self) -> Origin | None:
        """The user's line (of a loop made of several, the last one with a line)."""
        return next((n.origin for n in reversed(self.nodes) if n.origin), None)


@dataclass
class Measured:
    """What has been measured of one function: usual calls, and nanoseconds of steps.
    planning_calls: those that made plans, which are not measured.  transfers: between the
    host and the device's memory."""

    calls: int = 0
    planning_calls: int = 0
    nanoseconds: int = 0
    transfers: Traffic = Traffic()
    steps: dict[Instruction | Apply, int] = field(default_factory=dict)

    def add(self, step: Instruction | Apply, nanoseconds: int) -> None:
        self.steps[step] = self.steps.get(step, 0) + nanoseconds

    def add_call(self, nanoseconds: int, transfers: Traffic, steps: Measured) -> None:
        """One more usual call, and what its steps took."""
        self.calls += 1
        self.transfers += transfers
        self.nanoseconds += nanoseconds
        for step, taken in steps.steps.items():
            self.add(step, taken)


class Watch:
    """Times the steps and reference operations of an engine for as long as it is on."""

    def __init__(self, engine: Any, record: Measured) -> None:
        self.engine = engine  # the latest of a function with several
        self.record = record
        self.watched: dict[Any, tuple[Plan, np.ndarray[Any, Any]]] = {}

    @property
    def native(self) -> Sequence[CompiledSegment]:
        return getattr(self.engine, "native", ())

    def on(self) -> None:
        """Watch every plan that there is now."""
        if isinstance(self.engine, Executable):
            self.engine.compute = self._compute
        for native in self.native:
            for plan, entry in native.entries.items():
                if entry not in self.watched:
                    times = np.zeros(max(len(plan.owners), 1), np.int64)
                    self.watched[entry] = plan, times
                    entry.set_times(times)

    def off(self) -> None:
        for entry in self.watched:
            entry.set_times(None)
        self.take()
        self.watched.clear()
        if isinstance(self.engine, Executable):
            self.engine.compute = compute

    def take(self) -> None:
        """Move the times into the record."""
        for plan, times in self.watched.values():
            for step, nanoseconds in zip(plan.owners, times.tolist(), strict=False):
                self.record.add(step, nanoseconds)
            times[:] = 0

    def plans(self) -> tuple[Any, int]:
        """The engine, and how many plans it has made so far."""
        return self.engine, sum(native.plans_made for native in self.native)

    def _compute(self, node: Apply, *given: Any, **how: Any) -> list[Any]:
        start = perf_counter_ns()
        results = compute(node, *given, **how)
        self.record.add(node, perf_counter_ns() - start)
        return results


class TimeRecorder:
    """Measures every call of a function made with `profile=True`."""

    def __init__(self, engine: Any) -> None:
        self.record = Measured()
        self.watch = Watch(engine, Measured())

    def call(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """function(*args, **kwargs), measured; a call that makes a plan does not count,
        nor do its steps."""
        self.watch.on()
        plans = self.watch.plans()
        self.watch.record = steps = Measured()
        before, start = traffic_of(self.watch.engine), perf_counter_ns()
        results = function(*args, **kwargs)
        taken = perf_counter_ns() - start
        moved = traffic_of(self.watch.engine) - before
        self.watch.take()
        if self.watch.plans() == plans:
            self.record.add_call(taken, moved, steps)
        else:
            self.record.planning_calls += 1
        return results


class Profiler:
    """`f.profile`: what a function's calls cost.

    `f.profile(*args)` calls it with these arguments for a while and measures; the
    shared variables keep their values.  Of a function made with `profile=True` every
    call is measured, and `f.profile()` says what came together.
    """

    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, *args: Any, repeat: int | None = None, **kwargs: Any) -> Profile:
        """The profile: of `repeat` calls with these arguments (by default as many as
        about 0.3 seconds take), or without arguments of all calls so far.

        Raises: ValueError without arguments where calls were not recorded.
        """
        function = self.function
        given = bool(args or kwargs or repeat is not None)
        recorder = function.recorder
        if recorder is not None and not given:
            return Profile(function, recorder.record)
        if function.request.inputs and not given:
            raise ValueError(
                "nothing was recorded: call f.profile(*arguments), or make the function "
                "with function(..., profile=True)"
            )
        return Profile(function, measure(function, args, kwargs, repeat))

    def summary(
        self, file: TextIO | None = None, n_ops_to_print: int = 20, **_: Any
    ) -> None:
        """Theano's name for printing the profile of the calls so far."""
        (file or sys.stdout).write(self().text(n_ops_to_print) + "\n")

    print_summary = summary


def measure(
    function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], repeat: int | None
) -> Measured:
    """Call the function again and again; its shared variables are put back."""
    kept = [(shared, shared.get_value()) for shared in function.updates]
    recorder, function.recorder = function.recorder, None
    if recorder is not None:
        recorder.watch.off()
    record = Measured()
    watch = Watch(function.engine, record)
    most = MOST_CALLS if repeat is None else repeat
    try:
        function(*args, **kwargs)  # makes the plan
        watch.on()
        end = perf_counter() + SECONDS
        while record.calls < most:
            before, start = traffic_of(function.engine), perf_counter_ns()
            function(*args, **kwargs)
            record.nanoseconds += perf_counter_ns() - start
            record.transfers += traffic_of(function.engine) - before
            record.calls += 1
            if repeat is None and record.calls >= FEWEST_CALLS and perf_counter() > end:
                break
    finally:
        watch.off()
        function.recorder = recorder
        for shared, value in kept:
            shared.set_value(value)
    return record


def traffic_of(engine: Any) -> Traffic:
    """What has gone to and from the memory of an engine's device so far."""
    device = getattr(engine, "device", None)
    return device.memory.traffic() if device is not None else Traffic()


# ---- what is shown


def transfer_text(moved: Traffic, calls: int) -> str:
    """As "1 array (8 bytes) to the device, 0 arrays (0 bytes) from it"."""
    ways = [(moved.to_device, "to the device"), (moved.to_host, "from it")]
    arrays = [
        f"{one.number / calls:.3g} arrays ({one.bytes / calls:.4g} bytes) {where}"
        for one, where in ways
    ]
    words = f"{moved.parameters.bytes / calls:.4g} bytes of parameters"
    return ", ".join([*arrays, words])


def own_time(
    step: Instruction | Apply, times: Mapping[Instruction | Apply, int]
) -> int:
    """The time of a step without that of the steps inside it, which have their rows."""
    bodies = regions_of(step) if isinstance(step, Instruction) else ()
    return times[step] - sum(times.get(s, 0) for body in bodies for s in body.steps)


def row_of(
    step: Instruction | Apply, seconds: float, there: bool = False
) -> ProfileRow:
    """A step as a row.  there: a reference operation on arrays in the device's memory."""
    if isinstance(step, Apply):
        kind = THERE if there else FALLBACK
        return ProfileRow(str(step.op), kind, seconds, [step])
    if isinstance(step, (Loop, If)):
        what = "steps of" if isinstance(step, Loop) else "branches of"
        return ProfileRow(f"{what} {step.nodes[0].op}", "control", seconds, step.nodes)
    if isinstance(step, Linearise):
        return ProfileRow(f"copy for {step.nodes[0].op}", "copy", seconds, step.nodes)
    if isinstance(step, LibraryCall):
        return ProfileRow(
            f"{step.nodes[0].op} ({step.routine.name})", "library", seconds, step.nodes
        )
    assert isinstance(step, KernelLaunch)
    if all(
        output.value.op == "load" and not output.indices
        for output in step.kernel.outputs
    ):
        what = f"copy for {step.nodes[0].op}" if step.nodes else "copy of a result"
        return ProfileRow(what, "copy", seconds, step.nodes)
    return ProfileRow(names_of(step.nodes), "loop", seconds, step.nodes)


def names_of(nodes: Sequence[Apply]) -> str:
    """The operations of a loop: "exp, mul x 3, sum{axes=[1]}"."""
    counted: dict[str, int] = {}
    for node in nodes:
        if not isinstance(node.op, (Cast, DimShuffle)):
            counted[str(node.op)] = counted.get(str(node.op), 0) + 1
    names = [f"{name} x {n}" if n > 1 else name for name, n in counted.items()]
    text = ", ".join(names or [str(node.op) for node in nodes])
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 3] + "..."


class Profile:
    """A measured function.

    rows: its steps in the order in which they run, and the call itself at the end; they
    add up to `seconds`, the time of one call (the mean of `calls`).  steps: the program's
    step (or NumPy's operation) of each row but the last.  transfers: what all
    these calls together moved between the host and the device's memory: `to_device`,
    `to_host` (arrays) and `parameters`, each with its `number` and `bytes`; nothing on the
    CPU.  made: seconds that `function()` took.  plans, planning: how many plans calls have
    made, and in how many seconds, most of which is compiling.
    """

    def __init__(self, function: Any, record: Measured) -> None:
        engine = function.engine
        native: Sequence[CompiledSegment] = getattr(engine, "native", ())
        self.name = repr(function)
        self.calls, self.planning_calls = record.calls, record.planning_calls
        self.made = function.made_seconds
        self.plans = sum(one.plans_made for one in native)
        self.planning = sum(one.planning_seconds for one in native)
        self.transfers = record.transfers
        calls = max(self.calls, 1)
        there = getattr(engine, "there", ())
        self.seconds = record.nanoseconds / 1e9 / calls
        self.steps = sorted(record.steps, key=_positions(engine).__getitem__)
        self.rows = [
            row_of(step, own_time(step, record.steps) / 1e9 / calls, step in there)
            for step in self.steps
        ]
        rest = self.seconds - sum(row.seconds for row in self.rows)
        what = OVERHEAD if native else "the whole graph, by NumPy"
        self.rows.append(ProfileRow(what, "overhead" if native else FALLBACK, rest))

    def by_line(self) -> list[tuple[str, float]]:
        """(the user's line, seconds for each call), the most costly first.  What is fused
        of several lines is shared out by the number of operations."""
        found: dict[str, float] = {}
        for row in self.rows:
            texts = [_line(node.origin) or "made by symnet" for node in row.nodes]
            texts = texts or [row.operation]
            for text in texts:
                found[text] = found.get(text, 0.0) + row.seconds / len(texts)
        return sorted(found.items(), key=lambda item: -item[1])

    def by_operation(self) -> list[tuple[str, float]]:
        """(operations and their kind, seconds for each call), the most costly first."""
        found: dict[str, float] = {}
        for row in self.rows:
            text = f"{row.operation} [{row.kind}]"
            found[text] = found.get(text, 0.0) + row.seconds
        return sorted(found.items(), key=lambda item: -item[1])

    def head(self) -> list[str]:
        """The first lines: what was measured, and what came before."""
        made = f"made in {time_text(self.made)}"
        if self.plans:
            many = f"{self.plans} plan{'s' if self.plans > 1 else ''}"
            made += f"; {many}, with machine code, in {time_text(self.planning)}"
        return [f"{self.name}: {self.measured}", made]

    @property
    def measured(self) -> str:
        """As "3 calls of 12 us", or why there are none."""
        if self.calls:
            many = f"{self.calls} call{'s' if self.calls > 1 else ''}"
            return f"{many} of {time_text(self.seconds)}"
        if not self.planning_calls:
            return "no call yet"
        each = "the only call" if self.planning_calls == 1 else "each call so far"
        return f"nothing measured: {each} met new sizes and made a plan; call it again"

    def text(self, most: int = 20) -> str:
        """The profile as text, with so many rows in each table."""
        lines = self.head()
        if not self.calls:
            return "\n".join(lines)
        if self.transfers != Traffic():
            lines.append(f"each call moved {transfer_text(self.transfers, self.calls)}")
        steps = sorted(self.rows, key=lambda row: -row.seconds)
        shown = [
            (f"{row.operation} [{row.kind}]", row.seconds, _line(row.origin))
            for row in steps
        ]
        lines += ["", *self._table("step", shown, most)]
        by_line = [(text, seconds, "") for text, seconds in self.by_line()]
        lines += ["", *self._table("line", by_line, most)]
        return "\n".join(lines)

    def _table(
        self, title: str, rows: Sequence[tuple[str, float, str]], most: int
    ) -> list[str]:
        width = max([len(text) for text, _, _ in rows[:most]])
        lines = [f" share       time  {title}"]
        for text, seconds, more in rows[:most]:
            line = f"{self.share(seconds):5.1f}%  {time_text(seconds):>9}  "
            lines.append((line + f"{text:<{width}}  {more}").rstrip())
        if len(rows) > most:
            rest = sum(seconds for _, seconds, _ in rows[most:])
            what = f"{len(rows) - most} more"
            lines.append(f"{self.share(rest):5.1f}%  {time_text(rest):>9}  {what}")
        return lines

    def share(self, seconds: float) -> float:
        return 100 * seconds / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Profile of {self.name}, {self.measured}>"

    def _repr_html_(self) -> str:
        head = "<br>".join(map(escape, self.head()))
        rows = [
            (
                _bar(self.share(row.seconds)),
                time_text(row.seconds),
                escape(row.operation),
                row.kind,
                escape(_line(row.origin)),
            )
            for row in sorted(self.rows, key=lambda row: -row.seconds)
        ]
        titles = ("share", "time", "operation", "kind", "your line")
        return f"<p>{head}</p>" + (html_table(rows, titles) if self.calls else "")


def _bar(percent: float) -> str:
    width = max(round(1.2 * percent), 1)
    return (
        f'<span style="display:inline-block;height:0.7em;width:{width}px;'
        f'background:#2f6fb7"></span> {percent:.1f}%'
    )


def _positions(engine: Any) -> dict[Any, int]:
    """The order in which an engine runs its steps."""
    found: dict[Any, int] = {}
    if isinstance(engine, Executable):
        for segment, native in zip(engine.segments, engine.native, strict=True):
            inside = every_instruction(native.program.steps)
            steps: Iterable[Any] = [*inside, *segment.reference]
            for step in steps:
                found[step] = len(found)
    return found


def _line(origin: Origin | None) -> str:
    """A line of the user's program: its file without folders, and how it begins."""
    if origin is None:
        return ""
    role = f"{origin.role} of " if origin.role else ""
    text = (
        origin.text
        if len(origin.text) <= LONGEST_LINE
        else f"{origin.text[:LONGEST_LINE]}..."
    )
    return f"{role}{origin.short_place}" + (f": {text}" if text else "")
