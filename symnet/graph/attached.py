"""Where the methods and operators of variables are: `symnet.ops` attaches them here.

`Variable` stands below the operations and knows none of them; each module of operations
attaches what it defines (see `symnet.ops.methods`).  Type checkers read `attached.pyi`,
which is made of the attached functions' own annotations: `python -m tests.stubs`.
"""

from __future__ import annotations


class Attached:
    """The base of `Variable`."""

    __slots__ = ()
