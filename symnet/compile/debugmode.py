"""DebugMode: the compiled program beside the reference, at every call.

Four values are compared: those of the graph that the user wrote and of the rewritten
graph, both computed by NumPy, and those of the compiled program, run as machine code and
by the reference device.  The first two differ where a rewrite is wrong, the last two from
the second where lowering or native code is.  The cause is then looked for: the rule, the
operation, or the loop into which several operations were fused.  The program is the one
that other modes would run, with its updates; its memory is proven, too
(`compile.memory.verify_placement`).

Values differ where rounding does not explain it.  When a fixed tolerance is exceeded, the
graph is evaluated again with every result off by its last bits, which shows how far
rounding reaches: of log(1 - sigmoid(40)) no digit holds.  Choices are made anew: where
`maximum(a, b)` has two values that are equal but for roundings, its gradient may be that
of either.  A rewrite may also give a number where the user's own graph overflows, and what
follows from such a number: of `switch(p > 0, log(p), 0)` with p = exp(x) / exp(x).sum() the
graph as written takes the wrong branch.  So what the graph gives in a wider dtype counts
as well.  A result that is no number where the same
formula in a wider dtype has one is an error too (`Unstable`, see `widening`): gradients and
updates are results like others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from symnet.compile.executable import Executable, shared_of, values_of
from symnet.compile.memory.verify_placement import PlacementError
from symnet.compile.pipeline import compile_graph, rewrite_graph
from symnet.compile.rounding import off_by_rounding
from symnet.compile.widening import report_unstable, wide_values
from symnet.config import config
from symnet.errors import message
from symnet.graph.evaluate import changing, compute, evaluate, value_of
from symnet.graph.inner import InnerGraph
from symnet.graph.traverse import Graph, toposort
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.kernels.devices import REFERENCE
from symnet.kernels.interface import REPLACES, Device, Ticket, with_ticket
from symnet.kernels.memory import HOST
from symnet.ops.ifelse.conditional import IfElse
from symnet.ops.scan.loop import Scan
from symnet.rewriting.rewriter import Trace
from symnet.shared import SharedVariable, set_values

TRIALS = 4  # pairs of evaluations that measure the reach of rounding
MANY_TRIALS = 32  # before it is said that something differs
SLACK = 2.0  # by how much they may miss it: of many choices each turns half of them

Array = np.ndarray[Any, Any]
ANY_SHAPE = np.array(np.inf)  # the reach where even the shape is a matter of rounding
Values = Mapping[Variable, Any]


class DebugModeError(RuntimeError):
    """DebugMode found that compiled code and reference disagree."""


class BadRewrite(DebugModeError):
    """A rule or a pass changed what the graph computes."""


class BadCode(DebugModeError):
    """Native code computes something else than its operation's reference."""


class BadMemory(DebugModeError):
    """A call changed an argument, or reads memory that no longer holds what it needs."""


class Unstable(DebugModeError):
    """A result is finite as a formula and not as computed (see `widening`)."""


class DebugEngine:
    """Runs all three, compares, and only then updates the shared variables."""

    def __init__(
        self,
        original: Graph,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        updates: Mapping[SharedVariable, Variable],
        device: Device,
    ) -> None:
        self.original = original
        self.updates = dict(updates)
        self.graph = Graph(inputs, [*outputs, *updates.values()])
        self.count = len(outputs)
        # The program that other modes run, with its updates; and who judges it.
        with config.change_flags(verify="on"):
            self.engine = compile_graph(self.graph, list(updates), device=device)
            self.judge = compile_graph(self.graph, list(updates), device=REFERENCE)
        values = [*original.outputs, *self.graph.outputs]
        self.shared = shared_of(values)
        # Nobody may change anything between one evaluation and the next.
        stores = [v.store for v in (*self.shared, *updates)]
        self.uses = dict.fromkeys(stores, REPLACES)

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        try:
            return with_ticket(self.uses, None, partial(self._run, arrays))
        except PlacementError as error:
            raise BadMemory(str(error)) from None

    def _run(self, arrays: Sequence[Any], ticket: Ticket) -> list[Any]:
        before = [np.array(a) for a in arrays]
        given: dict[Variable, Any] = dict(zip(self.graph.inputs, arrays, strict=True))
        given.update(values_of(self.shared, ticket))
        expected = evaluate(self.original.outputs, given)
        found = self._rehearse(self.engine, arrays)
        judged = self._rehearse(self.judge, arrays)
        for array, old, variable in zip(arrays, before, self.graph.inputs, strict=True):
            if not np.array_equal(array, old, equal_nan=old.dtype.kind in "fc"):
                raise BadMemory(
                    f"the argument {operand_text(variable)} was overwritten"
                )
        rewritten = evaluate(self.graph.outputs, given)
        for computed in (found, judged):
            wrong = first_difference(self.graph.outputs, rewritten, computed, given)
            if wrong is not None:
                want, got = rewritten[wrong], computed[wrong]
                raise self.bad_code(wrong, want, got, judged[wrong], given)
        wrong = first_difference(
            self.original.outputs, expected, rewritten, given, True
        )
        if wrong is not None:
            raise self.bad_rewrite(wrong, expected[wrong], rewritten[wrong], given)
        unstable = report_unstable(self.original.outputs, found, given)
        if unstable is not None:
            raise Unstable(unstable)
        set_values(dict(zip(self.updates, found[self.count :], strict=True)), ticket)
        return found[: self.count]

    def _rehearse(self, program: Executable, arrays: Sequence[Any]) -> list[Any]:
        """What a program computes: outputs, and new values of shared variables."""
        found, news = program.rehearse(arrays)
        return [*found, *(news[v] for v in self.updates)]

    def free(self) -> None:
        self.engine.free()
        self.judge.free()

    # ---- what is wrong

    def bad_code(
        self, position: int, want: Any, got: Any, judged: Any, given: Values
    ) -> BadCode:
        """The first operation whose own code is wrong, or an output: then it is operations
        together that are lowered wrongly, or rightly and become wrong machine code."""
        report = report_bad_node(self.graph, given)
        if report is None:
            variable = self.graph.outputs[position]
            lowered = first_difference([variable], [want], [judged], given) is None
            stage = "machine code" if lowered else "lowering"
            what = (
                f"the {stage} of operations fused into one loop, or of the whole program, "
                "disagrees with the reference in"
            )
            report = _report(what, variable, want, got)
        return BadCode(report)

    def bad_rewrite(
        self, position: int, want: Any, got: Any, given: Values
    ) -> BadRewrite:
        """The first rule that changed a value, or the output that all of them changed."""
        trace = Trace()
        rewrite_graph(self.original, trace=trace)
        report = report_bad_rule(trace, given)
        names = [name for name, _ in trace.graphs]
        if report is None and "inside" in names:
            before = trace.graphs[names.index("inside") - 1][1]
            report = report_bad_inner_rule(before, given)
        if report is None:
            report = _report(
                "rewriting changed", self.original.outputs[position], want, got
            )
        return BadRewrite(report)


def report_bad_rule(trace: Trace, given: Values) -> str | None:
    """What is wrong with the first rule whose two sides differ; None if all agree."""
    befores = [event.before for _, event in trace.fired]
    wants = evaluate(befores, given)
    gots = evaluate([event.after for _, event in trace.fired], given)
    wrong = first_difference(befores, wants, gots, given, True)
    if wrong is None:
        return None
    step, event = trace.fired[wrong]
    what = f"the rule {event.rule!r} (pass {step!r}) changed"
    return _report(what, event.before, wants[wrong], gots[wrong])


def report_bad_inner_rule(graph: Graph, given: Values) -> str | None:
    """The same for the rules used inside loops and conditions, of a graph before that."""
    known: dict[Variable, Any] = dict(given)
    for node in toposort(graph.outputs, blockers=graph.inputs):
        arrays = [value_of(v, known) for v in node.inputs]
        traces: dict[InnerGraph, Trace] = {}
        for where, inner, values in inner_runs(node, arrays):
            if inner not in traces:
                traces[inner] = Trace()
                inside = Graph(inner.inputs, inner.outputs)
                rewrite_graph(inside, trace=traces[inner])
            report = report_bad_rule(traces[inner], values)
            if report is not None:
                return f"{where} of {node.op}: {report}"
        known.update(zip(node.outputs, compute(node, arrays), strict=True))
    return None


def inner_runs(
    node: Apply, arrays: Sequence[Any]
) -> Iterator[tuple[str, InnerGraph, dict[Variable, Any]]]:
    """Every run of a graph inside an operation, with the values of its inputs."""
    op = node.op
    if isinstance(op, IfElse):
        condition, yes, no = op.split_inputs(arrays)
        graph, values = (op.then_graph, yes) if condition else (op.else_graph, no)
        yield "in the branch taken", graph, _values(graph, values)
    elif isinstance(op, Scan):
        outer = op.split_inputs(arrays)
        histories = [list(rows) for rows in outer.initials]
        for t in range(int(outer.n_steps)):
            values = [a[t] for a in outer.sequences]
            for state, history in zip(op.states, histories, strict=True):
                values += [history[tap] for tap in state.taps]
            values += outer.others
            yield f"in step {t}", op.graph, _values(op.graph, values)
            results = op.split_outputs(op.graph.evaluate(values))
            for history, new in zip(histories, results.states, strict=True):
                history.append(new)
            if op.until and results.done:
                return


def _values(graph: InnerGraph, arrays: Sequence[Any]) -> dict[Variable, Any]:
    return dict(zip(graph.inputs, map(HOST.from_host, arrays), strict=True))


def _report(what: str, variable: Variable, want: Any, got: Any) -> str:
    node = variable.owner
    want, got = np.asarray(want), np.asarray(got)
    if want.shape != got.shape:
        difference = f"shape {got.shape} instead of {want.shape}"
    else:
        difference = (
            f"largest difference {np.max(_distance(got, want), initial=0.0):.3g}"
        )
    return message(
        f"{what} {operand_text(variable)}: {difference}",
        operation=node.op if node is not None else None,
        operands=[operand_text(v) for v in node.inputs] if node is not None else (),
        origin=node.origin if node is not None else None,
        cure="please report this as a bug of symnet, with the program",
    )


def report_bad_node(graph: Graph, given: Values) -> str | None:
    """What is wrong with the first operation whose own compiled code differs from its
    reference; None where each of them is right by itself."""
    known: dict[Variable, Any] = dict(given)
    for node in toposort(graph.outputs, blockers=graph.inputs):
        arrays = [value_of(v, known) for v in node.inputs]
        expected = compute(node, arrays)
        leaves = [v for v in dict.fromkeys(node.inputs) if v in known]
        values = [HOST.from_host(known[v]) for v in leaves]
        fresh = {v: make_variable(v.type) for v in leaves}
        alone = node.clone_with_new_inputs([fresh.get(v, v) for v in node.inputs])
        found = compile_graph(Graph(list(fresh.values()), alone.outputs)).run(values)
        own = dict(zip(fresh.values(), values, strict=True))
        wrong = first_difference(alone.outputs, expected, found, own)
        if wrong is not None:
            inside = report_bad_inner_node(node, arrays)
            if inside is not None:
                return inside
            what = f"native code of {node.op} disagrees: found while computing"
            return _report(what, node.outputs[wrong], expected[wrong], found[wrong])
        known.update(zip(node.outputs, expected, strict=True))
    return None


def report_bad_inner_node(node: Apply, arrays: Sequence[Any]) -> str | None:
    """The same for the operations inside a loop or condition, run by run."""
    for where, graph, values in inner_runs(node, arrays):
        report = report_bad_node(Graph(graph.inputs, graph.outputs), values)
        if report is not None:
            return f"{where} of {node.op}: {report}"
    return None


# ---- which differences count


def first_difference(
    variables: Sequence[Variable],
    wants: Sequence[Any],
    gots: Sequence[Any],
    given: Values,
    simpler: bool = False,
) -> int | None:
    """The number of the first variable of which two values differ by more than rounding
    explains.  simpler: what is got may be a number where `want` is not finite, and what
    the variable is in a wider dtype."""
    pairs = enumerate(zip(wants, gots, strict=True))
    doubtful = [
        k for k, (want, got) in pairs if not agree(got, want, expected_scale(want))
    ]
    if not doubtful:
        return None
    for trials in (TRIALS, MANY_TRIALS):
        reaches = reach_of_rounding(variables, wants, given, trials)
        doubtful = [
            k for k in doubtful if not explained(gots[k], wants[k], reaches[k], simpler)
        ]
        if not doubtful:
            return None
    if not simpler:
        return doubtful[0]
    wider = wide_values([variables[k] for k in doubtful], given)
    for k, wide in zip(doubtful, wider, strict=True):
        if not explained(gots[k], wants[k], reaches[k], simpler, wide):
            return k
    return None


def expected_scale(array: Any) -> float:
    """The magnitude against which differences count."""
    finite = (
        np.asarray(array)[np.isfinite(np.asarray(array))] if _is_float(array) else array
    )
    return float(np.max(np.abs(finite), initial=0.0)) if _is_float(array) else 0.0


def _is_float(array: Any) -> bool:
    return bool(np.asarray(array).dtype.kind in "fc")


def agree(got: Any, want: Any, scale: float) -> bool:
    """Whether two results are equal to a fixed tolerance."""
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape or got.dtype != want.dtype:
        return False
    if not _is_float(want):
        return bool(np.array_equal(got, want))
    rtol, atol = _tolerances(want, scale)
    return bool(np.allclose(got, want, rtol=rtol, atol=atol, equal_nan=True))


def _tolerances(want: Array, scale: float) -> tuple[float, float]:
    rtol = float(np.finfo(want.dtype).eps) ** (2 / 3)
    return rtol, rtol * max(scale, 1e-30)


def explained(
    got: Any, want: Any, reach: Array, simpler: bool, wide: Array | None = None
) -> bool:
    """Whether every element differs by no more than the reach of rounding.

    wide: what is wanted, as a wider dtype has it."""
    got, want = np.asarray(got), np.asarray(want)
    if got.dtype != want.dtype:
        return False
    if got.shape != want.shape or reach is ANY_SHAPE:
        return reach is ANY_SHAPE
    allowed = SLACK * reach
    if _is_float(want):
        rtol, atol = _tolerances(want, expected_scale(want))
        with np.errstate(all="ignore"):
            allowed = allowed + np.nan_to_num(atol + rtol * np.abs(want), posinf=0.0)
    fine = _distance(got, want) <= allowed
    if simpler and _is_float(want):
        fine |= ~np.isfinite(want)
    if wide is not None and wide.shape == want.shape:
        fine |= _is_near(got, wide)
    return bool(np.all(fine))


def _is_near(got: Array, wide: Array) -> Array:
    """Which elements are those of a wider dtype to a fixed tolerance."""
    if not _is_float(got):
        return np.asarray(got == wide)
    with np.errstate(all="ignore"):
        want = wide.astype(got.dtype)
        rtol, atol = _tolerances(want, expected_scale(want))
        return np.asarray(np.isclose(got, want, rtol=rtol, atol=atol))


def _distance(got: Array, want: Array) -> Array:
    """How far apart elements are: 0 for equal ones, NaN and infinities included, and
    infinitely far where only one is finite."""
    with np.errstate(all="ignore"):
        gap = np.abs(np.subtract(got, want, dtype=complex))
        same = (got == want) | ((got != got) & (want != want))
    return np.where(same, 0.0, np.nan_to_num(gap, nan=np.inf, posinf=np.inf))


def reach_of_rounding(
    variables: Sequence[Variable],
    wants: Sequence[Any],
    given: Values,
    trials: int = TRIALS,
) -> list[Array]:
    """How far each element moves when every float that leads to it is off by its last
    bits (or, near zero, by the smallest normal number), in a few random trials.

    Source: Vignes 1993, stochastic arithmetic.
    """
    reach = [np.zeros(np.shape(want)) for want in wants]
    for trial in range(trials):
        for side in (1.0, -1.0):  # a choice between near values turns in one of them
            rng = np.random.default_rng(trial)
            try:
                found = _evaluated_off(variables, given, rng, side)
            except Exception:  # a choice has turned to what means nothing
                continue
            for k, (value, want) in enumerate(zip(found, wants, strict=True)):
                if np.shape(value) != np.shape(want):
                    reach[k] = ANY_SHAPE
                elif reach[k] is not ANY_SHAPE:
                    reach[k] = np.maximum(reach[k], _distance(np.asarray(value), want))
    return reach


def _evaluated_off(
    variables: Sequence[Variable], given: Values, rng: np.random.Generator, side: float
) -> list[Any]:
    """The values where all that rounds is off, inside of loops and conditions as well."""

    def without_changes(node: Apply, arrays: Sequence[Any]) -> list[Any]:
        return list(node.op.compute(node, arrays, np))

    def change(node: Apply, arrays: Sequence[Any], results: list[Any]) -> list[Any]:
        return off_by_rounding(node, arrays, results, without_changes, rng, side)

    token = changing.set(change)
    try:
        return evaluate(variables, given)
    finally:
        changing.reset(token)
