"""Tables as notebooks show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from symnet.lazy import imported_when_called

if TYPE_CHECKING:
    from html import escape as escape
else:
    escape = imported_when_called("html", "escape")  # slow to import

CELL = 'style="text-align:left;vertical-align:top;padding:2px 10px"'


def html_table(rows: Iterable[Sequence[str]], titles: Sequence[str] = ()) -> str:
    """A table; its cells and titles are HTML already."""
    header = "".join(f"<th {CELL}>{title}</th>" for title in titles)
    lines = [f"<tr>{header}</tr>"] if titles else []
    for row in rows:
        cells = "".join(f"<td {CELL}>{cell}</td>" for cell in row)
        lines.append(f"<tr>{cells}</tr>")
    return f"<table>{''.join(lines)}</table>"
