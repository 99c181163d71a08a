"""The names of `theano.tensor.nnet.conv`."""

# ruff: noqa: I001  (tables of names, several a line)
from __future__ import annotations

from symnet.ops.nnet.conv_shapes import get_conv_output_shape, get_conv_shape_1axis
from symnet.ops.nnet.legacy_conv import ConvOp, legacy_conv2d as conv2d

# Programs ask it before they convolve.
imported_scipy_signal = True

__all__ = [
    "ConvOp", "conv2d", "get_conv_output_shape", "get_conv_shape_1axis",
    "imported_scipy_signal",
]  # fmt: skip
