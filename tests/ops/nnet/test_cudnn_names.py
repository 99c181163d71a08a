"""cuDNN's names: the same numbers as sums over windows written out in NumPy."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.ops.nnet import cudnn_names as names
from tests.helpers import run

RANDOM = np.random.default_rng(11)


def by_hand(x, w, border, step, apart, mode):
    """The convolution as its sum, for any number of spatial axes."""
    rank = x.ndim - 2
    if mode == "conv":
        w = np.flip(w, range(2, rank + 2))
    x = np.pad(x, [(0, 0), (0, 0), *[(b, b) for b in border]])
    reach = [(w.shape[2 + k] - 1) * apart[k] + 1 for k in range(rank)]
    places = [(x.shape[2 + k] - reach[k]) // step[k] + 1 for k in range(rank)]
    out = np.zeros((x.shape[0], w.shape[0], *places))
    for at in itertools.product(*map(range, places)):
        begins = [at[k] * step[k] for k in range(rank)]
        window = x[
            (..., *[slice(b, b + r, a) for b, r, a in zip(begins, reach, apart)])
        ]
        out[(..., *at)] = np.tensordot(window, w, [range(1, rank + 2)] * 2)
    return out


CASES = [
    ((1, 1), (1, 1), (1, 1), "conv"),
    ((0, 2), (2, 1), (1, 1), "cross"),
    ((1, 0), (1, 2), (2, 1), "conv"),
    ((2, 1, 0), (1, 2, 1), (1, 1, 2), "cross"),
]


def arrays(rank):
    x = RANDOM.standard_normal((2, 3, *[7, 6, 5][:rank]))
    w = RANDOM.standard_normal((4, 3, *[3, 2, 2][:rank]))
    return x, w


@pytest.mark.parametrize(("border", "step", "apart", "mode"), CASES)
def test_convolution_and_its_gradients(border, step, apart, mode):
    """The gradients as the adjoints of the sum: <conv(x, w), g> is linear in x and in w."""
    rank = len(step)
    x, w = arrays(rank)
    out = by_hand(x, w, border, step, apart, mode)
    settings = {
        "border_mode": border, "subsample": step, "dilation": apart, "conv_mode": mode,
    }  # fmt: skip
    last = "3d" if rank == 3 else ""
    conv = getattr(names, f"dnn_conv{last}")
    np.testing.assert_allclose(run(conv(x, w, **settings), rtol=1e-9), out, rtol=1e-9)
    g = RANDOM.standard_normal(out.shape)
    of_x = run(
        getattr(names, f"dnn_gradinput{last}")(w, g, x.shape, **settings), rtol=1e-9
    )
    of_w = run(
        getattr(names, f"dnn_gradweight{last}")(x, g, w.shape, **settings), rtol=1e-9
    )
    other_x, other_w = RANDOM.standard_normal(x.shape), RANDOM.standard_normal(w.shape)
    moved_x = by_hand(other_x, w, border, step, apart, mode)
    moved_w = by_hand(x, other_w, border, step, apart, mode)
    np.testing.assert_allclose((of_x * other_x).sum(), (g * moved_x).sum(), rtol=1e-9)
    np.testing.assert_allclose((of_w * other_w).sum(), (g * moved_w).sum(), rtol=1e-9)


@pytest.mark.parametrize("rank", [2, 3])
def test_without_settings_every_place_is_taken_and_nothing_is_added(rank):
    x, w = arrays(rank)
    plain = (0,) * rank, (1,) * rank, (1,) * rank, "conv"
    out = by_hand(x, w, *plain)
    last = "3d" if rank == 3 else ""
    conv, of_x, of_w = (
        getattr(names, f"dnn_{name}{last}")
        for name in ("conv", "gradinput", "gradweight")
    )
    np.testing.assert_allclose(run(conv(x, w), rtol=1e-9), out, rtol=1e-9)
    g = RANDOM.standard_normal(out.shape)
    other_x, other_w = RANDOM.standard_normal(x.shape), RANDOM.standard_normal(w.shape)
    for found, other, moved in (
        (of_x(w, g, x.shape), other_x, by_hand(other_x, w, *plain)),
        (of_w(x, g, w.shape), other_w, by_hand(x, other_w, *plain)),
    ):
        sums = (run(found, rtol=1e-9) * other).sum(), (g * moved).sum()
        np.testing.assert_allclose(*sums, rtol=1e-9)
    if rank == 2:
        settings = names.GpuDnnConvDesc("valid").settings
        assert settings["subsample"] == settings["dilation"] == (1, 1)


@pytest.mark.parametrize(("border", "step", "apart", "mode"), CASES)
def test_operations_take_a_description(border, step, apart, mode):
    x, w = arrays(len(step))
    out = by_hand(x, w, border, step, apart, mode)
    desc = names.GpuDnnConvDesc(border, step, apart, mode)(x.shape, w.shape)
    into = RANDOM.standard_normal(out.shape)
    result = names.GpuDnnConv()(x, w, into, desc, alpha=2.0, beta=3.0)
    np.testing.assert_allclose(run(result, rtol=1e-9), 2 * out + 3 * into, rtol=1e-9)
    g, other = RANDOM.standard_normal(out.shape), RANDOM.standard_normal(x.shape)
    of_x = run(names.GpuDnnConvGradI()(w, g, np.empty(x.shape), desc), rtol=1e-9)
    moved = by_hand(other, w, border, step, apart, mode)
    np.testing.assert_allclose((of_x * other).sum(), (g * moved).sum(), rtol=1e-9)
    other = RANDOM.standard_normal(w.shape)
    of_w = run(names.GpuDnnConvGradW()(x, g, np.empty(w.shape), desc), rtol=1e-9)
    moved = by_hand(x, other, border, step, apart, mode)
    np.testing.assert_allclose((of_w * other).sum(), (g * moved).sum(), rtol=1e-9)


def test_the_shape_of_a_result_may_be_known_at_a_run_only():
    """As in networks that generate images: the array that is written into has sizes that
    are computed."""
    x, w = T.tensor4("x"), T.tensor4("w")
    into = names.gpu_alloc_empty(x.shape[0], w.shape[1], x.shape[2] * 2, x.shape[3] * 2)
    desc = names.GpuDnnConvDesc((2, 2), (2, 2), conv_mode="conv")(into.shape, w.shape)
    upward = names.GpuDnnConvGradI()(w, x, into, desc)
    small, filters = (
        RANDOM.standard_normal((2, 4, 3, 5)),
        RANDOM.standard_normal((4, 1, 5, 5)),
    )
    result = symnet.function([x, w], [upward, symnet.grad(upward.sum(), w)])(
        small, filters
    )
    assert result[0].shape == (2, 1, 6, 10)
    other = RANDOM.standard_normal((2, 1, 6, 10))
    down = by_hand(other, filters, (2, 2), (2, 2), (1, 1), "conv")
    np.testing.assert_allclose(
        (result[0] * other).sum(), (small * down).sum(), rtol=1e-9
    )
    # <upward(w), 1> = <small, conv(1, w)>, whose slope in one element of w is a difference.
    step = np.zeros_like(filters)
    step[1, 0, 2, 3] = 1
    slope = by_hand(np.ones_like(other), step, (2, 2), (2, 2), (1, 1), "conv")
    np.testing.assert_allclose(result[1][1, 0, 2, 3], (small * slope).sum(), rtol=1e-9)


@pytest.mark.parametrize(
    ("mode", "reduce"), [("max", np.max), ("sum", np.sum), ("average_inc_pad", np.mean)]
)
def test_pooling_takes_a_window_at_every_place(mode, reduce):
    for rank in (2, 3):
        x, _ = arrays(rank)
        views = np.lib.stride_tricks.sliding_window_view(
            x, (2,) * rank, range(2, rank + 2)
        )
        wanted = reduce(views, tuple(range(-rank, 0)))
        pooled = names.dnn_pool(x, (2,) * rank, mode=mode)
        np.testing.assert_allclose(run(pooled, rtol=1e-9), wanted, rtol=1e-9)
        apart = names.dnn_pool(x, (2,) * rank, stride=(2,) * rank, mode=mode)
        every = (..., *[slice(None, None, 2)] * rank)
        np.testing.assert_allclose(run(apart, rtol=1e-9), wanted[every], rtol=1e-9)


@pytest.mark.parametrize(
    ("mode", "axes"), [("per-activation", (0,)), ("spatial", (0, 2, 3))]
)
def test_batch_normalization_by_mode(mode, axes):
    x, _ = arrays(2)
    one = [1 if k in axes else size for k, size in enumerate(x.shape)]
    gamma, beta = RANDOM.standard_normal(one), RANDOM.standard_normal(one)
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    wanted = (x - mean) / np.sqrt(var + 1e-4) * gamma + beta
    trained = names.dnn_batch_normalization_train(x, gamma, beta, mode)
    np.testing.assert_allclose(run(trained[0], rtol=1e-9), wanted, rtol=1e-9)
    tested = names.dnn_batch_normalization_test(x, gamma, beta, mean, var, mode)
    np.testing.assert_allclose(run(tested, rtol=1e-9), wanted, rtol=1e-9)


def test_another_mode_is_refused():
    x, w = arrays(2)
    with pytest.raises(ValueError, match="'conv' or 'cross', not 'flip'"):
        names.dnn_conv(x, w, conv_mode="flip")
    with pytest.raises(ValueError, match="not 'flip'"):
        names.GpuDnnConvDesc((0, 0), conv_mode="flip")


def test_what_is_no_description_or_shape_is_refused():
    x, w = arrays(2)
    with pytest.raises(
        TypeError, match=r"GpuDnnConvGradI .* a GpuDnnConvDesc, not 'valid'"
    ):
        names.GpuDnnConvGradI()(w, x, x, "valid")
    with pytest.raises(TypeError, match="a tuple of 2 or 3 numbers, not 2"):
        names.GpuDnnConvDesc("valid", 2)
    with pytest.raises(ValueError, match=r"4 sizes is needed here, not \(1, 1\)"):
        names.dnn_gradinput(w, x, (1, 1))


@pytest.mark.parametrize(("border", "step", "apart"), [c[:3] for c in CASES[:3]])
def test_correlations_by_their_names_of_a_gpu(border, step, apart):
    x, w = arrays(2)
    X, W = T.dtensor4("X"), T.dtensor4("W")

    def value(y):
        return symnet.function([X, W], y, on_unused_input="ignore")(x, w)

    y = names.GpuCorrMM(border, step, apart)(X, W)
    want = by_hand(x, w, border, step, apart, "cross")
    np.testing.assert_allclose(value(y), want, atol=1e-12)
    older = names.GpuCorrMM(subsample=step, filter_dilation=apart, pad=border)
    np.testing.assert_array_equal(value(older(X, W)), value(y))
    # The gradients are those that differentiation finds.
    g = RANDOM.standard_normal(want.shape)
    for kind, wrt, given, shape in (
        (names.GpuCorrMM_gradWeights, W, X, w.shape),
        (names.GpuCorrMM_gradInputs, X, W, x.shape),
    ):
        made = kind(border, step, apart)(given, T.constant(g), shape[2:])
        slope = symnet.grad((y * g).sum(), wrt)
        np.testing.assert_allclose(value(made), value(slope), atol=1e-12)
    with pytest.raises(ValueError, match=r"give border_mode, not pad=\(1, 1\) besides"):
        names.GpuCorrMM("half", pad=(1, 1))


@pytest.mark.parametrize("border", ["valid", "full"])
def test_convolution_by_its_name_of_fourier_transforms(border):
    x, w = arrays(2)
    y = names.conv2d_fft(x, w, x.shape, w.shape, border, pad_last_dim=True)
    zeros = (0, 0) if border == "valid" else (2, 1)
    want = by_hand(x, w, zeros, (1, 1), (1, 1), "conv")
    np.testing.assert_allclose(y.eval(), want, atol=1e-12)


def test_programs_for_gpus_import_them():
    program = """
import symnet
symnet.install_as_theano()
import numpy as np, theano, theano.tensor as T
from theano.sandbox.cuda.basic_ops import (
    as_cuda_ndarray_variable, gpu_alloc_empty, gpu_contiguous, host_from_gpu, HostFromGpu)
from theano.sandbox.cuda.blas import GpuCorrMM
from theano.gpuarray.blas import GpuCorrMM_gradInputs
from theano.sandbox.cuda.fftconv import conv2d_fft
from theano.sandbox.cuda.dnn import GpuDnnConvDesc, GpuDnnConvGradI, dnn_conv, dnn_pool
from theano.gpuarray.dnn import dnn_available, dnn_conv as the_same
from theano.sandbox.gpuarray.dnn import dnn_conv as older
assert older is dnn_conv
assert not dnn_available() and the_same is dnn_conv
x = T.tensor4()
y = host_from_gpu(dnn_conv(gpu_contiguous(x), np.ones((1, 1, 2, 2))))
print(theano.function([x], y)(np.ones((1, 1, 2, 2))).item())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "4.0"
