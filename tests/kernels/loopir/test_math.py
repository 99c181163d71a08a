"""The expansions of mathematical functions, judged in units in the last place (ulp)."""

from __future__ import annotations

import ctypes

import mpmath
import numpy as np
import pytest
import scipy.special

from symnet.kernels.cpu.runtime.run_kernel import run_kernel
from symnet.kernels.loopir.interpret import evaluate
from symnet.kernels.loopir.math import EXTERNAL, expand, external_address
from symnet.kernels.loopir.math.formats import sign_of
from symnet.kernels.loopir.scalars import (
    PRIMITIVES,
    Kernel,
    Operand,
    Output,
    argument,
    call,
    literal,
    load,
    walk,
)

Long = np.longdouble
FLOATS = ("float32", "float64")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def by_mpmath(function):
    """A function of longdouble arrays through mpmath, for those that NumPy lacks."""

    def one(x):
        if not np.isfinite(x):
            return Long({"erf": np.sign(x), "erfc": 1 - np.sign(x)}[function.__name__])
        with mpmath.workprec(80):
            value = function(mpmath.mpf(float(np.clip(x, -40, 40))))
            high = float(value)
            return Long(high) + Long(float(value - high))

    return lambda x: np.array([one(each) for each in x], Long)


REFERENCE = {
    "sigmoid": sigmoid,
    "softplus": softplus,
    "pow": np.power,
    "erf": by_mpmath(mpmath.erf),
    "erfc": by_mpmath(mpmath.erfc),
}
# Name: largest error in ulp for float32, for float64, and where it is looked for.
CASES = {
    "exp": (1.1, 1.1, (-104, 89), (-746, 710)),
    "exp2": (1.0, 1.0, (-150, 129), (-1076, 1025)),
    "expm1": (1.5, 1.8, (-19, 89), (-40, 710)),
    "log": (1.0, 1.0, (0, 5), (0, 5)),
    "log2": (1.0, 1.0, (0, 5), (0, 5)),
    "log10": (1.0, 1.0, (0, 5), (0, 5)),
    "log1p": (1.5, 1.5, (-1, 5), (-1, 5)),
    "sin": (1.5, 1.5, (-1e5, 1e5), (-1e9, 1e9)),
    "cos": (1.5, 1.5, (-1e5, 1e5), (-1e9, 1e9)),
    "tan": (2.0, 2.0, (-1e5, 1e5), (-1e9, 1e9)),
    "arcsin": (2.0, 2.0, (-1, 1), (-1, 1)),
    "arccos": (1.5, 1.5, (-1, 1), (-1, 1)),
    "arctan": (1.5, 2.0, (-9, 9), (-9, 9)),
    "sinh": (2.0, 2.0, (-90, 90), (-711, 711)),
    "cosh": (1.5, 1.5, (-90, 90), (-711, 711)),
    "tanh": (2.0, 2.0, (-10, 10), (-20, 20)),
    "arcsinh": (2.0, 2.0, (-9, 9), (-9, 9)),
    "arccosh": (2.0, 2.0, (1, 9), (1, 9)),
    "arctanh": (2.0, 2.0, (-1, 1), (-1, 1)),
    "sigmoid": (2.0, 2.0, (-105, 105), (-750, 750)),
    "softplus": (2.0, 2.0, (-105, 20), (-750, 40)),
    "erf": (1.2, 1.2, (-4, 4), (-6, 6)),
    "erfc": (3.0, 3.0, (-4, 10.2), (-6, 27.3)),
}
PAIRS = {"pow": (0.6, 1.0), "arctan2": (1.5, 2.0), "hypot": (1.0, 1.0)}


def reference(name):
    return REFERENCE.get(name) or getattr(np, name)


def expanded(name, dtype, arity=1):
    return expand([call(name, *(argument(k, dtype) for k in range(arity)))])


def specials(dtype):
    info = np.finfo(dtype)
    small, tiny, large = info.smallest_subnormal, info.tiny, info.max
    positive = [
        0,
        small,
        3 * small,
        tiny,
        1e-3,
        0.5,
        1,
        2,
        3,
        10.5,
        large / 2,
        large,
        np.inf,
    ]
    return np.array([*positive, *(-np.array(positive)), np.nan], dtype)


def samples(name, dtype, count=1500):
    """Numbers spread over the range, near 0, and over all magnitudes; and the special."""
    random = np.random.default_rng(7)
    low, high = CASES[name][2 + FLOATS.index(dtype)]
    info = np.finfo(dtype)
    exponents = random.uniform(info.minexp - 20, info.maxexp, count // 4)
    if name in ("erf", "erfc"):
        count = 300
    parts = [
        random.uniform(low, high, count),
        random.uniform(max(low, -3), min(high, 3), count),
        random.choice([-1, 1], exponents.size) * np.exp2(exponents),
        1
        + random.uniform(-1, 1, count // 4)
        * 10.0 ** random.uniform(-7, -1, count // 4),
        np.arange(-60, 60) * (np.pi / 4),
        specials(dtype),
    ]
    with np.errstate(all="ignore"):
        return np.concatenate(parts).astype(dtype)


def ulps(value, exact):
    """The distance in units of the last place of the exact value; 0 where both are the
    same infinity or NaN, infinite where only one is."""
    info = np.finfo(value.dtype)
    size = np.abs(np.where(np.isfinite(exact), exact, 1))
    exponent = np.floor(np.log2(np.maximum(size, info.tiny)))
    unit = np.exp2(exponent - info.nmant, dtype=Long)
    rounded = exact.astype(value.dtype)
    same = (value == rounded) | (np.isnan(value) & np.isnan(rounded))
    finite = np.isfinite(value) & np.isfinite(rounded)
    distance = np.abs(value.astype(Long) - exact) / unit
    # Where the largest number ends and infinity begins, either is within an ulp.
    last = np.abs(size / Long(info.max) - 1) < 2.0**-info.nmant
    return np.where(finite, distance, np.where(same, 0, np.where(last, 1, np.inf)))


def check(name, dtype, limit, *arguments, value=None):
    with np.errstate(all="ignore"):
        exact = reference(name)(*(a.astype(Long) for a in arguments))
        if value is None:
            value = evaluate(expanded(name, dtype, len(arguments)), arguments)[0]
        error = ulps(value, exact)
    worst = int(np.argmax(error))
    where = [a[worst] for a in arguments]
    assert error[worst] <= limit, f"{error[worst]} ulp at {where}: {value[worst]}"
    zero = (exact == 0) & np.array([abs(x) < 40 for x in arguments[0]])
    if name not in ("erf", "erfc"):  # mpmath has no -0.0
        assert (np.signbit(value) == np.signbit(exact))[zero].all()


@pytest.fixture(autouse=True)
def needs_long(request):
    if "float64" in request.node.name and np.finfo(Long).nmant < 63:
        pytest.skip("longdouble is not more precise than float64 here")


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", CASES)
def test_function_of_one_number(name, dtype):
    check(name, dtype, CASES[name][FLOATS.index(dtype)], samples(name, dtype))


def pairs(name, dtype):
    random = np.random.default_rng(3)
    count = 3000
    spread = np.exp2(random.uniform(-60, 60, count))
    left = np.concatenate([random.uniform(0, 3, count), spread])
    right = np.concatenate([random.uniform(-9, 9, count), random.uniform(-9, 9, count)])
    if name != "pow":
        left *= random.choice([-1, 1], left.size)
    values = specials(dtype)
    x, y = np.meshgrid(values, values)
    return [
        np.concatenate([numbers.astype(dtype), special.ravel()])
        for numbers, special in ((left, x), (right, y))
    ]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", PAIRS)
def test_function_of_two_numbers(name, dtype):
    check(name, dtype, PAIRS[name][FLOATS.index(dtype)], *pairs(name, dtype))


@pytest.mark.parametrize("dtype", FLOATS)
def test_power_over_all_magnitudes(dtype):
    random = np.random.default_rng(5)
    info = np.finfo(dtype)
    result = random.uniform(info.minexp - info.nmant, info.maxexp, 4000)
    base = random.uniform(info.minexp - info.nmant + 1, info.maxexp - 1, 4000)
    x, y = np.exp2(base).astype(dtype), (result / base).astype(dtype)
    check("pow", dtype, PAIRS["pow"][FLOATS.index(dtype)], x, y)
    near = (1 + random.uniform(-1, 1, 4000) * 1e-5).astype(dtype)
    with np.errstate(all="ignore"):
        large = (result / np.log2(near.astype(float))).astype(dtype)
    keep = np.isfinite(large)
    check("pow", dtype, PAIRS["pow"][FLOATS.index(dtype)], near[keep], large[keep])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("exponent", [-1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 2.5, -3.0])
def test_power_with_a_literal_exponent(exponent, dtype):
    x = np.concatenate([samples("log", dtype), specials(dtype)])
    roots = expand([call("pow", argument(0, dtype), literal(exponent, dtype))])
    value = evaluate(roots, [x])[0]
    with np.errstate(all="ignore"):
        exact = np.power(x.astype(Long), Long(exponent))
        assert ulps(value, exact).max() < 2
    operations = sum(node.op in PRIMITIVES for node in walk(roots))
    assert operations <= 5 or exponent in (2.5, -3.0)


DECAYS = {
    "negated square": lambda x: -(x * x),
    "negated size": lambda x: -call("abs", x),
    "square by a negative number": lambda x: (x * x) * -0.5,
    "quotient": lambda x: -call("sqrt", x) / call("abs", x),
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", DECAYS)
def test_exp_of_what_is_never_positive(name, dtype):
    x = samples("exp", dtype)
    exponent = DECAYS[name](argument(0, dtype))
    assert sign_of(exponent) == -1
    roots = expand([exponent, call("exp", exponent)])
    below, value = evaluate(roots, [x])
    with np.errstate(all="ignore"):
        exact = np.exp(below.astype(Long))
    assert ulps(value, exact).max() <= CASES["exp"][FLOATS.index(dtype)]
    plain = expand([call("exp", argument(0, dtype))])
    assert len(walk(roots)) - len(walk(roots[:1])) < len(walk(plain)) - 1


def test_signs_that_are_known():
    x, y = argument(0, "float32"), argument(1, "float32")
    for value in (x, -x, x * y, x - y, x / x, -(x + y), call("exp", x) - y):
        assert sign_of(value) == 0
    for value in (x * x, literal(0.0, "float32"), literal("nan", "float32")):
        assert sign_of(value) == 1
    assert sign_of(literal(-2.0, "float32") * call("sqrt", x)) == -1


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_huge_angles(name, dtype):
    x = np.array([1e6, 3.3e9, -1e15, 7.7e22, -1e30, 3e38], dtype)
    check(name, dtype, 1, x)


@pytest.mark.parametrize("name", ["exp", "tanh", "log", "sin", "pow", "erf", "sigmoid"])
def test_float16_is_computed_in_float32(name):
    arity = 2 if name == "pow" else 1
    x = np.linspace(-4, 4, 501).astype(np.float16)
    arguments = [np.abs(x) if name == "pow" else x, x[::-1]][:arity]
    value = evaluate(expanded(name, "float16", arity), arguments)[0]
    assert value.dtype == np.float16
    with np.errstate(all="ignore"):
        assert (
            ulps(value, reference(name)(*(a.astype(Long) for a in arguments))).max()
            < 0.51
        )


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64"])
def test_power_of_integers_wraps_around(dtype):
    info = np.iinfo(dtype)
    base = np.array([0, 1, 2, 3, 5, 7, 10, 100, 127, info.max], dtype)
    if info.min < 0:
        base = np.concatenate([base, np.array([-1, -2, -3, -128, info.min], dtype)])
    x, y = np.meshgrid(base, np.array([0, 1, 2, 3, 5, 8, 13, 31, 64, 100, 127], dtype))
    with np.errstate(all="ignore"):
        exact = np.power(x, y)
    value = evaluate(expanded("pow", dtype, 2), [x, y])[0]
    np.testing.assert_array_equal(value, exact)
    for exponent in (0, 1, 2, 3, 13, 64):
        root = call("pow", argument(0, dtype), literal(exponent, dtype))
        value = evaluate(expand([root]), [base])[0]
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(
                value, np.power(base, base.dtype.type(exponent))
            )


def test_negative_power_of_integers():
    x = np.array([1, -1, 2, -3, 1, -1], np.int32)
    y = np.array([-5, -5, -1, -2, -4, -4], np.int32)
    value = evaluate(expanded("pow", "int32", 2), [x, y])[0]
    np.testing.assert_array_equal(value, [1, -1, 0, 0, 1, 1])


@pytest.mark.parametrize("dtype", ["float16", "float32", "int32", "uint8", "bool"])
def test_sign_and_reciprocal_and_square(dtype):
    x = np.array([0, 1, 2, 100], dtype)
    if dtype[0] in "fi":
        x = np.concatenate([x, -x])
    if dtype[0] == "f":
        x = np.concatenate([x, np.array([np.nan, np.inf, -np.inf], dtype)])
    if dtype == "bool":
        np.testing.assert_array_equal(evaluate(expanded("sign", dtype), [x])[0], x)
        return
    value = evaluate(expanded("sign", dtype), [x])[0]
    np.testing.assert_array_equal(value, np.sign(x))
    assert not np.signbit(value[x == 0].astype(float)).any()
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(
            evaluate(expanded("square", dtype), [x])[0], x * x
        )
        whole = np.where(np.abs(x) == 1, x, 0)
        inverse = 1 / x if dtype[0] == "f" else whole
    value = evaluate(expanded("reciprocal", dtype), [x])[0]
    np.testing.assert_array_equal(value, inverse.astype(dtype))


@pytest.mark.parametrize("name", [*CASES, *PAIRS])
def test_only_primitives_remain(name):
    for dtype in ("float16", *FLOATS):
        roots = expanded(name, dtype, 2 if name in PAIRS else 1)
        remaining = {node.op for node in walk(roots)} - PRIMITIVES
        assert remaining <= {"literal", "argument", *EXTERNAL}
        assert roots[0].dtype == dtype


# Speed: a vector's time goes with the number of operations.
LENGTHS = {"exp": 20, "log": 32, "tanh": 24, "sigmoid": 22, "sin": 30, "erf": 40}


@pytest.mark.parametrize("name", LENGTHS)
def test_expansions_stay_short(name):
    nodes = walk(expanded(name, "float32"))
    free = ("literal", "argument", "bitcast")
    assert sum(node.op not in free for node in nodes) <= LENGTHS[name]


def test_common_parts_are_shared():
    x = argument(0, "float32")
    both = expand([call("sin", x), call("cos", x)])
    alone = len(walk(expand([call("sin", x)])))
    assert len(walk(both)) < 1.4 * alone


def test_unknown_functions_and_integers_are_refused():
    with pytest.raises(ValueError, match="no scalar function is called 'sine'"):
        expand([call("sine", argument(0, "float32"))])
    with pytest.raises(TypeError, match="exp is not defined for int32"):
        expand([call("exp", argument(0, "int32"))])


@pytest.mark.parametrize("name", EXTERNAL)
def test_external_functions_can_be_called(name):
    arity = EXTERNAL[name].arity
    function = ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_double] * arity)
    short = name.removeprefix("libm_")
    expected = getattr(scipy.special, short, None) or getattr(np, short)
    arguments = (0.3, 0.7)[:arity]
    value = function(external_address(name))(*arguments)
    assert value == pytest.approx(expected(*arguments), rel=4e-16)


def run_native(name, *arguments):
    dtype = str(arguments[0].dtype)
    operand = Operand(dtype, (True,))
    value = call(name, *(load(k, dtype) for k in range(len(arguments))))
    kernel = Kernel(1, (False,), (operand,) * len(arguments), (Output(operand, value),))
    result = np.empty_like(arguments[0])
    run_kernel(kernel, [result.size], [*arguments, result])
    return result


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "sin", "erf"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_native_code_is_as_accurate(name, dtype):
    x = samples(name, dtype, 400)
    value = run_native(name, x)
    check(name, dtype, CASES[name][FLOATS.index(dtype)], x, value=value)


def test_native_power_is_as_accurate():
    x, y = pairs("pow", "float64")
    check("pow", "float64", 1.0, x, y, value=run_native("pow", x, y))
