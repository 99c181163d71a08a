"""What `conftest.py` arranges for all tests."""

from __future__ import annotations

import gc
import os
import weakref

import pytest


class Circle:
    def __init__(self) -> None:
        self.me = self


def test_tests_are_not_searched_for_garbage(request: pytest.FixtureRequest) -> None:
    """And what they make is."""
    assert gc.isenabled() and gc.get_freeze_count() > 0
    assert not any(one is request.session for one in gc.get_objects())
    made = weakref.ref(Circle())
    gc.collect()
    assert made() is None


def test_an_idle_blas_leaves_the_processor() -> None:
    assert 4 <= int(os.environ["OPENBLAS_THREAD_TIMEOUT"]) <= 30
