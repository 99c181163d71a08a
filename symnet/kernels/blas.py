"""Which BLAS is called, and with how many threads.

NumPy's wheels carry an OpenBLAS, which is in the process already, and newer than the one
in SciPy's (measured: a product of 20 x 784 and 784 x 500 took 135 microseconds with
NumPy's 0.3.31, 300 with SciPy's 0.3.30).  Where NumPy was built with another BLAS, the
pointers that `scipy.linalg.cython_blas` publishes for compiled code are taken.
"""

from __future__ import annotations

import atexit
import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from symnet.config import config
from symnet.kernels import threads

# How builds of OpenBLAS name their functions: before the name, and behind it.  Those
# with 64 take 64-bit integers; the words of a step serve both (little-endian).
SPELLINGS = (("scipy_", "64_"), ("scipy_", ""), ("", "64_"), ("", ""))


@dataclass(frozen=True)
class OpenBlas:
    """A library, and how its names are spelt."""

    library: ctypes.CDLL
    before: str
    behind: str

    def routine(self, name: str) -> int:
        """The address of a Fortran routine.  Raises: KeyError."""
        try:
            symbol = self.library[f"{self.before}{name}_{self.behind}"]
        except AttributeError:
            raise KeyError(name) from None
        return ctypes.cast(symbol, ctypes.c_void_p).value or 0

    def control(self, what: str) -> Any:
        """OpenBLAS's own function `what` (such as "set_num_threads"); None without it."""
        for before in (self.before, ""):
            try:
                return self.library[f"{before}openblas_{what}{self.behind}"]
            except AttributeError:
                continue
        return None


def _open(extension: Any) -> OpenBlas | None:
    """The OpenBLAS that an extension module is linked to."""
    path = getattr(extension, "__file__", None)
    if path is None:
        return None
    library = ctypes.CDLL(path)  # a search there includes what it is linked to
    for before, behind in SPELLINGS:
        found = OpenBlas(library, before, behind)
        if found.control("get_config") is not None:
            return found
    return None


@cache
def openblas() -> OpenBlas | None:
    """NumPy's OpenBLAS, or None where it has another BLAS."""
    core = getattr(np, "_core", None)
    return _open(getattr(core, "_multiarray_umath", None))


@cache
def blas_address(name: str) -> int:
    """The address of a BLAS routine, e.g. "dgemm".

    Raises: KeyError for an unknown name; RuntimeError where there is no BLAS with
    integers of C.
    """
    share_threads()
    found = openblas()
    return found.routine(name) if found is not None else _from_scipy(name)


def _from_scipy(name: str) -> int:
    import scipy.linalg.cython_blas as cython_blas  # slow to import, and rarely needed

    capsule = cython_blas.__pyx_capi__[name]
    api = ctypes.pythonapi
    signature_of = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(
        ("PyCapsule_GetName", api)
    )
    pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", api)
    )
    signature = signature_of(capsule)
    if b"int *" not in signature:
        raise RuntimeError(f"SciPy's {name} does not take C integers: {signature!r}")
    return int(pointer_of(capsule, signature))


def _control(what: str) -> Any:
    found = openblas()
    return None if found is None else found.control(what)


def set_blas_threads(count: int) -> bool:
    """Let the BLAS use `count` threads, here and in NumPy; whether it could be told."""
    function = _control("set_num_threads")
    if function is not None:
        function(count)
    return function is not None


def blas_threads() -> int | None:
    """How many threads the BLAS uses; None where it does not say."""
    function = _control("get_num_threads")
    return None if function is None else int(function())


@cache
def share_threads() -> bool:
    """Let the BLAS use the threads of our loops; whether it can.

    Its own threads wait for the next product by spinning for a tenth of a second: a
    parallel loop in between then runs at half its speed (measured: a product of 77
    microseconds and a loop of 144 took 400 together, with shared threads 230).
    """
    if config.num_threads:
        set_blas_threads(config.num_threads)
    setter = _control("set_threads_callback_function")
    if not threads.POOLED or blas_threads() in (None, 1) or setter is None:
        return False
    setter(ctypes.c_void_p(threads.parallel_jobs.address))
    atexit.register(setter, ctypes.c_void_p(None))  # machine code will be unloaded
    return True
