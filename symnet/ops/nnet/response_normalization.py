"""Local response normalization across channels."""

from __future__ import annotations

from typing import Any

from symnet.errors import message
from symnet.graph.variables import Variable, operand_text
from symnet.ops.alloc import zeros
from symnet.ops.arithmetic import add, mul, power, sqr, true_div
from symnet.ops.base import as_tensor
from symnet.ops.elementwise import cast
from symnet.ops.indexing import getitem
from symnet.ops.joining import concatenate
from symnet.ops.sizes import shape_i

__all__ = ["local_response_normalization"]


def local_response_normalization(
    x: Any, alpha: float = 1e-4, k: float = 2, beta: float = 0.75, n: int = 5
) -> Variable:
    """x / (k + alpha * s) ** beta, where s is the sum of the squares of x in the n channels
    around each, those beyond the ends left out.

    Shapes: x (batch, channels, ...) -> as x.
    Dtypes: floats, kept.
    n: odd.  alpha is not divided by n, as it is in PyTorch.
    Raises: TypeError for integers or a rank below 2; ValueError for an even n.
    Source: Krizhevsky, Sutskever & Hinton 2012, section 3.3.

    Example: as in AlexNet.
        y = local_response_normalization(x)

    >>> T.nnet.local_response_normalization(np.zeros((1, 5, 2, 2))).eval().shape
    (1, 5, 2, 2)
    """
    x = as_tensor(x)
    if x.type.ndim < 2 or not x.type.dtype.startswith("float"):
        raise TypeError(
            message(
                "local response normalization takes floats with channels along axis 1",
                operands=[operand_text(x)],
            )
        )
    if isinstance(n, bool) or not isinstance(n, int) or n < 1 or n % 2 == 0:
        raise ValueError(f"the number of channels around each is odd, not {n!r}")
    dtype = x.type.dtype
    wide = "float32" if dtype == "float16" else dtype
    squares = sqr(cast(x, wide))
    channels = shape_i(x, 1)
    if n > 1:
        sizes = [shape_i(x, axis) for axis in range(x.type.ndim)]
        border = zeros([sizes[0], n // 2, *sizes[2:]], wide)
        squares = concatenate([border, squares, border], 1)
    total: Any = None
    for first in range(n):
        part = getitem(squares, (slice(None), slice(first, add(channels, first))))
        total = part if total is None else add(total, part)
    scale = power(add(mul(total, alpha), k), beta)
    return cast(true_div(cast(x, wide), scale), dtype)
