"""`scan` and what is made of it: loops as users write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symnet.config import config
from symnet.data_classes import dataclass
from symnet.errors import MissingInputError, ShapeError, briefly, message
from symnet.graph.origin import capture
from symnet.graph.testvalues import get_test_value
from symnet.graph.traverse import clone_replace
from symnet.graph.types import TensorType
from symnet.graph.variables import Variable, make_variable, operand_text
from symnet.ops.elementwise import cast
from symnet.ops.indexing import getitem
from symnet.ops.scan.blockwise import in_blocks
from symnet.ops.scan.loop import Scan, State
from symnet.ops.scan.scan_arguments import (
    StateArgument,
    Walked,
    as_sequence,
    complain,
    line_of,
    read_carried,
    read_invariant,
    read_steps,
    read_walked,
)
from symnet.ops.scan.step_graph import Closed, add_default_updates, ask, close
from symnet.ops.shape import shape_padleft
from symnet.ops.sparse.conversions import dense_step
from symnet.rewriting.bypassed import remember_as
from symnet.updates import OrderedUpdates

BY_REFERENCE = ("DebugMode", "DEBUG_MODE", "FAST_COMPILE")


@briefly
def scan(
    fn: Any, sequences: Any = None, outputs_info: Any = None, non_sequences: Any = None,
    n_steps: Any = None, truncate_gradient: int = -1, go_backwards: bool = False,
    mode: Any = None, name: str | None = None, profile: bool = False,
    allow_gc: bool | None = None, strict: bool = False, return_list: bool = False,
    python_loop: bool = False, checkpoint_every: int | None = None,
) -> Any:  # fmt: skip
    """A loop: `fn` says what one step computes, from the current elements of the
    sequences, earlier values of its own outputs, and values that stay the same.

    fn: called once, with symbolic variables: for each sequence its elements, for each
        output that feeds back its earlier values (both in the order of their taps), then
        the non_sequences.  It returns outputs, or (outputs, updates), or
        (outputs, updates, until(condition)).
    sequences: arrays walked over along axis 0, or dict(input=array, taps=[...]): tap k
        is the element k places after the current one.  The shortest one counts.
    outputs_info: for each output None (it does not feed back), the value before the first
        step, or dict(initial=rows, taps=[-2, -1]): as many rows as the taps reach back,
        oldest first.  None alone: no output feeds back.
    non_sequences: further arguments of fn.  What fn uses without being given it is
        found.
    strict: shared variables that fn uses must be among non_sequences.
    n_steps: how many steps; needed where there is no sequence.
    truncate_gradient: how many steps, from the last, the gradient goes back; -1: all.
    go_backwards: the sequences are walked from their ends.
    mode: "DebugMode" runs the steps as plain Python, as `python_loop` does.
    checkpoint_every: the gradient stores the states of every so many steps only, and runs
        the steps between again; fn is called twice.
    return_list: the outputs are a list also where there is one.
    profile, allow_gc: accepted; `f.profile()` shows loops in any case.
    Shapes: each output has a first axis of the number of steps done.
    Returns: (outputs, updates).  updates holds the shared variables that fn updates, and
        the random streams that it draws from: pass it to `function`.
    Raises: TypeError, ValueError, which name the sequence or output and the line.

    >>> sums, _ = symnet.scan(lambda x, s: s + x, T.constant([1, 2, 3]), T.constant(0))
    >>> sums.eval()
    array([1, 3, 6])
    """
    truncate_gradient = _truncation(fn, truncate_gradient, checkpoint_every)
    if checkpoint_every is not None:
        results, updates = in_blocks(
            scan, fn, sequences, outputs_info, non_sequences, n_steps, checkpoint_every,
            go_backwards, False, mode=mode, name=name, profile=profile, strict=strict,
            python_loop=python_loop,
        )  # fmt: skip
        return _in_form(results, updates, return_list)
    walked, carried = read_walked(sequences), read_carried(outputs_info)
    steps = read_steps(n_steps, walked)
    others = [read_invariant(v) for v in as_sequence(non_sequences)]
    loop = ScanCall(fn, walked, carried, others, go_backwards)
    loop.ask()
    closed = close(loop.results, loop.leaves, loop.given, strict, loop.reply.made)
    python_loop = python_loop or getattr(mode, "name", mode) in BY_REFERENCE
    op = loop.operation(
        closed, name=name or "", python_loop=python_loop, profile=bool(profile),
        truncate_gradient=truncate_gradient,
    )  # fmt: skip
    return _hand_out(op, loop, closed, steps, return_list)


def _truncation(fn: Any, steps: Any, checkpoint_every: int | None) -> int:
    """The steps of a truncated gradient, -1 for all, where they fit the other arguments."""
    if not callable(fn):
        cure = "give a function of symbolic variables"
        raise complain(f"fn is no function: {fn!r:.60}", cure, kind=TypeError)
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)):
        cure = "give an int: how many steps the gradient goes back, -1 for all"
        raise complain(f"truncate_gradient is {steps!r:.40}", cure, kind=TypeError)
    if steps >= 0 and checkpoint_every is not None:
        cure = "leave one of them out: a truncated gradient stores only its own steps"
        raise complain("truncate_gradient goes with no checkpoint_every", cure)
    return int(steps) if steps >= 0 else -1


def _hand_out(
    op: Scan, loop: ScanCall, closed: Closed, steps: Variable, return_list: bool
) -> Any:
    sequences = [w.cut(tap, loop.backwards) for w, tap, _ in loop.elements]
    initials = [one.rows for one in loop.carried if one is not None]
    initials += [shape_padleft(shared) for shared in loop.reply.updates]
    outputs = op(steps, *sequences, *initials, *closed.outer, return_list=True)
    remember_as(outputs, loop.written)
    parts = op.split_outputs(outputs)
    states, collected = iter(zip(op.states, parts.states)), iter(parts.collected)
    results = []
    for one in loop.carried:
        state, rows = next(states) if one is not None else (None, next(collected))
        first = 0 if state is None else state.depth
        end = None if parts.done is None else parts.done + first
        whole = not first and end is None
        results.append(rows if whole else getitem(rows, slice(first or None, end)))
    updates = OrderedUpdates()
    for shared, (_, rows) in zip(loop.reply.updates, states):
        updates[shared] = getitem(rows, -1)
    return _in_form(results, updates, return_list)


def _in_form(
    results: list[Variable], updates: OrderedUpdates, return_list: bool
) -> tuple[Any, OrderedUpdates]:
    """A list of outputs, the only one, or None."""
    if return_list or len(results) > 1:
        return results, updates
    return (results[0] if results else None), updates


@dataclass(eq=False)
class ScanCall:
    """A call of `scan` on its way to the operation."""

    fn: Callable[..., Any]
    walked: list[Walked]
    carried: list[StateArgument | None]
    others: list[Variable]
    backwards: bool

    def __post_init__(self) -> None:
        self.elements = [
            (one, tap, _element(one, tap)) for one in self.walked for tap in one.taps
        ]
        self.rows = [
            None if one is None else {tap: _row(one, tap) for tap in one.taps}
            for one in self.carried
        ]

    def ask(self) -> None:
        """Call `fn`, and make its outputs fit the states."""
        arguments = [leaf for _, _, leaf in self.elements]
        arguments += [
            leaf for rows in self.rows if rows is not None for leaf in rows.values()
        ]
        self.reply = ask(self.fn, [*arguments, *self.others])
        self._make_dense(arguments)
        self.written = [*self.reply.outputs, *self.reply.updates.values()]
        self._check_count()
        given = set(self.others) - set(self.reply.updates)
        add_default_updates(self.reply, given)
        self._fit_weak()
        self._fit_states()
        self.shared = {
            s: make_variable(s.type, s.name and f"{s.name}[t-1]")
            for s in self.reply.updates
        }
        self.given = [v for v in dict.fromkeys(self.others) if v not in self.shared]

    def _make_dense(self, own: list[Variable]) -> None:
        """Take sparse matrices apart: no step knows them."""
        reply = self.reply
        stop = [] if reply.condition is None else [reply.condition]
        found = dense_step([*reply.outputs, *reply.updates.values(), *stop], own)
        self._put(found)

    def _put(self, found: list[Variable]) -> None:
        """Replace what fn has returned: outputs, updates, condition."""
        reply, count = self.reply, len(self.reply.outputs)
        reply.outputs = found[:count]
        reply.updates = dict(zip(reply.updates, found[count:]))
        reply.condition = None if reply.condition is None else found[-1]

    def _check_count(self) -> None:
        """One entry of outputs_info for each output."""
        outputs = self.reply.outputs
        if not self.carried:
            self.carried = [None] * len(outputs)
            self.rows = [None] * len(outputs)
        if len(self.carried) != len(outputs):
            raise ValueError(
                message(
                    f"scan: fn returns {len(outputs)} outputs, but outputs_info has "
                    f"{len(self.carried)} entries",
                    operands=[operand_text(v) for v in outputs],
                    origin=line_of(self.fn),
                    cure="give each output an entry, in order: its initial state, or None "
                    "where it does not feed back",
                )
            )

    # ---- states as they start and as they become

    def _fit_weak(self) -> None:
        """A state that starts from a bare number takes the dtype that it becomes."""
        for k, one in enumerate(self.carried):
            if one is None or not one.weak:
                continue
            new, have = self.reply.outputs[k].type, one.row_type
            if new.dtype == have.dtype or np.can_cast(new.dtype, have.dtype, "safe"):
                continue
            if not np.can_cast(have.dtype, new.dtype, "same_kind"):
                continue
            one.rows = cast(one.rows, new.dtype)
            rows = {tap: _row(one, tap) for tap in one.taps}
            old = self.rows[k]
            assert old is not None
            self._replace({old[tap]: rows[tap] for tap in rows})
            self.rows[k] = rows

    def _replace(self, replace: dict[Variable, Variable]) -> None:
        reply = self.reply
        stop = [] if reply.condition is None else [reply.condition]
        values = [*reply.outputs, *reply.updates.values(), *stop]
        self._put(clone_replace(values, replace))

    def _fit_states(self) -> None:
        for k, one in enumerate(self.carried):
            if one is not None:
                new = self.reply.outputs[k]
                self.reply.outputs[k] = fit_state(
                    new, one.row_type, one.label, one.given
                )
        for shared, new in self.reply.updates.items():
            label = f"the shared variable {shared.name or shared}"
            self.reply.updates[shared] = fit_state(new, shared.type, label, shared)

    # ---- in the order of the operation

    def operation(self, closed: Closed, **settings: Any) -> Scan:
        """The loop over `closed`, what `results` depend on."""
        states = self.states
        return Scan(
            [*self.leaves, *closed.inner],
            closed.outputs,
            sequences=len(self.elements),
            states=states,
            collected=len(self.collected),
            until=self.reply.condition is not None,
            updates=range(len(states) - len(self.reply.updates), len(states)),
            **settings,
        )

    @property
    def states(self) -> list[State]:
        states = [State(tuple(sorted(c.taps))) for c in self.carried if c is not None]
        return [*states, *(State((-1,), keep=1) for _ in self.reply.updates)]

    @property
    def collected(self) -> list[Variable]:
        pairs = zip(self.carried, self.reply.outputs)
        return [v for one, v in pairs if one is None]

    @property
    def leaves(self) -> list[Variable]:
        """The inner inputs but for the non-sequences."""
        found = [leaf for _, _, leaf in self.elements]
        for rows in self.rows:
            if rows is not None:
                found += [rows[tap] for tap in sorted(rows)]
        return found + list(self.shared.values())

    @property
    def results(self) -> list[Variable]:
        """The inner outputs, over the leaves."""
        reply = self.reply
        pairs = list(zip(self.carried, reply.outputs))
        new = [v for one, v in pairs if one is not None]
        stop = [] if reply.condition is None else [cast(reply.condition, "bool")]
        found = [*new, *reply.updates.values(), *self.collected, *stop]
        return clone_replace(found, list(self.shared.items()))


def _element(one: Walked, tap: int) -> Variable:
    kind = TensorType(one.array.type.dtype, one.array.type.shape[1:])
    leaf = make_variable(kind, _at(one.array.name, tap))
    _give_test_value(leaf, one.array, tap + one.before)
    return leaf


def _row(one: StateArgument, tap: int) -> Variable:
    name = one.label.partition("(")[2].rstrip(")") or None
    leaf = make_variable(one.row_type, _at(name, tap))
    _give_test_value(leaf, one.rows, tap)
    return leaf


def _at(name: str | None, tap: int) -> str | None:
    return name and f"{name}[t{tap:+d}]".replace("+0", "")


def _give_test_value(leaf: Variable, array: Variable, position: int) -> None:
    """A sample for a variable of the step, where samples are asked for."""
    if config.compute_test_value == "off":
        return
    try:
        leaf.tag.test_value = get_test_value(array)[position]
    except (MissingInputError, IndexError):
        return


def fit_state(new: Variable, kind: TensorType, label: str, first: Variable) -> Variable:
    """A state's new value, of the dtype that it started with.

    Raises: TypeError for another rank, or a dtype that would not fit; ShapeError for
        known sizes that contradict.
    """
    operands = [operand_text(first), operand_text(new)]

    def complaint(what: str, cure: str, error: type[Exception]) -> Exception:
        text, line = f"scan: {label} {what}", new.origin or capture()
        return error(message(text, operands=operands, origin=line, cure=cure))

    if new.type.ndim != kind.ndim:
        what = f"starts with rank {kind.ndim}, and fn makes rank {new.type.ndim} of it"
        cure = (
            "the initial state has the rank of one step's value (with several taps one "
        )
        cure += "axis more, in front)"
        raise complaint(what, cure, TypeError)
    if new.type.dtype != kind.dtype:
        if not np.can_cast(new.type.dtype, kind.dtype, "safe"):
            what = f"starts as {kind.dtype}, and fn makes {new.type.dtype} of it"
            cure = f"make the initial state {new.type.dtype}, or cast what fn returns: "
            cure += f".astype({kind.dtype!r})"
            raise complaint(what, cure, TypeError)
        new = cast(new, kind.dtype)
    for axis, (a, b) in enumerate(zip(kind.shape, new.type.shape)):
        if a is not None and b is not None and a != b:
            what = f"starts with size {a} along axis {axis}, and fn makes {b} of it"
            cure = "give the initial state the size of one step's value, for instance "
            cure += "T.zeros((n, m))"
            raise complaint(what, cure, ShapeError)
    return new
