"""The gradient of a loop: a loop backwards.

Step t of the loop, with new = f(element, taps, others), has the adjoints

    d(new)     = G[t] + sum over taps k of c_k[t - k]      G: the gradient of the output
    c_k[t]     = d(new) * df/d(tap k)                       a state of the loop backwards,
                                                            read at the same tap k
    d(element) = d(new) * df/d(element)                     collected
    d(other)   = sum over t of d(new) * df/d(other)         a state that adds up

so that the result is again a Scan, with a gradient of its own.
Source: back-propagation through time (Werbos 1990), by the states' taps.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from symnet.autodiff.backward import CONTINUOUS, Terms, backpropagate, is_null
from symnet.autodiff.masks import Mask, where_true
from symnet.autodiff.scan_choices import StateFlows, chosen_rows
from symnet.autodiff.scan_saved import Stored
from symnet.autodiff.singular import loses_zeros
from symnet.graph.traverse import ancestors, clone_replace
from symnet.graph.types import DisconnectedType, TensorType
from symnet.graph.variables import Constant, Variable, make_variable
from symnet.ops.alloc import full_like, zeros
from symnet.ops.arithmetic import add, minimum, real_dtype, second, sub, switch
from symnet.ops.base import disconnected
from symnet.ops.comparison import or_
from symnet.ops.elementwise import cast
from symnet.ops.indexing import getitem, inc_subtensor, set_subtensor
from symnet.ops.joining import join
from symnet.ops.scan.loop import Scan, State
from symnet.ops.scan.sequence_rows import last_row
from symnet.ops.shape import shape_padleft, shape_padright
from symnet.ops.sizes import ShapeI, shape_i, size_constant, sizes_of, specify_shape


def gradients(
    op: Scan,
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
    output_gradients: Sequence[Variable],
    masks: Sequence[Mask | None] | None = None,
) -> list[Any]:
    """The gradients of a loop's inputs: `Op.L_op` of `Scan`.

    masks: of the outputs' gradients (see `symnet.guards`).
    """
    back = Backward(op, inputs, outputs, output_gradients, masks)
    back.differentiate()
    if (undefined := back.undefined()) is not None:
        return [disconnected(), *[undefined for _ in inputs[1:]]]
    back.run()
    return [
        disconnected(),
        *map(back.of_sequence, range(op.sequences)),
        *map(back.of_initial, range(len(op.states))),
        *map(back.of_other, range(len(back.inner.others))),
    ]


class Backward:
    """One loop backwards, from its making to what is read off it."""

    def __init__(
        self,
        op: Scan,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        output_gradients: Sequence[Variable],
        masks: Sequence[Mask | None] | None = None,
    ) -> None:
        self.op, self.inputs, self.outputs = op, inputs, outputs
        self.outer = op.split_inputs(inputs)
        self.inner = op.split_inner(op.inner_inputs)
        self.results = op.split_outputs(outputs)
        self.new = op.split_outputs(op.inner_outputs)
        given = op.split_outputs(list(map(_given, output_gradients)))
        # Gradients from outside: of histories, and of what is collected.
        self.of_histories = _of_floats(self.new.states, given.states)
        self.of_collected = _of_floats(self.new.collected, given.collected)
        self.seeds = {
            k: seed
            for k, g in enumerate(self.of_histories)
            if g is not None and (seed := self._seed(k, g)) is not None
        }
        self.adjoints = [_adjoint(v) for v in self.new.states]
        self.collected_adjoints = [_adjoint(v) for v in self.new.collected]
        # Rows that are zero because something else was chosen: their leaf in a step, and
        # all of them.
        chosen = op.split_outputs(list(masks or [None] * len(outputs)))
        self.choices = {
            k: (_row(rows, "chosen"), rows)
            for k, (g, mask) in enumerate(zip(self.of_collected, chosen.collected))
            if g is not None and (rows := chosen_rows(g, mask)) is not None
        }
        self.flows = StateFlows(
            self.new.states, self.of_histories, chosen.states, self.seeds,
            sources=inputs, elsewhere=bool(self.choices),
        )  # fmt: skip
        self.done = (
            self.outer.n_steps if self.results.done is None else self.results.done
        )
        self.steps = self.done
        if op.truncate_gradient >= 0:
            self.steps = minimum(self.done, size_constant(op.truncate_gradient))

    # ---- one step

    def differentiate(self) -> None:
        """The gradients of the step's inputs, from adjoints of its outputs.

        A state takes part if something flows to its new value: from outside, or from a
        later step that reads it.
        """
        taking = {k for k, g in enumerate(self.of_histories) if g is not None}
        while True:
            self.terms = self._back(taking)
            reached = {k for k in range(len(self.new.states)) if self._is_reached(k)}
            if reached <= taking:
                break
            taking |= reached
        self.taking = sorted(taking)
        # Of what no state is made of nothing comes back: the loop backwards leaves it out.
        outside = [*self.inner.sequences, *self.inner.others]
        self.nulls = {v: self.terms[v] for v in outside if is_null(self.terms.get(v))}
        self.terms.update(dict.fromkeys(self.nulls))

    def _is_reached(self, k: int) -> bool:
        """Whether something flows to what a step reads of a state."""
        found = [self.terms.get(tap) for tap in self.inner.taps[k]]
        continuous = self.new.states[k].type.dtype in CONTINUOUS
        return continuous and any(term is not None for term in found)

    def _back(self, taking: set[int]) -> Terms:
        seeds = [(self.new.states[k], self.adjoints[k]) for k in sorted(taking)]
        masks = [self.flows.mask(k) for k in sorted(taking)]
        for k, g in enumerate(self.of_collected):
            if g is not None:
                seeds.append((self.new.collected[k], self.collected_adjoints[k]))
                leaf = self.choices[k][0] if k in self.choices else None
                masks.append(None if leaf is None else where_true(leaf, True))
        taps = [tap for rows in self.inner.taps for tap in rows]
        floats = [v for v in taps if v.type.dtype in CONTINUOUS]
        wrt = [*self.inner.sequences, *floats, *self.inner.others]
        return backpropagate(seeds, wrt, masks=masks)

    def undefined(self) -> Variable | None:
        """A state's gradient that is not defined, where there is one."""
        taps = (tap for rows in self.inner.taps for tap in rows)
        return next(filter(is_null, map(self.terms.get, taps)), None)

    # ---- the loop backwards

    def run(self) -> None:
        """Make the loop backwards, and note where in its outputs the gradients are."""
        inner = self.inner
        self.walked = [v for v in inner.sequences if self.terms.get(v) is not None]
        self.added = [v for v in inner.others if self.terms.get(v) is not None]
        self.carried = [
            (k, tap, v)
            for k, rows in enumerate(inner.taps)
            for tap, v in zip(self.op.states[k].taps, rows)
            if self.terms.get(v) is not None or self._holds_seed(k, tap)
        ]
        masks = [self._mask(v) for v in self.walked]
        self.masked = [v for v, mask in zip(self.walked, masks) if mask is not None]
        flags = [mask for mask in masks if mask is not None]
        kept = {v: mask for v in self.added if (mask := self._mask(v)) is not None}
        self._take_rows([*flags, *kept.values()])
        self._take_chosen(kept)
        news = [self._term(v) for _, _, v in self.carried]
        sums = [add(self.totals[v], self.terms[v]) for v in self.added]
        walked = [self.terms[v] for v in self.walked]
        ever = [or_(self.chosen[v], mask) for v, mask in kept.items()]
        flows = self.flows.results(self.terms)
        results: list[Any] = [*news, *sums, *ever, *flows, *walked, *flags]
        values = self._adjoint_values() | self.flows.values(self.row_flags)
        results = clone_replace(results, values)
        stored = Stored(self.op, self.inputs, self.outputs, results)
        self._make(stored, results)

    def _mask(self, v: Variable) -> Variable | None:
        """Where the gradient of a sequence's row, or of what stays the same, is not zero by
        choice, if what that is computed by may be in need of it."""
        mask = self.terms.masks.get(v)
        inner = [*self.inner.sequences, *self.inner.others]
        source = [*self.outer.sequences, *self.outer.others][inner.index(v)]
        if mask is None or not loses_zeros(source, mask.weak):
            return None
        return second(self.terms[v], mask.variable)

    def _holds_seed(self, k: int, tap: int) -> bool:
        """Whether the state backwards that is read at `tap` starts from a seed."""
        return k in self.seeds and tap == -self.op.states[k].depth

    def _seed(self, k: int, g: Variable) -> Variable | None:
        """The gradient of the last rows, where no others have one: as many as the state is
        deep, the last one first.  The state backwards starts from them, and nothing is
        walked over."""
        state = self.op.states[k]
        if state.keeps_least:
            return getitem(g, slice(None, None, -1))
        row = last_row(g, state.depth) if state.keep is None else None
        if row is None or state.depth == 1:
            return None if row is None else shape_padleft(row)
        sizes = sizes_of(self.outer.initials[k])[1:]
        return join(
            0, shape_padleft(row), zeros([state.depth - 1, *sizes], row.type.dtype)
        )

    def _take_rows(self, flags: Sequence[Variable]) -> None:
        """Leaves for what the loop backwards walks over and carries."""
        self.flowing: dict[Variable, Variable] = {}  # leaf -> array, in forward order
        self.rows: list[Variable | None] = []
        for k, g in enumerate(self.of_histories):
            state = self.op.states[k]
            if g is None or k in self.seeds:
                self.rows.append(None)
                continue
            leaf = _row(g, f"d {self.new.states[k].name or 'state'}")
            self.flowing[leaf] = getitem(self._whole(k, g), slice(state.depth, None))
            self.rows.append(leaf)
        self.collected_rows: list[Variable | None] = []
        for k, g in enumerate(self.of_collected):
            if g is None:
                self.collected_rows.append(None)
                continue
            leaf = _row(g, f"d {self.new.collected[k].name or 'output'}")
            self.flowing[leaf] = g
            self.collected_rows.append(leaf)
        self.row_flags: dict[int, Variable] = {}
        for k, flags_of in self.flows.rows.items():
            if k in self.flows.leaves and k not in self.seeds:
                leaf = _row(flags_of, "chosen")
                whole = self._whole(k, flags_of)
                self.flowing[leaf] = getitem(
                    whole, slice(self.op.states[k].depth, None)
                )
                self.row_flags[k] = leaf
        made = [term for term in self.terms.values() if term is not None]
        read = set(
            ancestors([*made, *flags, *self.flows.read(self.carried, self.terms)])
        )
        self.flowing.update(rows for rows in self.choices.values() if rows[0] in read)
        self.starts: dict[Variable, Variable] = {}
        self.passed: dict[Variable, Variable] = {}
        for k, tap, v in self.carried:
            self.starts[v] = self._start(k, tap, self._dtype(v))
            self.passed[v] = _row(self.starts[v], f"d {v.name}" if v.name else None)
        self.flows.take(self.carried, self.starts)
        for k, tap, v in self.carried:
            if self._holds_seed(k, tap):
                self.flows.seed(k, v, self.op.states[k].keeps_least)
        self.totals: dict[Variable, Variable] = {}
        for v, outer in zip(self.inner.others, self.outer.others):
            if v in self.added:
                zero = shape_padleft(full_like(outer, 0, self._dtype(v)))
                self.starts[v] = zero
                self.totals[v] = _row(zero, f"d {v.name}" if v.name else None)

    def _take_chosen(self, kept: Collection[Variable]) -> None:
        """Leaves for states that note where any step has chosen what stays the same."""
        self.never: dict[Variable, Variable] = {}
        self.chosen: dict[Variable, Variable] = {}
        for v, outer in zip(self.inner.others, self.outer.others):
            if v in kept:
                self.never[v] = shape_padleft(full_like(outer, 0, "bool"))
                self.chosen[v] = _row(self.never[v], None)

    def _whole(self, k: int, g: Variable) -> Variable:
        """The gradient of a history as if all of it had been handed out."""
        state = self.op.states[k]
        if state.keep is None:
            return g
        missing = sub(add(self.done, state.depth), state.keep)
        sizes = sizes_of(self.outer.initials[k])[1:]
        return join(0, zeros([missing, *sizes], g.type.dtype), g)

    def _start(self, k: int, tap: int, dtype: str) -> Variable:
        """What a state backwards starts from: nothing flows from beyond the last step."""
        if self._holds_seed(k, tap):
            return self.seeds[k]
        sizes = sizes_of(self.outer.initials[k])[1:]
        return zeros([size_constant(-tap), *sizes], dtype)

    def _dtype(self, v: Variable) -> str:
        term = self.terms.get(v)
        dtype: str = v.type.dtype if term is None else term.type.dtype
        return dtype

    def _term(self, v: Variable) -> Variable:
        term = self.terms.get(v)
        return full_like(v, 0) if term is None else term

    def _adjoint_values(self) -> dict[Variable, Variable]:
        """What stands for the adjoints: the sum of all that flows to a new value."""
        values: dict[Variable, Variable] = {}
        for k in self.taking:
            parts = [self.passed[v] for j, _, v in self.carried if j == k]
            row = self.rows[k]
            parts = parts if row is None else [row, *parts]
            total = parts[0]
            for part in parts[1:]:
                total = add(total, part)
            values[self.adjoints[k]] = total
        for adjoint, leaf in zip(self.collected_adjoints, self.collected_rows):
            if leaf is not None:
                values[adjoint] = leaf
        # A step may know sizes of its new values that the initial ones do not tell.
        return {
            adjoint: specify_shape(value, adjoint.type.shape)
            for adjoint, value in values.items()
        }

    def _make(self, stored: Stored, results: Sequence[Variable]) -> None:
        arrays = {**self.flowing, **stored.rows}
        fresh = {
            v: make_variable(v.type, v.name) for v in (*stored.rows, *stored.fixed)
        }
        sequences = [fresh.get(v, v) for v in arrays]
        others = [fresh[v] for v in stored.fixed]
        taps = [self.passed[v] for _, _, v in self.carried]
        sums = [self.totals[v] for v in self.added]
        states = [State((tap,), keep=-tap) for _, tap, _ in self.carried]
        sums += self.chosen.values()
        states += [State((-1,), keep=1) for _ in sums]
        states += [State((tap,), keep=-tap) for _, tap, _ in self.flows.carried]
        backwards = Scan(
            [*sequences, *taps, *sums, *self.flows.passed.values(), *others],
            clone_replace(results, fresh),
            sequences=len(sequences),
            states=states,
            collected=len(self.walked) + len(self.masked),
            name=f"gradient of {self.op.name or 'scan'}",
            python_loop=self.op.python_loop,
            profile=self.op.profile,
        )
        starts = [self.starts[v] for _, _, v in self.carried]
        starts += [self.starts[v] for v in self.added]
        starts += [*self.never.values(), *self.flows.starts.values()]
        walks = [self._reversed(array) for array in arrays.values()]
        outputs: list[Any] = backwards(
            self.steps, *walks, *starts, *stored.fixed.values(), return_list=True
        )
        parts = backwards.split_outputs(outputs)
        keys = [v for _, _, v in self.carried] + self.added
        self.ends = dict(zip(keys, parts.states))
        self.ever_chosen = dict(zip(self.chosen, parts.states[len(keys) :]))
        flags = parts.states[len(keys) + len(self.chosen) :]
        self.flow_ends = dict(zip(self.flows.passed, flags))
        self.found = dict(zip(self.walked, parts.collected))
        self.flags = dict(zip(self.masked, parts.collected[len(self.walked) :]))

    def _reversed(self, array: Variable) -> Variable:
        """The rows of the steps done, the last one first."""
        if self.op.until or not self._exact(array):
            array = getitem(array, slice(None, self.done))
        return getitem(array, slice(None, None, -1))

    def _exact(self, array: Variable) -> bool:
        """Whether an array is known to have one row for each step.  Histories and what is
        collected have; a sequence may be longer."""
        return array not in self.outer.sequences or self._as_long_as_steps(array)

    def _as_long_as_steps(self, sequence: Variable) -> bool:
        steps = self.outer.n_steps
        if isinstance(steps, Constant):
            return bool(sequence.type.shape[0] == int(steps.data))
        node = steps.owner
        measured = node is not None and node.op == ShapeI(0)
        return measured and node is not None and node.inputs[0] is sequence

    # ---- what is read off

    def of_sequence(self, k: int) -> Any:
        v, outer = self.inner.sequences[k], self.outer.sequences[k]
        if v not in self.terms:
            return disconnected()
        if self.terms[v] is None:
            return self.nulls.get(v)
        rows = self._in_order(self.found[v], outer)
        if v in self.flags:
            return switch(self._in_order(self.flags[v], outer), rows, 0)
        if self._walks_all(outer) or not loses_zeros(outer, weak=False):
            return rows
        return switch(self._rows_walked(outer), rows, 0)

    def _walks_all(self, outer: Variable) -> bool:
        whole = self._as_long_as_steps(outer) and not self.op.until
        return whole and self.op.truncate_gradient < 0

    def _rows_walked(self, outer: Variable) -> Variable:
        """True for each row of a sequence that the loop backwards has gone back to."""
        rows = zeros([shape_i(outer, 0)], "bool")
        rows = set_subtensor(getitem(rows, self._walked_part()), True)
        return shape_padright(rows, outer.type.ndim - 1)

    def _walked_part(self) -> slice:
        first = None if self.steps is self.done else sub(self.done, self.steps)
        return slice(first, self.done)

    def _in_order(self, found: Variable, outer: Variable) -> Variable:
        """What the loop backwards collected for the rows of a sequence: zeros for rows
        that were not gone back to."""
        rows = getitem(found, slice(None, None, -1))
        if self._walks_all(outer):
            return rows
        into = full_like(outer, 0, rows.type.dtype)
        return set_subtensor(getitem(into, self._walked_part()), rows)

    def of_initial(self, k: int) -> Any:
        """The gradient of the rows before the first step: from outside, and from the steps
        that read them."""
        g = self.of_histories[k]
        carried = any(j == k for j, _, _ in self.carried)
        known = any(v in self.terms for v in self.inner.taps[k])
        if g is None and not carried:
            return None if known else disconnected()
        outer = self.outer.initials[k]
        total = self._of_rows_before(k, g, self.ends)
        if k not in self.flows.leaves or not loses_zeros(outer, weak=False):
            return total
        kind = real_dtype(total.type.dtype)
        ends = {v: cast(flags, kind) for v, flags in self.flow_ends.items()}
        rows = None if g is None else cast(self.flows.rows[k], kind)
        return switch(self._of_rows_before(k, rows, ends), total, 0)

    def _of_rows_before(
        self, k: int, g: Variable | None, ends: Mapping[Variable, Variable]
    ) -> Variable:
        """The sum of `g`, of a history, and what the loop backwards ended with, at the
        rows before the first step."""
        state, outer = self.op.states[k], self.outer.initials[k]
        total: Variable | None = None
        if g is not None and k not in self.seeds:
            total = getitem(self._whole(k, g), slice(None, state.depth))
        for tap, v in ((tap, v) for j, tap, v in self.carried if j == k):
            rows = getitem(ends[v], slice(None, None, -1))
            if total is None and tap == -state.depth and self.steps is self.done:
                total = rows
                continue
            if total is None:
                total = full_like(outer, 0, rows.type.dtype)
            total = self._add_rows(total, rows, state.depth, tap)
        assert total is not None
        return total

    def _add_rows(
        self, total: Variable, rows: Variable, depth: int, tap: int
    ) -> Variable:
        """Row i of `rows` belongs to row depth + tap + i; later ones, where the gradient
        stopped before the first steps, to steps that are not gone back to."""
        first: Any = depth + tap
        if self.steps is not self.done:
            skipped = minimum(sub(self.done, self.steps), size_constant(-tap))
            first = add(skipped, first)
            rows = getitem(rows, slice(None, sub(size_constant(-tap), skipped)))
        return inc_subtensor(getitem(total, slice(first, None)), rows)

    def of_other(self, k: int) -> Any:
        v = self.inner.others[k]
        if v not in self.terms:
            return disconnected()
        if self.terms[v] is None:
            return self.nulls.get(v)
        total = getitem(self.ends[v], 0)
        if v not in self.ever_chosen:
            return total
        return switch(getitem(self.ever_chosen[v], 0), total, 0)


def _given(g: Variable) -> Variable | None:
    """An output's gradient; None where it is not connected, or zero everywhere."""
    if isinstance(g.type, DisconnectedType):
        return None
    node = g.owner
    if node is not None and node.op == second:
        filling = node.inputs[1]
        if isinstance(filling, Constant) and not filling.data.any():
            return None
    return g


def _of_floats(
    variables: Sequence[Variable], found: Sequence[Variable | None]
) -> list[Any]:
    return [g if v.type.dtype in CONTINUOUS else None for v, g in zip(variables, found)]


def _adjoint(v: Variable) -> Variable:
    return make_variable(v.type, f"d {v.name}" if v.name else None)


def _row(array: Variable, name: str | None) -> Variable:
    kind = TensorType(array.type.dtype, array.type.shape[1:])
    return make_variable(kind, name)
