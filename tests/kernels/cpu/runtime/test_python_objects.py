"""Another layout of Python's and NumPy's objects is noticed."""

from __future__ import annotations

import pytest

from symnet.kernels.cpu.runtime import python_objects
from symnet.kernels.cpu.runtime.layouts import ArrayWords, ListWords, ScalarWords

pytestmark = pytest.mark.skipif(
    bool(python_objects.obstacle()), reason=python_objects.obstacle()
)


@pytest.fixture(autouse=True)
def forget():
    python_objects.obstacle.cache_clear()
    yield
    python_objects.obstacle.cache_clear()


def test_the_layout_here_is_known():
    assert python_objects.obstacle() == ""


def test_a_missing_table_is_noticed(monkeypatch):
    monkeypatch.setattr(python_objects, "numpy_function", lambda slot: 0)
    assert "NumPy's table" in python_objects.obstacle()


@pytest.mark.parametrize(
    ("record", "word", "what"),
    [
        (ArrayWords, "dims", "arrays"),
        (ArrayWords, "data", "arrays"),
        (ListWords, "size", "lists"),
        (ScalarWords, "type", "arrays"),
    ],
)
def test_a_changed_layout_is_noticed(monkeypatch, record, word, what):
    monkeypatch.setattr(record, word, getattr(record, word) + 1)
    assert what in python_objects.obstacle()
