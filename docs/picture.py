"""Draws the picture of the README: `python docs/picture.py` writes docs/step.svg.

The program is the README's first one; symnet draws what it was compiled to.
"""

from __future__ import annotations

import pathlib
import re

from symnet.printing import draw
from symnet.printing.draw import Drawing

DOCS = pathlib.Path(__file__).resolve().parent


def picture() -> Drawing:
    """The training step of the README's first program, as it is compiled."""
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    match = re.search(r"^```python\n(.*?)^```$", readme, re.M | re.S)
    assert match is not None
    space: dict[str, object] = {}
    # The picture names lines: those of the file.
    program = "\n" * readme[: match.start(1)].count("\n") + match[1]
    exec(compile(program, "README.md", "exec"), space)
    return draw(space["step"])


if __name__ == "__main__":
    picture().save(DOCS / "step.svg")
