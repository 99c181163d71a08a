"""Walks over graphs and copies of them.  All are iterative: graphs are deep."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from symnet.graph.origin import inherit
from symnet.graph.variables import Apply, Constant, Variable


def toposort(
    outputs: Iterable[Variable], blockers: Iterable[Variable] = ()
) -> list[Apply]:
    """The operations that `outputs` need, each after those it needs.

    blockers: variables whose making is not looked into.
    """
    stop = set(blockers)
    order: dict[Apply, None] = {}
    begun = set[Apply]()
    stack = [v.owner for v in outputs if v.owner is not None and v not in stop]
    stack.reverse()
    while stack:
        node = stack[-1]
        if node not in begun:
            begun.add(node)
            waiting = len(stack)
            for v in reversed(node.inputs):
                below = v.owner
                if below is not None and below not in begun and v not in stop:
                    stack.append(below)
            if len(stack) > waiting:
                continue
        order.setdefault(stack.pop())
    return list(order)


def ancestors(
    outputs: Iterable[Variable], blockers: Iterable[Variable] = ()
) -> list[Variable]:
    """Every variable that `outputs` need, themselves included, inputs before results."""
    stop = set(blockers)
    outputs = list(outputs)
    found: dict[Variable, None] = {}
    for node in toposort(outputs, stop):
        for v in node.inputs:
            found.setdefault(v)
        for v in node.outputs:
            found.setdefault(v)
    for v in outputs:
        found.setdefault(v)
    return list(found)


def leaves(
    outputs: Iterable[Variable], blockers: Iterable[Variable] = ()
) -> list[Variable]:
    """The variables without owner (and the blockers) that `outputs` need, in order."""
    return Graph(blockers, outputs).leaves()


def nearest(
    variables: Iterable[Variable], wanted: Iterable[Variable], count: int
) -> list[Variable]:
    """The `count` of the wanted variables, in their order, that the fewest operations part
    from `variables`; those that these do not need are the farthest.
    """
    wanted = list(wanted)
    queue = deque(variables)
    far = dict.fromkeys(queue)
    while queue:
        made = queue.popleft().owner
        for v in made.inputs if made is not None else ():
            if v not in far:
                far[v] = None
                queue.append(v)
    places = {v: place for place, v in enumerate(far)}
    near = sorted(wanted, key=lambda v: places.get(v, len(places)))[:count]
    return [v for v in wanted if v in set(near)]


def reached_from_last(
    variable_list: Iterable[Variable], blockers: Iterable[Variable] = ()
) -> list[Variable]:
    """The same variables as `ancestors`, in the order of Theano's function of that name.

    The search goes depth first, from the last of the given variables to the first.  Each
    variable stands before its inputs, whose first comes first.
    """
    stop = set(blockers or ())
    found: dict[Variable, None] = {}
    stack = list(variable_list)
    while stack:
        v = stack.pop()
        if v not in found:
            found[v] = None
            if v.owner is not None and v not in stop:
                stack += reversed(v.owner.inputs)
    return list(found)


def inputs(
    variable_list: Iterable[Variable], blockers: Iterable[Variable] = ()
) -> list[Variable]:
    """The variables without owner that those of the list need, in Theano's order.

    That is the order of `reached_from_last`: programs that want the order of their list
    give it reversed.
    """
    return [v for v in reached_from_last(variable_list, blockers) if v.owner is None]


def io_toposort(inputs: Iterable[Variable], outputs: Iterable[Variable]) -> list[Apply]:
    """Theano's name for `toposort`: the operations between inputs and outputs."""
    return toposort(outputs, blockers=inputs)


def depends_on(outputs: Iterable[Variable], variable: Variable) -> bool:
    """Whether any of `outputs` needs `variable`."""
    outputs = list(outputs)
    return variable in outputs or any(variable in n.inputs for n in toposort(outputs))


def clone_replace(
    outputs: Sequence[Variable],
    replace: Mapping[Variable, Variable] | Iterable[tuple[Variable, Variable]] = (),
) -> list[Variable]:
    """The outputs with variables replaced; what does not depend on them is shared.

    Several replacements happen at once: a replacement is not itself looked into, so
    `{x: y, y: x}` swaps.
    """
    new: dict[Variable, Variable] = dict(replace)
    for node in toposort(outputs, blockers=tuple(new)):
        args = [new.get(v, v) for v in node.inputs]
        if any(a is not b for a, b in zip(args, node.inputs, strict=True)):
            clone = node.clone_with_new_inputs(args)
            for old, fresh in zip(node.outputs, clone.outputs, strict=True):
                new.setdefault(old, fresh)
    return [new.get(v, v) for v in outputs]


def inline(
    outputs: Sequence[Variable], blockers: Iterable[Variable] = ()
) -> list[Variable]:
    """The outputs with what it stands for (`Op.inlined`) in the place of each operation,
    where that has the same types; what does not depend on them is shared."""
    known: dict[Variable, Variable] = {}
    for node in toposort(outputs, blockers):
        inputs = [known.get(v, v) for v in node.inputs]
        made = node.op.inlined(inputs)
        if made and all(a.type == b.type for a, b in zip(made, node.outputs)):
            known.update(zip(node.outputs, inline(made, inputs), strict=True))
        elif any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
            with inherit(node.origin):
                fresh = node.clone_with_new_inputs(inputs)
            known.update(zip(node.outputs, fresh.outputs, strict=True))
    return [known.get(v, v) for v in outputs]


def as_string(inputs: Iterable[Variable], outputs: Sequence[Variable]) -> str:
    """The outputs as calls of operations: "[mul(*1 -> exp(x), *1)]".

    What is used twice has a number, and is written once.
    """
    stop, uses = set(inputs), Counter[Apply]()
    for node in toposort(outputs, blockers=stop):
        uses.update(v.owner for v in node.inputs if v.owner and v not in stop)
    uses.update(v.owner for v in outputs if v.owner and v not in stop)
    numbers: dict[Apply, int] = {}
    done, text = set[Apply](), list[str]()
    stack: list[Variable | str] = ["]", *_between(outputs)[::-1], "["]
    while stack:
        one = stack.pop()
        if isinstance(one, str):
            text.append(one)
            continue
        made = one.owner
        if made is None or one in stop:
            text.append(str(one))
            continue
        if uses[made] > 1:
            numbers.setdefault(made, len(numbers) + 1)
        part = f"::{one.index}" if made.nout > 1 else ""
        if made in done:
            text.append(
                f"*{numbers[made]}{part}" if made in numbers else f"{made.op}{part}"
            )
            continue
        done.add(made)
        start = f"*{numbers[made]} -> " if made in numbers else ""
        stack += [f"){part}", *_between(made.inputs)[::-1], f"{start}{made.op}("]
    return "".join(text)


def _between(variables: Sequence[Variable]) -> list[Variable | str]:
    """The variables with commas between them."""
    parts: list[Variable | str] = []
    for v in variables:
        parts += [", ", v] if parts else [v]
    return parts


class Graph:
    """Outputs over inputs: what passes take and give.  Plain data, never changed.

    `inputs` are the leaves that receive values at a call (shared variables among the
    other leaves are found in the graph itself).
    """

    __slots__ = ("inputs", "outputs", "_order")

    def __init__(
        self,
        inputs: Iterable[Variable],
        outputs: Iterable[Variable],
        order: list[Apply] | None = None,
    ) -> None:
        """order: the operations as `toposort` gives them, where that is known."""
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self._order = order

    def toposort(self) -> list[Apply]:
        if self._order is None:
            self._order = toposort(self.outputs, blockers=self.inputs)
        return list(self._order)

    def leaves(self) -> list[Variable]:
        """The variables without owner, and the inputs, that the outputs need, in order."""
        stop = {v for v in self.inputs if v.owner is not None}
        found: dict[Variable, None] = {}
        for node in self.toposort():
            for v in (*node.inputs, *node.outputs) if stop else node.inputs:
                if v.owner is None or v in stop:
                    found[v] = None
        for v in self.outputs:
            if v.owner is None or v in stop:
                found[v] = None
        return list(found)

    @property
    def apply_nodes(self) -> set[Apply]:
        return set(self.toposort())

    @property
    def variables(self) -> list[Variable]:
        return ancestors(self.outputs, blockers=self.inputs)

    def clients(self, variable: Variable) -> list[tuple[Apply | str, int]]:
        """Who uses a variable: (operation, which input), or ("output", which)."""
        return self.all_clients().get(variable, [])

    def all_clients(self) -> dict[Variable, list[tuple[Apply | str, int]]]:
        """The same of each variable that is used."""
        found: dict[Variable, list[tuple[Apply | str, int]]] = {}
        for node in self.toposort():
            for k, v in enumerate(node.inputs):
                found.setdefault(v, []).append((node, k))
        for k, v in enumerate(self.outputs):
            found.setdefault(v, []).append(("output", k))
        return found

    def constants(self) -> list[Constant]:
        return [v for v in self.variables if isinstance(v, Constant)]

    def __str__(self) -> str:
        return as_string(self.inputs, self.outputs)

    __repr__ = __str__


Change = Callable[[Apply, list[Variable]], Sequence[Variable | None] | None]


def change_nodes(
    graph: Graph, change: Change, of: tuple[type, ...] = (object,)
) -> Graph:
    """The graph with operations changed, each after those it needs.

    change: is given an operation and its inputs as they have become, and gives what stands
        for its outputs (None for one that nobody needs), or None where it stays as it is.
    of: the classes of the ops that may change; it is not asked about others.
    What is made takes over the operation's line.
    """
    new: dict[Variable, Variable] = {}
    for node in graph.toposort():
        asked = isinstance(node.op, of)
        if not asked and new.keys().isdisjoint(node.inputs):
            continue
        inputs = [new.get(v, v) for v in node.inputs]
        results: Sequence[Variable | None] | None = None
        if asked:
            with inherit(node.origin):
                results = change(node, inputs)
        if results is None:
            if all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
                continue
            results = node.clone_with_new_inputs(inputs).outputs
        pairs = zip(node.outputs, results, strict=True)
        new.update({old: v for old, v in pairs if v is not None})
    if not new:
        return graph
    return Graph(graph.inputs, [new.get(v, v) for v in graph.outputs])


# ---- Theano's walks


def stack_search(
    start: Iterable[Any],
    expand: Callable[[Any], Iterable[Any] | None],
    mode: str = "bfs",
    build_inv: bool = False,
) -> Any:
    """All that is reached from `start`, each once, in order; `expand(one)` gives what comes
    after one, or None.

    mode: "bfs" goes in breadth, "dfs" in depth.
    build_inv: give also a dict from each to those after which it comes.
    Raises: ValueError for another mode.
    """
    if mode not in ("bfs", "dfs"):
        raise ValueError(f"stack_search: mode is 'bfs' or 'dfs', not {mode!r}")
    pending, seen, found = deque(start), set(), []
    inverse: dict[Any, list[Any]] = {}
    while pending:
        one = pending.popleft() if mode == "bfs" else pending.pop()
        if one in seen:
            continue
        seen.add(one)
        found.append(one)
        for later in expand(one) or ():
            inverse.setdefault(later, []).append(one)
            pending.append(later)
    return (found, inverse) if build_inv else found


def variables(i: Sequence[Variable], o: Sequence[Variable]) -> list[Variable]:
    """The variables between inputs and outputs, both included."""
    return list(dict.fromkeys([*i, *ancestors(o, blockers=i)]))


def orphans(i: Sequence[Variable], o: Sequence[Variable]) -> list[Variable]:
    """The leaves of the outputs that are no inputs: constants, shared variables."""
    return [v for v in variables(i, o) if v.owner is None and v not in i]


def list_of_nodes(
    inputs: Sequence[Variable], outputs: Sequence[Variable]
) -> list[Apply]:
    """The operations between inputs and outputs."""
    return io_toposort(inputs, outputs)
