"""The way to the notebooks: the index of slides, `make notebooks`, what is said where the
notebooks' modules are missing."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import subprocess
import sys
from typing import Any

import pytest

from tests.helpers import TUTORIALS

ROOT = TUTORIALS.parent
NOTEBOOKS = sorted(TUTORIALS.glob("*.ipynb"))
ROW = re.compile(r"^\| (.+) \| \[(\d\d)\]\((\S+)\) \| (.+) \|$", re.M)


def cells(path: pathlib.Path, kind: str) -> list[str]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


def headings(path: pathlib.Path) -> set[str]:
    text = "\n".join(cells(path, "markdown"))
    return set(re.findall(r"^#+ (.+)$", text, re.M))


def index() -> str:
    return (TUTORIALS / "README.md").read_text(encoding="utf-8")


def test_each_slide_has_a_section_that_is_there() -> None:
    rows = ROW.findall(index())
    slides = index().split("## Where each slide is")[1]
    lines = [line for line in slides.splitlines() if line.startswith("| ")]
    tables = slides.count("\n|---")
    assert len(rows) == len(lines) - tables > 0
    for slide, number, name, section in rows:
        assert name.startswith(number), name
        assert section in headings(TUTORIALS / name), (slide, name, section)


def test_the_index_names_every_notebook() -> None:
    named = re.findall(r"^\| \[(\d\d)\]\((\S+)\) \|", index(), re.M)
    assert [name for _, name in named] == [path.name for path in NOTEBOOKS]


def test_make_notebooks_opens_jupyterlab_beside_the_modules(
    tmp_path: pathlib.Path,
) -> None:
    if not shutil.which("make"):
        pytest.skip("make is not there")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    done = subprocess.run(
        ["make", "--dry-run", "notebooks"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "--editable '.[notebooks]'" in done.stdout
    assert f'PYTHONPATH="{tmp_path}/tutorials' in done.stdout
    assert "-m jupyterlab" in done.stdout


def test_a_notebook_far_from_its_modules_says_what_to_do(
    tmp_path: pathlib.Path,
) -> None:
    """Each first cell in a folder without the modules that it imports."""
    first = {path.name: cells(path, "code")[0] for path in NOTEBOOKS}
    modules = {path.stem for path in TUTORIALS.glob("*.py")}
    wanted = {
        name: [m for m in re.findall(r"^from (\w+) import", code, re.M) if m in modules]
        for name, code in first.items()
    }
    run = (
        "import json, sys\n"
        "for name, code in json.load(sys.stdin).items():\n"
        "    try:\n"
        "        exec(code, {})\n"
        "    except ModuleNotFoundError as error:\n"
        "        print(name, str(error))\n"
        "    else:\n"
        "        print(name, 'runs')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", run], input=json.dumps(first), cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg", "HOME": str(tmp_path)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    for name, missing in wanted.items():
        if missing:
            assert f"no module {missing[0]}: `make notebooks`" in said[name], said[name]
            assert "tutorials/" in said[name]
        else:
            assert said[name] == "runs"


def test_each_notebook_looks_for_every_module_that_it_imports() -> None:
    modules = {path.stem for path in TUTORIALS.glob("*.py")} | {"matplotlib", "sklearn"}
    for path in NOTEBOOKS:
        code = "\n".join(cells(path, "code"))
        used = set(re.findall(r"^(?:from|import) (\w+)", code, re.M)) & modules
        looked = re.search(r"^for needed in \((.*)\):$", code, re.M)
        assert looked, path.name
        assert used <= set(re.findall(r"\w+", looked[1])), path.name
