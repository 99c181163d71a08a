"""What a step computes, as arrays over all steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from symnet.batching import for_all_rows
from symnet.compile.certain import CertainSizes
from symnet.compile.drafts import Draft
from symnet.compile.patterns import number
from symnet.graph.traverse import Graph, clone_replace, leaves, toposort
from symnet.graph.variables import Constant, Variable
from symnet.ops.indexing import getitem
from symnet.ops.sizes import add_broadcast, specify_shape
from symnet.ops.subtensor import Subtensor

FIXED, WALKED, MOVING = "fixed", "walked", "moving"


class Lengths:
    """Whether an array is known to have one row for each step."""

    def __init__(self, graph: Graph) -> None:
        needed = dict.fromkeys([*graph.inputs, *leaves(graph.outputs, graph.inputs)])
        unknown = [v for v in needed if not isinstance(v, Constant)]
        self.inference = CertainSizes(unknown)

    def exact(self, array: Variable, steps: Variable) -> bool:
        count = self.inference.host(steps)
        return count is not None and self.inference.sizes_of(array)[0] is count

    def cut(self, array: Variable, steps: Variable) -> Variable:
        """The rows that the steps walk over."""
        if self.exact(array, steps):
            return array
        part: Variable = getitem(array, slice(None, steps))
        return part

    def forwards(self, array: Variable, steps: Variable) -> Variable | None:
        """The array of which these rows are the rows, the last one first."""
        node = array.owner
        if node is None or not isinstance(node.op, Subtensor):
            return None
        first, *rest = node.op.pattern
        turned = first == "::c" and all(entry == "::" for entry in rest)
        if not turned or number(node.inputs[1]) != -1:
            return None
        return node.inputs[0] if self.exact(array, steps) else None


def kinds_of(draft: Draft) -> dict[Variable, str]:
    """For each variable of a step whether it is the same in all steps (FIXED), follows
    from what is walked over (WALKED), or depends on the steps before (MOVING)."""
    kinds = dict.fromkeys(draft.sequences, WALKED)
    kinds |= dict.fromkeys(draft.others, FIXED)
    kinds |= dict.fromkeys(draft.taps, MOVING)
    for node in toposort(draft.results):
        below = {FIXED if isinstance(v, Constant) else kinds[v] for v in node.inputs}
        found = next((k for k in (MOVING, WALKED) if k in below), FIXED)
        kinds |= dict.fromkeys(node.outputs, found)
    return kinds


def over_all_steps(
    draft: Draft, wanted: Sequence[Variable], rows: Mapping[Variable, Variable]
) -> list[Variable]:
    """Variables of a step as arrays over all steps, made from those in `rows`.

    Raises: NotBatched where an operation between them can only be done step by step.
    """
    whole = {leaf: array for leaf, array in draft.others.items() if leaf not in rows}
    found = clone_replace(wanted, {**whole, **{v: v for v in rows}})
    new = for_all_rows(found, rows, draft.steps)
    return [fitting(new[v], old) for v, old in zip(found, wanted, strict=True)]


def fitting(array: Variable, row: Variable) -> Variable:
    """The array, its rows with the sizes that are known of a row in the step."""
    pairs = list(zip(array.type.shape[1:], row.type.shape, strict=True))
    missing = [k for k, (have, want) in enumerate(pairs, 1) if have is None and want]
    if not missing:
        return array
    if all(pairs[k - 1][1] == 1 for k in missing):
        return add_broadcast(array, *missing)
    return specify_shape(array, (array.type.shape[0], *row.type.shape))


def read_by(wanted: Iterable[Variable], known: Iterable[Variable]) -> list[Variable]:
    """Which of the `known` variables the wanted ones are made from, without going through
    one of them."""
    stop = set(known)
    wanted = list(wanted)
    found = {v: None for v in wanted if v in stop}
    for node in toposort(wanted, blockers=stop):
        found |= {v: None for v in node.inputs if v in stop}
    return list(found)
