"""The backward walk: gradients of all variables of a graph, as ordinary variables.

Each op's `L_op` gives the gradients of its inputs from those of its outputs.  Here they
are added up, broadcasting is undone, what a choice left out stays zero (see
`symnet.guards`), and a gradient of zero is told from one that is not connected or not
defined:
    None                        zero everywhere
    a DisconnectedType variable the op's result does not depend on that input's value
    a NullType variable         the derivative does not exist, or nobody wrote it
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from symnet.autodiff.guards import Guard, Guards, cleaned, mixes, passed_on
from symnet.autodiff.masks import Mask, narrowed
from symnet.autodiff.singular import CLEAN
from symnet.graph.evaluate import retold
from symnet.graph.origin import inherit
from symnet.graph.traverse import toposort
from symnet.graph.types import (
    COMPLEX,
    FLOATS,
    INTEGERS,
    DisconnectedType,
    NullType,
    TensorType,
)
from symnet.graph.variables import Apply, Variable, make_variable
from symnet.ops.arithmetic import identity, second
from symnet.ops.base import as_tensor, constant
from symnet.ops.complex_parts import real
from symnet.ops.elementwise import Elementwise, cast
from symnet.ops.ifelse.branches import absorbed
from symnet.ops.pushing import pulled
from symnet.ops.reduce import sum as sum_over
from symnet.ops.shape import dimshuffle
from symnet.ops.sparse.conversions import sp_zeros_like
from symnet.ops.sparse.entrywise import cast as sparse_cast
from symnet.ops.sparse.sparse_type import is_sparse
from symnet.ops.users import checked_pattern, is_disconnected
from symnet.ops.users import gradients as gradients_of
from symnet.rewriting.bypassed import remember, remember_through
from symnet.rewriting.stable import stable_forms

CONTINUOUS = FLOATS + COMPLEX
DISCRETE = (*INTEGERS, "bool")


class Terms(dict[Variable, Variable | None]):
    """What is known of gradients.  Absent: not connected; None: zero.

    retrace: the same walk through the graph as it was written, to tell where it broke.
    masks: of the gradients that carry one (see `symnet.guards`).
    """

    retrace: Callable[[], Terms] | None = None

    def __init__(self) -> None:
        super().__init__()
        self.masks: dict[Variable, Mask] = {}


def is_null(term: Variable | None) -> bool:
    """Whether it stands for a gradient that is not defined."""
    return term is not None and isinstance(term.type, NullType)


# ---- the walk


def backpropagate(
    seeds: Sequence[tuple[Variable, Variable]],
    wrt: Sequence[Variable],
    consider_constant: Iterable[Variable] = (),
    known: Mapping[Variable, Variable] | None = None,
    ends: Iterable[Variable] = (),
    masks: Sequence[Mask | None] = (),
    kept: Iterable[Variable] = (),
) -> Terms:
    """Gradients of all variables between the seeds and `wrt`.

    seeds: variables and the gradients to start from (added to what flows in).
    consider_constant: variables that pass nothing on; one of `wrt` among them gets its
        own gradient.
    known: variables whose gradient is as given, whatever flows in.
    ends: variables that get a gradient but pass nothing on.
    masks: for each seed where it is zero because something else was chosen (see
        `symnet.guards`); () if none is.  One variable may have several seeds.
    kept: other variables that the caller names.
    The graph is walked in its stable form (see `rewriting.stable`), in which all the
    variables named here stay where they are.
    The cost is linear in the number of operations; each op's L_op is called once.
    """
    known = dict(known or {})
    constants = set(consider_constant)
    stop = constants - set(wrt)
    sources = [*(v for v, _ in seeds), *known]
    fixed = constants | set(ends)
    named = [*sources, *wrt, *fixed, *kept]
    forms = stable_forms(sources, named, fixed)
    guarding = [None if mask is None else Guard(mask, CLEAN) for mask in masks]
    order = _order(sources, fixed, forms)
    terms = _walk(seeds, wrt, stop, known, order, named, guarding)
    handed_in = {*known.values(), *(seed for _, seed in seeds)}
    found = [g for v in wrt if (g := terms.get(v)) is not None]
    made = [g for g in found if g not in handed_in]
    remember_through(made, terms)
    if forms:
        plain = toposort(sources, blockers=fixed)
        terms.retrace = lambda: _walk(seeds, wrt, stop, known, (plain, {}), named)
        remember(made, forms)
    return terms


Order = tuple[list[Apply], dict[Apply, Sequence[Variable]]]


def _order(
    sources: Sequence[Variable],
    fixed: Collection[Variable],
    forms: Mapping[Variable, Variable],
) -> Order:
    """The operations that `sources` need, where forms stand for the making of variables;
    and the variables in whose place a form is, by an operation that passes it on."""
    if not forms:
        return toposort(sources, blockers=fixed), {}
    order: dict[Apply, None] = {}
    made: dict[Apply, Sequence[Variable]] = {}
    blockers = {*fixed, *forms}
    for v, form in forms.items():
        order.update(dict.fromkeys(toposort([form], blockers)))
        with inherit(v.origin):
            passed = identity.make_node(form)
        order[passed] = None
        made[passed] = [v]
    order.update(dict.fromkeys(toposort(sources, blockers)))
    return list(order), made


def _walk(
    seeds: Sequence[tuple[Variable, Variable]],
    wrt: Sequence[Variable],
    stop: Collection[Variable],
    known: Mapping[Variable, Variable],
    ordered: Order,
    named: Sequence[Variable],
    given: Sequence[Guard | None] = (),
) -> Terms:
    """The gradients, from the last of the ordered operations to the first.

    given: the guards of the seeds; () if none has one.
    """
    order, stand_ins = absorbed(ordered[0], named)
    made = {node: node.outputs for node in order} | ordered[1]
    made |= {node: whole.outputs for node, whole in stand_ins.items()}
    useful = _leads_to(set(wrt), order, made)
    terms = Terms()
    guards = Guards()
    for (v, seed), guard in zip(seeds, given or [None] * len(seeds), strict=True):
        if v not in stop:
            _add_term(terms, guards, v, seed, guard)
    terms.update(known)
    for node in reversed(order):
        if not any(v in terms for v in made[node]):
            continue
        wanted = [v in useful and v not in stop and v not in known for v in node.inputs]
        with inherit(node.origin, "gradient"), told_by(node):
            found, guarding = _pull_back(node, made[node], terms, guards, wanted)
            for v, want, term, guard in zip(node.inputs, wanted, found, guarding):
                if v not in stop and v not in known and not is_disconnected(term):
                    _add_term(terms, guards, v, term if want else None, guard)
    for v, one in guards.of.items():
        if v not in known and (gradient := terms[v]) is not None:
            terms[v] = cleaned(gradient, one)
            terms.masks[v] = one.mask
    return terms


def _leads_to(
    wrt: set[Variable],
    order: Sequence[Apply],
    made: Mapping[Apply, Sequence[Variable]],
) -> set[Variable]:
    """The variables through which something flows back to `wrt`.  An integer passes
    nothing on."""
    useful = set(wrt)
    for node in order:
        if any(v in useful for v in node.inputs):
            useful.update(v for v in made[node] if _dtype(v) not in DISCRETE)
    return useful


def _pull_back(
    node: Apply,
    outputs: Sequence[Variable],
    terms: Terms,
    guards: Guards,
    wanted: Sequence[bool],
) -> tuple[list[Variable | None], list[Guard | None]]:
    """The gradients of a node's inputs, checked, at the inputs' shapes and dtypes; and
    their guards.

    outputs: the variables that stand for the node's outputs in the graph.
    """
    unguarded: list[Guard | None] = [None] * node.nin
    gradients = [terms.get(v) for v in outputs]
    null = next(filter(is_null, gradients), None)
    if null is not None:
        return _where_connected(node, null, outputs, terms), unguarded
    flows = any(
        g is not None and _dtype(v) not in DISCRETE for v, g in zip(outputs, gradients)
    )
    if not flows or not any(wanted):
        return _where_connected(node, None, outputs, terms), unguarded
    for v, gradient in zip(outputs, gradients):
        if gradient is not None and (
            mixes(node, guards.of.get(v)) or node.op.looks_for_choices
        ):
            terms[v] = guards.clean(v, gradient)
    handed = [_handed(v, terms) for v in outputs]
    try:
        results = _of_inputs(node, outputs, handed, guards)
    except NotImplementedError as error:
        why = str(error) or f"{node.op} has no gradient"
        return _where_connected(node, NullType(why)(), outputs, terms), unguarded
    found = [
        _fitted(node, outputs, handed, guards, k, term)
        if want or is_disconnected(term)
        else (None, None)
        for k, (term, want) in enumerate(zip(results, wanted))
    ]
    return [term for term, _ in found], [guard for _, guard in found]


def _of_inputs(
    node: Apply,
    outputs: Sequence[Variable],
    handed: Sequence[Variable],
    guards: Guards,
) -> Sequence[Any]:
    """What L_op gives.  One with a graph inside gets the masks, for the walk through it."""
    pushed = pulled(node, outputs, handed)
    if pushed is not None:
        return pushed
    if not node.op.looks_for_choices:
        return gradients_of(node, outputs, handed)
    masks = [guards.of[v].mask if v in guards.of else None for v in outputs]
    results: Sequence[Any] = node.op.L_op(node.inputs, outputs, handed, masks)
    return results


def _fitted(
    node: Apply,
    outputs: Sequence[Variable],
    handed: Sequence[Variable],
    guards: Guards,
    k: int,
    term: Any,
) -> tuple[Variable | None, Guard | None]:
    """The gradient of operand k from what L_op gave, at its shape and dtype, and its guard."""
    v = node.inputs[k]
    guard = passed_on(node, outputs, handed, guards.of, k, term)
    if guard is not None and isinstance(v.type, TensorType):
        wide = outputs[0].type if isinstance(node.op, Elementwise) else term.type
        if _is_summed(term, v):
            term, guard = cleaned(term, guard), Guard(guard.mask, CLEAN)
        mask = narrowed(guard.mask, wide.shape, v.type.shape)
        guard = Guard(mask, guard.state)
    return _fit(term, v), guard


def _is_summed(term: Variable, v: Variable) -> bool:
    """Whether the gradient is summed to undo broadcasting."""
    shape, target = term.type.shape, v.type.shape
    sizes = zip(reversed(shape), reversed(target))
    return len(shape) > len(target) or any(b == 1 and a != 1 for a, b in sizes)


def _where_connected(
    node: Apply, term: Variable | None, outputs: Sequence[Variable], terms: Terms
) -> list[Variable | None]:
    """`term` for each input that an output with a gradient depends on."""
    reached = [v in terms for v in outputs]
    return [
        term if any(a and b for a, b in zip(row, reached)) else DisconnectedType()()
        for row in checked_pattern(node, node.op.connection_pattern(node))
    ]


def _handed(v: Variable, terms: Terms) -> Variable:
    """The gradient of an output as L_op gets it: always a variable."""
    if v not in terms:
        return make_variable(DisconnectedType())
    gradient = terms[v]
    return zero_gradient(v) if gradient is None else gradient


def _fit(term: Any, v: Variable) -> Variable | None:
    """A gradient as it came from L_op, at the shape and dtype of its variable."""
    if term is None:
        return None
    gradient = term if isinstance(term, Variable) else as_tensor(term)
    if is_sparse(gradient) and v.type.dtype in CONTINUOUS:
        return sparse_cast(gradient, v.type.dtype)
    if not isinstance(gradient.type, TensorType) or not isinstance(v.type, TensorType):
        return gradient
    if gradient.type.dtype in COMPLEX and v.type.dtype not in COMPLEX:
        gradient = real(gradient)  # the imaginary part moves no real variable
    if v.type.dtype in CONTINUOUS:
        gradient = cast(gradient, v.type.dtype)
    elif gradient.type.dtype not in CONTINUOUS:
        gradient = cast(gradient, "floatX")
    return sum_to(gradient, v)


def _add_term(
    terms: Terms,
    guards: Guards,
    v: Variable,
    term: Variable | None,
    guard: Guard | None = None,
) -> None:
    present = terms.get(v)
    if present is None:
        terms[v] = term
        if guard is not None:
            guards.of[v] = guard
    elif term is not None and not isinstance(present.type, NullType):
        undefined = isinstance(term.type, NullType)
        terms[v] = term if undefined else guards.added(v, present, term, guard)


def _dtype(v: Variable) -> str | None:
    return getattr(v.type, "dtype", None)


def sum_to(gradient: Variable, variable: Variable) -> Variable:
    """Undo broadcasting: sum `gradient` over the axes along which `variable` was
    stretched.  One that is smaller than `variable` is stretched to it.

    Shapes: the result has the shape of `variable`.
    """
    shape, target = gradient.type.shape, variable.type.shape
    if shape == target:
        return gradient
    extra = len(shape) - len(target)
    stretched = [
        extra + k for k, size in enumerate(target)
        if size == 1 and extra + k >= 0 and shape[extra + k] != 1
    ]  # fmt: skip
    axes = [*range(extra), *stretched]
    if axes:
        gradient = sum_over(gradient, axis=axes)
        if stretched:
            kept = iter(range(gradient.type.ndim))
            pattern: list[int | str] = [
                "x" if extra + k in stretched else next(kept)
                for k in range(len(target))
            ]
            gradient = dimshuffle(gradient, *pattern)
    shape = gradient.type.shape
    if len(shape) < len(target) or any(
        a == 1 and b != 1 for a, b in zip(shape, target)
    ):
        gradient = second(variable, gradient)
    return gradient


def zero_gradient(v: Variable) -> Variable:
    """Zeros of the shape of `v`; floats where `v` is an integer."""
    dtype = _dtype(v)
    floats = TensorType(dtype if dtype in CONTINUOUS else "floatX").dtype
    if is_sparse(v):
        return sparse_cast(sp_zeros_like(v), floats)
    zero = constant(0, dtype=floats)
    return zero if v.type.ndim == 0 else second(v, zero)


def stretched(v: Variable, gradient: Variable) -> Variable:
    """What fits as a gradient of `v`, with its axes, and a float, where it is less."""
    if not (isinstance(gradient.type, TensorType) and isinstance(v.type, TensorType)):
        return gradient
    have, want = gradient.type.shape, v.type.shape
    dtype = v.type.dtype if v.type.dtype in CONTINUOUS else TensorType("floatX").dtype
    ones = any(a == 1 != b for a, b in zip(reversed(have), reversed(want)))
    if ones or len(have) < len(want):
        return cast(second(v, gradient), dtype)
    return cast(gradient, dtype) if gradient.type.dtype in DISCRETE else gradient


# ---- where a gradient breaks


@contextmanager
def told_by(node: Apply) -> Iterator[None]:
    """Errors in here, where the gradient of an operation is made, name the operation and
    the user's line that applied it."""
    try:
        yield
    except Exception as error:
        known = "\n".join([str(error), *getattr(error, "__notes__", ())])
        if "in the gradient of" in known or f": {node.origin}" in known:
            raise  # it is an operation inside, or says so itself
        text = f"{error}\n  in the gradient of: {node.op}\n  your line: {node.origin}"
        raise retold(error, text) from error.__cause__


def path_to(sources: Sequence[Variable], target: Variable) -> list[Variable]:
    """A shortest way from one of `sources` back to `target`; empty where there is none."""
    came_from: dict[Variable, Variable | None] = dict.fromkeys(sources)
    queue = deque(sources)
    while queue and target not in came_from:
        v = queue.popleft()
        for below in v.owner.inputs if v.owner else ():
            if below not in came_from:
                came_from[below] = v
                queue.append(below)
    path: list[Variable] = []
    step: Variable | None = target if target in came_from else None
    while step is not None:
        path.append(step)
        step = came_from[step]
    return path[::-1]


def path_lines(sources: Sequence[Variable], target: Variable) -> list[str]:
    """The way from the cost to `target`, one operation a line, at most ten lines."""
    nodes = [v.owner for v in path_to(sources, target)[:-1] if v.owner]
    lines = [f"    {node.op}  ({node.origin})" for node in nodes]
    if len(lines) > 9:
        lines = [*lines[:4], f"    ... {len(lines) - 8} more operations", *lines[-4:]]
    return ["  the way from the cost to it:", *lines] if lines else []


def cure_of_disconnected(v: Variable) -> str:
    """What to do about a gradient by what the cost does not depend on."""
    if v.owner is not None:
        return (
            "an expression, as x[0], is a new variable each time that it is written: name it "
            "once and compute the cost from it, or take the gradient by its operand, as "
            "grad(cost, x)[0]"
        )
    return (
        "check that the cost is computed from this very variable, or pass "
        "disconnected_inputs='ignore' to get zeros"
    )
