"""What the tests of elementwise operations share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symnet.graph.evaluate import evaluate
from symnet.graph.types import DTYPES, TensorType
from symnet.graph.variables import Variable
from symnet.kernels.loopir import interpret
from symnet.kernels.loopir.math import expand
from symnet.kernels.loopir.math.external import EXTERNAL
from symnet.kernels.loopir.scalars import argument, walk
from tests.helpers import run

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 1.5, -2.5, 3.0, -7.25, 40.0]
EXTREME = [np.nan, np.inf, -np.inf]


def samples(dtype: str, extreme: bool = True) -> np.ndarray[Any, Any]:
    """Values of that dtype that matter."""
    kind = np.dtype(dtype).kind
    if kind == "b":
        return np.array([True, False])
    if kind in "iu":
        limits = np.iinfo(dtype)
        values = [0, 1, 2, 3, 5, 7, 100, limits.max, limits.max - 1]
        if kind == "i":
            values += [-1, -2, -3, -8, limits.min, limits.min + 1]
        return np.array(values, dtype)
    real = np.array(SPECIAL + (EXTREME if extreme else []))
    if kind == "c":
        return (real[None, :12] + 1j * real[:12, None]).ravel().astype(dtype)
    return real.astype(dtype)


def pairs(
    dtype: str, other: str = "", extreme: bool = True
) -> list[np.ndarray[Any, Any]]:
    """Every sample of a dtype against every one of another."""
    left, right = samples(dtype, extreme), samples(other or dtype, extreme)
    return [left[:, None], right[None, :]]


def of_kinds(kinds: str) -> list[str]:
    return [dtype for dtype in DTYPES if np.dtype(dtype).kind in kinds]


def variables(*arrays: Any) -> list[Variable]:
    return [
        TensorType(a.dtype, [1 if n == 1 else None for n in a.shape])() for a in arrays
    ]


def apply(
    function: Callable[..., Any],
    *arrays: Any,
    expected: Any = None,
    rtol: float | None = None,
) -> Any:
    """function(*arrays) by reference, compiled, and from the scalar body; all must agree
    with each other and, where it is given, with `expected`."""
    inputs = variables(*arrays)
    output = function(*inputs)
    value = run(output, dict(zip(inputs, arrays)), rtol)
    check_body(output, dict(zip(inputs, arrays)), value, rtol)
    if expected is not None:
        close(value, expected, rtol)
    return value


def close(got: Any, want: Any, rtol: float | None = None) -> None:
    """Each element by itself close to what is wanted, to the dtype's precision or rtol."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.dtype == want.dtype and got.shape == want.shape
    if got.dtype.kind not in "fc":
        np.testing.assert_array_equal(got, want)
        return
    limits = np.finfo(got.dtype)
    tolerance = 20 * limits.eps if rtol is None else rtol
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=10 * limits.tiny)


def check_body(output: Variable, values: Any, want: Any, rtol: float | None) -> None:
    """The body of the last operation, interpreted on the values of its inputs."""
    node = output.owner
    body = getattr(node and node.op, "scalar", None)
    if body is None or any(
        np.dtype(v.type.dtype).kind == "c" for v in [output, *node.inputs]
    ):
        return
    arguments = [argument(k, v.type.dtype) for k, v in enumerate(node.inputs)]
    roots = expand([body(arguments, output.type.dtype)])
    if any(scalar.op in EXTERNAL for scalar in walk(roots)):
        return
    arrays = evaluate(node.inputs, values)
    got = interpret.evaluate(roots, [np.atleast_1d(a) for a in arrays])[0]
    wanted = np.atleast_1d(want)
    close(np.broadcast_to(got, wanted.shape), wanted, rtol)
