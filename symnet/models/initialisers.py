"""Random values that parameters begin with.

An initialiser takes a generator and the shape of the weights, and returns float64 values:
(filters, channels, rows, columns) of a convolution, or (inputs, outputs) of a dense layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Initialiser: TypeAlias = Callable[
    [np.random.Generator, Sequence[int]], NDArray[np.floating[Any]]
]


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """How many inputs each output sees, and how many outputs see each input.

    Raises: ValueError for a shape of another rank than 2 or 4.
    Example: fans((64, 3, 7, 7)) == (147, 3136)
    """
    if len(shape) == 2:
        return shape[0], shape[1]
    if len(shape) != 4:
        raise ValueError(
            f"weights have shape (inputs, outputs) or (filters, channels, rows, columns), "
            f"not {tuple(shape)}"
        )
    taps = shape[2] * shape[3]
    return shape[1] * taps, shape[0] * taps


def glorot_uniform(
    rng: np.random.Generator, shape: Sequence[int]
) -> NDArray[np.float64]:
    """Uniform between +-sqrt(6 / (inputs + outputs)): for tanh and softmax.

    Source: Glorot & Bengio 2010, equation 16.
    """
    limit = math.sqrt(6 / max(sum(fans(shape)), 1))
    return rng.uniform(-limit, limit, shape)


def he_normal(
    rng: np.random.Generator, shape: Sequence[int]
) -> NDArray[np.floating[Any]]:
    """Normal with variance 2 / inputs: for rectifiers, which pass on half of it.

    Source: He, Zhang, Ren & Sun 2015, equation 10.
    """
    # Single precision: networks have 10^8 of them.
    deviation = math.sqrt(2 / max(fans(shape)[0], 1))
    return rng.standard_normal(tuple(shape), dtype=np.float32) * np.float32(deviation)
