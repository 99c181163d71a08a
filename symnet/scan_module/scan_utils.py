"""The names of `theano.scan_module.scan_utils`."""

from __future__ import annotations

from symnet.graph.traverse import clone
from symnet.ops.scan.step_graph import until

__all__ = ["clone", "until"]
