"""Passes over the reduced dimensions: every rest of every loop, judged by exact sums."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from symnet.kernels.cpu.runtime.run_kernel import run_kernel
from symnet.kernels.llvm.accumulate import STEPS, flatten, unflatten
from symnet.kernels.llvm.machine import machine
from symnet.kernels.loopir.scalars import (
    Kernel,
    Output,
    Scalar,
    call,
    cast,
    load,
    reduction,
)
from symnet.kernels.variants import Variant
from tests.kernels.kernel_reference import operand

F = "float32"
LANES = machine().target.vector_bytes // 4
CHUNK = STEPS * LANES
SIZES = [1, 2, LANES - 1, LANES, LANES + 1, 4 * LANES + 3]
SIZES += [n * CHUNK + rest for n in (1, 4) for rest in (-1, 0, 1)] + [9 * CHUNK + 5]


def rows_kernel(value: Scalar, result: str) -> Kernel:
    out = Output(operand(result, [1, 0]), value)
    return Kernel(2, (False, True), (operand(F, [1, 1]),), (out,))


def run_rows(kernel: Kernel, x: Any, result: str, lanes: str) -> Any:
    """Over the rows of x, with lanes along them, across them or none."""
    access = {"reduced": "cf", "kept": "sc", "one": "ff"}[lanes]
    out = np.zeros(len(x), result)
    wanted = Variant(((0,),), ((1,),), lanes, access)
    used = run_kernel(kernel, x.shape, [x, out], wanted).variant
    assert used.lanes in (lanes, "reduced", "kept")
    return out


@pytest.mark.parametrize("size", SIZES)
def test_sums_of_every_length_are_exact_to_the_last_place(size: int) -> None:
    """With a bounded number of steps between merges the error does not grow."""
    x = (np.random.default_rng(size).random((3, size)) + 0.5).astype(F)
    kernel = rows_kernel(reduction("sum", load(0, F), F), F)
    for data in (x, np.asfortranarray(x)):
        got = run_rows(kernel, data, F, "reduced")
        exact = np.array([math.fsum(row) for row in x])
        np.testing.assert_allclose(got, exact, rtol=1.5 * np.finfo(F).eps)


@pytest.mark.parametrize(
    "kind", ["max", "min", "argmax", "argmin", "prod", "any", "all"]
)
@pytest.mark.parametrize("size", [1, 5, LANES, 2 * LANES + 1, 8 * LANES + 7])
def test_other_reductions(kind: str, size: int) -> None:
    x = np.random.default_rng(size).integers(1, 3, (4, size)).astype(F)
    x[1, size // 2], x[2, -1] = 9.0, 0.0
    result = {"any": "bool", "all": "bool", "argmax": "int64", "argmin": "int64"}
    value = load(0, F)
    if kind in ("any", "all"):
        value = value > (5.0 if kind == "any" else 0.5)
    elif kind == "prod":
        value = call("minimum", value, 1.0)
    dtype = result.get(kind, F)
    kernel = rows_kernel(reduction(kind, value, dtype), dtype)
    wanted = {"any": x > 5, "all": x > 0.5, "prod": np.minimum(x, 1)}.get(kind, x)
    for data in (x, np.asfortranarray(x)):
        got = run_rows(kernel, data, dtype, "reduced")
        np.testing.assert_array_equal(got, getattr(wanted, kind)(1))


def test_several_reduced_dimensions_and_several_passes() -> None:
    """The largest deviation from the mean, which the pass before has found."""
    x = np.random.default_rng(0).standard_normal((4, 7, 45))
    mean = reduction("sum", load(0, "float64"), "float64") / (7.0 * 45.0)
    far = reduction("max", call("abs", load(0, "float64") - mean), "float64")
    out = Output(operand("float64", [1, 0, 0]), far)
    full = operand("float64", [1, 1, 1])
    kernel = Kernel(3, (False, True, True), (full,), (out,))
    for data in (
        x,
        x.copy("F"),
        x[:, ::-1],
        x.transpose(0, 2, 1).copy().transpose(0, 2, 1),
    ):
        got = np.zeros(4)
        run_kernel(kernel, x.shape, [data, got])
        deviation = x - x.mean((1, 2), keepdims=True)
        np.testing.assert_allclose(got, np.abs(deviation).max((1, 2)), rtol=1e-13)


@pytest.mark.parametrize("order", ["C", "F"])
def test_what_a_pass_has_found_waits_in_the_place_of_the_result(order: Any) -> None:
    """The exponentials of softmax, also where input and output are one array."""
    x = load(0, F)
    shifted = call("exp", x - reduction("max", x, F))
    full = operand(F, [1, 1])
    value = shifted / reduction("sum", shifted, F)
    kernel = Kernel(2, (False, True), (full,), (Output(full, value),))
    data = np.random.default_rng(0).standard_normal((9, 77)).astype(F).copy(order)
    want = np.exp(data.astype(float))
    want /= want.sum(1, keepdims=True)
    out = np.zeros_like(data)
    run_kernel(kernel, data.shape, [data, out])
    np.testing.assert_allclose(out, want, rtol=1e-6)
    run_kernel(kernel, data.shape, [data, data])
    np.testing.assert_array_equal(data, out)


def test_sums_in_a_wider_dtype() -> None:
    x = np.full((2, 4000), 3000, "float16")
    value = reduction("sum", cast(load(0, "float16"), F), F)
    out = Output(operand(F, [1, 0]), value)
    kernel = Kernel(2, (False, True), (operand("float16", [1, 1]),), (out,))
    got = np.zeros(2, F)
    run_kernel(kernel, x.shape, [x, got])
    np.testing.assert_array_equal(got, np.full(2, 12_000_000, F))


def test_states_flattened_and_back() -> None:
    states = [[("a", "b"), ("c", "d")], [("e",)]]
    names = flatten(states)  # type: ignore[arg-type]
    assert names == list("abcde")
    assert unflatten(states, [n.upper() for n in names]) == [  # type: ignore[arg-type]
        [("A", "B"), ("C", "D")],
        [("E",)],
    ]
