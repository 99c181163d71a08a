"""Products of one value with several fixed matrices, made as one.

The gates of a recurrent layer are often written with weights of their own, each times the
same state.  Their weights are joined before the loop, and every step makes one product.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from symnet.compile.scan.scan_builder import ScanBuilder
from symnet.compile.scan.vectorise import INVARIANT, kinds_of, values_read
from symnet.graph.traverse import clone_replace
from symnet.graph.variables import Apply, Variable
from symnet.ops.arithmetic import add
from symnet.ops.joining import join
from symnet.ops.linalg.products import Dot
from symnet.ops.scan.loop import Scan
from symnet.ops.sizes import shape_i
from symnet.ops.subtensor import Subtensor


def join_products(op: Scan, inputs: Sequence[Variable]) -> Apply | None:
    """The loop with products joined that have their left factor in common; None where
    there are none."""
    if op.python_loop:
        return None
    draft = ScanBuilder.of(op, inputs)
    groups = [group for group in _groups(draft) if len(group) > 1]
    if not groups:
        return None
    for group in groups:
        _join(draft, group)
    return draft.node()


def _groups(draft: ScanBuilder) -> list[list[Apply]]:
    """Products of the same moving matrix or vector with fixed matrices."""
    kinds, read = kinds_of(draft), values_read(draft)
    found: dict[Variable, list[Apply]] = defaultdict(list)
    for node in draft.order():
        if not isinstance(node.op, Dot) or node.outputs[0] not in read:
            continue
        left, right = node.inputs
        moving, fixed = kinds[left] != INVARIANT, kinds[right] == INVARIANT
        if moving and fixed and right.type.ndim == 2:
            found[left].append(node)
    return list(found.values())


def _join(draft: ScanBuilder, group: Sequence[Apply]) -> None:
    """Make one product of a group, and of each of its products a part of that."""
    left = group[0].inputs[0]
    weights = clone_replace([node.inputs[1] for node in group], draft.others)
    product = Dot()(left, draft.outside(join(1, *weights)))
    pattern = ["::"] * (left.type.ndim - 1)
    parts: dict[Variable, Variable] = {}
    end: Variable | None = None
    for node, weight in zip(group, weights, strict=True):
        start, size = end, shape_i(weight, 1)
        end = size if start is None else add(start, size)
        bounds = [draft.outside(v) for v in (start, end) if v is not None]
        entry = ":b:" if start is None else "a:b:"
        (old,) = node.outputs
        parts[old] = Subtensor([*pattern, entry])(product, *bounds)
    draft.replace(parts)
