"""Draws as launches: on the device, in graphs, with nothing brought to the host."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.config import config
from symnet.kernels.cuda.draw_work import draw_step, offers_draw
from symnet.kernels.gpus import GPUS
from symnet.kernels.library import DenseCall
from symnet.kernels.memory import Moved
from symnet.kernels.routines import Categorical, MrgUniform, NumpyDistribution
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
    before = GPUS[gpu].transfers.traffic
    f()
    moved = GPUS[gpu].transfers.traffic - before
    assert moved.to_device == moved.to_host == Moved(0, 0)
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
    assert re.search(r"threads for 4 streams or rows", stages.text("plan"))
    assert re.search(r"define (ptx_kernel )?void @draw\(", stages.text("llvm"))


def call_of(routine: Any, *operands: tuple[str, tuple[int, ...]]) -> DenseCall:
    return DenseCall(routine, operands, 1, (), lambda arrays: arrays)


def test_how_many_threads() -> None:
    states = ("int32", (10, 6))
    for numbers, threads in ((0, 0), (4, 4), (25, 10)):
        call = call_of(MrgUniform("float32"), states, states, ("float32", (numbers,)))
        step = draw_step(call)
        assert step is not None and step.total == threads
        assert step.operands == (1, 2) and step.sizes == (10, numbers)
    rows, uniform = ("float64", (3, 4)), ("float64", (6,))
    counts = draw_step(call_of(Categorical(True, False), rows, uniform, rows))
    assert counts is not None
    assert (counts.total, counts.sizes) == (3, (3, 4, 2))
    none = draw_step(
        call_of(Categorical(True, False), ("float64", (0, 4)), ("float64", (0,)), rows)
    )
    assert none is not None and none.total == 0


def test_what_there_is() -> None:
    assert offers_draw(MrgUniform("float16")) and offers_draw(Categorical(False, True))
    other = NumpyDistribution("poisson", "philox")
    assert not offers_draw(other) and draw_step(call_of(other)) is None
