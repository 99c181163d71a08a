"""The names of `theano.misc.may_share_memory`."""

from __future__ import annotations

from typing import Any

import numpy as np

from symnet.ops.sparse.sparse_type import SparseType, is_sparse_value


def may_share_memory(a: Any, b: Any, raise_other_type: bool = True) -> bool:
    """Whether two arrays, or sparse matrices, may have bytes in common (their bounds overlap).

    raise_other_type: whether what is no array is an error; else it shares nothing.
    Raises: TypeError.
    """
    for one in (a, b):
        if not isinstance(one, np.ndarray) and not is_sparse_value(one):
            if raise_other_type:
                raise TypeError(f"may_share_memory takes arrays, not {one!r:.60}")
            return False
    if is_sparse_value(a) or is_sparse_value(b):
        return bool(SparseType.may_share_memory(a, b))
    return bool(np.may_share_memory(a, b))


__all__ = ["may_share_memory"]
