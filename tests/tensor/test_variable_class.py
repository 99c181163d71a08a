"""Theano's class of symbolic tensors."""

from __future__ import annotations

import numpy as np

import symnet
import symnet.tensor as T


class Random(T.TensorVariable):
    """A variable with a name for its law, as programs of statistics derive it."""

    def __init__(self, type, law):
        super().__init__(type, None, None, None)
        self.law = law


def test_what_is_of_the_class():
    x = T.vector("x")
    of_it = [x, x + 1, Random(x.type, "normal"), T.TensorVariable(x.type, name="y")]
    others = [
        T.constant(1.0),
        symnet.shared(1.0),
        3.0,
        np.ones(2),
        symnet.sparse.csr_matrix(),
    ]
    assert all(isinstance(v, T.TensorVariable) for v in of_it)
    assert not any(isinstance(v, T.TensorVariable) for v in others)


def test_a_class_of_a_program_s_own():
    x = T.vector("x")
    r = Random(x.type, "normal")
    assert isinstance(r, Random) and not isinstance(x, Random) and r.law == "normal"
    cost = (r**2 * x).sum()
    f = symnet.function([r, x], [cost, symnet.grad(cost, r)])
    value, slope = f([1.0, 2.0], [3.0, 4.0])
    assert value == 19.0
    np.testing.assert_array_equal(slope, [6.0, 16.0])
    copy = symnet.clone(cost, share_inputs=False)
    assert r not in symnet.gof.graph.inputs([copy])
    replaced = symnet.clone(cost, replace={r: x})
    assert replaced.eval({x: [1.0, 2.0]}) == 9.0
