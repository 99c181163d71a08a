"""The names of `theano.d3viz`: graphs as pages for a browser."""

from __future__ import annotations

import os
from html import escape
from typing import Any

from symnet.printing.draw import draw

PAGE = """<!DOCTYPE html>
<html>
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
{picture}
</body>
</html>
"""


def d3write(fct: Any, path: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
    """Write the drawing of a function or variables to an SVG file."""
    draw(fct).save(path)


def d3viz(
    fct: Any, outfile: str | os.PathLike[str], copy_deps: bool = True, **kwargs: Any
) -> None:
    """Write a page with the drawing of a function or variables.

    It is one file that needs no other (`copy_deps` has no effect), and holds a picture to
    look at, whose boxes tell more where the mouse rests on them.
    """
    name = getattr(fct, "name", None) or str(fct)
    picture = draw(fct)._repr_svg_()
    with open(outfile, "w", encoding="utf-8") as file:
        file.write(PAGE.format(title=escape(str(name)), picture=picture))


__all__ = ["d3viz", "d3write"]
