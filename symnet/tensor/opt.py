"""The names of `theano.tensor.opt`: where users register rewrites."""

from __future__ import annotations

from symnet.compile.databases import (
    register_canonicalize,
    register_specialize,
    register_specialize_device,
    register_stabilize,
    register_uncanonicalize,
    register_useless,
)

__all__ = [
    "register_canonicalize", "register_specialize", "register_specialize_device",
    "register_stabilize", "register_uncanonicalize", "register_useless",
]  # fmt: skip
