"""Random sparse matrices.

Numbers come from `streams`, a `RandomStreams` (of `symnet.tensor.shared_randomstreams`); by
default from one that all these functions share.  As with other draws, a compiled function
moves its streams on at each call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.errors import message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import FLOATS, INTEGERS, NullType
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.ops.base import as_tensor, disconnected
from symnet.ops.elementwise import cast as dense_cast
from symnet.ops.random.random_streams import RandomStreams
from symnet.ops.sizes import shape as dense_shape
from symnet.ops.sizes import size_vector
from symnet.ops.sparse.conversions import CSM, SparseFromDense, csm_properties
from symnet.ops.sparse.sparse_parts import SparseOp
from symnet.ops.sparse.sparse_type import as_sparse_variable

SEED_WORDS = 4
_shared: list[RandomStreams] = []


def _streams(given: RandomStreams | None) -> RandomStreams:
    if given is not None:
        return given
    if not _shared:
        _shared.append(RandomStreams())
    return _shared[0]


def poisson(x: Any, streams: RandomStreams | None = None) -> Variable:
    """For each stored entry of x a number of the Poisson distribution with that mean.

    Raises, when run: ValueError for a negative mean.
    """
    data, indices, indptr, shape = csm_properties(x)
    mean = dense_cast(data, "float64")
    drawn = _streams(streams).poisson(dense_shape(data), mean)
    kind = as_sparse_variable(x).type
    return CSM(kind.format)(dense_cast(drawn, kind.dtype), indices, indptr, shape)


class Binomial:
    """Binomial(format, dtype)(n, p, shape): a sparse matrix of numbers of the binomial
    distribution, of n trials with probability p.

    Raises: TypeError for an n that is no integer, a p that is no float.
    """

    def __init__(self, format: str, dtype: str) -> None:
        self.format, self.dtype = format, dtype

    def __call__(
        self, n: Any, p: Any, shape: Any, streams: RandomStreams | None = None
    ) -> Variable:
        n, p, shape = as_tensor(n), as_tensor(p), size_vector(shape)
        for v, kinds, what in ((n, INTEGERS, "an integer"), (p, FLOATS, "a float")):
            if v.type.dtype not in kinds:
                raise TypeError(f"binomial: {operand_text(v)} is to be {what}")
        drawn = _streams(streams).binomial(shape, n, p, ndim=2)
        return SparseFromDense(self.format)(dense_cast(drawn, self.dtype))


csr_fbinomial, csc_fbinomial = Binomial("csr", "float32"), Binomial("csc", "float32")
csr_dbinomial, csc_dbinomial = Binomial("csr", "float64"), Binomial("csc", "float64")


class SparseMultinomial(SparseOp):
    """For each row of p how often each of its entries is drawn, in n draws: (n, p, seed).

    n: one number, or one for each row.
    """

    def make_node(self, n: Any, p: Any, seed: Any) -> Apply:
        n, p, seed = as_tensor(n), as_sparse_variable(p), as_tensor(seed)
        if n.type.ndim > 1 or n.type.dtype not in INTEGERS or p.type.format != "csr":
            raise TypeError(
                message(
                    "multinomial takes an integer or a vector of them, and a CSR matrix "
                    "whose rows are probabilities",
                    operands=[operand_text(n), operand_text(p)],
                    cure="make it CSR: sparse_format(p, 'csr')",
                )
            )
        return Apply(self, [n, p, seed], [make_variable(p.type)])

    def matrices(self, node: Apply, values: Sequence[Any]) -> Sequence[Any]:
        n, p, seed = values
        if np.ndim(n) and len(n) != p.shape[0]:
            raise ValueError(
                f"multinomial: {len(n)} numbers of draws for {p.shape[0]} rows"
            )
        draws = np.broadcast_to(n, p.shape[0])
        generator = np.random.default_rng([int(word) for word in seed])
        found = p.copy()
        for row, (first, last) in enumerate(zip(p.indptr[:-1], p.indptr[1:])):
            chances = p.data[first:last].astype("float64")
            found.data[first:last] = generator.multinomial(draws[row], chances)
        return [found]

    def shapes(self, node: Apply, inputs: Sequence[Any]) -> Sequence[Any]:
        return [inputs[1].shape]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        why = "what is drawn has no gradient with respect to the probabilities"
        null = make_variable(NullType(why))
        return [disconnected(), null, disconnected()]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False], [True], [False]]


def multinomial(n: Any, p: Any, streams: RandomStreams | None = None) -> Variable:
    """For each row of the CSR matrix p how often each of its entries is drawn, in n draws
    with these as probabilities.

    n: an integer, or a vector with one for each row.
    Raises: TypeError for other n and p; when run, ValueError where there are not as many n
    as rows, or entries are no probabilities.
    """
    seed = _streams(streams).random_integers((SEED_WORDS,), 0, 2**31 - 1)
    return SparseMultinomial()(n, p, seed)
