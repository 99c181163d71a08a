"""NumPy's functions of variables give what NumPy gives of the values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

import symnet
import symnet.tensor as T
from symnet.tensor.numpy_calls import Objects
from symnet.tensor.numpy_table import FUNCTIONS
from symnet.tensor.numpy_ufuncs import ELEMENTWISE, REDUCTIONS

rng = np.random.default_rng(5)
A = rng.uniform(0.2, 0.9, (3, 4))
B = rng.uniform(0.2, 0.9, (3, 4))
S = rng.standard_normal((3, 3))
SPD = S @ S.T + np.eye(3)
V = rng.standard_normal(4)
N = np.array([3, 0, 2, 2, 1])
M = np.array([1, 6, 3, 0, 5])
Z = rng.standard_normal(4) + 1j * rng.standard_normal(4)
ODD = np.array([np.nan, np.inf, -np.inf, 0.0, -2.5, 1.5])


def values(f: Callable[..., Any], *arrays: Any) -> list[np.ndarray[Any, Any]]:
    """What `f` of variables computes."""
    variables = [
        T.TensorType(a.dtype, (None,) * a.ndim)() if isinstance(a, np.ndarray) else a
        for a in arrays
    ]
    made = f(*variables)
    results = list(made) if isinstance(made, (list, tuple)) else [made]
    given = [v for v in variables if isinstance(v, symnet.Variable)]
    function = symnet.function(given, results, on_unused_input="ignore")
    return list(function(*[a for a in arrays if isinstance(a, np.ndarray)]))


def check(f: Callable[..., Any], *arrays: Any) -> None:
    expected = f(*arrays)
    wanted = list(expected) if isinstance(expected, (list, tuple)) else [expected]
    got = values(f, *arrays)
    assert len(got) == len(wanted)
    for one, other in zip(got, wanted):
        assert one.shape == np.shape(other)
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)


UNARY = """negative positive absolute fabs sign reciprocal square sqrt exp exp2 expm1 log log2
log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arctanh deg2rad rad2deg
radians degrees floor ceil trunc rint""".split()
BINARY = """add subtract multiply divide floor_divide remainder divmod power float_power
logaddexp logaddexp2 arctan2 hypot maximum minimum fmax fmin heaviside equal not_equal less
less_equal greater greater_equal""".split()
OF_FLAGS = "isnan isinf isfinite logical_not".split()
OF_INTEGERS = (
    """bitwise_and bitwise_or bitwise_xor logical_and logical_or logical_xor""".split()
)


@pytest.mark.parametrize("name", UNARY)
def test_elementwise(name: str) -> None:
    check(getattr(np, name), A)


def test_elementwise_beyond_one() -> None:
    check(np.arccosh, 1 + A)


@pytest.mark.parametrize("name", BINARY)
def test_elementwise_of_two(name: str) -> None:
    f = getattr(np, name)
    check(f, A, B)
    check(lambda x: f(x, B), A)
    check(lambda x: f(B, x), A)


@pytest.mark.parametrize("name", OF_FLAGS)
def test_flags(name: str) -> None:
    check(getattr(np, name), ODD)


@pytest.mark.parametrize("name", OF_INTEGERS)
def test_integers(name: str) -> None:
    check(getattr(np, name), N, M)


@pytest.mark.parametrize("name", ["fmax", "fmin", "heaviside", "hypot", "nan_to_num"])
def test_odd_numbers(name: str) -> None:
    f = getattr(np, name)
    if name == "nan_to_num":
        check(f, ODD)
        check(lambda x: f(x, nan=3.0, posinf=7.0, neginf=-7.0), ODD)
    else:
        check(f, ODD, ODD[::-1].copy())
        check(f, ODD, np.zeros(6))


def test_hypot_does_not_overflow() -> None:
    check(np.hypot, np.array([3e200, 0.0, 1e-200]), np.array([4e200, 0.0, 1e-200]))


def test_slopes_of_hypot_where_both_are_of_one_size() -> None:
    x, y = T.dvectors("x", "y")
    length = np.hypot(x, y)
    slopes = symnet.grad(T.sum(length), [x, y])
    mixed = symnet.grad(T.sum(slopes[0]), [x, y])
    f = symnet.function([x, y], [*slopes, *mixed])
    a, b = np.array([1.0, -2.0, 3.0, 0.3]), np.array([1.0, 2.0, -3.0, 0.4])
    r = np.hypot(a, b)
    wanted = [a / r, b / r, b * b / r**3, -a * b / r**3]
    np.testing.assert_allclose(f(a, b), wanted, rtol=1e-12)
    zero = np.zeros(1)
    assert all(np.isfinite(v).all() for v in f(zero, zero))


SMALL = np.array([[-128, 127, 3], [100, -100, 0]], "int8")


def test_small_integers_do_not_wrap_where_numpy_makes_floats() -> None:
    for whole in (SMALL, SMALL.view("uint8")):
        (length,) = values(np.hypot, whole, whole[::-1].copy())
        wide = whole.astype("float64")
        np.testing.assert_allclose(length, np.hypot(wide, wide[::-1]), rtol=1e-6)
        check(np.fabs, whole)
        for order in (None, 0, 1, 2, 3, np.inf, -np.inf):
            check(lambda x, o=order: np.linalg.norm(x, o, axis=1), whole)
        check(np.linalg.norm, whole)
        check(lambda x: np.average(x, weights=np.abs(x) + 1), whole.astype("int16"))
        check(lambda x: np.average(x, axis=1, weights=x[1] * 0 + 99), whole)


def test_integers_are_rounded_to_integers() -> None:
    large = np.array([2**62 + 1, -15, 25])
    for decimals in (-1, 0, 2):
        f = lambda x, d=decimals: np.round(x, d)  # noqa: E731
        check(f, large)
        assert values(f, large)[0].dtype == "int64"


def test_others_elementwise() -> None:
    check(np.invert, N)
    check(np.conjugate, Z)
    check(np.matmul, A, B.T.copy())
    check(lambda x: B.T @ x, A)


def test_every_elementwise_function_is_tested() -> None:
    others = {"arccosh", "invert", "conjugate", "matmul"}
    assert {*UNARY, *BINARY, *OF_FLAGS, *OF_INTEGERS, *others} == {*ELEMENTWISE}


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", [0, 1, None])
def test_reduce(name: str, axis: int | None) -> None:
    check(lambda x: getattr(np, name).reduce(x, axis=axis), A)
    check(lambda x: getattr(np, name).reduce(x), A)


# Per function calls of it.
CALLS: dict[str, list[tuple[Callable[..., Any], Any]]] = {
    **{
        name: [
            (lambda x, name=name: getattr(np, name)(x), (A,)),
            (lambda x, name=name: getattr(np, name)(x, axis=1), (A,)),
            (lambda x, name=name: getattr(np, name)(x, 0), (A,)),
        ]
        for name in "sum prod mean std var average max amax min amin ptp all any count_nonzero "
        "argmax argmin cumsum cumprod size".split()
    },
    "diff": [(np.diff, (A,)), (lambda x: np.diff(x, 2, 0), (A,))],
    "dot": [(np.dot, (A, V)), (np.dot, (V, V)), (lambda x: np.dot(A.T, x), (A,))],
    "vdot": [(np.vdot, (Z, Z)), (np.vdot, (A, B))],
    "inner": [
        (np.inner, (A, B)),
        (np.inner, (A, V)),
        (lambda x: np.inner(x, 2.0), (A,)),
    ],
    "outer": [(np.outer, (V, N)), (np.outer, (A, V))],
    "tensordot": [
        (np.tensordot, (A, B)),
        (lambda x, y: np.tensordot(x, y, axes=[[0], [0]]), (A, B)),
    ],
    "kron": [(np.kron, (A, S))],
    "trace": [(np.trace, (A,)), (lambda x: np.trace(x, 1), (A,))],
    "diagonal": [(np.diagonal, (A,)), (lambda x: np.diagonal(x, offset=-1), (A,))],
    "diag": [(np.diag, (V,)), (np.diag, (S,)), (lambda x: np.diag(x, 1), (V,))],
    "tril": [(np.tril, (A,)), (lambda x: np.tril(x, -1), (A,))],
    "triu": [(np.triu, (A,)), (lambda x: np.triu(x, k=1), (A,))],
    "shape": [(lambda x: np.concatenate([np.shape(x), N]), (A,))],
    "ndim": [(lambda x: np.ndim(x) + x, (A,))],
    "copy": [(np.copy, (A,))],
    "reshape": [
        (lambda x: np.reshape(x, (4, 3)), (A,)),
        (lambda x: np.reshape(x, -1), (A,)),
    ],
    "ravel": [(np.ravel, (A,))],
    "transpose": [(np.transpose, (A,)), (lambda x: np.transpose(x, (1, 0)), (A,))],
    "matrix_transpose": [(np.swapaxes, (A, 0, 1))],
    "swapaxes": [(lambda x: np.swapaxes(x, 0, 1), (A,))],
    "moveaxis": [(lambda x: np.moveaxis(x, 0, -1), (A,))],
    "rollaxis": [
        (lambda x: np.rollaxis(x, 1), (A,)),
        (lambda x: np.rollaxis(x, 0, 2), (A,)),
    ],
    "expand_dims": [
        (lambda x: np.expand_dims(x, 1), (A,)),
        (lambda x: np.expand_dims(x, (0, -1)), (A,)),
    ],
    "squeeze": [(lambda x: np.squeeze(np.expand_dims(x, 0)), (A,))],
    "atleast_1d": [(lambda x: np.atleast_1d(x[0, 0]), (A,)), (np.atleast_1d, (A,))],
    "atleast_2d": [(np.atleast_2d, (V,)), (np.atleast_2d, (V, A))],
    "concatenate": [
        (lambda x, y: np.concatenate([x, y]), (A, B)),
        (lambda x, y: np.concatenate((x, y), axis=1), (A, B)),
        (lambda x: np.concatenate([x, V], axis=None), (A,)),
    ],
    "stack": [
        (lambda x, y: np.stack([x, y]), (A, B)),
        (lambda x: np.stack([x, B], axis=-1), (A,)),
    ],
    "hstack": [
        (lambda x: np.hstack([x, B]), (A,)),
        (lambda x: np.hstack([x, N]), (V,)),
    ],
    "vstack": [(lambda x: np.vstack([x, A]), (V,))],
    "column_stack": [(lambda x: np.column_stack([x, A.T]), (V,))],
    "append": [
        (lambda x: np.append(x, V), (A,)),
        (lambda x: np.append(x, B, axis=0), (A,)),
    ],
    "split": [
        (lambda x: np.split(x, 2, axis=1), (A,)),
        (lambda x: np.split(x, [1, 3], 1), (A,)),
        (lambda x: np.split(x, 1), (A,)),
    ],
    "tile": [(lambda x: np.tile(x, (2, 3)), (A,))],
    "repeat": [
        (lambda x: np.repeat(x, 2), (A,)),
        (lambda x: np.repeat(x, 3, axis=1), (A,)),
    ],
    "roll": [(lambda x: np.roll(x, 1), (A,)), (lambda x: np.roll(x, -1, axis=1), (A,))],
    "flip": [(np.flip, (A,)), (lambda x: np.flip(x, 1), (A,))],
    "fliplr": [(np.fliplr, (A,))],
    "flipud": [(np.flipud, (A,))],
    "broadcast_to": [(lambda x: np.broadcast_to(x, (2, 3, 4)), (A,))],
    "meshgrid": [
        (np.meshgrid, (V, N)),
        (lambda x: np.meshgrid(x, N, indexing="ij"), (V,)),
    ],
    "where": [
        (lambda x, y: np.where(x > 0.5, x, y), (A, B)),
        (lambda x: np.where(x > 0.5), (A,)),
        (lambda x: np.where(A > 0.5, x, 0), (B,)),
    ],
    "clip": [
        (lambda x: np.clip(x, 0.3, 0.6), (A,)),
        (lambda x: np.clip(x, None, 0.6), (A,)),
        (lambda x: np.clip(x, a_min=0.3, a_max=None), (A,)),
    ],
    "round": [
        (np.round, (10 * A,)),
        (lambda x: np.round(x, 1), (A,)),
        (lambda x: np.round(x, -1), (100 * A,)),
    ],
    "around": [(np.around, (10 * A,))],
    "nan_to_num": [(np.nan_to_num, (ODD,)), (np.nan_to_num, (N,))],
    "sort": [
        (np.sort, (A,)),
        (lambda x: np.sort(x, 0), (A,)),
        (lambda x: np.sort(x, axis=None), (A,)),
    ],
    "argsort": [(np.argsort, (A,)), (lambda x: np.argsort(x, 0), (A,))],
    "take": [(lambda x: np.take(x, [0, 2]), (A,))],
    "take_along_axis": [(lambda x: np.take_along_axis(x, np.argsort(B, 1), 1), (A,))],
    "choose": [(lambda x: np.choose(x, [V[:2], V[2:]]), (N[1:3] // 2,))],
    "compress": [(lambda x: np.compress([True, False, True], x, axis=0), (A,))],
    "nonzero": [(np.nonzero, (N,))],
    "flatnonzero": [(np.flatnonzero, (N,))],
    "searchsorted": [
        (lambda x: np.searchsorted(x, 0.5), (np.sort(V),)),
        (lambda x: np.searchsorted(np.sort(V), x, side="right"), (V,)),
    ],
    "bincount": [(np.bincount, (N,)), (lambda x: np.bincount(x, minlength=9), (N,))],
    "unique": [(np.unique, (N,))],
    "zeros_like": [
        (np.zeros_like, (A,)),
        (lambda x: np.zeros_like(x, dtype="int32"), (A,)),
    ],
    "ones_like": [(np.ones_like, (A,))],
    "full_like": [(lambda x: np.full_like(x, 3.5), (A,))],
    "empty_like": [(lambda x: 0 * np.empty_like(x), (N,))],
    "isclose": [
        (np.isclose, (A, B)),
        (lambda x: np.isclose(x, A + 1e-3, atol=1e-2), (A,)),
    ],
    "allclose": [(np.allclose, (A, B)), (np.allclose, (A, A))],
    "array_equal": [
        (np.array_equal, (A, B)),
        (np.array_equal, (A, A)),
        (lambda x: np.array_equal(x, V), (A,)),
    ],
    "real": [(np.real, (Z,))],
    "imag": [(np.imag, (Z,))],
    "angle": [(np.angle, (Z,))],
    "linalg.norm": [
        (np.linalg.norm, (A,)),
        (np.linalg.norm, (V,)),
        (lambda x: np.linalg.norm(x, axis=1, keepdims=True), (A,)),
        *[
            (lambda x, p=p: np.linalg.norm(x, p, axis=0), (A - 0.5,))
            for p in (0, 1, 2, 3, np.inf, -np.inf)
        ],
        (lambda x: np.linalg.norm(x, "fro"), (A,)),
    ],
    "linalg.det": [(np.linalg.det, (S,))],
    "linalg.inv": [(np.linalg.inv, (SPD,))],
    "linalg.pinv": [(np.linalg.pinv, (SPD,))],
    "linalg.slogdet": [(lambda x: list(np.linalg.slogdet(x)), (S,))],
    "linalg.solve": [(np.linalg.solve, (SPD, S))],
    "linalg.cholesky": [(np.linalg.cholesky, (SPD,))],
    "linalg.eigh": [(lambda x: np.linalg.eigh(x)[0], (SPD,))],
    "linalg.eig": [(lambda x: np.sort(np.linalg.eig(x)[0].real), (SPD,))],
    "linalg.svd": [(lambda x: np.linalg.svd(x)[1], (A,))],
    "linalg.qr": [(lambda x: np.abs(np.linalg.qr(x)[1]), (S,))],
    "linalg.matrix_power": [(lambda x: np.linalg.matrix_power(x, 3), (S,))],
    "linalg.tensorinv": [(lambda x: np.linalg.tensorinv(x, ind=1), (SPD,))],
    "linalg.tensorsolve": [(np.linalg.tensorsolve, (SPD, V[:3]))],
    "linalg.trace": [(lambda x: np.trace(x), (S,))],
    "linalg.multi_dot": [(lambda x: np.linalg.multi_dot([x, A, V]), (S,))],
}


@pytest.mark.parametrize(
    ("name", "number"), [(n, k) for n in CALLS for k in range(len(CALLS[n]))]
)
def test_function(name: str, number: int) -> None:
    f, arrays = CALLS[name][number]
    check(f, *arrays)


def test_every_function_is_tested() -> None:
    assert {*CALLS} == {*FUNCTIONS}


# ---- what is refused


def refused(f: Callable[[], Any]) -> str:
    with pytest.raises(TypeError) as caught:
        f()
    return str(caught.value)


def test_errors_name_the_function_and_the_variable() -> None:
    x = T.matrix("weights")
    for text in (
        refused(lambda: np.percentile(x, 50)),
        refused(lambda: np.spacing(x)),
        refused(lambda: np.add.outer(x, x)),
        refused(lambda: np.sum(x, where=np.ones((3, 4), dtype=bool))),
        refused(lambda: np.add(x, 1.0, where=np.zeros(3, dtype=bool))),
        refused(lambda: np.sum(x, out=np.zeros(()))),
        refused(lambda: np.array(x)),
        refused(lambda: np.array([x, x])),
        refused(lambda: np.take(A, x)),
    ):
        assert "weights, float64 matrix" in text, text
    assert "np.percentile" in refused(lambda: np.percentile(x, 50))
    assert "`where`" in refused(lambda: np.sum(x, where=np.ones((3, 4), dtype=bool)))


def test_an_array_is_not_written_into() -> None:
    a, x = np.zeros(3), T.vector("x")

    def add() -> None:
        nonlocal a
        a += x

    assert "a = a + x" in refused(add)
    assert not a.any()


def test_objects_are_never_made() -> None:
    x = T.vector("x")
    for made in (np.zeros(3) + x, np.float64(2) * x, np.dot(x, x), np.exp([1.0]) - x):
        assert isinstance(made, symnet.Variable)


def test_objects_are_made_for_programs_written_for_theano(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Objects, "made", True)
    for reduced, wanted in (
        (lambda x, y: np.sum([x, 2 * y]), A + 2 * B),
        (lambda x, y: np.prod([x, y, x]), A * B * A),
        (lambda x, y: np.atleast_1d([x, y])[1], B),
        (lambda x, y: np.dot([x, y], [y, 2.0]), A * B + 2 * B),
    ):
        with pytest.warns(UserWarning, match=r"array of objects(.|\n)*T.stack"):
            (found,) = values(reduced, A, B)
        np.testing.assert_allclose(found, wanted)
    x, y = T.vectors("x", "y")
    with pytest.warns(UserWarning):
        made = np.array([x, y, 1.0])
    assert made.dtype == object and made[0] is x and made[1] is y
    with pytest.warns(UserWarning):
        assert np.broadcast(x, y).shape == ()
    with pytest.warns(UserWarning), pytest.raises(ValueError) as raised:
        np.asarray(x, dtype="float64")
    assert "x.eval()" in str(raised.value.__cause__)
    assert np.array([symnet.shared(A), symnet.shared(B)]).shape == (2, 3, 4)


# ---- numbers of shared variables and constants


def test_shared_variables_give_copies_of_their_numbers() -> None:
    w = symnet.shared(A)
    a = np.asarray(w)
    a[:] = 0
    np.testing.assert_array_equal(w.get_value(), A)
    np.testing.assert_array_equal(np.asarray(w, dtype="float32"), A.astype("float32"))
    with pytest.raises(ValueError, match="borrow=True"):
        np.asarray(w, copy=False)


def test_constants_give_their_numbers() -> None:
    np.testing.assert_array_equal(np.asarray(T.constant(A)), A)


def test_gradients_pass() -> None:
    x = T.vector("x")
    cost = np.sum(np.log(np.add(1.0, np.exp(x))))
    (g,) = values(lambda v: symnet.clone(symnet.grad(cost, x), {x: v}), V * 500)
    np.testing.assert_allclose(g, expit(500 * V), rtol=1e-12)
