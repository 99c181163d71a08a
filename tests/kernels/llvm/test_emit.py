"""Generated code against NumPy: primitives, layouts, reductions, computed positions."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from symnet.kernels.cpu.runtime.run_kernel import run_kernel
from symnet.kernels.llvm.machine import machine
from symnet.kernels.loopir.scalars import (
    Kernel,
    Output,
    Scalar,
    call,
    cast,
    literal,
    load,
    reduction,
    select,
)
from symnet.kernels.variants import Variant
from tests.kernels.kernel_reference import expected, operand, same, samples

FLOATS = ["float16", "float32", "float64"]
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
ALL = ["bool", *INTEGERS, *FLOATS]


def elementwise(
    value: Scalar, dtypes: list[str], result: str, arrays: list[Any]
) -> Any:
    kernel = Kernel(
        1,
        (False,),
        tuple(operand(d, [1]) for d in dtypes),
        (Output(operand(result, [1]), value),),
    )
    out = np.zeros(len(arrays[0]), result)
    run_kernel(kernel, (len(arrays[0]),), [*arrays, out])
    return out, expected(kernel, (len(arrays[0]),), [*arrays, out])[0]


HOST = machine()
COUNT = 203  # not a multiple of any vector

BINARY_FLOAT = [
    "add",
    "sub",
    "mul",
    "div",
    "floordiv",
    "mod",
    "minimum",
    "maximum",
    "copysign",
]
BINARY_INTEGER = [
    "add",
    "sub",
    "mul",
    "floordiv",
    "mod",
    "minimum",
    "maximum",
    "and",
    "or",
    "xor",
]
COMPARE = ["lt", "le", "gt", "ge", "eq", "ne"]


@pytest.mark.parametrize("dtype", ALL)
def test_binary_primitives(dtype: str) -> None:
    a, b = load(0, dtype), load(1, dtype)
    if dtype == "bool":
        names = ["and", "or", "xor", *COMPARE, "minimum", "maximum"]
    else:
        names = [*(BINARY_FLOAT if dtype in FLOATS else BINARY_INTEGER), *COMPARE]
    x, y = samples(dtype, COUNT, 1), samples(dtype, COUNT, 2)
    inputs = (operand(dtype, [1]), operand(dtype, [1]))
    values = [call(name, a, b) for name in names]
    outputs = tuple(Output(operand(v.dtype, [1]), v) for v in values)
    kernel = Kernel(1, (False,), inputs, outputs)
    results = [np.zeros(COUNT, v.dtype) for v in values]
    run_kernel(kernel, (COUNT,), [x, y, *results])
    wanted = expected(kernel, (COUNT,), [x, y, *results])
    for name, got, want in zip(names, results, wanted):
        # float16 is computed in float32: twice rounded, or exact where NumPy's is not.
        loose = dtype == "float16" and name in ("mod", "floordiv", "div")
        try:
            same(got, want, 4 if loose else 0)
        except AssertionError as error:
            raise AssertionError(f"{name} of {dtype}") from error


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "uint64", "int16"])
def test_shifts(dtype: str) -> None:
    bits = 8 * np.dtype(dtype).itemsize
    x = samples(dtype, COUNT)
    amount = (np.arange(COUNT) % (bits + 3)).astype(dtype)
    for name in ("shift_left", "shift_right"):
        value = call(name, load(0, dtype), load(1, dtype))
        got, want = elementwise(value, [dtype, dtype], dtype, [x, amount])
        shift = getattr(np, name.split("_")[1] + "_shift")
        same(got, shift(x, amount))
        got, want = elementwise(call(name, load(0, dtype), 3), [dtype], dtype, [x])
        same(got, shift(x, np.array(3, dtype)))


@pytest.mark.parametrize("dtype", FLOATS)
def test_unary_float_primitives(dtype: str) -> None:
    x = samples(dtype, COUNT)
    names = ["neg", "abs", "sqrt", "floor", "ceil", "trunc", "rint", "isnan", "isinf"]
    for name in names:
        value = call(name, load(0, dtype))
        got, want = elementwise(value, [dtype], value.dtype, [x])
        same(got, want)


@pytest.mark.parametrize("dtype", [*INTEGERS, "bool"])
def test_unary_integer_primitives(dtype: str) -> None:
    x = samples(dtype, COUNT)
    names = ["not"] if dtype == "bool" else ["neg", "abs", "not", "floor", "isnan"]
    for name in names:
        value = call(name, load(0, dtype))
        got, _ = elementwise(value, [dtype], value.dtype, [x])
        reference = {"neg": np.negative, "abs": np.abs, "not": np.invert}.get(name)
        want = (
            reference(x)
            if reference
            else x
            if name == "floor"
            else np.zeros(COUNT, bool)
        )
        same(got, want)


@pytest.mark.parametrize("source", ALL)
def test_casts(source: str) -> None:
    x = samples(source, COUNT)
    if source in FLOATS:  # what does not fit an integer is another test
        x = np.where(np.abs(x) < 120, np.abs(x), 3).astype(source)
    values = [cast(load(0, source), target) for target in ALL]
    kernel = Kernel(
        1,
        (False,),
        (operand(source, [1]),),
        tuple(Output(operand(target, [1]), v) for target, v in zip(ALL, values)),
    )
    results = [np.zeros(COUNT, target) for target in ALL]
    run_kernel(kernel, (COUNT,), [x, *results])
    with np.errstate(all="ignore"):
        for target, got in zip(ALL, results):
            np.testing.assert_array_equal(
                got, x.astype(target), f"{source} to {target}"
            )


@pytest.mark.parametrize("source", ["float32", "float64"])
def test_casts_of_what_does_not_fit(source: str) -> None:
    """The least number of 32 or 64 bits, on all processors; below 0 unsigned ones wrap."""
    x = np.array(
        [np.nan, np.inf, -np.inf, 1e10, -1e10, 1e30, -7.9, 4e9, 300, -300] * 3, source
    )

    def cut_to(dtype: str) -> Any:
        least = np.iinfo(dtype).min
        inside = (x >= float(least)) & (x < -float(least))
        return np.where(inside, np.where(inside, x, 0).astype(dtype), least)

    for target in ("int32", "int64"):
        got, _ = elementwise(cast(load(0, source), target), [source], target, [x])
        same(got, cut_to(target))
    for target in ("int8", "uint8", "int16", "uint16"):
        got, _ = elementwise(cast(load(0, source), target), [source], target, [x])
        same(got, cut_to("int32").astype(target))
    got, _ = elementwise(cast(load(0, source), "uint32"), [source], "uint32", [x])
    same(got, cut_to("int64").astype("uint32"))
    big = np.array([2.0**63, 1.5 * 2.0**63, 2.0**62, 5.0], source)
    got, _ = elementwise(cast(load(0, source), "uint64"), [source], "uint64", [big])
    same(got, big.astype("uint64"))


def test_float64_to_float16_rounds_once() -> None:
    rng = np.random.default_rng(0)
    half = rng.standard_normal(500).astype(np.float16).astype(float)
    step = np.spacing(half.astype(np.float16)).astype(float)
    x = half + step / 2 * (1 + rng.choice([0, 1e-13, -1e-13], 500))
    x = np.concatenate(
        [x, [6e-8, 2.9e-8, 65519.999999, 65520, 1e300, np.nan, np.inf, 0.0]]
    )
    got, _ = elementwise(
        cast(load(0, "float64"), "float16"), ["float64"], "float16", [x]
    )
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(got, x.astype(np.float16))


def test_bitcast_and_select() -> None:
    for wide, whole in (("float32", "int32"), ("float64", "int64")):
        x = samples(wide, COUNT)
        got, _ = elementwise(
            call("bitcast", load(0, wide), dtype=whole), [wide], whole, [x]
        )
        same(got, x.view(whole))
        value = select(
            call("isnan", load(0, wide)), literal("-inf", wide), load(0, wide)
        )
        got, want = elementwise(value, [wide], wide, [x])
        same(got, np.where(np.isnan(x), -np.inf, x).astype(wide))


@pytest.mark.skipif(not HOST.target.fused, reason="this processor has no such addition")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_are_fused_with_sums(dtype: str) -> None:
    a, b, c = (load(k, dtype) for k in range(3))
    x, y = samples(dtype, COUNT, 1), samples(dtype, COUNT, 2)
    with np.errstate(invalid="ignore"):
        z = (-x * y).astype(dtype)  # the rounding error of the product is left over
    for value in (a * b + c, c + a * b, a * b - call("neg", c), c - call("neg", a) * b):
        got, _ = elementwise(value, [dtype] * 3, dtype, [x, y, z])
        _, want = elementwise(call("fma", a, b, c), [dtype] * 3, dtype, [x, y, z])
        same(got, want)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_division_by_what_is_known_outside_the_loop(dtype: str) -> None:
    limits = np.finfo(dtype)
    rng = np.random.default_rng(0)
    x = np.concatenate([samples(dtype, 100), rng.standard_normal(4000).astype(dtype)])
    x[:6] = [
        limits.max,
        -limits.max,
        limits.tiny,
        limits.max / 2,
        1,
        limits.smallest_subnormal,
    ]
    divisors = [3, -7.3, 0.9, 2, 0.25, 0, -0.0, np.inf, np.nan, limits.tiny, limits.max]
    divisors += [limits.smallest_subnormal, 1e-32, 1e32, *rng.standard_normal(5)]
    d = np.array(divisors, dtype)
    shape = (len(d), len(x))
    kernel = Kernel(
        2,
        (False, False),
        (operand(dtype, [0, 1]), operand(dtype, [1, 0])),
        (Output(operand(dtype, [1, 1]), load(0, dtype) / load(1, dtype)),),
    )
    got = np.zeros(shape, dtype)
    run_kernel(kernel, shape, [x, d, got])
    with np.errstate(all="ignore"):
        want = x / d[:, None]
        whole = np.abs(want) < limits.tiny
        np.testing.assert_array_equal(np.where(whole, 0, got), np.where(whole, 0, want))
        step = 2 * limits.smallest_subnormal
        np.testing.assert_allclose(got[whole], want[whole], rtol=0, atol=step)
        for divisor in (3.0, 0.9, 0.25, 1e-35, 0.0):
            alone, _ = elementwise(load(0, dtype) / divisor, [dtype], dtype, [x])
            normal = np.abs(alone) >= limits.tiny
            np.testing.assert_array_equal(
                alone[normal], (x / np.array(divisor, dtype))[normal]
            )


# Layouts.


def test_a_general_variant_serves_special_layouts() -> None:
    value = load(0, "float32") + 1.0
    kernel = Kernel(
        2,
        (False, False),
        (operand("float32", [1, 1]),),
        (Output(operand("float32", [1, 1]), value),),
    )
    base = samples("float32", 300).reshape(20, 15)
    out = np.zeros((20, 10), "float32")
    general = run_kernel(kernel, (20, 10), [base[:, :10], out]).variant
    whole = np.zeros((20, 15), "float32")
    used = run_kernel(kernel, (20, 15), [base, whole], variant=general).variant
    assert used == general != run_kernel(kernel, (20, 15), [base, whole]).variant
    np.testing.assert_array_equal(whole, base + np.float32(1))


@pytest.mark.parametrize("lanes", ["kept", "reduced"])
def test_external_functions(lanes: str) -> None:
    special = pytest.importorskip("scipy.special")
    value = call("j0", load(0, "float32"))
    x = np.linspace(0.5, 40, 21, dtype="float32")
    if lanes == "kept":
        got, _ = elementwise_only(value, x)
        np.testing.assert_allclose(got, special.j0(x), rtol=1e-6, atol=1e-7)
        return
    kernel = Kernel(
        1,
        (True,),
        (operand("float32", [1]),),
        (Output(operand("float32", [0]), reduction("sum", value, "float32")),),
    )
    out = np.zeros((), "float32")
    run_kernel(kernel, x.shape, [x, out])
    np.testing.assert_allclose(out, special.j0(x).sum(), rtol=1e-5)


def elementwise_only(value: Scalar, x: Any) -> Any:
    kernel = Kernel(
        1,
        (False,),
        (operand(x.dtype.name, [1]),),
        (Output(operand(x.dtype.name, [1]), value),),
    )
    out = np.zeros_like(x)
    return out, run_kernel(kernel, x.shape, [x, out])


def test_variants_have_stable_names() -> None:
    variant = Variant(((0, 1),), ((2,),), "reduced", "ccf")
    assert variant.text == "((0, 1),) ((2,),) reduced ccf"
    assert (
        len({v.text for v in [variant, Variant(((0,), (1,)), ((2,),), "kept", "ccf")]})
        == 2
    )
    assert all(isinstance(hash(v), int) for v, _ in product([variant], [0]))
