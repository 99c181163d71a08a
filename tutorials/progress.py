"""How far training has come: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Display(Protocol):
    """Called after each epoch with the text to show beside the bar."""

    def __call__(self, done: int, text: str) -> None: ...


@contextmanager
def display(what: str, total: int) -> Iterator[Display]:
    """Shows `what` and how much of `total` is done."""
    if sys.stdout.isatty() and importlib.util.find_spec("rich"):
        with bar(what, total) as show:
            yield show
    else:
        yield lines(what, total)


def lines(what: str, total: int) -> Display:
    """A line at each tenth of the way."""

    def show(done: int, text: str) -> None:
        if done * 10 // total > (done - 1) * 10 // total:
            print(f"{what}: {done}/{total} epochs, {text}", flush=True)

    return show


@contextmanager
def bar(what: str, total: int) -> Iterator[Display]:
    """A bar by rich, drawn at most ten times a second."""
    from rich import progress  # optional

    columns = (
        progress.TextColumn(what),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[text]}"),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, refresh_per_second=10) as drawn:
        task = drawn.add_task(what, total=total, text="compiling")
        yield lambda done, text: drawn.update(task, completed=done, text=text)
