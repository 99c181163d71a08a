"""The loop: a graph that is run again and again, each time on what the last step left.

`Scan` is the operation and its reference evaluation.  Users make it with `symnet.scan`
(`ops.looping`); its gradient is another Scan (`autodiff.scan_gradient`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from symnet.data_classes import dataclass
from symnet.errors import ShapeError, message
from symnet.graph.evaluate import retold
from symnet.graph.inner import InnerGraph
from symnet.graph.types import INTEGERS, TensorType
from symnet.graph.variables import (
    Apply,
    Constant,
    Variable,
    make_variable,
    operand_text,
)
from symnet.kernels.loopir import views
from symnet.kernels.loopir.views import Size
from symnet.ops.base import TensorOp, as_value
from symnet.ops.elementwise import cast
from symnet.ops.lowerings import (
    Lowering,
    Reference,
    ScanLoop,
    Shapes,
    Sizes,
    has_objects,
)
from symnet.ops.sizes import size_scalar

LONGER = "give a longer sequence, or a smaller n_steps"


@dataclass(frozen=True)
class State:
    """A value that a step hands on to later steps.

    taps: which earlier values a step reads, negative and ascending, e.g. (-3, -1).
    keep: how many rows of the history are handed out, counted from its end; None: all.
    """

    taps: tuple[int, ...] = (-1,)
    keep: int | None = None

    def __post_init__(self) -> None:
        taps = tuple(self.taps)
        if not taps or list(taps) != sorted(set(taps)) or taps[-1] >= 0:
            raise ValueError(f"taps of a state are negative and ascending, not {taps}")
        if self.keep is not None and self.keep < self.depth:
            raise ValueError(f"taps {taps} need {self.depth} rows, not {self.keep}")

    @property
    def depth(self) -> int:
        """How many rows a state starts from."""
        return -self.taps[0]

    @property
    def keeps_least(self) -> bool:
        """Whether no more rows are handed out than a next step would read."""
        return self.keep == self.depth


class ScanInputs(NamedTuple):
    """What a Scan gets, in order."""

    n_steps: Any
    sequences: list[Any]
    initials: list[Any]
    others: list[Any]


class InnerInputs(NamedTuple):
    """What a step gets, in order: of each state a list, one for each tap."""

    sequences: list[Any]
    taps: list[list[Any]]
    others: list[Any]


class Outputs(NamedTuple):
    """What a Scan or (with the condition as `done`) a step gives."""

    states: list[Any]
    collected: list[Any]
    done: Any


class Scan(TensorOp):
    """A loop of `n_steps` steps: scan(n_steps, *sequences, *initials, *others).

    inner_inputs: an element of each sequence; for each state one row for each tap; the
        others.  inner_outputs: each state's new value; what is collected; with `until`
        the condition to stop after this step.
    Shapes: a sequence has at least n_steps rows; an initial has as many as its state is
        deep, the oldest first.
    Outputs: each state's history, shape (depth + n_steps, *row), its initial rows
        included (or the last `keep` of these rows); what is collected, shape
        (n_steps, *row); with `until` the number of steps done: rows beyond it are
        unspecified.
    truncate_gradient: how many steps, from the last, the gradient goes back; -1: all.
    python_loop: the steps are run as plain Python.
    updates: which states are shared variables, of which the last row is the update.
    Raises: TypeError, ShapeError where rows do not fit the step.
    """

    __props__ = (
        "graph", "sequences", "states", "collected", "until", "name", "python_loop",
        "truncate_gradient", "profile", "updates",
    )  # fmt: skip
    # Its L_op takes over the masks of gradients that are choices.
    looks_for_choices = True

    def __init__(
        self,
        inner_inputs: Sequence[Variable],
        inner_outputs: Sequence[Variable],
        sequences: int,
        states: Sequence[State],
        collected: int,
        until: bool = False,
        name: str = "",
        python_loop: bool = False,
        truncate_gradient: int = -1,
        profile: bool = False,
        updates: Sequence[int] = (),
    ) -> None:
        self.graph = InnerGraph(inner_inputs, inner_outputs)
        self.sequences = sequences
        self.states = tuple(states)
        self.collected = collected
        self.until = until
        self.name = name
        self.python_loop = python_loop
        self.truncate_gradient = truncate_gradient
        self.profile = profile
        self.updates = tuple(updates)
        self._check_counts()

    def _check_counts(self) -> None:
        taps = sum(len(state.taps) for state in self.states)
        if len(self.graph.inputs) < self.sequences + taps:
            raise ValueError(f"{self}: too few inner inputs")
        results = len(self.states) + self.collected + self.until
        if len(self.graph.outputs) != results:
            raise ValueError(f"{self}: {len(self.graph.outputs)} inner outputs")

    @property
    def inner_inputs(self) -> tuple[Variable, ...]:
        return self.graph.inputs

    @property
    def inner_outputs(self) -> tuple[Variable, ...]:
        return self.graph.outputs

    # Theano's names for them: programs walk through the steps of loops.
    inputs, outputs = inner_inputs, inner_outputs

    def __str__(self) -> str:
        return f"Scan{{{self.name}}}" if self.name else "Scan"

    def with_graph(self, graph: InnerGraph) -> Scan:
        """The same loop with another step of the same form."""
        return self.replaced(graph=graph)

    def replaced(self, **changes: Any) -> Scan:
        """This op with other properties."""
        made = Scan.__new__(Scan)
        for name in self.__props__:
            setattr(made, name, changes.get(name, getattr(self, name)))
        made._check_counts()
        return made

    def lowering(self, node: Apply) -> Lowering:
        """The number of steps, the first input, is a host integer."""
        if self.python_loop or has_objects(node):
            return Reference()
        return ScanLoop(self.graph, tuple(range(1, len(node.inputs))))

    # ---- which is which

    def split_inputs(self, values: Sequence[Any]) -> ScanInputs:
        """The node's inputs, or what belongs to them, by their part."""
        first = 1 + self.sequences
        second = first + len(self.states)
        return ScanInputs(
            values[0],
            list(values[1:first]),
            list(values[first:second]),
            list(values[second:]),
        )

    def split_inner(self, values: Sequence[Any]) -> InnerInputs:
        """The inner inputs, or what belongs to them, by their part."""
        at = self.sequences
        taps: list[list[Any]] = []
        for state in self.states:
            taps.append(list(values[at : at + len(state.taps)]))
            at += len(state.taps)
        return InnerInputs(list(values[: self.sequences]), taps, list(values[at:]))

    def split_outputs(self, values: Sequence[Any]) -> Outputs:
        """The outputs (inner or outer), or what belongs to them, by their part."""
        first = len(self.states)
        second = first + self.collected
        return Outputs(
            list(values[:first]),
            list(values[first:second]),
            values[-1] if self.until else None,
        )

    def state_name(self, k: int) -> str:
        """How errors call a state."""
        tap = self.split_inner(self.inner_inputs).taps[k][0]
        return labelled(f"state {k}", tap)

    def sequence_name(self, k: int) -> str:
        """How errors call a sequence."""
        return labelled(f"sequence {k}", self.inner_inputs[k])

    def _because(self) -> str:
        """Why a number of steps that was worked out may be negative."""
        reads = [v.name or "" for v in self.inner_inputs[: self.sequences]]
        tapped = dict.fromkeys(
            n.partition("[")[0] for n in reads if "[t+" in n or "[t-" in n
        )
        if not tapped:
            return ""
        return f", or a sequence is shorter than its taps reach ({', '.join(tapped)})"

    # ---- types

    def make_node(self, *inputs: Any) -> Apply:
        if len(inputs) < 1 + self.sequences + len(self.states):
            raise TypeError(f"{self}: {len(inputs)} inputs")
        n_steps = cast(size_scalar(inputs[0], "n_steps"), "int64")
        variables = [n_steps, *map(as_value, inputs[1:])]
        outer, inner = self.split_inputs(variables), self.split_inner(self.inner_inputs)
        if len(outer.others) != len(inner.others):
            raise TypeError(
                f"{self}: {len(outer.others)} non-sequences for {len(inner.others)}"
            )
        for k, (row, v) in enumerate(zip(inner.sequences, outer.sequences)):
            self._check_row(f"sequence {k}", row, v, True)
        for k, (rows, v) in enumerate(zip(inner.taps, outer.initials)):
            for row in rows:
                self._check_row(self.state_name(k), row, v, True)
        for k, (row, v) in enumerate(zip(inner.others, outer.others)):
            self._check_row(f"non-sequence {k}", row, v, False)
        return Apply(self, variables, self._make_outputs(outer))

    def _check_row(self, what: str, row: Variable, v: Variable, rows: bool) -> None:
        if rows:
            fits = v.type.ndim > 0 and row.type.accepts(
                TensorType(v.type.dtype, v.type.shape[1:])
            )
        else:
            fits = row.type.accepts(v.type)
        if not fits:
            text = f"{what}: a step takes {row.type}, which is no "
            text += "row of it" if rows else "such value"
            raise TypeError(message(text, operation=self, operands=[operand_text(v)]))

    def _make_outputs(self, outer: ScanInputs) -> list[Variable]:
        inner = self.split_outputs(self.inner_outputs)
        steps = int(outer.n_steps.data) if isinstance(outer.n_steps, Constant) else None
        if steps is not None and steps < 0:
            raise ValueError(f"{self}: n_steps is negative: {steps}")
        outputs = []
        for k, (state, new, first) in enumerate(
            zip(self.states, inner.states, outer.initials)
        ):
            row = TensorType(first.type.dtype, first.type.shape[1:])
            if not row.accepts(new.type):
                what = f"{self.state_name(k)} starts as {row}, and becomes {new.type}"
                raise TypeError(message(what, operation=self, origin=new.origin))
            shape = [a if b is None else b for a, b in zip(row.shape, new.type.shape)]
            rows = None if steps is None else state.depth + steps
            rows = rows if state.keep is None else state.keep
            outputs.append(make_variable(TensorType(row.dtype, (rows, *shape))))
        for one in inner.collected:
            kind = TensorType(one.type.dtype, (steps, *one.type.shape))
            outputs.append(make_variable(kind))
        if self.until:
            outputs.append(make_variable(TensorType("int64", ())))
        return outputs

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes | None:
        """Sizes of rows come from the step, taken at the sizes of the outer arrays."""
        if has_objects(node):
            return None
        outer = self.split_inputs(inputs)
        steps = sizes.value(node.inputs[0])
        some = views.combine("ge", steps, views.ZERO)
        sizes.require(some, f"n_steps is negative{self._because()}")
        for k, have in enumerate(outer.sequences):
            enough = views.combine("ge", have[0], steps)
            what = f"{self.sequence_name(k)} has fewer rows than there are steps: "
            sizes.require(enough, what + LONGER, ShapeError)
        for k, (state, have) in enumerate(zip(self.states, outer.initials)):
            what = f"initial rows of {self.state_name(k)}"
            sizes.equal(have[0], views.size(state.depth), what)
        inner = self.inner_sizes(node, outer, sizes)
        if inner is None:
            return None
        parts = self.split_outputs(inner)
        results: list[tuple[Size, ...]] = []
        for k, (state, have, new) in enumerate(
            zip(self.states, outer.initials, parts.states)
        ):
            what = f"{self.state_name(k)}, before and after a step"
            row = [sizes.equal(a, b, what) for a, b in zip(have[1:], new)]
            rows = views.add(views.size(state.depth), steps)
            rows = rows if state.keep is None else views.size(state.keep)
            results.append((rows, *row))
        results += [(steps, *row) for row in parts.collected]
        return [*results, ()] if self.until else results

    def inner_sizes(
        self, node: Apply, outer: ScanInputs, sizes: Sizes
    ) -> list[tuple[Size, ...]] | None:
        """The sizes of the step's outputs; None where a step's values decide them."""
        rows = [have[1:] for have in outer.sequences]
        for state, have in zip(self.states, outer.initials):
            rows += [have[1:]] * len(state.taps)
        same = self.split_inputs(node.inputs).others
        values = [*[None] * len(rows), *same]
        graph = sizes.opened(self.graph, [*rows, *outer.others], values)
        return sizes.inner_sizes(graph.outputs, loop=True)

    # ---- reference evaluation

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        outer = self.split_inputs(arrays)
        steps = int(outer.n_steps)
        self._check_arrays(steps, outer)
        histories = [list(initial) for initial in outer.initials]
        collected: list[list[Any]] = [[] for _ in range(self.collected)]
        done = steps
        for t in range(steps):
            results = self.split_outputs(self._step(t, outer, histories, xp))
            for k, new in enumerate(results.states):
                self._check_new(k, t, new, histories[k][-1])
                histories[k].append(new)
                if self.states[k].keep is not None:
                    del histories[k][: -(self.states[k].keep or 1)]
            for rows, new in zip(collected, results.collected):
                rows.append(new)
            if self.until and bool(results.done):
                done = t + 1
                break
        return self._hand_out(node, outer, histories, collected, done, xp)

    def _check_arrays(self, steps: int, outer: ScanInputs) -> None:
        if steps < 0:
            raise ValueError(f"n_steps is negative: {steps}{self._because()}")
        for k, array in enumerate(outer.sequences):
            if len(array) < steps:
                raise ShapeError(
                    f"{self.sequence_name(k)} has fewer rows ({len(array)}) than there are "
                    f"steps ({steps}): {LONGER}"
                )
        for k, (state, array) in enumerate(zip(self.states, outer.initials)):
            if len(array) != state.depth:
                raise ShapeError(
                    f"{self.state_name(k)} needs {state.depth} initial rows, as its taps "
                    f"{list(state.taps)} reach back, not {len(array)}"
                )

    def _step(
        self, t: int, outer: ScanInputs, histories: Sequence[list[Any]], xp: Any
    ) -> list[Any]:
        rows = [xp.asarray(array[t]) for array in outer.sequences]
        for state, history in zip(self.states, histories):
            rows += [xp.asarray(history[tap]) for tap in state.taps]
        try:
            return self.graph.evaluate([*rows, *outer.others], xp)
        except Exception as error:
            raise retold(error, f"in step {t}: {error}") from error.__cause__

    def _check_new(self, k: int, t: int, new: Any, old: Any) -> None:
        if new.shape != old.shape:
            raise ShapeError(
                f"in step {t} {self.state_name(k)} changes its shape from {old.shape} "
                f"to {new.shape}"
            )

    def _hand_out(
        self,
        node: Apply,
        outer: ScanInputs,
        histories: Sequence[list[Any]],
        collected: Sequence[list[Any]],
        done: int,
        xp: Any,
    ) -> list[Any]:
        """The arrays, at their full length: rows beyond `done` hold zeros."""
        steps = int(outer.n_steps)
        results = []
        for state, history, first in zip(self.states, histories, outer.initials):
            if state.keep is None:
                shape = (state.depth + steps, *first.shape[1:])
                results.append(_filled(history, shape, first.dtype, xp))
            else:
                shape = (state.keep, *first.shape[1:])
                missing = [xp.zeros(shape[1:])] * (state.keep - len(history))
                results.append(_filled([*missing, *history], shape, first.dtype, xp))
        if steps:
            rows = [one[0].shape for one in collected]
        else:
            rows = self._row_shapes(outer, xp) if collected else []
        kinds = self.split_outputs(self.inner_outputs).collected
        for variable, values, row in zip(kinds, collected, rows):
            shape = (steps, *row)
            results.append(_filled(values, shape, variable.type.dtype, xp))
        return [*results, xp.asarray(done, dtype="int64")] if self.until else results

    def _row_shapes(self, outer: ScanInputs, xp: Any) -> list[tuple[int, ...]]:
        """The shapes of collected rows where no step is done: those of a step on zeros,
        or where that cannot be run what is known of them, else 0."""
        kinds = self.split_outputs(self.inner_outputs).collected
        rows = [xp.zeros(a.shape[1:], dtype=a.dtype) for a in outer.sequences]
        for state, a in zip(self.states, outer.initials):
            rows += [xp.zeros(a.shape[1:], dtype=a.dtype)] * len(state.taps)
        try:
            found = self.graph.evaluate([*rows, *outer.others], xp)
        except Exception:  # noqa: BLE001  only shapes are asked for
            return [tuple(n or 0 for n in one.type.shape) for one in kinds]
        return [a.shape for a in self.split_outputs(found).collected]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Everything but the number of steps counts as connected."""
        return [[k > 0] * node.nout for k in range(node.nin)]


def labelled(label: str, leaf: Variable) -> str:
    """A label with the name of what is read, without its step."""
    name = (leaf.name or "").partition("[")[0]
    return f"{label} ({name})" if name else label


def _filled(rows: Sequence[Any], shape: tuple[int, ...], dtype: Any, xp: Any) -> Any:
    """An array of that shape whose first rows are those given, the others zeros."""
    array = xp.zeros(shape, dtype=dtype)
    for k, row in enumerate(rows):
        array[k] = row
    return array


def is_integer(variable: Variable) -> bool:
    """Whether a variable holds integers or truth values, which have no gradient."""
    return variable.type.dtype in INTEGERS or variable.type.dtype == "bool"
