"""What an op tells the compiler: how its outputs are made, as one value of a closed set.

`op.lowering(node)` gives it.  The compiler looks at nothing else of an op but its sizes
(`infer_sizes`) and its value as a host integer (`host`):
  PointLoop      elementwise, gathers: an output element is a formula of input elements
  Reduction      a sum, an extremum, ... over axes
  ViewOf         no work: the outputs show elements of the first input in other places
  WritePart      a copy of the first input with the second written to a view of it
  Scatter        a copy of the first input with values written to computed positions
  Concatenate    inputs copied side by side
  CallOf         a routine of a library (`kernels.routines`)
  HostValue      only host integers, as the shape of an array: nothing is computed
  ScanLoop       an inner graph, again and again
  Branches       one of two inner graphs
  Reference      `op.compute`, between native programs
Rules in these values are functions of the node, and of what only the compiler knows.

`reads` are the positions of the inputs that are read as arrays.  The others serve by
their sizes, or as host integers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol, TypeAlias

from symnet.data_classes import dataclass
from symnet.graph.inner import InnerGraph
from symnet.graph.object_types import holds_objects
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Variable
from symnet.kernels.loopir import scalars
from symnet.kernels.loopir.scalars import Scalar
from symnet.kernels.loopir.split_complex import can_be_split
from symnet.kernels.loopir.views import Size, View
from symnet.kernels.routines import Routine

# The value of an integer scalar or short vector, as expressions over the call's integers.
Host: TypeAlias = Scalar | tuple[Scalar, ...]
# The sizes of several arrays.
Shapes: TypeAlias = Sequence[tuple[Size, ...]]


class Sizes(Protocol):
    """What size rules may ask while the sizes of a program are worked out."""

    def equal(self, left: Size, right: Size, what: str) -> Size:
        """Guard that two sizes agree (checked at once or at run time, with `what` in
        the error); returns the one to go on with."""

    def require(
        self, condition: Scalar, what: str, kind: type[Exception] = ValueError
    ) -> None:
        """Guard at run time that `condition` (a bool Scalar) holds."""

    def never_negative(self, value: Size) -> bool:
        """Whether a host integer is a size, a product of sizes, or the like."""

    def sizes_of(self, variable: Variable) -> tuple[Size, ...]:
        """The sizes of any variable of the graph."""

    def value(self, variable: Variable) -> Size:
        """The value of an integer scalar variable, as a host integer."""

    def values(self, variable: Variable) -> tuple[Size, ...]:
        """The elements of an integer vector whose length is known."""

    def same(self, left: Size, right: Size) -> bool:
        """Whether two sizes are known to agree."""

    def opened(
        self,
        graph: InnerGraph,
        sizes: Sequence[Sequence[Size]],
        outer: Sequence[Variable | None],
    ) -> InnerGraph:
        """An operation's graph, whose inputs have these sizes, and the values of these
        variables, None where a value changes from step to step: the graph itself, or a copy
        where something is known of it already."""

    def inner_sizes(
        self, outputs: Sequence[Variable], loop: bool = False
    ) -> list[tuple[Size, ...]] | None:
        """The sizes of an inner graph's outputs; None where a value inside decides.
        loop: the graph is run again and again."""

    def branch_sizes(
        self, outputs: Sequence[Variable], condition: Variable, taken: bool
    ) -> list[tuple[Size, ...]] | None:
        """The same, for a graph that is run only where `condition` is `taken`."""

    def condition(self, variable: Variable) -> Scalar | None:
        """The truth of an integer or bool scalar as a host bool, or None."""


class Read(Protocol):
    """An input of an op at one point of a loop."""

    @property
    def sizes(self) -> tuple[Scalar, ...]:
        """The input's sizes, as int64 scalars."""

    def here(self) -> Scalar:
        """The element at the loop's own position, broadcast as arrays broadcast."""

    def at(self, indices: Sequence[Scalar]) -> Scalar:
        """The element at computed int64 positions, one for each axis of the input.
        Negative positions count from the end; out of range raises IndexError."""


# (node, reads, index) -> the element at `index`, the int64 counters of the output's axes.
PointRule: TypeAlias = Callable[[Apply, Sequence[Read], Sequence[Scalar]], Scalar]
# (node, the first input, sizes) -> the outputs; None where it must be copied first.
ViewRule: TypeAlias = Callable[[Apply, View, Sizes], Sequence[View] | None]
# (node, the output, sizes) -> the part of it that is written.
PartRule: TypeAlias = Callable[[Apply, View, Sizes], View]
# (node, the output, sizes) -> the parts of it, one for each input.
PartsRule: TypeAlias = Callable[[Apply, View, Sizes], Sequence[View]]
# (node, sizes of the inputs, sizes) -> those of the space whose points write.
SpaceRule: TypeAlias = Callable[[Apply, Shapes, Sizes], tuple[Size, ...]]
# (node, reads, index) -> where in the output the point `index` writes, and what.
ScatterRule: TypeAlias = Callable[
    [Apply, Sequence[Read], Sequence[Scalar]], tuple[Sequence[Scalar], Scalar]
]


@dataclass(frozen=True)
class PointLoop:
    """An output element is `body` of the inputs' elements.

    gathered: the inputs read at computed positions; they must lie in memory.
    operations: the scalar operations of the formula.
    elementwise: whether the formula is the same at every position.
    """

    body: PointRule
    reads: tuple[int, ...]
    gathered: tuple[int, ...]
    operations: frozenset[str]
    elementwise: bool = False


@dataclass(frozen=True)
class Reduction:
    """Elements of the input combined along `axes`; `kind`: see `scalars.REDUCTIONS`.

    accumulator: the dtype in which they are combined.
    """

    kind: str
    axes: tuple[int, ...]
    accumulator: str
    reads: ClassVar[tuple[int, ...]] = (0,)


@dataclass(frozen=True)
class ViewOf:
    """The outputs are views of the first input.

    axes: where axes are only moved, for each axis of the output that of the input (None:
    a new one of size 1).  A loop may read through such a view.
    """

    rule: ViewRule
    axes: tuple[int | None, ...] | None = None
    reads: ClassVar[tuple[int, ...]] = (0,)


@dataclass(frozen=True)
class WritePart:
    """The first input with the second written (with `adds`: added) to a part, to which it
    is broadcast."""

    rule: PartRule
    adds: bool
    reads: ClassVar[tuple[int, ...]] = (0, 1)


@dataclass(frozen=True)
class Scatter:
    """The first input with a value written (with `adds`: added) at each point of a space,
    in C order.  Positions: see `Read.at`."""

    space: SpaceRule
    body: ScatterRule
    adds: bool
    reads: tuple[int, ...]


@dataclass(frozen=True)
class Concatenate:
    """Each input is copied to its part of the output."""

    rule: PartsRule
    reads: tuple[int, ...]


@dataclass(frozen=True)
class CallOf:
    """A routine of a library; its operands are the inputs that it reads.

    initial: the input that lies in the first output's memory before.
    refusal: why the routine refuses values at a run; "": it takes all.
    error: what is raised then.
    """

    routine: Routine
    reads: tuple[int, ...]
    initial: int | None = None
    refusal: str = ""
    error: type[Exception] = ValueError


@dataclass(frozen=True)
class HostValue:
    """Host integers, made by the op's `host`."""

    reads: ClassVar[tuple[int, ...]] = ()


@dataclass(frozen=True)
class ScanLoop:
    """An inner graph, again and again: see `ops.scan.loop`."""

    graph: InnerGraph
    reads: tuple[int, ...]

    @property
    def graphs(self) -> tuple[InnerGraph, ...]:
        return (self.graph,)


@dataclass(frozen=True)
class Branches:
    """The first inner graph or the second: see `ops.ifelse.conditional`."""

    graphs: tuple[InnerGraph, InnerGraph]
    reads: tuple[int, ...]


@dataclass(frozen=True)
class Reference:
    """Computed by the op's `compute`."""

    reads: ClassVar[tuple[int, ...]] = ()  # by no native step


Lowering: TypeAlias = (
    PointLoop | Reduction | ViewOf | WritePart | Scatter | Concatenate | CallOf
    | HostValue | ScanLoop | Branches | Reference
)  # fmt: skip


def has_arrays(node: Apply) -> bool:
    """Whether all inputs and outputs are arrays: loops know nothing else."""
    return all(isinstance(v.type, TensorType) for v in (*node.inputs, *node.outputs))


def has_objects(node: Apply) -> bool:
    """Whether an input or output is an object of Python: then Python computes it."""
    return any(holds_objects(v.type) for v in (*node.inputs, *node.outputs))


# ---- which inputs a formula reads


class Recorder:
    """Stands for an input in a formula, which it marks with its position."""

    def __init__(self, position: int, dtype: str, ndim: int) -> None:
        self.dtype, self.mark = dtype, ("read", position)
        self.sizes = (scalars.literal(2, "int64"),) * ndim

    def here(self) -> Scalar:
        return scalars.scalar("argument", (), self.dtype, self.mark)

    def at(self, indices: Sequence[Scalar]) -> Scalar:
        return scalars.scalar("gather", indices, self.dtype, self.mark)


def recorders(node: Apply) -> list[Recorder]:
    return [Recorder(k, v.type.dtype, v.type.ndim) for k, v in enumerate(node.inputs)]


def positions_read(steps: Sequence[Scalar], *kinds: str) -> tuple[int, ...]:
    """The inputs that `steps` read, in order; kinds: "argument", "gather"."""
    return tuple(sorted({s.value[1] for s in steps if s.op in kinds and _is_read(s)}))


def _is_read(step: Scalar) -> bool:
    return isinstance(step.value, tuple) and step.value[0] == "read"


def loop_of(
    body: PointRule, element: Scalar, elementwise: bool = False
) -> PointLoop | Reference:
    """The loop of `body`, which has given this element of what recorders stand for; the
    reference for complex functions that kernels do not know."""
    if not can_be_split([element]):
        return Reference()
    steps = scalars.walk([element])
    return PointLoop(
        body,
        positions_read(steps, "argument", "gather"),
        positions_read(steps, "gather"),
        frozenset(s.op for s in steps),
        elementwise,
    )


def point_loop(body: PointRule, node: Apply) -> PointLoop | Reference:
    """The loop of a formula, which is tried out to see what it reads."""
    index = [scalars.index(k) for k in range(node.outputs[0].type.ndim)]
    return loop_of(body, body(node, recorders(node), index))


def scatter(
    space: SpaceRule, body: ScatterRule, adds: bool, node: Apply, rank: int
) -> Scatter:
    """The scatter of a formula over a space of that rank (see `point_loop`)."""
    index = [scalars.index(k) for k in range(rank)]
    positions, value = body(node, recorders(node), index)
    steps = scalars.walk([*positions, value])
    found = {0, *positions_read(steps, "argument", "gather")}
    return Scatter(space, body, adds, tuple(sorted(found)))
