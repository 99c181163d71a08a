"""What tests share: run a graph in every way there is and compare."""

from __future__ import annotations

import importlib.util
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symnet.graph.evaluate import evaluate
from symnet.graph.variables import Apply, Variable
from symnet.ops.lowerings import Lowering, Reference
from symnet.ops.sorting import Sort

try:
    from symnet.compile.function import function
except ImportError:  # the compiler is not there
    function = None  # type: ignore[assignment]


def run(
    outputs: Variable | Sequence[Variable],
    values: Mapping[Variable, Any] | None = None,
    rtol: float | None = None,
) -> Any:
    """The outputs' values by reference evaluation, after checking that the compiled
    function gives the same ones (to the dtype's precision, or `rtol`)."""
    many = not isinstance(outputs, Variable)
    wanted = list(outputs) if many else [outputs]
    given = {v: np.asarray(a, dtype=v.type.dtype) for v, a in (values or {}).items()}
    expected = evaluate(wanted, given)
    if function is not None:
        compiled = function(list(given), wanted, on_unused_input="ignore")
        for got, want, variable in zip(compiled(*given.values()), expected, wanted):
            check(got, want, variable, rtol)
    return expected if many else expected[0]


def check(got: Any, want: Any, variable: Variable, rtol: float | None = None) -> None:
    got, want = np.asarray(got), np.asarray(want)
    assert got.dtype == want.dtype == np.dtype(variable.type.dtype)
    assert got.shape == want.shape
    if got.dtype.kind in "fc":
        precision = np.finfo(got.dtype).eps
        tolerance = rtol if rtol is not None else 100 * precision
        scale = np.max(np.abs(want[np.isfinite(want)]), initial=0.0)
        np.testing.assert_allclose(
            got, want, rtol=tolerance, atol=tolerance * (scale + 1e-30)
        )
    else:
        np.testing.assert_array_equal(got, want)


TUTORIALS = pathlib.Path(__file__).parent.parent / "tutorials"


def tutorial(name: str) -> Any:
    """A module of the tutorials."""
    spec = importlib.util.spec_from_file_location(name, TUTORIALS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


class ReferenceSort(Sort):
    """Rows in order by NumPy: an operation that no device has native code for."""

    def lowering(self, node: Apply) -> Lowering:
        return Reference()


reference_sort = ReferenceSort()
