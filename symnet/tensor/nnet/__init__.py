"""The names of `theano.tensor.nnet`."""

from symnet.ops.classification import *  # noqa: F403
from symnet.ops.functions import sigmoid, softplus
from symnet.ops.nnet import *  # noqa: F403
from symnet.ops.normalization import *  # noqa: F403
