"""The pages: what they name and link to is there, and what they show runs."""

from __future__ import annotations

import doctest
import importlib.util
import pathlib
import re
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

import symnet
from symnet.ops.elementwise import Elementwise
from tests.test_layers import FLOORS

ROOT = pathlib.Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
# What a recipe makes, or the program of a page.
EXAMPLES = {"step.py", "FILE.py"}
PATH = re.compile(r"`((?:[\w.]+/)*[\w.]+\.(?:py|md)|(?:\w+/)+\w*)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(`{3,})(\S*)[^\n]*\n(.*?)^\1$", re.M | re.S)
HEADING = re.compile(r"^#+ (.*)$", re.M)
# Their programs are run by tests of their own.
TESTED_ELSEWHERE = {"CONTRIBUTING.md", "training.md", "walkthrough.md"}


def prose(page: pathlib.Path) -> str:
    """The page without its blocks of code."""
    return FENCE.sub("", page.read_text("utf-8"))


def generator() -> ModuleType:
    """`docs/generate.py`, which belongs to no package."""
    found = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    return generator()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_exist(page: pathlib.Path) -> None:
    """From the project's or the package's folder on."""
    for name in PATH.findall(prose(page)):
        found = [root / name for root in (ROOT, ROOT / "symnet", ROOT / "tutorials")]
        known = name in EXAMPLES or any(path.exists() for path in found)
        assert known, f"{page.name} names {name}"


# ---- links


def anchors(page: pathlib.Path) -> set[str]:
    """The names of a page's headings, as in addresses."""
    titles = HEADING.findall(prose(page))
    plain = [re.sub(r"[^\w\- ]", "", title.lower()) for title in titles]
    return {title.replace(" ", "-") for title in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: pathlib.Path) -> None:
    modules = generator().MODULES
    for target in LINK.findall(prose(page)):
        if re.match(r"https?:", target):
            continue
        file, _, anchor = target.partition("#")
        there = page.parent / file if file else page
        if there.parent == DOCS / "generated":  # made with the site
            assert there.stem in modules, f"{page.name} links to {target}"
            continue
        assert there.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(there), f"{page.name} links to {target}"


def test_every_page_is_in_a_table_of_contents() -> None:
    modules = generator().MODULES
    listed = set()
    for page in DOCS.glob("*.md"):
        for _, kind, text in FENCE.findall(page.read_text("utf-8")):
            if kind == "{toctree}":
                lines = text.splitlines()
                listed |= {line for line in lines if line and not line.startswith(":")}
    for page in DOCS.glob("*.md"):
        assert page.stem in listed | {"index"}, (
            f"{page.name}: enter it in docs/index.md"
        )
    for name in listed:
        made = name.startswith("generated/") and pathlib.Path(name).name in modules
        assert made or "*" in name or (DOCS / f"{name}.md").exists(), name


# ---- programs


def run_page(page: pathlib.Path) -> int:
    """All programs of a page in one space of names, from top to bottom; how many.

    `python` blocks run, `pycon` blocks print what they say they print.
    """
    space: dict[str, Any] = {"__name__": "page"}
    runner = doctest.DocTestRunner(
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    text = page.read_text("utf-8")
    count = 0
    for match in FENCE.finditer(text):
        line, kind, source = text[: match.start()].count("\n") + 1, match[2], match[3]
        if kind == "python":
            exec(compile("\n" * line + source, str(page), "exec"), space)
        elif kind == "pycon":
            test = doctest.DocTestParser().get_doctest(
                source, space, page.name, str(page), line
            )
            runner.run(test, clear_globs=False)
            space.update(test.globs)
        else:
            continue
        count += 1
    assert runner.summarize(verbose=False).failed == 0
    return count


@pytest.fixture
def as_before() -> Any:
    """Settings and modules afterwards as before."""
    modules, printed = set(sys.modules), Elementwise.printed
    with symnet.change_flags(floatX="float64", mode="FAST_RUN", newaxis="numpy"):
        yield
    Elementwise.printed = printed
    finders = [
        one for one in sys.meta_path if type(one).__module__ == "symnet.theano_names"
    ]
    for finder in finders:
        sys.meta_path.remove(finder)
    for name in set(sys.modules) - modules:
        if name.partition(".")[0] == "theano":
            del sys.modules[name]


RUN = [page for page in PAGES if page.name not in TESTED_ELSEWHERE | {"models.md"}]


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_programs_run(page: pathlib.Path, as_before: None) -> None:
    blocks = [
        kind for _, kind, _ in FENCE.findall(page.read_text("utf-8"))
        if kind in ("python", "pycon")
    ]  # fmt: skip
    assert run_apart(page) == len(blocks)


def run_apart(page: pathlib.Path) -> int:
    """`run_page`, in a process of its own where the page changes modules for good."""
    if "install_as_theano()" not in page.read_text("utf-8"):
        return run_page(page)
    code = (
        "import pathlib, sys; from tests.test_docs import run_page; "
        "print(run_page(pathlib.Path(sys.argv[1])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(page)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    return int(done.stdout.split()[-1])


def test_a_page_that_is_wrong_is_seen(tmp_path: pathlib.Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```pycon\n>>> 1 + 1\n3\n```\n", "utf-8")
    with pytest.raises(AssertionError):
        run_page(page)


# ---- what is made of docstrings


def test_the_design_names_every_folder_of_the_package() -> None:
    text = (ROOT / "docs" / "design.md").read_text("utf-8")
    folders = {name.rpartition(".")[0] for name in FLOORS} - {""}
    for folder in folders:
        assert f"`symnet/{folder.replace('.', '/')}`" in text, folder


def test_settings_all_have_their_paragraph(generate: ModuleType) -> None:
    page = generate.settings_page()
    for name in symnet.config.__annotations__:
        assert f"### `{name}`\n" in page


def test_pages_of_names_have_all_names_with_their_text(generate: ModuleType) -> None:
    for module, head in generate.MODULES.values():
        page = generate.module_page(module, head)
        for name, thing in generate.names(module):
            assert re.search(rf"^:+{{py:\w+}} {name}\b", page, re.M), name
            assert thing.__doc__, f"{module.__name__}.{name} has no docstring"


def test_docstrings_become_markdown(generate: ModuleType) -> None:
    text = "The *sum* of `x`.\n\nx: an array,\n    or a list.\n\n>>> 1 + 1\n2\n\n    y = x\n"
    assert generate.markdown(text).splitlines() == [
        r"The \*sum\* of `x`.", "",
        "", "- **x**: an array,", "  or a list.", "",
        "```pycon", ">>> 1 + 1", "2", "```", "",
        "```python", "    y = x".strip(), "```",
    ]  # fmt: skip
