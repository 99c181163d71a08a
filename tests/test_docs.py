"""What the pages name is there: files, folders, and every folder of the package."""

from __future__ import annotations

import pathlib
import re

import pytest

from tests.test_layers import FLOORS

ROOT = pathlib.Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
# What a recipe makes, or the program of a page.
EXAMPLES = {"step.py", "FILE.py"}
PATH = re.compile(r"`((?:[\w.]+/)*[\w.]+\.(?:py|md)|(?:\w+/)+\w*)`")
LINK = re.compile(r"\]\(([\w./]+)\)")


def prose(page: pathlib.Path) -> str:
    """The page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_exist(page: pathlib.Path) -> None:
    """From the project's or the package's folder on."""
    for name in PATH.findall(prose(page)):
        found = [root / name for root in (ROOT, ROOT / "symnet", ROOT / "tutorials")]
        known = name in EXAMPLES or any(path.exists() for path in found)
        assert known, f"{page.name} names {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_pages(page: pathlib.Path) -> None:
    for target in LINK.findall(prose(page)):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_design_names_every_folder_of_the_package() -> None:
    text = (ROOT / "docs" / "design.md").read_text("utf-8")
    folders = {name.rpartition(".")[0] for name in FLOORS} - {""}
    for folder in folders:
        assert f"`symnet/{folder.replace('.', '/')}`" in text, folder
