"""The names of `theano.sandbox.rng_mrg`: random numbers of many streams."""

from __future__ import annotations

from symnet.kernels.routines import M1, M2
from symnet.ops.random.mrg import MRGUniform as mrg_uniform
from symnet.ops.random.mrg import (
    ff_2p72,
    ff_2p134,
    guess_n_streams,
    jump,
    matVecModM,
    multMatVect,
)
from symnet.ops.random.mrg_streams import MRG_RandomStreams

# The jumps between streams and between draws.
(A1p72, A2p72), (A1p134, A2p134) = jump(72), jump(134)

__all__ = [
    "A1p134", "A1p72", "A2p134", "A2p72", "M1", "M2", "MRG_RandomStreams", "ff_2p134",
    "ff_2p72", "guess_n_streams", "matVecModM", "mrg_uniform", "multMatVect",
]  # fmt: skip
