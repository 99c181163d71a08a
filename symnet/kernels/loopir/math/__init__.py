"""Mathematical functions for vectors: each written out as arithmetic on primitives.

Read `formats` (the building blocks) first, then `exponential`, `logarithm`,
`trigonometric`, `power`, `gaussian`, `inverse_errors`, `gamma_functions`; `external` has the
functions that are called, and `expand` puts all together.
"""

from symnet.kernels.loopir.math.expand import expand
from symnet.kernels.loopir.math.external import (
    EXTERNAL,
    ExternalFunction,
    external_address,
)

__all__ = ["EXTERNAL", "ExternalFunction", "expand", "external_address"]
