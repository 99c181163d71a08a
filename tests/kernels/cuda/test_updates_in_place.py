"""Products as parts of what is recorded, and shared variables that are written where they lie,
once nothing can fail any more."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.config import config
from symnet.kernels.cuda.emulated_driver import EmulatedDriver
from symnet.kernels.cuda.gemm_work import ProductStep
from symnet.kernels.gpus import EMULATED
from tests.kernels.programs import on


def loaded(f: Any) -> Any:
    (plan,) = f.engine.native[-1].plans.values()
    return plan.loaded


def perceptron(gpu: str, **options: Any) -> tuple[Any, list[Any]]:
    """A train step by the number of the minibatch, whose products are all of its steps'."""
    random = np.random.default_rng(0)
    data = symnet.shared(random.normal(size=(40, 6)).astype("float32"))
    wanted = symnet.shared(random.normal(size=(40, 2)).astype("float32"))
    weights = [
        symnet.shared(random.normal(size=s).astype("float32")) for s in ((6, 5), (5, 2))
    ]
    k, x, y = T.lscalar("k"), T.fmatrix("x"), T.fmatrix("y")
    found = T.dot(T.tanh(T.dot(x, weights[0])), weights[1])
    cost = T.sqr(found - y).mean()
    rate = T.cast(0.1, "float32")
    updates = [(w, w - rate * T.grad(cost, w)) for w in weights]
    rows = slice(k * 8, (k + 1) * 8)
    givens = {x: data[rows], y: wanted[rows]}
    return on(gpu, [k], cost, updates=updates, givens=givens, **options), weights


def test_a_train_step_is_two_graphs_and_copies_nothing(
    gpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes before the first write of a shared variable, and the rest."""
    f, weights = perceptron(gpu)
    for k in (0, 1):
        f(k)
    program = loaded(f)
    driver, copied = program.driver, [0]
    copy = driver.copy

    def counted(target: Any, source: Any) -> None:
        copied[0] += source.size
        copy(target, source)

    monkeypatch.setattr(driver, "copy", counted)
    if program.driver.graphless or program.driver.productless:
        pytest.skip("no graphs of products here")
    for k in (2, 3, 1):
        f(k)
    assert copied == [0] and program.direct
    pieces = [piece for piece, _ in program.recorded.pieces]
    assert len(pieces) == 2 and not any(isinstance(one, int) for one in pieces)
    products = [
        step
        for work in program.launched.works.values()
        for step in work.steps
        if isinstance(step, ProductStep)
    ]
    assert len(products) >= 5
    with config.change_flags(gpu_graphs="off"):
        f(4)
    assert copied == [sum(4 * w.get_value().size for w in weights)]


def test_a_train_step_learns_what_the_cpu_learns(gpu: str) -> None:
    found = []
    for device in (gpu, "cpu"):
        with config.change_flags(device=device):
            f, weights = perceptron(device)
            costs = [f(k) for k in (0, 1, 1, 4, 2, 0, 3)]
            found.append((costs, *(w.get_value() for w in weights)))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5)


def test_replays_are_the_first_calls_bit_for_bit(gpu: str) -> None:
    """Arguments, which lie elsewhere in each call; transposed ones; a batch; an output."""
    random = np.random.default_rng(1)
    x, y, z = T.fmatrix("x"), T.fmatrix("y"), T.ftensor3("z")
    w = symnet.shared(random.normal(size=(5, 7)).astype("float32"))
    outputs = [
        T.dot(x, y),
        T.dot(x.T, T.dot(x, w)),
        T.batched_dot(z, z),
        T.dot(x, w[:, 0]),
    ]
    f = on(gpu, [x, y, z], [*outputs, T.exp(outputs[0]).sum()])
    X, Y = (random.normal(size=s).astype("float32") for s in ((6, 5), (5, 4)))
    Z = random.normal(size=(3, 4, 4)).astype("float32")
    first = f(X, Y, Z)
    wanted = [X @ Y, X.T @ (X @ w.get_value()), Z @ Z, X @ w.get_value()[:, 0]]
    for got, expected in zip(first, wanted):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    kept = []
    for _ in range(3):
        again = f(X.copy(), Y.copy(), Z.copy())
        kept.append(again)  # so that later results lie elsewhere
        for got, expected in zip(again, first, strict=True):
            np.testing.assert_array_equal(got, expected)
    other = f(2 * X, Y, Z)
    np.testing.assert_array_equal(other[0], 2 * first[0])


def test_a_shared_variable_that_lies_elsewhere(gpu: str) -> None:
    """It is recorded anew, and copied from then on: values are right each time."""
    x = T.fmatrix("x")
    w = symnet.shared(np.ones((3, 2), "float32"))
    f = on(gpu, [x], T.tanh(T.dot(x, w)))
    X = np.arange(6, dtype="float32").reshape(2, 3) / 10
    for k in range(6):
        value = np.full((3, 2), k / 8, "float32")
        w.set_value(value, borrow=True)
        np.testing.assert_allclose(f(X), np.tanh(X @ value), rtol=1e-6)
        np.testing.assert_allclose(f(X), np.tanh(X @ value), rtol=1e-6)


def test_products_in_a_loop_of_known_length(gpu: str) -> None:
    random = np.random.default_rng(2)
    w = symnet.shared(random.normal(size=(4, 4)).astype("float32") / 3)
    x = T.ftensor3("x")
    states, _ = symnet.scan(
        lambda row, h: T.tanh(row + T.dot(h, w)), x, T.zeros_like(x[0])
    )
    f = on(gpu, [x], [states, T.grad(states[-1].sum(), w)])
    X = random.normal(size=(5, 2, 4)).astype("float32")
    h, wanted = np.zeros((2, 4)), []
    for row in X:
        h = np.tanh(row + h @ w.get_value().astype("float64"))
        wanted.append(h)
    first = f(X)
    np.testing.assert_allclose(first[0], wanted, rtol=1e-5, atol=1e-6)
    for got, expected in zip(f(X), first, strict=True):
        np.testing.assert_array_equal(got, expected)
    pieces = [piece for piece, _ in loaded(f).recorded.pieces]
    if not loaded(f).driver.productless:
        assert not any(isinstance(one, int) for one in pieces)


def test_without_cublas_products_stand_between_graphs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(EmulatedDriver, "productless", "there is none")
    with config.change_flags(device="emulated"):
        f, weights = perceptron("emulated")
        for k in (0, 1, 2):
            f(k)
        pieces = [piece for piece, _ in loaded(f).recorded.pieces]
    assert any(isinstance(one, int) for one in pieces)
    monkeypatch.undo()
    with config.change_flags(device="emulated"):
        g, others = perceptron("emulated")
        for k in (0, 1, 2):
            g(k)
    for one, other in zip(weights, others, strict=True):
        np.testing.assert_allclose(one.get_value(), other.get_value(), rtol=1e-5)


# ---- updates in place


def test_what_fails_before_the_first_write_changes_nothing(gpu: str) -> None:
    """A position that only the call knows is looked at before the variable is written where
    it lies."""
    w = symnet.shared(np.arange(8.0).reshape(4, 2))
    k = T.lvector("k")
    f = on(gpu, [k], (w[k] ** 2).sum(), updates=[(w, w * 2)])
    for _ in range(3):
        f([1, 2])
    before = w.get_value()
    with pytest.raises(IndexError):
        f([0, 9])
    np.testing.assert_array_equal(w.get_value(), before)
    f([3, 0])
    np.testing.assert_array_equal(w.get_value(), 2 * before)


def test_what_the_last_part_reads_is_there(
    gpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An argument lives until what writes shared variables has begun."""
    driver = EMULATED.driver
    allocate = driver.allocate
    made: list[Any] = []

    def noted(size: int) -> Any:
        made.append(weakref.ref(found := allocate(size)))
        return found

    w = symnet.shared(np.zeros(5))
    x = T.dvector("x")
    f = on(gpu, [x], T.exp(x).sum(), updates=[(w, w + x)])
    for _ in range(2):
        f(np.ones(5))
    if not (loaded(f).direct and loaded(f).driver is driver):
        pytest.skip("the emulated device shows what memory is held")
    replays, alive = driver.replay, []

    def replay(recording: Any) -> Any:
        def begin() -> Any:
            sent = [
                m for m in (one() for one in made) if m is not None and m.size == 40
            ]
            alive.append(len(sent))
            yield from replays(recording)

        return begin()

    monkeypatch.setattr(driver, "allocate", noted)
    monkeypatch.setattr(driver, "replay", replay)
    f(np.ones(5))
    assert alive[-1] == 1  # x
    np.testing.assert_array_equal(w.get_value(), 3)


def test_scattered_writes_go_by_a_copy(gpu: str) -> None:
    w = symnet.shared(np.zeros(4))
    k = T.lvector("k")
    f = on(gpu, [k], [], updates=[(w, T.inc_subtensor(w[k], 1.0))])
    for _ in range(3):
        f([1, 1, 2])
    with pytest.raises(IndexError):
        f([0, 9])
    np.testing.assert_array_equal(w.get_value(), [0, 6, 3, 0])


def test_an_interrupt_between_both_parts_changes_nothing(
    gpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    f, weights = perceptron(gpu)
    for k in (0, 1, 2):
        f(k)
    before = [w.get_value() for w in weights]
    program = loaded(f)
    if not program.direct:
        pytest.skip("written in copies here")

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(program), "finish", interrupted)
        with pytest.raises(KeyboardInterrupt):
            f(3)
    for w, value in zip(weights, before, strict=True):
        np.testing.assert_array_equal(w.get_value(), value)
    f(3)
    assert all((w.get_value() != v).any() for w, v in zip(weights, before))


def test_a_graph_that_does_not_begin_changes_nothing(
    gpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    f, weights = perceptron(gpu)
    for k in (0, 1):
        f(k)
    before = [w.get_value() for w in weights]
    driver = loaded(f).driver
    replays, count = driver.replay, [0]

    def second_fails(recording: Any) -> Any:
        count[0] += 1
        return iter([700]) if count[0] == 2 else replays(recording)

    with monkeypatch.context() as patch:
        patch.setattr(driver, "replay", second_fails)
        with pytest.raises(RuntimeError, match="refuses|did not begin"):
            f(2)
    assert count == [2]
    for w, value in zip(weights, before, strict=True):
        np.testing.assert_array_equal(w.get_value(), value)
    f(2)


def test_a_rehearsal_writes_nothing(gpu: str) -> None:
    """DebugMode compares what a program would write."""
    f, weights = perceptron(gpu, mode="DebugMode")
    for k in (0, 1, 2):
        f(k)
    assert all(np.isfinite(w.get_value()).all() for w in weights)
