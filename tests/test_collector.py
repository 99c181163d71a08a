"""Compiling is not interrupted by searches for garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

import symnet
import symnet.tensor as T
from symnet.collector import collector_paused, objects_stay


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    enabled = gc.isenabled()
    yield
    (gc.enable if enabled else gc.disable)()


@pytest.fixture
def thawed() -> Iterator[None]:
    """Without what the tests' own settings have frozen."""
    gc.unfreeze()
    yield
    gc.collect()
    gc.freeze()


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_afterwards_as_it_was(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()
    with collector_paused():
        assert not gc.isenabled()
        with collector_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled() == enabled


def test_also_after_an_error() -> None:
    gc.enable()
    with pytest.raises(ZeroDivisionError), collector_paused():
        raise ZeroDivisionError
    assert gc.isenabled()


def test_a_function_is_compiled_without_collections() -> None:
    gc.enable()
    x = T.dmatrix("x")
    y = T.tanh(T.dot(x, x) + 1).sum()
    outputs = [y, symnet.grad(y, x)]
    collections: list[str] = []

    def note(phase: str, info: dict[str, int]) -> None:
        collections.append(phase)

    old = gc.get_threshold()
    gc.collect()
    gc.set_threshold(50)
    gc.callbacks.append(note)
    try:
        symnet.function([x], outputs)
        inside = list(collections)
    finally:
        gc.callbacks.remove(note)
        gc.set_threshold(*old)
    # At most what the first objects before and after the pause set off.
    assert len(inside) <= 4
    assert gc.isenabled()


def test_objects_that_stay_are_old_ones(thawed: None) -> None:
    with collector_paused():
        young: list[list[int]] = [[]]
        assert any(one is young for one in gc.get_objects(generation=0))
        objects_stay()
        assert any(one is young for one in gc.get_objects(generation=2))
    assert gc.get_freeze_count() == 0


def test_what_someone_else_has_frozen_stays_frozen(thawed: None) -> None:
    gc.freeze()
    try:
        count = gc.get_freeze_count()
        objects_stay()
        assert gc.get_freeze_count() >= count > 0
    finally:
        gc.unfreeze()
