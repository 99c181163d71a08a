"""The names of `theano.tensor.nnet`."""

from symnet.ops.functions import sigmoid, softplus
from symnet.ops.nnet import *  # noqa: F403
