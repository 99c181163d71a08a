"""Running compiled graphs: native segments, and reference operations between them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symnet.compile.infer import Inference
from symnet.compile.lower import Lowering
from symnet.compile.memory import place, reuse_dying
from symnet.compile.plan import Plan, Planner, shape_arguments
from symnet.compile.program import Buffer, Program, Step
from symnet.compile.segments import Segment, split
from symnet.errors import message
from symnet.graph.evaluate import compute, evaluate
from symnet.graph.variables import Variable, operand_text
from symnet.kernels import runner
from symnet.shared import SharedVariable

PLANS_KEPT = 64  # sets of sizes of which a function keeps its plans


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
    """One program with its plans."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.planner = Planner(program)
        self.plans: OrderedDict[Any, Plan] = OrderedDict()
        self.arguments = shape_arguments(program)

    def run(self, inputs: Sequence[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        """Run on arrays (C-contiguous, of the inputs' types): new arrays of the outputs.

        Updates are written; those whose size may change are placed by this method.
        """
        program = self.program
        shared = [s.array for s in program.shared]
        plan = self.prepare(inputs, shared)
        outputs = [
            np.empty(shape, dtype)
            for shape, dtype in zip(plan.output_shapes, plan.output_dtypes, strict=True)
        ]
        arrays = [*inputs, *shared, *outputs]
        bases = np.array([*(a.ctypes.data for a in arrays), 0], np.int64)
        runner.patch(plan.patches, plan.patch_count, bases.ctypes.data)
        failed = runner.run(plan.steps, plan.step_count)
        if failed:
            raise self.failure(plan, failed - 1, inputs)
        for variable, number in program.replaced:
            assert isinstance(variable, SharedVariable)
            variable.replace(outputs[number])
        return outputs

    def prepare(self, inputs: Sequence[Any], shared: Sequence[Any]) -> Plan:
        """The plan for these arrays, with the call's host integers put in."""
        planner = self.planner
        shapes = tuple(a.shape for a in (*inputs, *shared))
        if not planner.needs_values:
            return self._plan(shapes, shapes, inputs, shared)
        found = planner.host(self.arguments(inputs, shared))
        keys = len(planner.call_keys)
        moves = keys + len(planner.call_offsets)
        settings = moves + len(planner.call_parameters)
        if not all(found[settings:]):
            self._plan(None, shapes, inputs, shared)  # raises
        plan = self._plan((shapes, found[:keys]), shapes, inputs, shared)
        for word, number, start in plan.moving:
            plan.block[word] = start + found[keys + number]
        for number, value in zip(planner.call_parameters, found[moves:settings], strict=True):
            plan.parameters[number] = value
        return plan

    def _plan(
        self, key: Any, shapes: Sequence[Any], inputs: Sequence[Any], shared: Sequence[Any]
    ) -> Plan:
        plan = self.plans.get(key) if key is not None else None
        if plan is None:
            plan = self.planner.plan(self.arguments(inputs, shared), shapes)
            self.plans[key] = plan
            if len(self.plans) > PLANS_KEPT:
                self.plans.popitem(last=False)
        return plan

    def failure(self, plan: Plan, number: int, inputs: Sequence[Any]) -> Exception:
        """The error of a step that failed: the reference finds what was out of range."""
        return explain(self.program, plan.owners[number], inputs)


def explain(program: Program, step: Step, inputs: Sequence[Any]) -> Exception:
    """Why a step failed, in the words of the reference evaluation of its operations."""
    values = dict(zip(program.inputs, inputs, strict=True))
    for node in step.nodes:
        try:
            evaluate(node.outputs, values)
        except (IndexError, ValueError, TypeError, RuntimeError) as error:
            return error
    node = step.nodes[0]
    operands = [operand_text(v) for v in node.inputs]
    return IndexError(
        message("a position is out of range", operation=node.op, operands=operands,
                origin=node.origin)
    )  # fmt: skip


class Engine:
    """The whole graph: segments in order, with reference operations between."""

    def __init__(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        updates: Mapping[SharedVariable, Variable],
    ) -> None:
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.segments = split(outputs, updates)
        self.native: list[NativeSegment] = []
        for segment in self.segments[:-1]:
            program = build_program(segment, {}, segment.wanted)
            self.native.append(NativeSegment(program))
        # Results of reference operations are handed out as they are.
        made = {v for s in self.segments for node in s.reference for v in node.outputs}
        self.direct = [v in made for v in self.outputs]
        rest = [v for v in self.outputs if v not in made]
        last = self.segments[-1]
        self.native.append(NativeSegment(build_program(last, updates, rest)))

    def run(self, arrays: Sequence[np.ndarray[Any, Any]]) -> list[Any]:
        """The outputs' values; shared variables are updated when all has succeeded."""
        if len(self.native) == 1:
            (only,) = self.native
            wanted = [arrays[k] for k in self._positions()]
            return only.run(wanted)[: len(self.outputs)]
        known: dict[Variable, Any] = dict(zip(self.inputs, arrays, strict=True))
        results: list[Any] = []
        for segment, native in zip(self.segments, self.native, strict=True):
            given = [known[v] for v in native.program.inputs]
            results = native.run(given)
            known.update(zip(segment.wanted, results))
            for node in segment.reference:
                values = [_value(v, known) for v in node.inputs]
                made = compute(node, values)
                known.update(zip(node.outputs, map(_own, made), strict=True))
        rest = iter(results)
        return [
            known[v].copy() if direct else next(rest)
            for v, direct in zip(self.outputs, self.direct, strict=True)
        ]

    def free(self) -> None:
        """Forget all plans, and with them their memory."""
        for native in self.native:
            native.plans.clear()

    def _positions(self) -> list[int]:
        order = {v: k for k, v in enumerate(self.inputs)}
        return [order[v] for v in self.native[0].program.inputs]


def _own(array: Any) -> Any:
    """An array as native code reads it."""
    return np.ascontiguousarray(array).reshape(np.shape(array))


def _value(variable: Variable, known: Mapping[Variable, Any]) -> Any:
    if variable in known:
        return known[variable]
    data = getattr(variable, "data", None)
    return data if data is not None else variable.array  # type: ignore[attr-defined]
