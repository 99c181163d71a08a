"""Programs with loops as they were written for Theano, with nothing but `import theano`."""

from __future__ import annotations

from tests.theano_programs import run_program

RECURRENT = """
import numpy
import theano
import theano.tensor as T

rng = numpy.random.RandomState(7)
floatX = theano.config.floatX


class RNN(object):
    def __init__(self, n_in, n_hidden):
        scale = numpy.sqrt(1.0 / n_hidden)
        self.W = theano.shared(
            numpy.asarray(rng.uniform(-scale, scale, (n_hidden, n_hidden)), dtype=floatX), 'W')
        self.V = theano.shared(
            numpy.asarray(rng.uniform(-scale, scale, (n_in, n_hidden)), dtype=floatX), 'V')
        self.b = theano.shared(numpy.zeros(n_hidden, dtype=floatX), name='b', borrow=True)
        self.h0 = theano.shared(numpy.zeros(n_hidden, dtype=floatX), name='h0')
        self.out = theano.shared(
            numpy.asarray(rng.uniform(-scale, scale, n_hidden), dtype=floatX), 'out')
        self.params = [self.W, self.V, self.b, self.h0, self.out]

    def step(self, x_t, h_tm1):
        h_t = T.tanh(T.dot(x_t, self.V) + T.dot(h_tm1, self.W) + self.b)
        return h_t, T.dot(h_t, self.out)

    def __call__(self, x):
        [self.h, y], _ = theano.scan(
            self.step, sequences=x, outputs_info=[self.h0, None], truncate_gradient=-1)
        return y


x, target, rate = T.matrix('x'), T.vector('target'), T.scalar('rate')
model = RNN(2, 8)
cost = T.mean((model(x) - target) ** 2)
updates = [(p, p - rate * g) for p, g in zip(model.params, T.grad(cost, model.params))]
train = theano.function([x, target, rate], cost, updates=updates, allow_input_downcast=True)
data = rng.uniform(-1, 1, (30, 2))
wanted = numpy.r_[0, data[:-1, 0] - data[:-1, 1]]
costs = [float(train(data, wanted, 0.1)) for _ in range(200)]
print(costs[-1] < 0.2 * costs[0])
"""

CONDITIONS = """
import theano
import theano.tensor as T
from theano.ifelse import ifelse
from theano.scan_module import until
from theano.scan_module.scan_utils import until as also
from theano.updates import OrderedUpdates

assert until is also is theano.scan_module.until
a, b = T.scalars('a', 'b')
x = T.matrix('x')
lazy = ifelse(T.lt(a, b), T.mean(x), T.max(x))
f = theano.function([a, b, x], lazy, mode=theano.Mode(linker='vm'))
print(f(1, 2, [[1., 3.]]), f(2, 1, [[1., 3.]]))


def collatz(n, count):
    return [ifelse(T.eq(n % 2, 0), n // 2, 3 * n + 1), count + 1], {}, until(T.eq(n, 2))


start = T.lscalar('start')
values, updates = theano.scan(collatz, outputs_info=[start, T.constant(0)], n_steps=1000)
print(isinstance(updates, OrderedUpdates), dict(updates))
print(theano.function([start], [values[0], values[1][-1]], updates=updates)(6))
total, _ = theano.reduce(lambda v, s: v + s, T.arange(5), T.constant(0, dtype='int64'))
squares, _ = theano.map(lambda v: v ** 2, T.arange(5))
left, _ = theano.foldl(lambda v, s: 10 * s + v, T.arange(1, 4), T.constant(0, dtype='int64'))
right, _ = theano.foldr(lambda v, s: 10 * s + v, T.arange(1, 4), T.constant(0, dtype='int64'))
print([v.tolist() for v in theano.function([], [total, squares, left, right])()])
"""


def test_a_recurrent_network_learns(tmp_path):
    assert run_program(tmp_path, RECURRENT).split() == ["True"]


def test_conditions_and_folds(tmp_path):
    lines = run_program(tmp_path, CONDITIONS).splitlines()
    assert lines == [
        "2.0 3.0",
        "True {}",
        "[array([ 3, 10,  5, 16,  8,  4,  2,  1]), array(8)]",
        "[10, [0, 1, 4, 9, 16], 123, 321]",
    ]
