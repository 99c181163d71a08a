"""The names of `theano.tensor.signal.conv`."""

from __future__ import annotations

from symnet.ops.nnet.legacy_conv import signal_conv2d as conv2d

__all__ = ["conv2d"]
