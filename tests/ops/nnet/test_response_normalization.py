"""Local response normalization, by PyTorch's formula and by differences."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.ops.nnet.response_normalization import local_response_normalization
from tests.helpers import run

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("n", [1, 3, 5, 9])
@pytest.mark.parametrize("shape", [(2, 7, 3, 4), (3, 2), (1, 4, 5)])
def test_the_squares_of_the_channels_around(shape: tuple[int, ...], n: int) -> None:
    x = T.TensorType("float64", (None,) * len(shape))("x")
    value = RNG.normal(size=shape) * 10
    want = np.empty_like(value)
    for c in range(shape[1]):
        around = value[:, max(c - n // 2, 0) : c + n // 2 + 1]
        want[:, c] = value[:, c] / (2 + 1e-2 * (around**2).sum(axis=1)) ** 0.75
    y = local_response_normalization(x, 1e-2, n=n)
    np.testing.assert_allclose(run(y, {x: value}), want, rtol=1e-13)


def test_numbers_of_pytorch() -> None:
    """PyTorch 2.13: local_response_norm(torch.arange(6.).double().view(1, 6, 1), 3, 0.3, 0.75, 2):
    its alpha is divided by 3."""
    got = local_response_normalization(np.arange(6.0).reshape(1, 6), 0.1, n=3).eval()
    want = [
        0.0, 0.5029733718731741, 0.7987682757159081,
        0.9109073255437746, 0.9294723209701633, 1.288168360804001,
    ]  # fmt: skip
    np.testing.assert_allclose(got[0], want, rtol=1e-12)


def test_gradients_and_dtypes() -> None:
    value = RNG.normal(size=(2, 5, 3))
    symnet.gradient.verify_grad(
        lambda x: local_response_normalization(x, 0.5), [value], rng=RNG
    )
    x = T.TensorType("float16", (None, None))("x")
    y = local_response_normalization(x)
    assert y.type.dtype == "float16"
    # Squares beyond float16's numbers are added up in float32.
    got = run(y, {x: np.full((1, 3), 500.0)})
    np.testing.assert_allclose(
        got, 500 / (2 + 75.0) ** 0.75 * np.ones((1, 3)), rtol=2e-3
    )


def test_wrong_arguments() -> None:
    for n in (0, 4, 2.5):
        with pytest.raises(ValueError, match="odd"):
            local_response_normalization(T.dtensor4(), n=n)  # type: ignore[arg-type]
    for x in (T.dvector(), T.ltensor4()):
        with pytest.raises(TypeError, match="channels along axis 1"):
            local_response_normalization(x)
