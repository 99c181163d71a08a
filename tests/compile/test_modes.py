"""Modes: by name, by Theano's arguments, by setting; what each rewrites and runs."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import function, grad, shared
from symnet.compile.debugmode import DebugEngine, DebugMode
from symnet.compile.executable import Executable
from symnet.compile.modes import (
    MODES,
    FastCompile,
    Mode,
    ReferenceEngine,
    get_default_mode,
    get_mode,
)
from symnet.compile.pipeline import compile_graph
from symnet.config import config
from symnet.gof import FunctionGraph
from symnet.kernels.llvm.object_code import statistics
from symnet.rewriting.rewriter import Trace

EVERY = [
    *MODES,
    Mode(),
    Mode(linker="py"),
    Mode(linker="cvm"),
    Mode(optimizer=None),
    Mode(optimizer="fast_compile"),
    Mode(linker="py", optimizer=None),
    Mode("vm", "fast_run"),
]


def network():
    rng = np.random.default_rng(0)
    x, y = T.dmatrix("x"), T.lvector("y")
    w = shared(rng.normal(size=(4, 3)))
    p = T.nnet.softmax(T.dot(x, w))
    cost = -T.log(p)[T.arange(y.shape[0]), y].mean()
    return [x, y], cost, [(w, w - 0.1 * grad(cost, w))]


@pytest.mark.parametrize("mode", EVERY, ids=str)
def test_every_mode_computes_the_same(mode):
    inputs, cost, updates = network()
    rng = np.random.default_rng(1)
    value, label = rng.normal(size=(5, 4)), rng.integers(0, 3, 5)
    w = updates[0][0]
    start, twin = w.get_value(), Mode(linker="py", optimizer=None)
    expected = [float(function(inputs, cost, updates=updates, mode=twin)(value, label))]
    after = w.get_value()
    w.set_value(start)
    f = function(inputs, cost, updates=updates, mode=mode)
    np.testing.assert_allclose(f(value, label), expected[0], rtol=1e-10)
    np.testing.assert_allclose(w.get_value(), after, rtol=1e-10)


def test_names():
    assert set(MODES) >= {"FAST_RUN", "FAST_COMPILE", "DebugMode", "DEBUG_MODE"}
    for name, kind in MODES.items():
        assert type(get_mode(name)) is kind
    mine = Mode()
    assert get_mode(mine) is mine
    for wrong in ("FASTER", "fast_run", ""):
        with pytest.raises(ValueError, match="FAST_RUN, FAST_COMPILE"):
            get_mode(wrong)


def test_the_default_is_a_setting():
    assert get_default_mode().name == get_mode(None).name == "FAST_RUN"
    with config.change_flags(mode="FAST_COMPILE"):
        assert isinstance(get_default_mode(), FastCompile)
        x = T.dvector("x")
        assert isinstance(function([x], x).mode, FastCompile)
        assert isinstance(function([x], x, mode="DebugMode").mode, DebugMode)


def test_engines():
    x = T.dvector("x")
    kinds = {
        "FAST_RUN": Executable,
        "FAST_COMPILE": ReferenceEngine,
        "DebugMode": DebugEngine,
    }
    for name, kind in kinds.items():
        f = function([x], x * 2, mode=name)
        assert type(f.engine) is kind
        f(np.ones(2))
        f.free()
        assert f(np.ones(3)).sum() == 6


def test_what_is_rewritten():
    x = T.dvector("x")
    y = T.sqr(x) * 1 + 0

    def operations(mode):
        return len(function([x], y, mode=mode).maker.fgraph.toposort())

    plain = len(symnet.graph.traverse.toposort([y]))
    assert operations("FAST_RUN") < plain
    assert operations("FAST_COMPILE") == operations(Mode(optimizer=None)) == plain
    assert operations(Mode(linker="py")) == operations("FAST_RUN")


@pytest.mark.parametrize(
    "mode", ["FAST_RUN", "FAST_COMPILE", "DebugMode", Mode(optimizer=None), Mode("py", None)]
)  # fmt: skip
def test_stable_forms_belong_to_every_mode(mode):
    x = T.dvector("x")
    p = 1 / (1 + T.exp(-x))
    cost = -T.log(1 - p).sum()
    scores = np.array([-800.0, -1, 0, 50, 800])
    f = function([x], [p, cost, symnet.grad(cost, x)], mode=mode)
    want = 1 / (1 + np.exp(-np.clip(scores, -700, 700)))
    value, total, gradient = f(scores)
    np.testing.assert_allclose(value, want, rtol=1e-14, atol=1e-300)
    np.testing.assert_allclose(total, np.logaddexp(0, scores).sum(), rtol=1e-14)
    np.testing.assert_allclose(gradient, want, rtol=1e-14, atol=1e-300)


def test_fast_compile_compiles_nothing():
    inputs, cost, updates = network()
    before = statistics.compiled + statistics.loaded
    f = function(inputs, cost, updates=updates, mode="FAST_COMPILE")
    f(np.ones((2, 4)), [0, 1])
    assert statistics.compiled + statistics.loaded == before


def test_native_code_without_rewrites():
    """What only rewrites make native still runs, also without them."""
    x = T.dmatrix("x")
    f = function([x], T.nnet.softmax(x), mode=Mode(optimizer=None))
    value = np.random.default_rng(0).normal(size=(3, 4))
    want = np.exp(value) / np.exp(value).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(f(value), want)
    assert len(f.engine.native) == 1


@pytest.mark.parametrize("name", ["FAST_RUN", "FAST_COMPILE", "DebugMode"])
def test_results_and_updates_are_copies(name):
    x, s = T.dvector("x"), shared(np.zeros(2))
    c = T.constant([5.0, 6.0])
    f = function([x], [x, s, c, x[:1]], updates=[(s, x)], mode=name)
    value = np.ones(2)
    for result in f(value):
        result[...] = 9
    assert (value == 1).all() and (s.get_value() == 1).all()
    value[...] = 4
    assert (s.get_value() == 1).all()
    np.testing.assert_array_equal(f(value)[2], [5, 6])


def test_a_failed_call_by_reference_updates_nothing():
    s, i = shared(np.zeros(2)), T.lscalar("i")
    f = function([i], s[i], updates=[(s, s + 1)], mode="FAST_COMPILE")
    with pytest.raises(IndexError):
        f(5)
    assert not s.get_value().any()


@pytest.mark.parametrize("mode", EVERY, ids=str)
def test_modes_are_pickled_with_their_functions(mode):
    x = T.dvector("x")
    f = pickle.loads(pickle.dumps(function([x], T.exp(x), mode=mode)))
    assert f.mode.name == get_mode(mode).name
    np.testing.assert_allclose(f(np.zeros(2)), 1.0)


def test_texts():
    assert repr(Mode()) == "Mode FAST_RUN" and repr(DebugMode()) == "Mode DebugMode"


# ---- which rewrites


def applied(mode, output, x):
    return [
        str(node.op)
        for node in function([x], output, mode=mode).maker.fgraph.toposort()
    ]


def test_rewrites_are_left_out_by_their_names_and_theanos():
    x = T.dvector("x")
    for tag in ("product_with_itself", "local_mul_to_sqr", "simplify", "canonicalize"):
        assert applied(Mode().excluding(tag), x * x, x)[0] == "mul"
    assert applied(Mode().excluding("cast_of_cast"), x * x, x) == ["sqr"]
    assert applied(Mode(optimizer=None).including("local_mul_to_sqr"), x * x, x) == [
        "sqr"
    ]
    assert applied(Mode(optimizer="canonicalize"), x * x + 0, x) == ["sqr"]
    assert applied(Mode(optimizer=None).including("fast_run"), x * x + 0, x) == ["sqr"]
    only = Mode().requiring("stabilize")
    assert applied(only, x * x + 0, x) == ["mul", "add"]
    # What all modes need stays.
    for tag in ("stable", "expand", "merge", "place"):
        f = function([x], T.log(T.exp(x)), mode=Mode().excluding(tag))
        np.testing.assert_array_equal(f([800.0]), [800.0])


def test_composed_operations_are_written_out_also_without_library_calls():
    x, w = T.dmatrices("x", "w")
    y = T.nnet.softmax(w + T.dot(x, x))
    f = function([x, w], y, mode=Mode().excluding("library"))
    names = {str(node.op) for node in f.maker.fgraph.toposort()}
    assert "Gemm" not in names and "exp" in names
    a = np.random.default_rng(1).standard_normal((3, 3))
    e = np.exp(a + a @ a)
    np.testing.assert_allclose(f(a, a), e / e.sum(1, keepdims=True), rtol=1e-12)


@pytest.mark.parametrize("tag", ["fold", "constant_folding", "canonicalize"])
def test_constants_may_be_left_as_they_are(tag: str) -> None:
    x = T.dvector("x")
    y = x * T.exp(T.constant(2.0) + 1)
    assert applied(Mode(), y, x) == ["mul"]
    assert applied(Mode().excluding(tag), y, x) == ["add", "exp", "mul"]


def test_products_and_loops_without_their_passes():
    x, w = T.dmatrix("x"), shared(np.ones((3, 3)))
    for tag, gemm in (("blas", False), ("gemm_optimizer", False), ("scan", True)):
        ops = applied(Mode().excluding(tag), w - 0.1 * T.dot(x, w), x)
        assert ("Gemm" in ops) == gemm
    v = T.dvector("v")
    rows, _ = symnet.scan(lambda one, total: total + one, v, T.constant(0.0))
    for mode in (Mode().excluding("scan"), Mode().excluding("scans", "inside")):
        assert function([v], rows[-1], mode=mode)([1.0, 2.0]) == 3.0


@pytest.mark.parametrize("tag", ["fusion", "local_elemwise_fusion"])
def test_without_fusion_each_operation_is_a_loop(tag):
    x = T.dvector("x")
    y = T.tanh(T.exp(x) + 1)
    f, plain = function([x], y, mode=Mode().excluding(tag)), function([x], y)
    np.testing.assert_allclose(f([0.5, 1.0]), plain([0.5, 1.0]), rtol=1e-14)
    steps = [len(one.engine.native[0].program.steps) for one in (f, plain)]
    assert steps == [3, 1]


def test_without_reuse_nothing_is_overwritten():
    x = T.dvector("x")
    y = T.dot(T.tanh(T.dot(x, x) * x), x) * T.exp(x)
    for tag in ("inplace", "reuse"):
        f = function([x], y, mode=Mode().excluding(tag))
        names = [name for name, _ in traced(f).programs]
        assert "place" in names and "reuse" not in names
        np.testing.assert_allclose(f([0.5, 1.0]), function([x], y)([0.5, 1.0]))


def traced(f):
    trace = Trace()
    compile_graph(f.maker.fgraph, trace=trace, without=f.mode.without)
    return trace


def test_unknown_tags_and_linkers():
    for make in (Mode().including, Mode().excluding, Mode().requiring):
        with pytest.raises(ValueError, match="did you mean fusion") as caught:
            make("fuson")
        assert "test_modes.py" in str(caught.value)
        with pytest.raises(TypeError, match="a tag is a string"):
            make(3)
    for known in ("gpuarray", "local_gpua_softmax", "cudnn", "local_useless", "o4"):
        Mode().excluding(known)
    with pytest.raises(ValueError, match="no rewrite 'fastrun'"):
        Mode(optimizer="fastrun")
    with pytest.raises(ValueError, match="no linker 'pyt'"):
        Mode(linker="pyt")


def test_modes_are_values():
    plain = Mode()
    chosen = plain.excluding("fusion").including("fast_compile")
    assert plain == Mode() == get_mode("FAST_RUN") and plain != chosen != DebugMode()
    assert chosen == Mode().including("fast_compile").excluding("fusion")
    assert hash(chosen) == hash(pickle.loads(pickle.dumps(chosen)))
    assert pickle.loads(pickle.dumps(chosen)) == chosen == copy.deepcopy(chosen)
    assert Mode("py") != Mode("cvm") != Mode()
    assert chosen.clone() is chosen and chosen.clone(optimizer=None) == Mode(
        optimizer=None
    )
    assert plain.optimizer == Mode().optimizer != chosen.optimizer
    assert Mode("cvm", plain.optimizer).selection == plain.selection
    assert repr(plain.excluding("fusion")) == "Mode FAST_RUN without fusion"


def test_a_modes_rewrites_of_a_graph() -> None:
    x = T.dvector("x")
    y = T.log(T.exp(x)) + 0 * x.sum()
    graph = FunctionGraph([x], [y, T.exp(x)])
    Mode(optimizer=None).optimizer.optimize(graph)
    assert len(graph.toposort()) > 2
    get_mode("FAST_RUN").excluding("fusion").optimizer.optimize(graph)
    assert not any(node.op == T.log for node in graph.toposort())
    f = symnet.function(graph.inputs, graph.outputs, mode="FAST_COMPILE")
    value = np.array([0.5, 2.0])
    for got, want in zip(f(value), (value, np.exp(value)), strict=True):
        np.testing.assert_allclose(got, want)
    chosen = Mode(optimizer=get_mode("FAST_RUN").optimizer)
    assert chosen.rewrites and str(chosen.optimizer) == f"rewrites of {chosen}"
