"""A call that does not fit into a GPU's memory says what is largest, and changes nothing."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.compile.plan.memory_errors import amount
from symnet.config import config
from symnet.kernels.cuda.cupy_driver import CupyDriver
from symnet.kernels.gpus import EMULATED
from symnet.kernels.memory import NoRoom
from tests.kernels.programs import on


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets how many bytes there are beyond those that are used."""
    driver: Any = EMULATED.driver

    def left(size: int) -> None:
        gc.collect()  # what other tests have left there
        used = sum(one.size for one in driver._pieces.values())
        monkeypatch.setattr(driver, "room", used + size)

    with config.change_flags(device="emulated"):
        yield left


def test_the_largest_arrays_are_named_with_their_lines(little: Any) -> None:
    x = T.fmatrix("x")
    w = symnet.shared(np.ones((100, 100), "float32"), name="w")
    hidden = T.tanh(T.dot(x, w))
    cost = T.sqr(T.dot(hidden, w) - x).sum()
    f = on("emulated", [x], cost, updates=[(w, w - 0.1 * T.grad(cost, w))])
    X = np.ones((50, 100), "float32")
    f(X[:2])
    before = w.get_value()
    little(20_000)
    with pytest.raises(MemoryError) as error:
        f(X)
    text = str(error.value)
    assert text.startswith("there is no memory left on the emulated GPU (")
    for told in (
        "the call's largest arrays",
        "40 kB: float32 (100, 100), shared variable w",
        "20.2 kB: memory to work in, of Dot; your line: ",
        "40 kB: float32, between steps, of Dot; your line: ",
        "hidden = T.tanh(T.dot(x, w))",
        "100 kB: 6 more",
        "your line: ",
        "test_memory_errors.py",
        "to do: use smaller minibatches",
    ):
        assert told in text, text
    assert isinstance(error.value, NoRoom) and len(text.splitlines()) <= 8
    np.testing.assert_array_equal(w.get_value(), before)
    little(10**9)
    assert np.isfinite(f(X)) and (w.get_value() != before).any()


def test_what_a_convolution_works_in_is_named(little: Any) -> None:
    """When it is launched, and when it is recorded; it is among what steps share."""
    x, w = T.ftensor4("x"), T.ftensor4("w")
    f = on("emulated", [x, w], T.nnet.conv2d(x, w).sum())
    X, weights = np.ones((10, 3, 20, 20), "float32"), np.ones((9, 3, 3, 3), "float32")
    windows = 10 * 27 * 18 * 18 * 4
    little(windows + 100_000)
    with pytest.raises(MemoryError) as error:
        f(X, weights)
    text = str(error.value)
    assert "350 kB: memory to work in, of Convolution" in text
    assert "test_memory_errors.py" in text and "T.nnet.conv2d(x, w)" in text
    (plan,) = f.engine.native[0].plans.values()
    loaded = plan.loaded
    assert loaded.memory_bytes == loaded.arena_bytes + windows + 32  # 256 to a line
    assert f"(those between steps share {amount(loaded.memory_bytes)})" in text
    f = on("emulated", [x, w], T.nnet.conv2d(x, w).sum())
    little(10**9)
    assert f(X, weights) == 10 * 9 * 27 * 18 * 18
    little(windows)  # the arena is there
    with pytest.raises(MemoryError, match="350 kB: memory to work in, of Convolution"):
        f(X, weights)
    little(10**9)
    assert f(X, weights) == 10 * 9 * 27 * 18 * 18


def test_in_each_kind_of_call(little: Any) -> None:
    """Task by task, recorded, replayed."""
    x = T.fmatrix("x")
    w = symnet.shared(np.zeros((4, 1000), "float32"), name="w")
    f = on("emulated", [x], T.exp(x), updates=[(w, w + x)])
    X = np.ones((4, 1000), "float32")
    for calls in range(4):
        little(8_000)
        with pytest.raises(MemoryError, match="output 0, of .*exp.*your line"):
            f(X)
        little(10**9)
        f(X)
        np.testing.assert_array_equal(w.get_value(), calls + 1)


def test_a_variable_that_does_not_fit(little: Any) -> None:
    little(100)
    with pytest.raises(MemoryError, match="1000 bytes are asked for"):
        symnet.shared(np.zeros(125))


def test_cupys_error_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    class OutOfMemoryError(MemoryError):
        pass

    def alloc(size: int) -> Any:
        raise OutOfMemoryError(f"Out of memory allocating {size} bytes")

    driver = object.__new__(CupyDriver)
    memory = SimpleNamespace(OutOfMemoryError=OutOfMemoryError)
    driver.xp = SimpleNamespace(cuda=SimpleNamespace(alloc=alloc, memory=memory))
    with pytest.raises(NoRoom, match="no memory left on the GPU .*allocating 7 bytes"):
        driver.allocate(7)


def test_amounts() -> None:
    sizes = (0, 999, 1500, 1_500_000, 2 * 10**9, 3 * 10**12)
    assert [amount(size) for size in sizes] == [
        "0 bytes", "999 bytes", "1.5 kB", "1.5 MB", "2 GB", "3 TB",
    ]  # fmt: skip
