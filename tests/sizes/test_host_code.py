"""Host integers: the generated Python against NumPy's meaning of the same scalars."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from symnet.kernels.loopir import interpret
from symnet.kernels.loopir import scalars as loops
from symnet.kernels.loopir.scalars import argument, literal
from symnet.sizes.host_code import (
    HOST_OPS,
    fold,
    make_function,
    on_host,
    print_function,
)

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
N, M = argument(0, "int64"), argument(1, "int64")


def value(root, numbers):
    return make_function([root])(numbers)[0]


@st.composite
def scalars(draw, depth=4, dtype="int64"):
    """A scalar of `dtype` over two int64 arguments; casts lead through other dtypes."""
    if depth == 0 or draw(st.integers(0, 4)) == 0:
        if draw(st.booleans()):
            return literal(draw(st.integers(0 if dtype[0] == "u" else -20, 20)), dtype)
        return loops.cast(argument(draw(st.integers(0, 1)), "int64"), dtype)
    kind = draw(st.sampled_from(["binary", "unary", "select", "cast"]))
    if kind == "cast":
        other = draw(st.sampled_from(INTEGERS))
        return loops.cast(draw(scalars(depth - 1, other)), dtype)
    a = draw(scalars(depth - 1, dtype))
    if kind == "unary":
        return loops.call(draw(st.sampled_from(["neg", "abs", "not"])), a)
    b = draw(scalars(depth - 1, dtype))
    if kind == "select":
        test = draw(st.sampled_from(["lt", "le", "gt", "ge", "eq", "ne"]))
        return loops.select(loops.binary(test, a, b), a, b)
    names = [
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
    return loops.binary(draw(st.sampled_from(names)), a, b)


@given(scalars(), st.integers(-30, 30), st.integers(-30, 30))
def test_integers_as_numpy_computes_them(root, n, m):
    assert on_host(root)
    nodes = loops.walk([root])
    divisors = [x.args[1] for x in nodes if x.op in ("floordiv", "mod")]
    exact = make_function([*divisors, *(x for x in nodes if x.dtype == "int64")])(
        [n, m]
    )
    assume(all(exact[: len(divisors)]) and all(abs(one) < 2**63 for one in exact))
    (want,) = interpret.evaluate([root], [np.int64(n), np.int64(m)])
    assert value(root, [n, m]) == int(want)


@given(scalars(), st.integers(-30, 30), st.integers(-30, 30))
def test_folding_keeps_the_value(root, n, m):
    folded = fold(root)
    assert folded.dtype == root.dtype
    assert value(folded, [n, m]) == value(root, [n, m])


@given(st.lists(scalars(depth=3), min_size=2, max_size=4))
def test_what_is_folded_is_not_folded_otherwise_later(roots):
    done = {}
    together = [fold(root, done) for root in roots]
    total = loops.binary("add", loops.binary("mul", together[0], 3), roots[1])
    for root, found in zip([*roots, total], [*together, fold(total, done)]):
        alone = fold(root)
        assert alone is found and fold(alone) is alone


@given(scalars(depth=3), st.integers(-9, 9), st.integers(-9, 9))
def test_known_arguments_fold_to_a_number(root, n, m):
    known = {N: literal(n, "int64"), M: literal(m, "int64")}
    (closed,) = loops.substitute([root], known)
    plain = all(x.op in ("literal", *_FOLDED) and x.dtype in ("int64", "bool")
                for x in loops.walk([closed]))  # fmt: skip
    if plain:
        assert fold(closed).op == "literal"
    assert value(fold(closed), []) == value(root, [n, m])


_FOLDED = ("add", "sub", "mul", "floordiv", "mod", "minimum", "maximum", "select",
           "lt", "le", "gt", "ge", "eq", "ne")  # fmt: skip


def test_division_by_zero_is_zero_not_an_error():
    assert value(loops.binary("floordiv", N, M), [5, 0]) == 0
    assert value(loops.binary("mod", N, M), [5, 0]) == 0


@pytest.mark.parametrize("a", [-7, -1, 0, 3, 7])
@pytest.mark.parametrize("b", [-3, 2])
def test_division_rounds_down(a, b):
    assert value(loops.binary("floordiv", N, M), [a, b]) == a // b
    assert value(loops.binary("mod", N, M), [a, b]) == a % b


@pytest.mark.parametrize("dtype", INTEGERS)
def test_casts_wrap_as_numpy_casts(dtype):
    for number in (0, 1, -1, 127, 128, 255, 256, 40_000, -40_000, 2**31, 2**40 + 5):
        want = int(np.array(number).astype(dtype))
        assert value(loops.cast(N, dtype), [number]) == want


@pytest.mark.parametrize("number", [-2.5, -0.5, 0.5, 1.5, 2.5, 3.7, -3.7])
def test_rounding_of_floats(number):
    half = loops.literal(number, "float64")
    for name in ("floor", "ceil", "trunc", "rint"):
        whole = loops.cast(loops.call(name, half), "int64")
        assert value(whole, []) == int(getattr(np, name)(number))
    assert value(loops.cast(half, "int64"), []) == math.trunc(number)


def test_floats_in_between():
    """int(ceil(n / 2)) and floor(sqrt(n)), as programs write them."""
    real = loops.cast(N, "float64")
    half = loops.call("ceil", loops.binary("div", real, 2.0))
    root = loops.call("floor", loops.call("sqrt", real))
    for n in range(20):
        assert value(loops.cast(half, "int64"), [n]) == math.ceil(n / 2)
        assert value(loops.cast(root, "int64"), [n]) == math.isqrt(n)
    single = loops.cast(loops.cast(N, "float32"), "int64")
    assert value(single, [2**24 + 1]) == 2**24
    assert value(loops.cast(real, "bool"), [3]) is True


def test_small_dtypes_keep_their_precision():
    for dtype in ("float16", "float32"):
        real = loops.cast(N, dtype)
        tenth = loops.binary("mul", real, 0.1)
        for n in range(60):
            want = np.dtype(dtype).type(n) * np.dtype(dtype).type(0.1)
            assert value(tenth, [n]) == want
            assert value(loops.cast(tenth, "int64"), [n]) == int(want)
    byte = loops.cast(N, "int8")
    assert value(loops.cast(loops.binary("add", byte, byte), "int64"), [100]) == -56


def test_what_is_not_finite_raises_nothing():
    real = loops.cast(N, "float64")
    quotient = loops.binary("div", real, loops.cast(M, "float64"))
    assert value(quotient, [3, 0]) == math.inf and value(quotient, [-3, 0]) == -math.inf
    assert math.isnan(value(quotient, [0, 0]))
    assert math.isnan(value(loops.call("sqrt", real), [-1]))
    assert value(loops.call("floor", quotient), [1, 0]) == math.inf
    assert value(loops.cast(quotient, "int64"), [0, 0]) == -(2**63)


def test_bools():
    both = loops.call("and", loops.binary("lt", N, M), loops.binary("gt", N, 0))
    neither = loops.call("not", both)
    for n, m in [(1, 2), (2, 1), (-1, 5)]:
        assert value(both, [n, m]) == (n < m and n > 0)
        assert value(neither, [n, m]) == (not (n < m and n > 0))


def test_what_is_not_computed_on_the_host():
    assert not on_host(loops.call("exp", loops.cast(N, "float64")))
    assert not on_host(loops.load(0, "int64"))
    assert not on_host(loops.index(0))
    assert not on_host(loops.cast(N, "complex64"))
    assert on_host(loops.select(loops.binary("lt", N, M), N, M))
    assert "exp" not in HOST_OPS


def test_every_host_operation_can_be_printed():
    arity = {"select": 3, "neg": 1, "not": 1, "abs": 1, "cast": 1, "floor": 1, "ceil": 1,
             "trunc": 1, "rint": 1, "sqrt": 1}  # fmt: skip
    for name in HOST_OPS - {"literal", "argument"}:
        dtype = (
            "float64"
            if name in ("floor", "ceil", "trunc", "rint", "sqrt", "div")
            else "int64"
        )
        kinds = [loops.cast(a, dtype) for a in (N, M, N)][: arity.get(name, 2)]
        if name == "select":
            kinds[0] = loops.binary("lt", N, M)
        node = loops.scalar(name, kinds, dtype)
        assert on_host(node)
        value(node, [4, 2])


def test_results_come_in_order_and_shared_work_is_done_once():
    total = loops.binary("add", N, M)
    double = loops.binary("mul", total, 2)
    function = make_function([double, total, literal(7, "int64"), N])
    assert function([3, 4]) == (14, 7, 7, 3)
    text = print_function([double, total], "sizes")
    assert text.count("+") == 1 and text.startswith("def sizes(a):")
    assert make_function([])([]) == ()


def test_equal_functions_are_compiled_once_and_others_are_others():
    def made(number, places=(0, 1)):
        first, second = (argument(k, "int64") for k in places)
        return make_function(
            [loops.binary("add", loops.binary("mul", first, second), number)]
        )

    assert made(1) is made(1)
    functions = [made(1), made(2), made(1, (1, 0)), made(1, (0, 0))]
    assert len(set(functions)) == 4
    assert [f([3, 4]) for f in functions] == [(13,), (14,), (13,), (10,)]


def test_deep_expressions():
    root = N
    for _ in range(5000):
        root = loops.binary("add", loops.binary("maximum", root, M), 1)
    assert value(root, [0, 0]) == 5000
    assert value(fold(root), [0, 0]) == 5000
