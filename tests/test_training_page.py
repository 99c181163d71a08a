"""The programs of docs/training.md run, one after the other."""

from __future__ import annotations

import importlib.util
import pathlib
import re
from typing import Any

import numpy as np
import pytest

import symnet

PAGE = pathlib.Path(__file__).parent.parent / "docs" / "training.md"
PROGRAMS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)


def test_the_page_from_top_to_bottom(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    drawn = all(map(importlib.util.find_spec, ("tensorboard", "PIL")))
    assert len(PROGRAMS) == 7
    with symnet.change_flags(floatX="float64"):
        for number, program in enumerate(PROGRAMS):
            if drawn or "tensorboard" not in program:
                exec(compile(program, f"{PAGE.name} {number}", "exec"), names)
    heard = capsys.readouterr()
    assert heard.err.count("training: ") == 3
    assert "{'w': (64, 50), 'b': (50,), 'v': (50, 10)}" in heard.out
    assert names["stopping"].best < 0.1
    got = names["errors"](names["digits"].test_images, names["digits"].test_labels)
    np.testing.assert_array_equal(got, names["stopping"].best)
    assert (tmp_path / "runs").exists() == drawn
