"""Work items and parts: cut anywhere, in any order, always the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from symnet.kernels.cpu.runtime.run_kernel import run_kernel
from symnet.kernels.llvm.function_writer import FunctionWriter
from symnet.kernels.llvm.work_items import product_of, split_item
from symnet.kernels.loopir.scalars import Kernel, Output, load, reduction
from symnet.kernels.variants import ITEM_LANES
from tests.kernels.kernel_reference import operand
from tests.kernels.llvm.written_functions import compiled
from tests.kernels.sample_kernels import SAMPLES

F = "float32"


@pytest.mark.parametrize("extents", [(7,), (3, 5), (2, 3, 4), (4, 1, 3)])
def test_an_item_is_a_position(extents: Sequence[int]) -> None:
    def place(own: FunctionWriter, dimension: int) -> str:
        words = [own.word(k) for k in range(len(extents))]
        return split_item(own, "%begin", words)[dimension]

    functions = [compiled(lambda own, d=d: place(own, d)) for d in range(len(extents))]
    for item in range(int(np.prod(extents))):
        found = tuple(function(extents, begin=item) for function in functions)
        assert found == np.unravel_index(item, extents)
    count = compiled(
        lambda own: product_of(own, [own.word(k) for k in range(len(extents))])
    )
    assert count(extents) == np.prod(extents)


def outputs_of(name: str, cut: int) -> list[Any]:
    sample = SAMPLES[name]
    arrays = sample.arrays()
    run_kernel(sample.kernel, sample.sizes, arrays, items_at_once=cut)
    return arrays[len(sample.kernel.inputs) :]


@pytest.mark.parametrize("name", SAMPLES)
def test_work_cut_anywhere(name: str) -> None:
    whole = outputs_of(name, 0)
    for cut in (1, 2, 5):
        for mine, want in zip(outputs_of(name, cut), whole, strict=True):
            np.testing.assert_array_equal(mine, want)


@pytest.mark.parametrize("last", [1, ITEM_LANES - 1, ITEM_LANES, ITEM_LANES + 1, 2500])
def test_rows_of_several_items(last: int) -> None:
    full, shape = operand(F, [1, 1, 1]), (3, 2, last)
    value = load(0, F) + load(1, F) * 2.0
    inputs = (full, operand(F, [0, 1, 0]))
    kernel = Kernel(3, (False,) * 3, inputs, (Output(full, value),))
    rng = np.random.default_rng(last)
    x, y = (rng.integers(-9, 9, s).astype(F) for s in (shape, (2,)))
    for cut in (0, 1, 4):
        out = np.zeros(shape, F)
        run_kernel(kernel, shape, [x, y, out], items_at_once=cut)
        np.testing.assert_array_equal(out, x + 2 * y[:, None])


@pytest.mark.parametrize("size", [0, 1, 131_071, 131_072, 131_073, 400_000])
@pytest.mark.parametrize("step", [1, 2])
def test_parts_of_any_number_of_points(size: int, step: int) -> None:
    """Whole numbers, whose sum no order changes; with none, what sums begin with."""
    x = np.random.default_rng(size).integers(0, 2, size * step).astype(F)[::step]
    results = {F: "sum", "bool": "any"}
    values = [
        reduction("sum", load(0, F), F),
        reduction("any", load(0, F) > 0.5, "bool"),
    ]
    outs = tuple(Output(operand(d, [0]), v) for d, v in zip(results, values))
    kernel = Kernel(1, (True,), (operand(F, [1]),), outs)
    total, some = np.full((), 9, F), np.ones((), bool)
    used = run_kernel(kernel, (size,), [x, total, some], items_at_once=1)
    assert used.total == -(-size // 131_072)
    assert (total, some) == (x.sum(), x.any())
