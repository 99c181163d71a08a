"""Running compiled graphs: native segments, and reference operations between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from symnet.compile.compiled_segment import CompiledSegment
from symnet.compile.lower.program import Program
from symnet.compile.partition import Segment
from symnet.compile.refusals import stays_there
from symnet.graph.evaluate import compute, evaluate, value_of
from symnet.graph.object_types import holds_objects
from symnet.graph.traverse import Graph
from symnet.graph.variables import Apply, Variable
from symnet.kernels.devices import CPU
from symnet.kernels.interface import (
    READS,
    REPLACES,
    WRITES,
    Device,
    Queue,
    Store,
    Ticket,
    with_ticket,
)
from symnet.kernels.memory import HOST, brought_here
from symnet.shared import SharedVariable

Array = np.ndarray[Any, Any]


class Executable:
    """The whole graph: segments in order, with reference operations between.

    Made by `compile.pipeline.compile_graph`.  `programs` are those of the segments; only
    the last one updates.
    """

    def __init__(
        self,
        graph: Graph,
        updates: Mapping[SharedVariable, Variable],
        segments: Sequence[Segment],
        programs: Sequence[Program],
        numbers: Sequence[bool] = (),
        device: Device = CPU,
    ) -> None:
        self.inputs = graph.inputs
        self.outputs = graph.outputs[: len(graph.outputs) - len(updates)]
        self.updates, self.segments = dict(updates), segments
        self.device = device
        # Results of reference operations are handed out as they are.
        made = {v for s in segments for node in s.reference for v in node.outputs}
        self.direct = [v in made for v in self.outputs]
        self.shared = shared_of(graph)
        self.uses = uses_of(self.shared, updates)
        for variable, _ in programs[-1].replaced:
            self.uses[variable.store] = REPLACES
        # Others stay where they are.
        references = [node for s in segments for node in s.reference]
        self.there = {node for node in references if stays_there(node, device)}
        self.constants: dict[Variable, Any] = {}  # in the device's memory
        here = {v for one in references if one not in self.there for v in one.inputs}
        self.read_here = [v for v in self.shared if v in here]
        self.queue: Queue = []
        single = len(segments) == 1
        self.native = [
            CompiledSegment(
                program,
                self.inputs if single else program.inputs,
                self.uses,
                self.queue,
                numbers if single else (),
                device,
            )
            for program in programs
        ]
        self.builtin: Callable[..., Any] | None = None
        # A profile puts one that measures here.
        self.compute: Callable[..., list[Any]] = compute

    def enter_directly(self, form: int, fallback: Callable[..., Any]) -> None:
        """Where one native program does everything, have `builtin` do calls like the last
        one: with results in this form, and `fallback` for all other calls."""
        if len(self.native) == 1:
            self.native[0].enter_directly(form, fallback)

    def run(self, arrays: Sequence[Array]) -> list[Any]:
        """The outputs' values; shared variables are updated when all has succeeded.
        All is computed from the values that shared variables have at one moment.  See
        `kernels.cpu.runtime.tickets` for how calls in several threads wait for each other.
        """
        return with_ticket(self.uses, self.queue, partial(self._run, arrays))

    def _run(self, given: Sequence[Array], ticket: Ticket) -> list[Any]:
        arrays = self._apart(given, ticket)
        if len(self.native) == 1:
            (only,) = self.native
            try:
                made, self.builtin = only.run(arrays, ticket)
                return brought_here(made[: len(self.outputs)], self.device.memory)
            except IndexError as error:
                raise self._explained(error, arrays, ticket) from None
        known, last = self._before_last(arrays, ticket), self.native[-1]
        results, _ = last.run([known[v] for v in last.inputs], ticket)
        return self._results(results, known)

    def _apart(self, arrays: Sequence[Array], ticket: Ticket) -> Sequence[Array]:
        """The arguments, copied where they lie in what the call updates in place, as what
        `get_value(borrow=True)` gave does: a call reads old values."""
        values = [ticket.array(s) for s, use in self.uses.items() if use == WRITES]
        written = [value for value in values if HOST.holds(value)]
        return [
            HOST.copy(array)
            if HOST.holds(array) and any(HOST.overlap(array, w) for w in written)
            else array
            for array in arrays
        ]

    def _results(
        self, computed: Sequence[Array], known: Mapping[Variable, Any]
    ) -> list[Any]:
        """All outputs from those of the last segment, and what came before."""
        # Behind them are new values of shared variables, which stay where they are.
        asked = computed[: self.direct.count(False)]
        rest = iter(brought_here(asked, self.device.memory))
        return [
            self._handed_out(known[v]) if direct else next(rest)
            for v, direct in zip(self.outputs, self.direct, strict=True)
        ]

    def _handed_out(self, value: Any) -> Any:
        """A copy on the host of what a reference operation has made."""
        memory = self.device.memory
        return memory.copy_out(value) if memory.holds(value) else value.copy()

    def _before_last(
        self, arrays: Sequence[Array], ticket: Ticket
    ) -> dict[Variable, Any]:
        """The inputs, and what all segments but the last make of them."""
        known: dict[Variable, Any] = dict(zip(self.inputs, arrays, strict=True))
        known.update(values_of(self.read_here, ticket))
        for segment, native in zip(self.segments[:-1], self.native):
            results, _ = native.run([known[v] for v in native.inputs], ticket)
            known.update(zip(segment.wanted, results, strict=True))
            for node in segment.reference:
                if node in self.there:
                    known.update(self._made_there(node, known, ticket))
                    continue
                known.update(self._seen(node, known))
                values = [value_of(v, known) for v in node.inputs]
                own = map(self._own, node.outputs, self.compute(node, values))
                known.update(zip(node.outputs, own, strict=True))
        return known

    def _made_there(
        self, node: Apply, known: dict[Variable, Any], ticket: Ticket
    ) -> dict[Variable, Any]:
        """The results of an operation that takes arrays in the device's memory."""
        arrays = [self._lying_there(v, known, ticket) for v in node.inputs]
        made = self.device.memory.computed(
            lambda xp, given: self.compute(node, given, xp, there=True), arrays
        )
        return dict(zip(node.outputs, made, strict=True))

    def _lying_there(
        self, v: Variable, known: dict[Variable, Any], ticket: Ticket
    ) -> Any:
        """A value in the device's memory: what comes from the host stays there for the call,
        constants for good."""
        memory = self.device.memory
        if v in known:
            if not memory.holds(known[v]):
                known[v] = memory.from_host(known[v])
            return known[v]
        if isinstance(v, SharedVariable):
            value = ticket.array(v.store)
            here = memory.holds(value)  # not where one is only rehearsed
            return value if here else memory.from_host(v.store.seen(value))
        if v not in self.constants:
            self.constants[v] = memory.from_host(value_of(v, known))
        return self.constants[v]

    def _seen(self, node: Apply, known: Mapping[Variable, Any]) -> dict[Variable, Any]:
        """What a reference operation reads, on the host."""
        read = {v: known[v] for v in node.inputs if v in known}
        return dict(zip(read, brought_here(read.values(), self.device.memory)))

    def rehearse(
        self, arrays: Sequence[Array]
    ) -> tuple[list[Any], dict[SharedVariable, Any]]:
        """The outputs of a call that updates nothing, and what shared variables would
        hold after it.  Where memory is verified it is proven for these arrays.

        Raises: PlacementError."""
        reads = dict.fromkeys(self.uses, READS)
        return with_ticket(reads, self.queue, partial(self._rehearse, arrays))

    def _rehearse(
        self, arrays: Sequence[Array], ticket: Ticket
    ) -> tuple[list[Any], dict[SharedVariable, Any]]:
        known, last = self._before_last(arrays, ticket), self.native[-1]
        try:
            results, news = last.rehearse([known[v] for v in last.inputs], ticket)
        except IndexError as error:
            raise self._explained(error, arrays, ticket) from None
        return self._results(results, known), news

    def _own(self, variable: Variable, result: Any) -> Any:
        """A reference result as native code reads it, and as no update overwrites it."""
        if holds_objects(variable.type):  # which only other reference steps read
            return result
        array = HOST.from_host(result)  # programs of other devices send it
        if self.device.memory is not HOST:
            return array
        stores = [s.store for s in self.updates if s.store.memory is HOST]
        shown = any(HOST.overlap(array, s.array) for s in stores)
        return HOST.copy(array) if shown else array

    def _explained(
        self, error: IndexError, arrays: Sequence[Array], ticket: Ticket
    ) -> IndexError:
        """The reference's own error for an index out of range, which names the index."""
        known: dict[Variable, Any] = dict(zip(self.inputs, arrays, strict=True))
        known.update(values_of(self.shared, ticket))
        try:
            evaluate([*self.outputs, *self.updates.values()], known)
        except IndexError as better:
            return better
        return error

    def free(self) -> None:
        """Forget all plans, and with them their memory."""
        self.builtin = None
        self.constants.clear()
        for native in self.native:
            native.free()


def shared_of(graph: Graph) -> list[SharedVariable]:
    """The shared variables from which the outputs are computed."""
    return [v for v in graph.leaves() if isinstance(v, SharedVariable)]


def uses_of(
    shared: Sequence[SharedVariable],
    updated: Iterable[SharedVariable],
    use: int = WRITES,
) -> dict[Store, int]:
    """What a call does to each store: reads it, or updates it in the way of `use`."""
    found = dict.fromkeys((v.store for v in shared), READS)
    found.update(dict.fromkeys((v.store for v in updated), use))
    return found


def values_of(them: Sequence[SharedVariable], ticket: Ticket) -> dict[Variable, Any]:
    """The values of shared variables that a call has found, as the reference reads them."""
    return {v: v.store.seen(ticket.array(v.store)) for v in them}
