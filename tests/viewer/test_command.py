from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest

from symnet.viewer.command import main

PROGRAM = """
import numpy as np
import symnet
import symnet.tensor as T

x = T.dmatrix("x")
w = symnet.shared(np.ones((4, 2)), "w")
cost = T.sqr(T.dot(x, w)).sum()
train = symnet.function([x], cost, updates=[(w, w - 0.1 * T.grad(cost, w))])
number = 3
"""


@pytest.fixture
def program(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return str(path)


def data_in(path: pathlib.Path) -> Any:
    found = re.search(r'id="data">(.*?)</script>', path.read_text("utf-8"), re.S)
    assert found is not None
    return json.loads(found[1])


@pytest.mark.parametrize("name", ["train", "cost"])
def test_a_file_is_written(
    program: str, tmp_path: pathlib.Path, name: str, capsys: Any
) -> None:
    output = tmp_path / "out.html"
    assert main([f"{program}:{name}", "--output", str(output), "--no-browser"]) == 0
    assert capsys.readouterr().out == f"{output}\n"
    record = data_in(output)
    assert record["lines"][0]["short"] == "program.py:8"
    assert not record["program"]["parts"][0]["planned"]


def test_shapes_make_a_plan(program: str, tmp_path: pathlib.Path) -> None:
    output = str(tmp_path / "out.html")
    target = f"{program}:train"
    assert main([target, "--shapes", "x=5,4", "--output", output, "--no-browser"]) == 0
    program_record = data_in(tmp_path / "out.html")["program"]
    assert program_record["parts"][0]["planned"] and program_record["profile"]


@pytest.mark.parametrize(
    ("target", "more", "text"),
    [
        ("{}:training", [], "there is no 'training'; there are x, w, cost, train"),
        ("{}:number", [], "is no compiled function or variable, but 3"),
        ("nowhere.py:train", [], "there is no file nowhere.py"),
        ("{}:train", ["--shapes", "z=3"], "no input z; there are x"),
        ("{}:train", ["--shapes", "x=3,5"], "the contracted axes): 5 and 4"),
        ("{}:cost", ["--output", "nowhere/f.html"], "cannot write"),
    ],
)
def test_what_is_not_there_is_told(
    program: str, target: str, more: list[str], text: str, capsys: Any
) -> None:
    assert main([target.format(program), *more, "--no-browser"]) == 2
    assert text in capsys.readouterr().err


def test_it_is_a_program(program: str, tmp_path: pathlib.Path) -> None:
    command = [
        sys.executable,
        "-m",
        "symnet.view",
        f"{program}:nothing",
        "--no-browser",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "python -m symnet.view: " in done.stderr
    assert "there is no 'nothing'" in done.stderr
