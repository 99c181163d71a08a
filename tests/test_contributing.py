"""What CONTRIBUTING.md says of adding something is tried out, section by section.

Each section is a recipe: its diffs are applied to a copy of the package, and its Python
blocks are run there, one after the other.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPES = {
    section.partition("\n")[0]: section
    for section in re.split(r"^### ", TEXT, flags=re.MULTILINE)[1:]
}
# The lines and the files that a recipe says it takes.
CLAIM = re.compile(r"^(\d+) lines? in (\d+) files?", re.MULTILINE)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def hunks(diff: str) -> list[tuple[str, str, str]]:
    """(file, old text, new text) of each hunk; of a new file the old text is empty."""
    found = []
    for part in re.split(r"^--- ", diff, flags=re.MULTILINE)[1:]:
        name, _, rest = part.partition("\n")
        for hunk in re.split(r"^@@\n", rest, flags=re.MULTILINE):
            if lines := hunk.splitlines():
                old = [line[1:] for line in lines if line[:1] != "+"]
                new = [line[1:] for line in lines if line[:1] != "-"]
                found.append((name, text_of(old), text_of(new)))
    return found


def text_of(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def apply_hunk(root: pathlib.Path, name: str, old: str, new: str) -> None:
    file = root / name
    if not old:
        assert not file.exists(), f"{name} is there already"
        file.write_text(new, encoding="utf-8")
        return
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, (
        f"{name} has not once, but {text.count(old)} times\n{old}"
    )
    file.write_text(text.replace(old, new), encoding="utf-8")


def copy_of(root: pathlib.Path, diffs: str) -> pathlib.Path:
    """The package with the diffs applied."""
    # With the compiled files, which stay valid: their times are copied, too.
    shutil.copytree(ROOT / "symnet", root / "symnet")
    for name, old, new in hunks(diffs):
        if not (root / name).exists() and old:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
        apply_hunk(root, name, old, new)
    return root


@pytest.mark.parametrize("name", RECIPES)
def test_recipe(name: str, tmp_path: pathlib.Path) -> None:
    recipe = RECIPES[name]
    root = copy_of(tmp_path, "".join(blocks(recipe, "diff")))
    program = "\n".join(blocks(recipe, "python"))
    assert program, "a recipe has something to run"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(root)},
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_takes_as_many_lines_as_it_says(name: str) -> None:
    diffs = "".join(blocks(RECIPES[name], "diff"))
    lines = sum(line.startswith("+") for line in diffs.splitlines())
    files = {file for file, _, _ in hunks(diffs)}
    claim = CLAIM.search(RECIPES[name])
    if not diffs:
        assert claim is None, "only diffs are counted"
        return
    assert claim is not None
    assert (lines, len(files)) == (int(claim[1]), int(claim[2]))


def test_a_hunk_that_does_not_fit_is_an_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.py").write_text("one\ntwo\ntwo\n")
    diff = "--- a.py\n one\n-two\n+three\n@@\n two\n"
    (first, second) = hunks(diff)
    assert first == ("a.py", "one\ntwo\n", "one\nthree\n")
    apply_hunk(tmp_path, *first)
    assert (tmp_path / "a.py").read_text() == "one\nthree\ntwo\n"
    with pytest.raises(AssertionError, match="0 times"):
        apply_hunk(tmp_path, *first)
    with pytest.raises(AssertionError, match="already"):
        apply_hunk(tmp_path, "a.py", "", "new\n")
