"""What lowering knows while it makes the steps of one graph.

A `Context` holds the steps made so far, where each variable lies (a view of a buffer), and
what belongs to the whole program: constants and parameters.  Graphs inside loops and
branches are lowered in contexts of their own, by the function that the outermost was given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from symnet.compile.lower.program import (
    Buffer,
    Instruction,
    Linearise,
    Region,
    copy_launch,
)
from symnet.graph.variables import Apply, Constant, Variable
from symnet.kernels.loopir.views import Size, View, contiguous_strides, size
from symnet.ops.scan.loop import State
from symnet.sizes.infer import Inference


class Context:
    """The steps of one graph, in an order that may run; buffers not yet placed.

    lower_graph: appends the steps of the graph from `leaves` to `wanted` to a context.
    """

    def __init__(
        self,
        leaves: Sequence[Variable],
        wanted: Sequence[Variable],
        inference: Inference,
        lower_graph: Callable[[Context], None],
        parent: Context | None = None,
        views: Mapping[Variable, View] | None = None,
    ) -> None:
        """views: for an inner graph, where its inputs lie; what does not belong to one
        graph alone (constants, parameters) is then `parent`'s."""
        self.inference = inference
        self.lower_graph = lower_graph
        self.steps: list[Instruction] = []
        self.constants: list[Buffer] = parent.constants if parent else []
        self.parameters: list[Size] = parent.parameters if parent else []
        self.temporaries: list[Buffer] = []
        self.parameter_buffer: Buffer = (
            parent.parameter_buffer if parent else Buffer("parameters", "int64")
        )
        self.views: dict[Variable, View] = {}
        self.owners: dict[Buffer, list[Variable]] = {}
        self.open_regions: list[OpenRegion] = []
        self.depth: int = parent.depth if parent else 0  # loops around it
        self.leaves, self.wanted = leaves, wanted
        for leaf in leaves:
            if views is None:
                self._add_leaf(leaf)
            else:
                self.put(leaf, views[leaf])

    def nested(
        self, views: Mapping[Variable, View], wanted: Sequence[Variable]
    ) -> Context:
        """A context for an inner graph; `views` says where its inputs lie."""
        leaves, graph = list(views), self.lower_graph
        return Context(leaves, wanted, self.inference, graph, self, views)

    def inside(
        self, views: Mapping[Variable, View], wanted: Sequence[Variable], loop: bool
    ) -> Context:
        """The steps of an inner graph; loop: they are done again and again."""
        inner = self.nested(views, wanted)
        inner.depth += loop
        self.lower_graph(inner)
        return inner

    def _add_leaf(self, leaf: Variable) -> None:
        kind = "shared" if hasattr(leaf, "store") else "input"
        sizes = self.inference.sizes_of(leaf)
        buffer = Buffer(kind, leaf.type.dtype, sizes, leaf=leaf, name=leaf.name or "")
        self.put(leaf, View(buffer, buffer.dtype, sizes, strides_of(buffer)))

    def put(self, variable: Variable, view: View) -> None:
        self.views[variable] = view
        self.owners.setdefault(view.buffer, []).append(variable)

    def view_of(self, variable: Variable) -> View:
        """Where the elements of a variable lie (it must not be inside a kernel)."""
        found = self.views.get(variable)
        if found is None:
            if isinstance(variable, Constant):
                self._add_constant(variable)
            else:
                self._add_parameter(variable)
            found = self.views[variable]
        return found

    def _add_constant(self, variable: Constant) -> None:
        data = np.ascontiguousarray(variable.data).reshape(variable.data.shape)
        sizes = tuple(map(size, data.shape))
        buffer = Buffer("constant", data.dtype.name, sizes, data=data)
        buffer.position = len(self.constants)
        self.constants.append(buffer)
        self.put(variable, View(buffer, buffer.dtype, sizes, strides_of(buffer)))

    def _add_parameter(self, variable: Variable) -> None:
        """A host integer, or a vector of them, as memory."""
        host = self.inference.host(variable)
        assert host is not None, f"{variable} is not computed by any step"
        numbers = host if isinstance(host, tuple) else (host,)
        start = len(self.parameters)
        self.parameters += numbers
        sizes = (size(len(numbers)),) if isinstance(host, tuple) else ()
        strides = (size(8),) * len(sizes)
        view = View(self.parameter_buffer, "int64", sizes, strides, size(8 * start))
        self.put(variable, view)

    def parameter(self, value: Size) -> View:
        """The memory of one host integer."""
        if value not in self.parameters:
            self.parameters.append(value)
        offset = size(8 * self.parameters.index(value))
        return View(self.parameter_buffer, "int64", (), (), offset)

    def temporary(
        self, variable: Variable, sizes: Sequence[Size] | None = None
    ) -> View:
        """New memory for a variable."""
        sizes = tuple(self.inference.sizes_of(variable) if sizes is None else sizes)
        buffer = self.buffer(variable.type.dtype, sizes, variable.name or "")
        view = View(buffer, buffer.dtype, sizes, strides_of(buffer))
        self.put(variable, view)
        return view

    def buffer(self, dtype: str, sizes: Sequence[Size], name: str = "") -> Buffer:
        """New memory."""
        buffer = Buffer("temporary", dtype, tuple(sizes), name=name)
        buffer.position = len(self.temporaries)
        self.temporaries.append(buffer)
        return buffer

    def dense(self, variable: Variable, source: View, node: Apply) -> View:
        """A contiguous copy of a view."""
        buffer = self.buffer(source.dtype, source.sizes, variable.name or "")
        target = View(buffer, source.dtype, source.sizes, strides_of(buffer))
        self.steps.append(copy_launch(source, target, [node]))
        return target


def strides_of(buffer: Buffer) -> tuple[Size, ...]:
    """The strides of a buffer without gaps."""
    return contiguous_strides(buffer.sizes, np.dtype(buffer.dtype).itemsize)


@dataclass(eq=False)
class CarriedState:
    """A state in the making: the buffers of its taps, oldest first; the place of its new
    value; the history that is handed out.  `ring` is the memory of a state of which not
    all is kept, and `straighten` the step that brings its last rows into the history."""

    state: State
    taps: list[Buffer]
    new: Buffer
    history: View
    start: View
    ring: View | None = None
    straighten: Linearise | None = None


@dataclass(eq=False)
class OpenRegion:
    """A lowered inner graph whose results have no places yet: pairs of an inner variable
    and the buffer it belongs in."""

    context: Context
    step: Instruction
    body: Region
    results: list[tuple[Variable, Buffer]] = field(default_factory=list)
    states: list[tuple[Variable, CarriedState]] = field(default_factory=list)
