"""The Korean notebooks say in Korean what the English ones say: programs, results and
formulas are the same, so that what runs there runs here."""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

import pytest

from tests.helpers import TUTORIALS

ENGLISH = sorted(TUTORIALS.glob("*.ipynb"))
KOREAN = sorted((TUTORIALS / "ko").glob("*.ipynb"))
INDEX = TUTORIALS / "ko" / "README.md"
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
FORMULA = re.compile(r"\$\$.*?\$\$", re.S)
INLINE = re.compile(r"`[^`\n]+`|\$[^$\n]+\$")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
HANGUL = re.compile("[가-힣]")
# Of an index: the slides, the notebook's number and file, the section.
ROW = re.compile(r"^\| (.+) \| \[(\d\d)\]\((\S+)\) \| (.+) \|$", re.M)
NOTEBOOK = re.compile(r"^\| \[(\d\d)\]\((\S+)\) \| .+ \|$", re.M)


def cells(path: pathlib.Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return found


def prose(path: pathlib.Path) -> list[str]:
    return ["".join(c["source"]) for c in cells(path) if c["cell_type"] == "markdown"]


def paragraphs(text: str) -> list[str]:
    """Without programs and formulas on lines of their own, headings, tables and folds."""
    bare = FORMULA.sub("", FENCE.sub("", text))
    bare = re.sub(r"^(?:#|\||<|    ).*$", "", bare, flags=re.M)
    return [found for one in re.split(r"\n{2,}", bare) if (found := one.strip())]


def headings(path: pathlib.Path) -> list[str]:
    text = "\n".join(FENCE.sub("", one) for one in prose(path))
    return re.findall(r"^#+ (.+)$", text, re.M)


def unclosed(paragraph: str) -> bool:
    """Whether a * stays a star: one between a letter and what is no letter, on its side.

    Particles follow words without a space, so *this!*is what one writes, and it is
    shown with its stars.  Code and formulas begin and end with what is no letter.
    """
    text = INLINE.sub("``", re.sub(r"^(?:\*|-|\d\.) ", "", paragraph, flags=re.M))
    stars = list(re.finditer(r"\*+", text))
    for number, star in enumerate(stars):
        before, after = (text + " ")[star.start() - 1], (text + " ")[star.end()]
        inner, outer = (before, after) if number % 2 else (after, before)
        if inner.isspace() or (not inner.isalnum() and outer.isalnum()):
            return True
    return len(stars) % 2 == 1


def test_every_notebook_is_there_in_korean() -> None:
    assert [path.name for path in KOREAN] == [path.name for path in ENGLISH]


@pytest.mark.parametrize("path", KOREAN, ids=lambda path: path.stem)
def test_programs_and_results_are_the_english_ones(path: pathlib.Path) -> None:
    there, here = cells(TUTORIALS / path.name), cells(path)
    assert [c["cell_type"] for c in here] == [c["cell_type"] for c in there]
    for one, other in zip(here, there):
        if one["cell_type"] == "code":
            assert one["source"] == other["source"]
            assert one["outputs"] == other["outputs"]


@pytest.mark.parametrize("path", KOREAN, ids=lambda path: path.stem)
def test_the_files_are_notebooks(path: pathlib.Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(nbformat.read(path, as_version=4))


@pytest.mark.parametrize("path", KOREAN, ids=lambda path: path.stem)
def test_prose_is_korean_around_the_same_formulas(path: pathlib.Path) -> None:
    for korean, english in zip(prose(path), prose(TUTORIALS / path.name)):
        assert HANGUL.search(korean), korean[:60]
        assert FENCE.findall(korean) == FENCE.findall(english)
        assert FORMULA.findall(korean) == FORMULA.findall(english)
        assert korean.count("\n## ") == english.count("\n## "), korean[:60]
        assert korean.count("<details>") == english.count("<details>")
        assert len(paragraphs(korean)) == len(paragraphs(english)), korean[:60]
        for paragraph in paragraphs(korean):
            assert HANGUL.search(paragraph), paragraph
            assert not unclosed(paragraph), paragraph


@pytest.mark.parametrize("path", KOREAN, ids=lambda path: path.stem)
def test_links_lead_to_what_the_english_ones_lead_to(path: pathlib.Path) -> None:
    for korean, english in zip(prose(path), prose(TUTORIALS / path.name)):
        here, there = (LINK.findall(FENCE.sub("", one)) for one in (korean, english))
        for target in here:
            assert (path.parent / target).exists(), target
            if target.endswith(".ipynb"):
                assert (path.parent / target).resolve().parent == path.parent, target
        names = [
            sorted(pathlib.Path(one).name for one in some) for some in (here, there)
        ]
        assert names[0] == names[1]


@pytest.mark.parametrize(
    "text, stays",
    [
        ("**강조**는", False), ("**강조**(word)는", False), ("(*a, b*)로", False),
        ("**강조(word)**는", True), ("*(a, b)*로", True), ("*`f`*를", True),
        ("*a, b.* 다음", False), ("* 하나\n* 둘", False), ("`a * b`와 $a * b$", False),
        ("*하나", True), ("\"*하나*\"", False),
    ],
)  # fmt: skip
def test_stars_that_stay_are_found(text: str, stays: bool) -> None:
    assert unclosed(text) == stays


def test_the_index_names_every_notebook() -> None:
    text = INDEX.read_text(encoding="utf-8")
    assert [name for _, name in NOTEBOOK.findall(text)] == [p.name for p in KOREAN]


def test_the_index_leads_where_the_english_one_leads() -> None:
    """Slide by slide: the same notebook, the section at the same place in it."""
    here = ROW.findall(INDEX.read_text(encoding="utf-8"))
    there = ROW.findall((TUTORIALS / "README.md").read_text(encoding="utf-8"))
    assert len(here) == len(there) > 0
    for (slide, *korean, section), (_, *english, other) in zip(here, there):
        assert korean == english, slide
        name = english[1]
        place = headings(TUTORIALS / name).index(other)
        assert section == headings(INDEX.parent / name)[place], slide
