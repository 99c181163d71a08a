"""Positions are looked at before anything is written to them.

A write to computed positions may fail half way.  Into a copy that does no harm; before a
write into a shared variable itself a step of its own reads at all the positions, and
fails where one is out of range.
"""

from __future__ import annotations

from symnet.compile.lower.program import Access, KernelLaunch
from symnet.kernels.loopir import scalars
from symnet.kernels.loopir.scalars import Kernel, Operand, Output, Scalar, walk
from symnet.kernels.loopir.views import ONE, View, minimum


def check_step(write: KernelLaunch, target: View, flag: View) -> KernelLaunch | None:
    """A step that fails where `write`, whose positions are in `target`, would; None where
    the write may fail for other reasons too.

    flag: memory for one bool that nobody reads.
    """
    kernel = write.kernel
    # Of complex numbers there are two, at the same positions.
    output = kernel.outputs[0]
    values = [one.value for one in kernel.outputs]
    if any(node.op == "gather" for node in walk([*output.indices, *values])):
        return None
    loads = [node for node in walk(output.indices) if node.op == "load"]
    renamed = {node: scalars.load(k, node.dtype) for k, node in enumerate(loads)}
    indices = scalars.substitute(output.indices, renamed)
    accesses = [write.accesses[node.value] for node in loads]
    element, *_ = Access(target, (), indexed=True).parts
    accesses += [element, Access(flag, ())]
    looked_at = scalars.gather(len(loads), indices, element.view.dtype)
    found = scalars.binary("ne", looked_at, looked_at)
    rank = kernel.rank
    value = scalars.reduction("any", found, "bool") if rank else found
    operands = [access.operand(rank) for access in accesses]
    return KernelLaunch(
        write.nodes,
        [access.view for access in accesses[:-1]],
        [flag],
        fallible=True,
        kernel=Kernel(
            rank,
            (True,) * rank,
            tuple(operands[:-1]),
            (Output(Operand("bool", (False,) * rank), value),),
        ),
        sizes=tuple(
            size if axis in _looked_at(kernel, output.indices) else minimum(size, ONE)
            for axis, size in enumerate(write.sizes)
        ),
        accesses=accesses,
    )


def _looked_at(kernel: Kernel, indices: tuple[Scalar, ...]) -> set[int]:
    """The loop axes on which it depends whether positions are in range: not those that
    only count through an axis of the array."""
    found: set[int] = set()
    for node in walk(indices):
        if node.op == "load":
            moves = kernel.inputs[node.value].axes
            found.update(axis for axis, moving in enumerate(moves) if moving)
        found.update(a.value for a in node.args if a.op == "index")
    return found
