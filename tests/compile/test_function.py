"""`function`: what goes in, what comes out, what is updated, and what is refused."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import In, Out, function, grad, shared
from symnet.config import config
from symnet.errors import ShapeError

ROOT = Path(__file__).parents[2]
MODES = ["FAST_RUN", "FAST_COMPILE", "DebugMode"]


@pytest.fixture(params=MODES)
def mode(request):
    return request.param


# ---- outputs


def test_one_output_is_an_array(mode):
    x = T.dscalar("x")
    result = function([x], x**2, mode=mode)(3.0)
    assert isinstance(result, np.ndarray) and result.shape == () and result == 9.0


def test_forms_of_outputs(mode):
    x = T.dvector("x")
    value = np.arange(3.0)
    assert function([x], [], mode=mode, on_unused_input="ignore")(value) == []
    assert function([x], None, mode=mode, on_unused_input="ignore")(value) == []
    (one,) = function([x], [x + 1], mode=mode)(value)
    np.testing.assert_array_equal(one, value + 1)
    both = function([x], {"b": x * 2, "a": Out(x.sum(), borrow=True)}, mode=mode)(value)
    assert list(both) == ["a", "b"] and both["a"] == 3.0
    np.testing.assert_array_equal(both["b"], value * 2)


def test_output_that_is_an_input_a_constant_or_a_shared_variable(mode):
    x = T.dvector("x")
    s = shared(np.arange(4.0))
    value = np.arange(3.0)
    results = function([x], [x, x, s, T.constant([1.0, 2.0]), s.T], mode=mode)(value)
    for result, want in zip(
        results, [value, value, np.arange(4.0), [1.0, 2.0], np.arange(4.0)]
    ):
        np.testing.assert_array_equal(result, want)
        result[...] = -1.0
    np.testing.assert_array_equal(value, np.arange(3.0))
    np.testing.assert_array_equal(s.get_value(), np.arange(4.0))


def test_results_are_fresh_at_each_call(mode):
    x = T.dmatrix("x")
    f = function([x], T.tanh(x), mode=mode)
    value = np.random.default_rng(0).normal(size=(3, 4))
    first = f(value)
    kept = first.copy()
    f(value + 1)
    np.testing.assert_array_equal(first, kept)


# ---- arguments


def test_names_and_defaults(mode):
    x, y = T.dscalar("x"), T.dscalar("y")
    f = function([x, In(y, value=2.0)], x - y, mode=mode)
    assert f(5.0) == 3.0
    assert f(5.0, y=1.0) == 4.0
    assert f(y=1.0, x=5.0) == 4.0
    f["y"] = 4.0
    assert f["y"] == 4.0 and f(5.0) == 1.0


def test_input_with_update_keeps_its_value(mode):
    state, step = T.dscalar("state"), T.dscalar("step")
    f = function(
        [step, In(state, value=10.0, update=state + step)], state * 2, mode=mode
    )
    assert f(1.0) == 20.0
    assert f(1.0) == 22.0
    assert f["state"] == 12.0
    f["state"] = 0.0
    assert f(5.0) == 0.0


def test_arguments_of_any_layout(mode):
    x = T.dmatrix("x")
    f = function([x], [x * 2, x.sum(axis=0), x[::-1, 1:]], mode=mode)
    base = np.random.default_rng(1).normal(size=(6, 8))
    for value in (
        base,
        base.T,
        base[::2, ::3],
        base[::-1, ::-1],
        np.asfortranarray(base),
    ):
        before = value.copy()
        twice, total, part = f(value)
        np.testing.assert_allclose(twice, value * 2)
        np.testing.assert_allclose(total, value.sum(axis=0))
        np.testing.assert_allclose(part, value[::-1, 1:])
        np.testing.assert_array_equal(value, before)


def test_big_endian_and_read_only_arguments(mode):
    x = T.dvector("x")
    f = function([x], x + 1, mode=mode)
    value = np.arange(3.0).astype(">f8")
    np.testing.assert_array_equal(f(value), [1, 2, 3])
    frozen = np.arange(3.0)
    frozen.flags.writeable = False
    np.testing.assert_array_equal(f(frozen), [1, 2, 3])


def test_conversion_of_arguments():
    x, i = T.fscalar("x"), T.bvector("i")
    f = function([x], x * 2)
    assert f(1.5) == 3.0 and f(1.5).dtype == np.float32
    assert f(3) == 6.0 and f(np.float32(1)) == 2.0
    with pytest.raises(TypeError, match="could lose precision"):
        f(np.float64(0.1))
    g = function([i], i + 1)
    np.testing.assert_array_equal(g([1, 2]), [2, 3])
    with pytest.raises(TypeError):
        g([300])
    with pytest.raises(TypeError):
        g(np.array([1, 2]))
    h = function([i], i + 1, allow_input_downcast=True)
    np.testing.assert_array_equal(h(np.array([1, 2])), [2, 3])
    strict = function([In(x, strict=True)], x)
    with pytest.raises(TypeError, match="strict"):
        strict(1.0)


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda f: f(), "misses 1 arguments: x"),
        (lambda f: f(np.ones((2, 2)), 1), "takes 1 arguments, got 2"),
        (lambda f: f(z=1), "no input 'z'; its inputs: x"),
        (lambda f: f(np.ones((2, 2)), x=1), "two values"),
        (lambda f: f(np.ones(2)), "rank 1"),
        (lambda f: f("hello"), "x"),
        (lambda f: f(T.dmatrix()), "symbolic"),
    ],
)
def test_wrong_arguments(mode, call, text):
    x = T.dmatrix("x")
    f = function([x], x + 1, mode=mode, name="f")
    f(np.ones((2, 3)))
    with pytest.raises(TypeError, match=text) as error:
        call(f)
    assert len(str(error.value).splitlines()) <= 25 and "f" in str(error.value)


# ---- run-time errors


def test_shape_mismatch_at_run_time_names_the_line(mode):
    x, y = T.dmatrix("x"), T.dmatrix("y")
    s = shared(0.0, "s")
    f = function([x, y], T.dot(x, y) + 1, updates=[(s, s + 1)], mode=mode)
    f(np.ones((2, 3)), np.ones((3, 4)))
    with pytest.raises(ValueError) as error:
        f(np.ones((2, 3)), np.ones((5, 4)))
    text = str(error.value)
    assert "T.dot(x, y)" in text and "3" in text and "5" in text
    assert len(text.splitlines()) <= 25
    assert s.get_value() == 1.0


def test_run_time_broadcasting_is_refused_with_the_cure():
    x, y = T.dmatrix("x"), T.dmatrix("y")
    f = function([x, y], x + y)
    with pytest.raises(ShapeError, match="addbroadcast"):
        f(np.ones((3, 2)), np.ones((1, 2)))


def test_failed_call_changes_nothing(mode):
    w, n = shared(np.ones((4, 2)), "w"), shared(0, "n")
    i = T.lvector("i")
    f = function([i], w[i].sum(), updates=[(w, w + 1), (n, n + 1)], mode=mode)
    f([0, 3])
    with pytest.raises(IndexError) as error:
        f([0, 4])
    assert "w[i]" in str(error.value)
    np.testing.assert_array_equal(w.get_value(), np.full((4, 2), 2.0))
    assert n.get_value() == 1 and f([-1]) == 4.0


# ---- the function as an object


def test_maker_get_shared_and_copy():
    x, s, r = T.dscalar("x"), shared(1.0, "s"), shared(100.0, "r")
    f = function([x], x + s, updates=[(s, s + x)], name="f")
    assert f.name == "f" and f.get_shared() == [s]
    assert [str(n.op) for n in f.maker.fgraph.toposort()]
    g = f.copy(swap={s: r})
    assert g(1.0) == 101.0 and s.get_value() == 1.0 and r.get_value() == 101.0
    h = f.copy(delete_updates=True)
    assert h(1.0) == 2.0 and s.get_value() == 1.0
    with pytest.raises(TypeError):
        f.copy(swap={s: shared(np.ones(3))})


def test_pickled_functions_keep_sharing():
    x, s = T.dscalar("x"), shared(1.0, "s")
    f, g = function([x], x * s, updates=[(s, s + 1)]), function([], s)
    f2, g2 = pickle.loads(pickle.dumps((f, g)))
    assert f2(3.0) == 3.0 and g2() == 2.0 and g() == 1.0
    h = copy.deepcopy(f)
    assert h(2.0) == 2.0 and g() == 1.0


def test_long_chain():
    """Nothing recurses: four times deeper than Python would."""
    x = T.dscalar("x")
    y = z = x
    for _ in range(4_000):
        y = y * x
    for _ in range(4_000):
        z = z + x
    assert function([x], z)(2.0) == 8_002.0
    assert function([x], grad(z, x), on_unused_input="ignore")(2.0) == 4_001.0
    assert pickle.loads(pickle.dumps(y)).owner is not None
    assert function([x], y, mode="FAST_COMPILE")(1.0) == 1.0


def test_memory_is_given_back():
    x = T.dmatrix("x")
    f = function([x], T.tanh(x) + 1)
    f(np.ones((3, 3)))
    (plan,) = f.engine.native[0].plans.values()
    gone = weakref.ref(plan)
    del plan, f
    gc.collect()
    assert gone() is None


def test_threads_may_call_one_function():
    rng = np.random.default_rng(0)
    x = T.dmatrix("x")
    f = function([x], T.exp(x).sum(axis=1))
    values = [rng.normal(size=(n, 30)) for n in (5, 50, 5, 500)]
    failures = []

    def work(value):
        want = np.exp(value).sum(axis=1)
        for _ in range(100):
            if not np.allclose(f(value), want):
                failures.append(value.shape)

    threads = [threading.Thread(target=work, args=(v,)) for v in values]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not failures


def test_mode_of_config():
    x = T.dscalar("x")
    with config.change_flags(mode="FAST_COMPILE"):
        assert function([x], x).mode.name == "FAST_COMPILE"
    assert function([x], x).mode.name == "FAST_RUN"
    assert symnet.Mode(linker="py", optimizer=None).rewrites is False


def test_large_results_are_used_again_when_nobody_holds_them():
    x = T.dvector()
    f = symnet.function([x], x + 1)
    value = np.arange(100_000.0)
    f(value)
    kept = f(value)
    addresses = {f(value + k).ctypes.data for k in range(5)}
    assert len(addresses) <= 2 and kept.ctypes.data not in addresses
    np.testing.assert_array_equal(kept, value + 1)
    part = f(value * 2)[10:20]  # a view keeps its array
    view = memoryview(f(value * 3))
    for k in range(4):
        f(value + k)
    np.testing.assert_array_equal(part, value[10:20] * 2 + 1)
    np.testing.assert_array_equal(np.asarray(view), value * 3 + 1)


def test_results_that_were_changed_are_not_used_again():
    x = T.dvector()
    f = symnet.function([x], x + 1)
    value = np.arange(100_000.0)
    f(value)
    result = f(value)
    result.shape = (1000, 100)
    result.flags.writeable = False
    reference = weakref.ref(result)
    del result
    for k in range(3):
        again = f(value + k)
        assert again.shape == (100_000,) and again.flags.writeable
        np.testing.assert_array_equal(again, value + k + 1)
    assert reference is not None


def test_minibatches_of_two_arrays_by_index_are_called_directly():
    """That images and labels have as many rows is checked without Python code too."""
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(50, 3)), rng.normal(size=(50, 3))
    x, y, index = T.matrix(), T.matrix(), T.lscalar()
    rows = slice(index * 10, (index + 1) * 10)
    givens = {x: shared(images)[rows], y: shared(labels)[rows]}
    f = function([index], T.sum(x * y, axis=0), givens=givens)
    for k in range(5):
        here = slice(10 * k, 10 * k + 10)
        np.testing.assert_allclose(f(k), (images[here] * labels[here]).sum(axis=0))
    assert "__call__" in type(f).__dict__ and f.engine.native[0].plans_made == 1


ONCE = """
import time
import numpy as np
import symnet, symnet.tensor as T
from symnet.kernels.llvm.compiler_thread import _gate
from symnet.kernels.cpu.runtime import call_boundary, runner
x = T.dvector()
w = symnet.shared(np.zeros(3))
f = symnet.function([x], x.sum(), updates=[(w, w + 2 * x)])
for call in range(3):
    assert f(np.arange(3.0)) == 3
    time.sleep(0.2)
    _gate.finish()
    ready = bool(runner.start._address), bool(call_boundary.enter._address)
    print(call, *ready, "__call__" in type(f).__dict__, w.get_value().tolist())
"""


def test_the_call_boundary_is_compiled_beside_the_calls_after_the_first(tmp_path):
    def run(cache):
        program = subprocess.run(
            [sys.executable, "-c", ONCE],
            env={**os.environ, "SYMNET_CACHE": str(cache)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return program.stdout.splitlines()

    assert run(tmp_path) == [
        "0 False False False [0.0, 2.0, 4.0]",
        "1 True True False [0.0, 4.0, 8.0]",
        "2 True True True [0.0, 6.0, 12.0]",
    ]
    # With the cache that this left, there is nothing to wait for.
    assert run(tmp_path)[0] == "0 True True True [0.0, 2.0, 4.0]"
