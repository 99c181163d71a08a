"""Leaves of a program as variables, and its functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import symnet
import symnet.tensor as T


def leaf_variable(leaf: Mapping[str, Any], value: Any) -> Any:
    name = f"v{leaf['id']}"
    if leaf["shared"]:
        return symnet.shared(value, name=name)
    return T.TensorType(leaf["dtype"], (False,) * len(leaf["shape"]))(name)
