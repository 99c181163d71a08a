"""The names of `theano.tensor.nnet.neighbours`."""

from __future__ import annotations

from symnet.ops.nnet.neighbourhoods import Images2Neibs, images2neibs, neibs2images

__all__ = ["Images2Neibs", "images2neibs", "neibs2images"]
