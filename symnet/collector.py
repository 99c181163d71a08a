"""Python's search for objects that nobody holds, and when it finds none."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """No garbage is collected inside, unless someone asks for it.

    For what makes many objects of which nearly all stay: Python would look through them
    again and again (measured when a recurrent network is compiled: a tenth of the time).
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def objects_stay() -> None:
    """Take all objects there are for old ones, which only a full collection looks at.

    For modules that have been loaded: the collector would look through them twice more
    before it took them for old by itself.
    """
    if (
        gc.get_freeze_count() == 0
    ):  # else thawing would undo what someone else has frozen
        gc.freeze()
        gc.unfreeze()
