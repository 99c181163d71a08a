"""A function or variables as plain data: what the page of the viewer shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symnet.compile.function import Function
from symnet.compile.profile import Profile
from symnet.errors import message
from symnet.graph.traverse import Graph, toposort
from symnet.graph.variables import Apply, Variable, describe
from symnet.printing.roots import Root, roots_of
from symnet.printing.stages import Stages
from symnet.viewer.graph_tables import GraphTables, Record
from symnet.viewer.program_tables import ProgramTables
from symnet.viewer.rewrite_records import rewrite_record
from symnet.viewer.value_ranges import Range, value_ranges

MOST_REWRITES = 3000


def description(
    thing: Any, arguments: Sequence[Any] | None = None, profile: Profile | None = None
) -> Record:
    """All that there is to see, as what JSON can hold.

    thing: a compiled function, a variable, or a list of variables.
    arguments: of a call of the function, by which values and times are measured.
    profile: of the function, if there is one; without both, that of calls that were
        recorded (`function(..., profile=True)`).
    tables: "variables", "operations", "lines"; all else points into them.
    stages: the graph after each pass; rewrites: each use of a rule; program: steps,
    kernels, memory (None for variables).
    Raises: TypeError for what is neither, and for arguments without a function.
    """
    if isinstance(thing, Function):
        return function_description(thing, arguments, profile)
    if arguments is not None or profile is not None:
        raise TypeError(
            message(
                "arguments and a profile go with a compiled function, not with "
                f"{type(thing).__name__} {thing!r:.60}",
                cure="compile it: symnet.function(inputs, outputs)",
            )
        )
    try:
        roots = roots_of(thing)
    except TypeError:
        raise TypeError(_refusal(thing)) from None
    tables = GraphTables()
    named = [
        Root(v, role or v.name or f"output {k}") for k, (v, role) in enumerate(roots)
    ]
    stage = {"name": "written", **tables.graph(named)}
    return _whole(str(thing), tables, [stage], {}, {})


def _refusal(thing: Any) -> str:
    return message(
        f"symnet.view cannot show {type(thing).__name__} {thing!r:.60}",
        cure="pass a compiled function, a variable, or a list of variables",
    )


def function_description(
    function: Function, arguments: Sequence[Any] | None, profile: Profile | None
) -> Record:
    """What `description` says, of a function."""
    if arguments is not None and profile is None:
        profile = function.profile(*arguments, repeat=None if arguments else 10)
    if profile is None and function.recorder is not None:
        profile = function.profile()
    stages, tables = Stages(function), GraphTables()
    forms = [
        {"name": name, **tables.graph(roots_as(graph, stages.updates))}
        for name, graph in stages.graphs
    ]
    names = [name for name, _ in stages.graphs]
    fired = stages.trace.fired
    rewrites = [
        rewrite_record(tables, one, names.index(name) if name in names else 0)
        for name, one in fired[:MOST_REWRITES]
    ]
    ranges: Mapping[Variable, Range] = {}
    if arguments is not None:
        graphs = [graph for _, graph in stages.graphs]
        ranges = value_ranges(function, graphs, arguments)
    numbers = compiled_numbers(function, stages.graphs[-1][1], tables)
    program = ProgramTables(function, tables, numbers, profile).record()
    rest = {
        "rewrites": rewrites, "rewrites_left_out": len(fired) - len(rewrites),
        "program": program,
    }  # fmt: skip
    return _whole(repr(function), tables, forms, ranges, rest)


def _whole(
    title: str,
    tables: GraphTables,
    stages: Sequence[Record],
    ranges: Mapping[Variable, Range],
    rest: Record,
) -> Record:
    for variable, entry in ranges.items():
        tables.variables[tables.variable(variable)]["range"] = entry
    return {
        "title": title, "variables": tables.variables, "operations": tables.operations,
        "lines": tables.lines, "stages": stages, "rewrites": [],
        "rewrites_left_out": 0, "program": None, **rest,
    }  # fmt: skip


def roots_as(graph: Graph, updates: Sequence[Variable]) -> list[Root]:
    """The outputs of a graph; the last are the new values of `updates`."""
    count = len(graph.outputs) - len(updates)
    roles = [f"output {k}" for k in range(count)]
    roles += [f"update of {describe(shared)}" for shared in updates]
    return [Root(v, role) for v, role in zip(graph.outputs, roles, strict=True)]


def compiled_numbers(
    function: Function, last: Graph, tables: GraphTables
) -> dict[Apply, int]:
    """The numbers of the operations that were compiled: the graph was rewritten again for
    the viewer, and passes always give the same."""
    compiled = toposort(function.maker.fgraph.outputs)
    shown = toposort(last.outputs)
    if [str(n.op) for n in compiled] != [str(n.op) for n in shown]:
        return {}
    return {n: tables.operation(s) for n, s in zip(compiled, shown)}
