"""The names of `theano.tensor.nnet`."""

# ruff: noqa: I001  (tables of names, several a line)
from __future__ import annotations

import typing as _typing

from symnet.lazy import lazy_names as _lazy_names
from symnet.ops.nnet.conv import (
    abstract_conv2d,
    conv2d,
    conv2d_grad_wrt_inputs,
    conv2d_transpose,
    conv3d,
    separable_conv2d,
)
from symnet.tensor.nnet import bn, nnet, sigm
from symnet.tensor.nnet.bn import *  # noqa: F403
from symnet.tensor.nnet.nnet import *  # noqa: F403
from symnet.tensor.nnet.sigm import *  # noqa: F403

if _typing.TYPE_CHECKING:
    from symnet.tensor.nnet import (
        abstract_conv as abstract_conv, blocksparse as blocksparse, conv as conv,
        conv3d2d as conv3d2d, corr as corr, corr3d as corr3d, ctc as ctc,
        neighbours as neighbours, spatialtf as spatialtf,
    )  # fmt: skip
    from symnet.tensor.nnet.conv import ConvOp
else:
    __getattr__, __dir__ = _lazy_names(
        "symnet.tensor.nnet", "abstract_conv", "blocksparse", "conv", "conv3d2d",
        "corr", "corr3d", "ctc", "neighbours", "spatialtf", ConvOp="conv",
    )  # fmt: skip

__all__ = [
    "ConvOp", "abstract_conv", "abstract_conv2d", "blocksparse", "bn", "conv", "conv2d",
    "conv2d_grad_wrt_inputs", "conv2d_transpose", "conv3d", "conv3d2d", "corr", "corr3d",
    "ctc", "neighbours", "nnet", "separable_conv2d", "sigm", "spatialtf",
]  # fmt: skip
__all__ += bn.__all__
__all__ += nnet.__all__
__all__ += sigm.__all__
