"""One native program with its plans: which plan a call takes, and the way into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, NoReturn

import numpy as np

from symnet.collector import collector_paused
from symnet.compile.lower.program import Instruction, LibraryCall, Program
from symnet.compile.plan.affine import NotLinear, lines
from symnet.compile.plan.memory_errors import with_largest
from symnet.compile.plan.plan_cache import keep
from symnet.compile.plan.planner import (
    Binding,
    Plan,
    Planner,
    shape_arguments,
    step_at,
)
from symnet.config import config
from symnet.errors import message
from symnet.graph.variables import Variable, operand_text
from symnet.kernels.devices import CPU
from symnet.kernels.interface import (
    RETURN_LIST,
    BoundCall,
    Device,
    Following,
    Loaded,
    Queue,
    Signature,
    Store,
    Ticket,
)
from symnet.kernels.memory import NoRoom
from symnet.ops.base import lowering_of
from symnet.ops.lowerings import CallOf, Lowering, PointLoop, Scatter
from symnet.recent import drop_oldest
from symnet.shared import SharedVariable

PLANS_KEPT = 64  # sets of sizes of which a function keeps its plans
INT64 = (-(2**63), 2**63 - 1)

Array = np.ndarray[Any, Any]


class OverLimit(Exception):
    """A call whose temporaries would take more than the limit.  `binding` has its sizes."""

    def __init__(self, segment: CompiledSegment, binding: Binding, size: int) -> None:
        super().__init__(size)
        self.segment, self.binding, self.size = segment, binding, size


class CompiledSegment:
    """One program with its plans.

    inputs: all variables that a call brings, also those that the program does not use.
    numbers: for each of them whether a Python number may stand for it.
    uses: what the whole graph does to each store (see `kernels.cpu.runtime.tickets`).
    queue: of the calls of the whole graph that go by Python.
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
        self.settings = config.of_functions()
        # The bytes that the temporaries of a call may take.
        self.limit: int | None = None
        self.uses, self.queue = uses, queue
        self.inputs = list(inputs)
        self.numbers = list(numbers) or [True] * len(self.inputs)
        self.planner = Planner(program, device)
        self.plans: dict[Any, Plan] = {}  # in order of use
        self.plans_made, self.planning_seconds = 0, 0.0
        self.arguments = shape_arguments(program, device.memory)
        order = {v: k for k, v in enumerate(self.inputs)}
        self.positions = [order[v] for v in program.inputs]
        self.form = RETURN_LIST
        self.fallback: Callable[..., Any] | None = None

    @property
    def entries(self) -> dict[Plan, BoundCall]:
        """The ways into the plans that are kept."""
        return {p: p.entry for p in list(self.plans.values()) if p.entry is not None}

    @property
    def followings(self) -> dict[Plan, Following | None]:
        """What of the plans that are kept follows an integer."""
        return {
            p: p.following for p in list(self.plans.values()) if p.entry is not None
        }

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
        with config.held(self.settings):
            return self._run(arrays, ticket)

    def _run(
        self, arrays: Sequence[Array], ticket: Ticket
    ) -> tuple[list[Array], Callable[..., Any] | None]:
        shared = [self._copied_here(s.store, ticket) for s in self.program.shared]
        inputs = [arrays[k] for k in self.positions]
        key, numbers = self.prepare(inputs, shared)
        plan = None if ticket.around() else self._plan(key, inputs, shared)
        if plan is None or (plan.entry is not None and plan.entry.inside()):
            plan = self._new_plan(inputs, shared)
        while plan.entry is not None and not plan.entry.idle():
            ticket.wait()
        replaced = [(s.store, number) for s, number in self.program.replaced]
        given = [arrays[k] for k in self._given()]
        try:
            entry = self._entry(plan, inputs, shared, numbers)
            self._check_limit(plan, key, inputs, shared)
            return entry.run(given, shared, replaced, ticket.moved()), entry.builtin
        except NoRoom as error:
            raise with_largest(error, self.program, plan) from None

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
        with config.held(self.settings):
            plan = self._new_plan(inputs, shared)
            entry = self._entry(plan, inputs, shared, numbers)
            outputs, cells = entry.rehearse([arrays[k] for k in self._given()], shared)
        news = dict(zip(program.shared, cells, strict=True))
        return outputs, news | {s: outputs[number] for s, number in program.replaced}

    def _copied_here(self, store: Store, ticket: Ticket) -> Any:
        """The value of a store; for a rehearsal brought here if it lies elsewhere."""
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
            drop_oldest(self.plans)
        keep(plan, key, self)
        return plan

    def _new_plan(self, inputs: Sequence[Any], shared: Sequence[Any]) -> Plan:
        shapes = [a.shape for a in (*inputs, *shared)]
        with collector_paused():
            return self.planner.plan(self.arguments(inputs, shared), shapes)

    def _check_limit(
        self, plan: Plan, key: Any, inputs: Sequence[Any], shared: Sequence[Any]
    ) -> None:
        """Raises: OverLimit, without the plan being kept."""
        if self.limit is None or plan.loaded.memory_bytes <= self.limit:
            return
        self.plans.pop(key, None)
        shapes = [a.shape for a in (*inputs, *shared)]
        binding = self.planner.bind(self.arguments(inputs, shared), shapes)
        raise OverLimit(self, binding, plan.loaded.memory_bytes)

    def drop(self, key: Any) -> bool:
        """Forget a plan, unless it is the latest; whether that was done.

        A call that uses the plan, in whatever thread, holds it and its memory itself."""
        latest = [*self.plans][-1:] == [key]
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
