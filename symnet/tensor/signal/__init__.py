"""The names of `theano.tensor.signal`."""
