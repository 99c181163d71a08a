"""The names of `theano.tensor.sharedvar`."""

from __future__ import annotations

from symnet.graph.types import TensorType
from symnet.ops.random import shared_states as _shared_states  # noqa: F401  registers
from symnet.shared import SharedVariable, shared, shared_constructor
from symnet.shared import SharedVariable as ScalarSharedVariable
from symnet.shared import SharedVariable as TensorSharedVariable
from symnet.shared import shared as tensor_constructor

__all__ = [
    "ScalarSharedVariable", "SharedVariable", "TensorSharedVariable", "TensorType", "shared",
    "shared_constructor", "tensor_constructor",
]  # fmt: skip
