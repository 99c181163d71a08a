"""Writes to computed positions by many threads: the CPU's bits, whatever threads come first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import symnet.tensor as T
from symnet.config import config
from symnet.kernels.cuda.emulated_driver import EmulatedDriver
from symnet.kernels.gpus import GPUS
from symnet.kernels.llvm.emit import emit
from symnet.kernels.llvm.ptx import ptx
from symnet.kernels.llvm.target import nvptx_target
from symnet.kernels.loopir.scalars import Kernel, Output, load
from symnet.kernels.schedule import SCATTER_THREADS, arrange_threads
from tests.kernels.kernel_reference import operand
from tests.kernels.programs import on

DTYPES = ["float16", "float32", "float64", "int8", "int64", "complex64", "bool"]
# Of the table, of the positions, of what is written.
SHAPES = [
    ((7,), (500,), (500,)),
    ((5000,), (3000,), (3000,)),
    ((9, 6), (200,), (200, 6)),
    ((40, 1), (300,), (300, 1)),
    ((6, 300), (50,), (50, 300)),
    ((8, 3), (4, 5), (4, 5, 3)),
    ((8, 3), (0,), (0, 3)),
    ((8, 0), (4,), (4, 0)),
    ((3,), (1,), (1,)),
]


@pytest.fixture(params=["forwards", "backwards"])
def order(request: pytest.FixtureRequest, gpu: str) -> Iterator[None]:
    """Of an emulated GPU's threads; a real one has an order of its own."""
    driver = GPUS[gpu].driver
    if isinstance(driver, EmulatedDriver):
        driver.backwards = request.param == "backwards"
    yield
    if isinstance(driver, EmulatedDriver):
        driver.backwards = False


def values_of(dtype: str, shapes: Any) -> list[Any]:
    random = np.random.default_rng(0)
    table, where, new = shapes
    positions = random.integers(-table[0], table[0], where)
    some = [random.normal(size=s) * 9 for s in (table, new)]
    return [some[0].astype(dtype), positions, some[1].astype(dtype)]


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_in_the_order_of_positions(
    gpu: str, dtype: str, shapes: Any, order: None
) -> None:
    values = values_of(dtype, shapes)
    x, i, y = (T.tensor(str(v.dtype), (None,) * v.ndim) for v in values)
    outputs = [T.set_subtensor(x[i], y), T.set_subtensor(x[i], T.tanh(y).astype(dtype))]
    if dtype != "bool":
        outputs += [T.inc_subtensor(x[i], y), T.inc_subtensor(x[::-1][i], y * y)]
    found, native = (on(d, [x, i, y], outputs)(*values) for d in (gpu, "cpu"))
    for got, wanted in zip(found, native, strict=True):
        np.testing.assert_array_equal(got, wanted)
    written = values[0].copy()
    written[values[1]] = values[2]
    np.testing.assert_array_equal(found[0], written)


def test_gradient_of_a_table_and_of_pairs(gpu: str, order: None) -> None:
    random = np.random.default_rng(1)
    table, rows, columns = T.matrix("table"), T.lvector("rows"), T.lvector("columns")
    cost = (T.tanh(table[rows]) ** 2).sum() + (table[rows, columns] ** 3).sum()
    values = [random.normal(size=(30, 20)), *random.integers(-20, 20, (2, 400))]
    gradient = T.grad(cost, table)
    inputs = [table, rows, columns]
    found, native = (on(d, inputs, gradient)(*values) for d in (gpu, "cpu"))
    np.testing.assert_array_equal(found, native)
    wanted = np.zeros((30, 20))
    one = np.tanh(values[0])
    np.add.at(wanted, values[1], (2 * one * (1 - one**2))[values[1]])
    np.add.at(wanted, (values[1], values[2]), 3 * values[0][values[1], values[2]] ** 2)
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shapes", SHAPES[:5])
def test_positions_outside(gpu: str, shapes: Any, order: None) -> None:
    values = values_of("float64", shapes)
    x, i, y = (T.tensor(str(v.dtype), (None,) * v.ndim) for v in values)
    f = on(gpu, [x, i, y], T.inc_subtensor(x[i], y))
    for wrong in (shapes[0][0], -shapes[0][0] - 1, 2**62):
        values[1][-1] = wrong
        with pytest.raises(IndexError):
            f(*values)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "float16"])
def test_atomics(gpu: str, dtype: str, order: None) -> None:
    """Only where they are asked for, and what is set stays in order."""
    values = values_of(dtype, ((9, 6), (200,), (200, 6)))
    x, i, y = (T.tensor(str(v.dtype), (None,) * v.ndim) for v in values)
    outputs = [T.inc_subtensor(x[i], y), T.set_subtensor(x[i], y)]
    with config.change_flags(gpu_atomics="on"):
        f = on(gpu, [x, i, y], outputs)
        found = f(*values)
        with pytest.raises(IndexError):
            f(values[0], values[1] + 9, values[2])
    native = on("cpu", [x, i, y], outputs)(*values)
    tolerance = {"float64": 1e-13, "int32": 0, "float16": 0}.get(dtype, 1e-5)
    np.testing.assert_allclose(found[0], native[0], rtol=tolerance, atol=tolerance * 90)
    np.testing.assert_array_equal(found[1], native[1])


def scatter(dtype: str, mode: str) -> Kernel:
    out = Output(operand(dtype, [0], 1), load(1, dtype), (load(0, "int64"),), mode)
    return Kernel(1, (False,), (operand("int64", [1]), operand(dtype, [1])), (out,))


@pytest.mark.parametrize("architecture", ["sm_75", "sm_80", "sm_90"])
def test_the_instructions(architecture: str) -> None:
    target = nvptx_target(architecture)
    for dtype in ("float32", "float64", "int64", "float16"):
        for mode in ("add", "set"):
            kernel, size = scatter(dtype, mode), np.dtype(dtype).itemsize
            for atomics in (False, True):
                schedule = arrange_threads(
                    kernel, (5000,), [[8], [size], [0]], {2: [(900, size)]}, atomics
                )
                text = ptx(emit(kernel, schedule.variant, target), target)
                atomic = atomics and mode == "add" and dtype != "float16"
                assert bool(re.search(r"\b(atom|red)\.", text)) == atomic
                assert schedule.total == (5000 if atomic else 900)
                assert not re.search(r"\bcall\b|\.extern|\.local", text)


def test_how_many_threads() -> None:
    def threads(rows: int, columns: int, places: int) -> int:
        out = Output(
            operand("float32", [0, 1], 1), load(1, "float32"), (load(0, "int64"),)
        )
        inputs = (operand("int64", [1, 0]), operand("float32", [1, 1]))
        kernel = Kernel(2, (False, False), inputs, (out,))
        strides = [[8, 0], [4 * columns, 4], [0, 4]]
        indexed = {2: [(places, 4 * columns)]}
        return arrange_threads(kernel, (rows, columns), strides, indexed).total

    assert threads(10_000, 64, 5000) == SCATTER_THREADS
    assert threads(10_000, 3000, 5000) == 3000
    assert threads(10_000, 64, 3) == 3 * 64
    assert threads(2, 64, 5000) == 2 * 64
    assert threads(0, 64, 5000) == 0
