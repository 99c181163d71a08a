"""The names of `theano.tensor.nnet`."""

from __future__ import annotations

from symnet.ops.nnet.conv import (
    abstract_conv2d,
    conv2d,
    conv2d_grad_wrt_inputs,
    conv2d_transpose,
    conv3d,
    separable_conv2d,
)
from symnet.tensor.nnet import (
    abstract_conv,
    blocksparse,
    bn,
    conv,
    conv3d2d,
    corr,
    corr3d,
    ctc,
    neighbours,
    nnet,
    sigm,
    spatialtf,
)
from symnet.tensor.nnet.bn import *  # noqa: F403
from symnet.tensor.nnet.conv import ConvOp
from symnet.tensor.nnet.nnet import *  # noqa: F403
from symnet.tensor.nnet.sigm import *  # noqa: F403

__all__ = [
    "ConvOp", "abstract_conv", "abstract_conv2d", "blocksparse", "bn", "conv", "conv2d",
    "conv2d_grad_wrt_inputs", "conv2d_transpose", "conv3d", "conv3d2d", "corr", "corr3d",
    "ctc", "neighbours", "nnet", "separable_conv2d", "sigm", "spatialtf",
]  # fmt: skip
__all__ += bn.__all__
__all__ += nnet.__all__
__all__ += sigm.__all__
