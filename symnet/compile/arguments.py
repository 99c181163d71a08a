"""What a user says to `function`, checked and brought into one form."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import field
from operator import is_
from typing import Any

from symnet.compile.fitting import as_replacement, fit
from symnet.compile.in_out import In, as_output
from symnet.config import config
from symnet.data_classes import dataclass
from symnet.errors import MissingInputError, UnusedInputError, message, near
from symnet.graph.asked import inputs_asked
from symnet.graph.traverse import Graph, ancestors, clone_replace, toposort
from symnet.graph.variables import Constant, Variable, operand_text
from symnet.kernels.interface import Store
from symnet.ops.scan.step_graph import carried_updates, warn_of_forgotten
from symnet.ops.sparse.sparse_type import SparseType
from symnet.ops.users import with_promised_sizes
from symnet.rewriting.bypassed import refuse_bypassed
from symnet.shared import Container, SharedVariable
from symnet.sparse_shared import SparseSharedVariable

Pairs = Mapping[Any, Any] | Iterable[tuple[Any, Any]] | tuple[Any, Any] | None


@dataclass
class Request:
    """What a function is to compute: inputs, outputs, updates, all replaced and checked.

    form: how results are handed out, "none", "one", "list" or "dict" (with `keys`).
    order: all inputs as they were listed, those with a state together with the shared
        variable that keeps it; `inputs` are the others, which calls bring.
    overwrites: which inputs' arrays are written (`compile/overwritten.py`), and by which
        outputs; these are the last, and not handed out.
    """

    inputs: list[In]
    outputs: list[Variable]
    updates: dict[SharedVariable, Variable]
    form: str
    keys: list[Any]
    states: dict[str, SharedVariable]
    order: list[tuple[In, SharedVariable | None]]
    overwrites: dict[int, int] = field(default_factory=dict)


def read_request(
    inputs: Any,
    outputs: Any,
    updates: Pairs,
    givens: Pairs,
    no_default_updates: Any,
    allow_input_downcast: bool | None,
    on_unused_input: str | None,
) -> Request:
    """Check and combine the arguments of `function`.  Raises as `function` says."""
    ins = read_inputs(inputs, allow_input_downcast)
    values, form, keys = read_outputs(outputs)
    replace = read_givens(givens)
    changes = read_updates(updates)
    order = read_states(ins, replace, changes)
    states = {
        one.name or f"state {k}": state
        for k, (one, state) in enumerate(order)
        if state is not None
    }
    ins = [one for one, state in order if state is None]
    on_unused = on_unused_input or config.on_unused_input
    if on_unused != "ignore":
        warn_of_unused_givens(replace, [*values, *changes.values()])
    targets = list(changes)
    refuse_bypassed(
        [*values, *changes.values()], [*replace, *(i.variable for i in ins)]
    )
    found = clone_replace([*values, *changes.values()], replace)
    results, news = found[: len(values)], found[len(values) :]
    chosen = dict(zip(targets, news, strict=True))
    asked = Graph((), found)  # walked once by all that look at it
    if add_default_updates(chosen, asked, no_default_updates, replace, ins):
        asked = Graph((), [*results, *chosen.values()])
    asked = unite_clones(chosen, asked)
    asked = fit_updates(chosen, asked)
    check_inputs(ins, asked, replace, on_unused, [*values, *changes.values()])
    ins, asked = cut_at_inputs(ins, asked)
    wanted = with_promised_sizes(asked).outputs
    chosen = dict(zip(chosen, wanted[len(results) :], strict=True))
    listed = iter(ins)
    order = [(next(listed) if state is None else one, state) for one, state in order]
    return Request(ins, wanted[: len(results)], chosen, form, keys, states, order)


# ---- inputs and outputs


def read_inputs(inputs: Any, allow_downcast: bool | None) -> list[In]:
    if isinstance(inputs, (Variable, In)) or not isinstance(inputs, (list, tuple)):
        raise TypeError(
            message(
                f"the inputs of a function are a list, not {type(inputs).__name__}",
                cure="write function([x, y], ...)",
            )
        )
    found: list[In] = []
    for given in inputs:
        one = given if isinstance(given, In) else _as_in(given)
        if one.allow_downcast is None:
            one.allow_downcast = allow_downcast
        _check_leaf(one.variable)
        if any(other.variable is one.variable for other in found):
            raise UnusedInputError(
                message(
                    f"the input {operand_text(one.variable)} is listed twice",
                    cure="list it once; a call brings one value for it",
                )
            )
        found.append(one)
    return found


def _as_in(given: Any) -> In:
    """An input as Theano's older programs wrote it, too: x, (x, value), ("name", x, value),
    ((x, update), value), ("name", (x, update), value)."""
    if not isinstance(given, tuple):
        return In(given)
    name, rest = None, list(given)
    if rest and isinstance(rest[0], str):
        name, *rest = rest
    first, *values = rest or [None]
    update = None
    if isinstance(first, (tuple, list)) and len(first) == 2 and len(values) == 1:
        first, update = first
    if not isinstance(first, Variable) or len(values) > 1:
        raise TypeError(
            message(
                f"an input of a function is a variable, not {given!r:.60}",
                cure="pass symbolic variables, such as T.matrix('x'); name, value and "
                "update are named, In(x, name=, value=, update=)",
            )
        )
    return In(first, name=name, value=values[0] if values else None, update=update)


def _check_leaf(variable: Variable) -> None:
    if isinstance(variable, SharedVariable):
        raise TypeError(
            message(
                f"the shared variable {operand_text(variable)} cannot be an input",
                cure="leave it out: functions find shared variables by themselves; to "
                "replace its value for this function use givens",
            )
        )
    if isinstance(variable, Constant):
        raise TypeError(f"the constant {operand_text(variable)} cannot be an input")


def read_outputs(outputs: Any) -> tuple[list[Variable], str, list[Any]]:
    """The variables, in which form they are handed out, and the keys of a dict."""
    if outputs is None:
        return [], "none", []
    if isinstance(outputs, Mapping):
        for key in outputs:
            if not isinstance(key, str):
                raise TypeError(f"keys of a dict of outputs are strings, not {key!r}")
        keys = sorted(outputs)
        return [as_output(outputs[key]) for key in keys], "dict", keys
    if isinstance(outputs, (list, tuple)):
        return [as_output(one) for one in outputs], "list", []
    return [as_output(outputs)], "one", []


def read_pairs(pairs: Pairs, what: str) -> list[tuple[Any, Any]]:
    """A mapping, pairs, or one bare pair, as a list of pairs."""
    if pairs is None:
        return []
    if isinstance(pairs, Mapping):
        return list(pairs.items())
    if isinstance(pairs, Variable) or not isinstance(pairs, Iterable):
        raise TypeError(
            message(
                f"{what} are a dict or a list of pairs, not {pairs!r:.60}",
                cure=f"write {what}=[(variable, expression), ...]",
            )
        )
    listed = list(pairs)
    if len(listed) == 2 and isinstance(listed[0], Variable):
        return [(listed[0], listed[1])]
    for pair in listed:
        if not (isinstance(pair, (tuple, list)) and len(pair) == 2):
            raise TypeError(
                message(
                    f"{what} are a dict or a list of pairs; got {pair!r:.60} among them",
                    cure=f"write {what}=[(variable, expression), ...]",
                )
            )
    return [(pair[0], pair[1]) for pair in listed]


# ---- givens


def read_givens(givens: Pairs) -> dict[Variable, Variable]:
    replace: dict[Variable, Variable] = {}
    for old, new in read_pairs(givens, "givens"):
        if not isinstance(old, Variable):
            raise TypeError(
                message(
                    f"givens replaces variables; {old!r:.60} is a {type(old).__name__}",
                    cure="use the variable itself as the key, not its name",
                )
            )
        if old in replace:
            raise ValueError(f"givens replaces {operand_text(old)} twice")
        replace[old] = fit(new, old, "given")
    return replace


def warn_of_unused_givens(
    replace: Mapping[Variable, Variable], written: Sequence[Variable]
) -> None:
    """Of what is replaced, and stands in nothing that is asked for: often a variable of
    another graph."""
    if not replace:
        return
    found = set(ancestors(written))
    by_default = [_default_update(v) for v in found]
    found.update(ancestors([v for v in by_default if v is not None]))
    for variable in replace:
        if variable not in found:
            text = message(
                f"givens replaces {operand_text(variable)}, which no output or update needs",
                cure="remove it, or pass on_unused_input='ignore'",
            )
            warnings.warn(text, stacklevel=5)


# ---- updates


def read_updates(updates: Pairs) -> dict[SharedVariable, Any]:
    found: dict[SharedVariable, Any] = {}
    for target, value in read_pairs(updates, "updates"):
        if not isinstance(target, SharedVariable):
            raise TypeError(
                message(
                    f"updates change shared variables; {target!r:.60} is none",
                    cure="make it with symnet.shared(value), or return the new value "
                    "as an output",
                )
            )
        if target in found:
            raise ValueError(f"updates change {operand_text(target)} twice")
        found[target] = as_replacement(value, target, "updated with")
    return found


def _default_update(leaf: Variable) -> Variable | None:
    update = getattr(leaf, "default_update", None)
    return None if update is None else as_replacement(update, leaf, "updated with")


def fit_updates(targets: Collection[SharedVariable], asked: Graph) -> Graph:
    """What is asked for, with the updates of these variables, which come last, as they fit
    into them."""
    count = len(asked.outputs) - len(targets)
    news = asked.outputs[count:]
    fitted = [fit(v, s, "updated with") for s, v in zip(targets, news, strict=True)]
    if all(map(is_, fitted, news)):
        return asked
    return Graph((), [*asked.outputs[:count], *fitted])


def add_default_updates(
    chosen: dict[SharedVariable, Variable],
    asked: Graph,
    leave_out: Any,
    replace: Mapping[Variable, Variable],
    ins: Sequence[In],
) -> bool:
    """Add the default updates of the shared variables in use (random streams), of which
    those are not from which only inputs are made; whether there are any.

    A stream that a loop draws from goes on where the loop stopped.
    """
    if leave_out is True:
        return False
    if leave_out and not isinstance(leave_out, (list, tuple, set, frozenset)):
        raise TypeError(
            message(
                "no_default_updates is True, False or a list of shared variables, not "
                f"{leave_out!r:.60}",
                cure="write no_default_updates=[w]",
            )
        )
    skipped = set(leave_out) if leave_out else set()
    looked_at: set[Variable] = set()
    # What an input is made of is not needed.
    cuts = [one.variable for one in ins if one.variable.owner is not None]
    pending = Graph(cuts, asked.outputs) if cuts else asked
    before = len(chosen)
    while pending.outputs:
        fresh: list[Variable] = []
        carried = carried_updates(pending.toposort())
        for leaf in pending.leaves():
            update = _default_update(leaf)
            if (
                not isinstance(leaf, SharedVariable)
                or update is None
                or leaf in looked_at
            ):
                continue
            looked_at.add(leaf)
            if leaf not in skipped and leaf not in chosen:
                if leaf in carried:
                    warn_of_forgotten(leaf, carried[leaf])
                    chosen[leaf] = carried[leaf]
                else:
                    (chosen[leaf],) = clone_replace([update], replace)
                fresh.append(chosen[leaf])
        pending = Graph(cuts, fresh)
    return len(chosen) > before


def unite_clones(targets: Collection[SharedVariable], asked: Graph) -> Graph:
    """One variable for all that share a store: what is written is read by all of them.

    Raises: ValueError where a value is updated by way of two variables.
    """
    first: dict[Store, SharedVariable] = {}
    twins: dict[Variable, Variable] = {}
    for leaf in [*targets, *asked.leaves()]:
        if isinstance(leaf, SharedVariable):
            keep = first.setdefault(leaf.store, leaf)
            if keep is not leaf:
                twins[leaf] = keep
    if not twins:
        return asked
    for target in targets:
        if target in twins:
            raise ValueError(
                f"updates change {operand_text(target)} twice: it is a clone"
            )
    return Graph((), clone_replace(asked.outputs, twins))


def cut_at_inputs(ins: list[In], asked: Graph) -> tuple[list[In], Graph]:
    """Inputs that are results of operations become leaves: a call brings their values."""
    cuts = {i.variable: i.variable.clone() for i in ins if i.variable.owner is not None}
    if not cuts:
        return ins, asked
    fresh = [copy(one) for one in ins]
    for one in fresh:
        one.variable = cuts.get(one.variable, one.variable)
    return fresh, Graph((), clone_replace(asked.outputs, cuts))


def read_states(
    ins: Sequence[In],
    replace: dict[Variable, Variable],
    changes: dict[SharedVariable, Any],
) -> list[tuple[In, SharedVariable | None]]:
    """Inputs with an update, or with a state of another function as their value, keep it
    between calls: each becomes shared.  All inputs in their order, with that variable."""
    order: list[tuple[In, SharedVariable | None]] = []
    for one in ins:
        kept = isinstance(one.value, Container) and one.value.state is not None
        if one.update is None and not kept:
            order.append((one, None))
            continue
        if one.value is None:
            raise ValueError(
                f"{one}: an input with an update needs a value to start from"
            )
        state = _state(one)
        replace[one.variable] = state
        if one.update is not None:
            changes[state] = as_replacement(one.update, one.variable, "updated with")
        order.append((one, state))
    return order


def _state(one: In) -> SharedVariable:
    """A shared variable for an input: of the value's own store, or of a new one."""
    kind, value = one.variable.type, one.value
    shared = value.state if isinstance(value, Container) else value
    kept = SparseSharedVariable if isinstance(kind, SparseType) else SharedVariable
    if isinstance(shared, SparseSharedVariable):
        value = shared.get_value()
    elif isinstance(shared, SharedVariable):
        return SharedVariable(kind, shared.store, one.name)
    elif isinstance(value, Container):
        value = value.value
    start = kind.filter(value, allow_downcast=one.allow_downcast).copy()
    return kept(kind, start, one.name)


# ---- what is missing, what is not needed


def check_inputs(
    ins: Sequence[In],
    asked: Graph,
    replace: Mapping[Variable, Variable],
    on_unused: str,
    written: Sequence[Variable],
) -> None:
    """written: what the user has asked for, before anything was replaced.

    Raises: MissingInputError, UnusedInputError; ValueError for a bad `on_unused`."""
    if on_unused not in ("raise", "warn", "ignore"):
        raise ValueError(
            f"on_unused_input is 'raise', 'warn' or 'ignore', not {on_unused!r}"
        )
    given = {one.variable for one in ins}
    if any(v.owner is not None for v in given):  # what they are made of is not needed
        asked = Graph(given, asked.outputs)
    used = set(asked.leaves())
    for leaf in used:
        if not isinstance(leaf, (Constant, SharedVariable)) and leaf not in given:
            raise MissingInputError(_missing(leaf, ins, asked.outputs))
    unused = [v for one in ins if (v := one.variable) not in used and one.value is None]
    if unused and on_unused != "ignore":
        named = inputs_asked(written)
        for variable in unused:
            if variable not in named:
                _unused(variable, on_unused, variable in replace)


def _missing(leaf: Variable, ins: Sequence[In], wanted: Sequence[Variable]) -> str:
    user = next((n for n in toposort(wanted) if leaf in n.inputs), None)
    names = [one.variable.name for one in ins if one.variable.name]
    meant = near(leaf.name or "", names, 1)
    hint = f" (did you mean {meant[0]}? It is another variable)" if meant else ""
    return message(
        f"{operand_text(leaf)} is needed, but it is neither an input nor given{hint}",
        operation=user.op if user is not None else None,
        origin=user.origin if user is not None else None,
        cure=f"add it to the inputs, or say givens={{{leaf}: value}}",
    )


def _unused(variable: Variable, on_unused: str, replaced: bool) -> None:
    why = "givens replaces it" if replaced else "no output or update needs it"
    text = message(
        f"the input {operand_text(variable)} is not used: {why}",
        cure="remove it from the inputs, or pass on_unused_input='ignore'",
    )
    if on_unused == "raise":
        raise UnusedInputError(text)
    warnings.warn(text, stacklevel=5)


def check_swaps(swaps: Mapping[Any, Any], used: Iterable[SharedVariable]) -> None:
    """Warn of variables to be exchanged that a function does not use.

    Raises: TypeError where one is replaced by something of another type.
    """
    known = set(used)
    for old, new in swaps.items():
        if not (isinstance(new, SharedVariable) and new.type == old.type):
            raise TypeError(
                message(
                    f"swap: {operand_text(old)} by {operand_text(new)}",
                    cure="exchange shared variables of one dtype and rank",
                )
            )
        if old not in known:
            warnings.warn(
                f"swap exchanges {operand_text(old)}, which the function does not use",
                stacklevel=3,
            )
