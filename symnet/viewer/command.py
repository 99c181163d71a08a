"""`python -m symnet.view FILE.py:NAME`: a function or variable of a file in the browser."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from symnet.debug import UsageError, call_once, load, ones_for, read_shapes
from symnet.viewer.page import view


def main(arguments: Sequence[str] | None = None) -> int:
    """The command.  Returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m symnet.view",
        usage="%(prog)s FILE.py:NAME [--shapes x=20,784 ...] [--output FILE] [--no-browser]",
        description="Show a function in the browser: graph, passes, program, code.",
    )
    add = parser.add_argument
    add("target", help="FILE.py:NAME or MODULE:NAME")
    about = (
        "call with ones of these shapes: for times, memory, code, and ranges of values"
    )
    add("--shapes", nargs="+", default=[], metavar="x=20,784", help=about)
    add("--output", metavar="FILE.html", help="the file to write")
    add("--no-browser", action="store_true", help="only write the file")
    options = parser.parse_args(arguments)
    try:
        f = load(options.target)
        given = None
        if options.shapes:
            shapes = read_shapes(options.shapes)
            call_once(f, shapes)  # says in short what does not fit
            given = ones_for(f, shapes)
        page = view(f, options.output, not options.no_browser, given)
    except (UsageError, OSError) as error:
        text = error.strerror if isinstance(error, OSError) else error
        print(f"{parser.prog}: {text}", file=sys.stderr)
        return 2
    print(page.path)
    return 0
