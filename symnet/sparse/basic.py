"""The names of `theano.sparse.basic`."""

from __future__ import annotations

from symnet.sparse import *  # noqa: F403
from symnet.sparse import __all__ as __all__
