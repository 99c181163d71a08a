"""Modules that are imported when they are first needed."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from symnet.lazy import imported_when_used

SLOW = """
import time
time.sleep(0.2)
number = 5
"""


def test_the_first_use_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "used_later.py").write_text("number = 5")
    monkeypatch.syspath_prepend(tmp_path)
    module = imported_when_used("used_later")
    assert "used_later" not in sys.modules
    assert module.number == 5 and "used_later" in sys.modules
    monkeypatch.setattr(sys.modules["used_later"], "number", 6)
    assert module.number == 6
    with pytest.raises(AttributeError, match="used_later.*has no attribute 'numbr'"):
        _ = module.numbr


def test_threads_that_use_it_first_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them sees a module of which half is there."""
    (tmp_path / "used_by_many.py").write_text(SLOW)
    monkeypatch.syspath_prepend(tmp_path)
    module = imported_when_used("used_by_many")
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(module.number)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [5] * 4


def test_a_module_that_is_not_there_is_an_error_when_used() -> None:
    module = imported_when_used("no_such_module_of_this_name")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_of_this_name"):
        _ = module.anything
