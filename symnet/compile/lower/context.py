"""What lowering knows while it makes the steps of one graph.

A `Context` holds the instructions made so far, where each variable lies (a view of a
buffer), and what belongs to the whole program: constants and parameters.  Graphs inside
loops and branches are lowered in contexts of their own, by the function that the outermost
was given.  What it has in the end is a `Program`, or a `Region` of one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from symnet.compile.lower.program import (
    Buffer,
    Instruction,
    Program,
    Region,
    Result,
    copy_launch,
)
from symnet.graph.variables import Apply, Constant, Variable
from symnet.kernels.loopir.views import Size, View, size
from symnet.shared import SharedVariable
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
        self.inference, self.lower_graph = inference, lower_graph
        self.steps: list[Instruction] = []
        self.constants: list[Buffer] = parent.constants if parent else []
        self.parameters: list[Size] = parent.parameters if parent else []
        self.parameter_buffer: Buffer = (
            parent.parameter_buffer if parent else Buffer("parameters", "int64")
        )
        self.views: dict[Variable, View] = {}
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
        own = self.inference, self.lower_graph
        return Context(list(views), wanted, *own, self, views)

    def inside(
        self, views: Mapping[Variable, View], wanted: Sequence[Variable], loop: bool
    ) -> Context:
        """The steps of an inner graph; loop: they are done again and again."""
        inner = self.nested(views, wanted)
        inner.depth += loop
        self.lower_graph(inner)
        return inner

    def _add_leaf(self, leaf: Variable) -> None:
        kind = "shared" if isinstance(leaf, SharedVariable) else "input"
        sizes = self.inference.sizes_of(leaf)
        buffer = Buffer(kind, leaf.type.dtype, sizes, leaf=leaf, name=leaf.name or "")
        self.put(leaf, buffer.whole)

    def put(self, variable: Variable, view: View) -> None:
        self.views[variable] = view

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
        number = len(self.constants)
        buffer = Buffer("constant", data.dtype.name, sizes, number, data=data)
        self.constants.append(buffer)
        self.put(variable, buffer.whole)

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
        name = variable.name or ""
        view = Buffer("temporary", variable.type.dtype, sizes, name=name).whole
        self.put(variable, view)
        return view

    def dense(self, variable: Variable, source: View, node: Apply) -> View:
        """A contiguous copy of a view."""
        name = variable.name or ""
        target = Buffer("temporary", source.dtype, source.sizes, name=name).whole
        self.steps.append(copy_launch(source, target, [node]))
        return target

    # ---- what has been made

    def result(self, variable: Variable, target: Buffer) -> Result:
        """The value of a variable, which belongs in a buffer."""
        return Result(variable, self.view_of(variable), target)

    def region(self, results: Sequence[Result]) -> Region:
        """The instructions of an inner graph, with what they hand out."""
        return Region(self.steps, results)

    def program(
        self,
        outputs: Sequence[Variable],
        updates: Mapping[SharedVariable, Variable],
    ) -> Program:
        """The instructions as a program: without places, without sizes.

        An update whose size may change is a result that replaces the old array."""
        results = [self._output(k, v) for k, v in enumerate(outputs)]
        written: list[Result] = []
        replaced: list[tuple[SharedVariable, int]] = []
        for shared, value in updates.items():
            if self._same_sizes(shared, value):
                written.append(self.result(value, self.view_of(shared).buffer))
            else:
                replaced.append((shared, len(results)))
                results.append(self._output(len(results), value))
        leaves = [self.view_of(v).buffer for v in self.leaves]
        return Program(
            [*leaves, *self.constants, self.parameter_buffer],
            self.steps,
            results,
            written,
            replaced,
            tuple(self.inference.arguments),
            tuple(self.inference.demands),
            tuple(self.parameters),
            self.views,
        )

    def _output(self, number: int, variable: Variable) -> Result:
        value, sizes = self.view_of(variable), self.inference.sizes_of(variable)
        name = variable.name or ""
        return self.result(
            variable, Buffer("output", value.dtype, sizes, number, name=name)
        )

    def _same_sizes(self, shared: Variable, value: Variable) -> bool:
        """Whether the new value certainly has the old one's sizes."""
        old, new = self.inference.sizes_of(shared), self.inference.sizes_of(value)
        return all(self.inference.same(a, b) for a, b in zip(old, new, strict=True))
