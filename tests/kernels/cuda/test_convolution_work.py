"""Convolutions as kernels and products, beside sums term by term."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.config import config
from symnet.kernels.cuda import convolution_work, launched
from symnet.kernels.cuda.convolution_work import work_of_convolution
from symnet.kernels.cuda.cupy_driver import ptx_of
from symnet.kernels.cuda.emulated_driver import EmulatedDriver
from symnet.kernels.cuda.gemm_work import KernelStep, ProductStep, Work
from symnet.kernels.gpus import EMULATED
from symnet.kernels.library import ConvolutionCall
from symnet.kernels.llvm.target import nvptx_target
from tests.kernels.cuda.test_convolution_parts import drawn, element
from tests.kernels.cuda.test_products import there
from tests.kernels.programs import on


def wanted_of(call: ConvolutionCall, x: Any, w: Any) -> Any:
    """Term by term in double precision."""
    leading = (call.groups, call.images, call.outputs)
    found = np.zeros((*leading, *call.sizes))
    x, w = x.astype("float64"), w.astype("float64")
    for p in np.ndindex(*call.sizes):
        for t in np.ndindex(*call.taps):
            if (q := element(call, p, t)) is not None:
                one = np.einsum("gnc,goc->gno", x[:, :, :, *q], w[:, :, :, *t])
                found[:, :, :, *p] += one
    return found


def operands(call: ConvolutionCall, seed: int = 1) -> tuple[Any, Any, Any]:
    random = np.random.default_rng(seed)
    leading = call.groups, call.images
    shapes = (
        (*leading, call.channels, *call.inputs),
        (call.groups, call.outputs, call.channels, *call.taps),
        (*leading, call.outputs, *call.sizes),
    )
    x, w, y = (random.normal(size=s).astype(call.dtype) for s in shapes)
    return x, w, y


def with_strides(call: ConvolutionCall, x: Any, w: Any, y: Any) -> ConvolutionCall:
    names = list(call.__dataclass_fields__)
    given = {name: getattr(call, name) for name in names}
    given |= {"x_strides": x.strides, "w_strides": w.strides, "y_strides": y.strides}
    return ConvolutionCall(**given | {"dtype": y.dtype.name})


def convolved(
    call: ConvolutionCall,
    arrays: Sequence[Any],
    moving: bool = False,
    multiplies: bool = True,
) -> tuple[Any, Work]:
    """What a call makes of x, w, y, and what it launches."""
    driver = EMULATED.driver
    placed = [there(a, driver) for a in arrays]
    work = work_of_convolution(call, [moving] * 3, "", multiplies)
    if moving:
        assert all(number >= 3 for number in work.fixed)
    kernels = [one for one in work.steps if isinstance(one, KernelStep)]
    needed = [one.source for one in kernels]
    codes = dict(zip(needed, driver.compile(needed)))
    scratch = driver.allocate(work.scratch_bytes)
    pointers = [address for _, address, _ in placed]
    launches, _held = launched.launches_of(driver, codes, work, pointers, 0, scratch)
    for launch in launches:
        launched.begin(driver, launch)
    return placed[2][2].copy(), work


def products(work: Work) -> list[ProductStep]:
    return [one for one in work.steps if isinstance(one, ProductStep)]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("way", ["as it is", "by kernels", "by products", "in parts"])
def test_values(
    seed: int, moving: bool, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups, borders, strides, dilations, spreads along three axes; in any order of threads
    the same bits."""
    call = drawn(np.random.default_rng(seed))
    if way in ("by products", "in parts"):
        monkeypatch.setattr(convolution_work, "FEW_FILTERS", 0)
    if way == "in parts":
        monkeypatch.setattr(convolution_work, "MOST_BYTES", 300)
    x, w, y = operands(call)
    got, work = convolved(call, (x, w, y), moving, way != "by kernels")
    np.testing.assert_allclose(got, wanted_of(call, x, w), atol=1e-13)
    assert way != "by kernels" or not products(work)
    assert way != "in parts" or work.scratch_bytes <= 300 + 4 * 256
    monkeypatch.setattr(EMULATED.driver, "backwards", True)
    again, _ = convolved(call, (x, w, y), moving, way != "by kernels")
    np.testing.assert_array_equal(again, got)


def plain(
    dtype: str, leading: Sequence[int], inputs: Sequence[int], taps: Sequence[int]
) -> ConvolutionCall:
    """Without a border, every step 1."""
    sizes = [n - t + 1 for n, t in zip(inputs, taps, strict=True)]
    ones, none = (1, 1, 1), (0,) * 6
    return ConvolutionCall(
        dtype, *leading, (*inputs,), (*taps,), (*sizes,), (0, 0, 0), ones, ones, ones,  # type: ignore[arg-type]
        none, none, none,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("leading", "inputs", "taps", "kernels"),
    [
        ((1, 3, 6, 5), (1, 6, 7), (1, 1, 1), 0),  # filters of 1 x 1: windows are x
        ((1, 3, 6, 5), (1, 4, 5), (1, 4, 5), 0),  # as large as the image: so are these
        ((1, 1, 6, 5), (1, 1, 9), (1, 1, 2), 1),  # windows are laid out
        (
            (1, 3, 6, 5),
            (1, 9, 9),
            (1, 2, 2),
            1,
        ),  # image by image, put where they belong
        ((1, 9, 6, 5), (1, 3, 3), (1, 2, 2), 2),  # images joined, results put there
        ((4, 9, 6, 5), (1, 9, 9), (1, 2, 2), 2),  # groups beside each other
    ],
)
def test_one_product_with_few_kernels(
    dtype: str, leading: Any, inputs: Any, taps: Any, kernels: int
) -> None:
    call = plain(dtype, leading, inputs, taps)
    call = with_strides(call, *operands(call))
    x, w, y = operands(call)
    got, work = convolved(call, (x, w, y))
    tolerance = 1e-4 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(got, wanted_of(call, x, w), atol=tolerance)
    assert len(products(work)) == 1 and len(work.steps) == 1 + kernels


@pytest.mark.parametrize("multiplies", [True, False])
def test_depthwise_is_one_kernel(multiplies: bool) -> None:
    """Not a product for each of hundreds of groups; a thread for each result."""
    call = plain("float32", (300, 2, 1, 1), (1, 8, 8), (1, 3, 3))
    call = with_strides(call, *operands(call))
    x, w, y = operands(call)
    got, work = convolved(call, (x, w, y), multiplies=multiplies)
    np.testing.assert_allclose(got, wanted_of(call, x, w), atol=1e-5)
    (step,) = work.steps
    assert isinstance(step, KernelStep) and not step.arrangement.variant.warps


def test_groups_are_one_product() -> None:
    call = plain("float32", (50, 2, 8, 3), (1, 6, 6), (1, 3, 3))
    call = with_strides(call, *operands(call))
    x, w, y = operands(call)
    got, work = convolved(call, (x, w, y))
    np.testing.assert_allclose(got, wanted_of(call, x, w), atol=1e-4)
    assert [one.product.count for one in products(work)] == [50]


@pytest.mark.parametrize(
    ("most", "counts"), [(64 << 20, [30]), (100_000, [8, 8, 8, 6]), (10_000, [1] * 30)]
)
def test_long_sums_are_of_channels_side_by_side(
    most: int, counts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the gradient for filters of a network's first layer: few results."""
    monkeypatch.setattr(convolution_work, "LONGEST_SUM", 500)
    monkeypatch.setattr(convolution_work, "MOST_BYTES", most)
    call = plain("float32", (1, 1, 8, 30), (1, 12, 12), (1, 8, 8))
    call = with_strides(call, *operands(call))
    x, w, y = operands(call)
    got, work = convolved(call, (x, w, y))
    np.testing.assert_allclose(got, wanted_of(call, x, w), atol=1e-3)
    assert [one.product.count for one in products(work)] == counts
    if most > 100_000:
        assert len(work.steps) == 3  # windows, products, sums of them
    assert work.scratch_bytes <= most + 4 * 256


def test_sums_of_one_sign_are_exact() -> None:
    """Roundings that all go one way do not add up."""
    for outputs in (1, 8):
        call = plain("float32", (1, 1, outputs, 4), (1, 300, 300), (1, 300, 300))
        arrays = [np.full(a.shape, 1.1, "float32") for a in operands(call)]
        call = with_strides(call, *arrays)
        got, _ = convolved(call, arrays)
        wanted = 360_000 * float(np.float32(1.1)) ** 2
        np.testing.assert_allclose(got, wanted, rtol=2e-6)


@pytest.mark.parametrize("axis", range(4))
@pytest.mark.parametrize("multiplies", [True, False])
def test_nothing(axis: int, multiplies: bool) -> None:
    """No groups, images, outputs: nothing is written; no channels: zeros are."""
    leading = [2, 2, 5, 2]
    leading[axis] = 0
    call = plain("float32", leading, (1, 4, 4), (1, 2, 2))
    x, w, y = operands(call)
    got, work = convolved(with_strides(call, x, w, y), (x, w, y), multiplies=multiplies)
    np.testing.assert_array_equal(got, 0)
    assert len(work.steps) == (axis == 3)


@pytest.mark.parametrize("multiplies", [True, False])
def test_nan_goes_where_the_equation_takes_it(multiplies: bool) -> None:
    """What no window meets, and other groups and images, meet nothing."""
    for seed in range(8):
        call = drawn(np.random.default_rng(seed))
        x, w, y = operands(call)
        x[0, 0, 0, 0, 0, 0], w[-1, -1, -1, -1, -1, -1] = np.nan, np.nan
        got, _ = convolved(call, (x, w, y), multiplies=multiplies)
        wanted = wanted_of(call, x, w)
        if max(call.low) <= 0:  # a border's zeros make NaN of the filter's
            np.testing.assert_array_equal(np.isnan(got), np.isnan(wanted))
        assert np.isnan(got)[np.isnan(wanted)].all()


def laid(array: Any, random: np.random.Generator) -> Any:
    """The same numbers: axes in another order in memory, perhaps with gaps."""
    order = [*random.permutation(3), 3, 4, 5]
    shape = [array.shape[axis] for axis in order]
    gap = int(random.integers(1, 3))
    memory = np.zeros((*shape[:-1], shape[-1] * gap), array.dtype)[..., ::gap]
    memory[...] = array.transpose(order)
    return memory.transpose(np.argsort(order))


@pytest.mark.parametrize("seed", range(30))
def test_values_of_every_layout(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(seed)
    monkeypatch.setattr(convolution_work, "FEW_FILTERS", seed % 2)
    monkeypatch.setattr(convolution_work, "FEW_PLACES", seed % 9)
    monkeypatch.setattr(convolution_work, "LONGEST_SUM", (4096, 2)[seed % 3 == 0])
    monkeypatch.setattr(convolution_work, "MOST_BYTES", (64 << 20, 1000)[seed % 5 == 0])
    call = drawn(random)
    x, w, y = (laid(one, random) for one in operands(call))
    call = with_strides(call, x, w, y)
    got, _ = convolved(call, (x, w, y))
    np.testing.assert_allclose(got, wanted_of(call, x, w), atol=1e-13)


def test_more_than_cublas_can_count(monkeypatch: pytest.MonkeyPatch) -> None:
    call = plain("float32", (1, 3, 6, 5), (1, 6, 7), (1, 1, 1))
    call = with_strides(call, *operands(call))
    x, w, y = operands(call)
    monkeypatch.setattr(convolution_work, "LARGEST", 21)
    got, work = convolved(call, (x, w, y))
    np.testing.assert_allclose(got, wanted_of(call, x, w), atol=1e-4)
    assert max(max(one.product.sizes) for one in products(work)) <= 21


def test_sums_by_threads_or_by_warps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many short sums by a thread each; few or long ones by warps."""
    monkeypatch.setattr(convolution_work, "MANY_THREADS", 100)
    monkeypatch.setattr(convolution_work, "FEW_TERMS", 36)
    for inputs, taps, warps in (
        ((1, 15, 15), (1, 6, 6), False),
        ((1, 17, 17), (1, 7, 7), True),
        ((1, 9, 9), (1, 6, 6), True),
    ):
        call = plain("float64", (1, 1, 1, 1), inputs, taps)
        call = with_strides(call, *operands(call))
        x, w, y = operands(call)
        got, work = convolved(call, (x, w, y))
        np.testing.assert_allclose(got, wanted_of(call, x, w), atol=1e-11)
        (step,) = work.steps
        assert isinstance(step, KernelStep)
        assert step.arrangement.variant.warps == warps


# ---- all of a function


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "strides": {"border_mode": (1, 2), "subsample": (2, 3)},
    "not flipped": {"filter_flip": False, "border_mode": "half"},
    "dilated": {"border_mode": "full", "filter_dilation": (2, 3)},
    "strides and dilations": {"subsample": (2, 2), "filter_dilation": (2, 1)},
    "groups": {"num_groups": 2},
    "depthwise": {"num_groups": 4, "border_mode": "half"},
}


def gradients(dtype: str, rank: int, **options: Any) -> tuple[list[Any], list[Any]]:
    """Inputs; a convolution and its gradients, and a gradient of these."""
    x, w = (T.TensorType(dtype, (None,) * (2 + rank))(n) for n in "xw")
    y = (T.nnet.conv2d if rank == 2 else T.nnet.conv3d)(x, w, **options)
    cost = T.sqr(T.cast(y, "float64")).sum()
    slopes = symnet.grad(cost, [x, w])
    return [x, w], [y, *slopes, symnet.grad(T.sqr(slopes[1]).sum(), x)]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_convolutions_and_gradients_in_one_graph(
    name: str, dtype: str, gpu: str
) -> None:
    """As the CPU has them; call by call the same bits."""
    random = np.random.default_rng(2)
    options = CASES[name]
    channels = 4 // options.get("num_groups", 1)
    given = [
        (0.3 * random.normal(size=s)).astype(dtype)
        for s in ((3, 4, 9, 8), (4, channels, 3, 2))
    ]
    inputs, outputs = gradients(dtype, 2, **options)
    f, native = on(gpu, inputs, outputs), on("cpu", inputs, outputs)
    wanted, first = native(*given), f(*given)
    tolerance = {"float16": 3e-3, "float32": 2e-5, "float64": 1e-12}[dtype]
    for got, one in zip(first, wanted, strict=True):
        np.testing.assert_allclose(got, one, atol=tolerance * np.abs(one).max())
    for _ in range(3):
        for got, one in zip(f(*given), first, strict=True):
            np.testing.assert_array_equal(got, one)
    (plan,) = f.engine.native[0].plans.values()
    if not plan.loaded.driver.graphless:
        assert [isinstance(p, int) for p, _ in plan.loaded.recorded.pieces] == [False]


@pytest.mark.parametrize("options", [{}, {"subsample": (2, 1, 2), "border_mode": 1}])
def test_three_axes(options: dict[str, Any], gpu: str) -> None:
    random = np.random.default_rng(2)
    given = [random.normal(size=s) for s in ((2, 3, 5, 6, 4), (5, 3, 2, 3, 2))]
    inputs, outputs = gradients("float64", 3, **options)
    f, native = on(gpu, inputs, outputs), on("cpu", inputs, outputs)
    for got, one in zip(f(*given), native(*given), strict=True):
        np.testing.assert_allclose(got, one, atol=1e-12 * np.abs(one).max())


@pytest.mark.parametrize("images", [0, 1])
def test_batches_of_none_and_one(images: int, gpu: str) -> None:
    random = np.random.default_rng(2)
    given = [random.normal(size=s) for s in ((images, 4, 5, 6), (5, 4, 5, 6))]
    inputs, outputs = gradients("float64", 2)
    f, native = on(gpu, inputs, outputs), on("cpu", inputs, outputs)
    for _ in range(2):
        for got, one in zip(f(*given), native(*given), strict=True):
            np.testing.assert_allclose(got, one, rtol=1e-10)


def test_without_cublas_kernels_do_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmulatedDriver, "productless", "there is none")
    random = np.random.default_rng(2)
    given = [random.normal(size=s) for s in ((2, 3, 7, 6), (5, 3, 3, 2))]
    inputs, outputs = gradients("float64", 2)
    with config.change_flags(device="emulated"):
        f, native = on("emulated", inputs, outputs), on("cpu", inputs, outputs)
        for _ in range(2):
            for got, one in zip(f(*given), native(*given), strict=True):
                np.testing.assert_allclose(got, one, rtol=1e-10, atol=1e-10)
    (plan,) = f.engine.native[0].plans.values()
    assert [isinstance(p, int) for p, _ in plan.loaded.recorded.pieces] == [False]


@pytest.mark.parametrize("architecture", ["sm_75", "sm_80", "sm_90", "sm_120"])
def test_kernels_become_ptx(architecture: str) -> None:
    inputs, outputs = gradients("float32", 2, border_mode=1, subsample=(2, 2))
    f = on("emulated", inputs, outputs)
    f(np.ones((2, 3, 9, 9), "float32"), np.ones((8, 3, 3, 3), "float32"))
    (plan,) = f.engine.native[0].plans.values()
    codes = plan.loaded.launched.codes
    assert len(codes) > 8
    for source in codes:
        entry, text = ptx_of(source, nvptx_target(architecture))
        assert re.search(rf"\.entry {entry}\(", text.decode())
        assert not re.search(r"\bcall\b|\.extern", text.decode())
