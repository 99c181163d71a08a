"""The names of `theano.ifelse`: conditions of which only one branch is computed."""

from __future__ import annotations

from symnet.ops.ifelse.conditional import IfElse, ifelse

__all__ = ["IfElse", "ifelse"]
