from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.ops.cumulative import Cumulative
from tests.ops.test_dense_routines import REAL, SHAPES, check, numbers


@pytest.mark.parametrize("dtype", REAL)
def test_running_maxima(dtype: str) -> None:
    for shape in SHAPES:
        x = numbers(shape, dtype)
        if x.dtype.kind == "f" and x.size > 3:
            x.flat[x.size // 2] = np.nan
        for axis in range(x.ndim):
            check(
                Cumulative(axis, "max"),
                lambda a, axis=axis: np.maximum.accumulate(a, axis),
                [x],
            )


def test_the_gradient_of_a_running_maximum_goes_to_the_first_as_large() -> None:
    x, g = T.dvector(), T.dvector()
    slope = T.grad(None, x, known_grads={Cumulative(0, "max")(x): g})
    f = symnet.function([x, g], slope)
    got = f([2, 1, 5, 5, 3, 7], [1, 2, 3, 4, 5, 6])
    np.testing.assert_array_equal(got, [3, 0, 12, 0, 0, 6])
