"""Programs with random streams as they are written for Theano."""

from __future__ import annotations

import pathlib

import pytest

from tests.theano_programs import run_program

RBM = """
import numpy
import theano
import theano.tensor as T
from theano.sandbox.rng_mrg import MRG_RandomStreams
from theano.tensor.shared_randomstreams import RandomStreams

floatX = theano.config.floatX
numpy_rng = numpy.random.RandomState(1234)
for streams in (MRG_RandomStreams(7, use_cuda=False),
                RandomStreams(numpy_rng.randint(2 ** 30))):
    W = theano.shared(numpy.asarray(numpy_rng.uniform(-0.1, 0.1, (12, 8)), dtype=floatX),
                      name='W', borrow=True)
    vbias = theano.shared(numpy.zeros(12, dtype=floatX), name='vbias')
    hbias = theano.shared(numpy.zeros(8, dtype=floatX), name='hbias')
    x = T.matrix('x')

    def sample(mean):
        return streams.binomial(size=mean.shape, n=1, p=mean, dtype=floatX)

    def gibbs_vhv(v):
        h = sample(T.nnet.sigmoid(T.dot(v, W) + hbias))
        return sample(T.nnet.sigmoid(T.dot(h, W.T) + vbias))

    def free_energy(v):
        hidden = T.log(1 + T.exp(T.dot(v, W) + hbias)).sum(axis=1)
        return -T.dot(v, vbias) - hidden

    chain, updates = theano.scan(gibbs_vhv, outputs_info=[x], n_steps=5)
    end = chain[-1]
    cost = T.mean(free_energy(x)) - T.mean(free_energy(end))
    for p in (W, hbias, vbias):
        updates[p] = p - 0.1 * T.grad(cost, p, consider_constant=[end])
    train = theano.function([x], end, updates=updates)
    data = numpy.tile([1, 0, 0], (30, 4)).astype(floatX)
    ends = [train(data) for _ in range(60)]
    assert set(numpy.unique(ends[0])) <= {0, 1}
    assert (ends[0] != ends[1]).any()
    assert abs(ends[-1] - data).mean() < 0.2 < abs(ends[0] - data).mean()
print('done')
"""

DROPOUT = """
import numpy
import theano
from theano import tensor as T
from theano.sandbox import rng_mrg
from theano.tensor import shared_randomstreams

srng = shared_randomstreams.RandomStreams(seed=234)
rv_u = srng.uniform((2, 2))
rv_n = srng.normal((2, 2))
f = theano.function([], rv_u)
g = theano.function([], rv_n, no_default_updates=True)
nearly_zeros = theano.function([], rv_u + rv_u - 2 * rv_u)
assert (f() != f()).any() and (g() == g()).all()
assert abs(nearly_zeros()).max() < 1e-12
state = rv_u.rng.get_value().get_state()
first = f()
rng = rv_u.rng.get_value(borrow=True)
rng.set_state(state)
rv_u.rng.set_value(rng, borrow=True)
assert (f() == first).all()
srng.seed(902340)
seeds = numpy.random.RandomState(902340)
expected = numpy.random.RandomState(int(seeds.randint(2 ** 30))).uniform(size=(2, 2))
assert (f() == expected).all()

mrg = rng_mrg.MRG_RandomStreams(seed=1)
x = T.matrix('x')
mask = mrg.binomial(n=1, p=0.5, size=x.shape, dtype=theano.config.floatX)
noise = mrg.normal(size=x.shape, avg=0.0, std=0.1)
out = theano.function([x], [x * mask, x + noise])
kept, noisy = out(numpy.ones((200, 50), dtype=theano.config.floatX))
assert abs(kept.mean() - 0.5) < 0.03 and abs(noisy.std() - 0.1) < 0.01
state = theano.tensor.raw_random.random_state_type()
after, drawn = theano.tensor.raw_random.normal(state, (3,))
h = theano.function([theano.In(state, value=numpy.random.RandomState(5), update=after,
                               mutable=True)], drawn)
want = numpy.random.RandomState(5)
assert numpy.allclose(h(), want.normal(size=3)) and numpy.allclose(h(), want.normal(size=3))
print('done')
"""


@pytest.mark.parametrize("flags", ["floatX=float64", "floatX=float32"])
@pytest.mark.parametrize("text", [RBM, DROPOUT], ids=["rbm", "dropout"])
def test_a_program_runs_as_it_stands(
    tmp_path: pathlib.Path, text: str, flags: str
) -> None:
    if text is DROPOUT and "float32" in flags:
        text = text.replace("== expected", "== expected.astype('float32')")
        text = text.replace("< 1e-12", "< 1e-5")
    assert "done" in run_program(tmp_path, text, flags)
