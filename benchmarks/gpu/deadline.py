"""A plugin of pytest that ends a run in good time, so that what has passed until then is told.

SYMNET_TEST_SECONDS=500 python -m pytest -p benchmarks.gpu.deadline ...
"""

from __future__ import annotations

import os
import time

import pytest

VARIABLE = "SYMNET_TEST_SECONDS"
END = time.monotonic() + float(os.environ.get(VARIABLE, "inf"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logfinish(nodeid: str, location: object) -> None:
    """Between two tests."""
    if time.monotonic() > END and (run := RUNS[-1:]):
        run[0].shouldstop = f"the time is over, {os.environ[VARIABLE]} seconds"


RUNS: list[pytest.Session] = []


def pytest_sessionstart(session: pytest.Session) -> None:
    RUNS.append(session)
