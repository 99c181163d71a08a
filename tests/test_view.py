"""`symnet.view` is a function, also where its module was imported by name."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os, symnet, symnet.tensor as T
if "module" in {first!r}:
    import symnet.view
x = T.dvector("x")
page = symnet.view(T.exp(x), os.devnull, open_browser=False)
assert "<html" in page.html, page
import symnet.view
assert "<html" in symnet.view(x, os.devnull, open_browser=False).html
"""


def test_it_can_be_called_whatever_was_imported() -> None:
    for first in ("function", "module"):
        program = PROGRAM.format(first=first)
        subprocess.run([sys.executable, "-c", program], check=True)
