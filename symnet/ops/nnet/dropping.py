"""Dropout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.errors import message
from symnet.graph.variables import Constant, Variable, operand_text
from symnet.ops.arithmetic import mul, sub, true_div
from symnet.ops.base import as_tensor, normalize_axis
from symnet.ops.elementwise import cast
from symnet.ops.sizes import add_broadcast, shape_i

__all__ = ["dropout"]


def dropout(
    x: Any, p: Any, streams: Any, shared_axes: Sequence[int] = (), scale: bool = True
) -> Variable:
    """x with each element set to 0 with probability p, and the others divided by 1 - p.

    Shapes: as x.
    Dtypes: floats, kept.
    p: a number from 0 to below 1, or a scalar variable; 0 leaves x as it is.
    streams: random streams of symnet, such as `MRG_RandomStreams(seed)`; every call of a
        function draws anew.
    shared_axes: axes along which all elements are dropped together, or none.
    scale: divide, so that the mean stays and nothing is to be done without dropout.
    Raises: TypeError for integers; ValueError for a p that is no such probability.
    Source: Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov 2014.

    Example: half of the elements.
        y = dropout(x, 0.5, MRG_RandomStreams(1))

    >>> T.nnet.dropout(np.ones(3), 0.0, symnet.random.RandomStream(seed=1)).eval()
    array([1., 1., 1.])
    """
    array = as_tensor(x)
    dtype = array.type.dtype
    if not dtype.startswith("float"):
        raise TypeError(message("dropout takes floats", operands=[operand_text(array)]))
    chance = as_tensor(p)
    if isinstance(chance, Constant):
        if not 0 <= float(chance.data) < 1:
            raise ValueError(f"dropout: p is from 0 to below 1, not {p}")
        if float(chance.data) == 0:
            return array
    axes = [normalize_axis(axis, array.type.ndim, "dropout") for axis in shared_axes]
    sizes = [1 if k in axes else shape_i(array, k) for k in range(array.type.ndim)]
    keep = cast(sub(1, chance), dtype)
    mask = streams.binomial(size=tuple(sizes), n=1, p=keep, dtype=dtype)
    kept: Variable = mul(array, add_broadcast(mask, *axes))
    scaled: Variable = true_div(kept, keep)
    return scaled if scale else kept
