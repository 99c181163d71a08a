"""The viewer's page: one HTML file that loads nothing, and `view`, which makes it.

The page is a template, a style and plain scripts beside this file, which are put into it as
they stand, with the description as JSON.  Its places for boxes are dagre's (page/dagre.min.js,
by its licence in page/dagre.LICENSE.txt).
"""

from __future__ import annotations

import json
import os
import tempfile
import webbrowser
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from symnet.compile.profile import Profile
from symnet.errors import briefly, message
from symnet.progress_display import in_notebook
from symnet.viewer.description import description
from symnet.viewer.graph_tables import Record

FOLDER = Path(__file__).parent / "page"
# In the order in which they run.
SCRIPTS = (
    "dagre.min.js", "data.js", "scene.js", "layout.js", "canvas.js", "graph_view.js",
    "program_view.js", "main.js",
)  # fmt: skip
FRAME = (
    '<iframe sandbox="allow-scripts" style="width:100%;height:640px;'
    'border:1px solid #d5dbe1" srcdoc="{}"></iframe>'
)


class ViewerPage:
    """What `view` made: `html` is the page, `path` its file (None: it was not written).
    Notebooks show the page itself."""

    def __init__(self, html: str, path: Path | None) -> None:
        self.html, self.path = html, path

    def _repr_html_(self) -> str:
        return FRAME.format(escape(self.html))

    def __repr__(self) -> str:
        where = f"in {self.path}" if self.path else "not written to a file"
        return f"<page of the viewer, {where}>"


def page_text(record: Record) -> str:
    """The page that shows a description."""
    scripts = [_script(FOLDER / name) for name in SCRIPTS]
    # Only these scripts run, whatever stands in the program that is shown.
    hashes = " ".join(f"'sha256-{_digest(text)}'" for text in scripts)
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src {hashes}"
    return Template((FOLDER / "viewer.html").read_text("utf-8")).substitute(
        policy=policy,
        title=escape(record["title"]),
        style=(FOLDER / "viewer.css").read_text("utf-8"),
        data=_json(record),
        scripts="\n".join(f"<script>{text}</script>" for text in scripts),
    )


def _script(path: Path) -> str:
    """A script without the line that names a file for debuggers, which is not there."""
    lines = path.read_text("utf-8").splitlines()
    return "\n".join(one for one in lines if not one.startswith("//# sourceMappingURL"))


def _digest(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


def _json(record: Record) -> str:
    """JSON that can stand in HTML: nothing in it ends the element."""
    text = json.dumps(record, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


@briefly
def view(
    f: Any,
    path: str | os.PathLike[str] | None = None,
    open_browser: bool | None = None,
    arguments: Sequence[Any] | None = None,
    profile: Profile | None = None,
) -> ViewerPage:
    """Show a compiled function, a variable or a list of variables in a browser: the graph in
    groups by names and the user's lines, each pass and each use of a rule, the program with
    its memory and time, and every kernel's loop beside its code.

    path: the HTML file to write, which needs no other and no network; by default one in the
        folder for temporary files (in notebooks none).
    open_browser: by default the page is opened, but in notebooks, where it is shown as the
        value of the cell.
    arguments: of one call of the function.  It is called with them for about 0.3 seconds,
        shared variables keep their values, and the page tells the times of its steps, and
        the shape and range of each value, NaN and infinity.
    profile: the times to show, from `f.profile(*args)`; without, those that a function made
        with `profile=True` has recorded.
    Raises: TypeError for what is neither function nor variable, and for arguments without
        a function; OSError for a file that cannot be written.

    >>> from os import devnull
    >>> x = T.dvector("x")
    >>> f = symnet.function([x], T.exp(x).sum())
    >>> page = symnet.view(f, devnull, open_browser=False)
    >>> "<html" in page.html
    True
    """
    html = page_text(description(f, arguments, profile))
    notebook = in_notebook()
    written = _write(html, path) if path is not None or not notebook else None
    if open_browser is None:
        open_browser = not notebook
    if open_browser:
        written = written or _write(html, None)
        if not webbrowser.open(written.as_uri()):
            print(f"No browser was found: open {written}")
    return ViewerPage(html, written)


def _write(html: str, path: str | os.PathLike[str] | None) -> Path:
    if path is None:
        number, name = tempfile.mkstemp(".html", "symnet-view-")
        os.close(number)
        path = name
    found = Path(path).absolute()
    try:
        found.write_text(html, "utf-8")
    except OSError as error:
        text = message(
            f"symnet.view cannot write {found}: {error.strerror}",
            cure="say another file: symnet.view(f, path=...)",
        )
        raise type(error)(error.errno, text) from None
    return found


__all__ = ["ViewerPage", "view"]
