"""DebugMode: the compiled program beside the reference, at every call.

The graph that the user wrote is evaluated by NumPy; the rewritten graph is compiled.
Where results differ, the cause is looked for step by step: a rewrite that changed the
value, one operation whose native code is wrong, or a loop into which several were fused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symnet.compile.engine import Engine
from symnet.compile.passes import PASSES
from symnet.errors import message
from symnet.graph.evaluate import compute, evaluate, value_of
from symnet.graph.traverse import Graph, toposort
from symnet.graph.variables import Apply, Variable, operand_text
from symnet.shared import SharedVariable


class DebugModeError(RuntimeError):
    """DebugMode found that compiled code and reference disagree."""


class BadRewrite(DebugModeError):
    """A pass changed what the graph computes."""


class BadCode(DebugModeError):
    """Native code computes something else than its operation's reference."""


class BadMemory(DebugModeError):
    """A call changed an argument, or a shared variable that has no update."""


class DebugEngine:
    """Runs both, compares, and only then updates the shared variables."""

    def __init__(
        self,
        original: Graph,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        updates: Mapping[SharedVariable, Variable],
    ) -> None:
        self.original = original
        self.updates = dict(updates)
        self.graph = Graph(inputs, [*outputs, *updates.values()])
        self.count = len(outputs)
        self.engine = Engine(inputs, self.graph.outputs, {})

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        before = [np.array(a) for a in arrays]
        given = dict(zip(self.graph.inputs, arrays, strict=True))
        expected = evaluate(self.original.outputs, given)
        found = self.engine.run(arrays)
        for array, old, variable in zip(arrays, before, self.graph.inputs, strict=True):
            if not np.array_equal(array, old, equal_nan=old.dtype.kind in "fc"):
                raise BadMemory(
                    f"the argument {operand_text(variable)} was overwritten"
                )
        pairs = zip(found, expected, self.original.outputs, strict=True)
        for position, (got, want, variable) in enumerate(pairs):
            if not agree(got, want, expected_scale(want)):
                raise self.cause(position, got, want, variable, given)
        for shared, value in zip(self.updates, found[self.count :], strict=True):
            shared.set_value(value)
        return found[: self.count]

    def free(self) -> None:
        self.engine.free()

    # ---- what is wrong

    def cause(
        self,
        position: int,
        got: Any,
        want: Any,
        variable: Variable,
        given: Mapping[Variable, Any],
    ) -> DebugModeError:
        """The first pass or operation that explains a difference."""
        changed = first_bad_pass(self.original, given)
        if changed is not None:
            return BadRewrite(
                _report(f"the pass {changed!r} changed", variable, want, got)
            )
        node = first_bad_node(self.graph, given)
        if node is not None:
            what = f"native code of {node.op} disagrees: found while computing"
            return BadCode(_report(what, node.outputs[0], want, got, node))
        what = "operations fused into one loop disagree with the reference in"
        return BadCode(_report(what, self.graph.outputs[position], want, got))


def _report(
    what: str, variable: Variable, want: Any, got: Any, node: Apply | None = None
) -> str:
    node = node if node is not None else variable.owner
    want, got = np.asarray(want), np.asarray(got)
    if want.shape != got.shape:
        difference = f"shape {got.shape} instead of {want.shape}"
    else:
        with np.errstate(all="ignore"):
            gap = np.max(np.abs(np.subtract(got, want, dtype=complex)), initial=0.0)
        difference = f"largest difference {gap:.3g}"
    return message(
        f"{what} {operand_text(variable)}: {difference}",
        operation=node.op if node is not None else None,
        operands=[operand_text(v) for v in node.inputs] if node is not None else (),
        origin=node.origin if node is not None else None,
        cure="please report this as a bug of symnet, with the program",
    )


def expected_scale(array: Any) -> float:
    """The magnitude against which differences count."""
    finite = (
        np.asarray(array)[np.isfinite(np.asarray(array))] if _is_float(array) else array
    )
    return float(np.max(np.abs(finite), initial=0.0)) if _is_float(array) else 0.0


def _is_float(array: Any) -> bool:
    return bool(np.asarray(array).dtype.kind in "fc")


def agree(got: Any, want: Any, scale: float) -> bool:
    """Whether two results differ by no more than rounding explains."""
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape or got.dtype != want.dtype:
        return False
    if not _is_float(want):
        return bool(np.array_equal(got, want))
    precision = float(np.finfo(want.dtype).eps)
    rtol = precision ** (2 / 3)
    atol = rtol * max(scale, 1e-30)
    return bool(np.allclose(got, want, rtol=rtol, atol=atol, equal_nan=True))


def first_bad_pass(original: Graph, given: Mapping[Variable, Any]) -> str | None:
    """The first pass after which the reference gives other values."""
    expected = evaluate(original.outputs, given)
    graph = original
    for one in PASSES:
        graph = one(graph)
        values = evaluate(graph.outputs, given)
        pairs = zip(values, expected, strict=True)
        if not all(agree(v, w, expected_scale(w)) for v, w in pairs):
            return one.name
    return None


def first_bad_node(graph: Graph, given: Mapping[Variable, Any]) -> Apply | None:
    """The first operation whose own compiled code differs from its reference."""
    known: dict[Variable, Any] = dict(given)
    for node in toposort(graph.outputs, blockers=graph.inputs):
        arrays = [value_of(v, known) for v in node.inputs]
        expected = compute(node, arrays)
        leaves = [v for v in dict.fromkeys(node.inputs) if v in known]
        replaced = [
            np.ascontiguousarray(known[v]).reshape(np.shape(known[v])) for v in leaves
        ]
        fresh = {v: v.type.make_variable() for v in leaves}
        alone = node.clone_with_new_inputs([fresh.get(v, v) for v in node.inputs])
        found = Engine(list(fresh.values()), alone.outputs, {}).run(replaced)
        if not all(
            agree(f, e, expected_scale(e)) for f, e in zip(found, expected, strict=True)
        ):
            return node
        known.update(zip(node.outputs, expected, strict=True))
    return None
