"""Several rewrites of users' as one, in Theano's forms, and the line of what they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.graph.op import Op
from symnet.graph.variables import Apply, Variable
from symnet.rewriting.patterns import Rule
from symnet.rewriting.users_rewrites import LocalRewrite, TopoOptimizer, as_local


class LocalOptGroup(LocalRewrite):
    """Rewrites of single operations as one: the first that gives something counts."""

    def __init__(self, *rewrites: Any) -> None:
        super().__init__()
        several = len(rewrites) == 1 and isinstance(rewrites[0], (list, tuple))
        members = rewrites[0] if several else rewrites
        self.members = tuple(map(as_local, members))

    def tracks(self) -> Sequence[Any] | None:
        tracked = [one.tracks() for one in self.members]
        if any(kinds is None for kinds in tracked):
            return None
        return [kind for kinds in tracked if kinds is not None for kind in kinds]

    def transform(self, node: Apply) -> Any:
        for one in self.members:
            kinds = one.tracks()
            if kinds is None or any(_is_of(node.op, kind) for kind in kinds):
                found = one.transform(node)
                if found is not None and found is not False:
                    return found
        return None

    def rules(self) -> list[Rule]:
        return [rule for one in self.members for rule in one.rules()]

    def __str__(self) -> str:
        return self.name or ", ".join(map(str, self.members))


def _is_of(op: Op, kind: Any) -> bool:
    return isinstance(op, kind) if isinstance(kind, type) else bool(op == kind)


def in2out(*local_opts: Any, name: str | None = None, **options: Any) -> TopoOptimizer:
    """Rewrites of single operations as one of whole graphs, for `optdb.register`.

    name: accepted, as what it is registered by names it.  options: those of
        `TopoOptimizer`.
    """
    return TopoOptimizer(list(local_opts), **{"order": "in_to_out", **options})


def out2in(*local_opts: Any, name: str | None = None, **options: Any) -> TopoOptimizer:
    """The same: a graph is walked from its inputs upwards in either case."""
    return TopoOptimizer(list(local_opts), **{"order": "out_to_in", **options})


def copy_stack_trace(from_var: Any, to_var: Any) -> Any:
    """Let errors name the user's line of `from_var` (of the first of several that has one)
    for what made `to_var`, a variable or several; `to_var`.

    What a rewrite of single operations returns has the line of what it replaces already.
    """
    several = isinstance(from_var, (list, tuple))
    lines = [v.origin for v in (from_var if several else [from_var]) if v.origin]
    for v in to_var if isinstance(to_var, (list, tuple)) else [to_var]:
        if lines and isinstance(v, Variable) and v.owner is not None:
            v.owner.origin = lines[0]
    return to_var


__all__ = ["LocalOptGroup", "copy_stack_trace", "in2out", "out2in"]
