"""Parts of softmax and cross-entropy under Theano's names, and its operations as functions."""

from __future__ import annotations

from typing import Any

from symnet.errors import message
from symnet.graph.variables import Variable, operand_text
from symnet.ops.alloc import alloc, zeros_like
from symnet.ops.arithmetic import mul, neg, sub, true_div
from symnet.ops.base import as_tensor
from symnet.ops.creation import arange
from symnet.ops.elementwise import cast
from symnet.ops.indexing import getitem, inc_subtensor, set_subtensor
from symnet.ops.joining import concatenate
from symnet.ops.nnet.activations import softmax_with_bias
from symnet.ops.nnet.classification import (
    ClassNumbers,
    crossentropy_categorical_1hot,
    crossentropy_softmax_argmax_1hot_with_bias,
)
from symnet.ops.reduce import sum as sum_over
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import shape_i

__all__ = [
    "CrossentropyCategorical1Hot", "CrossentropyCategorical1HotGrad",
    "CrossentropySoftmax1HotWithBiasDx", "CrossentropySoftmaxArgmax1HotWithBias",
    "Prepend_scalar_constant_to_each_row", "Prepend_scalar_to_each_row", "SoftmaxGrad",
    "SoftmaxWithBias", "crossentropy_categorical_1hot_grad",
    "crossentropy_softmax_1hot_with_bias_dx", "prepend_0_to_each_row",
    "prepend_1_to_each_row", "prepend_scalar_to_each_row", "softmax_grad",
]  # fmt: skip


def _checked(what: str, operands: list[Variable], ranks: tuple[int, ...]) -> None:
    """Raises: TypeError for other ranks."""
    if tuple(v.type.ndim for v in operands) != ranks:
        raise TypeError(
            message(
                f"{what} takes arrays of ranks {', '.join(map(str, ranks))}",
                operands=[operand_text(v) for v in operands],
            )
        )


def softmax_grad(dy: Any, sm: Any) -> Variable:
    """The gradient for the input of a softmax of each row, from that of its output `sm`.

    Shapes: both (m, n) -> (m, n).

    >>> T.nnet.softmax_grad([[1.0, 0.0]], [[0.5, 0.5]]).eval()
    array([[ 0.25, -0.25]])
    """
    dy, sm = as_tensor(dy), as_tensor(sm)
    _checked("softmax_grad", [dy, sm], (2, 2))
    inner = sum_over(mul(dy, sm), axis=1, keepdims=True)
    result: Variable = mul(sub(dy, inner), sm)
    return result


def crossentropy_softmax_1hot_with_bias_dx(dy: Any, sm: Any, y_idx: Any) -> Variable:
    """The gradient for the input of a softmax `sm` of each row, from that of its
    cross-entropy with the classes y_idx.

    Shapes: dy (m,) or a scalar, sm (m, n), y_idx (m,) -> (m, n).
    Raises: IndexError (when run) for a number of no class.

    >>> T.nnet.crossentropy_softmax_1hot_with_bias_dx([1.0], [[0.5, 0.5]], [0]).eval()
    array([[-0.5,  0.5]])
    """
    dy, sm, y = as_tensor(dy), as_tensor(sm), as_tensor(y_idx)
    dy = alloc(dy, shape_i(sm, 0)) if dy.type.ndim == 0 else dy
    _checked("crossentropy_softmax_1hot_with_bias_dx", [dy, sm, y], (1, 2, 1))
    place = getitem(sm, (arange(shape_i(sm, 0)), ClassNumbers()(sm, y)))
    result: Variable = mul(inc_subtensor(place, -1), dimshuffle(dy, 0, "x"))
    return result


def crossentropy_categorical_1hot_grad(
    g_y: Any, coding_dist: Any, true_one_of_n: Any
) -> Variable:
    """The gradient for the probabilities of `crossentropy_categorical_1hot`.

    Shapes: g_y (m,), coding_dist (m, n), true_one_of_n (m,) -> (m, n).
    Raises: IndexError (when run) for a number of no class.

    >>> T.nnet.crossentropy_categorical_1hot_grad([1.0], [[0.5, 0.5]], [0]).eval()
    array([[-2.,  0.]])
    """
    g, p, y = as_tensor(g_y), as_tensor(coding_dist), as_tensor(true_one_of_n)
    _checked("crossentropy_categorical_1hot_grad", [g, p, y], (1, 2, 1))
    rows, y = arange(shape_i(p, 0)), ClassNumbers()(p, y)
    value = cast(neg(true_div(g, getitem(p, (rows, y)))), p.type.dtype)
    return set_subtensor(getitem(zeros_like(p), (rows, y)), value)


def prepend_scalar_to_each_row(val: Any, mat: Any) -> Variable:
    """`mat` with a first column of `val`.  Shapes: a scalar, (m, n) -> (m, n + 1).

    >>> T.nnet.prepend_scalar_to_each_row(9.0, T.zeros((2, 1))).eval()
    array([[9., 0.],
           [9., 0.]])
    """
    value, matrix = as_tensor(val), as_tensor(mat)
    _checked("prepend_scalar_to_each_row", [value, matrix], (0, 2))
    column = alloc(cast(value, matrix.type.dtype), shape_i(matrix, 0), 1)
    return concatenate([column, matrix], 1)


class Prepend_scalar_to_each_row:
    """Theano's operation: see `prepend_scalar_to_each_row`.

    >>> x = T.dmatrix("x")
    >>> T.nnet.Prepend_scalar_to_each_row()(7.0, x).eval({x: [[5.0], [6.0]]})
    array([[7., 5.],
           [7., 6.]])
    """

    def __call__(self, val: Any, mat: Any) -> Variable:
        return prepend_scalar_to_each_row(val, mat)


class Prepend_scalar_constant_to_each_row:
    """Theano's operation: a first column of one number, which is part of it.

    >>> x = T.dmatrix("x")
    >>> T.nnet.Prepend_scalar_constant_to_each_row(1)(x).eval({x: [[5.0], [6.0]]})
    array([[1., 5.],
           [1., 6.]])
    """

    def __init__(self, val: float = 0) -> None:
        self.val = val

    def __call__(self, mat: Any) -> Variable:
        return prepend_scalar_to_each_row(self.val, mat)


class SoftmaxWithBias:
    """Theano's operation: see `softmax_with_bias`.

    >>> x, b = T.dmatrix("x"), T.dvector("b")
    >>> T.nnet.SoftmaxWithBias()(x, b).eval({x: [[1.0, 0.0]], b: [0.0, 1.0]})
    array([[0.5, 0.5]])
    """

    def __call__(self, x: Any, b: Any) -> Variable:
        return softmax_with_bias(x, b)


class SoftmaxGrad:
    """Theano's operation: see `softmax_grad`.

    >>> dy, sm = T.dmatrices("dy", "sm")
    >>> T.nnet.SoftmaxGrad()(dy, sm).eval({dy: [[1.0, 0.0]], sm: [[0.5, 0.5]]})
    array([[ 0.25, -0.25]])
    """

    def __call__(self, dy: Any, sm: Any) -> Variable:
        return softmax_grad(dy, sm)


class CrossentropySoftmaxArgmax1HotWithBias:
    """Theano's operation: see `crossentropy_softmax_argmax_1hot_with_bias`.

    >>> x, b, y = T.dmatrix("x"), T.dvector("b"), T.lvector("y")
    >>> cost, p, best = T.nnet.CrossentropySoftmaxArgmax1HotWithBias()(x, b, y)
    >>> f = symnet.function([x, b, y], [p, best])
    >>> f([[1.0, 0.0]], [0.0, 1.0], [0])
    [array([[0.5, 0.5]]), array([0])]
    """

    def __init__(self, **kwargs: Any) -> None:
        pass

    def __call__(self, x: Any, b: Any, y_idx: Any) -> list[Variable]:
        return crossentropy_softmax_argmax_1hot_with_bias(x, b, y_idx)


class CrossentropySoftmax1HotWithBiasDx:
    """Theano's operation: see `crossentropy_softmax_1hot_with_bias_dx`.

    >>> g, p, y = T.dvector("g"), T.dmatrix("p"), T.lvector("y")
    >>> slope = T.nnet.CrossentropySoftmax1HotWithBiasDx()(g, p, y)
    >>> slope.eval({g: [1.0], p: [[0.25, 0.75]], y: [0]})
    array([[-0.75,  0.75]])
    """

    def __call__(self, dy: Any, sm: Any, y_idx: Any) -> Variable:
        return crossentropy_softmax_1hot_with_bias_dx(dy, sm, y_idx)


class CrossentropyCategorical1Hot:
    """Theano's operation: see `crossentropy_categorical_1hot`.

    >>> p, y = T.dmatrix("p"), T.lvector("y")
    >>> cost = T.nnet.CrossentropyCategorical1Hot()(p, y)
    >>> cost.eval({p: [[0.5, 0.5], [0.75, 0.25]], y: [0, 1]}).round(4)
    array([0.6931, 1.3863])
    """

    def __call__(self, coding_dist: Any, true_one_of_n: Any) -> Variable:
        return crossentropy_categorical_1hot(coding_dist, true_one_of_n)


class CrossentropyCategorical1HotGrad:
    """Theano's operation: see `crossentropy_categorical_1hot_grad`.

    >>> g, p, y = T.dvector("g"), T.dmatrix("p"), T.lvector("y")
    >>> slope = T.nnet.CrossentropyCategorical1HotGrad()(g, p, y)
    >>> slope.eval({g: [1.0], p: [[0.25, 0.75]], y: [0]})
    array([[-4.,  0.]])
    """

    def __call__(self, g_y: Any, coding_dist: Any, true_one_of_n: Any) -> Variable:
        return crossentropy_categorical_1hot_grad(g_y, coding_dist, true_one_of_n)


prepend_0_to_each_row = Prepend_scalar_constant_to_each_row(0)
prepend_1_to_each_row = Prepend_scalar_constant_to_each_row(1)
