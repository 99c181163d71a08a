"""Products of what a loop walks over, made for all steps at once before it.

Such is the product of a recurrent layer's input with its weights: one large product makes
better use of a processor than a small one in each step.
"""

from __future__ import annotations

from collections.abc import Sequence

from symnet.autodiff.batching import NotBatched
from symnet.compile.scan.scan_builder import ScanBuilder
from symnet.compile.scan.vectorise import (
    INVARIANT,
    SEQUENCE,
    Lengths,
    kinds_of,
    over_all_steps,
    read_by,
    values_read,
)
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Variable, make_variable
from symnet.ops.indexing import getitem
from symnet.ops.linalg.products import Dot
from symnet.ops.scan.loop import Scan


def hoist_products(
    op: Scan, inputs: Sequence[Variable], lengths: Lengths
) -> Apply | None:
    """The loop without the products that do not depend on the steps before; None where it
    has none.

    Not of loops that may stop early, nor of those that hand out no more than last rows:
    their memory is not to grow with the steps.
    """
    if not hands_out_rows(op):
        return None
    draft = ScanBuilder.of(op, inputs)
    return draft.node() if _hoist(draft, lengths) else None


def hands_out_rows(op: Scan) -> bool:
    """Whether a loop runs to its end and makes arrays with a row for each step."""
    rows = op.collected or any(state.keep is None for state in op.states)
    return bool(rows) and not op.until and not op.python_loop


def _hoist(draft: ScanBuilder, lengths: Lengths) -> bool:
    """Make sequences of the products in a step that can be made before the loop."""
    found: dict[Variable, Variable] = {}
    for product in input_products(draft):
        array = _over_sequences(draft, product, lengths)
        if array is not None:
            row = TensorType(array.type.dtype, array.type.shape[1:])
            leaf = make_variable(row, product.name)
            draft.sequences[leaf] = array
            found[product] = leaf
    if found:
        draft.replace(found)
    return bool(found)


def input_products(draft: ScanBuilder) -> list[Variable]:
    """The products of something that is walked over with something fixed."""
    kinds, read = kinds_of(draft), values_read(draft)
    return [
        node.outputs[0]
        for node in draft.order()
        if isinstance(node.op, Dot)
        and node.outputs[0] in read
        and {kinds[v] for v in node.inputs} == {INVARIANT, SEQUENCE}
    ]


def _over_sequences(
    draft: ScanBuilder, wanted: Variable, lengths: Lengths
) -> Variable | None:
    """A variable as an array over all steps; None where that cannot be made at once.

    Of sequences that are walked from their ends the product is made as they lie.
    """
    leaves = read_by([wanted], draft.sequences)
    arrays = {v: draft.sequences[v] for v in leaves}
    forwards = {v: lengths.forwards(a, draft.steps) for v, a in arrays.items()}
    rows = {v: a for v, a in forwards.items() if a is not None}
    turned = len(rows) == len(arrays)
    if not turned:
        rows = {v: lengths.walked(draft, v) for v in leaves}
    try:
        (found,) = over_all_steps(draft, [wanted], rows)
    except NotBatched:
        return None
    return getitem(found, slice(None, None, -1)) if turned else found
