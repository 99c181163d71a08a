"""All calls by name."""

from __future__ import annotations

from tests.fuzz import (
    calls_arrays,
    calls_complex,
    calls_layers,
    calls_linalg,
    calls_numpy,
    calls_sparse,
    calls_special,
    calls_users,
)
from tests.fuzz.calls import Call

CALLS: dict[str, Call] = {
    **calls_arrays.CALLS, **calls_complex.CALLS, **calls_layers.CALLS, **calls_linalg.CALLS,
    **calls_numpy.CALLS, **calls_sparse.CALLS, **calls_special.CALLS,
    **calls_users.CALLS,
}  # fmt: skip
