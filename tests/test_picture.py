"""The README's picture is what symnet draws of the README's program."""

from __future__ import annotations

import importlib.util
import pathlib
import re

DOCS = pathlib.Path(__file__).parent.parent / "docs"


def words(svg: str) -> list[str]:
    return sorted(re.findall(r"<text[^>]*>(.*?)</text>", svg))


def test_the_picture_shows_the_program_as_it_is_compiled() -> None:
    found = importlib.util.spec_from_file_location("picture", DOCS / "picture.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    stored = (DOCS / "step.svg").read_text(encoding="utf-8")
    drawn = words(module.picture().svg)
    assert words(stored) == drawn, "draw it again: python docs/picture.py"
    assert {"x", "w", "output 0", "update of w"} <= set(drawn)


def test_the_picture_names_no_machine() -> None:
    stored = (DOCS / "step.svg").read_text(encoding="utf-8")
    assert set(re.findall(r"([\w./]+):\d+, in ", stored)) == {"README.md"}
