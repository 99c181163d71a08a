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
rounding reaches: of log(1 - sigmoid(40)) no digit holds.  Last, each operation's results
are off alone.  Choices are made anew: where
`maximum(a, b)` has two values that are equal but for roundings, its gradient may be that
of either.  A rewrite may also give a number where the user's own graph overflows, and what
follows from such a number: of `switch(p > 0, log(p), 0)` with p = exp(x) / exp(x).sum() the
graph as written takes the wrong branch.  So what the graph gives in a wider dtype counts
as well.  A result that is no number where the same
formula in a wider dtype has one is an error too (`Unstable`, see `widening`): gradients and
updates are results like others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from symnet.compile.agreement import Values, distance, first_difference
from symnet.compile.executable import Executable, shared_of, values_of
from symnet.compile.memory.verify_placement import PlacementError
from symnet.compile.modes import (
    MODES,
    Mode,
    ReferenceEngine,
    Runs,
    returns_objects,
)  # fmt: skip
from symnet.compile.pipeline import compile_graph, rewrite_graph
from symnet.compile.widening import report_unstable
from symnet.config import config
from symnet.data_classes import dataclass
from symnet.errors import message
from symnet.graph.evaluate import changing, compute, evaluate, value_of
from symnet.graph.inner import InnerGraph
from symnet.graph.op import is_users
from symnet.graph.same_graph import equal_computations
from symnet.graph.traverse import Graph, toposort
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.kernels.devices import get_device
from symnet.kernels.interface import REPLACES, Device, Ticket, with_ticket
from symnet.kernels.memory import HOST
from symnet.ops.ifelse.conditional import IfElse
from symnet.ops.scan.loop import Scan
from symnet.rewriting.rewriter import Trace
from symnet.shared import SharedVariable, set_values

Rewrite = Callable[..., Graph]


class DebugModeError(RuntimeError):
    """DebugMode found that compiled code and reference disagree."""


class BadRewrite(DebugModeError):
    """A rule or a pass changed what the graph computes."""


class StochasticOrder(BadRewrite):
    """A graph was rewritten to another one when it was rewritten again."""


class BadCode(DebugModeError):
    """Native code computes something else than its operation's reference."""


# Theano's names for these.
BadOptimization, BadThunkOutput = BadRewrite, BadCode


class BadMemory(DebugModeError):
    """A call changed an argument, or reads memory that no longer holds what it needs."""


class BadViewMap(DebugModeError):
    """A user's operation hands out memory of an input, and its view_map does not say so."""


class InvalidValueError(DebugModeError):
    """A result is NaN or infinite, where `check_isfinite` forbids that."""


class Unstable(DebugModeError):
    """A result is finite as a formula and not as computed (see `widening`)."""


@dataclass(frozen=True)
class Checks:
    """What DebugMode looks at: see `DebugMode`."""

    patience: int = 1
    code: bool = True
    judge: bool = True
    finite: bool = False


class DebugMode(Mode):
    """Everything is computed twice and compared: slow, and sure.

    stability_patience: how many times a graph is rewritten, to see that it always becomes
        the same.
    check_c_code: compare native code with the reference, operation by operation where they
        differ; check_py_code: run the program by the reference device too, which tells
        wrong lowering from wrong machine code.
    check_isfinite: results that are NaN or infinite are errors.  Without, they are where
        the formula is finite (`compile.widening`).
    check_preallocated_output, require_matching_strides: accepted as in Theano; here no
        operation gets memory that it might rely on.
    optimizer, linker: as for `Mode`; the linker is this mode's own.
    Raises, when a function is made or called: DebugModeError, of a kind for each fault.
    """

    name = "DebugMode"

    def __init__(
        self,
        optimizer: Any = "default",
        stability_patience: int | None = None,
        check_c_code: bool | None = None,
        check_py_code: bool | None = None,
        check_isfinite: bool | None = None,
        check_preallocated_output: Any = None,
        require_matching_strides: Any = None,
        linker: Any = None,
    ) -> None:
        super().__init__(None, optimizer)
        patience = 1 if stability_patience is None else int(stability_patience)
        if patience < 1:
            raise ValueError(f"DebugMode: a patience of {patience} rewrites nothing")
        code, judge = check_c_code is not False, check_py_code is not False
        self.checks = Checks(patience, code, judge, bool(check_isfinite))

    def rewrite(self, graph: Graph, trace: Trace | None = None) -> Graph:
        with config.change_flags(verify="on"):
            found = super().rewrite(graph, trace)
            for _ in range(self.checks.patience - 1):
                again = super().rewrite(graph)
                if not equal_computations(found.outputs, again.outputs):
                    what = "a graph was rewritten to different ones"
                    cure = "have rewrites give the same for the same"
                    raise StochasticOrder(message(what, cure=cure))
            return found

    def engine(
        self,
        original: Graph,
        outputs: Sequence[Variable],
        updates: Mapping[SharedVariable, Variable],
        numbers: Sequence[bool],
        device: Device,
    ) -> Runs:
        if returns_objects([*outputs, *updates.values()]):
            return ReferenceEngine(original.inputs, outputs, updates)
        given = (original, original.inputs, outputs, updates, device)
        return DebugEngine(*given, super().rewrite, self.checks)


class DebugEngine:
    """Runs all three, compares, and only then updates the shared variables."""

    def __init__(
        self,
        original: Graph,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        updates: Mapping[SharedVariable, Variable],
        device: Device,
        rewrite: Rewrite = rewrite_graph,
        checks: Checks = Checks(),  # noqa: B008  it never changes
    ) -> None:
        """rewrite: how the graph has become what `outputs` and `updates` are of."""
        self.rewrite, self.checks = rewrite, checks
        self.original = original
        self.updates = dict(updates)
        self.graph = Graph(inputs, [*outputs, *updates.values()])
        self.count = len(outputs)
        # The program that other modes run, with its updates; and who judges it.
        with config.change_flags(verify="on"):
            self.engine = compile_graph(self.graph, list(updates), device=device)
            self.judge = compile_graph(
                self.graph,
                list(updates),
                device=get_device("reference"),
                rehearsed=True,
            )
        values = [*original.outputs, *self.graph.outputs]
        self.shared = shared_of(Graph(inputs, values))
        # Nobody may change anything between one evaluation and the next.
        stores = [v.store for v in (*self.shared, *updates)]
        self.uses = dict.fromkeys(stores, REPLACES)

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        try:
            return with_ticket(self.uses, None, partial(self._run, arrays))
        except PlacementError as error:
            raise BadMemory(str(error)) from None

    def _run(self, arrays: Sequence[Any], ticket: Ticket) -> list[Any]:
        before = [
            (v, a, a.copy())
            for v, a in zip(self.graph.inputs, arrays, strict=True)
            if isinstance(a, np.ndarray)
        ]
        given: dict[Variable, Any] = dict(zip(self.graph.inputs, arrays, strict=True))
        given.update(values_of(self.shared, ticket))
        expected = evaluate_checking_views(self.original.outputs, given)
        found = self._rehearse(self.engine, arrays)
        judged = self._rehearse(self.judge, arrays) if self.checks.judge else found
        for variable, array, old in before:
            if not np.array_equal(array, old, equal_nan=old.dtype.kind in "fc"):
                raise BadMemory(
                    f"the argument {operand_text(variable)} was overwritten"
                )
        rewritten = evaluate(self.graph.outputs, given)
        for computed in (found, judged) if self.checks.code else ():
            wrong = first_difference(self.graph.outputs, rewritten, computed, given)
            if wrong is not None:
                want, got = rewritten[wrong], computed[wrong]
                raise self.bad_code(wrong, want, got, judged[wrong], given)
        wrong = first_difference(
            self.original.outputs, expected, rewritten, given, True
        )
        if wrong is not None:
            raise self.bad_rewrite(wrong, expected[wrong], rewritten[wrong], given)
        if self.checks.finite:
            self._check_finite(found)
        unstable = report_unstable(self.original.outputs, found, given)
        if unstable is not None:
            raise Unstable(unstable)
        set_values(dict(zip(self.updates, found[self.count :], strict=True)), ticket)
        return found[: self.count]

    def _check_finite(self, found: Sequence[Any]) -> None:
        for v, value in zip(self.original.outputs, found, strict=True):
            array = np.asarray(value)
            if array.dtype.kind in "fc" and not np.isfinite(array).all():
                what = f"{operand_text(v)} is not finite"
                cure = "use NanGuardMode to find where it begins"
                raise InvalidValueError(message(what, origin=v.origin, cure=cure))

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
        self.rewrite(self.original, trace=trace)
        report = report_bad_rule(trace, given)
        if report is None:
            report = report_bad_pass(self.original, trace, given)
        names = [name for name, _ in trace.graphs]
        if report is None and "inside" in names:
            before = trace.graphs[names.index("inside") - 1][1]
            report = report_bad_inner_rule(before, given, self.rewrite)
        if report is None:
            report = _report(
                "rewriting changed", self.original.outputs[position], want, got
            )
        return BadRewrite(report)


def evaluate_checking_views(outputs: Sequence[Variable], given: Values) -> list[Any]:
    """The values of the outputs.

    Raises: BadViewMap where a user's operation shares memory that it does not declare.
    """

    def look(node: Apply, arrays: Sequence[Any], results: list[Any]) -> list[Any]:
        if is_users(node.op) or node.op.runs_users_code:
            for k, result in enumerate(results):
                _check_view(node, k, result, arrays)
                _check_results(node, k, results)
        return results

    token = changing.set(look)
    try:
        return evaluate(outputs, given)
    finally:
        changing.reset(token)


def _check_view(node: Apply, k: int, result: Any, arrays: Sequence[Any]) -> None:
    declared = {*node.op.view_map.get(k, ()), *node.op.destroy_map.get(k, ())}
    for j, array in enumerate(arrays):
        both = isinstance(result, np.ndarray) and isinstance(array, np.ndarray)
        if both and j not in declared and np.shares_memory(result, array):
            raise BadViewMap(
                message(
                    f"{node.op}: result {k} is memory of input {j}",
                    operation=node.op,
                    operands=[operand_text(v) for v in node.inputs],
                    origin=node.origin,
                    cure=f"say so, view_map = {{{k}: [{j}]}}, or hand out a copy",
                )
            )


def _check_results(node: Apply, k: int, results: Sequence[Any]) -> None:
    """Raises: BadViewMap where result k shares memory with an earlier one, and they are not
    declared to be views of one input."""
    for j, other in enumerate(results[:k]):
        both = isinstance(results[k], np.ndarray) and isinstance(other, np.ndarray)
        common = {*node.op.view_map.get(k, ())} & {*node.op.view_map.get(j, ())}
        if both and not common and np.shares_memory(results[k], other):
            raise BadViewMap(
                message(
                    f"{node.op}: results {j} and {k} share memory",
                    operation=node.op,
                    origin=node.origin,
                    cure="hand out copies, or declare both views of one input (view_map)",
                )
            )


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
    cure = OF_USERS if event.users else BUG
    return _report(what, event.before, wants[wrong], gots[wrong], cure)


def report_bad_pass(original: Graph, trace: Trace, given: Values) -> str | None:
    """What is wrong with the first rewrite of whole graphs, a user's, that changed an
    output; None if there is none."""
    before = original
    for name, graph in trace.graphs:
        if name.startswith("users' "):
            wants, gots = (evaluate(g.outputs, given) for g in (before, graph))
            wrong = first_difference(before.outputs, wants, gots, given, True)
            if wrong is not None:
                what = f"{name} changed"
                return _report(
                    what, before.outputs[wrong], wants[wrong], gots[wrong], OF_USERS
                )
        before = graph
    return None


def report_bad_inner_rule(graph: Graph, given: Values, rewrite: Rewrite) -> str | None:
    """The same for the rules used inside loops and conditions, of a graph before that."""
    known: dict[Variable, Any] = dict(given)
    for node in toposort(graph.outputs, blockers=graph.inputs):
        arrays = [value_of(v, known) for v in node.inputs]
        traces: dict[InnerGraph, Trace] = {}
        for where, inner, values in inner_runs(node, arrays):
            if inner not in traces:
                traces[inner] = Trace()
                inside = inner.as_graph()
                rewrite(inside, trace=traces[inner])
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


BUG = "please report this as a bug of symnet, with the program"
OF_USERS = "this rewrite is not symnet's: have it give the same values, or leave it out"


def _report(what: str, variable: Variable, want: Any, got: Any, cure: str = BUG) -> str:
    node = variable.owner
    want, got = np.asarray(want), np.asarray(got)
    if want.shape != got.shape:
        difference = f"shape {got.shape} instead of {want.shape}"
    else:
        difference = (
            f"largest difference {np.max(distance(got, want), initial=0.0):.3g}"
        )
    return message(
        f"{what} {operand_text(variable)}: {difference}",
        operation=node.op if node is not None else None,
        operands=[operand_text(v) for v in node.inputs] if node is not None else (),
        origin=node.origin if node is not None else None,
        cure=cure,
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


MODES["DebugMode"] = MODES["DEBUG_MODE"] = DebugMode
