"""What `shared` makes of a `RandomState`.

NumPy's random numbers are slow to import, and most programs draw none of them: the module of
their states is imported with the first one.
"""

from __future__ import annotations

import sys
from typing import Any

from symnet.lazy import imported_when_called
from symnet.shared import CONSTRUCTORS


def is_random_state(value: Any) -> bool:
    """Without importing `numpy.random`: whoever has one has imported it."""
    module = sys.modules.get("numpy.random")
    return module is not None and type(value) is module.RandomState


randomstate_constructor = imported_when_called(
    "symnet.ops.random.random_state", "randomstate_constructor"
)
CONSTRUCTORS.append((is_random_state, randomstate_constructor))
