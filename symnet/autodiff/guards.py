"""Guards: what a choice left out gives no gradient, whatever its derivative is.

In `switch(x > 0, sqrt(x), 0)` the gradient of sqrt(x) is zero where x is not positive, and
the derivative there is infinite or NaN; their product would be NaN.  So the gradients of
the backward walk carry a mask from the choice on (`switch`, `maximum`, `clip`, a maximum
over an axis, set_subtensor, an index, which chooses what it picks): where it is False
nothing was chosen, and the gradient is zero.  A factor that is 0 is no choice.
Elementwise operations keep elements apart, so it is enough to put the zeros back once,
behind a chain of them: before elements are mixed (a sum, a product, another gradient
added) and where the walk ends.  Linear operations keep a zero a zero; behind them nothing
is put back, and the gradient of a relu costs what it did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symnet.autodiff.masks import (
    EVERYWHERE,
    MOVES,
    SAME,
    Mask,
    both,
    either,
    moved,
    picked,
    through,
    where_true,
    written_over,
)
from symnet.autodiff.singular import (
    CLEAN,
    FINITE,
    SINGULAR,
    derivative_state,
    is_finite,
    is_zero,
)
from symnet.data_classes import dataclass
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Variable
from symnet.ops.arithmetic import add, identity, mul, neg, second, switch, true_div
from symnet.ops.elementwise import Cast, Elementwise
from symnet.ops.joining import Split
from symnet.ops.shape import DimShuffle
from symnet.ops.sparse.sparse_arithmetic import add as add_sparse
from symnet.ops.sparse.sparse_type import is_sparse

# ---- what is known of one gradient


@dataclass(frozen=True, slots=True)
class Guard:
    """The mask of a gradient, and what stands where it is False."""

    mask: Mask
    state: int


class Guards:
    """The guards of the gradients of one walk."""

    def __init__(self) -> None:
        self.of: dict[Variable, Guard] = {}  # by the variable whose gradient it is

    def clean(self, v: Variable, gradient: Variable) -> Variable:
        """The gradient of `v` with its zeros put back."""
        guard = self.of.get(v)
        if guard is None:
            return gradient
        self.of[v] = Guard(guard.mask, CLEAN)
        return cleaned(gradient, guard)

    def added(
        self, v: Variable, present: Variable, term: Variable, guard: Guard | None
    ) -> Variable:
        """The sum of two gradients of `v`, of which `guard` guards the second."""
        have = self.of.pop(v, None)
        if have is None and guard is None:
            return total(present, term)
        if have is not None and guard is not None and have.mask is guard.mask:
            self.of[v] = Guard(have.mask, max(have.state, guard.state))
            return add(present, term)
        if have is not None and guard is not None:
            self.of[v] = Guard(either(have.mask, guard.mask), CLEAN)
        return total(cleaned(present, have), cleaned(term, guard))


def total(left: Variable, right: Variable) -> Variable:
    """The sum of two gradients, of which either may be sparse."""
    if is_sparse(left) or is_sparse(right):
        return add_sparse(left, right)
    found: Variable = add(left, right)
    return found


def choice_of(gradient: Variable) -> Mask | None:
    """The mask of a gradient that is a choice between something and zero."""
    return _choice_in(gradient, None)[0]


def cleaned(gradient: Variable, guard: Guard | None) -> Variable:
    """The gradient with zeros where the guard says so."""
    if guard is None or not isinstance(gradient.type, TensorType):
        return gradient
    behind = {SINGULAR: guard.mask, FINITE: guard.mask.strong}
    mask = behind.get(guard.state)
    return gradient if mask is None else switch(mask.variable, gradient, 0)


# ---- from an operation's result to its operands


def mixes(node: Apply, guard: Guard | None) -> bool:
    """Whether the operation's gradient mixes elements, so that zeros must be there."""
    if guard is None or isinstance(node.op, (Elementwise, *SAME)):
        return False
    return not all(guard.mask.ones)


def passed_on(
    node: Apply,
    outputs: Sequence[Variable],
    handed: Sequence[Variable],
    guards: Mapping[Variable, Guard],
    k: int,
    term: Any,
) -> Guard | None:
    """The guard of operand k's gradient, as L_op gave it (`term`), at the result's shape."""
    if not isinstance(term, Variable) or not isinstance(term.type, TensorType):
        return None
    guard = _shared(outputs, guards)
    single = len(outputs) == 1
    own, source = _choice_in(term, handed[0] if single else None)
    own = own or written_over(node, outputs, k)
    if guard is None or all(guard.mask.ones):
        own = own or picked(node, outputs, handed, k)
    if guard is not None:
        carried = through(node, outputs, k, guard.mask)
    elif isinstance(node.op, Split) and any(v in guards for v in outputs):
        own = None  # its pieces say more
        guard = Guard(moved(node, outputs, k, _flags(outputs, handed, guards)), CLEAN)
        carried = guard.mask
    else:
        carried = None
    mask = both(carried, own)
    if mask is None:
        return None
    if carried is None or guard is None:
        return Guard(mask, CLEAN)
    kept = source or isinstance(node.op, MOVES)
    return Guard(mask, max(guard.state, CLEAN if kept else derivative_state(node)))


def _flags(
    outputs: Sequence[Variable],
    handed: Sequence[Variable],
    guards: Mapping[Variable, Guard],
) -> list[Mask | None]:
    """The masks of several results."""
    masks = [guards[v].mask if v in guards else EVERYWHERE for v in outputs]
    return [
        m if isinstance(g.type, TensorType) else None for m, g in zip(masks, handed)
    ]


def _shared(
    outputs: Sequence[Variable], guards: Mapping[Variable, Guard]
) -> Guard | None:
    """The guard of an operation's results, where it is one for all of them."""
    found = [guards.get(v) for v in outputs]
    first = found[0]
    if first is None or any(g is None or g.mask is not first.mask for g in found):
        return None
    return Guard(first.mask, max(g.state for g in found if g is not None))


def _choice_in(term: Variable, gradient: Variable | None) -> tuple[Mask | None, bool]:
    """The choice that a gradient begins with (`switch(c, g, 0)`, as it may be negated,
    scaled, ...), and whether it is otherwise the result's gradient itself."""
    mask: Mask | None = None
    while term is not gradient:
        node = term.owner
        if node is None:
            return mask, False
        op, inputs = node.op, node.inputs
        if op in (neg, identity) or isinstance(op, (Cast, DimShuffle)):
            if mask is not None and isinstance(op, DimShuffle):
                return mask, False
            term = inputs[0]
        elif op == second:
            term = inputs[1]
        elif op == switch and any(map(is_zero, inputs[1:])):
            first = is_zero(inputs[2])
            mask = both(mask, where_true(inputs[0], first))
            term = inputs[1] if first else inputs[2]
        elif op == mul and any(map(is_finite, inputs)):
            term = inputs[0] if is_finite(inputs[1]) else inputs[1]
        elif op == true_div and is_finite(inputs[1]) and not is_zero(inputs[1]):
            term = inputs[0]
        else:
            return mask, False
    return mask, True
