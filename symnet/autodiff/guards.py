"""Guards: what a choice left out gives no gradient, whatever its derivative is.

In `switch(x > 0, sqrt(x), 0)` the gradient of sqrt(x) is zero where x is not positive, and
the derivative there is infinite or NaN; their product would be NaN.  So the gradients of
the backward walk carry a mask from the choice on (`switch`, `maximum`, `clip`, a maximum
over an axis, set_subtensor): where it is False nothing was chosen, and the gradient is
zero.  Elementwise operations keep elements apart, so it is enough to put the zeros back
once, behind a chain of them: before elements are mixed (a sum, a product, another
gradient added) and where the walk ends.  Linear operations keep a zero a zero; behind
them nothing is put back, and the gradient of a relu costs what it did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symnet.graph.types import DisconnectedType, TensorType
from symnet.graph.variables import Apply, Constant, Variable
from symnet.ops.advanced import AdvancedIncSubtensor, AdvancedSubtensor
from symnet.ops.alloc import Alloc
from symnet.ops.arithmetic import (
    absolute,
    add,
    and_,
    identity,
    invert,
    maximum,
    mul,
    neg,
    neq,
    or_,
    pow,
    second,
    sqr,
    sqrt,
    sub,
    switch,
    true_div,
)
from symnet.ops.barriers import Barrier
from symnet.ops.base import constant
from symnet.ops.checks import Checked
from symnet.ops.cumulative import Cumulative
from symnet.ops.diagonal import Diagonal, WriteDiagonal
from symnet.ops.elementwise import REGISTRY, Cast, Elementwise, cast
from symnet.ops.joining import Join, Split
from symnet.ops.linalg.products import BatchedDot, Dot
from symnet.ops.nnet.logsumexp import LogSumExp
from symnet.ops.nnet.softmax import AlongAxis
from symnet.ops.print_values import Print
from symnet.ops.reduce import Reduce
from symnet.ops.reduce import any as any_over
from symnet.ops.shape import DimShuffle, Reshape, dimshuffle
from symnet.ops.sizes import ForgetShape, MakeVector, ShapeI, SpecifyShape
from symnet.ops.sorting import Sort
from symnet.ops.subtensor import IncSubtensor, Subtensor

# ---- masks


class Mask:
    """Where a gradient flows (True) and where nothing was chosen (False): a bool array
    that broadcasts to the gradient.  Its operations are made when it is first needed.

    ones: for each axis whether the mask is known to have size 1 there.
    weak: it came across other operations than elementwise ones; its zeros are put back
    only behind derivatives that are infinite at finite places.
    """

    __slots__ = ("ones", "weak", "_make", "_variable")

    def __init__(
        self, ones: Sequence[bool], make: Callable[[], Variable], weak: bool = False
    ) -> None:
        self.ones = tuple(ones)
        self.weak = weak
        self._make = make
        self._variable: Variable | None = None

    @property
    def variable(self) -> Variable:
        if self._variable is None:
            self._variable = self._make()
        return self._variable

    def like(self, ones: Sequence[bool], order: Sequence[int | str]) -> Mask:
        """The mask with its axes in another order; "x" is a new one."""
        if list(order) == list(range(len(self.ones))):
            return self
        return Mask(ones, lambda: dimshuffle(self.variable, *order), self.weak)


def where_true(condition: Variable, true: bool) -> Mask:
    """The mask of a condition, or of its contrary."""

    def make() -> Variable:
        found: Variable = cast(condition, "bool")
        return found if true else invert(found)

    return Mask(condition.type.broadcastable, make)


EVERYWHERE = Mask((), lambda: constant(True))


def both(a: Mask | None, b: Mask | None) -> Mask | None:
    """Where both masks are True; None is True everywhere."""
    if a is None or b is None or a is b:
        return b if a is None else a
    left, right = a, b
    return Mask(
        _ones_together(a, b),
        lambda: and_(left.variable, right.variable),
        a.weak and b.weak,
    )


def either(a: Mask, b: Mask) -> Mask:
    """Where one of the masks is True."""
    return Mask(
        _ones_together(a, b),
        lambda: or_(a.variable, b.variable),
        a.weak or b.weak,
    )


def _ones_together(a: Mask, b: Mask) -> list[bool]:
    rank = max(len(a.ones), len(b.ones))
    return [x and y for x, y in zip(_padded(a.ones, rank), _padded(b.ones, rank))]


def _padded(ones: Sequence[bool], rank: int) -> list[bool]:
    return [True] * (rank - len(ones)) + list(ones)


def narrowed(mask: Mask, wide: Sequence[Any], narrow: Sequence[Any]) -> Mask:
    """The mask of a gradient that is summed from the shape `wide` to `narrow`, because
    that was stretched: True where any of the summed elements is."""
    rank = len(mask.ones)
    lost = max(rank - len(narrow), 0)
    sizes = {-k: n for k, n in enumerate(reversed(narrow), 1)}
    summed = [
        k for k in range(rank)
        if not mask.ones[k]
        and (k < lost or (sizes[k - rank] == 1 and wide[k - rank] != 1))
    ]  # fmt: skip
    if not summed and not lost:
        return mask
    ones = [one or k in summed for k, one in enumerate(mask.ones)][lost:]

    def make() -> Variable:
        found = mask.variable
        if summed:
            found = any_over(found, axis=summed, keepdims=True)
        return dimshuffle(found, *range(lost, rank)) if lost else found

    return Mask(ones, make, weak=mask.weak or bool(summed))


# ---- what is known of one gradient

# What may stand where the mask is False: zero; what finite derivatives make of it (NaN
# where an operand is not finite); what infinite ones do.
CLEAN, FINITE, SINGULAR = range(3)


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
            return add(present, term)  # type: ignore[no-any-return]
        if have is not None and guard is not None and have.mask is guard.mask:
            self.of[v] = Guard(have.mask, max(have.state, guard.state))
            return add(present, term)  # type: ignore[no-any-return]
        if have is not None and guard is not None:
            self.of[v] = Guard(either(have.mask, guard.mask), CLEAN)
        return add(cleaned(present, have), cleaned(term, guard))  # type: ignore[no-any-return]


def shown(gradient: Variable, guard: Guard | None) -> Variable:
    """The gradient as a choice, for an L_op that looks for one (see `choice_of`)."""
    if guard is None or choice_of(gradient) is not None:
        return cleaned(gradient, guard)
    return switch(guard.mask.variable, gradient, 0)  # type: ignore[no-any-return]


def choice_of(gradient: Variable) -> Mask | None:
    """The mask of a gradient that is a choice between something and zero."""
    return _choice_in(gradient, None)[0]


def cleaned(gradient: Variable, guard: Guard | None) -> Variable:
    """The gradient with zeros where the guard says so."""
    if guard is None or not isinstance(gradient.type, TensorType):
        return gradient
    weak = guard.mask.weak
    if guard.state == SINGULAR or (guard.state == FINITE and not weak):
        return switch(guard.mask.variable, gradient, 0)  # type: ignore[no-any-return]
    return gradient


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
    own = own or _written_over(node, outputs, k)
    if guard is not None:
        carried = _through(node, outputs, k, guard.mask)
    elif isinstance(node.op, Split) and any(v in guards for v in outputs):
        guard = Guard(_moved(node, outputs, k, _flags(outputs, handed, guards)), CLEAN)
        carried = guard.mask
    else:
        carried = None
    mask = both(carried, own)
    if mask is None:
        return None
    if carried is None or guard is None:
        return Guard(mask, CLEAN)
    kept = source or isinstance(node.op, MOVES)
    return Guard(mask, max(guard.state, CLEAN if kept else _derivative_state(node)))


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


def is_zero(variable: Variable) -> bool:
    return isinstance(variable, Constant) and not np.any(variable.data)


def is_finite(variable: Variable) -> bool:
    return isinstance(variable, Constant) and bool(np.isfinite(variable.data).all())


# ---- masks across operations

# The result is the first operand, with nothing mixed.
SAME = (Barrier, Checked, Print, SpecifyShape, ForgetShape)
# Each element of the result is one of an operand, or a sum of some: the mask goes back
# the way that the gradient goes.
MOVES = (
    Subtensor, AdvancedSubtensor, IncSubtensor, AdvancedIncSubtensor, Join, Reshape, Alloc,
    Diagonal, WriteDiagonal, MakeVector, Sort, Split,
)  # fmt: skip


def _through(
    node: Apply, outputs: Sequence[Variable], k: int, mask: Mask
) -> Mask | None:
    """The mask of operand k from that of the results; None: nothing is known."""
    op = node.op
    if isinstance(op, (Elementwise, *SAME)):
        return mask
    if all(mask.ones):  # one number for all of the gradient, whatever becomes of it
        return mask.like((), ())
    rank = outputs[0].type.ndim
    if isinstance(op, (Reduce, LogSumExp)):
        kept = [a for a in range(rank + len(op.axes)) if a not in op.axes]
        return _placed(mask, rank, kept, rank + len(op.axes))
    if isinstance(op, DimShuffle):
        below = node.inputs[0].type.ndim
        where = [int(a) if a != "x" else -1 for a in op.new_order]
        return _placed(mask, rank, where, below)
    if isinstance(op, (Dot, BatchedDot)):
        return _through_product(node, rank, k, mask)
    if isinstance(op, MOVES) or _is_running_sum(op):
        return _moved(node, outputs, k, [mask])
    if isinstance(op, AlongAxis):
        ones = _padded(mask.ones, rank)
        return mask if all(ones[axis] for axis in op.axes) else None
    return None


def _is_running_sum(op: Any) -> bool:
    return isinstance(op, Cumulative) and op.mode == "add"


def _placed(mask: Mask, rank: int, where: Sequence[int], below: int) -> Mask | None:
    """The mask with axis k of the result at axis `where[k]` (-1: nowhere) of `below`."""
    front = rank - len(mask.ones)
    source = {axis: k - front for k, axis in enumerate(where) if k >= front}
    if any(axis < 0 and not mask.ones[k] for axis, k in source.items()):
        return None
    order = [source.get(axis, "x") for axis in range(below)]
    ones = [o == "x" or mask.ones[int(o)] for o in order]
    return mask.like(ones, order)


def _through_product(node: Apply, rank: int, k: int, mask: Mask) -> Mask | None:
    """Rows of the left operand, columns of the right one, that only guarded results use."""
    ones = _padded(mask.ones, rank)
    vector = [v.type.ndim == 1 for v in node.inputs]
    if any(vector):
        if vector[k] or rank == 0:
            return None
        return (
            mask.like([*mask.ones, True], [*range(len(ones)), "x"]) if k == 0 else mask
        )
    return mask if ones[-1 - (k == 1)] or ones[-1 if k == 0 else -2] else None


def _moved(
    node: Apply, outputs: Sequence[Variable], k: int, masks: Sequence[Mask | None]
) -> Mask:
    """The mask of operand k of an operation that moves elements, from those of its
    results (None: not connected)."""
    v = node.inputs[k]

    def make() -> Variable:
        handed = [
            DisconnectedType()()
            if mask is None
            else second(out, cast(mask.variable, out.type.dtype))
            for out, mask in zip(outputs, masks, strict=True)
        ]
        term: Any = node.op.L_op(node.inputs, outputs, handed)[k]
        flags = neq(term, 0)
        found = Mask(flags.type.broadcastable, lambda: flags)
        return narrowed(found, term.type.shape, v.type.shape).variable

    weak = all(mask is not EVERYWHERE for mask in masks)
    return Mask(v.type.broadcastable, make, weak)


def _written_over(node: Apply, outputs: Sequence[Variable], k: int) -> Mask | None:
    """Where set_subtensor leaves its first operand as it is."""
    write = isinstance(node.op, (IncSubtensor, AdvancedIncSubtensor, WriteDiagonal))
    if not write or k != 0 or not node.op.set:
        return None
    return _moved(node, outputs, 0, [EVERYWHERE])


# ---- derivatives

# Their derivatives are finite at every finite place.
SMOOTH = (
    "mul", "sqr", "tanh", "sigmoid", "softplus", "sin", "cos", "arctan", "erf", "erfc",
    "abs", "mod", "sub", "add",
)  # fmt: skip
# Theirs are where the operand of that number is certainly positive.
POSITIVE = {
    "true_div": 1,
    "sqrt": 0,
    "log": 0,
    "reciprocal": 0,
    "pow": 0,
    "log2": 0,
    "log10": 0,
}
DEEPEST = 20  # how far below an operation is looked for what makes it positive


def _derivative_state(node: Apply) -> int:
    op = node.op
    if isinstance(op, (Dot, BatchedDot, *SAME)):
        return FINITE
    name = op.name if isinstance(op, Elementwise) else ""
    if name in SMOOTH or isinstance(op, Reduce):
        return FINITE
    exponent = node.inputs[1] if op == pow else None
    if isinstance(exponent, Constant) and bool((exponent.data >= 1).all()):
        return FINITE
    if name in POSITIVE and _is_positive(node.inputs[POSITIVE[name]], DEEPEST):
        return FINITE
    return SINGULAR


def _is_positive(v: Variable, depth: int) -> bool:
    """Whether `v` is certainly greater than zero, as far as it shows."""
    if isinstance(v, Constant):
        return bool((v.data > 0).all())
    node = v.owner
    if node is None or depth == 0:
        return False
    given = node.inputs
    if node.op in (add, maximum):
        one = any(_is_positive(a, depth - 1) for a in given)
        return one and (
            node.op == maximum or all(_is_nonnegative(a, depth - 1) for a in given)
        )
    if node.op == second:
        return _is_positive(given[1], depth - 1)
    if node.op == mul:
        return all(_is_positive(a, depth - 1) for a in given)
    if node.op == sqrt or isinstance(node.op, (DimShuffle, Cast)):
        return _is_positive(given[0], depth - 1)
    if node.op == sub:
        return is_zero(given[1]) and _is_positive(given[0], depth - 1)
    return isinstance(node.op, ShapeI)  # of no elements nothing is asked


def _is_nonnegative(v: Variable, depth: int) -> bool:
    """Whether `v` is certainly not less than zero, as far as it shows."""
    if isinstance(v, Constant):
        return bool((v.data >= 0).all())
    node = v.owner
    if node is None or depth == 0:
        return False
    given, op = node.inputs, node.op
    if op in (sqr, sqrt, absolute, *_NOT_NEGATIVE):
        return True
    if op == mul and given[0] is given[1]:
        return True
    if op in (add, mul, true_div):
        return all(_is_nonnegative(a, depth - 1) for a in given)
    if op == pow:
        return isinstance(given[1], Constant) and bool((given[1].data % 2 == 0).all())
    if isinstance(op, (DimShuffle, Cast)) or _is_sum(op):
        unsigned = given[0].type.dtype[0] in "bu"
        return unsigned or _is_nonnegative(given[0], depth - 1)
    if isinstance(op, ShapeI):
        return True
    if op == sub:
        return is_zero(given[1]) and _is_nonnegative(given[0], depth - 1)
    return op == second and _is_nonnegative(given[1], depth - 1)


_NOT_NEGATIVE = [REGISTRY[name] for name in ("exp", "sigmoid", "softplus")]


def _is_sum(op: Any) -> bool:
    return isinstance(op, Reduce) and op.kind in ("sum", "max", "min")
