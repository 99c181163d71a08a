"""The names of `theano.scan_module.scan_op`."""

from __future__ import annotations

from symnet.ops.scan import Scan

__all__ = ["Scan"]
