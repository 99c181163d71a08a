"""The kernel of a cluster: one loop with the formulas of all its operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.compile.lower.context import Context
from symnet.compile.lower.fuse import AxisMap, Cluster
from symnet.compile.lower.program import Access, KernelLaunch, shared_kernel
from symnet.graph.variables import Apply, Constant, Variable
from symnet.kernels.loopir import scalars
from symnet.kernels.loopir.scalars import Kernel, Output, Scalar
from symnet.kernels.loopir.split_complex import split
from symnet.kernels.loopir.views import ONE, size
from symnet.ops.lowerings import PointLoop, Reduction, Scatter


class KernelBuilder:
    """The kernel of one cluster."""

    def __init__(self, context: Context, cluster: Cluster) -> None:
        self.context = context
        self.inference = context.inference
        self.cluster = cluster
        self.rank = len(cluster.space)
        self.accesses: list[Access] = []
        self.reading: dict[tuple[Any, ...], dict[Access, int]] = {}
        self.values: dict[Variable, Scalar] = {}
        self.fallible = False

    def step(self) -> KernelLaunch:
        nodes = self.cluster.nodes[::-1]
        for node in nodes:
            self.values[node.outputs[0]] = self._value(node)
        stored = [n.outputs[0] for n in nodes if n.outputs[0] in self.cluster.stored]
        values = self._real([self.values[v] for v in stored])
        writes = [
            part
            for v in stored
            for part in Access(self.context.temporary(v), self.cluster.maps[v]).parts
        ]
        kernel = Kernel(
            self.rank,
            tuple(a in self.cluster.reduced for a in range(self.rank)),
            tuple(a.operand(self.rank) for a in self.accesses),
            tuple(
                Output(w.operand(self.rank), value)
                for w, value in zip(writes, values, strict=True)
            ),
        )
        return KernelLaunch(
            nodes,
            [a.view for a in self.accesses],
            [w.view for w in writes],
            kernel=shared_kernel(kernel),
            sizes=tuple(self.cluster.space),
            accesses=[*self.accesses, *writes],
            fallible=self.fallible,
        )

    def _value(self, node: Apply) -> Scalar:
        lowering = self.cluster.lowerings[node]
        if isinstance(lowering, PointLoop):
            index = self._index(self.cluster.maps[node.outputs[0]])
            return lowering.body(node, self.reads(node, lowering.reads), index)
        source = node.inputs[0]
        value = self.read(source, self._input_axes(node, source))
        if isinstance(lowering, Reduction):
            return self._reduced(node, lowering, value)
        return value  # a view that moves axes

    def reads(self, node: Apply, positions: Sequence[int]) -> list[PointRead]:
        """The inputs of a formula, of which it reads those at `positions`."""
        inputs = enumerate(node.inputs)
        return [PointRead(self, node, v, k in positions) for k, v in inputs]

    def _index(self, axes: AxisMap) -> list[Scalar]:
        return [size(0) if a is None else scalars.index(a) for a in axes]

    def _input_axes(self, node: Apply, variable: Variable) -> AxisMap:
        return self.cluster.inputs[node, variable]

    def _reduced(self, node: Apply, how: Reduction, value: Scalar) -> Scalar:
        axes, dtype = self._input_axes(node, node.inputs[0]), node.outputs[0].type.dtype
        position = how.kind in ("argmax", "argmin")
        if all(axes[k] is None for k in how.axes):  # nothing but axes of size 1
            return scalars.literal(0, dtype) if position else scalars.cast(value, dtype)
        if position:
            return scalars.reduction(how.kind, value, dtype)
        value = scalars.cast(value, how.accumulator)
        return scalars.cast(scalars.reduction(how.kind, value, how.accumulator), dtype)

    def read(self, variable: Variable, axes: AxisMap) -> Scalar:
        """The element of a variable at this point of the loop."""
        if variable in self.values:
            return self.values[variable]
        if isinstance(variable, Constant) and variable.data.size == 1:
            return scalars.literal(variable.data.reshape(())[()], variable.type.dtype)
        view = self.context.view_of(variable)
        return self.load((variable, axes), Access(view, axes))

    def load(self, key: tuple[Any, ...], access: Access) -> Scalar:
        first, *_ = operands = self.operands(key, access)
        loads = [scalars.load(k, first.view.dtype) for k in operands.values()]
        return _of_parts(loads, access.view.dtype)

    def operands(self, key: tuple[Any, ...], access: Access) -> dict[Access, int]:
        """The operands of the kernel for an access, with their numbers."""
        if key not in self.reading:
            first = len(self.accesses)
            self.accesses += access.parts
            self.reading[key] = {a: first + k for k, a in enumerate(access.parts)}
        return self.reading[key]

    def gather(self, variable: Variable, indices: Sequence[Scalar]) -> Scalar:
        """The element of a variable at computed positions."""
        access = Access(self.context.view_of(variable), (), indexed=True)
        operands = self.operands(("gather", variable), access)
        self.fallible = True
        found = [scalars.gather(k, indices, a.view.dtype) for a, k in operands.items()]
        return _of_parts(found, variable.type.dtype)

    def _real(self, roots: Sequence[Scalar]) -> list[Scalar]:
        """The scalars as a kernel takes them: parts of complex ones, without host
        integers."""
        return self._with_parameters([one for parts in split(roots) for one in parts])

    def _with_parameters(self, roots: Sequence[Scalar]) -> list[Scalar]:
        """Host integers inside the scalars become loads from memory."""
        nodes = scalars.walk(roots)
        if not any(node.op == "argument" for node in nodes):
            return list(roots)
        # A host expression is made of arguments and literals; the largest are replaced.
        hosted: dict[Scalar, bool] = {}
        for node in nodes:
            inner = [hosted[a] for a in node.args if a.op != "literal"]
            hosted[node] = node.op == "argument" or (bool(inner) and all(inner))
        tops = {a for node in nodes if not hosted[node] for a in node.args if hosted[a]}
        tops.update(root for root in roots if hosted[root])
        replace: dict[Scalar, Scalar] = {}
        for top in scalars.in_order(tops):
            view = self.context.parameter(scalars.cast(top, "int64"))
            value = self.load(("host", top), Access(view, ()))
            replace[top] = scalars.cast(value, top.dtype)
        return scalars.substitute(roots, replace)


def _of_parts(parts: Sequence[Scalar], dtype: str) -> Scalar:
    """The element whose parts these are; a real one has one."""
    return parts[0] if len(parts) == 1 else scalars.scalar("complex", parts, dtype)


class PointRead:
    """An input of a formula inside a kernel.  Implements `ops.lowerings.Read`.

    needed: whether the formula depends on its elements, or is only handed them.
    """

    def __init__(
        self, builder: KernelBuilder, node: Apply, variable: Variable, needed: bool
    ) -> None:
        self.builder, self.node, self.variable = builder, node, variable
        self.needed = needed

    @property
    def sizes(self) -> tuple[Scalar, ...]:
        return self.builder.inference.sizes_of(self.variable)

    def here(self) -> Scalar:
        if not self.needed:
            return scalars.literal(0, self.variable.type.dtype)
        axes = self.builder.cluster.inputs[self.node, self.variable]
        return self.builder.read(self.variable, axes)

    def at(self, indices: Sequence[Scalar]) -> Scalar:
        return self.builder.gather(self.variable, indices)


class ScatterBuilder(KernelBuilder):
    """The kernel of a write to computed positions: each point of the index space writes
    (or adds) its value, one after another."""

    def __init__(self, context: Context, node: Apply, scatter: Scatter) -> None:
        shapes = [context.inference.sizes_of(v) for v in node.inputs]
        context.inference.node = node
        with context.inference.asked_again():
            sizes = list(scatter.space(node, shapes, context.inference))
        cluster = Cluster(0, True, {node: scatter}, [node], space=sizes)
        every = tuple(None if s is ONE else k for k, s in enumerate(sizes))
        for v in node.inputs[1:]:
            tail = every[len(every) - v.type.ndim :] if v.type.ndim else ()
            own = context.inference.sizes_of(v)
            cluster.inputs[node, v] = tuple(
                None if s is ONE else a for s, a in zip(own, tail, strict=False)
            )
        super().__init__(context, cluster)
        self.node, self.scatter = node, scatter

    def step(self) -> KernelLaunch:
        node, scatter = self.node, self.scatter
        index = [scalars.index(k) for k in range(self.rank)]
        reads = self.reads(node, scatter.reads)
        positions, value = scatter.body(node, reads, index)
        count = len(positions)
        real = self._real([*positions, value])
        where, values = tuple(real[:count]), real[count:]
        x = self.context.view_of(node.inputs[0])
        writes = Access(self.context.temporary(node.outputs[0]), (), indexed=True).parts
        mode = "add" if scatter.adds else "set"
        pairs = zip(writes, values, strict=True)
        outputs = [Output(w.operand(self.rank), v, where, mode) for w, v in pairs]
        kernel = Kernel(
            self.rank,
            (False,) * self.rank,
            tuple(a.operand(self.rank) for a in self.accesses),
            tuple(outputs),
        )
        return KernelLaunch(
            [node],
            [a.view for a in self.accesses],
            [w.view for w in writes],
            initial=x,
            fallible=True,
            kernel=shared_kernel(kernel),
            sizes=tuple(self.cluster.space),
            accesses=[*self.accesses, *writes],
        )
