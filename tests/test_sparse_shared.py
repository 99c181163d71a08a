"""Shared variables that hold sparse matrices, and functions that take and give such."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import symnet
import symnet.sparse as sparse
import symnet.tensor as T
from tests.ops.sparse.matrices import FORMATS, MODES, agree, matrix


@pytest.mark.parametrize("format", FORMATS)
def test_values_are_copied_unless_they_are_borrowed(format: str) -> None:
    value = matrix(format)
    x = symnet.shared(value, "x")
    assert isinstance(x, sparse.SparseSharedVariable) and x.format == format
    assert (x.name, x.dtype, x.type) == (
        "x",
        "float64",
        sparse.SparseType(format, "float64"),
    )
    value.data[:] = 0
    agree(x.get_value(), matrix(format), x.type)
    x.get_value().data[:] = 5
    agree(x.get_value(), matrix(format))
    x.get_value(borrow=True).data[:] = 5
    assert (x.get_value().data == 5).all()
    own = sparse.shared(value, borrow=True)
    assert np.shares_memory(own.get_value(borrow=True).data, value.data)


def test_values_are_replaced() -> None:
    x = sparse.shared(matrix("csr"))
    other = matrix("csc", (3, 2), 0.9)
    x.set_value(other)
    agree(x.get_value(), other, x.type)
    with pytest.raises(TypeError, match="dense array"):
        x.set_value(np.eye(3))
    with pytest.raises(TypeError, match="lose precision"):
        x.set_value(matrix("csr", dtype="complex64"))
    agree(x.get_value(), other)
    x.zero()
    agree(x.get_value(), other * 0)


def test_formats_of_shared_values() -> None:
    value = matrix("csr")
    agree(
        sparse.shared(value.tocoo(), format="csc").get_value(),
        value,
        sparse.csc_dmatrix,
    )
    agree(
        symnet.shared(scipy.sparse.csr_array(value)).get_value(),
        value,
        sparse.csr_dmatrix,
    )
    with pytest.raises(TypeError, match="say which: format='csr'"):
        symnet.shared(value.tocoo())
    with pytest.raises(TypeError, match="expected a sparse matrix"):
        sparse.shared(np.eye(2))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("format", FORMATS)
def test_updates(format: str, mode: str) -> None:
    """The number of entries changes, and what was read is the old value."""
    value, other = matrix(format), matrix(format, seed=5)
    x, y = symnet.shared(value), sparse.matrix(format)
    f = symnet.function([y], [sparse.sp_sum(x), x], updates={x: x + 2 * y}, mode=mode)
    total, old = f(other)
    np.testing.assert_allclose(total, value.sum())
    agree(old, value)
    agree(x.get_value(), value + 2 * other)
    assert f.get_shared() == [x]
    with pytest.raises(ValueError):
        f(matrix(format, (3, 3)))
    agree(x.get_value(), value + 2 * other)


def test_what_a_sparse_variable_cannot_become() -> None:
    x = symnet.shared(matrix("csr"))
    for wrong in (
        T.dmatrix(),
        sparse.csc_matrix(),
        sparse.csr_matrix(dtype="float32"),
        np.eye(3),
    ):
        with pytest.raises(TypeError, match="(?s)updated with.*csr_from_dense"):
            symnet.function([], [], updates=[(x, wrong)])
    w = symnet.shared(np.eye(3))
    with pytest.raises(TypeError, match="(?s)updated with.*dense_from_sparse"):
        symnet.function([], [], updates=[(w, x)])


def test_givens_and_clones() -> None:
    v, x = sparse.csr_matrix("v"), symnet.shared(matrix("csr"))
    cost = sparse.sp_sum(v * 2)
    want = 2 * matrix("csr").sum()
    assert symnet.function([], cost, givens=[(v, x)])() == want
    assert symnet.function([], cost, givens={v: matrix("csr")})() == want
    y = sparse.csr_matrix()
    assert symnet.function([y], cost, givens={v: -y})(matrix("csr")) == -want
    assert symnet.clone(cost, {v: x}).eval() == want
    twin = x.clone()
    f = symnet.function([], sparse.sp_sum(x), updates=[(twin, twin * 2)])
    f()
    agree(x.get_value(), matrix("csr") * 2)
    with pytest.raises(ValueError, match="twice"):
        symnet.function([], [], updates=[(x, x * 2), (twin, twin * 3)])


def test_states_and_defaults() -> None:
    v = sparse.csr_matrix("v")
    f = symnet.function(
        [symnet.In(v, value=matrix("csr"), update=v * 2)], sparse.sp_sum(v)
    )
    assert f() * 2 == f() == 2 * matrix("csr").sum()
    agree(f["v"], matrix("csr") * 4)
    g = symnet.function([symnet.In(v, value=matrix("csr"))], sparse.sp_sum(v))
    assert g() == matrix("csr").sum() and g(matrix("csr") * 3) == 3 * g()


def test_forms_of_results() -> None:
    v, w = sparse.csr_matrix("v"), T.dscalar("w")
    value = matrix("csr")
    f = symnet.function([v, w], {"a": v * w, "b": w + 1, "c": v.T})
    found = f(value, w=2.0)
    agree(found["a"], value * 2, sparse.csr_dmatrix)
    agree(found["c"], value.T, sparse.csc_dmatrix)
    assert found["b"] == 3
    (only,) = symnet.function([v], [v])(v=value)
    agree(only, value)
    with pytest.raises(TypeError, match="argument 0 \\(v\\)"):
        f(np.eye(3), 1.0)
    with pytest.raises(TypeError, match="misses"):
        f(value)


def test_arguments_and_results_share_nothing() -> None:
    v = sparse.csr_matrix()
    value = matrix("csr")
    same, turned = symnet.function([v], [v, v.T])(value)
    for got in (same, turned):
        got.data[:] = 99
        got.indices[:] = 0
    agree(value, matrix("csr"))


def test_pickles() -> None:
    x, v = symnet.shared(matrix("csr"), "x"), sparse.csr_matrix("v")
    f = symnet.function([v], x + v, updates=[(x, x * 2)])
    g = pickle.loads(pickle.dumps(f))
    agree(g(matrix("csr")), 2 * matrix("csr"))
    agree(g(matrix("csr")), 3 * matrix("csr"))
    agree(x.get_value(), matrix("csr"))
    again = pickle.loads(pickle.dumps(x))
    agree(again.get_value(), matrix("csr"), x.type)
    assert again.name == "x"
    copy = f.copy(swap={x: again})
    copy(matrix("csr"))
    agree(again.get_value(), 2 * matrix("csr"))
    agree(x.get_value(), matrix("csr"))


def test_a_matrix_is_never_seen_half_changed() -> None:
    """Each value has as many entries as its first number says."""
    x = symnet.shared(scipy.sparse.csr_matrix(np.ones((1, 50))))
    wrong: list[Any] = []

    def look() -> None:
        for _ in range(200):
            value = x.get_value()
            if len(set(value.data)) != 1 or value.data[0] != value.nnz / 50:
                wrong.append(value)

    readers = [threading.Thread(target=look) for _ in range(2)]
    for one in readers:
        one.start()
    for k in range(200):
        size = k % 3 + 1
        x.set_value(scipy.sparse.csr_matrix(np.full((1, 50 * size), float(size))))
    for one in readers:
        one.join()
    assert not wrong


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("how", ["given", "found", "shared"])
def test_loops_with_a_sparse_invariant(how: str, mode: str) -> None:
    value = matrix("csr", (6, 6)) / 9
    start = np.random.default_rng(0).normal(size=(6, 2))
    x = symnet.shared(value) if how == "shared" else sparse.csr_matrix()
    h = T.dmatrix()
    if how == "given":
        step, others = (lambda state, m: T.tanh(sparse.dot(m, state))), [x]
    else:
        step, others = (lambda state: T.tanh(sparse.structured_dot(x, state))), []
    rows, _ = symnet.scan(step, outputs_info=h, non_sequences=others, n_steps=4)
    cost = rows[-1].sum()
    given = [] if how == "shared" else [x]
    f = symnet.function([*given, h], [rows, *symnet.grad(cost, [x, h])], mode=mode)
    found, of_x, of_h = f(*[value for _ in given], start)

    def run(data: Any, state: Any) -> Any:
        m = scipy.sparse.csr_matrix((data, value.indices, value.indptr), value.shape)
        states = [state]
        for _ in range(4):
            states.append(np.tanh(m @ states[-1]))
        return np.array(states[1:])

    np.testing.assert_allclose(found, run(value.data, start))
    for got, k, point in ((of_x.data, 0, value.data), (of_h, 1, start)):
        for at in np.ndindex(point.shape):
            ends = []
            for way in (1e-6, -1e-6):
                moved = [value.data.copy(), start.copy()]
                moved[k][at] += way
                ends.append(run(*moved)[-1].sum())
            np.testing.assert_allclose(
                got[at], (ends[0] - ends[1]) / 2e-6, rtol=1e-4, atol=1e-8
            )


def test_loops_refuse_sparse_sequences_and_states() -> None:
    x = sparse.csr_matrix()
    with pytest.raises(TypeError, match="sequence 0"):
        symnet.scan(lambda row: row, x)
    with pytest.raises(TypeError, match="initial state"):
        symnet.scan(lambda state: state, outputs_info=x, n_steps=2)
    with pytest.raises(TypeError, match="fn returns"):
        symnet.scan(lambda k: x * k, T.arange(3))


def test_operations_of_users_take_matrices() -> None:
    class Squares(symnet.Op):
        __props__ = ()

        def make_node(self, x: Any) -> Any:
            x = sparse.as_sparse_variable(x)
            return symnet.Apply(self, [x], [x.type()])

        def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
            outputs[0][0] = inputs[0].multiply(inputs[0]).tocsr()

        def grad(self, inputs: Any, gradients: Any) -> Any:
            return [2 * inputs[0] * gradients[0]]

    x, value = sparse.csr_matrix(), matrix("csr")
    made = Squares()(x)
    slope = symnet.grad(sparse.sp_sum(made), x)
    for mode in MODES:
        got, by_x = symnet.function([x], [made, slope], mode=mode)(value)
        agree(got, value.multiply(value))
        agree(by_x, 2 * value)


def test_samples_flow_along_while_a_graph_is_built() -> None:
    with symnet.config.change_flags(compute_test_value="raise"):
        x = sparse.csr_matrix()
        x.tag.test_value = matrix("csr")
        made = sparse.dot(x * 2, np.ones((7, 2)))
        np.testing.assert_allclose(
            made.tag.test_value, 2 * matrix("csr") @ np.ones((7, 2))
        )
        with pytest.raises(ValueError):
            sparse.dot(x, np.ones((6, 2)))


def test_pickles_and_copies_are_of_one_moment() -> None:
    """Another thread gives it other entries, at other places, all the time."""
    wide = scipy.sparse.csr_matrix(np.full((40, 60), 1.0))
    thin = scipy.sparse.csr_matrix(np.eye(40, 60) * 2.0)
    x = symnet.shared(wide)
    done = threading.Event()

    def change() -> None:
        while not done.is_set():
            x.set_value(thin)
            x.set_value(wide)

    thread = threading.Thread(target=change)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        for _ in range(60):
            for kept in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
                value = kept.get_value()
                assert (value != wide).nnz == 0 or (value != thin).nnz == 0
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(interval)


def test_variables_that_share_a_matrix_share_it_in_pickles() -> None:
    x = symnet.shared(scipy.sparse.csr_matrix(np.eye(3)), "x")
    first, second = pickle.loads(pickle.dumps((x, x.clone("y"))))
    assert (first.name, second.name) == ("x", "y")
    first.set_value(scipy.sparse.csr_matrix(np.eye(3) * 5))
    assert second.get_value()[1, 1] == 5 and x.get_value()[1, 1] == 1
