"""The names of `theano.scan_module.scan_utils`."""

from __future__ import annotations

from symnet.ops.scan.step_graph import until
from symnet.rewriting.bypassed import clone

__all__ = ["clone", "until"]
