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
