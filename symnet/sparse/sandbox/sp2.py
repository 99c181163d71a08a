"""The names of `theano.sparse.sandbox.sp2`: random sparse matrices, sampled products."""

from __future__ import annotations

from symnet.ops.sparse.sparse_draws import (
    Binomial,
    csc_dbinomial,
    csc_fbinomial,
    csr_dbinomial,
    csr_fbinomial,
    multinomial,
    poisson,
)
from symnet.ops.sparse.sparse_products import sampling_dot
from symnet.ops.sparse.sparse_reductions import remove0 as eliminate_zeros

__all__ = [
    "Binomial", "csc_dbinomial", "csc_fbinomial", "csr_dbinomial", "csr_fbinomial",
    "eliminate_zeros", "multinomial", "poisson", "sampling_dot",
]  # fmt: skip
