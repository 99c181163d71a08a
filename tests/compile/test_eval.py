"""`eval`: what it compiles, and how long that is kept."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import weakref

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import shared
from symnet.compile.function import _evaluators
from tests.compile.test_function import ROOT


def test_eval():
    x = T.dscalar("x")
    y = x + 1
    assert y.eval({x: 2.0}) == 3.0 and y.eval({x: 3.0}) == 4.0
    with pytest.raises(TypeError, match="variable"):
        y.eval({"x": 1.0})
    with pytest.raises(symnet.MissingInputError):
        y.eval()


def test_eval_compiles_once_for_the_same_inputs():
    x, w = T.dvector("x"), shared(np.ones(3))
    y = (x * w).sum()
    gc.collect()
    before = len(_evaluators)
    for k in range(5):
        assert y.eval({x: [k, 1, 2]}) == k + 3
    assert w.eval().tolist() == [1, 1, 1] and w.eval().tolist() == [1, 1, 1]
    assert len(_evaluators) == before + 2
    assert y.eval({x: [1, 1, 1], x * w: [2, 2, 2]}) == 3  # other inputs
    assert len(_evaluators) == before + 3
    twin = pickle.loads(pickle.dumps(y))
    assert not hasattr(twin, "_functions") and not hasattr(y.clone(), "_functions")


@pytest.mark.parametrize("kind", ["result", "shared", "input", "downstream"])
def test_eval_keeps_nothing_of_dead_variables(kind):
    gc.collect()
    before, marks = len(_evaluators), []
    for k in range(5):
        x, w = T.dscalar("x"), shared(np.full(1000, float(k)))
        y = (w * x).sum()
        if kind == "result":
            assert y.eval({x: 2.0}) == 2000 * k
        elif kind == "shared":
            assert w.eval().sum() == 1000 * k
        elif kind == "input":
            assert x.eval({x: 3.0}) == 3
        else:
            assert w.eval({x: 1.0, y: 4.0}).sum() == 1000 * k
        marks += [weakref.ref(one) for one in (x, w, y, w.array)]
        del x, w, y
    gc.collect()
    assert len(_evaluators) == before
    assert not any(mark() is not None for mark in marks)


MANY_EVALS = """
import numpy as np, symnet
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 >> 20
for k in range(120):
    w = symnet.shared(np.ones(1_000_000))
    assert (w * 2.0).sum().eval() == 2e6
    if k == 20:
        start = resident()
print(resident() - start)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_many_evals_do_not_add_up():
    """One hundred of 8 MB would hold 800; the collector comes by itself."""
    done = subprocess.run(
        [sys.executable, "-c", MANY_EVALS], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 300
