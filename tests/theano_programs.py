"""Programs as they were written for Theano, and how a test runs them: each in a process of
its own, after `install_as_theano()`."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent


START = (
    "import runpy, sys; import symnet; symnet.install_as_theano(); "
    "runpy.run_path(sys.argv[1], run_name='__main__')"
)


def run_program(folder: pathlib.Path, text: str, flags: str = "") -> str:
    """What a program prints, run as a file by its own interpreter."""
    path = folder / "program.py"
    path.write_text(text, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "THEANO_FLAGS": flags}
    done = subprocess.run(
        [sys.executable, "-c", START, str(path)],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


LOGISTIC = """
import numpy
import theano
import theano.tensor as T


class LogisticRegression(object):
    def __init__(self, input, n_in, n_out):
        self.W = theano.shared(
            value=numpy.zeros((n_in, n_out), dtype=theano.config.floatX),
            name='W', borrow=True)
        self.b = theano.shared(
            value=numpy.zeros((n_out,), dtype=theano.config.floatX), name='b', borrow=True)
        self.p_y_given_x = T.nnet.softmax(T.dot(input, self.W) + self.b)
        self.y_pred = T.argmax(self.p_y_given_x, axis=1)
        self.params = [self.W, self.b]
        self.input = input

    def negative_log_likelihood(self, y):
        return -T.mean(T.log(self.p_y_given_x)[T.arange(y.shape[0]), y])

    def errors(self, y):
        if y.ndim != self.y_pred.ndim:
            raise TypeError('y should have the same shape as self.y_pred',
                            ('y', y.type, 'y_pred', self.y_pred.type))
        if y.dtype.startswith('int'):
            return T.mean(T.neq(self.y_pred, y))
        raise NotImplementedError()


def shared_dataset(data_x, data_y, borrow=True):
    shared_x = theano.shared(numpy.asarray(data_x, dtype=theano.config.floatX), borrow=borrow)
    shared_y = theano.shared(numpy.asarray(data_y, dtype=theano.config.floatX), borrow=borrow)
    return shared_x, T.cast(shared_y, 'int32')


rng = numpy.random.RandomState(3)
data = rng.randn(600, 8)
labels = numpy.argmax(data[:, :3] + .1 * rng.randn(600, 3), axis=1)
train_set_x, train_set_y = shared_dataset(data, labels)
batch_size, learning_rate = 60, 0.5
n_train_batches = train_set_x.get_value(borrow=True).shape[0] // batch_size

index = T.lscalar()
x = T.matrix('x')
y = T.ivector('y')
classifier = LogisticRegression(input=x, n_in=8, n_out=3)
cost = classifier.negative_log_likelihood(y)
batch = {
    x: train_set_x[index * batch_size: (index + 1) * batch_size],
    y: train_set_y[index * batch_size: (index + 1) * batch_size],
}
test_model = theano.function(inputs=[index], outputs=classifier.errors(y), givens=batch)
g_W = T.grad(cost=cost, wrt=classifier.W)
g_b = T.grad(cost=cost, wrt=classifier.b)
updates = [(classifier.W, classifier.W - learning_rate * g_W),
           (classifier.b, classifier.b - learning_rate * g_b)]
train_model = theano.function(inputs=[index], outputs=cost, updates=updates, givens=batch)

W, b = numpy.zeros((8, 3)), numpy.zeros(3)
for epoch in range(5):
    for minibatch in range(n_train_batches):
        part = slice(minibatch * batch_size, (minibatch + 1) * batch_size)
        e = numpy.exp(data[part].dot(W) + b)
        p = e / e.sum(axis=1, keepdims=True)
        loss = -numpy.log(p[numpy.arange(batch_size), labels[part]]).mean()
        p[numpy.arange(batch_size), labels[part]] -= 1
        W, b = W - learning_rate * data[part].T.dot(p) / batch_size, b - (
            learning_rate * p.mean(axis=0))
        numpy.testing.assert_allclose(train_model(minibatch), loss, rtol=1e-9)
numpy.testing.assert_allclose(classifier.W.get_value(), W, rtol=1e-8)
numpy.testing.assert_allclose(classifier.b.eval(), b, rtol=1e-8, atol=1e-12)
score = numpy.mean([test_model(i) for i in range(n_train_batches)])
predict = theano.function(inputs=[classifier.input], outputs=classifier.y_pred)
assert score == numpy.mean(predict(data) != labels) and score < .08
print('done', theano.__version__)
"""


MLP = """
from __future__ import print_function
import numpy as np
import theano
from theano import tensor as T
from theano.compat.python2x import OrderedDict

floatX = theano.config.floatX
assert floatX == 'float32'


class HiddenLayer(object):
    def __init__(self, rng, input, n_in, n_out, activation=T.tanh):
        bound = np.sqrt(6. / (n_in + n_out))
        W_values = np.asarray(rng.uniform(-bound, bound, (n_in, n_out)), dtype=floatX)
        if activation == theano.tensor.nnet.sigmoid:
            W_values *= 4
        self.W = theano.shared(value=W_values, name='W', borrow=True)
        self.b = theano.shared(np.zeros((n_out,), dtype=floatX), name='b', borrow=True)
        lin_output = T.dot(input, self.W) + self.b
        self.output = lin_output if activation is None else activation(lin_output)
        self.params = [self.W, self.b]


def momentum(cost, params, learning_rate, mu):
    updates = OrderedDict()
    for param, g in zip(params, T.grad(cost, params)):
        velocity = theano.shared(np.zeros_like(param.get_value()),
                                 broadcastable=param.broadcastable)
        step = T.cast(mu, floatX) * velocity - T.cast(learning_rate, floatX) * g
        updates[velocity] = step
        updates[param] = param + step
    return updates


rng = np.random.RandomState(1)
x, y, rate = T.fmatrix('x'), T.lvector('y'), T.scalar('rate')
hidden = HiddenLayer(rng, x, 6, 12)
top = HiddenLayer(rng, hidden.output, 12, 3, activation=None)
params = hidden.params + top.params
p_y = T.nnet.softmax(top.output)
L1 = abs(hidden.W).sum() + abs(top.W).sum()
L2_sqr = (hidden.W ** 2).sum() + (top.W ** 2).sum()
cost = T.nnet.categorical_crossentropy(p_y, y).mean() + 0.0001 * L1 + 0.001 * L2_sqr
assert cost.dtype == floatX
updates = momentum(cost, params, rate, .9)
train = theano.function([x, y, theano.In(rate, value=.1)], [cost, T.mean(T.eq(p_y.argmax(1), y))],
                        updates=updates, allow_input_downcast=True, name='train')
start = [p.get_value() for p in params]
data = rng.randn(200, 6)
labels = (data[:, 0] * data[:, 1] > 0).astype('int64') + (data[:, 2] > 1)

# The same in NumPy, in double precision.
W1, b1, W2, b2 = values = [v.astype('float64') for v in start]
speeds = [0 * v for v in values]
costs = []
for step in range(40):
    h = np.tanh(data.dot(W1) + b1)
    e = np.exp(h.dot(W2) + b2)
    p = e / e.sum(1, keepdims=True)
    nll = -np.log(p[np.arange(200), labels]).mean()
    costs.append(nll + .0001 * (abs(W1).sum() + abs(W2).sum())
                 + .001 * ((W1 ** 2).sum() + (W2 ** 2).sum()))
    p[np.arange(200), labels] -= 1
    d2 = p / 200
    d1 = d2.dot(W2.T) * (1 - h ** 2)
    grads = [data.T.dot(d1) + .0001 * np.sign(W1) + .002 * W1, d1.sum(0),
             h.T.dot(d2) + .0001 * np.sign(W2) + .002 * W2, d2.sum(0)]
    speeds = [.9 * v - .1 * g for v, g in zip(speeds, grads)]
    W1, b1, W2, b2 = values = [v + s for v, s in zip(values, speeds)]
    c, accuracy = train(data, labels)
    assert c.dtype == floatX
    np.testing.assert_allclose(c, costs[-1], rtol=2e-4)
for p, v in zip(params, values):
    np.testing.assert_allclose(p.get_value(), v, rtol=5e-3, atol=5e-4)
train(data, labels, 0.01)
train(data, labels, rate=0.01)
assert costs[-1] < .7 * costs[0]
print('done', train.maker.fgraph.toposort()[0] is not None)
"""


AUTOENCODER = """
import sys
import numpy
import theano
import theano.tensor as T
try:
    from theano.tensor.shared_randomstreams import RandomStreams
except ImportError:
    RandomStreams = None


class dA(object):
    def __init__(self, numpy_rng, input=None, n_visible=20, n_hidden=10,
                 W=None, bhid=None, bvis=None):
        if not W:
            initial_W = numpy.asarray(
                numpy_rng.uniform(low=-4 * numpy.sqrt(6. / (n_hidden + n_visible)),
                                  high=4 * numpy.sqrt(6. / (n_hidden + n_visible)),
                                  size=(n_visible, n_hidden)),
                dtype=theano.config.floatX)
            W = theano.shared(value=initial_W, name='W', borrow=True)
        if not bvis:
            bvis = theano.shared(numpy.zeros(n_visible, dtype=theano.config.floatX))
        if not bhid:
            bhid = theano.shared(numpy.zeros(n_hidden, dtype=theano.config.floatX), name='b')
        self.W, self.b, self.b_prime = W, bhid, bvis
        self.W_prime = self.W.T
        self.x = T.dmatrix(name='input') if input is None else input
        self.params = [self.W, self.b, self.b_prime]

    def get_hidden_values(self, input):
        return T.nnet.sigmoid(T.dot(input, self.W) + self.b)

    def get_cost_updates(self, mask, learning_rate):
        y = self.get_hidden_values(self.x * mask)
        z = T.nnet.sigmoid(T.dot(y, self.W_prime) + self.b_prime)
        L = - T.sum(self.x * T.log(z) + (1 - self.x) * T.log(1 - z), axis=1)
        cost = T.mean(L)
        gparams = T.grad(cost, self.params)
        return (cost, [(p, p - learning_rate * g) for p, g in zip(self.params, gparams)])


rng = numpy.random.RandomState(123)
patterns = rng.randint(0, 2, (4, 20))
data = patterns[rng.randint(0, 4, 100)].astype(theano.config.floatX)
train_set = theano.shared(data, borrow=True)
mask_value = (rng.uniform(size=(20, 20)) > .3).astype(theano.config.floatX)
index, x, mask = T.lscalar(), T.matrix('x'), T.matrix('mask')
da = dA(rng, x)
W = da.W.get_value()
cost, updates = da.get_cost_updates(mask, .1)
train = theano.function([index, mask], cost, updates=updates,
                        givens={x: train_set[index * 20:(index + 1) * 20]})

sigmoid = lambda v: 1 / (1 + numpy.exp(-v))
b, c = numpy.zeros(10), numpy.zeros(20)
for epoch in range(6):
    for i in range(5):
        v = data[i * 20:(i + 1) * 20]
        y = sigmoid((v * mask_value).dot(W) + b)
        z = sigmoid(y.dot(W.T) + c)
        loss = -(v * numpy.log(z) + (1 - v) * numpy.log(1 - z)).sum(1).mean()
        dz = (z - v) / 20
        dy = dz.dot(W) * y * (1 - y)
        W, b, c = (W - .1 * ((v * mask_value).T.dot(dy) + dz.T.dot(y)),
                   b - .1 * dy.sum(0), c - .1 * dz.sum(0))
        numpy.testing.assert_allclose(train(i, mask_value), loss, rtol=1e-7)
numpy.testing.assert_allclose(da.W.get_value(), W, rtol=1e-6, atol=1e-9)
# log(sigmoid) stays finite where the sigmoid is 0 or 1
far = theano.function([x], T.log(1 - T.nnet.sigmoid(x)))
assert numpy.isfinite(far(numpy.full((2, 2), 800.))).all()
print('done')
"""


EMBEDDING = """
import numpy as np
import theano
import theano.tensor as T
from theano.tensor.sharedvar import TensorSharedVariable
from theano.gradient import disconnected_grad, grad_clip


def as_floatX(variable):
    if isinstance(variable, float):
        return np.asarray(variable, dtype=theano.config.floatX)
    if isinstance(variable, np.ndarray):
        return np.asarray(variable, dtype=theano.config.floatX)
    return T.cast(variable, theano.config.floatX)


def ada_updates(params, cost, rho=.95, epsilon=1e-6, norm_lim=9):
    updates = []
    for param in params:
        gp = T.grad(cost, param)
        seen = theano.shared(as_floatX(np.zeros_like(param.get_value())))
        done = theano.shared(as_floatX(np.zeros_like(param.get_value())))
        up_seen = rho * seen + (1 - rho) * T.sqr(gp)
        step = -(T.sqrt(done + epsilon) / T.sqrt(up_seen + epsilon)) * gp
        updates.append((seen, up_seen))
        updates.append((done, rho * done + (1 - rho) * T.sqr(step)))
        stepped = param + step
        if param.get_value(borrow=True).ndim == 2 and param.name != 'Words':
            norms = T.sqrt(T.sum(T.sqr(stepped), axis=0))
            wanted = T.clip(norms, 0, T.sqrt(norm_lim))
            stepped = stepped * (wanted / (1e-7 + norms))
        updates.append((param, stepped))
    return updates


rng = np.random.RandomState(0)
Words = theano.shared(as_floatX(rng.randn(30, 4)), name='Words')
assert isinstance(Words, TensorSharedVariable)
U = theano.shared(as_floatX(rng.randn(20, 2)), name='U')
x, y = T.matrix('x'), T.ivector('y')
embedded = Words[T.cast(x.flatten(), dtype='int32')].reshape((x.shape[0], 1, x.shape[1], 4))
layer = T.maximum(0., embedded).flatten(2)
p = T.nnet.softmax(T.dot(layer, U))
cost = -T.mean(T.log(p)[T.arange(y.shape[0]), y])
train = theano.function([x, y], cost, updates=ada_updates([U, Words], cost),
                        allow_input_downcast=True)
zero_vec_tensor = T.vector()
set_zero = theano.function(
    [zero_vec_tensor],
    updates=[(Words, T.set_subtensor(Words[0, :], zero_vec_tensor))])

sentences = rng.randint(0, 30, (50, 5))
targets = (sentences.sum(1) > 70).astype('int32')
losses = []
for epoch in range(200):
    losses.append(float(train(sentences, targets)))
    assert set_zero(np.zeros(4)) == []
    assert (Words.get_value()[0] == 0).all()
assert losses[-1] < .6 * losses[0], losses
w = Words.get_value()[sentences.ravel()].reshape(50, 20)
e = np.exp(np.maximum(w, 0).dot(U.get_value()))
want = -np.log((e / e.sum(1, keepdims=True))[np.arange(50), targets]).mean()
np.testing.assert_allclose(theano.function([x, y], cost)(sentences, targets), want, rtol=1e-6)
clipped = T.grad(grad_clip(x, -1, 1).sum() * 5 + disconnected_grad(x).sum(), x)
np.testing.assert_array_equal(clipped.eval({x: np.zeros((2, 2))}), np.ones((2, 2)))
print('done')
"""


OWN_OP = """
import numpy
import theano
from theano import gof, tensor
from theano.gof import Apply, Op
from theano.gof.graph import ancestors, inputs as graph_inputs
from theano.tests import unittest_tools
import theano.tensor.nnet.nnet, theano.tensor.basic as basic
import theano.tensor.nlinalg, theano.tensor.slinalg as slinalg


class DoubleOp(theano.Op):
    __props__ = ()

    def make_node(self, x):
        x = tensor.as_tensor_variable(x)
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = inputs[0] * 2

    def infer_shape(self, node, i0_shapes):
        return i0_shapes

    def grad(self, inputs, output_grads):
        return [output_grads[0] * 2]


x = tensor.matrix('x')
doubled = DoubleOp()(x)
f = theano.function([x], [doubled, theano.grad((doubled ** 2).sum(), x)])
value = numpy.random.RandomState(2).rand(3, 4)
twice, slope = f(value)
numpy.testing.assert_allclose(twice, 2 * value)
numpy.testing.assert_allclose(slope, 8 * value)
unittest_tools.verify_grad(DoubleOp(), [value])
tensor.verify_grad(DoubleOp(), [value], rng=numpy.random)
assert graph_inputs([doubled]) == [x] and doubled.owner.inputs[0] is x
assert isinstance(doubled.owner.op, Op) and doubled in ancestors([doubled])
assert isinstance(x, theano.Variable) and isinstance(x, tensor.TensorVariable)
from theano import theano as itself
assert itself is theano
assert x.type == tensor.TensorType(theano.config.floatX, (False, False))
y = theano.clone(doubled + 1, replace={x: x * 3})
numpy.testing.assert_allclose(y.eval({x: value}), 6 * value + 1)


@theano.configparser.change_flags(floatX='float32')
def small():
    return tensor.matrix().dtype


assert small() == 'float32' and theano.config.floatX == 'float64'
with theano.change_flags([('exception_verbosity', 'high')], compute_test_value='off'):
    assert theano.config.exception_verbosity == 'high'
theano.config.optimizer = 'fast_compile'
theano.config.warn.round = False
assert theano.config.device in ('cpu', 'reference', 'emulated')
assert not theano.sandbox.cuda.cuda_enabled
assert theano.scalar.upcast('int8', 'float32') == 'float32'
assert theano._asarray([1], dtype='floatX').dtype == 'float64'
theano.printing.debugprint(doubled)
spd = tensor.matrix()
numpy.testing.assert_allclose(
    theano.tensor.nlinalg.det(slinalg.cholesky(spd)).eval({spd: 4 * numpy.eye(3)}), 8)
from theano.tensor import *
assert pow is theano.tensor.pow and sum is theano.tensor.sum
assert abs(-1) == 1 and divmod(7, 2) == (3, 1)
assert dmatrix('m').dtype == 'float64' and sqr(3).eval() == 9
print('done')
"""


# How frameworks on Theano walk through a graph: into the steps of loops, by the classes of
# operations and of what they do to an element, with notes on the variables that they meet.
FRAMEWORK = """
import numpy
import theano
from theano import tensor
from theano.gof import graph
from theano.scan_module.scan_op import Scan
from theano.tensor.elemwise import Elemwise
from theano.tensor.shared_randomstreams import RandomStateSharedVariable
from theano.tensor.sharedvar import SharedVariable

w = theano.shared(numpy.eye(3), 'w')
w._framework_shape = (3, 3)
x = tensor.matrix('x')


def step(row, state):
    new = tensor.tanh(tensor.dot(state, w) + row)
    new.tag.annotations = ['state']
    return new


states, updates = theano.scan(step, sequences=x, outputs_info=tensor.zeros(3))
total = tensor.as_tensor(states).sum()


def found(outputs):
    inputs = graph.inputs(outputs)
    nodes = graph.io_toposort(inputs, outputs)
    yield from (v for node in nodes for v in [*node.inputs, *node.outputs])
    for node in nodes:
        if isinstance(node.op, Scan):
            assert len(node.op.inputs) >= 2
            yield from found(node.op.outputs)


seen = list(found([total]))
tanhs = [v for v in seen if v.owner and isinstance(v.owner.op, Elemwise)
         and isinstance(v.owner.op.scalar_op, theano.scalar.basic.Tanh)]
assert tanhs, seen
assert [v for v in seen if getattr(v.tag, 'annotations', None) == ['state']], seen
assert [v for v in seen if isinstance(v, SharedVariable)] and w._framework_shape == (3, 3)
value = numpy.arange(6.0).reshape(2, 3) / 10
h = numpy.zeros(3)
wanted = 0
for row in value:
    h = numpy.tanh(h + row)
    wanted += h.sum()
numpy.testing.assert_allclose(theano.function([x], total)(value), wanted)
print('done')
"""
