"""How far a long loop has come: `for batch in symnet.progress(batches): ...`."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterable, Iterator, Sized
from time import monotonic
from typing import Any, Generic, TextIO, TypeVar

from symnet.times import time_text

T = TypeVar("T")
INTERVAL = 0.1  # seconds between two updates of what is shown
LINES = 10  # where lines cannot be written over


class Progress(Generic[T]):
    """The items of an iterable, while what is done is shown.

    `show(text)` says what to write beside it, such as the present cost.
    """

    def __init__(
        self, items: Iterable[T], what: str, total: int | None, file: TextIO | None
    ) -> None:
        self.items, self.what, self.file = items, what, file
        if total is None and isinstance(items, Sized):
            total = len(items)
        self.total = total
        self.text = ""

    def __len__(self) -> int:
        if self.total is None:
            raise TypeError("nobody knows how many items there are")
        return self.total

    def show(self, text: object) -> None:
        """Write this beside the bar from its next update on."""
        self.text = str(text)

    def __iter__(self) -> Iterator[T]:
        display = _display(self)
        done = 0
        try:
            for item in self.items:
                yield item
                done += 1
                display.update(done)
        finally:  # also after `break` and an error in the loop
            display.close(done)


def progress(
    items: Iterable[T],
    what: str = "",
    total: int | None = None,
    file: TextIO | None = None,
) -> Progress[T]:
    """The same items, while a bar shows how many of them are done.

    what: the text before the bar.  total: how many items there are, where `len(items)`
        does not say so.  file: where to write; None: standard error.
    In a terminal or a notebook this is tqdm's bar where tqdm is installed (the extra
    "progress"), and else a line that is written over, at most ten times a second.  Into
    files and pipes go lines of their own, one for each tenth of the way.
    Raises: TypeError for what cannot be gone through.

    >>> import sys, symnet
    >>> steps = symnet.progress(range(20), "training", file=sys.stdout)
    >>> for k in steps:
    ...     steps.show(f"cost {1 / (k + 1):.2f}")
    ...     if k == 3:
    ...         break
    training: 2/20, cost 0.50
    training: 3/20, cost 0.25
    """
    if not isinstance(items, Iterable):
        raise TypeError(
            f"progress() goes through items, not {items!r:.60}; say range(n) for n steps"
        )
    return Progress(items, what, total, file)


class Rewritten:
    """One line that is written over; with the time that is left."""

    def __init__(self, shown: Progress[Any], file: TextIO) -> None:
        self.shown, self.file = shown, file
        terminal = file.isatty()
        # A line that is broken in two cannot be written over.
        self.most = shutil.get_terminal_size().columns - 1 if terminal else None
        self.start = monotonic()
        self.next, self.width = self.start, 0

    def update(self, done: int) -> None:
        now = monotonic()
        if now >= self.next:
            self.next = now + INTERVAL
            self.write(done, now - self.start)

    def write(self, done: int, seconds: float, end: str = "") -> None:
        line = told(self.shown, done)
        total = self.shown.total
        if end:
            line += f", {time_text(seconds)}"
        elif total and 0 < done < total:
            line += f", {time_text(seconds / done * (total - done))} left"
        line = line[: self.most]
        self.file.write(f"\r{line:<{self.width}}{end}")
        self.file.flush()
        self.width = len(line)

    def close(self, done: int) -> None:
        self.write(done, monotonic() - self.start, end="\n")


class Lines:
    """Lines one below the other, at tenths of the way; of unknown length at 1, 2, 4, ..."""

    def __init__(self, shown: Progress[Any], file: TextIO) -> None:
        self.shown, self.file = shown, file
        self.last = 0

    def update(self, done: int) -> None:
        total = self.shown.total
        if total:
            due = done * LINES // total > (done - 1) * LINES // total
        else:
            due = done & (done - 1) == 0
        if due:
            self.write(done)

    def write(self, done: int) -> None:
        self.last = done
        self.file.write(told(self.shown, done) + "\n")
        self.file.flush()

    def close(self, done: int) -> None:
        if done != self.last:
            self.write(done)


class TqdmBar:
    """The bar of tqdm: in notebooks, where ipywidgets is installed, a widget."""

    def __init__(self, shown: Progress[Any], file: TextIO | None) -> None:
        # Without ipywidgets tqdm.auto warns and writes plain text after all.
        widgets = in_notebook() and importlib.util.find_spec("ipywidgets")
        if widgets and file is None:
            from tqdm.auto import tqdm  # optional
        else:
            from tqdm.std import tqdm  # optional
        self.shown, self.done, self.said = shown, 0, ""
        self.bar = tqdm(
            total=shown.total, desc=shown.what or None, file=file, mininterval=INTERVAL
        )

    def update(self, done: int) -> None:
        if self.shown.text != self.said:
            self.said = self.shown.text
            self.bar.set_postfix_str(self.said, refresh=False)
        self.bar.update(done - self.done)
        self.done = done

    def close(self, done: int) -> None:
        self.bar.close()


def told(shown: Progress[Any], done: int) -> str:
    """As "training: 20/100, cost 0.31"."""
    count = f"{done}/{shown.total}" if shown.total is not None else str(done)
    start = f"{shown.what}: {count}" if shown.what else count
    return f"{start}, {shown.text}" if shown.text else start


def _display(shown: Progress[Any]) -> Rewritten | Lines | TqdmBar:
    file = shown.file or sys.stderr
    terminal = bool(getattr(file, "isatty", lambda: False)())
    if not terminal and not (shown.file is None and in_notebook()):
        return Lines(shown, file)
    if importlib.util.find_spec("tqdm"):
        return TqdmBar(shown, shown.file)
    return Rewritten(shown, file)


def in_notebook() -> bool:
    """Whether the code runs in a kernel of Jupyter."""
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython else None
    return shell is not None and "IPKernelApp" in shell.config
