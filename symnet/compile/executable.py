"""Running compiled graphs: native segments, and reference operations between them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any, NoReturn

import numpy as np

from symnet.collector import collector_paused
from symnet.compile.lower.program import Instruction, LibraryCall, Program
from symnet.compile.partition import Segment
from symnet.compile.plan.affine import NotLinear, lines
from symnet.compile.plan.plan_cache import keep
from symnet.compile.plan.planner import Plan, Planner, shape_arguments, step_at
from symnet.errors import message
from symnet.graph.evaluate import compute, evaluate, value_of
from symnet.graph.traverse import leaves
from symnet.graph.variables import Apply, Variable, operand_text
from symnet.kernels.devices import CPU
from symnet.kernels.interface import (
    READS,
    REPLACES,
    RETURN_LIST,
    WRITES,
    BoundCall,
    Device,
    Following,
    Loaded,
    Queue,
    Signature,
    Store,
    Ticket,
    with_ticket,
)
from symnet.kernels.memory import HOST, brought_here
from symnet.ops.base import lowering_of
from symnet.ops.lowerings import CallOf, Lowering, PointLoop, Scatter
from symnet.shared import SharedVariable

PLANS_KEPT = 64  # sets of sizes of which a function keeps its plans
INT64 = (-(2**63), 2**63 - 1)

Array = np.ndarray[Any, Any]


class CompiledSegment:
    """One program with its plans.

    `inputs` are all variables that a call brings, also those the program does not use;
    `numbers` says for each whether a Python number may stand for it.
    uses: what the whole graph does to each store (see `kernels.cpu.runtime.tickets`); queue: of the
    calls of the whole graph that go by Python.
    """

    def __init__(
        self,
        program: Program,
        inputs: Sequence[Variable],
        uses: Mapping[Store, int],
        queue: Queue,
        numbers: Sequence[bool] = (),
        device: Device = CPU,
    ) -> None:
        self.program, self.memory = program, device.memory
        self.uses, self.queue = uses, queue
        self.inputs = list(inputs)
        self.numbers = list(numbers) or [True] * len(self.inputs)
        self.planner = Planner(program, device)
        self.plans: OrderedDict[Any, Plan] = OrderedDict()
        self.plans_made, self.planning_seconds = 0, 0.0
        self.arguments = shape_arguments(program, device.memory)
        order = {v: k for k, v in enumerate(self.inputs)}
        self.positions = [order[v] for v in program.inputs]
        self.form = RETURN_LIST
        self.fallback: Callable[..., Any] | None = None

    @property
    def entries(self) -> dict[Plan, BoundCall]:
        """The ways into the plans that are kept."""
        return {p: p.entry for p in self.plans.values() if p.entry is not None}

    @property
    def followings(self) -> dict[Plan, Following | None]:
        """What of the plans that are kept follows an integer."""
        return {p: p.following for p in self.plans.values() if p.entry is not None}

    def enter_directly(self, form: int, fallback: Callable[..., Any]) -> None:
        """Have entries made with builtins, which hand out results in this form and turn
        to `fallback` with what they cannot do."""
        used = len(self.positions) == len(self.inputs)
        if used and not self.program.replaced:
            self.form, self.fallback = form, fallback

    def run(
        self, arrays: Sequence[Array], ticket: Ticket
    ) -> tuple[list[Array], Callable[..., Any] | None]:
        """Run on arrays (C-contiguous, of the inputs' types): new arrays of the outputs,
        and the builtin that does calls like this one without any Python code.

        Updates are written, all of them or none.  A call from Python code that runs within
        a call of the same function gets memory of its own.
        """
        shared = [ticket.array(s.store) for s in self.program.shared]
        inputs = [arrays[k] for k in self.positions]
        key, numbers = self.prepare(inputs, shared)
        plan = None if ticket.around() else self._plan(key, inputs, shared)
        if plan is None or (plan.entry is not None and plan.entry.inside()):
            plan = self._new_plan(inputs, shared)
        while plan.entry is not None and not plan.entry.idle():
            ticket.wait()
        entry = self._entry(plan, inputs, shared, numbers)
        replaced = [(s.store, number) for s, number in self.program.replaced]
        given = [arrays[k] for k in self._given()]
        return entry.run(given, shared, replaced, ticket.moved()), entry.builtin

    def prepare(
        self, inputs: Sequence[Array], shared: Sequence[Array]
    ) -> tuple[Any, Sequence[Any]]:
        """The key of the plan for such arrays, and the call's host integers."""
        planner = self.planner
        shapes = tuple(a.shape for a in (*inputs, *shared))
        if not planner.needs_values:
            return shapes, ()
        found = planner.host(self.arguments(inputs, shared))
        keys, _, _, demands = planner.parts(found)
        if not all(demands):
            planner.check(self.arguments(inputs, shared), shapes)
        return (shapes, keys), found

    def rehearse(
        self, arrays: Sequence[Array], ticket: Ticket
    ) -> tuple[list[Array], dict[SharedVariable, Array]]:
        """Run as `run` does, by a plan made anew and for nobody else, without updating
        anything: the outputs, and what shared variables would hold."""
        program = self.program
        shared = [self._copied_here(s.store, ticket) for s in program.shared]
        inputs = [arrays[k] for k in self.positions]
        _, numbers = self.prepare(inputs, shared)
        entry = self._entry(self._new_plan(inputs, shared), inputs, shared, numbers)
        outputs, cells = entry.rehearse([arrays[k] for k in self._given()], shared)
        news = dict(zip(program.shared, cells, strict=True))
        return outputs, news | {s: outputs[number] for s, number in program.replaced}

    def _copied_here(self, store: Store, ticket: Ticket) -> Any:
        """The value of a store for a rehearsal: brought here if it lies elsewhere."""
        value = ticket.array(store)
        if store.memory is self.memory:
            return value
        return self.memory.from_host(store.seen(value))

    def _plan(self, key: Any, inputs: Sequence[Any], shared: Sequence[Any]) -> Plan:
        """The plan that is kept for a key."""
        plan = self.plans.pop(key, None)
        if plan is None:
            start = perf_counter()
            plan = self._new_plan(inputs, shared)
            self.plans_made += 1
            self.planning_seconds += perf_counter() - start
        self.plans[key] = plan  # the latest is the last
        if len(self.plans) > PLANS_KEPT:
            self.plans.popitem(last=False)
        keep(plan, key, self)
        return plan

    def _new_plan(self, inputs: Sequence[Any], shared: Sequence[Any]) -> Plan:
        shapes = [a.shape for a in (*inputs, *shared)]
        with collector_paused():
            return self.planner.plan(self.arguments(inputs, shared), shapes)

    def drop(self, key: Any) -> bool:
        """Forget a plan, unless it is the latest; whether that was done.

        A call that uses the plan, in whatever thread, holds it and its memory itself."""
        latest = next(reversed(self.plans), None) == key
        return not latest and self.plans.pop(key, None) is not None

    # ---- the native call

    def _entry(
        self,
        plan: Plan,
        inputs: Sequence[Array],
        shared: Sequence[Array],
        found: Sequence[Any],
    ) -> BoundCall:
        """The entry to a plan that nobody runs.  There is only one at a time: who runs it
        owns the plan's memory."""
        signature = self._signature(plan)
        entry, following = plan.entry, plan.following
        if entry is not None:
            fits = entry.usable and self._in_range(following, inputs, shared)
            if fits:
                if following is None and found:
                    self._follow(plan, found)
                return entry
            entry.retire()
        direct = self.fallback is not None
        following = self._following(inputs, shared) if direct else None
        fallback = self.fallback if following is not None or not found else None
        if following is None and found:
            self._follow(plan, found)
        entry = plan.loaded.enter(
            signature,
            following,
            self.form if fallback else RETURN_LIST,
            fallback,
            Failure(plan.loaded, plan.steps),
            self.queue,
        )
        plan.entry, plan.following = entry, following
        return entry

    def _follow(self, plan: Plan, found: Sequence[Any]) -> None:
        _, offsets, values, _ = self.planner.parts(found)
        numbers = self.planner.call_parameters
        plan.loaded.follow(offsets, dict(zip(numbers, values, strict=True)))

    def _given(self) -> Sequence[int]:
        """Which inputs an entry takes, in which order."""
        return self.positions if self.fallback is None else range(len(self.inputs))

    def _signature(self, plan: Plan) -> Signature:
        bases = self.planner.bases
        given = [(self.inputs[k], self.numbers[k]) for k in self._given()]
        return Signature(
            [(v.type.dtype, plan.shapes[v], bases[v], number) for v, number in given],
            [(*output, bases["output", k]) for k, output in enumerate(plan.outputs)],
            [
                (s.store, s.type.dtype, plan.shapes[s], bases[s], self.uses[s.store])
                for s in self.program.shared
            ],
        )

    def _in_range(
        self,
        following: Following | None,
        inputs: Sequence[Array],
        shared: Sequence[Array],
    ) -> bool:
        if following is None:
            return True
        (moving,) = self.planner.moving
        value = self.arguments(inputs, shared)[moving]
        return bool(following.low <= value <= following.high)

    def _following(
        self, inputs: Sequence[Array], shared: Sequence[Array]
    ) -> Following | None:
        """How pointers and parameters follow the one integer on which they depend; None
        where they do not, or not in a straight line."""
        planner = self.planner
        if len(planner.moving) != 1:
            return None
        (moving,) = planner.moving
        leaf = self.program.arguments[moving].leaf
        numbers = self.arguments(inputs, shared)
        try:
            found, span = lines(planner.call_scalars, numbers, moving)
        except NotLinear:
            return None
        keys, offsets, values, demands = planner.parts(found)
        if any(line.slope for line in (*keys, *demands)):
            return None  # a size changes with every value
        parameters = zip(planner.call_parameters, values, strict=True)
        return Following(
            planner.bases[leaf],
            leaf.type.dtype,
            int(max(span.low, INT64[0])),
            int(min(span.high, INT64[1])),
            [(line.slope, line.start) for line in offsets],
            {number: (line.slope, line.start) for number, line in parameters},
        )

    def free(self) -> None:
        """Forget all plans, and with them their memory."""
        self.plans.clear()


class Failure:
    """Called with the number of a step that failed; raises what the reference says."""

    def __init__(self, loaded: Loaded, steps: Sequence[Instruction]) -> None:
        # Not the plan, which holds what holds this: it is to go without a collector.
        self.loaded, self.steps = loaded, steps

    def __call__(self, number: int) -> NoReturn:
        path, iterations = self.loaded.failed(number)
        raise explain(step_at(self.steps, path), iterations)


def explain(step: Instruction, iterations: Sequence[int] = ()) -> Exception:
    """Why a step failed: by a computed position, or as `refusal` of its op says.

    iterations: in which step of each loop around it, outermost first."""
    node = next((n for n in step.nodes if n.inputs), step.nodes[0])
    for one in step.nodes:
        if _gathers(lowering_of(one)):
            node = one
    operands = [operand_text(v) for v in node.inputs]
    where = "".join(f"in step {k}: " for k in iterations)
    lowering = lowering_of(node)
    if isinstance(lowering, CallOf) and lowering.refusal:
        what = where + lowering.refusal
        return lowering.error(
            message(what, operation=node.op, operands=operands, origin=node.origin)
        )
    if isinstance(step, LibraryCall):  # see `kernels.cpu.library.blas_gemm`
        what = where + "there is no memory for the partial products of a long sum"
        return MemoryError(message(what, operands=operands, origin=node.origin))
    error: Exception = node.op.index_error(
        message(
            where + "an index is out of range",
            operation=node.op,
            operands=operands,
            origin=node.origin,
            cure="look at the smallest and largest index, and at the size of the axis",
        )
    )
    return error


def _gathers(lowering: Lowering) -> bool:
    """Whether an operation goes to computed positions."""
    if isinstance(lowering, PointLoop):
        return bool(lowering.gathered)
    return isinstance(lowering, Scatter)


class Executable:
    """The whole graph: segments in order, with reference operations between.

    Made by `compile.pipeline.compile_graph`.  `programs` are those of the segments; only
    the last one updates.
    """

    def __init__(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        updates: Mapping[SharedVariable, Variable],
        segments: Sequence[Segment],
        programs: Sequence[Program],
        numbers: Sequence[bool] = (),
        device: Device = CPU,
    ) -> None:
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.updates, self.segments = dict(updates), segments
        self.device = device
        # Results of reference operations are handed out as they are.
        made = {v for s in segments for node in s.reference for v in node.outputs}
        self.direct = [v in made for v in outputs]
        self.uses = uses_of([*outputs, *updates.values()], updates)
        for variable, _ in programs[-1].replaced:
            self.uses[variable.store] = REPLACES
        self.shared = shared_of([*outputs, *updates.values()])
        # Others stay where they are.
        here = {v for s in segments for node in s.reference for v in node.inputs}
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
        self.compute: Callable[[Apply, Sequence[Any]], list[Any]] = compute

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

    def _run(self, arrays: Sequence[Array], ticket: Ticket) -> list[Any]:
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

    def _results(
        self, computed: Sequence[Array], known: Mapping[Variable, Any]
    ) -> list[Any]:
        """All outputs from those of the last segment, and what came before."""
        rest = iter(brought_here(computed, self.device.memory))
        return [
            known[v].copy() if direct else next(rest)
            for v, direct in zip(self.outputs, self.direct, strict=True)
        ]

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
                known.update(self._seen(node, known))
                values = [value_of(v, known) for v in node.inputs]
                own = map(self._own, self.compute(node, values))
                known.update(zip(node.outputs, own, strict=True))
        return known

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

    def _own(self, result: Any) -> Any:
        """A reference result as native code reads it, and as no update overwrites it."""
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
        for native in self.native:
            native.free()


def shared_of(values: Sequence[Variable]) -> list[SharedVariable]:
    """The shared variables from which values are computed."""
    return [v for v in leaves(values) if isinstance(v, SharedVariable)]


def uses_of(
    values: Sequence[Variable], updated: Iterable[SharedVariable], use: int = WRITES
) -> dict[Store, int]:
    """What a call does to each store: reads it, or updates it in the way of `use`."""
    found = dict.fromkeys((v.store for v in shared_of(values)), READS)
    found.update(dict.fromkeys((v.store for v in updated), use))
    return found


def values_of(them: Sequence[SharedVariable], ticket: Ticket) -> dict[Variable, Any]:
    """The values of shared variables that a call has found, as the reference reads them."""
    return {v: v.store.seen(ticket.array(v.store)) for v in them}
