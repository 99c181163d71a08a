"""Complex formulas as formulas of parts, against NumPy and mpmath."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from symnet.kernels.loopir.interpret import evaluate
from symnet.kernels.loopir.math import expand
from symnet.kernels.loopir.scalars import (
    PARTS,
    Kernel,
    Operand,
    Output,
    Scalar,
    argument,
    call,
    cast,
    literal,
    scalar,
    select,
)
from symnet.kernels.loopir.split_complex import RULES, can_be_split, split
from symnet.kernels.loopir.verify_kernel import KernelError, verify_kernel

DTYPES = ["complex64", "complex128"]
RANDOM = np.random.default_rng(3)
FUNCTIONS = {
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log2": np.log2,
    "log10": np.log10, "log1p": np.log1p, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos,
    "tan": np.tan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "neg": np.negative,
    "abs": np.abs, "sign": np.sign, "conj": np.conj,
}  # fmt: skip
PAIRED = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide,
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal,
    "gt": np.greater, "ge": np.greater_equal, "maximum": np.maximum,
    "minimum": np.minimum, "pow": np.power,
}  # fmt: skip


def operand(position: int, dtype: str) -> Scalar:
    parts = [argument(2 * position + k, PARTS[dtype]) for k in range(2)]
    return scalar("complex", parts, dtype)


def value_of(root: Scalar, *arrays: Any) -> Any:
    """The value of a formula of complex operands."""
    (parts,) = split([root])
    values = [part for a in arrays for part in (a.real, a.imag)]
    found = evaluate(expand(parts), values)
    if len(found) == 1:
        return found[0]
    whole = np.empty(np.broadcast_shapes(*(f.shape for f in found)), root.dtype)
    whole.real, whole.imag = found
    return whole


def grid(dtype: str) -> np.ndarray[Any, Any]:
    """All pairs of the parts that matter."""
    limits = np.finfo(dtype)
    parts = [0.0, 1.0, 0.5, 3.0, 720.0, 1e-5, np.inf, limits.max, limits.tiny]
    parts = np.array([*parts, np.nan, *(-p for p in parts)], limits.dtype)
    found = np.empty((len(parts), len(parts)), dtype)
    found.real, found.imag = parts[:, None], parts
    return found.ravel()


def agree(got: Any, want: Any, dtype: str) -> np.ndarray[Any, Any]:
    """Where two arrays of real numbers are the same, up to a few units in the last place;
    a zero has its sign."""
    limits = np.finfo(dtype)
    with np.errstate(all="ignore"):
        near = np.abs(got - want) <= 50 * limits.eps * np.abs(want) + 4 * limits.tiny
    same = (got == want) | (np.isnan(got) & np.isnan(want)) | near
    return same & ((want != 0) | (np.signbit(got) == np.signbit(want)) | (got != 0))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values_are_numpys(name: str, dtype: str) -> None:
    z = grid(dtype)
    if name in ("log1p", "sign"):  # of which NumPy's overflow
        z = z[(np.abs(z) < 1e30) | ~np.isfinite(z)]
        z = z[(np.abs(z) > 1e-30) | (z == 0)]
    got = value_of(call(name, operand(0, dtype)), z)
    with np.errstate(all="ignore"):
        want = FUNCTIONS[name](z)
    if name == "log1p":  # the small real part is lost by NumPy
        want = np.where(np.abs(z) < 0.1, got, want)
    if name == "abs":
        assert agree(got.real, want, dtype).all() and not got.imag.any()
        return
    # The sign of a zero beside NaN says nothing.
    re = agree(got.real, want.real, dtype) | (np.isnan(want.imag) & (got.real == 0))
    im = agree(got.imag, want.imag, dtype) | (np.isnan(want.real) & (got.imag == 0))
    wrong = ~(re & im)
    assert not wrong.any(), (z[wrong][:5], got[wrong][:5], want[wrong][:5])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PAIRED)
def test_pairs_are_numpys(name: str, dtype: str) -> None:
    z = grid(dtype)
    if name == "pow":  # whole exponents, where NumPy multiplies too
        z, w = z[np.abs(z) < 4], np.array([0, 1, 2, 3, -1, -2, 5], dtype)
        z = z[(np.abs(z) > 1e-2) | (z == 0)]
    else:
        # Where a product overflows, how often it is rounded decides between NaN and inf.
        finite = np.isfinite(z.real) & (np.abs(z.real) > 1e30)
        z = z[~finite & ~(np.isfinite(z.imag) & (np.abs(z.imag) > 1e30))]
        w = z[RANDOM.permutation(len(z))[:40]]
    x, y = np.repeat(z, len(w)), np.tile(w, len(z))
    got = value_of(call(name, operand(0, dtype), operand(1, dtype), dtype=None), x, y)
    with np.errstate(all="ignore"):
        want = PAIRED[name](x, y)
    if got.dtype == bool:
        np.testing.assert_array_equal(got, want)
        return
    for mine, theirs in ((got.real, want.real), (got.imag, want.imag)):
        # Beside the number's own size: parts of a product cancel.
        with np.errstate(all="ignore"):
            limit = 20 * np.finfo(dtype).eps * (np.abs(x * y) + np.abs(want))
            near = np.abs(mine - theirs) <= limit + 4 * np.finfo(dtype).tiny
        same = (mine == theirs) | (np.isnan(mine) & np.isnan(theirs)) | near
        assert same.all()


# Units in the last place of the number's length, by which a function is off at most.
BOUNDS = {"exp": 2, "log": 1.5, "log1p": 3, "log10": 2.5, "sqrt": 2, "sin": 2, "cos": 2,
          "tan": 3, "sinh": 2, "cosh": 2, "tanh": 3, "expm1": 3, "sign": 1.5}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_accuracy_against_mpmath(dtype: str) -> None:
    sizes = np.exp(RANDOM.uniform(-8, 4, (2, 60))) * RANDOM.choice([-1, 1], (2, 60))
    near_one = np.exp(1j * RANDOM.uniform(-3, 3, 40)) * (
        1 + RANDOM.normal(size=40) / 1e5
    )
    z = np.concatenate([sizes[0] + 1j * sizes[1], near_one]).astype(dtype)
    unit = np.finfo(dtype).eps
    with mpmath.workprec(200):
        for name, bound in BOUNDS.items():
            got = value_of(call(name, operand(0, dtype)), z)
            for one, found in zip(z, got, strict=True):
                exact = getattr(mpmath, name)(mpmath.mpc(complex(one)))
                off = abs(mpmath.mpc(complex(found)) - exact) / abs(exact)
                assert off <= bound * unit, (name, one)


@pytest.mark.parametrize("dtype", DTYPES)
def test_nothing_overflows_on_the_way(dtype: str) -> None:
    limits = np.finfo(dtype)
    big, small = limits.max / 2, limits.tiny * 8
    z = np.array([big + 1j * big, small - 1j * small, big * 1j, small], dtype)
    x = operand(0, dtype)
    one = value_of(call("div", x, x), z)
    np.testing.assert_allclose(one, 1, rtol=2 * limits.eps)
    length = value_of(call("real", call("abs", x), dtype=PARTS[dtype]), z)
    np.testing.assert_allclose(length, np.abs(z), rtol=4 * limits.eps)
    root = value_of(call("sqrt", x), z)
    np.testing.assert_allclose(root, np.sqrt(z), rtol=8 * limits.eps)
    exponent = np.array([np.log(limits.max) + 1 + 1j * np.pi * 0.4999], dtype)
    assert np.isfinite(value_of(call("exp", x), exponent).real)
    assert np.isfinite(value_of(call("log", x), z)).all()


def test_numbers_casts_and_choices() -> None:
    z = np.array([1 + 2j, -3.5 + 0j])
    x = operand(0, "complex128")
    np.testing.assert_array_equal(value_of(cast(x, "complex64"), z), z)
    np.testing.assert_array_equal(value_of(cast(x, "float32"), z), z.real)
    made = x + cast(literal(2.5, "float64"), "complex128") * literal(1j, "complex128")
    np.testing.assert_array_equal(value_of(made, z), z + 2.5j)
    chosen = select(call("gt", x, literal(0, "complex128")), x, 1j)
    np.testing.assert_array_equal(value_of(chosen, z), [1 + 2j, 1j])


def test_what_has_no_rule_is_known() -> None:
    x = operand(0, "complex64")
    assert can_be_split([call("tanh", x) + x])
    assert not can_be_split([call("arccos", x)])
    assert not can_be_split([scalar("reduce", (x,), "complex64", "prod")])
    assert can_be_split([call("arccos", argument(0, "float32"))])
    assert set(FUNCTIONS) | set(PAIRED) <= set(RULES)


def test_kernels_are_real() -> None:
    store = Operand("complex64", ())
    kernel = Kernel(0, (), (), (Output(store, literal(1j, "complex64")),))
    with pytest.raises(KernelError, match="kernels are real"):
        verify_kernel(kernel)
