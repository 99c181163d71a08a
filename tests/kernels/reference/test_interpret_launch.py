"""The reference's kernels, against NumPy expressions written by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symnet.kernels.loopir.scalars import (
    Kernel,
    Operand,
    Output,
    Scalar,
    call,
    cast,
    gather,
    index,
    literal,
    load,
    reduction,
)
from symnet.kernels.reference.interpret_launch import OutOfRange, launch
from tests.kernels.kernel_reference import expected, operand

X = np.arange(12.0).reshape(3, 4) - 5


def run(
    value: Scalar, *arrays: Any, reduced: str = "..", out: str = "xx", shape: Any = None
) -> Any:
    """`value` over loops of 3 x 4; in `reduced` and `out` an axis is there where an x is."""
    inputs = tuple(operand(str(a.dtype), [n > 1 for n in a.shape]) for a in arrays)
    axes = [letter == "x" for letter in out]
    target = Output(operand(value.dtype, axes), value)
    kernel = Kernel(2, tuple(c == "x" for c in reduced), inputs, (target,))
    sizes = (3, 4) if shape is None else shape
    full = np.zeros([n for n, there in zip(sizes, axes) if there], value.dtype)
    return expected(kernel, sizes, [*map(np.squeeze, arrays), full])[0]


def test_points():
    x = load(0, "float64")
    row = np.array([[1.0, 2.0, 3.0, 4.0]])
    found = run(x * load(1, "float64") + call("exp", x), X, row)
    np.testing.assert_allclose(found, X * row + np.exp(X))
    place = cast(index(0), "float64") * 10.0 + cast(index(1), "float64")
    np.testing.assert_array_equal(run(place), 10 * np.arange(3)[:, None] + np.arange(4))


@pytest.mark.parametrize("kind", ["sum", "prod", "max", "min", "argmax", "argmin"])
@pytest.mark.parametrize(("reduced", "axis"), [("x.", 0), (".x", 1), ("xx", None)])
def test_reductions(kind: str, reduced: str, axis: int | None):
    dtype = "int64" if kind.startswith("arg") else "float64"
    value = reduction(kind, load(0, "float64"), dtype)
    out = reduced.translate(str.maketrans("x.", ".x"))
    found = run(value, X, reduced=reduced, out=out)
    np.testing.assert_array_equal(found, getattr(np, kind)(X, axis=axis))


def test_a_reduction_serves_the_points_it_was_made_of():
    x = load(0, "float64")
    centred = x - reduction("sum", x, "float64") / 4.0
    square = reduction("sum", centred * centred, "float64")
    found = run(centred / square, X, reduced=".x")
    wanted = X - X.mean(1, keepdims=True)
    np.testing.assert_allclose(found, wanted / (wanted**2).sum(1, keepdims=True))


def test_nothing_is_reduced_to_what_changes_nothing():
    x = load(0, "float64")
    none = np.zeros((3, 0))
    for kind, wanted in [("sum", 0), ("prod", 1), ("max", -np.inf), ("min", np.inf)]:
        value = reduction(kind, x, "float64")
        kernel = Kernel(
            2,
            (False, True),
            (operand("float64", [1, 1]),),
            (Output(operand("float64", [1, 0]), value),),
        )
        (found,) = expected(kernel, (3, 0), [none, np.full(3, 7.0)])
        np.testing.assert_array_equal(found, [wanted] * 3)


def test_what_does_not_vary_is_added_up_as_often():
    found = run(
        reduction("sum", literal(2.0, "float64"), "float64"), reduced=".x", out="x."
    )
    np.testing.assert_array_equal(found, [8.0, 8.0, 8.0])


def test_half_precision_is_computed_in_single():
    x = np.full((3, 4), 300.0, np.float16)
    h = load(0, "float16")
    np.testing.assert_array_equal(run(h * h / 300.0, x), x)  # a half ends at 65504
    np.testing.assert_array_equal(run(cast(h * h, "float16"), x), np.inf)


def gathering(place: Scalar) -> Kernel:
    source = Operand("float64", (False, False), 1)
    value = gather(0, [place], "float64")
    return Kernel(
        2, (False, False), (source,), (Output(operand("float64", [1, 1]), value),)
    )


def test_positions_count_from_the_end_where_negative():
    table = np.array([5.0, 6.0, 7.0, 8.0])
    kernel = gathering(call("neg", index(1)))
    (found,) = expected(kernel, (3, 4), [table, np.zeros((3, 4))])
    np.testing.assert_array_equal(found, np.tile(table[[0, 3, 2, 1]], (3, 1)))


@pytest.mark.parametrize("shift", [1, -9])
def test_positions_outside(shift: int):
    kernel = gathering(call("add", index(1), literal(shift, "int64")))
    target = np.full((3, 4), 7.0)
    with pytest.raises(OutOfRange):
        launch(kernel, (3, 4), [np.ones((4, 1, 1)), target])
    assert (target == 7).all()
    launch(kernel, (0, 4), [np.ones((4, 1, 1)), np.zeros((0, 4))])  # no point reads


@pytest.mark.parametrize(
    ("mode", "wanted"), [("set", [2.0, 3.0, 7.0]), ("add", [9.0, 11.0, 7.0])]
)
def test_writes_to_positions_follow_one_another(mode: str, wanted: list[float]):
    where = call("mod", index(0), literal(2, "int64"))
    target = Output(
        Operand("float64", (False,), 1), cast(index(0), "float64"), (where,), mode
    )
    kernel = Kernel(1, (False,), (), (target,))
    (found,) = expected(kernel, (4,), [np.full(3, 7.0)])
    np.testing.assert_array_equal(found, wanted)


def test_all_is_read_before_anything_is_written():
    x = load(0, "float64")
    whole = operand("float64", [1])
    outs = (Output(whole, x + 1.0), Output(whole, x))
    memory, other = np.arange(3.0), np.zeros(3)
    launch(Kernel(1, (False,), (whole,), outs), (3,), [memory, memory, other])
    np.testing.assert_array_equal(memory, [1, 2, 3])
    np.testing.assert_array_equal(other, [0, 1, 2])


@pytest.mark.parametrize("base", [-3, -1, 0, 1, 2])
@pytest.mark.parametrize("exponent", [-2, -1, 0, 3])
def test_powers_of_integers(base: int, exponent: int):
    powers = call("pow", load(0, "int64"), load(1, "int64"))
    found = run(powers, np.full((3, 4), base), np.full((3, 4), exponent))
    fraction = int(float(base) ** exponent) if base or exponent >= 0 else 0
    np.testing.assert_array_equal(found, fraction)


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "erf", "psi", "sign", "hypot"])
def test_functions_are_those_of_scipy(name: str):
    scipy = pytest.importorskip("scipy.special")
    wanted = {"sigmoid": "expit", "sign": np.sign, "hypot": np.hypot}.get(name, name)
    args = [load(0, "float64")] * (2 if name == "hypot" else 1)
    found = run(call(name, *args), X)
    if name == "softplus":
        np.testing.assert_allclose(found, np.logaddexp(0, X))
        return
    function = getattr(scipy, wanted) if isinstance(wanted, str) else wanted
    np.testing.assert_allclose(found, function(*[X] * len(args)))
