"""From a graph to the steps of a program.

Every variable that is needed becomes a view of a buffer, or a scalar inside a kernel.
Which operations share a kernel is decided by `fuse`; where results lie, by `memory`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symnet.compile.choices import lower_choice
from symnet.compile.fuse import AxisMap, Cluster, fuse, is_loop
from symnet.compile.program import (
    Access,
    Body,
    Buffer,
    CallStep,
    LoopStep,
    Step,
    copy_step,
    shared_kernel,
)
from symnet.compile.reads import data_inputs
from symnet.compile.scans import Inside, lower_scan
from symnet.graph.traverse import toposort
from symnet.graph.variables import Apply, Constant, Variable
from symnet.kernels import loops
from symnet.kernels.loops import Kernel, Output, Scalar
from symnet.kernels.views import ONE, Size, View, contiguous_strides, size
from symnet.ops.base import PointOp, ViewOp
from symnet.ops.elementwise import Elementwise
from symnet.ops.ifelse import IfElse
from symnet.ops.reduce import Reduce
from symnet.ops.scan import Scan
from symnet.rewriting.infer import Inference


def needed_nodes(wanted: Sequence[Variable], leaves: Sequence[Variable]) -> list[Apply]:
    """The operations whose arrays `wanted` needs, in topological order.

    What serves only by its size, or is a host integer, is not computed.
    """
    needed = set(wanted)
    found: list[Apply] = []
    for node in reversed(toposort(wanted, blockers=leaves)):
        if any(v in needed for v in node.outputs):
            if is_parameter(node):
                continue
            found.append(node)
            needed.update(node.inputs[k] for k in data_inputs(node))
    return found[::-1]


def is_parameter(node: Apply) -> bool:
    """Whether the operation only gives host integers (the shape of an array)."""
    op = node.op
    if isinstance(op, (Elementwise, Reduce, PointOp, ViewOp)):
        return False
    return hasattr(op, "host") and not hasattr(op, "library") and not _writes(op)


def _writes(op: Any) -> bool:
    return any(hasattr(op, face) for face in ("write_view", "scatter", "parts"))


def is_native(node: Apply) -> bool:
    """Whether the operation has a face from which a step can be made."""
    op = node.op
    if isinstance(op, Scan):
        return not op.python_loop and all(map(is_native, op.graph.order))
    if isinstance(op, IfElse):
        inner = (*op.then_graph.order, *op.else_graph.order)
        return all(map(is_native, inner)) and not has_complex(node)
    if has_complex(node):
        library = getattr(op, "library", None)
        return isinstance(op, ViewOp) or (library is not None and library_takes(node))
    if is_loop(node) or isinstance(op, ViewOp) or _writes(op) or is_parameter(node):
        return True
    if hasattr(op, "arrange"):
        return bool(op.native(node))
    return getattr(op, "library", None) is not None and library_takes(node)


def has_complex(node: Apply) -> bool:
    """Whether anything is complex, or no array."""
    tensors = [*node.inputs, *node.outputs]
    return any(getattr(v.type, "dtype", "complex")[0] == "c" for v in tensors)


def library_takes(node: Apply) -> bool:
    """BLAS knows these dtypes only."""
    dtypes = ("float32", "float64", "complex64", "complex128")
    return node.outputs[0].type.dtype in dtypes


class Lowering:
    """The steps of one graph, in an order that may run; buffers not yet placed."""

    def __init__(
        self,
        leaves: Sequence[Variable],
        wanted: Sequence[Variable],
        inference: Inference,
        parent: Lowering | None = None,
        views: Mapping[Variable, View] | None = None,
    ) -> None:
        """views: for an inner graph, where its inputs lie; what does not belong to one
        graph alone (constants, parameters) is then `parent`'s."""
        self.inference = inference
        self.steps: list[Step] = []
        self.constants: list[Buffer] = parent.constants if parent else []
        self.parameters: list[Size] = parent.parameters if parent else []
        self.temporaries: list[Buffer] = []
        self.parameter_buffer: Buffer = (
            parent.parameter_buffer if parent else Buffer("parameters", "int64")
        )
        self.views: dict[Variable, View] = {}
        self.owners: dict[Buffer, list[Variable]] = {}
        self.insides: list[Inside] = []
        self.depth: int = 0  # loops around it
        self.leaves, self.wanted = leaves, wanted
        for leaf in leaves:
            if views is None:
                self._add_leaf(leaf)
            else:
                self._set(leaf, views[leaf])
        if parent is None:
            self.lower()

    def inside(
        self, views: Mapping[Variable, View], wanted: Sequence[Variable], loop: bool
    ) -> Lowering:
        """The steps of an inner graph; `views` says where its inputs lie; loop: they are
        done again and again."""
        inner = Lowering(list(views), wanted, self.inference, self, views)
        inner.depth = self.depth + loop
        inner.lower()
        return inner

    def lower(self, columns: bool = True) -> None:
        """columns: see `fuse`."""
        wanted, leaves, inference = self.wanted, self.leaves, self.inference
        nodes = needed_nodes(wanted, leaves)
        self.uses: dict[Variable, int] = dict.fromkeys(wanted, 1)
        for node in nodes:
            for k in data_inputs(node):
                v = node.inputs[k]
                self.uses[v] = self.uses.get(v, 0) + 1
        for cluster in fuse(nodes, wanted, inference, columns):
            self._lower(cluster)

    # ---- views

    def _add_leaf(self, leaf: Variable) -> None:
        kind = "shared" if hasattr(leaf, "store") else "input"
        sizes = self.inference.sizes_of(leaf)
        buffer = Buffer(kind, leaf.type.dtype, sizes, leaf=leaf, name=leaf.name or "")
        self._set(leaf, View(buffer, buffer.dtype, sizes, self._strides(buffer)))

    def _set(self, variable: Variable, view: View) -> None:
        self.views[variable] = view
        self.owners.setdefault(view.buffer, []).append(variable)

    def _strides(self, buffer: Buffer) -> tuple[Size, ...]:
        return contiguous_strides(buffer.sizes, np.dtype(buffer.dtype).itemsize)

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
        self._set(variable, View(buffer, buffer.dtype, sizes, self._strides(buffer)))

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
        self._set(variable, view)

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
        view = View(buffer, buffer.dtype, sizes, self._strides(buffer))
        self._set(variable, view)
        return view

    def buffer(self, dtype: str, sizes: Sequence[Size], name: str = "") -> Buffer:
        """New memory."""
        buffer = Buffer("temporary", dtype, tuple(sizes), name=name)
        buffer.position = len(self.temporaries)
        self.temporaries.append(buffer)
        return buffer

    # ---- steps

    def _lower(self, cluster: Cluster) -> None:
        if cluster.loop:
            step = KernelBuilder(self, cluster).step()
            self.steps.append(step)
            if cluster.crosswise:
                self._lower_apart(cluster, step)
            return
        (node,) = cluster.nodes
        op = node.op
        if isinstance(op, ViewOp):
            self._lower_view(node)
        elif isinstance(op, Scan):
            lower_scan(self, node)
        elif isinstance(op, IfElse):
            lower_choice(self, node)
        elif hasattr(op, "write_view"):
            self._lower_write(node)
        elif hasattr(op, "scatter"):
            self.steps.append(ScatterBuilder(self, node).step())
        elif hasattr(op, "parts"):
            self._lower_parts(node)
        else:
            self._lower_call(node)

    def _lower_apart(self, cluster: Cluster, step: LoopStep) -> None:
        """Give a step its other form, which writes its results to the same places."""
        own = cluster.maps
        views = {v: self.view_of(v) for v in cluster.reads if v not in own}
        wanted = [v for v in own if v in cluster.stored]
        inner = Lowering(list(views), wanted, self.inference, self, views)
        inner.depth = self.depth
        inner.lower(columns=False)
        step.apart = Body(inner.steps, inner.temporaries)
        results = [(v, self.view_of(v).buffer) for v in wanted]
        self.insides.append(Inside(inner, step, step.apart, results))

    def _lower_view(self, node: Apply) -> None:
        for k, output in enumerate(node.outputs):
            source = self.view_of(node.inputs[0])
            view = self._as_view(node, source, k)
            if view is None:
                dense = self.dense(node.inputs[0], source, node)
                view = self._as_view(node, dense, k)
                assert view is not None, f"{node.op} is no view of a contiguous array"
            self._set(output, view)

    def _as_view(self, node: Apply, source: View, output: int) -> View | None:
        self.inference.node = node
        rule = node.op.views if hasattr(node.op, "views") else None
        if rule is not None:
            many: Sequence[View] = rule(node, source, self.inference)
            return many[output]
        view: View | None = node.op.view(node, source, self.inference)
        return view

    def dense(self, variable: Variable, source: View, node: Apply) -> View:
        """A contiguous copy of a view."""
        buffer = self.buffer(source.dtype, source.sizes, variable.name or "")
        target = View(buffer, source.dtype, source.sizes, self._strides(buffer))
        self.steps.append(copy_step(source, target, [node]))
        return target

    def _lower_write(self, node: Apply) -> None:
        """A copy of the first input, with a part written: `part = y` or `part += y`."""
        x, y = self.view_of(node.inputs[0]), self.view_of(node.inputs[1])
        target = self.temporary(node.outputs[0])
        self.inference.node = node
        part = node.op.write_view(node, target, self.inference)
        rank = part.ndim
        every: AxisMap = tuple(range(rank))
        reads = [Access(y.broadcast_to(part.sizes), every)]
        value = loops.load(0, y.dtype)
        if not node.op.set:
            reads.append(Access(part, every))
            value = loops.call("add", loops.load(1, part.dtype), value)
            value = value if part.dtype != "bool" else loops.call("or", *value.args)
        write = Access(part, every)
        kernel = Kernel(
            rank,
            (False,) * rank,
            tuple(a.operand(rank) for a in reads),
            (Output(write.operand(rank), value),),
        )
        step = LoopStep(
            [node],
            [a.view for a in reads],
            [part],
            initial=x,
            kernel=shared_kernel(kernel),
            sizes=part.sizes,
            accesses=[*reads, write],
        )
        self.steps.append(step)

    def _lower_parts(self, node: Apply) -> None:
        target = self.temporary(node.outputs[0])
        self.inference.node = node
        parts = node.op.parts(node, target, self.inference)
        for k, part in zip(data_inputs(node), parts, strict=True):
            step = copy_step(self.view_of(node.inputs[k]), part, [node])
            self.steps.append(step)

    def _lower_call(self, node: Apply) -> None:
        variables = [node.inputs[k] for k in data_inputs(node)]
        operands = [self.view_of(v) for v in variables]
        initial = (
            node.op.initial_input(node) if hasattr(node.op, "initial_input") else None
        )
        operands = [
            self._readable(v, view, node) if k != initial else view
            for k, (v, view) in enumerate(zip(variables, operands, strict=True))
        ]
        targets = [self.temporary(v) for v in node.outputs]
        self.steps.append(
            CallStep(
                [node],
                [view for k, view in enumerate(operands) if k != initial],
                targets,
                initial=operands[initial] if initial is not None else None,
                fallible=hasattr(node.op, "refusal"),
                routine=node.op.library,
                settings=node.op.settings(node) if hasattr(node.op, "settings") else {},
            )
        )

    def _readable(self, variable: Variable, view: View, node: Apply) -> View:
        """A matrix or vector as BLAS can read it, copied where it is not; for routines of
        our own without gaps."""
        if hasattr(node.op, "arrange"):
            return view if view.contiguous else self.dense(variable, view, node)
        if view.ndim == 0 or self._blas_takes(view):
            return view
        return self.dense(variable, view, node)

    def _blas_takes(self, view: View) -> bool:
        """Rows or columns without gaps, the other steps forward."""
        if not all(map(self.inference.never_negative, view.strides)):
            return False
        item = size(view.itemsize)
        if view.ndim == 1:
            return view.strides[0] is item
        rows, columns = view.sizes[-2:]
        by_row, by_column = view.strides[-2:]
        return by_column is item or columns is ONE or by_row is item or rows is ONE


class KernelBuilder:
    """The kernel of one cluster."""

    def __init__(self, lowering: Lowering, cluster: Cluster) -> None:
        self.lowering = lowering
        self.inference = lowering.inference
        self.cluster = cluster
        self.rank = len(cluster.space)
        self.accesses: list[Access] = []
        self.loads: dict[tuple[Any, ...], Scalar] = {}
        self.values: dict[Variable, Scalar] = {}
        self.fallible = False

    def step(self) -> LoopStep:
        nodes = self.cluster.nodes[::-1]
        for node in nodes:
            self.values[node.outputs[0]] = self._value(node)
        stored = [n.outputs[0] for n in nodes if n.outputs[0] in self.cluster.stored]
        values = self._with_parameters([self.values[v] for v in stored])
        writes = [
            Access(self.lowering.temporary(v), self.cluster.maps[v]) for v in stored
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
        return LoopStep(
            nodes,
            [a.view for a in self.accesses],
            [w.view for w in writes],
            kernel=shared_kernel(kernel),
            sizes=tuple(self.cluster.space),
            accesses=[*self.accesses, *writes],
            fallible=self.fallible,
        )

    def _value(self, node: Apply) -> Scalar:
        op, output = node.op, node.outputs[0]
        if isinstance(op, Elementwise):
            needed = set(data_inputs(node))
            arguments = [
                self.read(v, self._input_axes(node, v))
                if k in needed
                else loops.literal(0, v.type.dtype)
                for k, v in enumerate(node.inputs)
            ]
            return op.scalar(arguments, output.type.dtype)
        if isinstance(op, Reduce):
            return self._reduction(node)
        if isinstance(op, PointOp):
            reads = [PointRead(self, node, v) for v in node.inputs]
            return op.point(node, reads, self._index(self.cluster.maps[output]))
        return self.read(node.inputs[0], self._input_axes(node, node.inputs[0]))

    def _index(self, axes: AxisMap) -> list[Scalar]:
        return [size(0) if a is None else loops.index(a) for a in axes]

    def _input_axes(self, node: Apply, variable: Variable) -> AxisMap:
        return self.cluster.inputs[node, variable]

    def _reduction(self, node: Apply) -> Scalar:
        op, source = node.op, node.inputs[0]
        axes = self._input_axes(node, source)
        value = self.read(source, axes)
        dtype = node.outputs[0].type.dtype
        over = [axes[k] for k in op.axes]
        if all(axis is None for axis in over):  # nothing but axes of size 1
            if op.kind in ("argmax", "argmin"):
                return loops.literal(0, "int64")
            return loops.cast(value, dtype)
        if op.kind in ("argmax", "argmin"):
            return loops.reduction(op.kind, value, "int64")
        accumulator = op.acc_dtype or dtype
        total = loops.reduction(op.kind, loops.cast(value, accumulator), accumulator)
        return loops.cast(total, dtype)

    def read(self, variable: Variable, axes: AxisMap) -> Scalar:
        """The element of a variable at this point of the loop."""
        if variable in self.values:
            return self.values[variable]
        if isinstance(variable, Constant) and variable.data.size == 1:
            return loops.literal(variable.data.reshape(())[()], variable.type.dtype)
        view = self.lowering.view_of(variable)
        return self.load((variable, axes), Access(view, axes))

    def load(self, key: tuple[Any, ...], access: Access) -> Scalar:
        if key not in self.loads:
            self.loads[key] = loops.load(len(self.accesses), access.view.dtype)
            self.accesses.append(access)
        return self.loads[key]

    def gather(self, variable: Variable, indices: Sequence[Scalar]) -> Scalar:
        """The element of a variable at computed positions."""
        key = ("gather", variable)
        if key not in self.loads:
            view = self.lowering.view_of(variable)
            self.load(key, Access(view, (), indexed=True))
        self.fallible = True
        operand = self.loads[key].value
        return loops.gather(operand, indices, variable.type.dtype)

    def _with_parameters(self, roots: Sequence[Scalar]) -> list[Scalar]:
        """Host integers inside the scalars become loads from memory."""
        nodes = loops.walk(roots)
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
        for top in sorted(tops, key=lambda scalar: scalar.serial):
            view = self.lowering.parameter(loops.cast(top, "int64"))
            value = self.load(("host", top), Access(view, ()))
            replace[top] = loops.cast(value, top.dtype)
        return loops.substitute(roots, replace)


class PointRead:
    """An input of a PointOp inside a kernel.  Implements `ops.base.Read`."""

    def __init__(self, builder: KernelBuilder, node: Apply, variable: Variable) -> None:
        self.builder, self.node, self.variable = builder, node, variable

    @property
    def sizes(self) -> tuple[Scalar, ...]:
        return self.builder.inference.sizes_of(self.variable)

    def here(self) -> Scalar:
        axes = self.builder.cluster.inputs[self.node, self.variable]
        return self.builder.read(self.variable, axes)

    def at(self, indices: Sequence[Scalar]) -> Scalar:
        return self.builder.gather(self.variable, indices)


class ScatterBuilder(KernelBuilder):
    """The kernel of a write to computed positions: each point of the index space writes
    (or adds) its value, one after another."""

    def __init__(self, lowering: Lowering, node: Apply) -> None:
        op = node.op
        shapes = [lowering.inference.sizes_of(v) for v in node.inputs]
        lowering.inference.node = node
        with lowering.inference.asked_again():
            sizes = list(op.scatter_sizes(node, shapes, lowering.inference))
        cluster = Cluster(0, True, [node], space=sizes)
        every = tuple(None if s is ONE else k for k, s in enumerate(sizes))
        for v in node.inputs[1:]:
            tail = every[len(every) - v.type.ndim :] if v.type.ndim else ()
            own = lowering.inference.sizes_of(v)
            cluster.inputs[node, v] = tuple(
                None if s is ONE else a for s, a in zip(own, tail, strict=False)
            )
        super().__init__(lowering, cluster)
        self.node = node

    def step(self) -> LoopStep:
        node, op = self.node, self.node.op
        reads = [PointRead(self, node, v) for v in node.inputs]
        index = [loops.index(k) for k in range(self.rank)]
        positions, value = op.scatter(node, reads, index)
        *positions, value = self._with_parameters([*positions, value])
        x = self.lowering.view_of(node.inputs[0])
        write = Access(self.lowering.temporary(node.outputs[0]), (), indexed=True)
        mode = "set" if op.set else "add"
        output = Output(write.operand(self.rank), value, tuple(positions), mode)
        kernel = Kernel(
            self.rank,
            (False,) * self.rank,
            tuple(a.operand(self.rank) for a in self.accesses),
            (output,),
        )
        return LoopStep(
            [node],
            [a.view for a in self.accesses],
            [write.view],
            initial=x,
            fallible=True,
            kernel=shared_kernel(kernel),
            sizes=tuple(self.cluster.space),
            accesses=[*self.accesses, write],
        )


__all__ = ["Lowering", "is_native", "needed_nodes"]
