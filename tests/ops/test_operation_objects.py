"""Functions in the form of operations compute what the functions do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet.tensor as T
from symnet.ops import operation_objects as objects
from symnet.ops.operation_class import OperationObject, operation_object

X = np.arange(12.0).reshape(3, 4) - 5
V = np.array([3.0, 1.0, 2.0])
CASES: list[tuple[Any, tuple[Any, ...], Callable[[], Any]]] = [
    (objects.AllocEmpty("float32"), (2, 3), lambda: np.zeros((2, 3), "float32")),
    (objects.AllocDiag(), (V,), lambda: np.diag(V)),
    (objects.AllocDiag(1), (V,), lambda: np.diag(V, 1)),
    (objects.AllocDiag(0, 1, 0), (V,), lambda: np.diag(V)),
    (objects.ExtractDiag(), (X,), lambda: np.diagonal(X)),
    (objects.ExtractDiag(-1, 0, 1), (X,), lambda: np.diagonal(X, -1)),
    (objects.Argmax(0), (X,), lambda: X.argmax(0)),
    (objects.Mean(1), (X,), lambda: X.mean(1)),
    (objects.Sum(0), (X,), lambda: X.sum(0)),
    (objects.Prod(1), (X,), lambda: X.prod(1)),
    (objects.ProdWithoutZeros(), (X,), lambda: np.prod(X[X != 0])),
    (objects.All(1), (X,), lambda: X.all(1)),
    (objects.Any_(1), (X,), lambda: X.any(1)),
    (objects.Eye(), (3, 4, 1), lambda: np.eye(3, 4, 1)),
    (objects.Eye("int8"), (2, 2, 0), lambda: np.eye(2, dtype="int8")),
    (objects.Tri(), (3, 4, -1), lambda: np.tri(3, 4, -1)),
    (objects.Tile(2), (V, (2, 2)), lambda: np.tile(V, (2, 2))),
    (objects.Flatten(2), (X[None],), lambda: X.reshape(1, 12)),
    (objects.Choose("wrap"), ([4, 1, 0], X), lambda: np.choose([4, 1, 0], X[:, :3], mode="wrap")),
    (objects.PermuteRowElements(), (V, [2, 0, 1], 0), lambda: V[[2, 0, 1]]),
    (objects.PermuteRowElements(), (V, [2, 0, 1], 1), lambda: V[[1, 2, 0]]),
    (objects.Bartlett(), (5,), lambda: np.bartlett(5)),
    (objects.DiffOp(2, 1), (X,), lambda: np.diff(X, 2, 1)),
    (objects.RepeatOp(1), (X, 2), lambda: np.repeat(X, 2, 1)),
    (objects.CumOp(1), (X,), lambda: X.cumsum(1)),
    (objects.CumOp(0, "mul"), (X,), lambda: X.cumprod(0)),
    (objects.CumsumOp(0), (X,), lambda: X.cumsum(0)),
    (objects.CumprodOp(1), (X,), lambda: X.cumprod(1)),
    (objects.UnravelIndex(2), ([5], (2, 3)), lambda: np.unravel_index([5], (2, 3))),
    (objects.RavelMultiIndex(), ([1], [2], (2, 3)), lambda: np.array([5])),
    (objects.Nonzero(), (X,), lambda: X.nonzero()),
    (objects.MaxAndArgmax((1,)), (X,), lambda: (X.max(1), X.argmax(1))),
    (objects.scalar_from_tensor, (2.5,), lambda: 2.5),
    (objects.tensor_from_scalar, (2,), lambda: 2),
    (objects.cpu_contiguous, (X.T,), lambda: X.T),
    (objects.vector_of, (1, 2, 3), lambda: np.array([1, 2, 3])),
]  # fmt: skip


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: str(case[0]).partition(" at 0x")[0]
)
def test_they_compute_what_numpy_does(case: Any) -> None:
    op, inputs, expected = case
    symbolic = [T.constant(v) if isinstance(v, np.ndarray) else v for v in inputs]
    if isinstance(op, objects.Choose):
        symbolic[1] = T.constant(X[:, :3])
    found, want = op(*symbolic), expected()
    several = found if isinstance(found, (list, tuple)) else [found]
    wanted = want if isinstance(want, tuple) else [want]
    for one, array in zip(several, wanted, strict=True):
        value = one.eval()
        np.testing.assert_array_equal(value, array)
        if isinstance(array, np.ndarray):
            assert value.dtype == array.dtype


def test_fill_diagonals() -> None:
    matrix = T.constant(X)
    want = X.copy()
    np.fill_diagonal(want, 9)
    np.testing.assert_array_equal(objects.FillDiagonal()(matrix, 9.0).eval(), want)
    moved = objects.FillDiagonalOffset()(matrix, 9.0, 1).eval()
    np.testing.assert_array_equal(np.diagonal(moved, 1), [9, 9, 9])


def test_equality_names_and_nodes() -> None:
    assert objects.Tile(2) == objects.Tile(ndim=2) != objects.Tile(3)
    assert hash(objects.Tile(2)) == hash(objects.Tile(2))
    assert objects.Eye() != objects.Tri()
    assert repr(objects.Tile(2)) == "Tile(ndim=2)"
    assert objects.Mean(0)(T.dmatrix(), name="m").name == "m"
    x = T.dmatrix()
    node = objects.Sum(0).make_node(x)
    assert node.inputs == [x]


def test_wrong_settings() -> None:
    with pytest.raises(TypeError, match="Tile needs ndim"):
        objects.Tile()
    with pytest.raises(TypeError, match="settings of Eye"):
        objects.Eye(wrong=1)
    with pytest.raises(TypeError, match="settings of Bartlett: none"):
        objects.Bartlett(3)
    with pytest.raises(ValueError, match="mode is"):
        objects.CumOp(0, "xor")(T.dvector())
    with pytest.raises(TypeError):
        objects.scalar_from_tensor(T.dvector())


def test_a_class_of_ones_own() -> None:
    Scaled = operation_object("Scaled", "x times by.", lambda x, by: x * by, by=2)
    assert issubclass(Scaled, OperationObject)
    assert Scaled()(T.constant(3.0)).eval() == 6
    assert Scaled(by=5)(T.constant(3.0)).eval() == 15
