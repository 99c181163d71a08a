"""Logarithms of determinants: the same values, and finite where determinants are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symnet.compile.function import function
from symnet.gradient import grad
from symnet.graph.traverse import toposort
from symnet.graph.types import TensorType
from symnet.ops.arithmetic import absolute, log, sqr, sqrt
from symnet.ops.functions import log2, log10
from symnet.ops.linalg.determinants import Det, det
from tests.rewriting.rules.tools import check, compare, refuse, simplified

RNG = np.random.default_rng(7)
NAME = {log: "log", log2: "log2", log10: "log10"}


def matrix(name: str, dtype: str = "float64") -> Any:
    return TensorType(dtype, (None, None))(name)


a, b, k = matrix("a"), matrix("b"), TensorType("float64", ())("k")
FORMS = [
    det(a), absolute(det(a)), -det(a), sqr(det(a)), k * det(a), det(a) / k, k / det(a),
    sqrt(det(a)), det(a) ** 3, det(a) ** -1.5, det(a) * det(b), det(a) / det(b),
    sqrt(absolute(det(a)) / sqr(det(b))), det(a) * matrix("a"), 2.5 / sqrt(det(a) * det(b)),
]  # fmt: skip


@pytest.mark.parametrize("op", NAME)
@pytest.mark.parametrize("form", range(len(FORMS)))
def test_every_form(op: Any, form: int) -> None:
    """Of every sign, and of singular matrices: the same number, infinity or NaN."""
    turned, flat = np.diag([1.1, -1, 2.3]), np.diag([1.0, 0, 2])
    general = RNG.normal(size=(3, 3))
    output = op(FORMS[form])
    for left in (turned, -turned, flat, general):
        for right in (turned, -turned, general):
            for factor in (0.3, -1.7):
                values = {a: left, b: right, k: np.array(factor)}
                leaves = {v: values.get(v, left) for v in _leaves(output)}
                with np.errstate(all="ignore"):
                    check(f"{NAME[op]}_of_determinant", output, leaves, rtol=1e-12)


def _leaves(output: Any) -> list[Any]:
    nodes = toposort([output])
    found = [v for node in nodes for v in node.inputs if v.owner is None]
    return [v for v in found if not hasattr(v, "data")]


@pytest.mark.parametrize("dtype", ["float16", "float32", "complex64", "complex128"])
def test_dtypes(dtype: str) -> None:
    x = matrix("x", dtype)
    value = np.array([[2, 1], [3, 5]]).astype(dtype)
    if dtype.startswith("complex"):
        value = value * (1 + 0.5j)
    for output in (log(det(x)), log(absolute(det(x))), log(sqrt(det(x)))):
        rtol = 30 * np.finfo(dtype).eps
        check("log_of_determinant", output, {x: value.astype(dtype)}, rtol=float(rtol))


def test_what_is_no_product() -> None:
    for output in (log(det(a) + 1), log(k), log(det(a) ** k), log(det(a) ** 0)):
        refuse("log_of_determinant", output)


def test_large_matrices_of_small_numbers() -> None:
    x, n = matrix("x"), 500
    outputs = [
        log(det(x)), log(absolute(det(x))), 0.5 * log(sqr(det(x))),
        log(det(x) / det(2 * x)),
    ]  # fmt: skip
    small = np.diag(np.full(n, 0.01))
    got = function([x], outputs)(small)
    whole = n * np.log(0.01)
    want = [whole, whole, whole, -n * np.log(2)]
    np.testing.assert_allclose(got, want, rtol=1e-13)
    assert not any(isinstance(v.owner.op, Det) for v in _made(simplified(*outputs)))


def _made(outputs: Any) -> list[Any]:
    return [node.outputs[0] for node in toposort(outputs)]


def test_the_gradient_of_the_logarithm_where_the_determinant_is_ordinary() -> None:
    x = matrix("x")
    value = RNG.normal(size=(4, 4))
    got = function([x], grad(log(absolute(det(x))), x))(value)
    compare(got, np.linalg.inv(value).T, rtol=1e-10)
