"""Routines as launches: on the device, in graphs, with nothing brought to the host."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.config import config
from symnet.kernels.cuda.routine_work import (
    FEW_LINES,
    LONG_LINE,
    offers_threads,
    routine_step,
)
from symnet.kernels.gpus import GPUS
from symnet.kernels.library import DenseCall
from symnet.kernels.memory import Moved
from symnet.kernels.routines import (
    Categorical,
    MrgUniform,
    NumpyDistribution,
    Places,
    Running,
)
from symnet.printing.stages import Stages
from symnet.sandbox.rng_mrg import MRG_RandomStreams
from tests.kernels.programs import on

pytestmark = pytest.mark.filterwarnings("error::symnet.compile.refusals.HostFallback")
n = T.lscalar("n")
CHANCES = np.array([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0], [0, 0, 1.0], [0.3, 0.3, 0.3]])

Draw = Callable[[Any, str], Any]
DRAWS: dict[str, Draw] = {
    "uniform": lambda s, dtype: s.uniform((7, 5), -1, 2, dtype=dtype),
    "one number": lambda s, dtype: s.uniform((), dtype=dtype),
    "no number": lambda s, dtype: s.uniform((0, 4), dtype=dtype),
    "fewer numbers than streams": lambda s, dtype: s.uniform(
        (3,), dtype=dtype, nstreams=50
    ),
    "one stream": lambda s, dtype: s.uniform((40,), dtype=dtype, nstreams=1),
    "size of the call": lambda s, dtype: s.uniform((n, 3), dtype=dtype, nstreams=4),
    "normal": lambda s, dtype: s.normal((9, 5), 1.0, 2.0, dtype=dtype),
    "binomial": lambda s, dtype: s.binomial((11, 3), p=0.3, dtype=dtype),
    "counts": lambda s, dtype: s.multinomial(
        pvals=T.constant(CHANCES, dtype=dtype), n=6
    ),
    "choice": lambda s, dtype: s.choice(
        2, None, False, T.constant(CHANCES, dtype=dtype)
    ),
}


def drawn(device: str, name: str, dtype: str) -> list[Any]:
    """Numbers of three calls, of different sizes where the call says them; and the states."""
    with config.change_flags(device=device, floatX=dtype):
        source = MRG_RandomStreams(17)
        f = on(device, [n], DRAWS[name](source, dtype), on_unused_input="ignore")
        numbers = [f(k) for k in (4, 4, 0, 1, 9, 9)]
        return [*numbers, *(state.get_value() for state, *_ in source.updates())]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", DRAWS)
def test_numbers_are_the_cpus_to_the_last_bit(gpu: str, name: str, dtype: str) -> None:
    for got, wanted in zip(
        drawn(gpu, name, dtype), drawn("cpu", name, dtype), strict=True
    ):
        assert got.dtype == wanted.dtype and got.shape == wanted.shape
        np.testing.assert_array_equal(got, wanted)


def loaded(f: Any) -> Any:
    (plan,) = f.engine.native[-1].plans.values()
    return plan.loaded


def moves_nothing(gpu: str, f: Any) -> bool:
    """Whether a call moves no bytes of arrays between the host and the GPU."""
    before = GPUS[gpu].transfers.traffic
    f()
    moved = GPUS[gpu].transfers.traffic - before
    return bool(moved.to_device == moved.to_host == Moved(0, 0))


def step_of(device: str) -> tuple[Any, list[Any]]:
    """A step with all kinds of draws, which changes what it has drawn."""
    source = MRG_RandomStreams(2)
    w = symnet.shared(np.zeros((4, 3)))
    mask = source.binomial((4, 3), p=0.5, dtype="float64")
    noise = source.normal((4, 3), dtype="float64")
    counts = source.multinomial(pvals=T.nnet.softmax(w), n=3)
    f = on(device, [], None, updates=[(w, w * mask + noise - counts)])
    return f, [w, *(state for state, *_ in source.updates())]


def test_a_step_moves_nothing_and_is_one_graph(gpu: str) -> None:
    f, states = step_of(gpu)
    for _ in range(5):
        f()
    with config.change_flags(device="cpu"):
        g, wanted = step_of("cpu")
    for _ in range(5):
        g()
    for got, want in zip(states, wanted, strict=True):
        np.testing.assert_array_equal(got.get_value(), want.get_value())
    moved = f.profile(repeat=3).transfers
    assert moved.to_device == moved.to_host == Moved(0, 0)
    assert moves_nothing(gpu, f)
    if not loaded(f).driver.graphless:
        # The softmax's sum alone comes before the first draw, which changes its states.
        pieces = [one for one, _ in loaded(f).recorded.pieces]
        assert loaded(f).direct and not isinstance(pieces[-1], int)
        assert [one for one in pieces if isinstance(one, int)] == [0]


def chain(device: str) -> tuple[Any, Any]:
    """Gibbs steps, as of an RBM: a loop that draws anew in each iteration."""
    source = MRG_RandomStreams(8)
    start = symnet.shared(np.linspace(0, 1, 12).reshape(3, 4))

    def step(v: Any) -> Any:
        h = source.binomial((3, 4), p=T.nnet.sigmoid(v - 0.5), dtype="float64")
        return v * 0.5 + h + source.uniform((3, 4), dtype="float64")

    rows, updates = symnet.scan(step, outputs_info=start, n_steps=5)
    return on(device, [], rows, updates=updates), start


def test_draws_in_a_loop(gpu: str) -> None:
    """Each iteration has numbers of its own, and the loop is rolled out."""
    with config.change_flags(device="cpu"):
        native, _ = chain("cpu")
        wanted = [native() for _ in range(3)]
    f, _ = chain(gpu)
    found = [f() for _ in range(3)]
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(got, want)
    assert not np.array_equal(found[0], found[1])
    if not loaded(f).driver.graphless:
        assert not any(isinstance(one, int) for one, _ in loaded(f).recorded.pieces)


def test_draws_until_a_number_is_found(gpu: str) -> None:
    """A loop whose length its numbers decide, which the host goes through."""

    def build(device: str) -> Any:
        source = MRG_RandomStreams(5)

        def step(total: Any) -> Any:
            more = total + source.uniform((2,), dtype="float64")
            return more, symnet.scan_module.until(more.sum() > 6)

        rows, updates = symnet.scan(step, outputs_info=T.zeros(2), n_steps=50)
        return on(device, [], rows, updates=updates)

    with config.change_flags(device="cpu"):
        native = build("cpu")
        wanted = [native() for _ in range(3)]
    f = build(gpu)
    for want in wanted:
        np.testing.assert_array_equal(f(), want)


def test_what_is_shown(gpu: str) -> None:
    f, _ = step_of(gpu)
    f()
    stages = Stages(f)
    assert re.search(r"threads for 4 streams, rows or lines", stages.text("plan"))
    assert re.search(r"define (ptx_kernel )?void @routine\(", stages.text("llvm"))


def call_of(routine: Any, *operands: tuple[str, tuple[int, ...]]) -> DenseCall:
    return DenseCall(routine, operands, 1, (), lambda arrays: arrays)


def test_how_many_threads() -> None:
    states = ("int32", (10, 6))
    for numbers, threads in ((0, 0), (4, 4), (25, 10)):
        call = call_of(MrgUniform("float32"), states, states, ("float32", (numbers,)))
        step = routine_step(call)
        assert step is not None and step.total == threads
        assert step.operands == (1, 2) and step.sizes == (10, numbers)
    rows, uniform = ("float64", (3, 4)), ("float64", (6,))
    counts = routine_step(call_of(Categorical(True, False), rows, uniform, rows))
    assert counts is not None
    assert (counts.total, counts.sizes) == (3, (3, 4, 2))
    none = routine_step(
        call_of(Categorical(True, False), ("float64", (0, 4)), ("float64", (0,)), rows)
    )
    assert none is not None and none.total == 0


def test_threads_of_totals_and_places() -> None:
    """A thread for a line; but one long line is the array library's, if order is free."""

    def step(
        kind: str, dtype: str, shape: Any, axis: int, in_order: bool = False
    ) -> Any:
        operand = dtype, shape
        count = 3 if kind == "linear" else 2
        call = call_of(Running(kind, dtype, axis), *[operand] * count)
        return routine_step(call, in_order)

    rows = step("add", "float32", (3, 4, 5), 1)
    assert (rows.total, rows.sizes, rows.operands) == (15, (4, 5), (0, 1))
    assert step("linear", "float32", (3, 4, 5), 2).operands == (0, 1, 2)
    assert step("max", "int8", (0, 5), 0).total == 0
    assert step("max", "int8", (5, 0), 0).total == 0
    line = (LONG_LINE + 1,)
    assert step("add", "float32", line, 0) is None
    assert step("mul", "int64", line, 0) is None
    assert step("add", "complex64", (2,), 0) is None
    for kind, dtype in (("mul", "float32"), ("linear", "float64"), ("max", "int64")):
        assert step(kind, dtype, line, 0).total == 1
    assert step("add", "float32", line, 0, in_order=True).total == 1
    assert step("add", "float32", (*line, FEW_LINES), 0).total == FEW_LINES
    v, places = ("float32", (2, 3)), ("int64", (2, 3))
    found = routine_step(call_of(Places("float32", True), ("float32", (7,)), v, places))
    assert found is not None
    assert (found.total, found.sizes, found.operands) == (6, (7,), (0, 1, 2))


x = T.dmatrix("x")
TOTALS: dict[str, Callable[[Any], Any]] = {
    "sums of columns": lambda x: T.cumsum(x, 0),
    "sums of rows": lambda x: T.cumsum(x, 1),
    "sums of all": lambda x: T.cumsum(x),
    "products": lambda x: T.cumprod(x, 0),
    "of what lies backwards": lambda x: T.cumprod(x[::-1, ::2].T, 0),
    "gradient of products": lambda x: T.grad((T.cumprod(x, 1) ** 2).sum(), x),
    "largest": lambda x: T.nnet.logcumsumexp(x, 1),
    "second derivative of a product": lambda x: T.grad(
        (T.grad(T.prod(x, 1).sum(), x) ** 2).sum(), x
    ),
    "places": lambda x: T.searchsorted(x[0], x, side="right"),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
@pytest.mark.parametrize("name", TOTALS)
def test_totals_are_the_cpus_to_the_last_bit(name: str, dtype: str, gpu: str) -> None:
    """With zeros, infinities and NaN among them, and where there are no elements."""
    if dtype[0] in "ui" and any(
        one in name for one in ("derivative", "gradient", "largest")
    ):
        return
    values = np.arange(24.0).reshape(4, 6) % 5 - 1.25 * (dtype[0] == "f")
    special = values.copy()
    if dtype[0] == "f":
        special[0, :3], special[1, 2], special[2, 3:] = (
            0,
            np.inf,
            [1e300, 1e300, np.nan],
        )
    for name_of, value in (
        ("plain", values),
        ("special", special),
        ("none", values[:0]),
    ):
        if name_of == "none" and name == "places":
            continue
        with np.errstate(all="ignore"):
            value = value.astype(dtype)
        found = []
        for device in ("cpu", gpu):
            with config.change_flags(device=device):
                v = T.TensorType(dtype, (None, None))("v")
                f = on(device, [v], TOTALS[name](v))
                found.append([f(value) for _ in range(3)][-1])
        assert found[0].dtype == found[1].dtype
        if name == "largest":  # its logarithm's infinities are made of exp's sums
            np.testing.assert_allclose(found[1], found[0], rtol=1e-6)
        else:
            np.testing.assert_array_equal(found[1], found[0])


def test_totals_are_parts_of_a_graph(gpu: str) -> None:
    w = symnet.shared(np.linspace(0.5, 1.5, 12).reshape(3, 4))
    f = on(gpu, [], None, updates=[(w, T.cumsum(T.cumprod(w * 0.9, 1), 0) / 4)])
    wanted = w.get_value()
    for _ in range(4):
        f()
        wanted = np.cumsum(np.cumprod(wanted * 0.9, 1), 0) / 4
    np.testing.assert_allclose(w.get_value(), wanted, rtol=1e-12)
    assert moves_nothing(gpu, f)
    if not loaded(f).driver.graphless:
        pieces = [one for one, _ in loaded(f).recorded.pieces]
        assert loaded(f).direct and not any(isinstance(one, int) for one in pieces)


@pytest.mark.parametrize("portable", ["off", "on"])
def test_one_long_line(gpu: str, portable: str) -> None:
    """By the array library; or, where sums are to have one order, by a thread."""
    value = np.random.default_rng(2).normal(size=(2, LONG_LINE + 3)).astype("float32")
    v = T.fmatrix("v")
    with config.change_flags(portable_sums=portable):
        native, f = (on(d, [v], T.cumsum(v, 1)) for d in ("cpu", gpu))
        for _ in range(3):
            found = f(value)
        works = [bool(one) for one in loaded(f).launched.works.values()]
    assert works == ([True] if portable == "on" else [])
    if portable == "on":
        np.testing.assert_array_equal(found, native(value))
    np.testing.assert_allclose(
        found, np.cumsum(value, 1, "float64"), rtol=1e-4, atol=1e-2
    )


def test_complex_totals(gpu: str) -> None:
    """By the array library, with their gradients."""
    z = T.zmatrix("z")
    value = np.arange(6).reshape(2, 3) * (0.5 - 0.25j) + 1
    cost = abs(T.cumprod(z, 1)).sum()
    outputs = [T.cumsum(z, 0), T.cumprod(z, 1), T.grad(cost, z)]
    for got, want in zip(
        on(gpu, [z], outputs)(value), on("cpu", [z], outputs)(value), strict=True
    ):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_what_there_is() -> None:
    assert offers_threads(MrgUniform("float16")) and offers_threads(
        Categorical(False, True)
    )
    assert offers_threads(Running("max", "int8", 0)) and offers_threads(
        Places("bool", True)
    )
    assert not offers_threads(Running("add", "complex64", 0))
    assert not offers_threads(Places("complex128", False))
    other = NumpyDistribution("poisson", "philox")
    assert not offers_threads(other) and routine_step(call_of(other)) is None
