"""What guard pages find: reading and writing past an array's ends.  Each in a process of its
own, which may end by it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.fuzz.run import ROOT

BEGIN = """
import ctypes, sys
import numpy as np
from tests import guard_pages
guard_pages.install(guard_pages.side())
"""
# What a system ends a process with that touches a page which is not its own.
SIGNALS = {-11, -10, -7}


def outcome(side: str, script: str) -> tuple[int, str]:
    environment = {**os.environ, "SYMNET_GUARD": side, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + script], env=environment, capture_output=True,
        text=True, check=False, timeout=300,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr[-2000:]


def test_what_lies_beside_is_not_touched() -> None:
    """Each kind of touching ends a process that does nothing else."""
    script = """
import itertools, os

def beyond(shape, kind):
    a = np.ones(shape, "float32")
    assert a.all()
    place = a.ctypes.data - 1 if guard_pages.side() else a.ctypes.data + a.nbytes
    byte = ctypes.c_char.from_address(place)
    byte.value if kind == "read" else setattr(byte, "value", b"x")

for shape, kind in itertools.product([(), 1, 5, 1024, (3, 700)], ["read", "write"]):
    child = os.fork()
    if not child:
        beyond(shape, kind)
        os._exit(0)
    print(-os.WTERMSIG(os.waitpid(child, 0)[1]))
"""
    for side in ("after", "before"):
        code, said = outcome(side, script)
        assert code == 0 and len(said.split()) == 10
        assert {int(signal) for signal in said.split()} <= SIGNALS


@pytest.mark.parametrize("side", ["after", "before"])
def test_arrays_are_as_usual(side: str) -> None:
    """Of every size; new ones are NaN or 0, resized ones keep what they had; and more of
    them than have guard pages."""
    script = """
for count in (0, 1, 2, 1023, 1024, 1025, 10**6):
    new = np.empty(count, "float32")
    assert new.flags.aligned and np.isnan(new).all() and not np.zeros(count).any()
    new[:] = range(count)
    new.resize(count + 3, refcheck=False)
    assert new[:count].tolist() == list(range(count))
    new.resize(count // 2, refcheck=False)
    assert new.tolist() == list(range(count // 2))
many = [np.full(2, k) for k in range(guard_pages.MOST + 1000)]
assert sum(int(a[1]) for a in many) == sum(range(len(many)))
del many
try:
    np.empty(2**60, "int8")
except MemoryError:
    print("usual")
"""
    assert outcome(side, script) == (0, "usual\n")


@pytest.mark.parametrize("side", ["after", "before"])
def test_products_touch_their_operands_only(side: str) -> None:
    """Of all layouts, and of sizes that end within tiles, vectors and blocks."""
    script = """
import itertools
import symnet, symnet.tensor as T

random = np.random.default_rng(0)
sizes = [(1, 1, 1), (64, 40, 8), (64, 40, 24), (17, 256, 40), (600, 30, 100), (100, 600, 10)]
for dtype, left, right in itertools.product(("float32", "float64"), *["NT"] * 2):
    kind = T.TensorType(dtype, (None, None))
    a, b = kind(), kind()
    shown = T.dot(a if left == "N" else a.T, b if right == "N" else b.T)
    product = symnet.function([a, b], [shown, T.tanh(shown + 1)])
    for rows, inner, columns in sizes:
        x = random.normal(size=(rows, inner)).astype(dtype)
        y = random.normal(size=(inner, columns)).astype(dtype)
        given = [m if way == "N" else m.T.copy() for m, way in [(x, left), (y, right)]]
        expected = x.astype("float64") @ y
        got, beyond = product(*given)
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(beyond, np.tanh(expected + 1), rtol=1e-3, atol=1e-3)
print("right")
"""
    assert outcome(side, script) == (0, "right\n")
