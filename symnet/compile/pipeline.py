"""The whole compilation: from the user's graph to what runs, each pass with its reason.

    graph    -> graph       PASSES, by `rewrite_graph`
    graph    -> segments    `partition.split`: one unless something has no native form
    segment  -> program     `lower.lowering`: fuses operations into kernels
    program  -> program     LOWERING, by `build_program`
    programs -> Executable  `compile_graph`, the whole of the second half

A program has no sizes yet: a plan binds it to those of a call (`plan.planner`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from symnet.compile.checkpoints import without_failures
from symnet.compile.executable import Executable
from symnet.compile.inner_graphs import rewrite_inside, stable_throughout, written_out
from symnet.compile.lower.licm import hoist_invariants
from symnet.compile.lower.lowering import lower
from symnet.compile.lower.pack_weights import pack_weights
from symnet.compile.lower.program import Program
from symnet.compile.lower.verify_program import verify_program
from symnet.compile.memory.overwriting import reuse_dying
from symnet.compile.memory.placement import place
from symnet.compile.partition import Segment, split
from symnet.compile.recompute import recompute
from symnet.compile.refusals import (
    NotOnDevice,
    tell_of_references,
    without_code,
)
from symnet.compile.scan.scan_passes import rewrite_loops
from symnet.config import config
from symnet.data_classes import dataclass
from symnet.errors import message
from symnet.graph.traverse import Graph, leaves
from symnet.graph.variables import Apply, Variable
from symnet.graph.verify_graph import verify_graph
from symnet.kernels.devices import CPU
from symnet.kernels.interface import Device
from symnet.kernels.routines import MatrixProduct, Routine
from symnet.ops.ifelse.branches import sink_branches
from symnet.rewriting.analyses import AnalysisCache
from symnet.rewriting.function_graph import UsersRewriteError
from symnet.rewriting.patterns import Rule
from symnet.rewriting.rewriter import Fired, Trace, leave_out, rewrite
from symnet.rewriting.rules.algebra import ALGEBRA
from symnet.rewriting.rules.cancel import CANCEL
from symnet.rewriting.rules.check_rules import CHECKS
from symnet.rewriting.rules.composed_rules import COMPOSED
from symnet.rewriting.rules.indexing_rules import INDEXING
from symnet.rewriting.rules.library_forms import GEMM, PRODUCTS
from symnet.rewriting.rules.reductions import REDUCTIONS
from symnet.rewriting.rules.shapes import SHAPES
from symnet.rewriting.rules.stability import STABILITY
from symnet.rewriting.selection import FAST_RUN, RewriteChoice, registered
from symnet.rewriting.theano_tags import COUNTERPARTS, WITHOUT_COUNTERPART
from symnet.rewriting.users_rewrites import UsersRewriteFailed
from symnet.shared import SharedVariable, check_memory
from symnet.sizes.infer import DataDependentSize

Note = Callable[[Fired], None]


@dataclass(frozen=True)
class Pass:
    """Rules that are applied together.

    fold: constants are folded on the way.
    after: the pass is needed only where one of these has used a rule.
    """

    name: str
    rules: Sequence[Rule] = ()
    fold: bool = False
    after: Sequence[str] = ()

    def __call__(
        self, graph: Graph, analyses: AnalysisCache, note: Note | None = None
    ) -> Graph:
        return rewrite(graph, self.rules, note, self.fold, analyses)


@dataclass(frozen=True)
class Change:
    """A pass that is no set of rules; it gives the graph itself where it changes nothing."""

    name: str
    function: Callable[[Graph, AnalysisCache], Graph]
    after: Sequence[str] = ()

    def __call__(
        self, graph: Graph, analyses: AnalysisCache, note: Note | None = None
    ) -> Graph:
        return self.function(graph, analyses)


# ---- graph -> graph

# The order matters: a rule that knows a special form stands before the one that would
# take it apart.
SIMPLIFY = (
    *CHECKS, *CANCEL, *STABILITY, *INDEXING, *ALGEBRA, *REDUCTIONS, *SHAPES, *PRODUCTS,
)  # fmt: skip

# Equals first: then the later passes see how often a value is really used.
MERGE = Pass("merge")
# All at once: stable forms show only after the algebra, and make new work for it.
FIRST = Pass("simplify", SIMPLIFY, fold=True)


def simplified(graph: Graph, around: AnalysisCache | None = None) -> Graph:
    """The graph as the passes over loops want that of a step.

    around: the analyses of the graph in which the loop stands.
    """
    analyses = AnalysisCache() if around is None else around.inside()
    return FIRST(MERGE(graph, analyses), analyses)


PASSES: tuple[Pass | Change, ...] = (
    # First of all: gradients were taken, and no rule looks into an operation.
    Change("write out", lambda graph, _: written_out(graph)),
    # On what the user wrote, as the gradient has it: part of what the graph means.
    Change("stable", stable_throughout),
    MERGE,
    FIRST,
    # On the simplified graph again, for rules that ask how often a value is used.
    Pass("simplify again", SIMPLIFY, fold=True, after=("simplify",)),
    # On the simplified graph: what was equal, or not needed, is no longer in the way.
    Change("branches", lambda graph, _: sink_branches(graph)),
    # On products as they are written, before they are joined with sums.
    Change(
        "scans",
        lambda graph, analyses: rewrite_loops(
            graph, partial(simplified, around=analyses), analyses
        ),
    ),
    # What was taken out of loops meets what stands around them.
    Pass("simplify scans", SIMPLIFY, fold=True, after=("scans",)),
    # When sums have their last form, and before they are hidden in loops.  Late, too, for
    # until here the rules know softmax as one operation.  The others tidy up.
    Pass("library", (*GEMM, *COMPOSED, *ALGEBRA, *SHAPES), fold=True),
)
# The passes and rules that every program needs, also one that is to be compiled fast.
NECESSARY = ("write out", "stable", "merge", "branches", "expand", "place")

# ---- which of them, and what users add

GROUPS: dict[str, frozenset[Rule]] = {
    "simplify": frozenset(SIMPLIFY),  # also where the last pass tidies up
    "stabilize": frozenset(STABILITY),
    "canonicalize": frozenset(
        (*CHECKS, *CANCEL, *INDEXING, *ALGEBRA, *REDUCTIONS, *SHAPES)
    ),
    "specialize": frozenset(PRODUCTS),
    "blas": frozenset(GEMM),
}
# Of users' rules: those of the first two go with ours until neither has anything to do, the
# others come after that.
WITH_OURS = ("canonicalize", "stabilize", "useless")
SIMPLIFYING = ("simplify", "simplify again", "simplify scans")
# Where in Theano's numbers the passes are before which a user's rewrite may come.
POSITIONS = {"simplify": 1.0, "branches": 2.0}


def known_tags() -> set[str]:
    """The names by which rewrites are chosen: of passes, groups, rules, and users' own."""
    own = {
        t for e in list(registered.values()) for t in (e.name, e.stage, *e.tags) if t
    }
    rules = {
        rule.name for step in PASSES if isinstance(step, Pass) for rule in step.rules
    }
    steps = {step.name for step in (*PASSES, *LOWERING)}
    ours = {
        "fast_run",
        "fast_compile",
        "fusion",
        "fold",
        "inside",
        "recompute",
        *GROUPS,
    }
    return own | rules | steps | ours | set(COUNTERPARTS) | WITHOUT_COUNTERPART


def passes_of(selection: RewriteChoice) -> list[Pass | Change]:
    """The passes over graphs of a selection, in order."""
    entries = [
        e for e in list(registered.values())
        if selection.takes({e.name, e.stage, *e.tags} - {""})
    ]  # fmt: skip
    placed = [(e.rewrite, e.position) for e in entries if not e.stage]
    placed = sorted((*placed, *selection.own), key=lambda pair: pair[1])
    rules = {
        stage: [rule for e in entries if e.stage == stage for rule in e.rewrite.rules()]
        for stage in dict.fromkeys(e.stage for e in entries if e.stage)
    }
    early = [rule for stage in WITH_OURS for rule in rules.pop(stage, ())]
    steps: list[Pass | Change] = []
    for step in PASSES:
        while placed and placed[0][1] < POSITIONS.get(step.name, 0.0):
            steps.append(_users_change(*placed.pop(0)))
        if step.name == "branches" and "specialize" in rules:
            steps.append(Pass("users' specialize", rules.pop("specialize")))
        chosen = _chosen(step, selection)
        if step.name in SIMPLIFYING and early:
            if isinstance(chosen, Pass):
                chosen = replace(chosen, rules=(*early, *chosen.rules))
            elif step.name == "simplify":
                chosen = Pass("users' canonicalize", early)
        steps += [] if chosen is None else [chosen]
    steps += [Pass(f"users' {stage}", own) for stage, own in rules.items()]
    return steps + [_users_change(*pair) for pair in placed]


def _chosen(step: Pass | Change, selection: RewriteChoice) -> Pass | Change | None:
    """The part of a pass that is selected; None where nothing is."""
    if step.name in NECESSARY or selection == FAST_RUN:
        return step
    if isinstance(step, Change):
        return step if selection.takes({"fast_run", step.name}) else None
    kept = [
        rule for rule in step.rules
        if rule.name in NECESSARY
        or selection.takes(
            {"fast_run", step.name, rule.name}
            | {group for group, rules in GROUPS.items() if rule in rules}
        )
    ]  # fmt: skip
    fold = step.fold and selection.takes(
        {"fast_run", "canonicalize", "simplify", step.name, "fold"}
    )
    return replace(step, rules=kept, fold=fold) if kept or fold else None


def _users_change(own: Any, position: float) -> Change:
    def change(graph: Graph, analyses: AnalysisCache) -> Graph:
        try:
            return own.rewritten(graph)  # type: ignore[no-any-return]
        except Exception as error:
            error.add_note(message(f"in the rewrite {own} of a whole graph"))
            raise UsersRewriteFailed from error

    return Change(f"users' {own}", change)


def rewrite_graph(
    graph: Graph,
    selection: RewriteChoice = FAST_RUN,
    trace: Trace | None = None,
    around: AnalysisCache | None = None,
) -> Graph:
    """The graph made simpler, stabler and cheaper, with the same values.

    selection: which passes and rules; what is NECESSARY is applied in any case (where
        NumPy runs the graph, not more than that it is stable: `compile.modes`).
    trace: collects the rules used and the graph after every pass that was needed.
    around: the analyses of the graph in whose operation this one stands.
    Raises: UsersRewriteError for what users' rewrites give; UsersRewriteFailed where one
        raises, from what it raised.
    """
    used: set[str] = set()
    analyses = AnalysisCache() if around is None else around.inside()
    for step in passes_of(selection):
        if step.after and used.isdisjoint(step.after):
            continue
        graph = _run(step, graph, used, analyses, trace)
    # Last, when the operations with graphs inside have their last form.
    again = partial(rewrite_graph, selection=selection, around=analyses)
    inside = Change("inside", lambda graph, _: rewrite_inside(graph, again, analyses))
    graph = _run(inside, graph, used, analyses, trace)
    if around is not None or not selection.takes({"fast_run", "recompute"}):
        return graph  # a step of a loop keeps nothing from turn to turn but its states
    # The very last, for every pass before would make one operation of equal ones.
    last = Change("recompute", lambda graph, _: recompute(graph))
    return _run(last, graph, used, analyses, trace)


def _run(
    step: Pass | Change,
    graph: Graph,
    used: set[str],
    analyses: AnalysisCache,
    trace: Trace | None,
) -> Graph:
    def note(fired: Fired) -> None:
        used.add(step.name)
        if trace is not None:
            trace.fired.append((step.name, fired))

    try:
        found = step(graph, analyses, note)
        _check_types(graph, found)
    except (UsersRewriteError, UsersRewriteFailed):
        raise
    except Exception as error:  # noqa: BLE001  a fault of the pass, not of the user
        leave_out(f"pass {step.name}", error)
        return graph
    if config.verify == "on" and found is not graph:
        verify_graph(found, leaves(graph.outputs, graph.inputs))
    if isinstance(step, Change) and found is not graph:
        used.add(step.name)
    if trace is not None and (isinstance(step, Pass) or found is not graph):
        trace.graphs.append((step.name, found))
    return found


def _check_types(graph: Graph, found: Graph) -> None:
    """Raises: TypeError where a pass changed what is asked for."""
    for old, new in zip(graph.outputs, found.outputs, strict=True):
        if new is not old and not old.type.accepts(new.type):
            raise TypeError(f"{new.type} has come in the place of {old.type}")


# ---- program -> program


@dataclass(frozen=True)
class ProgramPass:
    """A pass over a program, which gives a new one.

    routine: the pass is for devices that offer this.
    """

    name: str
    function: Callable[[Program], Program]
    routine: Routine | None = None

    def is_for(self, device: Device) -> bool:
        return self.routine is None or device.offers(self.routine)


LOWERING: tuple[ProgramPass, ...] = (
    # First: a copy that is the same in each iteration may be what a product reads.
    ProgramPass("hoist", hoist_invariants),
    # Of matrices made outside, also of those just moved there.
    ProgramPass("pack", pack_weights, MatrixProduct("float32", packed=True)),
    # The panels of an inner loop out of the loops around it.
    ProgramPass("hoist panels", hoist_invariants),
    # All instructions are there: bring them into order, and values where they belong.
    ProgramPass("place", place),
    # The order is fixed, so it is known what dies where, and can be overwritten.
    ProgramPass("reuse", reuse_dying),
)


def build_program(
    segment: Segment,
    updates: Mapping[SharedVariable, Variable],
    wanted: Sequence[Variable],
    device: Device = CPU,
    trace: Trace | None = None,
    without: Collection[str] = (),
    repeats: Collection[Apply] = (),
) -> Program:
    """The program of one segment: its instructions, with places but without sizes.

    device: where it will run, which decides about passes of its own.
    repeats: operations that do once more what others did before, and so cannot fail.
    without: names of passes that are left out, "fusion" of operations among them.
    trace: collects the program after every pass.
    """
    results = [*wanted, *updates.values()]
    fused = "fusion" not in without
    context = lower(segment.leaves, results, segment.inference, fused)
    program = context.program(wanted, updates)
    if repeats:
        program = without_failures(program, repeats)
    left = set(without) - set(NECESSARY)
    passes = [s for s in LOWERING if s.is_for(device) and s.name not in left]
    for step in (ProgramPass("lower", lambda made: made), *passes):
        program = step.function(program)
        if config.verify == "on":
            verify_program(program)
        if trace is not None:
            trace.programs.append((step.name, program))
    return program


# ---- graph -> Executable


def compile_graph(
    graph: Graph,
    updated: Sequence[SharedVariable] = (),
    numbers: Sequence[bool] = (),
    device: Device = CPU,
    trace: Trace | None = None,
    without: Collection[str] = (),
    rehearsed: bool = False,
    repeats: Collection[Apply] = (),
) -> Executable:
    """What runs a rewritten graph.

    updated: the shared variables whose new values are the graph's last outputs.
    numbers: for each input whether a Python number may stand for it (default: yes).
    trace: collects the programs after every pass.
    without, repeats: as for `build_program`.
    rehearsed: that is all that is done with it, so that shared variables may lie elsewhere.
    What the device has no code for is computed on the host, of which a HostFallback warns.
    Raises: NotOnDevice for a function that stands where it cannot be taken out; TypeError
        for shared variables that the device does not reach.
    """
    count = len(graph.outputs) - len(updated)
    outputs = graph.outputs[:count]
    updates = dict(zip(updated, graph.outputs[count:], strict=True))
    if not rehearsed:
        check_memory(graph, updates, device)
    hosted: set[Apply] = set()  # operations found to have no code on the device
    early: set[Variable] = set()  # values found to be needed for sizes
    while True:
        segments = split(graph, updates, device, hosted, early)
        try:
            programs = build_programs(
                segments, outputs, updates, device, trace, without, repeats
            )
        except DataDependentSize as missing:
            # A segment alone may know less of its sizes than the graph as a whole did.
            if missing.variable in early:
                raise
            early.add(missing.variable)
            if trace is not None:
                trace.programs.clear()
            continue
        found = without_code(programs, device)
        for node in found.keys() & hosted:
            raise NotOnDevice(found[node])
        if not found:
            break
        hosted |= found.keys()
        if trace is not None:
            trace.programs.clear()
    tell_of_references([node for s in segments for node in s.reference], device)
    return Executable(graph, updates, segments, programs, numbers, device)


def build_programs(
    segments: Sequence[Segment],
    outputs: Sequence[Variable],
    updates: Mapping[SharedVariable, Variable],
    device: Device,
    trace: Trace | None,
    without: Collection[str],
    repeats: Collection[Apply],
) -> list[Program]:
    """Those of all segments; the last one updates."""
    # Results of reference operations are handed out as they are.
    made = {v for s in segments for node in s.reference for v in node.outputs}
    rest = [v for v in outputs if v not in made]
    *before, last = segments
    how = device, trace, without, repeats
    programs = [build_program(s, {}, s.wanted, *how) for s in before]
    return [*programs, build_program(last, updates, rest, *how)]
