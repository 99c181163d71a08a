"""Names for the nodes of a graph, in scopes such as "hidden/tanh": for graph viewers that
fold up what belongs together.

An operation belongs to the named result that it leads to: `hidden.name = "hidden"` puts all
that is computed for it alone into the scope "hidden".  What leads to several lies where
their scopes meet.  A name with slashes is a scope within scopes.  Gradients and updates
have scopes of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from os.path import commonprefix

from symnet.graph.traverse import ancestors, toposort
from symnet.graph.variables import Apply, Constant, Variable
from symnet.printing.roots import Root, kind_of

GRADIENTS, UPDATES = "gradients", "updates"
UPDATE_ROLE = "update of "  # as `roots_of` says


def scoped_names(roots: Sequence[Root]) -> dict[Apply | Variable, str]:
    """Leaf or operation -> its name, each another, in topological order.

    Names are made of what viewers take: letters, digits, `.`, `_`, `-`, and `/` between
    scopes.
    """
    variables = [root.variable for root in roots]
    order = toposort(variables)
    scopes = scopes_of(order, roots)
    users: dict[Variable, list[Apply]] = {}
    for node in order:
        for v in node.inputs:
            users.setdefault(v, []).append(node)
    taken = {part for scope in scopes.values() for part in _beginnings(scope)}
    names: dict[Apply | Variable, str] = {}
    for v in ancestors(variables):
        if v.owner is None:
            scope = ""
            if isinstance(v, Constant):
                scope = meeting(scopes[node] for node in users.get(v, []))
            names[v] = _unused(_joined(scope, plain(v.name or kind_of(v))), taken)
    for node in order:
        operation = plain(str(node.op).partition("{")[0])
        names[node] = _unused(_joined(scopes[node], operation), taken)
    return names


def scopes_of(order: Sequence[Apply], roots: Sequence[Root]) -> dict[Apply, str]:
    """Operation -> its scope, "" where it has none."""
    targets: dict[Variable, str] = {}
    for variable, role in roots:
        if role.startswith(UPDATE_ROLE):
            scope = f"{UPDATES}/{plain(role.removeprefix(UPDATE_ROLE))}"
            targets.setdefault(variable, scope)
    led: dict[Apply, list[str]] = {node: [] for node in order}
    scopes: dict[Apply, str] = {}
    for node in reversed(order):
        own = [plain(v.name) for v in node.outputs if v.name]
        own += [targets[v] for v in node.outputs if v in targets]
        if node.origin is not None and node.origin.role.startswith("gradient"):
            scopes[node] = GRADIENTS
        else:
            # Where a gradient reads it is no matter of the forward computation's.
            forward = [s for s in led[node] if s != GRADIENTS]
            scopes[node] = own[0] if own else meeting(forward or led[node])
        for v in node.inputs:
            if v.owner is not None:
                led[v.owner].append(scopes[node])
    return scopes


def meeting(scopes: Iterable[str]) -> str:
    """The innermost scope around all of these."""
    return "/".join(commonprefix([scope.split("/") for scope in scopes]))


def plain(name: str) -> str:
    """A name without other characters; it begins with a letter, a digit or a dot."""
    parts = [re.sub(r"[^\w.\-]+", "_", part, flags=re.A) for part in name.split("/")]
    parts = [p if re.match(r"[A-Za-z0-9.]", p) else f".{p}" for p in parts if p]
    return "/".join(parts) or "."


def _joined(scope: str, name: str) -> str:
    return f"{scope}/{name}" if scope else name


def _beginnings(scope: str) -> list[str]:
    """A scope and those around it."""
    parts = scope.split("/")
    return ["/".join(parts[:k]) for k in range(1, len(parts) + 1)]


def _unused(name: str, taken: set[str]) -> str:
    """The name, with a number if it is taken; from now on it is."""
    found, number = name, 0
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found)
    return found
