"""Draws by uniform numbers, and bounds of eigenvalues."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.sandbox import multinomial
from symnet.sandbox.linalg import psd, spectral_radius_bound


@pytest.mark.parametrize("odtype", ["auto", "float64", "int32"])
def test_classes_are_counted(odtype: str) -> None:
    p, u, n = T.fmatrix(), T.fvector(), T.iscalar()
    op = multinomial.MultinomialFromUniform(odtype)
    f = symnet.function([p, u], op(p, u), allow_input_downcast=True)
    found = f([[0.2, 0.8], [0.3, 0.7]], [0.31, 0.21])
    assert found.tolist() == [[0, 1], [1, 0]]
    assert found.dtype == ("float32" if odtype == "auto" else odtype)
    g = symnet.function([p, u, n], op(p, u, n), allow_input_downcast=True)
    uniform = np.random.default_rng(0).random(20)
    assert g([[1.0, 0.0], [0.0, 1.0]], uniform, 10).tolist() == [[10, 0], [0, 10]]


def test_classes_are_chosen_without_replacement() -> None:
    op = multinomial.ChoiceFromUniform()
    found = op(T.constant([[0.5, 0.25, 0.25]]), T.constant([0.6, 0.1, 0.9]), 3).eval()
    assert sorted(found[0].tolist()) == [0, 1, 2]
    assert found[0, 0] == 1
    with pytest.raises(NotImplementedError, match="without replacement"):
        multinomial.ChoiceFromUniform(replace=True)(T.dmatrix(), T.dvector(), 1)


def test_a_bound_of_eigenvalues() -> None:
    x = T.dmatrix()
    value = np.cov(np.random.default_rng(1).random((3, 4)))
    bound = spectral_radius_bound(x, 5).eval({x: value})
    power = np.linalg.matrix_power(value, 32)
    np.testing.assert_allclose(bound, np.trace(power) ** (1 / 32))
    assert np.linalg.eigvalsh(value).max() <= bound
    assert psd(x) is x
    with pytest.raises(TypeError, match="takes a matrix"):
        spectral_radius_bound(T.dvector(), 5)
    with pytest.raises(TypeError, match="no integer"):
        spectral_radius_bound(x, 5.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not above 0"):
        spectral_radius_bound(x, -5)
