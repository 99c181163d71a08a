"""Convolutions as objects: what they compute, and what they refuse."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from symnet.errors import ShapeError
from symnet.graph.types import TensorType
from symnet.ops.inputs import lvector
from symnet.ops.nnet import conv_objects as objects
from tests.convolutions import direct
from tests.helpers import run

RANDOM = np.random.default_rng(17)


def normal(*shape):
    return RANDOM.normal(size=shape)


def tensor(rank):
    return TensorType("float64", (None,) * rank)()


def data(rank):
    spatial, taps = (6, 7, 5)[:rank], (3, 2, 2)[:rank]
    return normal(2, 4, *spatial), normal(6, 2, *taps)


def check_three(forward, by_filters, by_input, x, w, want):
    """The three objects of one convolution: the value, and that <g, y> is <by_x, x>."""
    rank = x.ndim - 2
    a, b, seed, shape = tensor(2 + rank), tensor(2 + rank), tensor(2 + rank), lvector()
    values = {a: x, b: w}
    np.testing.assert_allclose(run(forward(a, b), values), want, atol=1e-12)
    g = normal(*want.shape)
    values = {a: x, seed: g, shape: w.shape[2:]}
    by_w = run(by_filters(a, seed, shape), values)
    assert by_w.shape == w.shape
    np.testing.assert_allclose((by_w * w).sum(), (g * want).sum(), atol=1e-9)
    values = {b: w, seed: g, shape: x.shape[2:]}
    by_x = run(by_input(b, seed, shape), values)
    assert by_x.shape == x.shape
    np.testing.assert_allclose((by_x * x).sum(), (g * want).sum(), atol=1e-9)


@pytest.mark.parametrize("rank", [2, 3])
def test_abstract_convolutions(rank):
    x, w = data(rank)
    strides = (2, 1, 1)[:rank]
    arguments = (None, None, "half", strides, True, (1,) * rank, 2)
    names = ("", "_gradWeights", "_gradInputs")
    kinds = [getattr(objects, f"AbstractConv{rank}d{name}") for name in names]
    want = direct(x, w, "half", strides, groups=2)
    check_three(*(kind(*arguments) for kind in kinds), x, w, want)
    general = (objects.AbstractConv, objects.AbstractConv_gradWeights)
    made = [kind(rank, *arguments) for kind in general]
    last = objects.AbstractConv_gradInputs(rank, *arguments)
    check_three(*made, last, x, w, want)


@pytest.mark.parametrize("rank", [2, 3])
def test_correlations(rank):
    x, w = data(rank)
    name = {2: "CorrMM", 3: "Corr3dMM"}[rank]
    kinds = [getattr(objects, name + k) for k in ("", "_gradWeights", "_gradInputs")]
    strides, dilations = (1, 2, 1)[:rank], (2, 1, 1)[:rank]
    settings = {"border_mode": 1, "subsample": strides, "filter_dilation": dilations}
    made = [kind(**settings, num_groups=2, openmp=False) for kind in kinds]
    want = direct(x, w, 1, strides, dilations, False, 2)
    check_three(*made, x, w, want)


@pytest.mark.parametrize("border", ["valid", "full", (2, (1, 0))])
def test_shapes_of_correlations_that_follow(border):
    x, w = data(2)
    a, b, seed = tensor(4), tensor(4), tensor(4)
    g = normal(*direct(x, w, border, None, (2, 1), False, 2).shape)
    settings = {"border_mode": border, "filter_dilation": (2, 1), "num_groups": 2}
    by_w = objects.CorrMM_gradWeights(**settings)(a, seed)
    assert run(by_w, {a: x, seed: g}).shape == w.shape
    by_x = objects.CorrMM_gradInputs(**settings)(b, seed)
    assert run(by_x, {b: w, seed: g}).shape == x.shape


def test_shapes_of_correlations_that_do_not_follow():
    with pytest.raises(ValueError, match="give shape="):
        objects.CorrMM_gradWeights("half")(tensor(4), tensor(4))
    for kind in (objects.CorrMM_gradWeights, objects.CorrMM_gradInputs):
        with pytest.raises(ValueError, match="give shape="):
            kind(subsample=(1, 2))(tensor(4), tensor(4))


def test_declared_sizes_stand_before_those_of_the_call():
    x, w = data(2)
    a, seed, shape = tensor(4), tensor(4), lvector()
    op = objects.AbstractConv2d_gradWeights(None, (6, 2, 3, None), num_groups=2)
    g = normal(*direct(x, w, groups=2).shape)
    got = run(op(a, seed, shape), {a: x, seed: g, shape: [99, 2]})
    assert got.shape == w.shape


def test_attributes_and_equality():
    op = objects.AbstractConv2d((None, 3, 9, 9), None, "half", (2, 1), False)
    assert op.imshp == (None, 3, 9, 9) and op.kshp == (None,) * 4
    assert (op.border_mode, op.subsample, op.filter_flip) == ("half", (2, 1), False)
    assert (op.filter_dilation, op.num_groups, op.convdim) == ((1, 1), 1, 2)
    same = pickle.loads(pickle.dumps(op))
    assert same == op and hash(same) == hash(op)
    assert op != objects.AbstractConv2d() and op != objects.CorrMM()


def test_what_cannot_be_made():
    with pytest.raises(ValueError, match="along 2 or 3 axes"):
        objects.AbstractConv(1)
    with pytest.raises(NotImplementedError, match="not shared"):
        objects.AbstractConv(3, unshared=True)
    with pytest.raises(ValueError, match="border_mode"):
        objects.CorrMM("same")
    with pytest.raises(ShapeError):
        objects.CorrMM(num_groups=2)(np.ones((1, 2, 3, 3)), np.ones((3, 1, 2, 2)))
