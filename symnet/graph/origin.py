"""Where in the user's program an operation was made."""

from __future__ import annotations

import linecache
import os
import sys
from types import FrameType, TracebackType

from symnet.data_classes import dataclass

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


@dataclass(frozen=True, slots=True)
class Origin:
    """A line of the user's program.  `role` tells what was made of it ("gradient")."""

    filename: str
    line: int
    function: str
    role: str = ""

    @property
    def text(self) -> str:
        """The line itself, or "" where its file cannot be read."""
        return linecache.getline(self.filename, self.line).strip()

    def __str__(self) -> str:
        role = f"{self.role} of " if self.role else ""
        code = f": {self.text}" if self.text else ""
        return f"{role}{self.place}, in {self.function}{code}"

    @property
    def place(self) -> str:
        """FILE:LINE, or "Cell In[3], line 5" in a notebook."""
        cell = _cell(self.filename)
        return f"{cell}, line {self.line}" if cell else f"{self.filename}:{self.line}"

    @property
    def short_place(self) -> str:
        """The same with the file's name alone."""
        return self.place.replace("\\", "/").rsplit("/", 1)[-1]


def _cell(filename: str) -> str:
    """The notebook's cell that IPython compiled under this name, or ""."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    label = getattr(getattr(shell, "compile", None), "format_code_name", lambda _: None)
    return " ".join(label(filename) or ())


_inherited: list[Origin | None] = [None]
_inside: dict[str, bool] = {}


def capture() -> Origin | None:
    """The innermost line outside this package, or the origin being inherited."""
    if _inherited[-1] is not None:
        return _inherited[-1]
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        filename = frame.f_code.co_filename
        inside = _inside.get(filename)
        if inside is None:
            inside = _inside[filename] = filename.startswith(PACKAGE)
        if not inside:
            return Origin(filename, frame.f_lineno, frame.f_code.co_name)
        frame = frame.f_back
    return None


class inherit:
    """Operations made inside the `with` block have this origin instead of their own line."""

    __slots__ = ("origin",)

    def __init__(self, origin: Origin | None, role: str = "") -> None:
        if origin is not None and role and origin.role != role:
            origin = Origin(origin.filename, origin.line, origin.function, role)
        self.origin = origin

    def __enter__(self) -> None:
        _inherited.append(self.origin)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _inherited.pop()
