"""The functions and operations of `theano.gpuarray.dnn` and `theano.sandbox.cuda`, as
compositions: they run on any device, and no library called cuDNN is needed.

Programs for GPUs call them by name, networks that generate images above all, whose upward
convolution is written as cuDNN's gradient for an input.  Whether there is a GPU, programs
ask by `dnn_available`, which says no.

Arguments that all convolutions have:
    img (n, c, *spatial), kerns (o, c, *taps), topgrad (n, o, *places).
    border_mode: "valid", "full", "half", a number of zeros on all sides, or one for each axis.
    subsample, dilation: the stride, and the distance of a filter's elements, for each axis.
    conv_mode: "conv", which mirrors the filters, or "cross".
    direction_hint, workmem, algo, precision: how cuDNN is to do it; without effect.
Raises: ValueError for another conv_mode; else as `symnet.tensor.nnet.conv2d`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symnet.graph.variables import Variable
from symnet.ops.alloc import empty
from symnet.ops.base import as_tensor
from symnet.ops.nnet import conv
from symnet.ops.nnet.conv_objects import (
    GpuCorrMM,
    GpuCorrMM_gradInputs,
    GpuCorrMM_gradWeights,
)
from symnet.ops.nnet.normalization import (
    batch_normalization_test,
    batch_normalization_train,
)
from symnet.ops.nnet.pool_functions import pool_2d, pool_3d
from symnet.ops.nnet.spatial_transformer import spatial_transform
from symnet.ops.sizes import shape

__all__ = [
    "DNN", "GPU_BASICS", "GPU_PRODUCTS", "GpuDnnConv", "GpuDnnConvDesc", "GpuDnnConvGradI",
    "GpuDnnConvGradW", "conv2d_fft", "dnn_batch_normalization_test",
    "dnn_batch_normalization_train",
    "dnn_conv", "dnn_conv3d", "dnn_gradinput", "dnn_gradinput3d", "dnn_gradweight",
    "dnn_gradweight3d", "dnn_pool", "gpu_alloc_empty",
]  # fmt: skip

FLIPPED = {"conv": True, "cross": False}


def _flip(conv_mode: str) -> bool:
    if conv_mode not in FLIPPED:
        raise ValueError(f"conv_mode is 'conv' or 'cross', not {conv_mode!r}")
    return FLIPPED[conv_mode]


def _in_our_words(
    border_mode: Any, subsample: Any, dilation: Any, conv_mode: str, num_groups: int
) -> dict[str, Any]:
    """cuDNN's settings as the arguments of `symnet.tensor.nnet`'s functions."""
    return {
        "border_mode": border_mode, "subsample": subsample,
        "filter_flip": _flip(conv_mode), "filter_dilation": dilation,
        "num_groups": num_groups,
    }  # fmt: skip


def dnn_conv(
    img: Any,
    kerns: Any,
    border_mode: Any = "valid",
    subsample: Any = (1, 1),
    dilation: Any = (1, 1),
    conv_mode: str = "conv",
    direction_hint: Any = None,
    workmem: Any = None,
    algo: Any = None,
    precision: Any = None,
    num_groups: int = 1,
) -> Variable:
    """`conv2d` with cuDNN's arguments.

    >>> from symnet.ops.nnet.cudnn_names import dnn_conv
    >>> x, w = np.ones((1, 1, 4, 4)), np.ones((2, 1, 3, 3))
    >>> dnn_conv(x, w, border_mode=(1, 1), subsample=(2, 2)).eval().shape
    (1, 2, 2, 2)
    """
    how = _in_our_words(border_mode, subsample, dilation, conv_mode, num_groups)
    return conv.conv2d(img, kerns, **how)


def dnn_conv3d(
    img: Any,
    kerns: Any,
    border_mode: Any = "valid",
    subsample: Any = (1, 1, 1),
    dilation: Any = (1, 1, 1),
    conv_mode: str = "conv",
    direction_hint: Any = None,
    workmem: Any = None,
    algo: Any = None,
    precision: Any = None,
    num_groups: int = 1,
) -> Variable:
    """`conv3d` with cuDNN's arguments.

    >>> from symnet.ops.nnet.cudnn_names import dnn_conv3d
    >>> dnn_conv3d(np.ones((1, 1, 4, 4, 4)), np.ones((2, 1, 3, 3, 3))).eval().shape
    (1, 2, 2, 2, 2)
    """
    how = _in_our_words(border_mode, subsample, dilation, conv_mode, num_groups)
    return conv.conv3d(img, kerns, **how)


def _sizes(given: Any, rank: int) -> list[Any]:
    """A shape's sizes along the spatial axes, behind None for those that do not count; a
    vector variable's are its elements.  Raises: ValueError for another number of them."""
    if isinstance(given, Variable):
        return [None, None, *(given[k] for k in range(2, rank + 2))]
    sizes = list(given)
    if len(sizes) != rank + 2:
        raise ValueError(f"a shape of {rank + 2} sizes is needed here, not {given!r}")
    return [None, None, *sizes[2:]]


def _for_input(rank: int) -> Callable[..., Variable]:
    gradient = (conv.conv2d_grad_wrt_inputs, conv.conv3d_grad_wrt_inputs)[rank - 2]

    def dnn_gradinput(
        kerns: Any,
        topgrad: Any,
        img_shp: Any,
        border_mode: Any = "valid",
        subsample: Any = (1,) * rank,
        dilation: Any = (1,) * rank,
        conv_mode: str = "conv",
        precision: Any = None,
        algo: Any = None,
        num_groups: int = 1,
    ) -> Variable:
        sizes = _sizes(img_shp, rank)
        how = _in_our_words(border_mode, subsample, dilation, conv_mode, num_groups)
        return gradient(topgrad, kerns, sizes, **how)

    return dnn_gradinput


def _for_filters(rank: int) -> Callable[..., Variable]:
    gradient = (conv.conv2d_grad_wrt_weights, conv.conv3d_grad_wrt_weights)[rank - 2]

    def dnn_gradweight(
        img: Any,
        topgrad: Any,
        kerns_shp: Any,
        border_mode: Any = "valid",
        subsample: Any = (1,) * rank,
        dilation: Any = (1,) * rank,
        conv_mode: str = "conv",
        precision: Any = None,
        algo: Any = None,
        num_groups: int = 1,
    ) -> Variable:
        sizes = _sizes(kerns_shp, rank)
        how = _in_our_words(border_mode, subsample, dilation, conv_mode, num_groups)
        return gradient(img, topgrad, sizes, **how)

    return dnn_gradweight


# The gradients of `dnn_conv` and `dnn_conv3d` for images of a shape, and for filters of one;
# the shape is a sequence or a vector, of which the sizes of the spatial axes count.
dnn_gradinput, dnn_gradinput3d = _for_input(2), _for_input(3)
dnn_gradweight, dnn_gradweight3d = _for_filters(2), _for_filters(3)


class GpuDnnConvDesc:
    """How a convolution is done, for the three operations below.

    Called, with shapes that are not needed here, it gives itself.
    Raises: TypeError where subsample is not a number for each axis; ValueError for another
        conv_mode.
    """

    def __init__(
        self,
        border_mode: Any,
        subsample: Any = (1, 1),
        dilation: Any = (1, 1),
        conv_mode: str = "conv",
        precision: str = "float32",
        num_groups: int = 1,
    ) -> None:
        if not isinstance(subsample, (tuple, list)) or len(subsample) not in (2, 3):
            raise TypeError(
                f"subsample is a tuple of 2 or 3 numbers, not {subsample!r}"
            )
        steps = self.rank = len(subsample)
        self.settings = {
            "border_mode": border_mode, "subsample": tuple(subsample),
            "dilation": tuple(dilation) if len(dilation) == steps else (1,) * steps,
            "conv_mode": conv_mode, "num_groups": num_groups,
        }  # fmt: skip
        _flip(conv_mode)

    def __call__(self, *shapes: Any) -> GpuDnnConvDesc:
        return self


class _ByDescription:
    """An operation of cuDNN's: (a, b, output, description) -> what it computes.

    The array that the output is written into says its shape; alpha scales the result, and
    beta the array that it is added to.
    """

    functions: tuple[Callable[..., Variable], Callable[..., Variable]]
    shaped = True

    def __init__(self, algo: Any = None, inplace: bool = False, **cudnn: Any) -> None:
        pass

    def __call__(
        self,
        first: Any,
        second: Any,
        output: Any,
        desc: GpuDnnConvDesc,
        alpha: float = 1.0,
        beta: float = 0.0,
    ) -> Variable:
        if not isinstance(desc, GpuDnnConvDesc):
            raise TypeError(
                f"{type(self).__name__} takes (a, b, output, description); the description "
                f"is a GpuDnnConvDesc, not {desc!r:.60}"
            )
        function = self.functions[desc.rank - 2]
        more = [shape(output)] if self.shaped else []
        result = function(first, second, *more, **desc.settings)
        result = result if alpha == 1.0 else result * alpha
        return result if beta == 0.0 else result + as_tensor(output) * beta


class GpuDnnConv(_ByDescription):
    """(img, kerns, output, desc): the convolution."""

    functions = (dnn_conv, dnn_conv3d)
    shaped = False


class GpuDnnConvGradI(_ByDescription):
    """(kerns, topgrad, output, desc): the gradient for images of the output's shape."""

    functions = (dnn_gradinput, dnn_gradinput3d)


class GpuDnnConvGradW(_ByDescription):
    """(img, topgrad, output, desc): the gradient for filters of the output's shape."""

    functions = (dnn_gradweight, dnn_gradweight3d)


def dnn_pool(
    img: Any, ws: Any, stride: Any = None, mode: str = "max", pad: Any = None
) -> Variable:
    """Windows over the last two axes, or three where `ws` has three sizes, as cuDNN pools:
    one for every place (`stride` None), those beyond the end left out.

    mode: "max", "sum", "average_inc_pad", "average_exc_pad".

    >>> from symnet.ops.nnet.cudnn_names import dnn_pool
    >>> dnn_pool(np.ones((1, 1, 4, 4)), (2, 2)).eval().shape
    (1, 1, 3, 3)
    """
    ws = tuple(ws)
    pool = pool_3d if len(ws) == 3 else pool_2d
    return pool(
        img, ws, True, (1,) * len(ws) if stride is None else tuple(stride),
        (0,) * len(ws) if pad is None else tuple(pad), mode,
    )  # fmt: skip


def dnn_batch_normalization_train(
    inputs: Any,
    gamma: Any,
    beta: Any,
    mode: str = "per-activation",
    epsilon: float = 1e-4,
    running_average_factor: float = 0.1,
    running_mean: Any = None,
    running_var: Any = None,
) -> tuple[Variable, ...]:
    """`batch_normalization_train`, whose `axes` cuDNN calls `mode`.

    >>> from symnet.ops.nnet.cudnn_names import dnn_batch_normalization_train
    >>> x, one = np.array([[1.0], [3.0]]), np.ones((1, 1))
    >>> dnn_batch_normalization_train(x, one, 0 * one)[1].eval()
    array([[2.]])
    """
    return batch_normalization_train(
        inputs,
        gamma,
        beta,
        mode,
        epsilon,
        running_average_factor,
        running_mean,
        running_var,
    )


def dnn_batch_normalization_test(
    inputs: Any,
    gamma: Any,
    beta: Any,
    mean: Any,
    var: Any,
    mode: str = "per-activation",
    epsilon: float = 1e-4,
) -> Variable:
    """`batch_normalization_test`, whose `axes` cuDNN calls `mode`.

    >>> from symnet.ops.nnet.cudnn_names import dnn_batch_normalization_test
    >>> x, one = np.array([[1.0], [3.0]]), np.ones((1, 1))
    >>> dnn_batch_normalization_test(x, one, 0 * one, one, one - 1e-4).eval()
    array([[0.],
           [2.]])
    """
    return batch_normalization_test(inputs, gamma, beta, mean, var, mode, epsilon)


def gpu_alloc_empty(*sizes: Any) -> Variable:
    """An array of `floatX` to be overwritten; it holds zeros.

    >>> from symnet.ops.nnet.cudnn_names import gpu_alloc_empty
    >>> gpu_alloc_empty(1, 2).eval()
    array([[0., 0.]])
    """
    return empty(sizes)


class HostFromGpu:
    """Where values lie is not part of an expression: called, it gives its argument."""

    def __call__(self, x: Any) -> Variable:
        return as_tensor(x)


class GpuFromHost(HostFromGpu):
    """As `HostFromGpu`."""


# The names of theano.sandbox.cuda.basic_ops that programs with cuDNN's operations use.
GPU_BASICS: dict[str, Any] = {
    "GpuFromHost": GpuFromHost, "HostFromGpu": HostFromGpu,
    "as_cuda_ndarray_variable": as_tensor, "as_gpuarray_variable": as_tensor,
    "gpu_alloc_empty": gpu_alloc_empty, "gpu_contiguous": as_tensor,
    "gpu_from_host": as_tensor, "host_from_gpu": as_tensor,
}  # fmt: skip


def conv2d_fft(
    input: Any,
    filters: Any,
    image_shape: Any = None,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    pad_last_dim: bool = False,
) -> Variable:
    """`conv2d` by its name of a GPU's Fourier transforms; pad_last_dim has no effect.

    >>> from symnet.ops.nnet.cudnn_names import conv2d_fft
    >>> conv2d_fft(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2))).eval()[0, 0]
    array([[4., 4.],
           [4., 4.]])
    """
    return conv.conv2d(input, filters, image_shape, filter_shape, border_mode)


# Those of theano.gpuarray.blas and theano.sandbox.cuda.blas.
GPU_PRODUCTS: dict[str, Any] = {
    "GpuCorrMM": GpuCorrMM, "GpuCorrMM_gradInputs": GpuCorrMM_gradInputs,
    "GpuCorrMM_gradWeights": GpuCorrMM_gradWeights,
}  # fmt: skip

# Those of theano.gpuarray.dnn and theano.sandbox.cuda.dnn.
DNN: dict[str, Any] = {
    "GpuDnnConv": GpuDnnConv, "GpuDnnConvDesc": GpuDnnConvDesc,
    "GpuDnnConvGradI": GpuDnnConvGradI, "GpuDnnConvGradW": GpuDnnConvGradW,
    "dnn_batch_normalization_test": dnn_batch_normalization_test,
    "dnn_batch_normalization_train": dnn_batch_normalization_train,
    "dnn_conv": dnn_conv, "dnn_conv3d": dnn_conv3d, "dnn_gradinput": dnn_gradinput,
    "dnn_gradinput3d": dnn_gradinput3d, "dnn_gradweight": dnn_gradweight,
    "dnn_gradweight3d": dnn_gradweight3d, "dnn_pool": dnn_pool,
    "dnn_spatialtf": spatial_transform,
}  # fmt: skip
