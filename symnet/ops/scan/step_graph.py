"""The step of a loop: what `fn` says, as a graph that has nothing free but its inputs."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

from symnet.data_classes import dataclass
from symnet.errors import MissingInputError, message
from symnet.graph.op import observers
from symnet.graph.origin import Origin, capture, inherit
from symnet.graph.traverse import clone_replace, leaves, toposort
from symnet.graph.variables import (
    Apply,
    Constant,
    Variable,
    make_variable,
    operand_text,
)
from symnet.ops.alloc import Alloc
from symnet.ops.base import as_tensor
from symnet.ops.indexing import getitem
from symnet.ops.scan.loop import Scan
from symnet.ops.scan.scan_arguments import line_of
from symnet.ops.shape import DimShuffle
from symnet.rewriting.stable import stable_forms
from symnet.shared import SharedVariable


class until:  # noqa: N801  Theano's name
    """What `fn` returns, after its outputs and updates, to stop a loop: the step in which
    `condition` first holds is the last one, and counts."""

    def __init__(self, condition: Any) -> None:
        self.condition = as_tensor(condition)
        if self.condition.type.ndim:
            raise TypeError(
                message(
                    f"until takes a scalar, not {operand_text(self.condition)}",
                    origin=self.condition.origin,
                    cure="reduce it with .all() or .any()",
                )
            )


@dataclass
class StepReply:
    """What `fn` returned: outputs, updates of shared variables, when to stop.

    made: the operations that were applied while it ran.
    """

    outputs: list[Variable] = field(default_factory=list)
    updates: dict[SharedVariable, Variable] = field(default_factory=dict)
    condition: Variable | None = None
    made: set[Apply] = field(default_factory=set)


def ask(fn: Callable[..., Any], arguments: Sequence[Variable]) -> StepReply:
    """Call `fn` and sort what it returns.

    Accepted are an output, a list of them, updates (a dict or pairs), `until(...)`, and
    tuples of these.
    Raises: TypeError for something else, where nothing is returned, and where `fn` takes
        another number of arguments.
    """
    _check_signature(fn, arguments)
    reply = StepReply()
    observers.append(reply.made.add)
    try:
        returned = fn(*arguments)
    finally:
        observers.remove(reply.made.add)
    _sort(returned, reply, line_of(fn))
    if returned is None or not (reply.outputs or reply.updates):
        raise _unfit("fn returns no outputs and no updates", line_of(fn))
    return reply


def _check_signature(fn: Callable[..., Any], arguments: Sequence[Variable]) -> None:
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):  # written in C: it says itself what it takes
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        raise TypeError(
            message(
                f"scan: fn does not take the {len(arguments)} arguments that it gets: {error}",
                operands=[operand_text(v) for v in arguments],
                origin=line_of(fn),
                cure="fn takes the elements of the sequences, then for each output that "
                "feeds back its earlier values, then the non_sequences",
            )
        ) from None


def _sort(part: Any, reply: StepReply, line: Origin | None, depth: int = 0) -> None:
    if isinstance(part, until):
        reply.condition = part.condition
    elif isinstance(part, Mapping) or _are_pairs(part):
        for target, value in dict(part).items():
            if not isinstance(target, SharedVariable):
                what = f"fn updates {target!r:.60}, which is no shared variable"
                raise _unfit(what, line)
            reply.updates[target] = as_tensor(value, truth=True)
    elif isinstance(part, (list, tuple)) and depth < 2:
        for one in part:
            _sort(one, reply, line, depth + 1)
    elif part is None and depth:
        return
    elif part is not None:
        try:
            reply.outputs.append(as_tensor(part))
        except TypeError as error:
            raise _unfit(f"fn returns {part!r:.60}: {error}", line) from None


def _are_pairs(part: Any) -> bool:
    """Theano takes updates as a list of pairs, too."""
    return (
        isinstance(part, (list, tuple))
        and len(part) > 0
        and all(
            isinstance(one, (list, tuple))
            and len(one) == 2
            and isinstance(one[0], SharedVariable)
            for one in part
        )
    )


def _unfit(what: str, line: Origin | None) -> TypeError:
    cure = (
        "return outputs, or (outputs, updates), or (outputs, updates, until(condition))"
    )
    return TypeError(message(f"scan: {what}", origin=line, cure=cure))


# ---- updates


def add_default_updates(reply: StepReply, given: Collection[Variable]) -> None:
    """Add how the random streams that a step draws from go on."""
    pending = reply.outputs + list(reply.updates.values())
    pending += [] if reply.condition is None else [reply.condition]
    looked_at: set[Variable] = set(reply.updates)
    while pending:
        carried = carried_updates(toposort(pending, given))
        fresh: list[Variable] = []
        for leaf in leaves(pending, given):
            if leaf in looked_at or leaf in given:
                continue
            looked_at.add(leaf)
            update = getattr(leaf, "default_update", None)
            if update is None:
                continue
            assert isinstance(leaf, SharedVariable)
            if leaf in carried:
                warn_of_forgotten(leaf, carried[leaf])
                update = carried[leaf]
            else:
                warn_of_drawn_before(leaf, pending, given, reply.made)
            reply.updates[leaf] = update
            fresh.append(update)
        pending = fresh


def warn_of_drawn_before(
    stream: SharedVariable,
    variables: Iterable[Variable],
    given: Collection[Variable],
    made: Collection[Apply],
) -> None:
    """Say that a number which stands before the loop is another one in each of its steps:
    as in Theano, a step has whatever it is not handed down to the leaves."""
    for node in toposort(variables, given):
        if stream in node.inputs and node not in made:
            text = message(
                f"what was drawn from the random stream {operand_text(stream)} before a loop "
                "is drawn anew in each of its steps, as in Theano",
                origin=node.origin,
                cure="hand it in (scan(..., non_sequences=[mask])) for one in all steps; "
                "draw it within fn for a new one in each",
            )
            _warn(text)
            return


def carried_updates(nodes: Iterable[Apply]) -> dict[SharedVariable, Variable]:
    """The shared variables that loops among operations carry on, and what they are
    afterwards."""
    found: dict[SharedVariable, Variable] = {}
    for node in nodes:
        if not isinstance(node.op, Scan):
            continue
        initials = node.op.split_inputs(node.inputs).initials
        for k in node.op.updates:
            shared = _shared_of(initials[k])
            if shared is not None:
                with inherit(node.origin):
                    found[shared] = getitem(node.outputs[k], -1)
    return found


def _shared_of(initial: Variable) -> SharedVariable | None:
    """The shared variable from which a state starts."""
    node = initial.owner
    if node is None or not isinstance(node.op, DimShuffle):
        return None
    source = node.inputs[0]
    return source if isinstance(source, SharedVariable) else None


def warn_of_forgotten(shared: SharedVariable, update: Variable) -> None:
    """Say that updates which scan returned were not passed on."""
    text = message(
        f"a loop draws from the random stream {operand_text(shared)}, but the updates that "
        "scan returned were not passed on; they are applied all the same",
        origin=update.origin,
        cure="pass them: function(..., updates=updates), or return them from fn",
    )
    _warn(text)


def _warn(text: str) -> None:
    """A warning at the user's line."""
    line = capture()
    if line is None:
        warnings.warn(text, stacklevel=3)
    else:
        warnings.warn_explicit(text, UserWarning, line.filename, line.line)


# ---- what a step takes from outside


@dataclass
class Closed:
    """A graph whose only leaves are its own inputs: `inner` are the new ones, which stand
    for the `outer` variables."""

    outputs: list[Variable]
    outer: list[Variable]
    inner: list[Variable]


def close(
    outputs: Sequence[Variable],
    own: Sequence[Variable],
    given: Sequence[Variable],
    strict: bool,
    made: Collection[Apply] = (),
) -> Closed:
    """Cut a graph where it no longer depends on `own`, the values that change.

    given: variables that are taken as they are, wherever they come from.
    strict: no other shared variable may be taken from outside.
    made: operations that the step itself has applied.
    What stands outside is computed once.  Constants, and arrays filled with one number,
    are cheaper made inside.  Before it is cut the graph is brought into stable form: of
    log(exp(x) + exp(state)) no rule would see the first half afterwards.  What was there
    before the step stays: a gradient may be asked for by it, and it may be replaced.
    Raises: ValueError for other shared variables where `strict`.
    """
    blockers = set(given)
    order = toposort(outputs, blockers)
    changing = _changing(order, own)
    before = [
        v
        for node in order
        if node not in made
        for v in node.outputs
        if v not in changing
    ]
    outputs = _in_stable_form(outputs, [*own, *given, *before])
    order = toposort(outputs, blockers)
    changing = _changing(order, own)
    loose: set[Variable] = set()  # nothing but constants below
    for node in order:
        if node.outputs[0] not in changing and all(
            isinstance(v, Constant) or v in loose for v in node.inputs
        ):
            loose.update(node.outputs)
    outer: dict[Variable, None] = {}
    stack = list(reversed(outputs))
    seen: set[Apply] = set()
    while stack:
        v = stack.pop()
        if isinstance(v, Constant) or v in own or v in loose:
            continue
        maker = None if v in blockers else v.owner
        if maker is None or not (v in changing or _cheap(maker)):
            outer.setdefault(v)
        elif maker not in seen:
            seen.add(maker)
            stack += reversed(maker.inputs)
    listed = [v for v in given if v in outer]
    listed += [v for v in outer if v not in blockers]
    if strict:
        _check_strict(listed, blockers, order)
    fresh = {v: make_variable(v.type, v.name) for v in listed}
    return Closed(clone_replace(outputs, fresh), listed, list(fresh.values()))


def _in_stable_form(
    outputs: Sequence[Variable], fixed: Collection[Variable]
) -> list[Variable]:
    """The outputs, each in the form that its value is computed in, over the `fixed` ones."""
    forms = stable_forms(outputs, [*outputs, *fixed], set(fixed))
    found: dict[Variable, Variable] = {}
    for v, form in forms.items():
        found[v] = clone_replace([form], found)[0]
    return [clone_replace([found.get(v, v)], found)[0] for v in outputs]


def _changing(order: Sequence[Apply], own: Iterable[Variable]) -> set[Variable]:
    """`own`, and what depends on it."""
    changing = set(own)
    for node in order:
        if any(v in changing for v in node.inputs):
            changing.update(node.outputs)
    return changing


def _cheap(node: Apply) -> bool:
    return isinstance(node.op, Alloc) and node.inputs[0].type.ndim == 0


def _check_strict(
    listed: Sequence[Variable], given: Collection[Variable], order: Sequence[Apply]
) -> None:
    """Raises: MissingInputError for shared variables that the operations of `order` take from
    outside without being given them."""
    for leaf in leaves(listed, given):
        if leaf in given or not isinstance(leaf, SharedVariable):
            continue
        user = next((node for node in order if leaf in node.inputs), None)
        raise MissingInputError(
            message(
                f"scan: fn uses {operand_text(leaf)}, which is not among non_sequences "
                "(strict=True)",
                operation=user.op if user is not None else None,
                origin=user.origin if user is not None else capture(),
                cure="add it to non_sequences and take it as an argument of fn, or leave "
                "strict out",
            )
        )
