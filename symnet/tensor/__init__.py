"""The names of `theano.tensor`: what is defined in `symnet.ops`, in one place.

`from symnet.tensor import *` hides the builtins that it hides in Theano: abs is `abs_`,
but all, any, max, min, pow, round and sum are those of arrays.
"""

# ruff: noqa: I001  (tables of names, several a line)
from __future__ import annotations

import typing as _typing

from symnet.lazy import lazy_names as _lazy_names
from symnet.ops import operators as _operators  # noqa: F401  gives variables +, -, ...
from symnet.ops.arithmetic import divmod as divmod
from symnet.ops.complex_parts import complex as complex

# Once more, for mypy does not see them in basic.__all__.
from symnet.ops.functions import *  # noqa: F403
from symnet.ops.special import *  # noqa: F403
from symnet.ops.inputs import *  # noqa: F403
from symnet.ops.reduce import *  # noqa: F403
from symnet.ops.statistics import *  # noqa: F403
from symnet.ops.ifelse.conditional import ifelse
from symnet import scalar as scal
from symnet.shared import shared
from symnet.shared import shared as _shared  # noqa: F401  programs say T._shared
from symnet.tensor import (
    array_api, basic, elemwise, extra_ops, sharedvar, subtensor,
)  # fmt: skip
from symnet.tensor import numpy_calls as _numpy_calls  # noqa: F401  np.exp(x)
from symnet.tensor.basic import *  # noqa: F403
from symnet.tensor.array_api import *  # noqa: F403
from symnet.tensor.elemwise import *  # noqa: F403
from symnet.tensor.extra_ops import *  # noqa: F403
from symnet.tensor.sort import argsort, argtopk, sort, topk, topk_and_argtopk
from symnet.tensor.subtensor import *  # noqa: F403

if _typing.TYPE_CHECKING:
    from symnet.printing.plain_text import min_informative_str
    from symnet.tensor import (
        fft as fft, inplace as inplace, nlinalg as nlinalg, nnet as nnet, opt as opt,
        raw_random as raw_random, shared_randomstreams as shared_randomstreams,
        signal as signal, slinalg as slinalg, xlogx as xlogx,
    )  # fmt: skip
else:
    __getattr__, __dir__ = _lazy_names(
        "symnet.tensor", "fft", "inplace", "nlinalg", "nnet", "opt",
        "raw_random", "shared_randomstreams", "signal", "slinalg", "xlogx",
        min_informative_str="symnet.printing.plain_text",
    )  # fmt: skip

__all__ = [
    "argsort", "argtopk", "array_api", "basic", "elemwise", "extra_ops", "fft", "ifelse", "inplace",
    "min_informative_str", "nlinalg", "nnet", "opt", "scal",
    "raw_random", "shared", "shared_randomstreams", "sharedvar", "signal", "slinalg",
    "sort", "subtensor", "topk", "topk_and_argtopk", "xlogx",
]  # fmt: skip
__all__ += array_api.__all__
__all__ += basic.__all__
__all__ += elemwise.__all__
__all__ += extra_ops.__all__
__all__ += subtensor.__all__
