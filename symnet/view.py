"""`python -m symnet.view FILE.py:NAME`, and `symnet.view(f)` also where this module was
imported by its name."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from symnet.viewer.command import main
from symnet.viewer.page import ViewerPage, view


class CallableModule(ModuleType):
    """A module that can be called as the function of its name."""

    def __call__(self, *args: Any, **kwargs: Any) -> ViewerPage:
        """See `symnet.viewer.page.view`."""
        return view(*args, **kwargs)


if __name__ == "__main__":
    sys.exit(main())
sys.modules[__name__].__class__ = CallableModule

__all__ = ["main", "view"]
