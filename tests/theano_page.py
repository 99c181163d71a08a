"""The page docs/theano_names.md: which of Theano's names there are, and how they differ.

The page is its own source for names, counts and notes.  `python -m tests.theano_page` (from
the project's folder) looks each name up and writes anew what it is: "works", "differs"
(a name with a note of ours), "refused" with the reason, or "not there".
"""

from __future__ import annotations

import pathlib
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import ModuleType

from symnet.theano_names import parts, top
from symnet.theano_refusals import RefusedName, reason
from symnet.theano_settings import DEFAULTS, REFUSED, WORKING, Settings

PAGE = pathlib.Path(__file__).parent.parent / "docs" / "theano_names.md"
ROW = re.compile(r"\| `([\w.]+)` \| (\d+/\d+|) \| ([\w ]+) \| (.*) \|")
MISSING = object()
STATES = ("works", "differs", "refused", "not there")


@dataclass(frozen=True)
class Row:
    """One name of a module; use: in how many programs, and how often there."""

    module: str
    name: str
    use: str
    state: str
    note: str

    def __str__(self) -> str:
        return f"| `{self.name}` | {self.use} | {self.state} | {self.note} |"


def rows(text: str) -> Iterator[Row]:
    """The rows of the page, in its order."""
    module = ""
    for line in text.splitlines():
        if line.startswith("### "):
            module = line[4:].strip("`")
        found = ROW.fullmatch(line)
        if found:
            yield Row(module, found[1], found[2], found[3], found[4])


def modules() -> dict[str, ModuleType]:
    """Theano's modules as symnet gives them, without entering them in `sys.modules`."""
    settings = Settings()
    return {"theano": top(settings), **parts(settings)}


def is_there(known: Mapping[str, ModuleType], module: str, name: str) -> bool:
    """Whether a module has the name, or the name is a module below it."""
    found = getattr(known.get(module), name, MISSING)
    there = found is not MISSING and not isinstance(found, RefusedName)
    return there or f"{module}.{name}" in known


def looked_up(row: Row, known: Mapping[str, ModuleType]) -> Row:
    """The row as it is now."""
    if is_there(known, row.module, row.name):
        kept = row.note if row.state in ("works", "differs") else ""
        return replace(row, state="differs" if kept else "works", note=kept)
    why = reason(row.module, row.name)
    return replace(row, state="refused" if why else "not there", note=why or "")


def settings_table() -> str:
    """All settings of Theano, and what becomes of them."""
    lines = ["| setting | default | |", "|---|---|---|"]
    lines += [
        f"| `{one}` | | works: `symnet.config.{own}` |" for one, own in WORKING.items()
    ]
    for name, value in sorted(DEFAULTS.items()):
        shown = f"`{value}`" if value not in ("", None) else ""
        why = REFUSED.get(name)
        what = f"another value is refused: {why}" if why else "kept, without effect"
        lines.append(f"| `{name}` | {shown} | {what} |")
    return "\n".join(lines)


def written(text: str) -> str:
    """The page, brought up to date."""
    known = modules()
    fresh = {(one.module, one.name): looked_up(one, known) for one in rows(text)}
    module, lines = "", []
    for line in text.split("## Settings")[0].splitlines():
        if line.startswith("### "):
            module = line[4:].strip("`")
        found = ROW.fullmatch(line)
        lines.append(str(fresh[module, found[1]]) if found else line)
    return "\n".join(lines).rstrip() + f"\n\n## Settings\n\n{settings_table()}\n"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    counts = [one.state for one in rows(PAGE.read_text(encoding="utf-8"))]
    sys.stdout.write(", ".join(f"{counts.count(s)} {s}" for s in STATES) + "\n")
