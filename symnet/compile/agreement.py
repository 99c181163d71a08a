"""Which differences between two evaluations count: those that rounding does not explain.

When a fixed tolerance is exceeded, the graph is evaluated again with every result off by
its last bits, which shows how far rounding reaches (see `compile.debugmode`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from symnet.compile.rounding import off_by_rounding
from symnet.compile.widening import wide_values
from symnet.graph.evaluate import changing, evaluate
from symnet.graph.op import computed
from symnet.graph.variables import Apply, Variable

TRIALS = 4  # pairs of evaluations that measure the reach of rounding
MANY_TRIALS = 32  # before it is said that something differs
SLACK = 2.0  # by how much they may miss it: of many choices each turns half of them

Array = np.ndarray[Any, Any]
Values = Mapping[Variable, Any]
ANY_SHAPE = np.array(np.inf)  # the reach where even the shape is a matter of rounding


def first_difference(
    variables: Sequence[Variable],
    wants: Sequence[Any],
    gots: Sequence[Any],
    given: Values,
    simpler: bool = False,
) -> int | None:
    """The number of the first variable of which two values differ by more than rounding
    explains.  simpler: what is got may be a number where `want` is not finite, and what
    the variable is in a wider dtype.  A float16 may be that in any case: operations in one
    loop hand on float32."""
    pairs = enumerate(zip(wants, gots, strict=True))
    doubtful = [
        k for k, (want, got) in pairs if not agree(got, want, expected_scale(want))
    ]
    if not doubtful:
        return None
    asked = variables, wants, given
    reaches = [np.zeros(np.shape(want)) for want in wants]
    for measure in (
        partial(reach_of_rounding, *asked, TRIALS),
        partial(reach_of_rounding, *asked, MANY_TRIALS),
        partial(reach_of_each_rounding, *asked),
    ):
        reaches = [_farther(*pair) for pair in zip(reaches, measure(), strict=True)]
        doubtful = [
            k for k in doubtful if not explained(gots[k], wants[k], reaches[k], simpler)
        ]
        if not doubtful:
            return None
    if not simpler:
        exact = [k for k in doubtful if np.asarray(wants[k]).dtype != np.float16]
        if exact:
            return exact[0]
    wider = wide_values([variables[k] for k in doubtful], given)
    for k, wide in zip(doubtful, wider, strict=True):
        if not explained(gots[k], wants[k], reaches[k], simpler, wide):
            return k
    return None


def _farther(a: Array, b: Array) -> Array:
    return ANY_SHAPE if a is ANY_SHAPE or b is ANY_SHAPE else np.maximum(a, b)


def expected_scale(array: Any) -> float:
    """The magnitude against which differences count."""
    finite = (
        np.asarray(array)[np.isfinite(np.asarray(array))] if _is_float(array) else array
    )
    return float(np.max(np.abs(finite), initial=0.0)) if _is_float(array) else 0.0


def _is_float(array: Any) -> bool:
    return bool(np.asarray(array).dtype.kind in "fc")


def agree(got: Any, want: Any, scale: float) -> bool:
    """Whether two results are equal to a fixed tolerance."""
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape or got.dtype != want.dtype:
        return False
    if not _is_float(want):
        return bool(np.array_equal(got, want))
    rtol, atol = _tolerances(want, scale)
    with np.errstate(all="ignore"):
        return bool(np.allclose(got, want, rtol=rtol, atol=atol, equal_nan=True))


def _tolerances(want: Array, scale: float) -> tuple[float, float]:
    rtol = float(np.finfo(want.dtype).eps) ** (2 / 3)
    return rtol, rtol * max(scale, 1e-30)


def explained(
    got: Any, want: Any, reach: Array, simpler: bool, wide: Array | None = None
) -> bool:
    """Whether every element differs by no more than the reach of rounding.

    wide: what is wanted, as a wider dtype has it; what comes nearer to it is no worse."""
    got, want = np.asarray(got), np.asarray(want)
    if got.dtype != want.dtype:
        return False
    if got.shape != want.shape or reach is ANY_SHAPE:
        return reach is ANY_SHAPE
    allowed = SLACK * reach
    if _is_float(want):
        rtol, atol = _tolerances(want, expected_scale(want))
        with np.errstate(all="ignore"):
            allowed = allowed + np.nan_to_num(atol + rtol * np.abs(want), posinf=0.0)
    fine = distance(got, want) <= allowed
    if simpler and _is_float(want):
        fine |= ~np.isfinite(want)
    if wide is not None and wide.shape == want.shape:
        fine |= _is_near(got, wide) | (distance(got, wide) <= distance(want, wide))
    return bool(np.all(fine))


def _is_near(got: Array, wide: Array) -> Array:
    """Which elements are those of a wider dtype to a fixed tolerance."""
    if not _is_float(got):
        return np.asarray(got == wide)
    with np.errstate(all="ignore"):
        want = wide.astype(got.dtype)
        rtol, atol = _tolerances(want, expected_scale(want))
        return np.asarray(np.isclose(got, want, rtol=rtol, atol=atol))


def distance(got: Array, want: Array) -> Array:
    """How far apart elements are: 0 for equal ones, NaN and infinities included, and
    infinitely far where only one is finite."""
    with np.errstate(all="ignore"):
        gap = np.abs(np.subtract(got, want, dtype=complex))
        same = (got == want) | ((got != got) & (want != want))
    return np.where(same, 0.0, np.nan_to_num(gap, nan=np.inf, posinf=np.inf))


def reach_of_rounding(
    variables: Sequence[Variable],
    wants: Sequence[Any],
    given: Values,
    trials: int = TRIALS,
) -> list[Array]:
    """How far each element moves when every float that leads to it is off by its last
    bits (or, near zero, by the smallest normal number), in a few random trials.

    Source: Vignes 1993, stochastic arithmetic.
    """
    return _reach(variables, wants, given, [(k, None) for k in range(trials)])


def reach_of_each_rounding(
    variables: Sequence[Variable], wants: Sequence[Any], given: Values
) -> list[Array]:
    """The same where the results of one operation alone are off, of each in turn.

    Of log(-log(p)) with p = 1 a p that is off hides that the inner logarithm may be any
    number next to zero."""
    nodes: dict[Apply, None] = {}

    def note(node: Apply, arrays: Sequence[Any], results: list[Any]) -> list[Any]:
        nodes[node] = None
        return results

    _evaluated(variables, given, note)
    return _reach(variables, wants, given, list(enumerate(nodes)))


def _reach(
    variables: Sequence[Variable],
    wants: Sequence[Any],
    given: Values,
    trials: Sequence[tuple[int, Apply | None]],
) -> list[Array]:
    """trials: seeds, each with the operation whose results are off (None: all)."""
    reach = [np.zeros(np.shape(want)) for want in wants]
    for seed, only in trials:
        for side in (1.0, -1.0):  # a choice between near values turns in one of them
            rng = np.random.default_rng(seed)
            try:
                found = _evaluated_off(variables, given, rng, side, only)
            except Exception:  # a choice has turned to what means nothing
                continue
            for k, (value, want) in enumerate(zip(found, wants, strict=True)):
                if np.shape(value) != np.shape(want):
                    reach[k] = ANY_SHAPE
                elif reach[k] is not ANY_SHAPE:
                    reach[k] = np.maximum(reach[k], distance(np.asarray(value), want))
    return reach


def _evaluated_off(
    variables: Sequence[Variable],
    given: Values,
    rng: np.random.Generator,
    side: float,
    only: Apply | None,
) -> list[Any]:
    """The values where all that rounds is off, or the results of `only`; inside of loops
    and conditions as well."""

    def change(node: Apply, arrays: Sequence[Any], results: list[Any]) -> list[Any]:
        if only is not None and node is not only:
            return results
        return off_by_rounding(node, arrays, results, computed, rng, side)

    return _evaluated(variables, given, change)


def _evaluated(
    variables: Sequence[Variable], given: Values, change: Callable[..., list[Any]]
) -> list[Any]:
    token = changing.set(change)
    try:
        return evaluate(variables, given)
    finally:
        changing.reset(token)
