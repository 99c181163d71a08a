"""Every stage of a function's compilation as text: what the debugger and tests print.

From the graph as it was written, through every pass, the loops into which operations are
fused, the program's steps and their sizes, to LLVM IR and assembly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import unified_diff
from typing import Any

from symnet.compile.compiled_segment import CompiledSegment
from symnet.compile.executable import Executable
from symnet.compile.function import Function
from symnet.compile.lower.fuse import Cluster, fuse
from symnet.compile.lower.lowering import needed_nodes
from symnet.compile.lower.program import (
    Buffer,
    Instruction,
    KernelLaunch,
    Loop,
    Program,
    regions_of,
)
from symnet.compile.partition import Segment
from symnet.compile.pipeline import LOWERING, PASSES, compile_graph
from symnet.compile.plan.planner import Plan
from symnet.compile.profile import row_of
from symnet.graph.inner import InnerGraph
from symnet.graph.traverse import Graph
from symnet.graph.variables import Apply, Variable, describe
from symnet.kernels.interface import AnyTask, Choice, Device, Repeat, Task
from symnet.kernels.loopir.scalars import Kernel, Scalar, walk
from symnet.kernels.loopir.views import Size, View
from symnet.printing.roots import is_number, type_text
from symnet.rewriting.rewriter import Trace
from symnet.shared import SharedVariable
from symnet.sizes.infer import HostArgument
from symnet.times import time_text

SIGNS = {"add": "+", "sub": "-", "mul": "*", "floordiv": "//", "mod": "%"}
LONGEST_SIZE = 60


class Listing:
    """Graphs as lists of operations, `%3 = mul %1 %2`.

    What is computed in the same way has the same number in every graph, so that lists
    can be compared.
    """

    def __init__(self) -> None:
        self.numbers: dict[Variable, str] = {}
        self.known: dict[Any, Variable] = {}  # operation and names of inputs -> result
        self.present: set[Variable] = set()
        self.count = 0

    def name(self, variable: Variable) -> str:
        """A leaf by its name or value, a result by its number."""
        if is_number(variable):
            return str(variable.data.item())
        if variable.owner is None and (variable.name or hasattr(variable, "data")):
            return describe(variable)
        if variable not in self.numbers:
            self.numbers[variable] = self._number(variable)
        return self.numbers[variable]

    def _number(self, variable: Variable) -> str:
        node = variable.owner
        if node is not None:
            # Only one level: the inputs have their numbers, or get new ones.
            names = [self.numbers.get(v) or self._leaf_name(v) for v in node.inputs]
            key = (node.op, *names, variable.index)
            same = self.known.setdefault(key, variable)
            if same is not variable and same not in self.present:
                return self.numbers[same]
        self.count += 1
        return f"%{self.count - 1}"

    def _leaf_name(self, variable: Variable) -> str:
        return self.name(variable) if variable.owner is None else f"{id(variable)}"

    def operation(self, node: Apply) -> str:
        inputs = " ".join(self.name(v) for v in node.inputs)
        return f"{node.op} {inputs}".rstrip()

    def line(self, node: Apply) -> str:
        made = ", ".join(self.name(v) for v in node.outputs)
        types = ", ".join(type_text(v) for v in node.outputs)
        names = ", ".join(v.name for v in node.outputs if v.name)
        text = f"{made} = {self.operation(node)} : {types}"
        return f"{text}  '{names}'" if names else text

    def graph(self, graph: Graph, updates: Sequence[Variable]) -> list[str]:
        """The operations, and what they are for: the last outputs are `updates`."""
        self.present = set(graph.variables)
        lines = [f"input {self.name(v)} : {type_text(v)}" for v in graph.inputs]
        shared = [v for v in graph.variables if isinstance(v, SharedVariable)]
        lines += [f"shared {self.name(v)} : {type_text(v)}" for v in shared]
        for node in graph.toposort():
            lines += [self.line(node), *inner_lines(node)]
        count = len(graph.outputs) - len(updates)
        for k, v in enumerate(graph.outputs[:count]):
            lines.append(f"output {k}: {self.name(v)}")
        for target, v in zip(updates, graph.outputs[count:], strict=True):
            lines.append(f"update of {self.name(target)}: {self.name(v)}")
        return lines


def inner_lines(node: Apply) -> list[str]:
    """The graphs inside an operation, indented."""
    names = ("graph", "then_graph", "else_graph")
    lines: list[str] = []
    for name in names:
        inner = getattr(node.op, name, None)
        if isinstance(inner, InnerGraph):
            head = {"graph": "in each step", "then_graph": "if true"}
            lines.append(f"  {head.get(name, 'else')}:")
            listed = Listing().graph(inner.as_graph(), ())
            lines += [f"    {line}" for line in listed]
    return lines


# ---- sizes, views, steps


def size_text(size: Size, arguments: Sequence[HostArgument]) -> str:
    """A host integer as a formula: `x.shape[0] * 4`."""
    texts: dict[Scalar, str] = {}
    for one in walk([size]):
        inner = [texts[a] for a in one.args]
        if one.op == "literal":
            text = str(one.value)
        elif one.op == "argument":
            given = arguments[one.value]
            name = describe(given.leaf)
            text = name if given.axis is None else f"{name}.shape[{given.axis}]"
        elif one.op in SIGNS:
            text = f"{_enclosed(inner[0])} {SIGNS[one.op]} {_enclosed(inner[1])}"
        else:
            text = f"{one.op}({', '.join(inner)})"
        texts[one] = text if len(text) <= LONGEST_SIZE else "(...)"
    return texts[size]


def _enclosed(text: str) -> str:
    return f"({text})" if " " in text else text


class BufferNames:
    """The names of a program's buffers: those that a user knows, the others numbered in
    the order in which they are met."""

    def __init__(self, program: Program) -> None:
        self.arguments, self.placement = program.arguments, program.placement
        self.numbers: dict[Buffer, int] = {}

    def name(self, buffer: Buffer) -> str:
        """`input x`, `temporary 3`."""
        if buffer.kind in ("temporary", "row"):
            number = self.numbers.setdefault(buffer, len(self.numbers))
            return f"{buffer.kind} {number}{f' {buffer.name}' if buffer.name else ''}"
        return f"{buffer.kind} {buffer.name or buffer.position}"

    def place(self, buffer: Buffer) -> str:
        """Where it lies in the end; of what takes over a temporary, both."""
        home = self.placement.home(buffer)
        if home is buffer or home.kind != "temporary":
            return self.name(home)
        return f"{self.name(buffer)} in {self.name(home)}"


def view_text(view: View, memory: BufferNames) -> str:
    """Which memory, its dtype and sizes; where in it, unless it is all of it; how a loop
    moves it."""
    arguments = memory.arguments
    sizes = ", ".join(size_text(s, arguments) for s in view.sizes)
    text = f"{memory.place(view.buffer)} {view.dtype}[{sizes}]"
    offset = size_text(view.offset, arguments)
    if offset != "0":
        text += f" from byte {offset}"
    row = memory.placement.home(view.buffer).row
    if row is not None:
        where = memory.name(memory.placement.home(row.origin.buffer))
        text += f", moved along {where} by {size_text(row.step, arguments)} bytes"
        text += f" in a ring of {row.slots}" if row.slots else ""
    return text if view.contiguous else f"{text} strided"


def numbered(
    steps: Sequence[Instruction], head: str = ""
) -> Iterator[tuple[str, Instruction]]:
    """The steps, each with its number; those inside step 2 are "2.0", "2.1" ... (inside
    the branches of a condition "2.0.0", "2.1.0")."""
    for k, step in enumerate(steps):
        yield f"{head}{k}", step
        bodies = regions_of(step)
        for which, body in enumerate(bodies):
            inner = f"{head}{k}." if len(bodies) == 1 else f"{head}{k}.{which}."
            yield from numbered(body.steps, inner)


def numbered_tasks(
    steps: Sequence[Instruction], tasks: Sequence[AnyTask], head: str = ""
) -> Iterator[tuple[str, Instruction, AnyTask]]:
    """The same, with the task of each step (there is none in a branch that a plan lacks)."""
    for k, (step, task) in enumerate(zip(steps, tasks)):
        yield f"{head}{k}", step, task
        bodies = regions_of(step)
        found = [task.body] if isinstance(task, Repeat) else getattr(task, "bodies", ())
        for which, (body, inner) in enumerate(zip(bodies, found)):
            more = f"{head}{k}." if len(bodies) == 1 else f"{head}{k}.{which}."
            yield from numbered_tasks(body.steps, inner, more)


def step_lines(number: str, step: Instruction, memory: BufferNames) -> list[str]:
    """A step of a program: what it does, what it reads and writes."""
    row, arguments = row_of(step, 0.0), memory.arguments
    lines = [f"step {number}: {row.operation} [{row.kind}]"]
    lines += [f"  reads  {view_text(v, memory)}" for v in step.inputs]
    if step.initial is not None:
        lines.append(f"  begins with {view_text(step.initial, memory)}")
    lines += [f"  writes {view_text(v, memory)}" for v in step.outputs]
    if isinstance(step, KernelLaunch):
        loops = [
            f"{'reduce' if reduced else 'for'} i{axis} < {size_text(size, arguments)}"
            for axis, (size, reduced) in enumerate(zip(step.sizes, step.kernel.reduced))
        ]
        lines.append(f"  {'; '.join(loops) or 'once'}")
    if isinstance(step, Loop):
        lines.append(f"  {size_text(step.iterations, arguments)} times")
    if isinstance(step, Loop):
        lines.append("  may be broken off")
    elif step.fallible:
        lines.append("  may fail: a position can be out of range")
    return lines


def program_lines(program: Program) -> list[str]:
    """The steps, what they are for where values have no places yet, and what a call must
    check."""
    memory, lines = BufferNames(program), list[str]()
    for number, step in numbered(program.steps):
        lines += step_lines(number, step, memory)
    if not program.placement.places:
        for result in (*program.results, *program.updates):
            value = view_text(result.value, memory)
            lines.append(f"{memory.name(result.target)} becomes {value}")
    for demand in program.demands:
        condition = size_text(demand.condition, program.arguments)
        lines.append(f"demands {condition}: {demand.what}")
    return lines


def cluster_lines(
    number: int, cluster: Cluster, listing: Listing, arguments: Sequence[HostArgument]
) -> list[str]:
    """A set of operations that share a loop."""
    if not cluster.loop:
        return [f"{number}: no loop", *(f"  {listing.line(n)}" for n in cluster.nodes)]
    axes = [
        f"{'reduce' if k in cluster.reduced else 'for'} i{k} < {size_text(s, arguments)}"
        for k, s in enumerate(cluster.space)
    ]
    lines = [f"{number}: {'; '.join(axes) or 'once'}"]
    for node in reversed(cluster.nodes):
        kept = "  stored" if node.outputs[0] in cluster.stored else ""
        lines.append(f"  {listing.line(node)}{kept}")
    return lines


def task_line(number: str, step: Instruction, task: AnyTask, device: Device) -> str:
    """A step with its sizes: how much work it is, and how it is laid out."""
    row = row_of(step, 0.0)
    if isinstance(task, Repeat):
        return f"step {number}: {row.operation}: {task.iterations} times"
    if isinstance(task, Choice):
        return f"step {number}: {row.operation}"
    return f"step {number}: {row.operation}: {device.work(task)}"


# ---- a function


class Stages:
    """The stages of one function, each as text: `Stages(f).text("simplify")`."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.listing = Listing()
        edges = function.edges  # sparse matrices are taken apart already
        self.updates = list(edges.updates)
        self.written = Graph(edges.inputs, [*edges.outputs, *edges.updates.values()])
        self.trace = Trace()
        if getattr(function.mode, "rewrites", True):
            function.mode.rewrite(self.written, self.trace)
        self.graphs = [("written", self.written), *self.trace.graphs]

    @property
    def sections(self) -> Mapping[str, Callable[[], list[str]]]:
        """What there is to see, in order."""
        passes = {name: self._pass(k) for k, (name, _) in enumerate(self.graphs)}
        return {
            **passes,
            "rules": self.rules,
            "fuse": self.clusters,
            "loops": self.loops,
            **{name: self._lowered(name) for name in LOWERING_NAMES},
            "program": self.program,
            "plan": self.plan,
            "llvm": self.llvm,
            "asm": self.assembly,
        }

    def text(self, name: str) -> str:
        """One stage.  Raises: KeyError for a name that is none of `sections`."""
        return "\n".join(self.sections[name]())

    def difference(self, name: str) -> str:
        """What a pass changed, as a unified diff; the graph itself for "written"."""
        names = [one for one, _ in self.graphs]
        position = names.index(name)
        lists = [self.listing.graph(graph, self.updates) for _, graph in self.graphs]
        if not position:
            return "\n".join(lists[0])
        before, after = lists[position - 1], lists[position]
        diff = unified_diff(before, after, names[position - 1], name, n=1, lineterm="")
        return "\n".join(diff) or "nothing changed"

    def _pass(self, position: int) -> Callable[[], list[str]]:
        def lines() -> list[str]:
            # Numbers are given in the order of the passes, whichever is asked for.
            lists = [self.listing.graph(g, self.updates) for _, g in self.graphs]
            return lists[position]

        return lines

    def rules(self) -> list[str]:
        """Every use of a rule, in order."""
        self._pass(0)()
        lines = []
        for step, fired in self.trace.fired:
            before = fired.before.owner
            shown = self.listing.operation(before) if before else str(fired.before)
            after = fired.after.owner
            new = (
                self.listing.operation(after)
                if after
                else self.listing.name(fired.after)
            )
            lines.append(f"{step}: {fired.rule}: {shown}  ->  {new}")
        return lines or ["no rule was used"]

    # ---- programs

    def _segments(self) -> Iterator[tuple[Segment, CompiledSegment, list[str]]]:
        """The parts of the program, each with a heading where there are several."""
        engine = self.function.engine
        if not isinstance(engine, Executable):
            return
        for graph in (*(one for _, one in self.graphs), self.function.maker.fgraph):
            self.listing.graph(graph, self.updates)
        several = len(engine.segments) > 1
        for k, (segment, native) in enumerate(zip(engine.segments, engine.native)):
            head = [f"part {k}"] if several else []
            yield segment, native, head

    def _native(self, lines: list[str]) -> list[str]:
        return lines or [f"{self.function.mode} compiles nothing"]

    def clusters(self) -> list[str]:
        """Which operations share a loop, and what NumPy computes between programs."""
        lines: list[str] = []
        for segment, _, head in self._segments():
            inference = segment.inference
            nodes = needed_nodes(segment.wanted, segment.leaves)
            lines += head
            for k, cluster in enumerate(fuse(nodes, segment.wanted, inference)):
                lines += cluster_lines(k, cluster, self.listing, inference.arguments)
            lines += [f"NumPy: {self.listing.line(node)}" for node in segment.reference]
        return self._native(lines)

    def _kernels(self) -> dict[str, tuple[Kernel, list[str]]]:
        """The different kernels, and the steps that use each."""
        found: dict[str, tuple[Kernel, list[str]]] = {}
        for _, native, head in self._segments():
            for number, step in numbered(native.program.steps):
                if isinstance(step, KernelLaunch):
                    where = f"{head[0]}, step {number}" if head else f"step {number}"
                    found.setdefault(step.kernel.text, (step.kernel, []))[1].append(
                        where
                    )
        return found

    def loops(self) -> list[str]:
        """The loop IR of every kernel."""
        lines: list[str] = []
        for text, (_, steps) in self._kernels().items():
            lines += [f"# {'; '.join(steps)}", text, ""]
        return self._native(lines)

    def program(self) -> list[str]:
        """The steps, their memory, and what a call must check."""
        lines: list[str] = []
        for segment, native, head in self._segments():
            lines += [*head, *program_lines(native.program)]
            lines += [f"NumPy: {self.listing.line(node)}" for node in segment.reference]
        return self._native(lines)

    def _lowered(self, name: str) -> Callable[[], list[str]]:
        """The programs after one pass of LOWERING."""

        def lines() -> list[str]:
            trace = Trace()
            if isinstance(self.function.engine, Executable):
                graph, mode = self.function.maker.fgraph, self.function.mode
                compile_graph(
                    graph,
                    self.updates,
                    device=self.function.device,
                    trace=trace,
                    without=mode.without,
                )
            programs = [program for one, program in trace.programs if one == name]
            found = list[str]()
            for k, program in enumerate(programs):
                found += [f"part {k}"] if len(programs) > 1 else []
                found += program_lines(program)
            return self._native(found)

        return lines

    # ---- plans

    def _plans(self) -> Iterator[tuple[Plan | None, list[str]]]:
        for _, native, head in self._segments():
            plan = next(reversed(native.plans.values()), None)
            yield plan, head

    def plan(self) -> list[str]:
        """The latest plan: sizes, memory, work and threads of each step."""
        lines: list[str] = []
        device = self.function.device
        for plan, head in self._plans():
            lines += head
            if plan is None:
                lines.append("no plan: call the function first, or say sizes")
                continue
            shapes = [f"{describe(v)}: {shape}" for v, shape in plan.shapes.items()]
            loaded = plan.loaded
            lines += [
                f"for {'; '.join(shapes) or 'no arguments'}",
                f"arena {loaded.arena_bytes} bytes; about {time_text(loaded.cost_ns / 1e9)}; "
                f"{device.description()}",
            ]
            for number, step, task in numbered_tasks(plan.steps, plan.tasks):
                lines.append(task_line(number, step, task, device))
        return self._native(lines)

    def _code(self, form: str, comment: str) -> list[str]:
        """The code of each kernel variant of the latest plans, under a heading."""
        seen: dict[str, list[str]] = {}
        for plan, head in self._plans():
            for number, _, task in (
                numbered_tasks(plan.steps, plan.tasks) if plan else ()
            ):
                if isinstance(task, Task):
                    where = f"{head[0]}, step {number}" if head else f"step {number}"
                    code = self.function.device.code(task, form)
                    if code:
                        seen.setdefault(code, []).append(where)
        lines = []
        for code, steps in seen.items():
            lines += [f"{comment} {'; '.join(steps)}", code]
        return lines or self.plan()

    def llvm(self) -> list[str]:
        """The LLVM IR of every kernel, for the sizes of the latest plan."""
        return self._code("llvm", ";")

    def assembly(self) -> list[str]:
        """The machine code of every kernel, as assembly."""
        return self._code("asm", "#")


PASS_NAMES = ("written", *(one.name for one in PASSES), "inside", "recompute")
LOWERING_NAMES = ("lower", *(one.name for one in LOWERING))
STAGE_NAMES = (
    *PASS_NAMES, "rules", "fuse", "loops", *LOWERING_NAMES, "program", "plan", "llvm", "asm",
)  # fmt: skip
