"""What a loop only adds up or hands out, made for all steps at once after it.

A weight's gradient is a sum over the steps of a product in each: that is one product over
all steps, of matrices that are longer.  So is the product by which a step makes something
that no later step reads, as the scores of an output layer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, cast

from symnet.autodiff.batching import NotBatched
from symnet.compile.scan.scan_builder import BuilderState, ScanBuilder
from symnet.compile.scan.vectorise import (
    INVARIANT,
    SEQUENCE,
    Lengths,
    fitting,
    kinds_of,
    over_all_steps,
    read_by,
    sized,
)
from symnet.graph.traverse import clone_replace, toposort
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Variable, make_variable
from symnet.ops.arithmetic import add, mul, neg, sub
from symnet.ops.elementwise import Elementwise
from symnet.ops.indexing import getitem
from symnet.ops.linalg.products import Dot, tensordot
from symnet.ops.nnet.activations import LogSoftmax, Softmax
from symnet.ops.reduce import Reduce
from symnet.ops.scan.loop import Outputs, Scan, State
from symnet.ops.shape import DimShuffle, dimshuffle, shape_padleft

LINEAR = (add, sub, neg)
# The loop that comes in the place of one on these inputs; None where that stays.
LoopChange = Callable[[Scan, Sequence[Variable]], Apply | None]


def postpone_products(
    node: Apply,
    inputs: Sequence[Variable],
    lengths: Lengths,
    rest: LoopChange = lambda op, inputs: None,
) -> list[Variable] | None:
    """What stands for the outputs of a loop (`node`, on these inputs) without the products
    that it only adds up, or hands out; None where it has none.

    rest: what else is done with the loop that is left.
    Not of loops that may stop early, nor of those that walk over nothing: their memory is
    not to grow with the steps.
    """
    op = node.op
    if op.until or op.python_loop or not op.sequences:
        return None
    found = SinkPlan(ScanBuilder.of(op, inputs), lengths).outputs(rest)
    if found is None:
        return None
    pairs = zip(found, node.outputs, strict=True)
    return [sized(new, old.type.shape) for new, old in pairs]


class SinkPlan:
    """What of a loop is left until all its steps are done.

    places: for variables of a step leaves that stand for arrays over all steps, until the
        loop is made that hands them out.
    sums, tails: by the number of a state and of a collected value, what stands for it.
    """

    def __init__(self, draft: ScanBuilder, lengths: Lengths) -> None:
        self.draft, self.lengths = draft, lengths
        self.kinds = kinds_of(draft)
        self.places: dict[Variable, Variable] = {}
        self.tails = self._find_tails()
        self.sums = self._find_sums()

    def outputs(self, rest: LoopChange) -> list[Variable] | None:
        """What stands for the loop's outputs; None where nothing is left for later."""
        if not self.tails and not self.sums:
            return None
        draft = self.draft
        states = [k for k in range(len(draft.states)) if k not in self.sums]
        rows = [k for k in range(len(draft.collected)) if k not in self.tails]
        draft.states = [draft.states[k] for k in states]
        draft.collected = [draft.collected[k] for k in rows]
        read = read_by(
            [*self.sums.values(), *self.tails.values()], self.places.values()
        )
        self._hand_out([v for v, place in self.places.items() if place in read])
        loop = draft.node()
        loop = rest(loop.op, loop.inputs) or loop
        found = cast(Scan, loop.op).split_outputs(loop.outputs)
        results = dict(zip(states, found.states))
        first = len(states) + len(self.sums)
        results |= {first + k: v for k, v in zip(rows, found.collected)}
        arrays = self._arrays(found)
        for k, v in self.tails.items():
            (results[first + k],) = clone_replace([v], arrays)
        for k, v in self.sums.items():
            (results[k],) = clone_replace([v], self._any_order([v], arrays))
        return [results[k] for k in range(len(results))]

    # ---- arrays over all steps

    def rows(self, v: Variable) -> Variable:
        """An array over all steps of a variable of the step."""
        node = v.owner
        if node is not None and isinstance(node.op, DimShuffle):
            order = [p + 1 if isinstance(p, int) else p for p in node.op.new_order]
            return dimshuffle(self.rows(node.inputs[0]), 0, *order)
        if self.kinds[v] == SEQUENCE and node is not None:
            made = self._made(v, read_by([v], self.draft.sequences))
            if made is not None:
                return made
        return self._place(v)

    def _made(self, v: Variable, starts: Sequence[Variable]) -> Variable | None:
        """That array made from those of other variables, where that can be done at once."""
        places = dict(self.places)
        try:
            rows = {start: self._place(start) for start in starts}
            return over_all_steps(self.draft, [v], rows)[0]
        except NotBatched:
            self.places = places
            return None

    def _place(self, v: Variable) -> Variable:
        if v not in self.places:
            kind = TensorType(v.type.dtype, (None, *v.type.shape))
            self.places[v] = make_variable(kind, v.name)
        return self.places[v]

    def _free(self, v: Variable) -> bool:
        """Whether an array over all steps is there anyway."""
        if v.owner is not None and isinstance(v.owner.op, DimShuffle):
            return self._free(v.owner.inputs[0])
        draft = self.draft
        histories = [one for one in draft.states if one.state.keep is None]
        return (
            v in self.places
            or v in draft.sequences
            or v in draft.collected
            or any(v is one.new or v in one.taps for one in histories)
        )

    def _hand_out(self, wanted: Sequence[Variable]) -> None:
        """Collect what is not there anyway."""
        self.places = {v: self.places[v] for v in wanted}
        draft = self.draft
        have = {*draft.sequences, *draft.collected}
        for one in draft.states:
            if one.state.keep is None:
                have.update([one.new, *one.taps])
        draft.collected += [v for v in wanted if v not in have]

    def _arrays(self, found: Outputs) -> dict[Variable, Variable]:
        """The arrays for which the leaves stand."""
        draft, arrays = self.draft, {}
        for leaf in draft.sequences:
            if leaf in self.places:
                arrays[leaf] = self.lengths.walked(draft, leaf)
        for one, history in zip(draft.states, found.states):
            if one.state.keep is None:
                depth = one.state.depth
                for tap, v in zip(one.state.taps, one.taps):
                    arrays[v] = getitem(history, slice(depth + tap or None, tap))
                arrays.setdefault(one.new, getitem(history, slice(depth, None)))
        arrays |= zip(draft.collected, found.collected)
        return {place: fitting(arrays[v], v) for v, place in self.places.items()}

    def _any_order(
        self, wanted: Sequence[Variable], arrays: dict[Variable, Variable]
    ) -> dict[Variable, Variable]:
        """The arrays in the order in which sequences lie that are walked from their ends:
        in a sum over the steps the order is free, and what is there need not be copied."""
        steps = self.draft.steps
        forwards: dict[Variable, Variable] = {}
        read = read_by(wanted, arrays)
        for v, place in self.places.items():
            if place in read and v in self.draft.sequences:
                array = self.lengths.forwards(self.draft.sequences[v], steps)
                if array is None:
                    return arrays
                forwards[place] = fitting(array, v)
        if not forwards:
            return arrays
        rest = [place for place in read if place not in forwards]
        turned = {p: getitem(arrays[p], slice(None, None, -1)) for p in rest}
        return forwards | turned

    # ---- what is handed out

    def _find_tails(self) -> dict[int, Variable]:
        """Collected values that only end in what is handed out, and pay to be made later."""
        draft = self.draft
        stop = [one.new for one in draft.states]
        inside = {v for node in toposort(stop) for v in node.outputs}
        found = {}
        for k, v in enumerate(draft.collected):
            if v.owner is None or v in inside or not self._ends_in_product(v):
                continue
            starts = read_by([v], [*draft.sequences, *draft.taps, *inside])
            tail = self._made(v, [s for s in starts if self.kinds[s] != INVARIANT])
            if tail is not None:
                found[k] = tail
        return found

    def _ends_in_product(self, v: Variable) -> bool:
        """Whether a value is as large as a product with something fixed from which it is
        made: then it takes no more memory to have the product of all steps."""
        stack, seen = [v], set()
        while stack:
            one = stack.pop()
            node = one.owner
            if node is None or one in seen or one.type.ndim < v.type.ndim:
                continue
            seen.add(one)
            if isinstance(node.op, Dot):
                kinds = [self.kinds[x] for x in node.inputs]
                if kinds.count(INVARIANT) == 1 and one.type.ndim:
                    return True
            elif isinstance(node.op, (Elementwise, Softmax, LogSoftmax)):
                stack += node.inputs
        return False

    # ---- what is added up

    def _find_sums(self) -> dict[int, Variable]:
        """States that add up products; then those that add up what is there anyway."""
        terms = added_terms(self.draft)
        found: dict[int, Variable] = {}
        for products in (True, False):
            for k, term in terms.items():
                if has_product(term) != products:
                    continue
                places = dict(self.places)
                total = self._summed(term)
                if total is None:
                    self.places = places
                else:
                    found[k] = _as_history(self.draft.states[k], total)
        return found

    def _summed(self, term: Variable) -> Variable | None:
        """The sum of a variable over all steps; None where it is better made in the loop."""
        if self.kinds[term] == INVARIANT:
            return None
        node = term.owner
        if node is not None and node.op in LINEAR:
            return self._terms(node)
        if node is not None and isinstance(node.op, DimShuffle):
            total = self._summed(node.inputs[0])
            return None if total is None else node.op(total)
        if node is not None and is_product(node):
            return self._product(node)
        if node is not None and isinstance(node.op, Reduce) and node.op.kind == "sum":
            axes = [0, *(axis + 1 for axis in node.op.axes)]
            reduce = Reduce("sum", axes, node.op.dtype, node.op.acc_dtype)
            return self._reduced(node.inputs[0], reduce)
        return self._reduced(term, Reduce("sum", [0], term.type.dtype))

    def _reduced(self, v: Variable, reduce: Reduce) -> Variable | None:
        if not self._free(v):
            return None
        return reduce(self.rows(v))

    def _terms(self, node: Apply) -> Variable | None:
        parts = [self._summed(v) for v in node.inputs]
        known = [part for part in parts if part is not None]
        return node.op(*known) if len(known) == len(parts) else None

    def _product(self, node: Apply) -> Variable | None:
        """The sum over all steps of a product: a product with the steps among what is
        summed over."""
        x, y = node.inputs
        if INVARIANT in (self.kinds[x], self.kinds[y]):
            return None
        if not isinstance(node.op, Dot):
            column, row = outer_factors(node)
            return tensordot(self.rows(column), self.rows(row), [[0], [0]])
        return tensordot(self.rows(x), self.rows(y), [[0, x.type.ndim], [0, 1]])


def _as_history(one: BuilderState, total: Variable) -> Variable:
    """The last row of a state that adds up, as a history of which that alone is kept."""
    return fitting(shape_padleft(add(getitem(one.initial, 0), total)), one.new)


def added_terms(draft: ScanBuilder) -> dict[int, Variable]:
    """What is added to a state in each step, for the states that only add up."""
    uses = Counter(draft.results)
    for node in draft.order():
        uses.update(node.inputs)
    found = {}
    for k, one in enumerate(draft.states):
        maker = one.new.owner
        alone = one.state == State((-1,), keep=1) and one.new.type.dtype != "bool"
        if alone and maker is not None and maker.op == add:
            (tap,) = one.taps
            if uses[tap] == 1 and uses[one.new] == 1 and tap in maker.inputs:
                found[k] = maker.inputs[1 - maker.inputs.index(tap)]
    return found


def has_product(term: Variable) -> bool:
    """Whether a sum, or a view of one, has a product among its terms."""
    node = term.owner
    if node is None:
        return False
    through = node.op in LINEAR or isinstance(node.op, DimShuffle)
    return is_product(node) or (through and any(map(has_product, node.inputs)))


def is_product(node: Apply) -> bool:
    """Whether an operation multiplies matrices or vectors, or all pairs of elements."""
    return isinstance(node.op, Dot) or bool(outer_factors(node))


def outer_factors(node: Apply) -> tuple[Variable, ...]:
    """The vectors of an outer product, down and across; none where it is something else."""
    if node.op != mul:
        return ()
    for down, across in (node.inputs, reversed(node.inputs)):
        column, row = _turned(down, (0, "x")), _turned(across, ("x", 0))
        if row is None and across.type.ndim == 1:
            row = across  # a missing axis in front is stretched
        if column is not None and row is not None:
            return column, row
    return ()


def _turned(v: Variable, order: tuple[Any, ...]) -> Variable | None:
    """The vector that a DimShuffle of this order makes a matrix of."""
    node = v.owner
    if node is None or not isinstance(node.op, DimShuffle):
        return None
    return node.inputs[0] if node.op.new_order == order else None
