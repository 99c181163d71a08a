"""Arrays read from files while a function runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Variable, make_variable
from symnet.ops.base import TensorOp

__all__ = ["LoadFromDisk", "load"]

Mapped: TypeAlias = Literal["c", "r"] | None
MAPPED = (None, "c", "r")


class LoadFromDisk(TensorOp):
    """The array in a file of NumPy's format .npy, read anew at each call.

    Called with nothing, or with a variable for the path, as `Variable(Generic())`; it runs
    as a reference step.
    Raises: when run, OSError for a file that cannot be read, ValueError for one that is
        no .npy or holds Python objects (which would run code), TypeError for another
        dtype or rank.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "a.npy")
    >>> np.save(path, np.arange(3.0))
    >>> T.load(path, "float64", (False,)).eval()
    array([0., 1., 2.])
    """

    __props__ = ("path", "dtype", "broadcastable", "mmap_mode")
    foldable = False

    def __init__(
        self,
        path: str | None,
        dtype: Any,
        broadcastable: Sequence[bool],
        mmap_mode: Mapped = None,
    ) -> None:
        if mmap_mode not in MAPPED:
            raise ValueError(f"load: mmap_mode is one of {MAPPED}, not {mmap_mode!r}")
        self.path = None if path is None else os.fspath(path)
        self.mmap_mode = mmap_mode
        kind = TensorType(dtype, broadcastable)
        self.dtype, self.broadcastable = kind.dtype, kind.broadcastable

    def make_node(self, *path: Variable) -> Apply:
        kind = TensorType(self.dtype, self.broadcastable)
        return Apply(self, list(path), [make_variable(kind)])

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        path = self.path if self.path is not None else arrays[0]
        found = np.load(path, mmap_mode=self.mmap_mode, allow_pickle=False)
        if not isinstance(found, np.ndarray):
            found.close()
            raise ValueError(f"load: {path} is no .npy file but an archive")
        return [xp.asarray(node.outputs[0].type.filter(found, strict=True))]


def load(
    path: str | Variable,
    dtype: Any,
    broadcastable: Sequence[bool],
    mmap_mode: Mapped = None,
) -> Any:
    """The array in the file `path`, of that dtype and broadcast pattern, read at each call.

    path: text, or a variable for which a call brings the text: `Variable(Generic())`.
    mmap_mode: None reads the file, "c" and "r" map it, so that only what is needed is read.
    Raises: see `LoadFromDisk`.
    """
    if isinstance(path, Variable):
        return LoadFromDisk(None, dtype, broadcastable, mmap_mode)(path)
    return LoadFromDisk(path, dtype, broadcastable, mmap_mode)()
