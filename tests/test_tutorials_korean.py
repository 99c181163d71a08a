"""The Korean notebooks say in Korean what the English ones say: programs, results and
formulas are the same, so that what runs there runs here."""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

import pytest

from tests.helpers import TUTORIALS

KOREAN = sorted((TUTORIALS / "ko").glob("*.ipynb"))
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
FORMULA = re.compile(r"\$\$.*?\$\$", re.S)
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def cells(path: pathlib.Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return found


def test_there_are_korean_notebooks() -> None:
    assert len(KOREAN) >= 2


@pytest.mark.parametrize("path", KOREAN, ids=lambda path: path.stem)
def test_programs_and_results_are_the_english_ones(path: pathlib.Path) -> None:
    there, here = cells(TUTORIALS / path.name), cells(path)
    assert [c["cell_type"] for c in here] == [c["cell_type"] for c in there]
    for one, other in zip(here, there):
        if one["cell_type"] == "code":
            assert one["source"] == other["source"]
            assert one["outputs"] == other["outputs"]


@pytest.mark.parametrize("path", KOREAN, ids=lambda path: path.stem)
def test_prose_is_korean_around_the_same_formulas(path: pathlib.Path) -> None:
    for one, other in zip(cells(path), cells(TUTORIALS / path.name)):
        if one["cell_type"] != "markdown":
            continue
        korean, english = "".join(one["source"]), "".join(other["source"])
        assert re.search("[가-힣]", korean), korean[:60]
        assert FENCE.findall(korean) == FENCE.findall(english)
        assert FORMULA.findall(korean) == FORMULA.findall(english)
        assert korean.count("\n## ") == english.count("\n## "), korean[:60]
        assert korean.count("<details>") == english.count("<details>")
        for target in LINK.findall(FENCE.sub("", korean)):
            assert (path.parent / target).exists(), target
