"""What a graph is in a wider dtype: whether a result is finite as a formula only.

A graph is evaluated again with every float in NumPy's longdouble, whose range is that of
float64 to the sixteenth power and more on most processors.  Where a result is no number, or
infinite, and the wide one is a number that the result's dtype could hold, then some step
on the way left the range of its dtype or lost all of its digits: it is named.  A wide
number that only its roundings make, as 1e60 - (1e60 + 1e39), is none: what the formula
is there, nobody knows.

What has no wide reference (loops, conditions, library calls) is computed in its own dtype:
so nothing is reported that is not so, and what happens inside of those is not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symnet.compile.rounding import off_by_rounding
from symnet.errors import message
from symnet.graph.evaluate import compute, value_of
from symnet.graph.traverse import toposort
from symnet.graph.variables import Apply, Variable, operand_text
from symnet.ops.elementwise import Cast, Elementwise
from symnet.ops.reduce import Reduce

Array = np.ndarray[Any, Any]
TRIALS = 2  # evaluations that are off by last bits
CURE = (
    "write it so that no step leaves the range of its dtype: exp(x - x.max()) for exp(x) in "
    "a quotient, T.nnet.softplus, T.nnet.sigmoid, T.nnet.softmax, T.nnet.logsoftmax, log1p, "
    "expm1, a switch around the argument; or compute this part in float64"
)


def report_unstable(
    outputs: Sequence[Variable], found: Sequence[Any], given: Mapping[Variable, Any]
) -> str | None:
    """What to say of the first result that is finite as a formula only; None if none is.

    found: the results as computed, given the values of inputs and shared variables.
    """
    doubtful = [k for k, a in enumerate(found) if _is_float(a) and not _finite(a)]
    if not doubtful:
        return None
    narrow: dict[Variable, Any] = dict(given)
    wide = {v: _widened(a) for v, a in given.items()}
    culprit = _walk([outputs[k] for k in doubtful], narrow, wide)
    for k in doubtful:
        output = outputs[k]
        if output not in wide and output.owner is not None:
            continue
        value = _widened(value_of(output, wide))
        missed = _missed(found[k], value)
        if np.any(missed):
            missed &= _has_digits(output, value, given, np.finfo(found[k].dtype).tiny)
        if culprit is not None and np.any(missed):
            return _text(output, culprit, np.asarray(value_of(output, wide))[missed])
    return None


def _has_digits(
    output: Variable, value: Array, given: Mapping[Variable, Any], tiny: Any
) -> Any:
    """Where a wide value stays as it is when all that leads to it is off by last bits."""
    fine = np.ones(value.shape, bool)
    for trial in range(TRIALS):
        off = {v: _widened(a) for v, a in given.items()}
        _walk([output], dict(given), off, np.random.default_rng(trial))
        there = output in off or output.owner is None
        moved = _widened(value_of(output, off)) if there else np.array(np.nan)
        if moved.shape != value.shape:
            return np.zeros(value.shape, bool)
        with np.errstate(all="ignore"):
            fine &= np.abs(moved - value) <= 0.01 * np.abs(value) + tiny
    return fine


def wide_values(
    outputs: Sequence[Variable], given: Mapping[Variable, Any]
) -> list[Array | None]:
    """The outputs with every float in longdouble; None for what cannot be computed so."""
    wide = {v: _widened(a) for v, a in given.items()}
    _walk(outputs, dict(given), wide)
    known = [v in wide or v.owner is None for v in outputs]
    return [
        np.asarray(value_of(v, wide)) if there else None
        for v, there in zip(outputs, known, strict=True)
    ]


def _walk(
    outputs: Sequence[Variable],
    narrow: dict[Variable, Any],
    wide: dict[Variable, Any],
    off: np.random.Generator | None = None,
) -> Apply | None:
    """Computes both; the first operation that has numbers in and, unlike the wide one,
    none out.  off: the wide results are off by their last bits."""
    culprit = None
    for node in toposort(outputs, blockers=tuple(narrow)):
        try:
            arrays = [value_of(v, narrow) for v in node.inputs]
            results = compute(node, arrays)
            given = [_widened(value_of(v, wide)) for v in node.inputs]
            wider = _wide_results(node, given)
            if off is not None:
                wider = off_by_rounding(node, given, wider, _wide_results, off)
        except Exception:  # a branch that nobody takes may be impossible
            continue
        narrow.update(zip(node.outputs, results, strict=True))
        wide.update(zip(node.outputs, wider, strict=True))
        sound = all(_finite(a) for a in arrays if _is_float(a))
        lost = any(
            _is_float(a) and np.any(~np.isfinite(a) & np.isfinite(b))
            for a, b in zip(results, wider, strict=True)
        )
        if culprit is None and sound and lost:
            culprit = node
    return culprit


def _wide_results(node: Apply, arrays: Sequence[Any]) -> list[Any]:
    op = node.op
    if not all(v.type.dtype in ("float16", "float32", "float64") for v in node.outputs):
        return compute(node, [_as_typed(v, a) for v, a in zip(node.inputs, arrays)])
    with np.errstate(all="ignore"):
        if isinstance(op, Cast):
            return [np.asarray(arrays[0]).astype(np.longdouble)]
        if isinstance(op, Elementwise):
            function = op.reference
            if isinstance(function, str):
                return [_widened(getattr(np, function)(*arrays))]
            return [_widened(function(np, *arrays))]
        if isinstance(op, Reduce) and op.kind in ("sum", "prod", "max", "min"):
            return [_widened(getattr(np, op.kind)(arrays[0], axis=op.axes))]
        try:
            return [_widened(a) for a in compute(node, arrays)]
        except Exception:
            typed = [_as_typed(v, a) for v, a in zip(node.inputs, arrays)]
            return [_widened(a) for a in compute(node, typed)]


def _missed(got: Any, wide: Array) -> Any:
    """Where a number is missing that the dtype could hold."""
    got = np.asarray(got)
    if got.shape != wide.shape:
        return np.zeros(got.shape, bool)
    with np.errstate(all="ignore"):
        fits = np.isfinite(wide) & (np.abs(wide) <= np.finfo(got.dtype).max)
    return ~np.isfinite(got) & fits


def _text(output: Variable, node: Apply, values: Array) -> str:
    operands = [operand_text(v) for v in node.inputs]
    return message(
        f"{operand_text(output)} is finite as a formula ({float(values.flat[0]):.6g}) and not "
        f"as computed: {node.op} is the first step that left its dtype's range or digits",
        operation=node.op,
        operands=operands,
        origin=node.origin,
        cure=CURE,
    )


def _is_float(array: Any) -> bool:
    return bool(np.asarray(array).dtype.kind == "f")


def _finite(array: Any) -> bool:
    return bool(np.all(np.isfinite(array)))


def _widened(array: Any) -> Any:
    array = np.asarray(array)
    return array.astype(np.longdouble) if array.dtype.kind == "f" else array


def _as_typed(variable: Variable, array: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.asarray(array).astype(variable.type.dtype)
