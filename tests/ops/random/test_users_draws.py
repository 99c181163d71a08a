"""What users' own draws from a generator are made with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet.tensor as T
from symnet.tensor import raw_random


@pytest.mark.parametrize(
    ("ndim", "shape", "parameters", "expected"),
    [
        (None, None, (np.zeros((3, 1)), np.zeros(4)), ((3, 4), (False, False))),
        (None, (1, 5), (), ((1, 5), (True, False))),
        (2, (-1, 4), (np.zeros((3, 1)),), ((3, 4), (False, False))),
        (0, (), (), ((), ())),
    ],
)
def test_sizes_of_users_own_draws(
    ndim: Any, shape: Any, parameters: Any, expected: Any
) -> None:
    infer = raw_random._infer_ndim_bcast
    rank, vector, pattern = infer(ndim, shape, *map(T.constant, parameters))
    assert (rank, pattern) == (len(expected[0]), expected[1])
    assert vector.dtype == "int64" and tuple(vector.eval()) == expected[0]


def test_the_size_of_a_users_draw_may_be_a_variable() -> None:
    n, size = T.lscalar(), T.lvector()
    assert raw_random._infer_ndim_bcast(None, (n, 2))[1].eval({n: 7}).tolist() == [7, 2]
    rank, vector, pattern = raw_random._infer_ndim_bcast(3, size)
    assert (rank, pattern) == (3, (False,) * 3)
    assert vector.eval({size: [4, 0, 1]}).tolist() == [4, 0, 1]
    with pytest.raises(ValueError, match="higher rank"):
        raw_random._infer_ndim_bcast(None, (2,), T.dmatrix())
    with pytest.raises(ValueError, match="ndim is 1"):
        raw_random._infer_ndim_bcast(1, (2, 2))


@pytest.mark.parametrize("name", ["uniform", "normal", "binomial", "poisson"])
def test_a_draw_names_its_method(name: str) -> None:
    state = raw_random.random_state_type()
    _, drawn = getattr(raw_random, name)(state, (2,))
    while not hasattr(drawn.owner.op, "fn"):  # a cast to the dtype asked for
        drawn = drawn.owner.inputs[0]
    assert drawn.owner.op.fn.__name__ == name
