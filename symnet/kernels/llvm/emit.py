"""From a kernel and a variant to LLVM IR: loops, vectors, masks and reductions.

For vectors the function is `i64 kernel(i64* words, i64 begin, i64 end)`: it does the work
items begin..end and returns 0, or 1 as soon as a computed position lies outside its
array.  For threads see `thread_items`.  `words` is laid out by `kernels.schedule`.  The text
is written straight as SSA form, hoisted and vectorised, so LLVM only has to choose
instructions and registers.

Of small objects, each knows those below it: `WorkItems`, `Parts`, `ThreadItems` (which
points), `Bands`, `Passes` (over reduced dimensions), `KernelOutputs`, `Points` (values),
`ArrayAccess`, `Block` (the present place, addresses), `FunctionWriter` (text).
"""

from __future__ import annotations

from symnet.kernels.legality import Stage, axes_of, stages_of
from symnet.kernels.llvm.accumulate import Passes
from symnet.kernels.llvm.array_access import ArrayAccess
from symnet.kernels.llvm.blocks import Block
from symnet.kernels.llvm.function_writer import FunctionWriter
from symnet.kernels.llvm.loop_nest import Nest
from symnet.kernels.llvm.outputs import KernelOutputs
from symnet.kernels.llvm.parts import Parts
from symnet.kernels.llvm.pass_plan import PassPlan
from symnet.kernels.llvm.points import Points
from symnet.kernels.llvm.target import Target
from symnet.kernels.llvm.text import Module
from symnet.kernels.llvm.thread_items import ThreadItems, thread_head
from symnet.kernels.llvm.work_items import WorkItems
from symnet.kernels.loopir.scalars import Kernel, walk
from symnet.kernels.variants import Variant, for_threads


def emit(kernel: Kernel, variant: Variant, target: Target, name: str = "kernel") -> str:
    """The LLVM module of one kernel variant; with lanes "parts" it holds a function of the
    same signature for each of `legality.stages_of`.  For threads the variant is taken as
    `for_threads` makes it.

    Raises: NotImplementedError for an operation that has no instructions; ValueError for
    a kernel without meaning.
    Example: `emit(kernel, Variant(((0,),), (), "kept", "cc"), cpu_target(...))`.
    """
    check(kernel)
    if target.threads:
        variant = for_threads(variant)
    nest = Nest(kernel, variant, target)
    module = Module(target)
    plan = PassPlan(nest, target)
    write = write_thread_function if target.threads else write_function
    stages = stages_of(kernel) if variant.lanes == "parts" else (None,)
    for stage in stages:
        write(module, plan, f"{name}{stage.suffix if stage else ''}", stage)
    return module.text()


def write_function(
    module: Module, plan: PassPlan, name: str, stage: Stage | None
) -> None:
    """A function of vectors."""
    passes = passes_of(module, plan)
    if stage is None:
        WorkItems(passes).write()
    elif stage.kind == "parts":
        Parts(passes, stage.done).write_items()
    else:
        Parts(passes, stage.done).combine_all()
    head = f"define i64 @{name}(ptr %words, i64 %begin, i64 %end)"
    passes.writer.finish(head)


def write_thread_function(
    module: Module, plan: PassPlan, name: str, stage: Stage | None
) -> None:
    """A function of threads."""
    passes = passes_of(module, plan)
    items = ThreadItems(passes)
    if stage is None:
        items.write_points()
    else:
        items.write_stage(stage)
    words = passes.block.word_count
    head = thread_head(module, name, words)
    passes.writer.finish(head, "ret void", "store i32 1, ptr %failed\n  ret void")


def passes_of(module: Module, plan: PassPlan) -> Passes:
    """The objects that write one function."""
    block = Block(plan.nest, FunctionWriter(module))
    memory = ArrayAccess(block)
    return Passes(plan, KernelOutputs(Points(block, memory), memory))


def check(kernel: Kernel) -> None:
    """A kernel must say what it does.

    Raises: ValueError for a reduction where no axis is reduced, and for an output
    without indices that has one place for values that change along an axis.
    """
    nodes = walk(out.value for out in kernel.outputs)
    if not any(kernel.reduced) and any(node.op == "reduce" for node in nodes):
        raise ValueError(f"no axis is reduced in\n{kernel.text}")
    moves = axes_of(nodes, kernel.inputs, kernel.reduced)
    for out in kernel.outputs:
        for axis in moves[out.value]:
            if not out.operand.axes[axis] and not out.indices:
                raise ValueError(
                    f"an output has one place along axis {axis} in\n{kernel.text}"
                )
