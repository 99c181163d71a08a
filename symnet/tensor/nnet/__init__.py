"""The names of `theano.tensor.nnet`."""

from __future__ import annotations

from symnet.tensor.nnet import bn, nnet, sigm
from symnet.tensor.nnet.bn import *  # noqa: F403
from symnet.tensor.nnet.nnet import *  # noqa: F403
from symnet.tensor.nnet.sigm import *  # noqa: F403

__all__ = ["bn", "nnet", "sigm"]
__all__ += bn.__all__
__all__ += nnet.__all__
__all__ += sigm.__all__
