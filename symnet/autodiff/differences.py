"""Gradients by central differences: what symbolic ones are checked against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

# dtype -> (step of central differences, tolerance both absolute and relative)
PRECISION = {"float16": (5e-2, 5e-2), "float32": (3e-3, 1e-2), "float64": (1e-5, 1e-5)}


class GradientError(Exception):
    """A symbolic gradient differs from the numeric one."""


class numeric_grad:
    """The gradient of `f`, a function of arrays to a number, by central differences.

    pt: an array or a list of them; `gf` has the same form.
    eps: the step; by default what suits the least precise dtype.

    >>> found = T.numeric_grad(lambda x: (x**2).sum(), np.array([1.0, 3.0]))
    >>> np.round(found.gf, 6)
    array([2., 6.])
    """

    # The step for each dtype, by Theano's name.
    type_eps: ClassVar = {dtype: step for dtype, (step, _) in PRECISION.items()}

    def __init__(
        self,
        f: Callable[..., Any],
        pt: Any,
        eps: float | None = None,
        out_type: str | None = None,
    ) -> None:
        single = not isinstance(pt, (list, tuple))
        points = [np.array(p) for p in ([pt] if single else pt)]
        dtypes = [p.dtype.name for p in points] + ([out_type] if out_type else [])
        step = eps or max(PRECISION[d][0] for d in dtypes)
        gradients = [_differences(f, points, k, step) for k in range(len(points))]
        self.gf: Any = gradients[0] if single else gradients
        self._parts = gradients

    @property
    def is_finite(self) -> bool:
        """Whether all differences are numbers."""
        return all(bool(np.isfinite(part).all()) for part in self._parts)

    @staticmethod
    def abs_rel_err(a: Any, b: Any) -> tuple[Any, Any]:
        """|a - b|, and the same relative to |a| + |b|."""
        error = np.abs(np.asarray(a) - b)
        return error, error / np.maximum(np.abs(a) + np.abs(b), 1e-8)

    def max_err(
        self, g_pt: Any, abs_tol: float, rel_tol: float
    ) -> tuple[int, int, float, float]:
        """Where `g_pt` is furthest off, as (which array, position, absolute error,
        relative error), the smaller in proportion to its tolerance being what counts."""
        worst = (0, 0, 0.0, 0.0)
        excess = -1.0
        parts = g_pt if isinstance(g_pt, (list, tuple)) else [g_pt]
        for k, (got, want) in enumerate(zip(parts, self._parts, strict=True)):
            if got.shape != want.shape:
                raise ValueError(
                    f"gradient {k} has shape {got.shape}, not {want.shape}"
                )
            absolute, relative = self.abs_rel_err(want, got)
            ratio = np.minimum(absolute / abs_tol, relative / rel_tol)
            ratio = np.where(np.isfinite(ratio), ratio, np.inf)
            if ratio.size and ratio.max() > excess:
                at = int(ratio.argmax())
                excess = float(ratio.flat[at])
                worst = (k, at, float(absolute.flat[at]), float(relative.flat[at]))
        return worst


def _differences(
    f: Callable[..., Any], points: list[np.ndarray[Any, Any]], k: int, step: float
) -> np.ndarray[Any, Any]:
    point = points[k]
    gradient = np.zeros(point.shape, np.result_type(point.dtype, np.float64))
    for at in np.ndindex(point.shape):
        middle = point[at]
        point[at] = middle + step
        right, above = float(point[at]), np.float64(f(*points))
        point[at] = middle - step
        # What was added to the number is known only after its rounding.
        gradient[at] = (above - np.float64(f(*points))) / (right - float(point[at]))
        point[at] = middle
    return gradient
