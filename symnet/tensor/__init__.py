"""The names of `theano.tensor`: what is defined in `symnet.ops`, in one place."""

from symnet.gradient import (
    Lop,
    Rop,
    consider_constant,
    disconnected_grad,
    grad,
    grad_not_implemented,
    grad_undefined,
    hessian,
    jacobian,
    numeric_grad,
    verify_grad,
    zero_grad,
)  # fmt: skip
from symnet.graph.types import TensorType
from symnet.graph.variables import Constant as TensorConstant
from symnet.graph.variables import Variable as TensorVariable
from symnet.ops import operators as _operators  # noqa: F401  gives variables +, -, ...
from symnet.ops.alloc import *  # noqa: F403
from symnet.ops.arithmetic import *  # noqa: F403
from symnet.ops.base import as_tensor as as_tensor_variable
from symnet.ops.base import constant
from symnet.ops.creation import *  # noqa: F403
from symnet.ops.cumulative import *  # noqa: F403
from symnet.ops.diagonal import *  # noqa: F403
from symnet.ops.elementwise import cast
from symnet.ops.functions import *  # noqa: F403
from symnet.ops.indexing import *  # noqa: F403
from symnet.ops.inputs import CONSTRUCTORS as _constructors
from symnet.ops.joining import *  # noqa: F403
from symnet.ops.linalg import *  # noqa: F403
from symnet.ops.rearrange import *  # noqa: F403
from symnet.ops.reduce import *  # noqa: F403
from symnet.ops.shape import *  # noqa: F403
from symnet.ops.sorting import *  # noqa: F403
from symnet.tensor import nlinalg, nnet, slinalg

globals().update(_constructors)
