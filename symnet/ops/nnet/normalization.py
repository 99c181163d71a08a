"""Batch normalization.  Source: Ioffe & Szegedy 2015."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.errors import message
from symnet.graph.variables import Variable, operand_text
from symnet.ops.arithmetic import add, mul, reciprocal, sqrt, sub, true_div
from symnet.ops.base import as_tensor, normalize_axes
from symnet.ops.elementwise import cast
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import add_broadcast
from symnet.ops.statistics import count, mean, var

__all__ = [
    "batch_normalization", "batch_normalization_test", "batch_normalization_train",
]  # fmt: skip


def batch_normalization(
    inputs: Any, gamma: Any, beta: Any, mean: Any, std: Any, mode: str = "low_mem"
) -> Variable:
    """(inputs - mean) * gamma / std + beta, with given mean and standard deviation.

    mode: Theano's "low_mem" or "high_mem"; both compute the same here.
    Raises: ValueError for another mode.

    >>> T.nnet.batch_normalization(np.array([1.0, 3.0]), 1.0, 0.0, 2.0, 1.0).eval()
    array([-1.,  1.])
    """
    if mode not in ("low_mem", "high_mem"):
        raise ValueError(f"mode is 'low_mem' or 'high_mem', not {mode!r}")
    result: Variable = add(mul(sub(inputs, mean), true_div(gamma, std)), beta)
    return result


def batch_normalization_train(
    inputs: Any,
    gamma: Any,
    beta: Any,
    axes: Any = "per-activation",
    epsilon: float = 1e-4,
    running_average_factor: float = 0.1,
    running_mean: Any = None,
    running_var: Any = None,
) -> tuple[Variable, ...]:
    """Normalize `inputs` by the mean and variance that they have over `axes`.

    axes: "per-activation" (axis 0), "spatial" (all but axis 1), or a tuple of axes.
    gamma, beta, running_mean, running_var: of the rank of inputs with size 1 along
        `axes`, or without these axes.
    Returns: the normalized inputs; the mean and 1 / sqrt(variance + epsilon), of the rank of
        gamma; and, where running averages are given, their new values (the variance
        unbiased).
    Raises: ValueError for an epsilon below 1e-5, axes that do not exist, parameters of
        different ranks, or one running average alone.

    >>> x, one = np.array([[1.0], [3.0]]), np.ones((1, 1))
    >>> y, mean, inverse_std = T.nnet.batch_normalization_train(x, one, 0 * one)
    >>> mean.eval()
    array([[2.]])
    """
    x = as_tensor(inputs)
    over = _axes(axes, x, epsilon)
    if (running_mean is None) != (running_var is None):
        raise ValueError("batch normalization: give both running averages, or none")
    _one_rank([gamma, beta, running_mean, running_var])
    scale, shift = (_parameter(p, x, over) for p in (gamma, beta))
    center = mean(x, axis=over, keepdims=True)
    spread = var(x, axis=over, keepdims=True)
    inverse = reciprocal(sqrt(add(spread, epsilon)))
    out = add(mul(sub(x, center), mul(scale, inverse)), shift)
    results = [out, _like(gamma, center, over), _like(gamma, inverse, over)]
    if running_mean is not None:
        results.append(_moved(running_mean, center, x, over, running_average_factor))
        number = cast(count(x, over), x.type.dtype)
        unbiased = mul(spread, true_div(number, sub(number, 1)))
        results.append(_moved(running_var, unbiased, x, over, running_average_factor))
    return tuple(results)


def batch_normalization_test(
    inputs: Any,
    gamma: Any,
    beta: Any,
    mean: Any,
    var: Any,
    axes: Any = "per-activation",
    epsilon: float = 1e-4,
) -> Variable:
    """Normalize `inputs` by a mean and variance that are given.

    The arguments are as in `batch_normalization_train`.

    >>> x, one = np.array([[1.0], [3.0]]), np.ones((1, 1))
    >>> T.nnet.batch_normalization_test(x, one, 0 * one, 2 * one, one).eval().round(3)
    array([[-1.],
           [ 1.]])
    """
    x = as_tensor(inputs)
    over = _axes(axes, x, epsilon)
    _one_rank([gamma, beta, mean, var])
    scale, shift, center, spread = (
        _parameter(p, x, over) for p in (gamma, beta, mean, var)
    )
    inverse = reciprocal(sqrt(add(spread, epsilon)))
    result: Variable = add(mul(sub(x, center), mul(scale, inverse)), shift)
    return result


def _axes(axes: Any, x: Variable, epsilon: Any) -> tuple[int, ...]:
    if isinstance(epsilon, (int, float)) and epsilon < 1e-5:
        raise ValueError(
            f"batch normalization: epsilon is at least 1e-5, not {epsilon}"
        )
    if axes == "per-activation":
        return (0,)
    if axes == "spatial":
        return (0, *range(2, x.type.ndim))
    if isinstance(axes, str):
        raise ValueError(
            f"axes is 'per-activation', 'spatial' or a tuple, not {axes!r}"
        )
    return normalize_axes(axes, x.type.ndim, "batch normalization")


def _parameter(parameter: Any, x: Variable, axes: Sequence[int]) -> Variable:
    """A parameter at the rank of x, of size 1 along `axes`."""
    p = as_tensor(parameter)
    if p.type.ndim == x.type.ndim:
        return add_broadcast(p, *axes)
    if p.type.ndim != x.type.ndim - len(axes):
        raise ValueError(
            message(
                "a parameter of batch normalization has the rank of the inputs, or lacks "
                f"the axes {tuple(axes)}",
                operands=[operand_text(x), operand_text(p)],
            )
        )
    kept = iter(range(p.type.ndim))
    return dimshuffle(
        p, *["x" if k in axes else next(kept) for k in range(x.type.ndim)]
    )


def _moved(
    average: Any, value: Variable, x: Variable, axes: Sequence[int], factor: float
) -> Variable:
    """The running average with `value` taken in, in the form in which it came."""
    old = as_tensor(average)
    new = add(mul(_parameter(old, x, axes), 1 - factor), mul(value, factor))
    return _like(old, cast(new, old.type.dtype), axes)


def _like(parameter: Any, value: Variable, axes: Sequence[int]) -> Variable:
    """What has size 1 along `axes`, without them where the parameter lacks them."""
    ndim = value.type.ndim
    if as_tensor(parameter).type.ndim == ndim:
        return value
    return dimshuffle(value, *[k for k in range(ndim) if k not in axes])


def _one_rank(parameters: Sequence[Any]) -> None:
    """Raises: ValueError for parameters, of those that are given, of different ranks."""
    given = [as_tensor(p) for p in parameters if p is not None]
    if len({p.type.ndim for p in given}) > 1:
        raise ValueError(
            message(
                "the parameters of batch normalization have different ranks",
                operands=[operand_text(p) for p in given],
            )
        )
