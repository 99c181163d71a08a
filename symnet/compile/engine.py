"""Running compiled graphs: native segments, and reference operations between them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from symnet.compile.infer import Inference
from symnet.compile.linear import NotLinear, lines
from symnet.compile.lower import Lowering
from symnet.compile.memory import place, reuse_dying
from symnet.compile.plan import Plan, Planner, shape_arguments
from symnet.compile.program import Buffer, Program, Step
from symnet.compile.segments import Segment, split
from symnet.errors import message
from symnet.graph.evaluate import compute, evaluate
from symnet.graph.variables import Variable, operand_text
from symnet.kernels.boundary import make_builtin
from symnet.kernels.callblock import (
    RETURN_LIST,
    Argument,
    CallBlock,
    Cell,
    Output,
    Window,
    call_block,
    execute,
)
from symnet.shared import SharedVariable

PLANS_KEPT = 64  # sets of sizes of which a function keeps its plans
RELEASE_NS = 20_000.0  # from so much work on other Python threads may run meanwhile
INT64 = (-(2**63), 2**63 - 1)

Array = np.ndarray[Any, Any]


def build_program(
    segment: Segment, updates: Mapping[SharedVariable, Variable], wanted: Sequence[Variable]
) -> Program:
    """The program of one segment: its steps, with places but without sizes."""
    inference = Inference(segment.leaves)
    lowering = Lowering(segment.leaves, [*wanted, *updates.values()], inference)
    steps, outputs, replaced = place(lowering, wanted, updates, inference)
    reuse_dying(steps, set())
    shared = [v for v in segment.leaves if isinstance(v, SharedVariable)]
    return Program(
        [v for v in segment.leaves if not isinstance(v, SharedVariable)],
        shared,
        outputs,
        steps,
        inference.arguments,
        inference.demands,
        lowering.parameters,
        lowering.constants,
        temporaries(lowering.temporaries),
        replaced,
    )


def temporaries(buffers: Sequence[Buffer]) -> list[Buffer]:
    return [b for b in buffers if b.place is None]


class NativeSegment:
    """One program with its plans.

    `inputs` are all variables that a call brings, also those the program does not use;
    `numbers` says for each whether a Python number may stand for it.
    """

    def __init__(
        self, program: Program, inputs: Sequence[Variable], numbers: Sequence[bool] = ()
    ) -> None:
        self.program = program
        self.inputs = list(inputs)
        self.numbers = list(numbers) or [True] * len(self.inputs)
        self.planner = Planner(program)
        self.plans: OrderedDict[Any, Plan] = OrderedDict()
        self.blocks: dict[Plan, CallBlock] = {}
        self.arguments = shape_arguments(program)
        order = {v: k for k, v in enumerate(self.inputs)}
        self.positions = [order[v] for v in program.inputs]
        self.lock = threading.Lock()

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """Run on arrays (C-contiguous, of the inputs' types): new arrays of the outputs.

        Updates are written; those whose size may change are put in place afterwards.
        """
        with self.lock:
            return self._run(arrays)

    def _run(self, arrays: Sequence[Array]) -> list[Array]:
        plan = self.prepare(arrays)
        block = self.block(plan)
        outputs = execute(block, [arrays[k] for k in self.positions], windows=False)
        for variable, number in self.program.replaced:
            variable.replace(outputs[number])
        return outputs

    def prepare(self, arrays: Sequence[Array]) -> Plan:
        """The plan for these arrays, with the call's host integers put in."""
        planner = self.planner
        inputs = [arrays[k] for k in self.positions]
        shared = [s.array for s in self.program.shared]
        shapes = tuple(a.shape for a in (*inputs, *shared))
        if not planner.needs_values:
            return self._plan(shapes, shapes, inputs, shared)
        found = planner.host(self.arguments(inputs, shared))
        keys = len(planner.call_keys)
        moves = keys + len(planner.call_offsets)
        settings = moves + len(planner.call_parameters)
        if not all(found[settings:]):
            planner.check(self.arguments(inputs, shared), shapes)
        plan = self._plan((shapes, found[:keys]), shapes, inputs, shared)
        for word, number, start in plan.moving:
            plan.block[word] = start + found[keys + number]
        for number, value in zip(planner.call_parameters, found[moves:settings], strict=True):
            plan.parameters[number] = value
        return plan

    def _plan(
        self, key: Any, shapes: Sequence[Any], inputs: Sequence[Any], shared: Sequence[Any]
    ) -> Plan:
        plan = self.plans.get(key)
        if plan is None:
            plan = self.planner.plan(self.arguments(inputs, shared), shapes)
            self.plans[key] = plan
            if len(self.plans) > PLANS_KEPT:
                _, dropped = self.plans.popitem(last=False)
                self.blocks.pop(dropped, None)
        else:
            self.plans.move_to_end(key)
        return plan

    # ---- the native call

    def block(self, plan: Plan) -> CallBlock:
        """What native code needs to run a plan (see `kernels.boundary`)."""
        found = self.blocks.get(plan)
        cells = self._cells()
        if found is None or list(found.cells) != cells:
            found = self._make_block(plan, self.positions, cells, [], RETURN_LIST)
            self.blocks[plan] = found
        return found

    def _cells(self) -> list[Cell]:
        bases = self.planner.bases
        return [
            Cell(s.cell.ctypes.data, int(s.cell[1]), bases[s])
            for s in self.program.shared
        ]

    def _make_block(
        self,
        plan: Plan,
        positions: Sequence[int],
        cells: Sequence[Cell],
        windows: Sequence[Window],
        form: int,
        fallback: Callable[..., Any] | None = None,
    ) -> CallBlock:
        """A block whose arguments are the inputs at these positions, in this order."""
        bases = self.planner.bases
        arguments = [
            Argument(v.type.dtype, plan.shapes[v], bases[v], numbers=self.numbers[k])
            for k, v in ((k, self.inputs[k]) for k in positions)
        ]
        outputs = [
            Output(dtype, shape, bases["output", k])
            for k, (dtype, shape) in enumerate(
                zip(plan.output_dtypes, plan.output_shapes, strict=True)
            )
        ]
        return call_block(
            arguments=arguments,
            cells=cells,
            outputs=outputs,
            windows=windows,
            base_count=len(bases),
            patches=(plan.patches, plan.patch_count),
            steps=(plan.steps, plan.step_count),
            form=form,
            release=plan.cost_ns > RELEASE_NS,
            fallback=fallback or _no_fallback,
            failure=Failure(self.program, plan),
            keep=(plan, [s.cell for s in self.program.shared]),
        )

    def builtin(
        self, arrays: Sequence[Array], form: int, fallback: Callable[..., Any]
    ) -> Callable[..., Any] | None:
        """A builtin that makes calls like this one without any Python code; None where
        something has to be done by Python at each call."""
        if self.program.replaced or any(v not in self.planner.bases for v in self.inputs):
            return None
        with self.lock:
            plan = self.prepare(arrays)
            windows = self._windows(plan, arrays)
            if windows is None:
                return None
            every = range(len(self.inputs))
            block = self._make_block(plan, every, self._cells(), windows, form, fallback)
        return make_builtin(block)

    def _windows(self, plan: Plan, arrays: Sequence[Array]) -> list[Window] | None:
        """How pointers and parameters follow the one integer on which they depend."""
        planner = self.planner
        if not planner.needs_values:
            return []
        if len(planner.by_value) != 1:
            return None
        (moving,) = planner.by_value
        leaf = self.program.arguments[moving].leaf
        inputs = [arrays[k] for k in self.positions]
        numbers = self.arguments(inputs, [s.array for s in self.program.shared])
        wanted = [d.condition for d in planner.call_demands]
        parameters = [self.program.parameters[k] for k in planner.call_parameters]
        roots = [*planner.call_offsets, *parameters, *planner.call_keys, *wanted]
        try:
            found, span = lines(roots, numbers, moving)
        except NotLinear:
            return None
        fixed = found[len(planner.call_offsets) + len(parameters) :]
        if any(line.slope for line in fixed):
            return None  # a size changes with every value
        low, high = int(max(span.low, INT64[0])), int(min(span.high, INT64[1]))
        base, dtype = planner.bases[leaf], leaf.type.dtype
        words = plan.block.ctypes.data
        windows = [
            Window(
                words + 8 * word, base, dtype, found[number].slope,
                found[number].start + start, low, high,
            )
            for word, number, start in plan.moving
        ]  # fmt: skip
        address = plan.parameters.ctypes.data
        behind = found[len(planner.call_offsets) :]
        windows += [
            Window(address + 8 * number, base, dtype, line.slope, line.start, low, high)
            for number, line in zip(planner.call_parameters, behind)
        ]
        return windows or None


def _no_fallback(*args: Any, **kwargs: Any) -> NoReturn:
    raise RuntimeError("this block is only run by execute()")


class Failure:
    """Called with the number of a step that failed; raises what the reference says."""

    def __init__(self, program: Program, plan: Plan) -> None:
        self.program, self.plan = program, plan

    def __call__(self, number: int) -> NoReturn:
        raise explain(self.plan.owners[number])


def explain(step: Step) -> Exception:
    """Why a step failed: only computed positions can."""
    node = next((n for n in step.nodes if n.inputs), step.nodes[0])
    for one in step.nodes:
        if hasattr(one.op, "needs_buffer") and one.op.needs_buffer(one):
            node = one
    operands = [operand_text(v) for v in node.inputs]
    return IndexError(
        message(
            "an index is out of range",
            operation=node.op,
            operands=operands,
            origin=node.origin,
            cure="look at the smallest and largest index, and at the size of the axis",
        )
    )


class Engine:
    """The whole graph: segments in order, with reference operations between."""

    def __init__(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        updates: Mapping[SharedVariable, Variable],
        numbers: Sequence[bool] = (),
    ) -> None:
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.updates = dict(updates)
        self.segments = split(outputs, updates)
        self.native: list[NativeSegment] = []
        for segment in self.segments[:-1]:
            program = build_program(segment, {}, segment.wanted)
            self.native.append(NativeSegment(program, program.inputs))
        # Results of reference operations are handed out as they are.
        made = {v for s in self.segments for node in s.reference for v in node.outputs}
        self.direct = [v in made for v in self.outputs]
        rest = [v for v in self.outputs if v not in made]
        last = build_program(self.segments[-1], updates, rest)
        single = len(self.segments) == 1
        given = self.inputs if single else last.inputs
        self.native.append(NativeSegment(last, given, numbers if single else ()))

    def run(self, arrays: Sequence[Array]) -> list[Any]:
        """The outputs' values; shared variables are updated when all has succeeded."""
        if len(self.native) == 1:
            (only,) = self.native
            try:
                return only.run(arrays)[: len(self.outputs)]
            except IndexError:
                self._explain_index(arrays)
                raise
        known: dict[Variable, Any] = dict(zip(self.inputs, arrays, strict=True))
        results: list[Any] = []
        for segment, native in zip(self.segments, self.native, strict=True):
            results = native.run([known[v] for v in native.inputs])
            known.update(zip(segment.wanted, results))
            for node in segment.reference:
                values = [_value(v, known) for v in node.inputs]
                known.update(zip(node.outputs, map(_own, compute(node, values)), strict=True))
        rest = iter(results)
        return [
            known[v].copy() if direct else next(rest)
            for v, direct in zip(self.outputs, self.direct, strict=True)
        ]

    def _explain_index(self, arrays: Sequence[Array]) -> None:
        """The reference's own error for an index out of range, which names the index."""
        known = dict(zip(self.inputs, arrays, strict=True))
        evaluate([*self.outputs, *self.updates.values()], known)

    def builtin(
        self, arrays: Sequence[Array], form: int, fallback: Callable[..., Any]
    ) -> Callable[..., Any] | None:
        """A builtin for calls like this one, where one native program does it all."""
        if len(self.native) > 1:
            return None
        return self.native[0].builtin(arrays, form, fallback)

    def free(self) -> None:
        """Forget all plans, and with them their memory."""
        for native in self.native:
            native.plans.clear()
            native.blocks.clear()


def _own(array: Any) -> Any:
    """An array as native code reads it."""
    return np.ascontiguousarray(array).reshape(np.shape(array))


def _value(variable: Variable, known: Mapping[Variable, Any]) -> Any:
    if variable in known:
        return known[variable]
    data = getattr(variable, "data", None)
    return data if data is not None else variable.array  # type: ignore[attr-defined]
