"""The cost of labels without positions: by all paths, by PyTorch, by differences."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.tensor.nnet.ctc import ConnectionistTemporalClassification, ctc
from tests.helpers import run

RNG = np.random.default_rng(4)


def all_paths(x: Any, labels: Any) -> float:
    """Minus the logarithm of the probabilities of all paths for the labels, one by one."""
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    total = 0.0
    for path in itertools.product(range(x.shape[1]), repeat=len(x)):
        joined = [k for k, _ in itertools.groupby(path) if k]
        if joined == list(labels):
            total += np.prod([p[t, k] for t, k in enumerate(path)])
    return -np.log(total) if total else 0.0


ROWS = np.array([[1, 2, 1], [1, 1, -1], [2, -1, -1], [-1, -1, -1], [2, 2, 2]], "int32")
STEPS = np.array([5, 3, 4, 2, 4], "int32")


def inputs(dtype: str = "float64") -> Any:
    return T.tensor3("x", dtype=dtype), T.imatrix("labels"), T.ivector("steps")


def test_costs_by_all_paths() -> None:
    """Repeated labels, no labels, fewer steps, and labels for which there are too few."""
    x, labels, steps = inputs()
    value = RNG.normal(size=(5, 5, 3))
    want = [
        all_paths(value[:n, k], [label for label in ROWS[k] if label >= 0])
        for k, n in enumerate(STEPS)
    ]
    assert want[-1] == 0
    got = run(ctc(x, labels, steps), {x: value, labels: ROWS, steps: STEPS}, rtol=1e-13)
    np.testing.assert_allclose(got, want, rtol=1e-13)
    single, labels, steps = inputs("float32")
    got = run(ctc(single, labels, steps), {single: value, labels: ROWS, steps: STEPS})
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_gradients_by_differences() -> None:
    x, labels, steps = inputs()
    value = RNG.normal(size=(5, 5, 3))
    weights = RNG.normal(size=5)
    cost = (ctc(x, labels, steps) * weights).sum()
    f = symnet.function([x, labels, steps], [cost, symnet.grad(cost, x)])
    _, got = f(value, ROWS, STEPS)
    want = np.zeros_like(value)
    for at in np.ndindex(*value.shape):
        moved = np.zeros_like(value)
        moved[at] = 1e-5
        ends = [f(value + moved, ROWS, STEPS)[0], f(value - moved, ROWS, STEPS)[0]]
        want[at] = (ends[0] - ends[1]) / 2e-5
    np.testing.assert_allclose(got, want, atol=1e-9)
    assert (got[4:, 1:] == 0).all() and (got[:, 4] == 0).all()


def test_second_derivatives_beside_labels_without_a_path() -> None:
    x, labels, steps = inputs()
    value, along = RNG.normal(size=(2, 5, 5, 3))
    slope = (symnet.grad(ctc(x, labels, steps).sum(), x) * along).sum()
    f = symnet.function([x, labels, steps], [slope, symnet.grad(slope, x)])
    _, got = f(value, ROWS, STEPS)
    ends = [f(value + side * 1e-5 * along, ROWS, STEPS)[0] for side in (1, -1)]
    np.testing.assert_allclose(
        (got * along).sum(), (ends[0] - ends[1]) / 2e-5, rtol=1e-6
    )
    assert (got[:, 4] == 0).all()


def test_numbers_of_pytorch() -> None:
    """PyTorch 2.13: x = torch.arange(24.).double().reshape(4, 2, 3) * 7 % 11 / 5,
    ctc_loss(log_softmax(x, 2), [[1, 2], [2, 0]], (4, 3), (2, 1), reduction="none"), and the
    gradient of the sum."""
    x, labels, steps = inputs()
    value = (np.arange(24.0) * 7 % 11 / 5).reshape(4, 2, 3)
    cost = ctc(x, labels, steps)
    f = symnet.function([x, labels, steps], [cost, symnet.grad(cost.sum(), x)])
    got, slope = f(
        value, np.array([[1, 2], [2, -1]], "int32"), np.array([4, 3], "int32")
    )
    np.testing.assert_allclose(got, [0.8534340492603332, 1.1917523637852712])
    want = [
        [[0.062036004711, -0.326982106827, 0.264946102116],
         [-0.277389362996, 0.272118477449, 0.005270885547]],
        [[0.044252088552, -0.069381535023, 0.02512944647],
         [-0.141581711544, 0.272118477449, -0.130536765905]],
        [[0.067177044783, 0.085609749225, -0.152786794008],
         [0.141561507052, 0.137348659206, -0.278910166257]],
        [[0.038359699261, 0.137348659206, -0.175708358467], [0, 0, 0]],
    ]  # fmt: skip
    np.testing.assert_allclose(slope, want, atol=1e-11)


def test_long_sequences_neither_underflow_nor_overflow() -> None:
    x, labels, steps = inputs("float32")
    cost = ConnectionistTemporalClassification()(x, labels, steps)
    f = symnet.function([x, labels, steps], [cost, symnet.grad(cost.sum(), x)])
    value = RNG.normal(size=(600, 2, 5)).astype("float32") * 30
    rows = RNG.integers(1, 5, (2, 40)).astype("int32")
    got, slope = f(value, rows, np.array([600, 500], "int32"))
    assert np.isfinite(got).all() and np.isfinite(slope).all() and (got > 1000).all()
    # Scores may rise together: the gradient of each step adds up to 0.
    np.testing.assert_allclose(slope.sum(axis=2), np.zeros((600, 2)), atol=1e-5)


def test_one_native_program_and_no_loop_in_the_graph() -> None:
    x, labels, steps = inputs("float32")
    cost = ctc(x, labels, steps)
    assert str(cost.owner.op).startswith("CtcCost")
    f = symnet.function([x, labels, steps], [cost, symnet.grad(cost.sum(), x)])
    assert len(f.engine.segments) == len(f.engine.native) == 1


def test_wrong_inputs() -> None:
    x, labels, steps = inputs()
    with pytest.raises(ValueError, match="rank 3"):
        ctc(T.dmatrix(), labels, steps)
    with pytest.raises(ValueError, match="rank 1"):
        ctc(x, labels, labels)
    with pytest.raises(TypeError, match="float32 or float64"):
        ctc(T.TensorType("float16", (None,) * 3)("h"), labels, steps)
    with pytest.raises(TypeError, match="integers"):
        ctc(x, T.dmatrix(), steps)
    f = symnet.function([x, labels, steps], ctc(x, labels, steps))
    with pytest.raises(ValueError, match="rows of activations|sizes do not agree"):
        f(np.zeros((4, 3, 2)), ROWS, STEPS)
    with pytest.raises(IndexError):
        f(np.zeros((4, 5, 2)), ROWS, STEPS)
