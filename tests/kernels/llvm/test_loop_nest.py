"""Where scalars belong, and what is rewritten before they are printed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from symnet.kernels.llvm.emit import emit
from symnet.kernels.llvm.loop_nest import (
    BLOCK,
    ENTRY,
    ITEM,
    LOOP,
    Nest,
    complete_reductions,
    divided,
    fuse_products,
)
from symnet.kernels.llvm.target import WIDE, Target, cpu_target, threads_on
from symnet.kernels.loopir.interpret import evaluate
from symnet.kernels.loopir.scalars import (
    Kernel,
    Output,
    Scalar,
    argument,
    call,
    literal,
    load,
    reduction,
    walk,
)
from symnet.kernels.variants import Variant
from tests.kernels.kernel_reference import operand
from tests.kernels.sample_kernels import SAMPLES

F = "float32"
AVX2 = cpu_target("x86_64-unknown-linux-gnu", "haswell", {"avx2": True, "fma": True})
AVX512 = dict.fromkeys(("avx2", "fma", *WIDE), True)
SSE = cpu_target("x86_64-unknown-linux-gnu", "x86-64", {})


def standardise() -> Kernel:
    """(x - sum(x)) / s, with one s for all, row by row."""
    deviation = load(0, F) - reduction("sum", load(0, F), F)
    out = Output(operand(F, [1, 1]), deviation / load(1, F))
    inputs = (operand(F, [1, 1]), operand(F, [0, 0]))
    return Kernel(2, (False, True), inputs, (out,))


def find(nest: Nest, op: str) -> Scalar:
    return next(node for node in nest.nodes if node.op == op)


@pytest.mark.parametrize("lanes", ["reduced", "kept"])
def test_ranks_and_levels(lanes: str) -> None:
    nest = Nest(standardise(), Variant(((0,),), ((1,),), lanes, "sfs"), SSE)
    total, x = find(nest, "reduce"), load(0, F)
    assert nest.rank[load(1, F)] == ENTRY
    assert nest.rank[total] == BLOCK + 1 and nest.level[total] == 1
    assert nest.rank[x] == nest.rank[find(nest, "sub")] == LOOP
    assert nest.level[find(nest, "sub")] == 1 and nest.level[x] == 0
    assert nest.varying[x] and not nest.varying[load(1, F)]
    assert nest.varying[total] == (lanes == "kept")
    assert nest.reductions(0) == [total] and nest.reductions(1) == []
    assert nest.along == (lanes == "reduced")


def test_dimensions_and_what_moves_along_them() -> None:
    variant = Variant(((0, 1), (2,)), (), "kept", "cfc")
    full, some = operand(F, [1, 1, 1]), operand(F, [0, 0, 1])
    out = Output(full, load(0, F) + load(1, F))
    nest = Nest(Kernel(3, (False,) * 3, (full, some), (out,)), variant, AVX2)
    assert nest.dimension_of(1) == 0 and nest.dimension_of(2) == 1
    assert [nest.dimension_rank(d) for d in (0, 1)] == [ITEM, BLOCK]
    assert nest.lane_dimension == 1 and nest.lanes == 8
    assert nest.moving(0) == [0, 1] and nest.moving(1) == []


def test_lanes_are_as_many_as_the_widest_number_leaves_room_for() -> None:
    def lanes(*dtypes: str) -> int:
        outs = tuple(Output(operand(d, [1]), load(k, d)) for k, d in enumerate(dtypes))
        inputs = tuple(operand(d, [1]) for d in dtypes)
        variant = Variant(((0,),), (), "kept", "c" * 2 * len(dtypes))
        return Nest(Kernel(1, (False,), inputs, outs), variant, AVX2).lanes

    assert [lanes("int8"), lanes("float16"), lanes(F), lanes(F, "float64")] == [
        32,
        8,
        8,
        4,
    ]


@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_varies_where_each_point_is_a_thread(name: str) -> None:
    kernel, variant = SAMPLES[name].kernel, SAMPLES[name].variant
    lanes = "parts" if variant.lanes == "parts" else "one"
    own = Variant(variant.kept, variant.reduced, lanes, "f" * len(variant.access))
    nest = Nest(kernel, own, threads_on(AVX2))
    assert nest.lanes == 1 and nest.lane_dimension == -1 and not nest.along
    assert not any(nest.varying.values()) and not nest.interleaving


def test_reductions_get_what_they_accumulate() -> None:
    total = complete_reductions(reduction("sum", load(0, "float16"), F))
    assert [a.dtype for a in total.args] == [F]
    place = complete_reductions(reduction("argmax", load(0, F), "int64"))
    assert [a.op for a in place.args] == ["load", "position"]
    found = complete_reductions(reduction("any", load(0, F), "bool"))
    assert found.args[0].dtype == "bool"


def fused(value: Scalar, target: Target = AVX2) -> list[str]:
    out = Output(operand(F, [1]), value)
    kernel = Kernel(1, (False,), (operand(F, [1]),) * 3, (out,))
    nest = Nest(kernel, Variant(((0,),), (), "kept", "cccc"), target)
    return sorted(n.op for n in nest.nodes if n.op != "load")


def test_products_are_fused_where_they_serve_one_sum() -> None:
    a, b, c = (load(k, F) for k in range(3))
    assert fused(a * b + c) == ["fma"]
    assert fused(c - a * b) == ["fma", "neg"]
    assert fused((a * b + c) * (a * b)) == ["add", "mul", "mul"]
    assert fused(a * b + c, SSE) == ["add", "mul"]


@pytest.mark.parametrize("seed", range(3))
def test_fused_products_mean_the_same(seed: int) -> None:
    a, b, c = (argument(k, "float64") for k in range(3))
    values = [a * b + c, c - a * b, a * b - c, (a + b) * c - a * (b * c)]
    arrays = list(np.random.default_rng(seed).integers(-99, 99, (3, 50)).astype(float))
    new = fuse_products(values, dict.fromkeys(walk(values), ENTRY))
    assert any(node.op == "fma" for node in walk(new))
    for got, want in zip(evaluate(new, arrays), evaluate(values, arrays), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("divisor", [3.0, 0.7, 0.25, 1e-35, 0.0, math.inf])
def test_division_by_a_known_number(divisor: float, dtype: str) -> None:
    """By its reciprocal, corrected: the rounded quotient."""
    x = np.random.default_rng(0).standard_normal(2000).astype(dtype)
    value = divided(argument(0, dtype), literal(divisor, dtype))
    with np.errstate(all="ignore"):
        (got,) = evaluate([value], [x])
        np.testing.assert_array_equal(got, x / np.array(divisor, dtype))


def test_an_invariant_divisor_is_divided_by_once() -> None:
    out = Output(operand(F, [1, 1]), load(0, F) / load(1, F))
    inputs = (operand(F, [1, 1]), operand(F, [1, 0]))
    kernel = Kernel(2, (False, False), inputs, (out,))
    nest = Nest(kernel, Variant(((0,), (1,)), (), "kept", "cfc"), AVX2)
    (inverse,) = [n for n in nest.nodes if n.op == "div" and n.args[0].op == "literal"]
    assert nest.rank[inverse] == ITEM
    assert any(n.op == "select" and n.value == "rare" for n in nest.nodes)
    usual = call("mul", load(0, F), inverse)
    assert usual in nest.nodes


def test_vectors_that_stand_for_a_warp_are_not_longer() -> None:
    """Of bytes 64 fit into AVX-512's registers; a warp has 32 threads."""
    wide = cpu_target("x86_64-unknown-linux-gnu", "icelake-server", AVX512)
    any_true = reduction("any", load(0, "bool"), "bool")
    out = Output(operand("bool", [1, 0]), any_true)
    kernel = Kernel(2, (False, True), (operand("bool", [1, 1]),), (out,))
    plain = Variant(((0,),), ((1,),), "reduced", "cf")
    assert Nest(kernel, plain, wide).lanes == 64
    for target, lanes in ((wide, 32), (SSE, 16), (threads_on(wide), 1)):
        shared = replace(plain, warps=True)
        assert Nest(kernel, shared, target).lanes == lanes
        assert "define" in emit(kernel, shared, target)
