"""The sizes of all arrays of a graph, as expressions over the call's host integers.

Worked out once, when a function is compiled.  What cannot be decided then (whether two
sizes agree, whether a position is in range) is kept as a `SizeGuard` for the call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

from symnet.data_classes import dataclass
from symnet.errors import ShapeError, message
from symnet.graph.inner import InnerGraph
from symnet.graph.types import FLOATS, TensorType
from symnet.graph.variables import Apply, Constant, Variable, operand_text
from symnet.kernels.loopir.scalars import Scalar, argument, binary, literal
from symnet.kernels.loopir.views import Size, choose, combine, known, size
from symnet.ops.base import TensorOp
from symnet.ops.lowerings import Host
from symnet.sizes.host_code import fold


class HostArgument(NamedTuple):
    """A host integer that a call provides: a size of a leaf (axis), or its value (None)."""

    leaf: Variable
    axis: int | None


@dataclass(frozen=True, eq=False)
class SizeGuard:
    """What must hold at a call: `condition`, else an error of `kind` saying `what`."""

    condition: Scalar
    what: str
    node: Apply | None
    kind: type[Exception]
    shown: tuple[Size, ...] = ()


class DataDependentSize(Exception):
    """A value that decides a size is known only after part of the program has run."""

    def __init__(self, variable: Variable) -> None:
        super().__init__(str(variable))
        self.variable = variable


class Inference:
    """Sizes and host values of the variables of one graph.  Implements `ops.lowerings.Sizes`.

    leaves: the variables that a call provides; everything else follows from them.
    """

    def __init__(self, leaves: Sequence[Variable]) -> None:
        self.arguments: list[HostArgument] = []
        self.demands: list[SizeGuard] = []
        self._sizes: dict[Variable, tuple[Size, ...]] = {}
        self._host: dict[Variable, Host | None] = {}
        self._done: dict[Scalar, Scalar] = {}  # host integers as they have been folded
        self._leaves = set(leaves)
        self._same: dict[Size, Size] = {}
        self._stands: dict[Variable, Variable] = {}  # inner leaf -> outer variable
        # The graphs inside an operation, with leaves of their own: (inputs, outputs).
        self.inner: dict[Apply, list[tuple[list[Variable], Sequence[Variable]]]] = {}
        self._bound: dict[Apply | None, list[Variable]] = {}
        self._in_loop = False
        self.node: Apply | None = None  # whose rule is asking; errors name it
        for leaf in leaves:
            self.add_leaf(leaf)

    def add_leaf(self, leaf: Variable) -> None:
        """From here on a call provides the sizes (and the value) of this variable."""
        self._leaves.add(leaf)
        self._host.pop(leaf, None)
        kind = leaf.type
        if not isinstance(kind, TensorType):
            return
        self._sizes[leaf] = tuple(
            size(n) if n is not None else self._argument(leaf, axis)
            for axis, n in enumerate(kind.shape)
        )

    def _argument(self, leaf: Variable, axis: int | None) -> Scalar:
        self.arguments.append(HostArgument(leaf, axis))
        return argument(len(self.arguments) - 1, "int64")

    # ---- sizes

    def sizes_of(self, variable: Variable) -> tuple[Size, ...]:
        """The sizes of `variable`.  Raises: DataDependentSize where only a run can tell."""
        if variable not in self._sizes:
            self._infer(variable)
        return self._sizes[variable]

    def _infer(self, variable: Variable) -> None:
        if isinstance(variable, Constant):
            self._sizes[variable] = tuple(size(n) for n in variable.data.shape)
            return
        known = self._sizes
        for node in _pending(variable, lambda v: v not in known):
            for v in node.inputs:
                if v not in known and isinstance(v, Constant):
                    known[v] = tuple(size(n) for n in v.data.shape)
            self._infer_node(node)

    def _infer_node(self, node: Apply) -> None:
        inputs = [self._sizes.get(v, ()) for v in node.inputs]
        outer, self.node = self.node, node
        if self.inner or self._bound:
            self.inner.pop(node, None)
            self._bound.pop(node, None)
        try:
            op = node.op
            own = isinstance(op, TensorOp)  # others say nothing of sizes
            found = op.infer_sizes(node, inputs, self) if own else None
        finally:
            self.node = outer
        if found is None:
            raise DataDependentSize(node.outputs[0])
        for output, sizes in zip(node.outputs, found, strict=True):
            shape = output.type.shape
            if len(sizes) != len(shape) or shape.count(None) < len(shape):
                pairs = zip(sizes, shape, strict=True)
                sizes = [one if n is None else size(n) for one, n in pairs]
            self._sizes[output] = tuple(sizes)

    # ---- what size rules may ask (see ops.lowerings.Sizes)

    def equal(self, left: Size, right: Size, what: str) -> Size:
        return self.make_one(left, right, f"sizes do not agree ({what})", self.node)

    def make_one(self, left: Size, right: Size, what: str, node: Apply | None) -> Size:
        """From here on the two are one size, so that later users need not ask again.
        What is wrong where a run brings two, an error says of `node`."""
        left, right = self.one_of(left), self.one_of(right)
        if left is right:
            return left
        a, b = known(left), known(right)
        error = ShapeError if node is None else node.op.size_error
        if a is not None and b is not None:
            raise error(self._text(f"{what}: {a} and {b}"))
        keep, drop = (right, left) if b is not None else (left, right)
        guard = SizeGuard(combine("eq", left, right), what, node, error, (left, right))
        self.demands.append(guard)
        self._same[drop] = keep
        return keep

    def equalities(self) -> Iterator[SizeGuard]:
        """The demands by which two sizes (`shown`) have become one."""
        for demand in self.demands:
            if demand.condition.op == "eq" and demand.shown:
                yield demand

    def learn(self, leaf: Variable, axis: int, value: Size) -> None:
        """A size of a leaf is known as another expression; a call checks that it is."""
        sizes = list(self._sizes[leaf])
        what = f"sizes do not agree ({leaf}, axis {axis}, as it was made)"
        sizes[axis] = self.make_one(value, sizes[axis], what, leaf.owner)
        self._sizes[leaf] = tuple(sizes)

    @contextmanager
    def asked_again(self) -> Iterator[None]:
        """What a rule demands in here it has demanded before, perhaps of one branch only:
        nothing is demanded or learned anew."""
        count, same = len(self.demands), dict(self._same)
        try:
            yield
        finally:
            del self.demands[count:]
            self._same = same

    def same(self, left: Size, right: Size) -> bool:
        """Whether two sizes are known to agree."""
        return self.one_of(left) is self.one_of(right)

    def one_of(self, value: Size) -> Size:
        """The one size that stands for all that are known to agree with this one."""
        while value in self._same:
            value = self._same[value]
        return value

    def never_negative(self, value: Size) -> bool:
        """Whether a host integer is a size, a product of sizes, or the like."""
        if value.op == "literal":
            return bool(value.value >= 0)
        if value.op == "argument":
            return self.arguments[value.value].axis is not None
        if value.op == "maximum":
            return any(map(self.never_negative, value.args))
        passes = ("add", "mul", "floordiv", "minimum", "mod")
        return value.op in passes and all(map(self.never_negative, value.args))

    def require(
        self, condition: Scalar, what: str, kind: type[Exception] = ValueError
    ) -> None:
        if condition.op == "literal":
            if not condition.value:
                raise kind(self._text(what))
            return
        if not self._is_plain(condition):
            self.demands.append(SizeGuard(condition, what, self.node, kind))

    def _is_plain(self, condition: Scalar) -> bool:
        """Whether it says no more than that what is never negative is at least 0."""
        if condition.op != "ge":
            return False
        left, least = condition.args
        low = least.op == "literal" and least.value <= 0
        return low and self.never_negative(left)

    def value(self, variable: Variable) -> Size:
        host = self.host(variable)
        if host is None:
            raise DataDependentSize(variable)
        if isinstance(host, tuple):
            if len(host) != 1:
                raise TypeError(self._text(f"expected one integer, got {len(host)}"))
            return _unsigned(host[0], variable)
        return _unsigned(host, variable)

    def values(self, variable: Variable) -> tuple[Size, ...]:
        host = self.host(variable)
        if host is None:
            raise DataDependentSize(variable)
        several = host if isinstance(host, tuple) else (host,)
        return tuple(_unsigned(one, variable) for one in several)

    def _text(self, what: str) -> str:
        node = self.node
        if node is None:
            return what
        return message(
            what,
            operation=node.op,
            operands=[operand_text(v) for v in node.inputs],
            origin=node.origin,
        )

    # ---- graphs inside operations

    def opened(
        self,
        graph: InnerGraph,
        sizes: Sequence[Sequence[Size]],
        outer: Sequence[Variable | None],
    ) -> InnerGraph:
        own = chain(graph.inputs, *(node.outputs for node in graph.order))
        if any(v in self._sizes for v in own):
            graph = graph.copy()
        for leaf, have, value in zip(graph.inputs, sizes, outer, strict=True):
            self.bind(leaf, have, value)
        return graph

    def bind(
        self, leaf: Variable, sizes: Sequence[Size], outer: Variable | None = None
    ) -> None:
        """Give an input of an inner graph its sizes, and the value of `outer`."""
        self._leaves.add(leaf)
        self._bound.setdefault(self.node, []).append(leaf)
        self._sizes[leaf] = tuple(
            one if n is None else self.equal(one, size(n), f"axis {axis} of {leaf}")
            for axis, (one, n) in enumerate(zip(sizes, leaf.type.shape, strict=True))
        )
        self._host[leaf] = None
        if outer is not None:
            self._stands[leaf] = outer
            self._host[leaf] = self.host(outer)

    def inner_sizes(
        self, outputs: Sequence[Variable], loop: bool = False
    ) -> list[tuple[Size, ...]] | None:
        """The sizes of an inner graph's outputs; None where a value inside decides.
        loop: the graph is run again and again.

        Raises: DataDependentSize where it is the value of an outer variable that decides.
        """
        if self.node is not None:
            graph = (self._bound.pop(self.node, []), outputs)
            self.inner.setdefault(self.node, []).append(graph)
        in_loop, self._in_loop = self._in_loop, self._in_loop or loop
        try:
            return [self.sizes_of(v) for v in outputs]
        except DataDependentSize as missing:
            outer = missing.variable
            if outer not in self._stands:
                return None
            while outer in self._stands:
                outer = self._stands[outer]
            raise DataDependentSize(outer) from None
        finally:
            self._in_loop = in_loop

    def condition(self, variable: Variable) -> Scalar | None:
        """The truth of an integer or bool scalar as a host bool; None where that is not
        known before the run."""
        host = self.host(variable)
        if host is None or isinstance(host, tuple):
            return None
        if host.dtype == "bool":
            return host
        return fold(binary("ne", host, 0), self._done)

    def branch_sizes(
        self, outputs: Sequence[Variable], condition: Variable, taken: bool
    ) -> list[tuple[Size, ...]] | None:
        """As `inner_sizes`, for a graph that is run only if `condition` is `taken`: what
        it demands it demands only then, and what sizes it makes one are not one outside.

        Inside a loop, where a condition cannot be known before, demands are made anyway.
        Raises: DataDependentSize(condition) where demands need it.
        """
        truth, first = self.condition(condition), len(self.demands)
        same = dict(self._same)
        found = self.inner_sizes(outputs)
        demands = self.demands[first:]
        if not demands or (truth is None and self._in_loop):
            return found
        del self.demands[first:]
        self._same = same
        if truth is None:
            raise DataDependentSize(condition)
        for demand in demands:
            always = literal(True, "bool")
            pair = (demand.condition, always) if taken else (always, demand.condition)
            self.demands.append(replace(demand, condition=choose(truth, *pair)))
        return found

    # ---- values known on the host

    def host(self, variable: Variable) -> Host | None:
        """The value of an integer scalar or short vector as host scalars, or None."""
        if variable not in self._host:
            for node in _pending(variable, self._may_have_value):
                values = [self._host_leaf(v) for v in node.inputs]
                op = node.op
                try:
                    own = isinstance(op, TensorOp)
                    found = op.host(node, values, self) if own else None
                except DataDependentSize:
                    found = None
                found = self._folded(found)
                for output in node.outputs:
                    self._host[output] = (
                        self.unknown(output) if found is None else found
                    )
            self._host_leaf(variable)
        return self._host[variable]

    def _folded(self, found: Host | None) -> Host | None:
        if not isinstance(found, tuple):
            return None if found is None else fold(found, self._done)
        several = [fold(one, self._done) for one in found]
        folded = tuple(one for one in several if one is not None)
        return folded if len(folded) == len(several) else None

    def _may_have_value(self, variable: Variable) -> bool:
        """Whether a value may follow from an operation's, and has not been looked for.  Of
        a matrix none is known, so that nothing is looked for below it."""
        kind = variable.type
        large = isinstance(kind, TensorType) and len(kind.shape) > 1
        return not (large or variable in self._host or variable in self._leaves)

    def _host_leaf(self, variable: Variable) -> Host | None:
        if variable not in self._host:
            self._host[variable] = self._read_leaf(variable)
        return self._host[variable]

    def unknown(self, variable: Variable) -> Host | None:
        """What stands for a value that only a run can tell; None where it has to wait."""
        return None

    def _read_leaf(self, variable: Variable) -> Host | None:
        kind = variable.type
        if not isinstance(kind, TensorType):
            return None
        if isinstance(variable, Constant) and kind.ndim == 0 and kind.dtype in FLOATS:
            return literal(variable.data[()], kind.dtype)  # as in int(0.8 * n)
        if kind.dtype[0] not in "biu":
            return None
        if isinstance(variable, Constant):
            if kind.ndim > 1 or variable.data.size > 32:
                return None
            numbers = [literal(int(n), "int64") for n in variable.data.reshape(-1)]
            return tuple(numbers) if kind.ndim else numbers[0]
        if kind.ndim == 0 and variable in self._leaves:
            return self._argument(variable, None)
        return None


def _pending(variable: Variable, waits: Callable[[Variable], bool]) -> list[Apply]:
    """The operations that make `variable`, as far down as variables are waited for, each
    after those it needs."""
    order: dict[Apply, None] = {}
    begun: set[Apply] = set()
    stack = [variable.owner] if variable.owner is not None and waits(variable) else []
    while stack:
        node = stack[-1]
        if node not in begun:
            begun.add(node)
            waiting = len(stack)
            for v in reversed(node.inputs):
                if v.owner is not None and waits(v):
                    stack.append(v.owner)
            if len(stack) > waiting:
                continue
        order.setdefault(stack.pop())
    return list(order)


def _unsigned(value: Size, variable: Variable) -> Size:
    """The value of a variable where it counts elements.  Host integers hold uint64 modulo
    2**64; those beyond int64 are beyond every array, whichever they are."""
    if variable.type.dtype != "uint64":
        return value
    return choose(combine("lt", value, size(0)), size(2**63 - 1), value)
