"""The names of `theano.tensor.sharedvar`."""

from __future__ import annotations

from symnet.shared import SharedVariable as ScalarSharedVariable
from symnet.shared import SharedVariable as TensorSharedVariable
from symnet.shared import shared
from symnet.shared import shared as tensor_constructor

__all__ = [
    "ScalarSharedVariable", "TensorSharedVariable", "shared", "tensor_constructor",
]  # fmt: skip
