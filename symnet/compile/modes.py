"""Modes: how a graph is rewritten and by what it is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from symnet.compile.debugmode import DebugEngine
from symnet.compile.executable import shared_of, uses_of, values_of
from symnet.compile.inner_graphs import stable_throughout
from symnet.compile.pipeline import compile_graph, rewrite_graph
from symnet.config import config
from symnet.graph.evaluate import evaluate
from symnet.graph.object_types import ObjectType
from symnet.graph.traverse import Graph
from symnet.graph.variables import Variable
from symnet.kernels.interface import REPLACES, Device, Ticket, with_ticket
from symnet.shared import SharedVariable, set_values


class Runs(Protocol):
    """What runs a graph: arrays of the inputs in, arrays of the outputs back."""

    def run(self, arrays: Sequence[Any]) -> list[Any]: ...

    def free(self) -> None: ...


class Mode:
    """FAST_RUN: every rewrite, native code.  FAST_COMPILE: NumPy, and no rewrite but for
    stable forms, which every mode computes: they are what the graph means."""

    name = "FAST_RUN"

    def __init__(self, linker: str | None = None, optimizer: Any = "default") -> None:
        """Theano's arguments: linker "py" evaluates by NumPy; optimizer None and
        "fast_compile" leave the graph as it is, but for stable forms and what native code
        needs."""
        self.by_reference = linker in ("py", "vm_py")
        self.rewrites = optimizer not in (None, "None", "fast_compile", "merge", "o1")

    def rewrite(self, graph: Graph) -> Graph:
        if self.by_reference and not self.rewrites:
            return stable_throughout(graph)
        return rewrite_graph(graph, "FAST_RUN" if self.rewrites else "FAST_COMPILE")

    def engine(
        self,
        original: Graph,
        outputs: Sequence[Variable],
        updates: Mapping[SharedVariable, Variable],
        numbers: Sequence[bool],
        device: Device,
    ) -> Runs:
        """What runs the rewritten outputs and updates of a graph.

        numbers: for each input whether a Python number may stand for it.
        """
        inputs = original.inputs
        if self.by_reference or returns_objects(outputs):
            return ReferenceEngine(inputs, outputs, updates)
        graph = Graph(inputs, [*outputs, *updates.values()])
        return compile_graph(graph, list(updates), numbers, device)

    def including(self, *tags: str) -> Mode:
        """Theano's choice of rewrites by name: this mode, for here a mode applies all."""
        return self

    excluding = requiring = including

    def __repr__(self) -> str:
        return f"Mode {self.name}"


class FastCompile(Mode):
    """Nothing compiled: NumPy computes the graph, in stable form."""

    name = "FAST_COMPILE"

    def __init__(self) -> None:
        super().__init__("py", None)


class DebugMode(Mode):
    """Everything is computed twice and compared: slow, and sure."""

    name = "DebugMode"

    def rewrite(self, graph: Graph) -> Graph:
        with config.change_flags(verify="on"):
            return super().rewrite(graph)

    def engine(
        self,
        original: Graph,
        outputs: Sequence[Variable],
        updates: Mapping[SharedVariable, Variable],
        numbers: Sequence[bool],
        device: Device,
    ) -> Runs:
        if returns_objects(outputs):
            return ReferenceEngine(original.inputs, outputs, updates)
        return DebugEngine(original, original.inputs, outputs, updates, device)


def returns_objects(outputs: Sequence[Variable]) -> bool:
    """Whether a function is to give objects of Python, which Python has to compute."""
    return any(isinstance(v.type, ObjectType) for v in outputs)


def own_result(variable: Variable, value: Any) -> Any:
    """A result as the caller's own."""
    if isinstance(variable.type, ObjectType):
        return variable.type.fresh(value)
    return value.copy() if hasattr(value, "copy") else value


class ReferenceEngine:
    """Runs a graph by reference evaluation."""

    def __init__(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        updates: Mapping[SharedVariable, Variable],
    ) -> None:
        self.inputs, self.outputs, self.updates = list(inputs), list(outputs), updates
        self.values = [*outputs, *updates.values()]
        self.shared = shared_of(self.values)
        self.uses = uses_of(self.values, updates, REPLACES)

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        return with_ticket(self.uses, None, partial(self._run, arrays))

    def _run(self, arrays: Sequence[Any], ticket: Ticket) -> list[Any]:
        given: dict[Variable, Any] = dict(zip(self.inputs, arrays, strict=True))
        given.update(values_of(self.shared, ticket))
        results = evaluate(self.values, given)
        count = len(self.outputs)
        # Copies: a result may be a view of an argument, a constant or a shared variable.
        fresh = [own_result(v, r) for v, r in zip(self.values, results, strict=True)]
        set_values(dict(zip(self.updates, fresh[count:], strict=True)), ticket)
        return fresh[:count]

    def free(self) -> None:
        """Nothing is kept."""


def get_mode(mode: str | Mode | None) -> Mode:
    """The Mode of that name (config.mode where none is given).  Raises: ValueError."""
    if isinstance(mode, Mode):
        return mode
    if mode is None and config.mode == "FAST_RUN":
        return Mode(config.linker, config.optimizer)
    name = mode if mode is not None else config.mode
    if name not in MODES:
        known = ", ".join(MODES)
        raise ValueError(f"no mode {name!r}; there are {known}, and Mode objects")
    return MODES[name]()


def get_default_mode() -> Mode:
    return get_mode(None)


MODES: dict[str, type[Mode]] = {
    "FAST_RUN": Mode,
    "FAST_COMPILE": FastCompile,
    "DebugMode": DebugMode,
    "DEBUG_MODE": DebugMode,
}
