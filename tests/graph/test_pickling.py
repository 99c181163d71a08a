"""Graphs pickled and copied: values, sharing, depth."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse

import symnet
import symnet.tensor as T
from symnet import sparse
from symnet.graph.evaluate import evaluate
from symnet.graph.pickling import pack, unpack
from symnet.graph.traverse import leaves, toposort

TWICE = [lambda v: pickle.loads(pickle.dumps(v)), copy.deepcopy]


@pytest.fixture(params=TWICE, ids=["pickle", "deepcopy"])
def twice(request):
    return request.param


def test_a_graph_and_its_copy_compute_the_same(twice):
    x, w = T.dmatrix("x"), symnet.shared(np.arange(6.0).reshape(3, 2), "w")
    y = T.nnet.softmax(T.dot(x, w)).sum(axis=0)[::-1]
    again = twice(y)
    (leaf,) = [v for v in leaves([again]) if v.name == "x"]
    assert leaf is not x and again is not y and again.type == y.type
    value = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_array_equal(
        evaluate([again], {leaf: value})[0], evaluate([y], {x: value})[0]
    )


def test_leaves_pickled_together_stay_shared(twice):
    x = T.dvector("x")
    y, z, leaf = twice((x + 1, x * 2, x))
    assert leaves([y])[0] is leaf and leaf in leaves([z])


def test_one_shared_variable_stays_one(twice):
    s = symnet.shared(np.ones(2), "s")
    first, second = twice((s * 1, s))
    assert [v for v in leaves([first]) if v.name == "s"] == [second]
    second.set_value(np.zeros(2))
    assert s.get_value().sum() == 2  # it is another than the one that was pickled
    np.testing.assert_array_equal(first.eval(), [0, 0])


def test_names_constants_origins_and_notes_survive(twice):
    x = T.dvector("x")
    x.tag.note = "n"
    y = x + 2.0
    y.name = "y"
    again = twice(y)
    assert again.name == "y" and again.origin == y.origin
    left, right = again.owner.inputs
    assert left.name == "x" and left.tag.note == "n"
    assert right.data == 2.0 and right.weak == y.owner.inputs[1].weak
    assert not right.data.flags.writeable


def test_attributes_of_programs_stay_with_variables(twice):
    """Keras keeps its layers' shapes in attributes of the variables."""
    x = T.dvector("x")
    made = [x, x + 2.0, T.constant(3.0), symnet.shared(1.0)]
    for variable in made:
        variable._keras_shape = (None, 3)
        variable.learned_by = x
    for variable, again in zip(made, twice(made), strict=True):
        assert again is not variable
        assert again._keras_shape == (None, 3)
        assert again.learned_by.type == x.type and again.learned_by is not x
    assert not hasattr(x.clone(), "_keras_shape")


def test_variables_keep_their_class(twice):
    # Sparse matrices and lists have methods of their own.
    held = scipy.sparse.csr_matrix(np.diag([1.0, 2.0]))
    lists = symnet.typed_list.TypedListType(T.TensorType("float64", (None,)))()
    for v in [
        sparse.csr_matrix("x"),
        symnet.shared(held) * 2,
        (symnet.shared(held) * 2).T,
        lists,
        symnet.typed_list.append(lists, T.vector()),
    ]:
        assert type(twice(v)) is type(v)
        assert type(v.clone()) is type(v)
    doubled = twice((symnet.shared(held) * 2).T) * 2
    np.testing.assert_array_equal(doubled.eval().toarray(), held.toarray() * 4)


def test_outputs_of_one_operation_stay_together():
    x = T.dmatrix("x")
    values, vectors = (
        T.nlinalg.eigh(x) if hasattr(T, "nlinalg") else T.max_and_argmax(x)
    )
    a, b, c = unpack(pack([vectors, values, vectors]))
    assert a is c and a.owner is b.owner and (a.index, b.index) == (1, 0)


def test_leaves_stay_the_same_objects_in_packed_graphs():
    x, y = T.dvectors("x", "y")
    total = x + y
    made, leaf = unpack(pack([T.tanh(total), y]))
    assert leaf is y and set(leaves([made])) == {x, y}
    assert made.owner.op is T.tanh(total).owner.op


def test_deep_graphs_do_not_recurse(twice):
    x = T.dscalar("x")
    y = x
    for _ in range(20_000):
        y = T.tanh(y)
    assert len(toposort([twice(y)])) == 20_000


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol(protocol):
    x = T.fmatrix("x")
    y = pickle.loads(pickle.dumps(x.sum(axis=1), protocol))
    assert y.type == x.sum(axis=1).type
