"""What neural networks are made of: rectifiers, softmax and its logarithm."""

from __future__ import annotations

from typing import Any

from symnet.errors import message
from symnet.graph.variables import Variable, operand_text
from symnet.kernels.loopir.scalars import call, select
from symnet.ops.arithmetic import (
    absolute,
    add,
    int_div,
    minimum,
    mul,
    sgn,
    sqr,
    switch,
)
from symnet.ops.base import as_tensor, normalize_axis
from symnet.ops.elementwise import elementwise
from symnet.ops.functions import (
    expm1,
    hard_sigmoid,
    sigmoid,
    softplus,
    ultra_fast_sigmoid,
)
from symnet.ops.nnet.logcumsumexp import LogCumSumExp
from symnet.ops.nnet.logsumexp import LogSumExp
from symnet.ops.nnet.softmax import AlongAxis, LogSoftmax, Softmax
from symnet.ops.reduce import max as max_over
from symnet.ops.reduce import restore_axes
from symnet.ops.reshape import reshape
from symnet.ops.shape import dimshuffle, shape_padleft
from symnet.ops.sizes import shape_i

__all__ = [
    "LogSoftmax", "Softmax", "elu", "hard_sigmoid", "leaky_relu", "logcumsumexp",
    "logsoftmax", "logsumexp",
    "maxout", "prelu", "relu", "selu", "sigmoid", "softmax", "softmax_graph",
    "softmax_op", "softmax_with_bias", "softplus", "softsign", "ultra_fast_sigmoid",
]  # fmt: skip


# ---- rectifiers: where x is 0, Theano's relu has the mean of both slopes


def _half_step(x: Any) -> Any:
    """1 where x is positive, 0 where negative, 1/2 at 0."""
    return add(mul(sgn(x), 0.5), 0.5)


_relu = elementwise(
    lambda x: call("maximum", x, 0),
    lambda g, out, x: (g * _half_step(x),),
    lambda xp, x: xp.maximum(x, 0),
    name="relu", compute="float", accepts="f",
)  # fmt: skip
_leaky_relu = elementwise(
    lambda x, alpha: select(x > 0, x, alpha * x),
    lambda g, out, x, alpha: (
        g * (alpha + (1 - alpha) * _half_step(x)),
        g * minimum(x, 0),
    ),
    lambda xp, x, alpha: xp.where(x > 0, x, alpha * x),
    name="leaky_relu", arity=2, compute="float", accepts="f",
)  # fmt: skip
_elu = elementwise(
    lambda x, alpha: select(x > 0, x, alpha * call("expm1", x)),
    lambda g, out, x, alpha: (
        g * switch(x > 0, 1, out + alpha),
        g * expm1(minimum(x, 0)),
    ),
    lambda xp, x, alpha: xp.where(x > 0, x, alpha * xp.expm1(xp.minimum(x, 0))),
    name="elu", arity=2, compute="float", accepts="f",
)  # fmt: skip
softsign = elementwise(
    lambda x: x / (1.0 + call("abs", x)),
    lambda g, out, x: (g / sqr(1 + absolute(x)),),
    lambda xp, x: x / (1 + xp.abs(x)),
    name="softsign", compute="float", accepts="f",
    about="x / (1 + abs(x)), between -1 and 1.  Gradient: 1 / (1 + abs_(x)) ** 2.  Example: "
    "T.nnet.nnet.softsign(0.5) = 0.333333...",
)  # fmt: skip


def relu(x: Any, alpha: Any = 0) -> Variable:
    """x where positive, else alpha * x.

    alpha: a number or a variable that broadcasts with x.
    The gradient where x is 0 is the mean of both sides, as in Theano.

    >>> T.nnet.relu([-1.0, 2.0]).eval()
    array([0., 2.])
    """
    plain = isinstance(alpha, (int, float)) and alpha == 0
    return _relu(x) if plain else _leaky_relu(x, alpha)


def leaky_relu(x: Any, alpha: Any = 0.01) -> Variable:
    """x where positive, else alpha * x.  Source: Maas, Hannun & Ng 2013.

    >>> T.nnet.leaky_relu([-1.0, 2.0], alpha=0.5).eval()
    array([-0.5,  2. ])
    """
    return _leaky_relu(x, alpha)


def prelu(x: Any, alpha: Any) -> Variable:
    """x where positive, else alpha * x, with an alpha for each channel.

    Shapes: x (n, channels, ...), alpha (channels,) -> as x.
    Raises: TypeError for an x of rank below 2, or an alpha that is no vector.
    Source: He, Zhang, Ren & Sun 2015, equation 1.

    >>> T.nnet.prelu(T.constant([[-1.0, 2.0]]), T.constant([0.5, 0.5])).eval()
    array([[-0.5,  2. ]])
    """
    x, slopes = as_tensor(x), as_tensor(alpha)
    if x.type.ndim < 2 or slopes.type.ndim != 1:
        raise TypeError(
            message(
                "prelu takes an array with channels along axis 1, and a vector of slopes",
                operands=[operand_text(x), operand_text(slopes)],
            )
        )
    behind = ["x"] * (x.type.ndim - 2)
    return _leaky_relu(x, dimshuffle(slopes, "x", 0, *behind))


def maxout(x: Any, pieces: int, axis: int = 1) -> Variable:
    """The greatest of each `pieces` neighbours along an axis.

    Shapes: (..., pieces * n, ...) -> (..., n, ...).
    Raises: ValueError for pieces below 1; ShapeError where the size is no multiple.
    Source: Goodfellow, Warde-Farley, Mirza, Courville & Bengio 2013.

    >>> T.nnet.maxout([[1.0, 5.0, 4.0, 2.0]], 2).eval()
    array([[5., 4.]])
    """
    x = as_tensor(x)
    axis = normalize_axis(axis, x.type.ndim, "maxout")
    if isinstance(pieces, bool) or not isinstance(pieces, int) or pieces < 1:
        raise ValueError(f"maxout: the number of pieces is 1 at least, not {pieces!r}")
    sizes: list[Any] = [shape_i(x, k) for k in range(x.type.ndim)]
    sizes[axis : axis + 1] = [int_div(sizes[axis], pieces), pieces]
    return max_over(reshape(x, sizes, ndim=x.type.ndim + 1), axis=axis + 1)


def elu(x: Any, alpha: Any = 1) -> Variable:
    """x where positive, else alpha * (exp(x) - 1).

    Source: Clevert, Unterthiner & Hochreiter 2015, equation 16.

    >>> T.nnet.elu([-1e3, 2.0]).eval()
    array([-1.,  2.])
    """
    return _elu(x, alpha)


def selu(x: Any) -> Variable:
    """The scaled elu, which keeps mean 0 and variance 1 from layer to layer.

    Source: Klambauer, Unterthiner, Mayr & Hochreiter 2017, equation 2.

    >>> T.nnet.selu([0.0, 1.0]).eval().round(6)
    array([0.      , 1.050701])
    """
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    result: Variable = mul(elu(x, alpha), scale)
    return result


# ---- softmax and its logarithm


def softmax(c: Any, axis: int | None = None) -> Variable:
    """exp(c) divided by its sum along `axis`.

    Shapes: as c.  Without axis, along the last one; and a vector then becomes a matrix of
    one row, as in Theano.
    Raises: TypeError for a scalar.

    >>> T.nnet.softmax([[0.0, 0.0], [1000.0, 0.0]]).eval()
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    return _along(Softmax, c, axis)


def logsoftmax(c: Any, axis: int | None = None) -> Variable:
    """The logarithm of `softmax(c, axis)`, finite where that underflows to 0.

    >>> T.nnet.logsoftmax_op([[1000.0, 0.0]]).eval()
    array([[    0., -1000.]])
    """
    return _along(LogSoftmax, c, axis)


def _along(kind: type[AlongAxis], c: Any, axis: int | None) -> Variable:
    x = as_tensor(c)
    if x.type.ndim == 0:
        raise TypeError(
            message(
                "softmax of a scalar: it takes rank 1 at least",
                operands=[operand_text(x)],
            )
        )
    if axis is None:
        x = shape_padleft(x) if x.type.ndim == 1 else x
        axis = -1
    return kind(normalize_axis(axis, x.type.ndim, "softmax"))(x)


softmax_op = softmax_graph = softmax


def softmax_with_bias(x: Any, b: Any) -> Variable:
    """The softmax of each row of x + b.

    Shapes: x (m, n), b (n,) -> (m, n).

    >>> T.nnet.softmax_with_bias([[0.0, 1.0]], [1.0, 0.0]).eval()
    array([[0.5, 0.5]])
    """
    return softmax(add(as_tensor(x), as_tensor(b)))


def logcumsumexp(x: Any, axis: int = -1) -> Variable:
    """The logarithms of the running sums of exp(x) along `axis`, finite for all finite x.

    Shape and dtype: those of x (whole numbers become floats).

    >>> T.nnet.logcumsumexp([1000.0, 1000.0]).eval()
    array([1000.        , 1000.69314718])
    """
    x = as_tensor(x)
    return LogCumSumExp(normalize_axis(axis, x.type.ndim, "logcumsumexp"))(x)


def logsumexp(x: Any, axis: int = -1, keepdims: bool = False) -> Variable:
    """The logarithm of the sum of exp(x) along `axis`, finite for all finite x.

    >>> T.nnet.logsumexp([1000.0, -1000.0]).eval()
    array(1000.)
    """
    x = as_tensor(x)
    axis = normalize_axis(axis, x.type.ndim, "logsumexp")
    result = LogSumExp([axis])(x)
    return restore_axes(result, [axis]) if keepdims else result
