"""What a step computes, as arrays over all steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from symnet.autodiff.batching import for_all_rows
from symnet.compile.scan.scan_builder import ScanBuilder
from symnet.graph.traverse import clone_replace, toposort
from symnet.graph.variables import Constant, Variable
from symnet.kernels.loopir.views import Size, combine, subtract
from symnet.ops.scan.sequence_rows import FirstRows
from symnet.ops.sizes import add_broadcast, specify_shape
from symnet.ops.subtensor import Subtensor
from symnet.rewriting.analyses import inputs_read
from symnet.rewriting.patterns import number
from symnet.sizes.conservative import CertainSizes

INVARIANT, SEQUENCE, CARRIED = "fixed", "walked", "moving"


class Lengths:
    """Whether an array is known to have one row for each step."""

    def __init__(self, inference: CertainSizes) -> None:
        self.inference = inference

    def exact(self, array: Variable, steps: Variable) -> bool:
        count = self.inference.host(steps)
        if count is None or isinstance(count, tuple):
            return False
        rows = self.inference.sizes_of(array)[0]
        return self._settled(rows, count) is self._settled(count, count)

    def _settled(self, value: Size, count: Size) -> Size:
        """The size, with smaller and larger ones told apart as far as that follows from
        sizes, and the number of steps, being no less than 0."""
        if not value.args:
            return value
        args = [self._settled(one, count) for one in value.args]
        if value.op in ("minimum", "maximum"):
            first, second = args
            for low, high in ((first, second), (second, first)):
                more = subtract(high, low)
                if more is count or self.inference.never_negative(more):
                    return low if value.op == "minimum" else high
        return combine(value.op, *args) if len(args) == 2 else value

    def walked(self, draft: ScanBuilder, leaf: Variable) -> Variable:
        """The rows of a sequence that the steps walk over."""
        array = draft.sequences[leaf]
        if self.exact(array, draft.steps):
            return array
        return FirstRows(draft.sequence_name(leaf))(array, draft.steps)

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


def kinds_of(draft: ScanBuilder) -> dict[Variable, str]:
    """For each variable of a step whether it is the same in all steps (INVARIANT), follows
    from what is walked over (SEQUENCE), or depends on the steps before (CARRIED)."""
    kinds = dict.fromkeys(draft.sequences, SEQUENCE)
    kinds |= dict.fromkeys(draft.others, INVARIANT)
    kinds |= dict.fromkeys(draft.taps, CARRIED)
    order = draft.order()
    read = [*draft.results, *(v for node in order for v in node.inputs)]
    kinds |= {v: INVARIANT for v in read if isinstance(v, Constant)}
    for node in order:
        below = {kinds[v] for v in node.inputs}
        found = next((k for k in (CARRIED, SEQUENCE) if k in below), INVARIANT)
        kinds |= dict.fromkeys(node.outputs, found)
    return kinds


def over_all_steps(
    draft: ScanBuilder, wanted: Sequence[Variable], rows: Mapping[Variable, Variable]
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
    return sized(array, [None, *row.type.shape])


def sized(array: Variable, shape: Sequence[int | None]) -> Variable:
    """The array, with these sizes known of it; None: nothing more than it says itself."""
    pairs = list(zip(array.type.shape, shape, strict=True))
    missing = {
        axis: want for axis, (have, want) in enumerate(pairs)
        if have is None and want is not None
    }  # fmt: skip
    if not missing:
        return array
    if all(want == 1 for want in missing.values()):
        return add_broadcast(array, *missing)
    return specify_shape(
        array, [want if have is None else have for have, want in pairs]
    )


def read_by(wanted: Iterable[Variable], known: Iterable[Variable]) -> list[Variable]:
    """Which of the `known` variables the wanted ones are made from, without going through
    one of them."""
    stop = set(known)
    wanted = list(wanted)
    found = {v: None for v in wanted if v in stop}
    for node in toposort(wanted, blockers=stop):
        found |= {v: None for v in node.inputs if v in stop}
    return list(found)


def values_read(draft: ScanBuilder) -> set[Variable]:
    """The variables whose values, and not only their sizes, a step needs for its results."""
    found = set(draft.results)
    for node in reversed(draft.order()):
        if not found.isdisjoint(node.outputs):
            found.update(inputs_read(node))
    return found
