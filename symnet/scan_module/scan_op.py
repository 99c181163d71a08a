"""The names of `theano.scan_module.scan_op`."""

from __future__ import annotations

from symnet.ops.scan.loop import Scan

__all__ = ["Scan"]
