"""Plans beyond those kept go with all their memory; functions go without a collector."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any
from weakref import ref

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.compile import compiled_segment
from symnet.compile.plan import plan_cache
from symnet.config import config
from tests.helpers import reference_sort

COLUMNS = 300


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """What goes must go by itself; what other tests left behind does not count."""
    gc.collect()
    gc.disable()
    plan_cache._known.clear()
    yield
    gc.enable()


def make() -> Any:
    """A function with temporaries as large as two arguments."""
    x = T.matrix("x")
    return symnet.function([x], T.dot(T.tanh(x), T.exp(x).T).sum())


def value_of(rows: int) -> float:
    x = np.ones((rows, COLUMNS))
    return float(np.dot(np.tanh(x), np.exp(x).T).sum())


def call(f: Any, rows: int) -> dict[str, ref[Any]]:
    """Call with so many rows; references to all that this size has."""
    for _ in range(3):
        np.testing.assert_allclose(f(np.ones((rows, COLUMNS))), value_of(rows))
    (native,) = f.engine.native
    plan = next(reversed(native.plans.values()))
    found = {
        "plan": plan,
        "entry": plan.entry,
        "block": plan.entry.block,
        "program": plan.loaded,
        "arena": plan.loaded.arena,
    }
    return {name: ref(thing) for name, thing in found.items()}


def alive(marks: dict[str, ref[Any]]) -> list[str]:
    return [name for name, mark in marks.items() if mark() is not None]


def test_plans_beyond_the_number_kept_are_freed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compiled_segment, "PLANS_KEPT", 3)
    f = make()
    marks = [call(f, rows) for rows in range(10, 20)]
    assert [bool(alive(one)) for one in marks] == [False] * 7 + [True] * 3
    assert len(f.engine.native[0].entries) == 3
    again = call(f, 17)  # one that is kept, and is the latest from now on
    call(f, 30)
    assert alive(again) and not alive(marks[-2])
    call(f, 10)  # one that is gone is made again


def test_temporaries_of_all_functions_stay_within_the_allowance() -> None:
    functions = [make() for _ in range(3)]
    marks = []
    with config.change_flags(memory_kept="2M"):
        for rows in range(100, 112):
            marks += [call(f, rows) for f in functions]
    kept = [mark["arena"]() for mark in marks]
    held = sum(arena.nbytes for arena in kept if arena is not None)
    assert 1e6 < held <= 2 << 20
    # The latest of each function is among them, and what is there was used last.
    assert [arena is None for arena in kept] == sorted(arena is None for arena in kept)[
        ::-1
    ]
    assert all(arena is not None for arena in kept[-3:])


def test_the_latest_plan_of_a_function_stays_however_large() -> None:
    functions = [make() for _ in range(3)]
    with config.change_flags(memory_kept=0):
        first = [call(f, 200) for f in functions]
        assert all(len(alive(one)) == 5 for one in first)
        second = [call(f, 201) for f in functions]
        assert all(len(alive(one)) == 5 for one in second)
        assert not any(map(alive, first))


def test_use_decides_not_age() -> None:
    f = make()
    with config.change_flags(memory_kept="2M"):
        small = call(f, 50)
        for rows in range(100, 120):
            call(f, rows)
            f(np.ones((50, COLUMNS)))
            assert len(alive(small)) == 5


def test_small_plans_are_not_counted() -> None:
    f = make()
    with config.change_flags(memory_kept=0):
        marks = [call(f, rows) for rows in range(1, 6)]
    assert all(len(alive(one)) == 5 for one in marks) and not plan_cache._known


def test_a_plan_in_use_outlives_its_dropping() -> None:
    """Whoever calls holds the memory: here a call that has just begun elsewhere."""
    f = make()
    x = np.ones((64, COLUMNS))
    marks = call(f, 64)
    running = type(f).__call__  # what a call in another thread holds
    with config.change_flags(memory_kept=0):
        call(f, 100)
        assert len(f.engine.native[0].plans) == 1
        np.testing.assert_allclose(running(x), value_of(64))
        assert "arena" in alive(marks)
        del running
        assert not alive(marks)


def test_threads_with_sizes_of_their_own() -> None:
    """Each meets sizes that drop the plans of the others."""
    f, wrong = make(), []
    f(np.ones((2, COLUMNS)))

    def work(first: int) -> None:
        for turn in range(25):
            rows = first + turn % 7
            got = float(f(np.ones((rows, COLUMNS))))
            if not np.isclose(got, value_of(rows)):
                wrong.append((rows, got))

    with config.change_flags(memory_kept="1M"):
        threads = [threading.Thread(target=work, args=(60 + 10 * k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
    assert sum(p.loaded.arena.nbytes for p in f.engine.native[0].plans.values()) < 2e6


def test_free_gives_everything_back() -> None:
    f = make()
    marks = [call(f, rows) for rows in (60, 70)]
    f.free()
    assert not any(map(alive, marks))
    call(f, 60)


def programs() -> dict[str, Any]:
    x, i = T.matrix("x"), T.lscalar("i")
    w, data = symnet.shared(np.ones(8)), symnet.shared(np.ones((40, 8)))
    states, _ = symnet.scan(
        lambda row, h: T.tanh(row + h), sequences=x, outputs_info=T.zeros((8,))
    )
    rows = data[i * 10 : (i + 1) * 10]
    return {
        "loop": ([x], T.exp(x).sum(axis=1), {}),
        "product": ([x], T.nnet.softmax(T.dot(x, x.T)), {}),
        "update": ([x], x.sum(), {"updates": [(w, w + x.sum(axis=0))]}),
        "minibatch": ([i], x.sum(), {"givens": {x: rows}}),
        "scan": ([x], states[-1].sum(), {}),
        "reference": ([x], reference_sort(x * 2).sum(), {}),
        "slow": ([x], (x * 2).sum(), {"mode": "FAST_COMPILE"}),
        "debug": ([x], (x * 2).sum(), {"mode": "DebugMode"}),
        "large": ([x], T.alloc(x.sum(), 1 << 16), {}),
    }


@pytest.mark.parametrize("kind", list(programs()))
def test_a_function_goes_with_its_last_reference(kind: str) -> None:
    inputs, output, settings = programs()[kind]
    f = symnet.function(inputs, output, **settings)
    argument = 1 if kind == "minibatch" else np.ones((10, 8))
    for _ in range(4):
        result = f(argument)
    marks = {"function": ref(f), "engine": ref(f.engine)}
    for native in getattr(f.engine, "native", ()):
        for plan in native.plans.values():
            marks["plan"], marks["block"] = ref(plan), ref(plan.entry.block)
            marks["arena"] = ref(plan.loaded.arena)
            del plan
        del native
    assert f.maker.function is f
    maker = f.maker
    del f
    assert not alive(marks)
    assert maker.function is None and np.isfinite(result).all()


def test_a_function_that_failed_goes_too() -> None:
    x, i = T.vector("x"), T.lscalar("i")
    f = symnet.function([x, i], x[T.stack([i, i])])
    f(np.ones(3), 1)
    with pytest.raises(IndexError):
        f(np.ones(3), 7)
    marks = {"function": ref(f), "engine": ref(f.engine)}
    del f
    assert not alive(marks)


def test_a_function_in_a_cycle_goes_with_the_cycle() -> None:
    class Model:
        pass

    model: Any = Model()
    model.f, model.me = make(), model
    marks = call(model.f, 80)
    del model
    gc.collect()
    assert not alive(marks)
